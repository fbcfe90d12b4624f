from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from dawson.imaging.lesion_features import LesionFeatures, measure_lesions
from dawson.lesions.measure_picture import COLOURS, draw_lesions, draw_study, place_of, slices_to_show


@pytest.fixture(scope="module")
def scan() -> tuple[nib.Nifti1Image, np.ndarray, tuple[LesionFeatures, ...]]:
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-76, -110, -60)
    values = np.full((38, 46, 36), 100, dtype=np.float32)
    mask = np.zeros(values.shape, dtype=bool)
    mask[11:13, 21:24, 22:25] = mask[25:27, 21:24, 22:25] = True
    values[mask] = 200
    return nib.Nifti1Image(values, affine), mask, measure_lesions(nib.Nifti1Image(mask.astype(np.uint8), affine))


def has_colour(path: Path, colour: str) -> bool:
    wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return bool((np.abs(imread(path)[..., :3] - wanted) < 0.02).all(axis=-1).any())


def test_lesions_are_outlined_in_the_colour_of_their_place(tmp_path: Path, scan: tuple) -> None:
    flair, mask, lesions = scan
    marked = tuple(
        replace(lesion, infratentorial=lesion.number == 1, callosal=False, periventricular=False, juxtacortical=False) for lesion in lesions
    )
    draw_lesions(tmp_path / "a.png", "sub-01", flair, mask, marked, simulated=True)
    assert has_colour(tmp_path / "a.png", COLOURS["infratentorial"])
    assert has_colour(tmp_path / "a.png", COLOURS["elsewhere"])


def test_a_lesion_of_several_places_has_one_colour(scan: tuple) -> None:
    lesion = replace(scan[2][0], callosal=True, periventricular=True, juxtacortical=True, infratentorial=False)
    assert place_of(lesion) == "callosal"
    assert place_of(replace(lesion, callosal=False)) == "periventricular"


def test_slices_with_most_lesion_come_first_and_the_rest_is_even(scan: tuple) -> None:
    _, mask, _ = scan
    levels = slices_to_show(mask, np.ones_like(mask), 4.0)
    assert levels == sorted(levels, reverse=True)
    assert len(levels) <= 10
    assert set(levels) & {22, 23, 24}
    assert min(np.diff(levels[::-1])) >= 2
    assert slices_to_show(np.zeros_like(mask), np.zeros_like(mask), 4.0) == [18]


def test_a_scan_without_lesions_and_a_study_are_drawn(tmp_path: Path, scan: tuple) -> None:
    flair, mask, _ = scan
    draw_lesions(tmp_path / "none.png", "sub-01", flair, np.zeros_like(mask), ())
    rows = {
        "status": ["done"] * 5 + ["failed"],
        "maker": "sim",
        "lesions": [0, 1, 4, 9, 30, None],
        "total_ml": [0, 0.1, 1, 4, 20, None],
        "bpf": 0.85,
    }
    draw_study(tmp_path / "study.png", pd.DataFrame(rows), pd.Series(["MS", "MS", "MS", "NMOSD", "NMOSD", "NMOSD"]), simulated=True)
    for name in ("none.png", "study.png"):
        assert imread(tmp_path / name).std() > 0.01
