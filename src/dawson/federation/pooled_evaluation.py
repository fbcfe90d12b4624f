"""The sites' aggregates put together: over all sites, without anybody's prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.federation.messages import ROC_BINS, BinnedProbability, Evaluation
from dawson.statistics.figures import none_if_undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pooled_loss(evaluations: Mapping[str, Evaluation]) -> float:
    """Mean of the sites' losses by their numbers of people; NaN where nobody told any."""
    people = sum(evaluation.people for evaluation in evaluations.values())
    return sum(evaluation.people * evaluation.loss for evaluation in evaluations.values()) / people if people else float("nan")


def best_round(evaluations: Mapping[int, Mapping[str, Evaluation]]) -> tuple[int, tuple[str, ...]]:
    """The round whose starting weights had the lowest pooled loss, and the sites that judged every round.

    Rounds are compared over the same sites: those that told something of every round. Where there is no such site, over those that told
    something in the round.

    Parameters
    ----------
    evaluations : mapping of int to (mapping of str to Evaluation)
        By round, by site.

    Returns
    -------
    round : int
        The earliest of equals; the last one where no round was judged by anybody.
    sites : tuple of str
    """
    judged = {number: by_site for number, by_site in sorted(evaluations.items()) if by_site}
    if not judged:
        return max(evaluations, default=0), ()
    always = sorted(set.intersection(*(set(by_site) for by_site in judged.values())))
    losses = {
        number: pooled_loss({site: evaluation for site, evaluation in by_site.items() if not always or site in always})
        for number, by_site in judged.items()
    }
    return min(losses, key=lambda number: (losses[number], number)), tuple(always)


def pooled_auc(positive: Sequence[BinnedProbability], negative: Sequence[BinnedProbability]) -> tuple[float, float, float]:
    """Area under the ROC curve from histograms whose bins may differ between sites.

    A pair of people counts as won or lost where their bins do not overlap. Of overlapping bins, people are taken to be spread evenly over
    the fine bins, and a pair in the same fine bin counts as a half.

    Parameters
    ----------
    positive, negative : sequence of BinnedProbability
        Of the people with and without the class.

    Returns
    -------
    area, least, most : float
        The area if all doubtful pairs were lost, and if all were won, are the bounds.
    """
    ahead = behind = pairs = 0
    for one in _bins(positive):
        for other in _bins(negative):
            pairs += one[2] * other[2]
            ahead += one[2] * other[2] * (one[0] >= other[1])
            behind += one[2] * other[2] * (one[1] <= other[0])
    with_class, without = spread(positive), spread(negative)
    below = np.concatenate([[0], np.cumsum(without)[:-1]])
    return float(with_class @ below + with_class @ without / 2) / pairs, ahead / pairs, 1 - behind / pairs


def spread(histograms: Sequence[BinnedProbability]) -> NDArray[np.float64]:
    """People of all histograms on the fine bins, those of a joined bin evenly over it; shape (ROC_BINS,)."""
    fine = np.zeros(ROC_BINS)
    for low, high, count in _bins(histograms):
        fine[low:high] += count / (high - low)
    return fine


def _bins(histograms: Sequence[BinnedProbability]) -> list[tuple[int, int, int]]:
    return [
        (low, high, count)
        for histogram in histograms
        for (low, high), count in zip(pairwise(histogram.edges), histogram.counts, strict=True)
    ]


def pool(evaluations: Mapping[str, Evaluation], classes: Sequence[str], positive: str) -> dict[str, Any]:
    """Figures over all sites from what they told; None where too much is held back.

    Returns
    -------
    dict
        sites, people, loss; auc (estimate, least, most) of the positive class against the rest, over the sites that told all classes;
        accuracy, sensitivity and specificity, over the sites that told their whole confusion table; and curve, the false and true
        positive rates at the edges of the fine bins.
    """
    told = list(evaluations.values())
    result: dict[str, Any] = {
        "sites": sorted(evaluations), "people": sum(item.people for item in told), "loss": none_if_undefined(pooled_loss(evaluations)),
        "auc": None, "curve": None, "accuracy": None, "sensitivity": None, "specificity": None,
    }  # fmt: skip
    binned = [item.roc for item in told if all(item.roc.values())]
    if binned:
        with_class = [histogram for roc in binned if (histogram := roc[positive])]
        without = [histogram for roc in binned for name in classes if name != positive and (histogram := roc[name])]
        result["auc"] = dict(zip(("estimate", "least", "most"), pooled_auc(with_class, without), strict=True))
        rates = [np.concatenate([[0], np.cumsum(counts[::-1])]) / counts.sum() for counts in (spread(without), spread(with_class))]
        result["curve"] = dict(zip(("fpr", "tpr"), (rate.tolist() for rate in rates), strict=True))
    whole = [{name: row for name, row in item.confusion.items() if row is not None} for item in told]
    whole = [rows for rows in whole if len(rows) == len(classes)]
    if whole:
        table = np.array([[sum(rows[true][called] for rows in whole) for called in classes] for true in classes])
        k = list(classes).index(positive)
        rest = [index for index in range(len(classes)) if index != k]
        result["accuracy"] = none_if_undefined(np.trace(table) / table.sum())
        result["sensitivity"] = none_if_undefined(table[k, k] / table[k].sum())
        result["specificity"] = none_if_undefined(table[np.ix_(rest, rest)].sum() / table[rest].sum())
    return result
