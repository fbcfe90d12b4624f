"""What the study found, in words: the first thing a reader sees, and why its interval is the one to believe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dawson.report.formatting import interval_methods, is_number, limits, listed, percent, plain, with_unit


@dataclass(frozen=True)
class Headline:
    """The top of a study report.

    Parameters
    ----------
    sentence : str
        AUC and accuracy with their intervals, in whom.
    verdict : str
        Whether that is better than chance, and how it stands to the published figures.
    tone : {"good", "open", "bad"}
        Above chance, not told from chance, or below it.
    """

    sentence: str
    verdict: str
    tone: str


def headline(metrics: Mapping[str, Any], simulated: bool) -> Headline:
    """Sentence and verdict from metrics.json."""
    classes = [str(name) for name in metrics["classes"]]
    auc, accuracy = metrics["headline"].get("auc") or {}, metrics["headline"].get("accuracy") or {}
    number = sum(metrics["n_test_participants"].values())
    level = percent(metrics["confidence"])
    sentence = (
        f"In {number} {'simulated ' if simulated else ''}patients that it had not been trained on, the model told "
        f"{_task(classes, str(metrics['positive']))} with an AUC of {plain('auc', auc.get('estimate'))}"
        f"{_interval('auc', auc, level)} and an accuracy of {with_unit('accuracy', accuracy.get('estimate'))}"
        f"{_interval('accuracy', accuracy, '')}."
    )
    verdict, tone = _against_chance(auc, level)
    return Headline(sentence, f"{verdict} {_against_published(metrics, auc, simulated)}".strip(), tone)


def _task(classes: list[str], positive: str) -> str:
    others = [name for name in classes if name != positive]
    return f"{positive} from {others[0]}" if len(others) == 1 else f"{listed(classes)} apart"


def _interval(figure: str, entry: Mapping[str, Any], level: str) -> str:
    between = limits(figure, entry)
    if not between:
        return ""
    return f" ({level} interval {between})" if level else f" ({between})"


def _against_chance(auc: Mapping[str, Any], level: str) -> tuple[str, str]:
    low, high = auc.get("low"), auc.get("high")
    if not is_number(low) or not is_number(high):
        return "There are too few patients for an interval of the AUC, so this is no evidence yet.", "open"
    if low > 0.5:
        return f"This is better than chance: the {level} interval of the AUC lies above 0.5.", "good"
    if high < 0.5:
        return (
            f"This is worse than chance: the {level} interval of the AUC lies below 0.5. Look for swapped labels.",
            "bad",
        )
    return f"Chance is not ruled out: the {level} interval of the AUC contains 0.5.", "open"


def _against_published(metrics: Mapping[str, Any], auc: Mapping[str, Any], simulated: bool) -> str:
    published = (metrics.get("published") or {}).get("auc", {}).get("estimate")
    if not is_number(published):
        return ""
    if simulated:
        return (
            f"The published study (Seok et al. 2023) reports {plain('auc', published)}; these patients are "
            "simulated, so the two "
            "figures cannot be compared."
        )
    low, high = auc.get("low"), auc.get("high")
    if not is_number(low) or not is_number(high):
        return ""
    place = "inside" if low <= published <= high else "outside"
    return f"The published AUC (Seok et al. 2023), {plain('auc', published)}, lies {place} this interval."


def interval_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of Table 2: each way to put an interval round the figures, with its name and what it means."""
    repeats, draws = metrics["n_repeats"], metrics.get("n_test_draws") or {}
    level = percent(metrics["confidence"])
    people = sum(metrics["n_test_participants"].values())
    often = f", each in {draws['median']:g} test sets (median)" if is_number(draws.get("median")) else ""
    rows: list[dict[str, Any]] = [
        {
            "key": "headline",
            "name": "This study, over patients",
            "short": "headline",
            "figures": metrics["headline"],
            "why": f"Each of the {people} distinct test patients counts once, with the mean of their "
            f"out-of-sample probabilities{often}; "
            "the interval is over those patients, however often they were drawn. It judges the mean of all models on "
            f"patients of this kind. Ratios of sums. {interval_methods(metrics)}.",
        },
        {
            "key": "one_model",
            "name": "This study, one model",
            "short": "of one repeat",
            "figures": metrics.get("one_model"),
            "why": "What the fold models of a single repeat do together: each patient counts once, with how "
            "often they were called right "
            "(or ranked right) over the repeats; resampling of patients. The headline averages over repeats, "
            "which one model cannot.",
        },
        {
            "key": "over_repeats",
            "name": "This study, over repeats",
            "short": "as the paper did",
            "figures": metrics["over_repeats"],
            "why": f"Mean over the {repeats} test sets and a t interval of that mean, as Seok et al. 2023 give "
            "it. The test sets share "
            "their patients, so they are not independent; the interval shrinks with every further repeat though "
            "no patient is added, "
            "and is far too narrow. Means of ratios.",
        },
        {
            "key": "nadeau_bengio",
            "name": "This study, Nadeau–Bengio",
            "short": "corrected",
            "figures": metrics["nadeau_bengio"],
            "why": "The same mean, its standard error enlarged to sd · √(1/J + n_test/n_train) for the overlap "
            "of the repeats (Nadeau and "
            "Bengio 2003). Better, yet under repeated draws from one small pool still too narrow.",
        },
    ]
    if metrics.get("single_fold"):
        rows.append(
            {
                "key": "single_fold",
                "name": "Single fold models",
                "short": "mean ± sd",
                "figures": metrics["single_fold"],
                "why": "Each network alone, before the fold models are averaged: mean and standard deviation over all of them.",
            }
        )
    if published := metrics.get("published"):
        rows.append(
            {
                "key": "published",
                "name": "Published",
                "short": "Seok et al. 2023",
                "figures": published,
                "why": f"{published.get('citation', 'Seok et al. 2023')} Other patients; mean and "
                f"{level} interval over 100 repeats, "
                "so to be read beside the row \u201cover repeats\u201d.",
            }
        )
    return [row for row in rows if row["figures"]]


def why_headline_differs() -> str:
    """The one sentence that must stand under Table 2."""
    return (
        "The headline interval is not of the paper\u2019s kind, since repeats that share their test "
        "patients are not new evidence: "
        "only more patients are. Intervals over repeats measure the luck of the draw and of training, not how "
        "sure we may be "
        "about the next patient."
    )
