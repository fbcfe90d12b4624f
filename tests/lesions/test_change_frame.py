"""Scans on grids of their own and masks in template space meet in the halfway space."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dawson.cohort.scan import Scan
from dawson.errors import ImageError
from dawson.files import atomic_path
from dawson.imaging.halfway import RigidPair
from dawson.imaging.resample import grid_points
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.imaging.transforms import Affine, Warp
from dawson.lesions import change_frame
from dawson.lesions.change_frame import HALFWAY, SessionFiles, meet
from dawson.preprocess import names

SHAPE = (40, 44, 38)
GRID = np.diag([2.0, 2.0, 2.0, 1.0])
GRID[:3, 3] = [-39, -43, -37]
LESION_MM, BRAIN_MM, RADIUS_MM = np.array([12.0, -8.0, 6.0]), np.zeros(3), 6.0


def _moved(degrees: float, shift: tuple[float, float, float]) -> Affine:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [degrees, 0, degrees], degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return Affine(matrix)


def _ball(centre: np.ndarray, radius: float, from_grid: Affine) -> nib.Nifti1Image:
    """A ball in the first session's space, as a scan sees it whose points `from_grid` takes there."""
    away = np.linalg.norm(from_grid.apply(grid_points(SHAPE, GRID)) - centre, axis=1).reshape(SHAPE)
    return nib.Nifti1Image((away < radius).astype(np.float32), GRID)


def _save(image: nib.Nifti1Image, path: Path) -> None:
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[SessionFiles], Affine]:
    """Two sessions of one head that moved; each with its own affine and warp to the template, and the lesion's mask there."""
    motion = _moved(8.0, (4.0, -3.0, 5.0))
    made = []
    for name, from_first, affine in (("ses-01", Affine(np.eye(4)), _moved(5, (2, 1, 0))), ("ses-02", motion, _moved(-6, (0, 3, -2)))):
        scan = Scan("sub-01", name, None, None)
        own = from_first.inverse()
        brain = _ball(BRAIN_MM, 30, own)
        _save(brain, scan.derivative(tmp_path, names.brain_mask("FLAIR")))
        _save(nib.Nifti1Image(np.asarray(brain.dataobj) * 100, GRID), scan.derivative(tmp_path, names.unbiased("FLAIR")))
        affine_name, warp_name = names.to_template("FLAIR")
        warp = Warp(np.full((*SHAPE, 3), [1.5, 0.0, -1.0], dtype=np.float32), GRID)
        scan.derivative(tmp_path, affine_name).parent.mkdir(parents=True, exist_ok=True)
        affine.save(scan.derivative(tmp_path, affine_name))
        warp.save(scan.derivative(tmp_path, warp_name))
        # template point -> warp -> affine -> this session -> first session
        to_scan = Affine(affine.matrix @ np.array([[1, 0, 0, 1.5], [0, 1, 0, 0], [0, 0, 1, -1.0], [0, 0, 0, 1]]))
        mask = scan.derivative(tmp_path, f"space-{TEMPLATE_SPACE}_label-lesion_desc-expert_mask.nii.gz")
        _save(_ball(LESION_MM, RADIUS_MM, Affine(own.matrix @ to_scan.matrix)), mask)
        made.append(SessionFiles(scan, mask, 0.0))
    monkeypatch.setattr(change_frame, "register_sessions", lambda *_: RigidPair(motion, 0.1))
    return made, motion


def test_brains_and_template_masks_of_both_sessions_lie_upon_each_other(
    sessions: tuple[list[SessionFiles], Affine], tmp_path: Path
) -> None:
    found = meet(sessions[0], tmp_path)
    assert found.space == HALFWAY and found.inconsistency_mm == 0.1
    for first, second in (found.brains, found.masks):
        assert first is not None and second is not None
        # centres tell misplacement apart from the staircase of two grids of 2 mm
        np.testing.assert_allclose(np.argwhere(first).mean(axis=0), np.argwhere(second).mean(axis=0), atol=0.2)
    assert found.masks[0] is not None
    assert found.masks[0].sum() == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.1)
    # where the lesion is in the halfway space, the first session's transform takes to its place in that scan
    centre = np.argwhere(found.masks[0]).mean(axis=0) @ found.affine[:3, :3].T + found.affine[:3, 3]
    np.testing.assert_allclose(found.transforms[0].apply(centre[None])[0], LESION_MM, atol=0.4)


def test_a_mask_whose_name_says_no_known_space_is_refused(sessions: tuple[list[SessionFiles], Affine], tmp_path: Path) -> None:
    first, second = sessions[0]
    assert first.mask is not None
    elsewhere = first.mask.rename(first.mask.with_name("sub-01_ses-01_space-T2w_label-lesion_desc-expert_mask.nii.gz"))
    with pytest.raises(ImageError, match="neither in template space"):
        meet([SessionFiles(first.scan, elsewhere, 0.0), second], tmp_path)
