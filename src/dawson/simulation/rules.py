"""Rules of the ward, applied to true lesion tables: what a reader without any error would say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

# Adjacent to the body of a lateral ventricle.
_LATERAL_BODY = {"dawson_finger", "periventricular", "linear_lateral"}
_PERIVENTRICULAR = {*_LATERAL_BODY, "callosal"}
_INFRATENTORIAL = {
    "brainstem", "cerebellar", "periaqueductal", "linear_fourth", "linear_aqueduct", "area_postrema", "dorsal_brainstem",
    "cervicomedullary", "middle_peduncle", "pons_fluffy",
}  # fmt: skip
_JUXTACORTICAL = {"u_fibre", "juxtacortical"}


def matthews(kinds: Iterable[str]) -> bool:
    """Whether the distribution criteria say MS.

    A lesion at the body of a lateral ventricle and one in the inferior temporal lobe, or a U-fibre lesion, or a Dawson's finger.

    Parameters
    ----------
    kinds : iterable of str
        Of the lesions there are.

    References
    ----------
    Matthews L, et al. Distinction of seropositive NMO spectrum disorder and MS brain lesion distribution. Neurology 80 (2013) 1330-1337.
    """
    there = set(kinds)
    return "dawson_finger" in there or "u_fibre" in there or ("temporal" in there and bool(there & _LATERAL_BODY))


def barkhof(kinds: Iterable[str]) -> bool:
    """Whether three of the four criteria of dissemination are met, without contrast agent.

    Nine lesions or more, one infratentorial, one juxtacortical, three periventricular.

    Parameters
    ----------
    kinds : iterable of str
        One for each lesion.

    References
    ----------
    Barkhof F, et al. Comparison of MRI criteria at first presentation to predict conversion to clinically definite multiple sclerosis.
    Brain 120 (1997) 2059-2069.
    """
    counts = Counter(kinds)

    def number(group: set[str]) -> int:
        return sum(counts[kind] for kind in group)

    met = (counts.total() >= 9, number(_INFRATENTORIAL) >= 1, number(_JUXTACORTICAL) >= 1, number(_PERIVENTRICULAR) >= 3)
    return sum(met) >= 3


RULES = {"matthews": matthews, "barkhof": barkhof}
"""Rules by name, as `lesion_profiles.toml` names them."""
