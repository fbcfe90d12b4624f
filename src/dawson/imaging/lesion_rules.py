"""Rules of the ward read off a lesion mask: yes or no, and which of the criteria said so.

What a rule needs beyond lesions of the brain (contrast agent, spinal cord) is left out, and the rule's text says it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dawson.imaging.lesion_features import LesionFeatures


@dataclass(frozen=True)
class Verdict:
    """What a rule says of one scan.

    Parameters
    ----------
    positive : bool
    criteria : dict of str to bool
        Each criterion of the rule and whether it is met, in the order of the publication.
    """

    positive: bool
    criteria: dict[str, bool]

    @property
    def met(self) -> tuple[str, ...]:
        """Names of the criteria that are met."""
        return tuple(name for name, there in self.criteria.items() if there)


def matthews(lesions: Sequence[LesionFeatures]) -> Verdict:
    """The distribution criteria that tell MS from NMOSD: positive speaks for MS.

    Any of: a lesion at the body of a lateral ventricle and one in the inferior temporal lobe; an S-shaped or U-fibre lesion; a
    Dawson's finger.

    Parameters
    ----------
    lesions : sequence of LesionFeatures
        Of one scan.

    References
    ----------
    Matthews L, et al. Distinction of seropositive NMO spectrum disorder and MS brain lesion distribution. Neurology 80 (2013) 1330-1337.
    Its wording here is that of table 2 of BMC Neurol 14 (2014) 218, which applies it.
    """
    body = any(lesion.at_lateral_body for lesion in lesions)
    criteria = {
        "lateral body and inferior temporal": body and any(lesion.inferior_temporal for lesion in lesions),
        "U-fibre": any(lesion.u_fibre for lesion in lesions),
        "Dawson's finger": any(lesion.dawson_finger for lesion in lesions),
    }
    return Verdict(any(criteria.values()), criteria)


def barkhof(lesions: Sequence[LesionFeatures]) -> Verdict:
    """Dissemination in space by three of four criteria, without contrast agent: positive speaks for MS.

    Nine lesions or more, one infratentorial, one juxtacortical, three periventricular. The published first criterion is one lesion
    that takes up contrast agent, or nine.

    Parameters
    ----------
    lesions : sequence of LesionFeatures
        Of one scan.

    References
    ----------
    Barkhof F, et al. Comparison of MRI criteria at first presentation to predict conversion to clinically definite multiple sclerosis.
    Brain 120 (1997) 2059-2069.
    """
    criteria = {
        "nine lesions": len(lesions) >= 9,
        "infratentorial": any(lesion.infratentorial for lesion in lesions),
        "juxtacortical": any(lesion.juxtacortical for lesion in lesions),
        "three periventricular": sum(lesion.periventricular for lesion in lesions) >= 3,
    }
    return Verdict(sum(criteria.values()) >= 3, criteria)


def cacciaguerra(lesions: Sequence[LesionFeatures]) -> Verdict:
    """The brain items of the imaging criteria of NMOSD: two of them or more speak for NMOSD.

    Of the five published items four are of the brain: a periependymal lesion along the lateral ventricles, no juxtacortical or
    cortical lesion, no Dawson's finger, no (ovoid) periventricular lesion. The fifth, a longitudinally extensive lesion of the spinal
    cord, is not seen on a brain scan and counts as absent, so that the rule is less sensitive than published. A normal brain meets
    three items.

    Parameters
    ----------
    lesions : sequence of LesionFeatures
        Of one scan.

    Notes
    -----
    A periependymal line touches the ventricle by definition and is no periventricular lesion in the sense of the fourth item; neither
    is a callosal one.

    References
    ----------
    Cacciaguerra L, et al. Brain and cord imaging features in neuromyelitis optica spectrum disorders. Ann Neurol 85 (2019) 371-384.
    The items and "two of five" were read in table 4 of Korean J Radiol 24 (2023) 1260-1283, which lists them, not in the paper itself.
    """
    patches = [lesion for lesion in lesions if lesion.periventricular and not lesion.linear and not lesion.callosal]
    criteria = {
        "periependymal along lateral ventricle": any(lesion.linear_lateral for lesion in lesions),
        "no juxtacortical lesion": not any(lesion.juxtacortical for lesion in lesions),
        "no Dawson's finger": not any(lesion.dawson_finger for lesion in lesions),
        "no periventricular lesion": not patches,
    }
    return Verdict(sum(criteria.values()) >= 2, criteria)


RULES: dict[str, Callable[[Sequence[LesionFeatures]], Verdict]] = {"matthews": matthews, "barkhof": barkhof, "cacciaguerra": cacciaguerra}
"""Rules by name."""
