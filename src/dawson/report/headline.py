"""What the study found, in words: the first thing a reader sees, and why its interval is the one to believe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dawson.report.formatting import interval_methods, is_number, limits, listed, percent, plain, with_unit

# The paper's intervals, whatever confidence this study has.
PUBLISHED_LEVEL = percent(0.95)


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


def headline(metrics: Mapping[str, Any], simulated: bool, count_shown: bool = True) -> Headline:
    """Sentence and verdict from metrics.json; without `count_shown` the number of test patients is not told."""
    classes = [str(name) for name in metrics["classes"]]
    auc, accuracy = metrics["headline"].get("auc") or {}, metrics["headline"].get("accuracy") or {}
    number = f"{sum(metrics['n_test_participants'].values())} " if count_shown else ""
    kind = "an AUC" if len(classes) == 2 else "a macro-averaged AUC"
    level = percent(metrics["confidence"])
    sentence = (
        f"In {number}{'simulated ' if simulated else ''}patients that it had not been trained on, the model told "
        f"{_task(classes, str(metrics['positive']))} with {kind} of {plain('auc', auc.get('estimate'))}"
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


def interval_rows(metrics: Mapping[str, Any], scheme: str, count_shown: bool = True) -> list[dict[str, Any]]:
    """The rows of Table 2: each way to put an interval round the figures, with its name and what it means.

    Parameters
    ----------
    metrics : mapping
        metrics.json.
    scheme : str
        How the splits were made; the scheme in `metrics` goes before it.
    count_shown : bool
        Whether the number of test patients may be told.
    """
    repeats, scheme = metrics["n_repeats"], str(metrics.get("scheme") or scheme)
    people = f"{sum(metrics['n_test_participants'].values())} " if count_shown else ""
    shared = tested_again(metrics, scheme)
    rows: list[dict[str, Any]] = [
        {
            "key": "headline",
            "name": "This study, over patients",
            "short": "headline",
            "figures": metrics["headline"],
            "why": f"Each of the {people}distinct test patients counts once, {_headline_why(metrics, shared)} "
            f"Ratios of sums. {interval_methods(metrics)}.",
        }
    ]
    if repeats > 1:
        rows += _rows_over_repeats(metrics, scheme, shared)
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
        beside = ", so to be read beside the row \u201cover repeats\u201d" if repeats > 1 and shared else ""
        rows.append(
            {
                "key": "published",
                "name": "Published",
                "short": f"Seok et al. 2023, {PUBLISHED_LEVEL} intervals",
                "figures": published,
                "why": f"{published.get('citation', 'Seok et al. 2023')} Other patients; mean and "
                f"{PUBLISHED_LEVEL} interval over 100 repeats{beside}.",
            }
        )
    return [row for row in rows if row["figures"]]


def tested_again(metrics: Mapping[str, Any], scheme: str) -> bool:
    """Whether somebody is in more than one test set."""
    most = (metrics.get("n_test_draws") or {}).get("max")
    return most > 1 if is_number(most) else metrics["n_repeats"] > 1 and scheme == "held-out-draw"


def _headline_why(metrics: Mapping[str, Any], shared: bool) -> str:
    median = (metrics.get("n_test_draws") or {}).get("median")
    if not shared:
        return (
            "tested once, with the mean probability of the fold models that had not seen them; the interval is over those "
            "patients. It judges the way of training on patients of this kind."
        )
    often = f", each in {median:g} test sets (median)" if is_number(median) else ""
    return (
        f"with the mean of their out-of-sample probabilities{often}; the interval is over those patients, however often "
        "they were drawn. It judges the mean of all models on patients of this kind."
    )


def _rows_over_repeats(metrics: Mapping[str, Any], scheme: str, shared: bool) -> list[dict[str, Any]]:
    """Rows that make sense where there is more than one test set."""
    repeats = metrics["n_repeats"]
    if shared:
        one_model = (
            "What the fold models of a single repeat do together: each patient counts once, with how often they were called "
            "right (or ranked right) over the repeats; resampling of patients. The headline averages over repeats, which one "
            "model cannot."
        )
        over = (
            f"Mean over the {repeats} test sets and a t interval of that mean, as Seok et al. 2023 give it. The test sets share "
            "their patients, so they are not independent; the interval shrinks with every further repeat though no patient is "
            "added, and is far too narrow. Means of ratios."
        )
        corrected = (
            "for the overlap of the repeats (Nadeau and Bengio 2003). Better, yet under repeated draws from one small pool still "
            "too narrow."
        )
    else:
        of = "site" if scheme == "leave-one-site-out" else "test set"
        one_model = (
            f"What the fold models of a single {of} do together. Every patient was tested once, so calls are those of the "
            f"headline; for the AUC, patients are ranked only against those of their own {of}."
        )
        over = (
            f"Mean over the {repeats} {of}s and a t interval of that mean. Nobody is in two test sets, but the models share most "
            f"of the patients they learnt from, so the {of}s are not independent; each counts the same however many patients it "
            "has. Means of ratios."
        )
        corrected = "for the patients that the models share in training (Nadeau and Bengio 2003, who derived it for random draws)."
    return [
        {
            "key": "one_model",
            "name": "This study, one model",
            "short": "of one repeat",
            "figures": metrics.get("one_model"),
            "why": one_model,
        },
        {
            "key": "over_repeats",
            "name": "This study, over repeats",
            "short": "as the paper did" if scheme == "held-out-draw" else "of the test sets",
            "figures": metrics["over_repeats"],
            "why": over,
        },
        {
            "key": "nadeau_bengio",
            "name": "This study, Nadeau–Bengio",
            "short": "corrected",
            "figures": metrics["nadeau_bengio"],
            "why": f"The same mean, its standard error enlarged to sd · √(1/J + n_test/n_train) {corrected}",
        },
    ]


def why_headline_differs(metrics: Mapping[str, Any], scheme: str) -> str:
    """The sentences that must stand under Table 2."""
    scheme = str(metrics.get("scheme") or scheme)
    if metrics["n_repeats"] == 1:
        return (
            "There is one test set, so there is no interval over repeats as in the paper: the headline interval is over the "
            "patients of that set. It takes the models as they were trained; the luck of training is not in it."
        )
    if tested_again(metrics, scheme):
        return (
            "The headline interval is not of the paper\u2019s kind, since repeats that share their test patients are not new "
            "evidence: only more patients are. Intervals over repeats measure the luck of the draw and of training, not how "
            "sure we may be about the next patient."
        )
    spread = "how much sites differ" if scheme == "leave-one-site-out" else "how much the test sets and their models differ"
    return (
        "Every patient was tested once. The headline interval is over patients, of whom a study has too few; an interval over "
        f"test sets measures {spread}, and rests on {metrics['n_repeats']} numbers only."
    )
