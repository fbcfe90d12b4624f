"""From a site's predictions, which stay there, to the few numbers that may leave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dawson.classification.cases import calls
from dawson.federation.messages import CALIBRATION_BINS, ROC_BINS, BinnedProbability, CalibrationBin, Evaluation
from dawson.statistics.figures import confusion_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rounded_down(count: int, step: int) -> int:
    """The count as a multiple of `step`, not above it: a single person more or less seldom shows."""
    return count // step * step


def weighted_log_loss(probability: NDArray[np.floating], labels: NDArray[np.int64], class_weights: NDArray[np.float32]) -> float:
    """Class-weighted cross-entropy, the figure by which rounds are chosen: probability (images, classes), labels (images,)."""
    weight = class_weights[labels].astype(np.float64)
    return float((weight * -np.log(np.maximum(probability[np.arange(len(labels)), labels], 1e-12))).sum() / weight.sum())


def summarise(
    truth: NDArray[np.intp], probability: NDArray[np.float64], loss: float, classes: Sequence[str], positive: str, minimum: int, step: int
) -> Evaluation | None:
    """What may be told of people whose class and predicted probabilities are known.

    Parameters
    ----------
    truth : ndarray of int, shape (people,)
        Index of the true class.
    probability : ndarray, shape (people, classes)
    loss : float
        Mean over the images of all of them.
    classes : sequence of str
    positive : str
    minimum : int
        Smallest number of people in any cell.
    step : int
        The number of people is told as a multiple of it.

    Returns
    -------
    Evaluation or None
        None where there are fewer people than the minimum.
    """
    people = rounded_down(len(truth), step)
    if people < minimum or not np.isfinite(loss):
        return None
    k = list(classes).index(positive)
    table = confusion_matrix(truth, calls(probability, k), len(classes))
    confusion = {
        name: dict(zip(classes, map(int, row), strict=True)) if row.min() >= minimum else None
        for name, row in zip(classes, table, strict=True)
    }
    roc = {name: joined_histogram(probability[truth == index, k], minimum) for index, name in enumerate(classes)}
    return Evaluation(
        minimum_cell=minimum, people=people, loss=loss, confusion=confusion, roc=roc,
        calibration=calibration_bins(truth == k, probability[:, k], minimum),
    )  # fmt: skip


def joined_histogram(probability: NDArray[np.float64], minimum: int) -> BinnedProbability | None:
    """People by predicted probability; neighbouring bins are joined from below until each holds enough people.

    None where all of them together are too few.
    """
    fine, _ = np.histogram(probability, bins=ROC_BINS, range=(0.0, 1.0))
    edges, counts, waiting = [0], [], 0
    for place, count in enumerate(fine, start=1):
        waiting += int(count)
        if waiting >= minimum:
            edges.append(place)
            counts.append(waiting)
            waiting = 0
    if not counts:
        return None
    edges[-1], counts[-1] = ROC_BINS, counts[-1] + waiting
    return BinnedProbability(edges=edges, counts=counts)


def calibration_bins(positive: NDArray[np.bool_], probability: NDArray[np.float64], minimum: int) -> list[CalibrationBin] | None:
    """Fifths of the probability, joined from below until each has enough people with and without the class; None where none has."""
    place = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    groups: list[list[int]] = []
    start = 0
    for end in range(1, CALIBRATION_BINS + 1):
        inside = positive[(place >= start) & (place < end)]
        if min(int(inside.sum()), int((~inside).sum())) >= minimum:
            groups.append([start, end])
            start = end
    if not groups:
        return None
    groups[-1][1] = CALIBRATION_BINS
    bins = []
    for low, high in groups:
        inside = (place >= low) & (place < high)
        mean, count = round(float(probability[inside].mean()), 3), int(positive[inside].sum())
        bins.append(CalibrationBin(edges=[low, high], people=int(inside.sum()), mean_probability=mean, positive=count))
    return bins
