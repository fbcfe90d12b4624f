"""Threshold, smallest lesion and temperature of a lesion network, chosen on people that its members did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.lesion_metrics import compare_masks, without_small
from dawson.lesions.inference import sliding_windows
from dawson.lesions.measure_intervals import MeasureIntervals, fit_intervals
from dawson.lesions.training_data import FLAIR_EXCESS, T1W_EXCESS, TRUTH, Case
from dawson.parallel import each

if TYPE_CHECKING:
    from dawson.lesions.recipe import LesionRecipe

_SPACING_MM = (1.0, 1.0, 1.0)
_TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(3.0), 25))
_VOXELS = 20_000
LOOKS = ("plain", "changed")
"""A validation scan as it is, and as another scanner might show it: with half of the changes that are learnt from."""


@dataclass(frozen=True)
class ValidationScore:
    """One validation scan at one threshold and smallest lesion."""

    person: str
    session_id: str
    member: int
    look: str
    threshold: float
    minimum_mm3: float
    dice: float
    lesion_f1: float
    predicted_ml: float
    truth_ml: float
    predicted_count: int
    truth_count: int


@dataclass(frozen=True)
class OperatingPoint:
    """What a model decides with.

    Parameters
    ----------
    threshold : float
    minimum_mm3 : float
    temperature : float
    figures : dict
        Mean Dice and lesion F1 of validation scans there, for each look.
    intervals : MeasureIntervals
        Of lesion count and volume.
    """

    threshold: float
    minimum_mm3: float
    temperature: float
    figures: dict[str, Any]
    intervals: MeasureIntervals


def shown_as(case: Case, look: str, recipe: LesionRecipe, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Images (2, x, y, z), truth and brain of a whole case, as it is or with a look drawn by `seed`.

    The edge of the brain stays: it is part of the look that the network is to bear, and truth beyond it could not be seen.
    """
    import torch

    from dawson.lesions.appearance import change_appearance, draw_appearance

    values = np.array(case.values(), np.float32)
    regions = np.array(case.regions())
    images = values[:FLAIR_EXCESS]
    if look == "changed":
        drawn = draw_appearance(np.random.default_rng(seed), regions.shape, recipe.appearance.halved())
        image, excess, truth, labels = (
            torch.from_numpy(part) for part in (images, values[FLAIR_EXCESS : T1W_EXCESS + 1], values[TRUTH], regions)
        )
        images = change_appearance(image, excess, truth, labels, drawn).numpy()
    return images, values[TRUTH], regions > 0


def score_case(
    item: tuple[Case, int, Path, str], recipe: LesionRecipe, seed: int
) -> tuple[list[ValidationScore], NDArray[np.float32], NDArray[np.float32]]:
    """Scores of one member on one validation scan at every threshold and smallest lesion, and some of its logits with their truth.

    Parameters
    ----------
    item : (Case, int, Path, str)
        The scan, the member's number and weights, the look.
    recipe : LesionRecipe
    seed : int
    """
    from dawson.files import digest_of
    from dawson.lesions.weights import load_weights

    case, member, weights, look = item
    own_seed = int(digest_of([seed, case.image_sha256, case.session_id])[:12], 16)
    images, truth, brain = shown_as(case, look, recipe, own_seed)
    probability = sliding_windows([load_weights(weights, recipe)], images, brain, recipe.inference)[0]
    scores = []
    for smallest in recipe.ensemble.minimum_volumes_mm3:
        wanted = without_small(truth > 0.5, _SPACING_MM, smallest)
        for threshold in recipe.ensemble.thresholds:
            found = compare_masks(without_small(probability >= threshold, _SPACING_MM, smallest), wanted, _SPACING_MM)
            where = (case.person, case.session_id, member, look, threshold, smallest)
            volumes = (found.predicted_ml, found.truth_ml, found.n_predicted, found.n_truth)
            scores.append(ValidationScore(*where, found.dice, found.lesion_f1, *volumes))
    chosen = np.random.default_rng(own_seed).choice(np.flatnonzero(brain), min(_VOXELS, int(brain.sum())), replace=False)
    inside = np.clip(probability.reshape(-1)[chosen], 1e-6, 1 - 1e-6)
    return scores, np.log(inside / (1 - inside)), truth.reshape(-1)[chosen]


def choose_operating_point(
    items: Sequence[tuple[Case, int, Path]], recipe: LesionRecipe, seed: int, jobs: int = 1
) -> tuple[OperatingPoint, list[dict[str, Any]]]:
    """Judge members on their own validation people, each scan plain and changed, and choose.

    The threshold and smallest lesion with the highest mean of Dice and lesion F1 over people and looks are taken; lesions below the
    smallest volume count neither in the prediction nor in the truth. The temperature is that of least cross-entropy.

    Parameters
    ----------
    items : sequence of (Case, int, Path)
        Scan, member, and the member's weights.
    recipe : LesionRecipe
    seed : int
    jobs : int

    Returns
    -------
    OperatingPoint
    list of dict
        All scores, one row for each scan, look, threshold and smallest lesion.
    """
    import pandas as pd

    from dawson.progress import progress

    work = [(*item, look) for item in items for look in LOOKS]
    rows: list[ValidationScore] = []
    logits, truths = [], []
    with progress("Validation", len(work)) as advance:
        for scores, logit, truth in each(partial(score_case, recipe=recipe, seed=seed), work, jobs):
            rows += scores
            logits.append(logit)
            truths.append(truth)
            advance(scores[0].person.rpartition("/")[2])
    table = pd.DataFrame([asdict(row) for row in rows]).sort_values(["member", "person", "session_id", "look", "threshold", "minimum_mm3"])
    mean = table.groupby(["threshold", "minimum_mm3"])[["dice", "lesion_f1"]].mean()
    best_pair: Any = mean.mean(axis=1).idxmax()
    threshold, smallest = (float(value) for value in best_pair)
    best = table[(table["threshold"] == threshold) & (table["minimum_mm3"] == smallest)]
    figures = {
        look: {name: round(float(own[name].mean()), 4) for name in ("dice", "lesion_f1")} | {"scans": len(own)}
        for look, own in best.groupby("look")
    }
    temperature = best_temperature(np.concatenate(logits), np.concatenate(truths))
    # chosen on probabilities as they came; in use logits are divided first
    threshold = tempered(threshold, temperature)
    intervals = fit_intervals(best)
    return OperatingPoint(threshold, smallest, temperature, {str(look): own for look, own in figures.items()}, intervals), [
        {str(name): value for name, value in row.items()} for row in table.to_dict("records")
    ]


def tempered(probability: float, temperature: float) -> float:
    """A probability whose logit is divided by a temperature, to four digits.

    Examples
    --------
    >>> tempered(0.9, 2.0)
    0.75
    """
    odds = (probability / (1 - probability)) ** (1 / temperature)
    return round(odds / (1 + odds), 4)


def best_temperature(logits: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Temperature of least cross-entropy (Guo et al., ICML 2017), of some between 0.5 and 3; 1 where nothing can be told.

    Parameters
    ----------
    logits, truth : ndarray (n,)
        Truth between 0 and 1.
    """
    if not (truth > 0).any():
        return 1.0
    scaled = logits.astype(np.float64)[None] / _TEMPERATURES[:, None]
    losses = (np.logaddexp(0, scaled) - truth * scaled).mean(axis=1)
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 3)
