"""Saliency under test: do the maps depend on what was learnt, come out again after retraining, and lie on lesions?

Three questions to each kind of map, after Adebayo et al. (NeurIPS 2018) and Arun et al. (Radiol Artif Intell 2021), each with its
criterion; docs/explanation/saliency tells them at length. Every map is judged against networks with random weights, since much of
a map is the image itself: lesions are bright, and integrated gradients multiply by brightness whatever was learnt. A second set of
random networks is put to the same tests, which it must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.cases import entry
from dawson.classification.explanations import AGAIN
from dawson.classification.randomised import COMPLETE
from dawson.classification.saliency_maps import RepeatMaps, lesion_slices, near, read_repeat_maps
from dawson.config import PreprocessSection
from dawson.errors import ExperimentError
from dawson.statistics.map_tests import mass_inside, others_mean, permutation_p, points_inside, standard_ranks
from dawson.statistics.two_way import two_way_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.classification.runs import Run

METHODS = {"gradcam": "Grad-CAM", "attribution": "integrated gradients", "occlusion": "channel occlusion"}
TESTS = {"randomisation": "weight randomisation", "repeatability": "repeatability", "localisation": "localisation"}
SIGNIFICANT = 0.05
PERMUTATIONS = 4999


def run_saliency_tests(
    runs: Sequence[Run],
    masks: Mapping[tuple[str, str], Path],
    seed: int,
    *,
    preprocess: PreprocessSection | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Test the maps of one repeat.

    Parameters
    ----------
    runs : sequence of Run
        The folds of the explained repeat, finished.
    masks : mapping of (participant_id, session_id) to Path
        Lesion masks in template space of those test images that have one; empty where there are none.
    seed : int
        Of the permutations.
    preprocess : PreprocessSection, optional
        How the channel images were cut; the defaults where it is not given.
    confidence : float
        Of the intervals.

    Returns
    -------
    dict
        As in docs/reference/files, saliency.json: `methods`, `control`, `verdict`, `passed`, `n_patients`.

    Raises
    ------
    ExperimentError
        The runs lack explanations, or the channel images were not cut as `preprocess` says.
    ImageError
        A lesion mask cannot be read.
    """
    maps = read_repeat_maps(runs)
    lesions = _lesions(maps, masks, preprocess or PreprocessSection())
    methods, control = {}, {}
    for method in METHODS:
        figures = _figures(maps, method, lesions)
        methods[method] = _judge(figures, None, COMPLETE, confidence, seed) | {"levels": _levels(figures, maps.levels(method), confidence)}
        control[method] = _judge(figures, COMPLETE, AGAIN, confidence, seed)
    failed_control = [method for method in METHODS if not _passed(control[method])]
    passed = all(_passed(methods[method]) and method in failed_control for method in METHODS)
    n_patients = int(maps.table["participant_id"].nunique())
    return {
        "methods": methods,
        "control": {
            method: {test: control[method][test]["passed"] for test in TESTS} | {"passed": _passed(control[method])} for method in METHODS
        },
        "n_patients": n_patients,
        "n_networks": len(maps.folds),
        "passed": passed,
        "verdict": _verdict(methods, control, n_patients),
    }


@dataclass(frozen=True)
class _Figures:
    """Figures of one method by patient. Keys are levels of randomisation, None for the trained networks.

    Parameters
    ----------
    between : dict
        Mean similarity of the pairs of networks of a level, shape (1 + k, patients): of all k, then without each of them.
    changed : dict
        Mean similarity of a network of one level to its namesake of another, the same shape.
    mass : dict
        Share of the drawn map inside the patient's own lesions, shape (1 + k, patients with lesions).
    fits : dict
        Share inside, and pointing, of each patient's map on each patient's lesions, both (patients with lesions, the same).
    """

    between: dict[str | None, NDArray[np.float64]]
    changed: dict[tuple[str | None, str], NDArray[np.float64]]
    mass: dict[str | None, NDArray[np.float64]]
    fits: dict[str | None, tuple[NDArray[np.float64], NDArray[np.float64]]]


def _lesions(maps: RepeatMaps, masks: Mapping[tuple[str, str], Path], preprocess: PreprocessSection) -> dict[int, NDArray[np.bool_]]:
    """Lesions in the slices by place of the image; images without a mask or without a lesion in the slices are left out."""
    found = {}
    shape = maps.images.shape[1:]
    for index, key in enumerate(zip(maps.table["participant_id"], maps.table["session_id"], strict=True)):
        if key not in masks:
            continue
        cut = lesion_slices(masks[key], preprocess)
        if cut.shape != shape:
            raise ExperimentError(
                f"The channel images have shape {shape}, the lesion masks are cut to {cut.shape}.",
                "Give the [preprocess] section with which the images were made.",
            )
        if (cut & (maps.images[index] != 0)).any():
            found[index] = cut
    return found


def _figures(maps: RepeatMaps, method: str, lesions: Mapping[int, NDArray[np.bool_]]) -> _Figures:
    """Everything that the tests of one method need, averaged over the images of each patient."""
    k, levels = len(maps.folds), [*maps.levels(method), AGAIN]
    sets: tuple[str | None, ...] = (None, COMPLETE, AGAIN)
    pairs = [(None, level) for level in levels if level != AGAIN] + [(COMPLETE, AGAIN)]
    between: dict[Any, list[Any]] = {name: [] for name in sets}
    changed: dict[Any, list[Any]] = {pair: [] for pair in pairs}
    mass: dict[Any, list[Any]] = {name: [] for name in sets}
    rows: dict[Any, list[Any]] = {name: [] for name in sets}
    wide = {index: near(mask) for index, mask in lesions.items()}
    for index, image in enumerate(maps.of(method)):
        ranks = {name: standard_ranks(image.compared(name)) for name in (None, *levels)}
        for name in sets:
            between[name].append(_without_each(_pair_mean, ranks[name] @ ranks[name].T, k))
        for one, other in pairs:
            changed[one, other].append(_without_each(_mean, (ranks[one] * ranks[other]).sum(axis=1), k))
        if index in lesions:
            regions = np.stack([image.region(mask) for mask in lesions.values()])
            tolerant = np.stack([image.region(mask) for mask in wide.values()])
            own = image.region(lesions[index])[None]
            for name in sets:
                drawn = np.stack([image.printed(name), *(image.printed(name, without) for without in range(k))])
                mass[name].append(mass_inside(drawn, own)[:, 0])
                rows[name].append(
                    (mass_inside(drawn[:1], regions)[0], points_inside(drawn[:1], regions if image.by_slice else tolerant)[0])
                )
    people = maps.table["participant_id"].to_numpy(str)
    with_lesions = people[list(lesions)]
    return _Figures(
        {name: _by_patient(values, people) for name, values in between.items()},
        {pair: _by_patient(values, people) for pair, values in changed.items()},
        {name: _by_patient(values, with_lesions) for name, values in mass.items()},
        {name: tuple(_square([row[kind] for row in values], with_lesions) for kind in (0, 1)) for name, values in rows.items()},  # type: ignore[misc]
    )


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _pair_mean(similarity: NDArray[np.float64]) -> float:
    return float(np.mean([similarity[pair] for pair in combinations(range(len(similarity)), 2)])) if len(similarity) > 1 else np.nan


def _without_each(figure: Callable[[NDArray[np.float64]], float], values: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """A figure of all k networks and of k - 1 of them, shape (1 + k,); every axis of `values` is of networks."""
    left = [np.delete(np.delete(values, m, axis=0), m, axis=1) if values.ndim == 2 else np.delete(values, m) for m in range(k)]
    return np.array([figure(values), *(figure(part) for part in left)])


def _by_patient(values: Sequence[NDArray[np.float64]], people: NDArray[np.str_]) -> NDArray[np.float64]:
    """Means over the images of each patient: a list of (1 + k,) to (1 + k, patients)."""
    if not len(values):
        return np.empty((1, 0))
    stacked = np.stack(values, axis=1)
    return np.stack([stacked[:, people == person].mean(axis=1) for person in np.unique(people)], axis=1)


def _square(fit: Sequence[NDArray[np.float64]], people: NDArray[np.str_]) -> NDArray[np.float64]:
    """Fit of maps to lesions (images, images) as (patients, patients); on the diagonal each image with its own lesions only."""
    if not len(fit):
        return np.empty((0, 0))
    matrix, names = np.stack(fit), np.unique(people)
    means = np.array([[matrix[np.ix_(people == one, people == other)].mean() for other in names] for one in names])
    np.fill_diagonal(means, [np.diag(matrix)[people == name].mean() for name in names])
    return means


def _judge(figures: _Figures, level: str | None, against: str, confidence: float, seed: int) -> dict[str, Any]:
    """The three tests of the networks at `level` (None: trained) held against networks whose weights are random."""
    k = len(figures.between[None]) - 1

    def interval(values: NDArray[np.float64]) -> dict[str, Any]:
        # without two networks left there is no pair, and nothing to tell how networks differ
        return entry(two_way_interval(values[0], values[1:] if k > 2 and len(values) > 1 else None, confidence))

    between, floor, changed = figures.between[level], figures.between[against], figures.changed[level, against]
    independence, gain = interval(between - changed), interval(between - floor)
    return {
        "randomisation": {
            "similarity_to_randomised": interval(changed),
            "similarity_between_members": interval(between),
            "difference": independence,
            "passed": _above_zero(independence),
        },
        "repeatability": {
            "similarity_between_members": interval(between),
            "similarity_between_randomised": interval(floor),
            "difference": gain,
            "passed": _above_zero(gain),
        },
        "localisation": _localisation(figures, level, against, interval, seed),
    }


def _localisation(
    figures: _Figures, level: str | None, against: str, interval: Callable[[NDArray[np.float64]], dict[str, Any]], seed: int
) -> dict[str, Any]:
    mass, points = figures.fits[level]
    n = len(mass)
    if n < 2:
        return {"n_patients": n, "passed": None, "reason": "fewer than two test patients have a lesion mask with a lesion in the slices"}
    own, random = figures.mass[level], figures.mass[against]
    learnt, p = interval(own - random), permutation_p(mass, PERMUTATIONS, seed)
    others = others_mean(mass)
    return {
        "n_patients": n,
        "mass_inside_own": interval(own),
        "mass_inside_others": float(others.mean()),
        "own_minus_others": interval((np.diag(mass) - others)[None]),
        "mass_p": p,
        "pointing_own": float(np.diag(points).mean()),
        "pointing_others": float(others_mean(points).mean()),
        "pointing_p": permutation_p(points, PERMUTATIONS, seed),
        "mass_inside_own_randomised": float(random[0].mean()),
        "own_minus_randomised": learnt,
        "passed": p < SIGNIFICANT and _above_zero(learnt),
    }


def _levels(figures: _Figures, levels: Sequence[str], confidence: float) -> list[dict[str, Any]]:
    """How similar maps stay as layer after layer is randomised, from the last one."""
    networks = len(figures.between[None]) - 1
    changed = {level: figures.changed[None, level] for level in levels}
    return [
        {"level": level, "similarity": entry(two_way_interval(values[0], values[1:] if networks > 2 else None, confidence))}
        for level, values in changed.items()
    ]


def _above_zero(interval: Mapping[str, Any]) -> bool:
    return interval["low"] is not None and interval["low"] > 0


def _passed(tests: Mapping[str, Any]) -> bool:
    return all(tests[test]["passed"] is True for test in TESTS)


def _verdict(methods: Mapping[str, Any], control: Mapping[str, Any], n_patients: int) -> str:
    """One plain sentence."""
    localised = max(int(tests["localisation"]["n_patients"]) for tests in methods.values())
    parts = []
    for method, name in METHODS.items():
        failed = [TESTS[test] for test in TESTS if methods[method][test]["passed"] is False]
        untested = [TESTS[test] for test in TESTS if methods[method][test]["passed"] is None]
        if _passed(control[method]):
            parts.append(f"those of {name} cannot be judged, since networks with random weights pass as well")
        elif failed:
            parts.append(f"those of {name} failed {'all three tests' if len(failed) == len(TESTS) else ' and '.join(failed)}")
        elif untested:
            parts.append(f"those of {name} passed what could be tested, without {' and '.join(untested)}")
        else:
            parts.append(f"those of {name} passed all three tests")
    good = all(_passed(methods[method]) and not _passed(control[method]) for method in METHODS)
    start = "The maps passed their tests" if good else "The maps did not pass all their tests"
    where = (
        f"localisation: {localised} with lesions in the slices" if localised >= 2 else "localisation: not tested for want of lesion masks"
    )
    return f"{start}: {'; '.join(parts)} ({n_patients} test patients; {where})."
