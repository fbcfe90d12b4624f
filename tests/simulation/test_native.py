"""Raw scans: a head with a face on oblique grids, and a truth that lies where the images show it."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from dawson.simulation.head import ORIGIN_MM, SHAPE, make_head
from dawson.simulation.head_shape import Face, capsule, draw_face, ellipsoid, eye
from dawson.simulation.resampling import resample
from dawson.simulation.scanner import SITES, Contrast, draw_scanner


@pytest.fixture(scope="module")
def images(native_cohort: Path) -> dict[str, nib.Nifti1Image]:
    raw = native_cohort / "sub-001" / "ses-01" / "anat"
    truth = native_cohort / "derivatives" / "dawson" / "sub-001" / "ses-01" / "anat"
    names = {
        "lesion": "label-lesion_desc-sim_mask",
        "instances": "label-lesion_desc-sim_dseg",
        "brain": "label-brain_desc-sim_mask",
        "tissues": "desc-tissue_dseg",
        "labels": "desc-sim_dseg",
    }
    return {
        "T1w": nib.load(raw / "sub-001_ses-01_T1w.nii.gz"),
        "FLAIR": nib.load(raw / "sub-001_ses-01_FLAIR.nii.gz"),
        **{name: nib.load(truth / f"sub-001_ses-01_space-T1w_{file}.nii.gz") for name, file in names.items()},
    }


def _values(image: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(image.dataobj)


def test_each_contrast_has_its_own_grid(images: dict[str, nib.Nifti1Image], native_cohort: Path) -> None:
    assert images["T1w"].shape != images["FLAIR"].shape
    assert not np.allclose(images["T1w"].affine, images["FLAIR"].affine)
    sidecar = json.loads((native_cohort / "sub-001" / "ses-01" / "anat" / "sub-001_ses-01_FLAIR.json").read_text())
    site = SITES[sidecar["SimulatedScanner"]]
    np.testing.assert_allclose(images["FLAIR"].header.get_zooms(), (*site.flair.voxel[:2], 4.0), atol=1e-4)
    np.testing.assert_allclose(images["T1w"].header.get_zooms(), site.t1w.voxel, atol=1e-4)
    turned = images["FLAIR"].affine[:3, :3] / images["FLAIR"].header.get_zooms()
    assert np.abs(turned - np.eye(3)).max() > 0.005
    assert sidecar["SimulatedData"] is True and sidecar["SliceThickness"] == 4.0


def test_truth_lies_on_the_grid_of_t1w(images: dict[str, nib.Nifti1Image]) -> None:
    for name in ("lesion", "instances", "brain", "tissues", "labels"):
        assert images[name].shape == images["T1w"].shape
        np.testing.assert_allclose(images[name].affine, images["T1w"].affine)
    brain, lesion, tissues, labels = (_values(images[name]) for name in ("brain", "lesion", "tissues", "labels"))
    assert 1.1e6 < brain.sum() * abs(np.linalg.det(images["T1w"].affine[:3, :3])) < 2.6e6
    assert lesion.any() and not (lesion & ~brain.astype(bool)).any()
    np.testing.assert_array_equal(_values(images["instances"]) > 0, lesion > 0)
    np.testing.assert_array_equal(tissues > 0, brain > 0)
    assert (labels[brain > 0] > 0).mean() > 0.99


def test_tissues_have_the_contrast_of_t1w(images: dict[str, nib.Nifti1Image]) -> None:
    values, tissues = _values(images["T1w"]), _values(images["tissues"])
    fluid, grey, white = (np.median(values[tissues == label]) for label in (1, 2, 3))
    assert fluid < grey < white


def test_a_head_surrounds_the_brain_and_leaves_the_image_only_through_the_neck(images: dict[str, nib.Nifti1Image]) -> None:
    values, brain = _values(images["T1w"]).astype(float), _values(images["brain"]) > 0
    white = np.median(values[_values(images["tissues"]) == 3])
    head = (values > 0.6 * white) & ~brain
    assert head.sum() > 400_000
    for axis in range(3):
        for end in (0, -1):
            if (axis, end) != (2, 0):
                assert np.take(head, end, axis=axis).mean() < 0.03


def test_both_contrasts_show_the_same_head(images: dict[str, nib.Nifti1Image]) -> None:
    """The true brain, carried to FLAIR by the headers, covers what is bright there; patients move by millimetres."""
    brain = _values(images["brain"]).astype(np.float32)
    to_t1w = np.linalg.inv(images["T1w"].affine) @ images["FLAIR"].affine
    there = resample([brain], to_t1w, images["FLAIR"].shape)[0] > 0.5
    values = _values(images["FLAIR"]).astype(float)
    skull = ndimage.binary_dilation(there, iterations=6) & ~ndimage.binary_dilation(there, iterations=4)
    upper = np.zeros_like(skull)
    upper[..., there.shape[2] // 2 :] = True
    assert np.median(values[there]) > 2 * np.median(values[skull & upper])


@pytest.fixture(scope="module")
def usual() -> tuple[dict[Contrast, np.ndarray], Face]:
    """A head around a ball for a brain."""
    shape = (160, 196, 164)
    origin = np.array([-80.0, -114.0, -72.0])
    grid = [np.arange(size) + first for size, first in zip(shape, origin, strict=True)]
    x, y, z = grid[0][:, None, None], grid[1][None, :, None], grid[2][None, None, :]
    mask = (x / 68) ** 2 + ((y + 17) / 86) ** 2 + ((z - 14) / 66) ** 2 < 1
    mask |= (np.hypot(x, y + 42) < 12) & (z < 0)
    brain = {contrast: mask.astype(np.float32) for contrast in ("T1w", "FLAIR")}
    face = draw_face(0, "sub-001")
    head = make_head(brain, mask, origin, draw_scanner("A", 0, "sub-001", "ses-01").head, face, np.random.default_rng(0))  # type: ignore[arg-type]
    return head, face  # type: ignore[return-value]


def _at(volume: np.ndarray, point: tuple[float, float, float], reach: int = 2) -> float:
    index = tuple(slice(int(c - o) - reach, int(c - o) + reach + 1) for c, o in zip(point, ORIGIN_MM, strict=True))
    return float(volume[index].mean())


def test_eyes_are_dark_balls_in_bright_fat(usual: tuple[dict[Contrast, np.ndarray], Face]) -> None:
    head, face = usual
    for side in (-1.0, 1.0):
        x, y, z = eye(face, side)
        assert _at(head["T1w"], (x, y, z)) < 0.45
        assert _at(head["FLAIR"], (x, y, z)) < 0.6
        assert _at(head["T1w"], (side * 27, 45, -32), 1) > 1.0


def test_skull_is_dark_under_a_bright_scalp(usual: tuple[dict[Contrast, np.ndarray], Face]) -> None:
    head, _ = usual
    above = head["T1w"][96, 116, 228:]
    scalp = int(np.argmax(above))
    assert above[scalp] > 1.2 and above[:scalp].min() < 0.2
    assert above[-1] == 0


def test_air_is_in_the_sinuses_and_the_throat(usual: tuple[dict[Contrast, np.ndarray], Face]) -> None:
    head, face = usual
    for point in ((27 * face.width, 52, -60), (0, 13, -60), (0, 2, -110)):
        assert _at(head["T1w"], point, 1) < 0.1
        assert _at(head["FLAIR"], point, 1) < 0.1


def test_a_nose_stands_out_of_the_face(usual: tuple[dict[Contrast, np.ndarray], Face]) -> None:
    head, _ = usual
    front = np.where(head["T1w"] > 0.2, np.arange(SHAPE[1])[None, :, None], 0).max(axis=1) + ORIGIN_MM[1]
    nose = front[86:107, 70:95].max()
    assert nose - front[56, 70:95].mean() > 20 and nose - front[96, 112:118].mean() > 8


def test_faces_differ_and_stay_with_their_person() -> None:
    assert draw_face(1, "sub-001") == draw_face(1, "sub-001")
    noses = [draw_face(1, f"sub-{number:03d}").nose_length for number in range(100)]
    assert 0.08 < np.std(noses) < 0.2


def test_distances_to_a_ball_and_a_rod_are_those_of_geometry() -> None:
    x = np.linspace(-20, 20, 10, dtype=np.float32)[:, None, None]
    flat = np.zeros((1, 1, 1), dtype=np.float32)
    np.testing.assert_allclose(ellipsoid((x, flat, flat), (0, 0, 0), (10, 10, 10)).ravel(), np.abs(x.ravel()) - 10, atol=5e-3)
    np.testing.assert_allclose(
        capsule((x, flat, flat), (-5, 0, 0), (5, 0, 0), 3).ravel(), np.maximum(np.abs(x.ravel()) - 5, 0) - 3, atol=1e-4
    )


def test_resampling_is_linear_interpolation() -> None:
    rng = np.random.default_rng(0)
    volume = rng.random((20, 24, 18)).astype(np.float32)
    matrix = np.array([[0.9, 0.1, 0, 1.2], [-0.1, 0.95, 0.05, 2.0], [0, 0.02, 0.8, 1.5], [0, 0, 0, 1.0]])
    found = resample([volume], matrix, (19, 18, 17))[0]
    expected = ndimage.affine_transform(volume, matrix[:3, :3], matrix[:3, 3], output_shape=(19, 18, 17), order=1)
    np.testing.assert_allclose(found[2:-2, 2:-2, 2:-2], expected[2:-2, 2:-2, 2:-2], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("contrast", ["T1w", "FLAIR"])
def test_brain_extraction_finds_the_brain(
    contrast: Contrast, native_cohort: Path, images: dict[str, nib.Nifti1Image], tmp_path: Path
) -> None:
    from deepbet import run_bet

    raw = native_cohort / "sub-001" / "ses-01" / "anat" / f"sub-001_ses-01_{contrast}.nii.gz"
    run_bet([str(raw)], [str(tmp_path / "b.nii.gz")], [str(tmp_path / "m.nii.gz")], no_gpu=True)
    found = _values(nib.load(tmp_path / "m.nii.gz")) > 0
    to_t1w = np.linalg.inv(images["T1w"].affine) @ images[contrast].affine
    truth = resample([_values(images["brain"]).astype(np.float32)], to_t1w, images[contrast].shape)[0] > 0.5
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) >= 0.95
