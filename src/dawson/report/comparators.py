"""Does it beat what the ward has? The network beside its comparators, in sentences and rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dawson.report.findings import NOT_TOLD, reason_of
from dawson.report.formatting import NAMES, as_entry, decimal_estimate, is_number, listed, p_value, plain
from dawson.report.lesion_masks import masks_sentence

NETWORK = "network"
_NAMES = {"matthews": "Matthews rule", "cacciaguerra": "Cacciaguerra items"}
_FIRST_PERSON = re.compile(r" \(the first is .*\)|; of sub-.*?(?=\.$)", re.DOTALL)
_PERSON = re.compile(r"\bsub-[A-Za-z0-9]+(?:_ses-[A-Za-z0-9]+)?")
TESTS = {"delong": "DeLong", "mcnemar": "McNemar, mid-p", "bootstrap": "bootstrap over patients"}


@dataclass(frozen=True)
class Comparators:
    """The section "Does it beat what the ward has?".

    Parameters
    ----------
    reason : str
        Why there is no comparison; then the rest is empty.
    sentence : str
    models : list of (name, description, number of test patients)
        The number is empty where it may not be told.
    pairs : list of mapping
        first, second, figure, difference, p and test (the exact one), bootstrap, holm, nadeau_bengio, nadeau_bengio_p, naive_p, n:
        text; a difference is a pair of texts, its estimate and its interval.
    left_out : list of (name, reason)
        Models that could not be made, and images without a lesion mask; names nobody.
    same_patients : bool
        Whether all models, and both of each pair, were tested on as many patients: the same ones.
    masks : str
        Whose lesion masks were used.
    """

    reason: str
    sentence: str
    models: list[tuple[str, str, str]]
    pairs: list[dict[str, Any]]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    same_patients: bool = True
    masks: str = ""


def comparators_section(comparison: Mapping[str, Any] | None, count_shown: bool = True) -> Comparators | None:
    """What the page says of comparison.json; None where the run has none.

    Parameters
    ----------
    comparison : mapping or None
    count_shown : bool
        Whether the number of test patients may be told.
    """
    if comparison is None:
        return None
    if reason := reason_of(comparison):
        return Comparators(reason, "", [], [])
    pairs = comparison.get("pairs") or []
    return Comparators(
        reason="",
        sentence=_sentence(comparison),
        models=[
            (spelled(name), str(model.get("description") or ""), str(model.get("n", "")) if count_shown else "")
            for name, model in (comparison.get("models") or {}).items()
        ],
        pairs=[_pair(pair, count_shown) for pair in pairs],
        left_out=[
            (spelled(str(name)), _without_people(str(why)) if count_shown else NOT_TOLD)
            for name, why in (comparison.get("left_out") or {}).items()
        ],
        same_patients=_same_patients(comparison),
        masks=masks_sentence(comparison),
    )


def _without_people(reason: str) -> str:
    """A reason without the person whom it names as an example."""
    return _PERSON.sub("a participant", _FIRST_PERSON.sub("", reason))


def _same_patients(comparison: Mapping[str, Any]) -> bool:
    tested = {model.get("n") for model in (comparison.get("models") or {}).values()}
    return len(tested | {pair.get("n_patients") for pair in comparison.get("pairs") or []}) <= 1


def spelled(name: str) -> str:
    """The name of a model as it stands in a sentence.

    Examples
    --------
    >>> spelled("lesion_features"), spelled("fusion-network+rules")
    ('lesion features', 'fusion network + rules')
    """
    if name in _NAMES:
        return _NAMES[name]
    return " ".join(name.replace("_", " ").replace("-", " ").replace("+", " + ").split())


def reference_of(models: Sequence[str]) -> str:
    """The model that the others are compared with: the network, or the first."""
    return next((name for name in models if name == NETWORK), models[0] if models else "")


def _sentence(comparison: Mapping[str, Any]) -> str:
    models = comparison.get("models") or {}
    reference = reference_of(list(models))
    if not reference:
        return "Nothing was compared."
    better: list[str] = []
    worse: list[str] = []
    open_: list[str] = []
    for other, entry in _against(comparison, reference):
        low, high = entry.get("low"), entry.get("high")
        words = f"{spelled(other)} ({decimal_estimate(entry, signed=True).replace(' (', '; ').rstrip(')')})"
        if not is_number(low) or not is_number(high):
            open_.append(words)
        else:
            (better if low > 0 else worse if high < 0 else open_).append(words)
    told = [
        f"ranked patients better than {listed(better)}" if better else "",
        f"worse than {listed(worse)}" if worse else "",
        f"could not be told apart from {listed(open_)}" if open_ else "",
    ]
    said = [text for text in told if text]
    auc = plain("auc", as_entry(models[reference].get("auc")).get("estimate"))
    who = f"the {NETWORK}" if reference == NETWORK else spelled(reference)
    where = "test patients" if _same_patients(comparison) else "splits, with the patients whom each model can read,"
    if not said:
        return f"On the same {where} {who} has an AUC of {auc}; no paired difference of the AUC was computed."
    if not better and worse:
        said[0] = f"ranked patients {said[0]}"
    return (
        f"On the same {where} {who} (AUC {auc}) {listed(said)}. In brackets: the difference of the AUC, {who} minus the other, with "
        "its interval over patients."
    )


def _against(comparison: Mapping[str, Any], reference: str) -> list[tuple[str, dict[str, Any]]]:
    """Differences of the AUC, reference minus other, whichever way round the file has them."""
    found = []
    for pair in comparison.get("pairs") or []:
        if pair.get("figure") != "auc" or reference not in (pair.get("first"), pair.get("second")):
            continue
        entry = dict(as_entry(pair.get("difference")))
        if pair["first"] == reference:
            found.append((str(pair["second"]), entry))
        else:
            turned = {"estimate": entry.get("estimate"), "low": entry.get("high"), "high": entry.get("low")}
            found.append((str(pair["first"]), {name: -value if is_number(value) else None for name, value in turned.items()}))
    return found


def _pair(pair: Mapping[str, Any], count_shown: bool) -> dict[str, Any]:
    tests = dict(pair.get("p") or {})
    bootstrap = tests.pop("bootstrap", None)
    exact, value = next(iter(tests.items()), ("", None))
    corrected, naive = pair.get("nadeau_bengio") or {}, pair.get("naive_t") or {}
    figure = str(pair.get("figure"))
    return {
        "first": spelled(str(pair["first"])),
        "second": spelled(str(pair["second"])),
        "figure": NAMES.get(figure, figure),
        "difference": _difference(figure, pair.get("difference")),
        "p": p_value(value),
        "test": TESTS.get(exact, exact),
        "bootstrap": p_value(bootstrap),
        "holm": p_value(pair.get("p_holm")),
        "nadeau_bengio": _difference(figure, corrected.get("difference")),
        "nadeau_bengio_p": p_value(corrected.get("p")),
        "naive_p": p_value(naive.get("p")),
        "n": str(pair.get("n_patients", "")) if count_shown else "",
    }


def _difference(figure: str, value: Any) -> tuple[str, str]:
    """A difference of AUCs in its own unit, of anything else in percentage points; its interval apart."""
    entry, places = as_entry(value), 2
    if figure != "auc":
        entry = {name: 100 * number if is_number(number := entry.get(name)) else None for name in ("estimate", "low", "high")}
        places = 1
    point, _, interval = decimal_estimate(entry, places, signed=True).partition(" ")
    return point, interval
