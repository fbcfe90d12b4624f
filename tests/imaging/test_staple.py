"""One mask from several: votes counted by hand, STAPLE on raters whose skill is known, and what its room does."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from dawson.imaging.staple import crop_masks, margin_of, mask_consensus, volumes_of
from dawson.imaging.tissue import dice


def row(*voxels: int) -> NDArray[np.uint8]:
    mask = np.zeros((12, 5, 5), dtype=np.uint8)
    mask[list(voxels), 2, 2] = 1
    return mask


def raters(
    seed: int, skills: list[tuple[float, float]], shape: tuple[int, int, int] = (30, 30, 30)
) -> tuple[NDArray[np.bool_], list[NDArray[np.bool_]]]:
    """A ball and what raters of known sensitivity and specificity (near it) mark of it."""
    rng = np.random.default_rng(seed)
    distance = np.linalg.norm(np.indices(shape) - 14.5, axis=0)
    truth, near = distance < 6, distance < 8
    masks = [np.where(truth, rng.random(shape) < p, near & (rng.random(shape) > q)) for p, q in skills]
    return truth, masks


def test_votes_are_counted_and_a_tie_is_no_majority() -> None:
    cropped = crop_masks([row(3, 4, 5, 6), row(4, 5, 6), row(5, 6), row(6, 7)])
    soft = mask_consensus(cropped, "soft")
    np.testing.assert_allclose(soft.probability[2:9, 2, 2], [0, 0.25, 0.5, 0.75, 1, 0.25, 0])
    for agreed in (soft, mask_consensus(cropped, "majority")):
        np.testing.assert_array_equal(agreed.mask, row(5, 6) > 0)
        assert agreed.sensitivity == (1, 1, 1, 0.5)
    np.testing.assert_array_equal(mask_consensus(cropped, "majority").probability, row(5, 6))


def test_staple_learns_who_is_good_and_beats_the_majority() -> None:
    skills = [(0.95, 0.95), (0.7, 0.8), (0.65, 0.8), (0.7, 0.75)]
    truth, masks = raters(1, skills)
    agreed = mask_consensus(crop_masks(masks, (3, 3, 3)))
    np.testing.assert_allclose(agreed.sensitivity, [p for p, _ in skills], atol=0.07)
    assert np.argmax(agreed.sensitivity) == 0 and np.argmax(agreed.specificity) == 0
    voted = mask_consensus(crop_masks(masks), "majority")
    assert dice(agreed.mask, truth) > dice(voted.mask, truth) + 0.05
    assert dice(agreed.mask, truth) > np.mean([dice(mask, truth) for mask in masks]) + 0.1


def test_the_wider_staple_looks_the_more_it_believes_single_good_raters() -> None:
    """Two good raters and three poor ones: with the empty room of a box, a mark of one good rater is enough."""
    truth, masks = raters(1, [(0.9, 0.97), (0.9, 0.97), (0.5, 0.6), (0.5, 0.6), (0.5, 0.6)])
    tight, wide = (crop_masks(masks, (margin,) * 3) for margin in (0, 8))
    agreed = [mask_consensus(wide), mask_consensus(tight, "staple", None), mask_consensus(wide, "staple", None)]
    sizes, poor = [one.mask.sum() for one in agreed], [one.specificity[2] for one in agreed]
    assert sizes[0] < sizes[1] < sizes[2] and sizes[2] > 1.4 * truth.sum()
    assert poor[0] < poor[1] < poor[2] and poor[2] > 0.98
    assert dice(agreed[0].mask, truth) > dice(agreed[2].mask, truth) + 0.1


def test_the_margin_of_the_box_does_not_matter_where_staple_looks_near_marks_only() -> None:
    _, masks = raters(3, [(0.8, 0.8), (0.7, 0.9), (0.6, 0.7)])
    one, other = (mask_consensus(crop_masks(masks, (margin,) * 3)) for margin in (1, 5))
    np.testing.assert_array_equal(one.probability, other.probability)


@pytest.mark.parametrize("method", ["staple", "majority", "soft"])
def test_empty_masks_equal_masks_and_a_single_rater(method: str) -> None:
    empty = mask_consensus(crop_masks([row(), row()]), method)
    assert not empty.mask.any() and empty.probability.shape == (12, 5, 5) and np.isnan(empty.sensitivity).all()
    for masks in ([row(3, 4)], [row(3, 4)] * 3):
        agreed = mask_consensus(crop_masks(masks), method)
        np.testing.assert_array_equal(agreed.mask, row(3, 4) > 0)
        np.testing.assert_array_equal(agreed.probability, row(3, 4))
    # one who saw nothing does not stop the others
    np.testing.assert_array_equal(mask_consensus(crop_masks([row(3, 4), row(3, 4), row()]), method).mask, row(3, 4) > 0)


def test_a_stack_on_disk_gives_its_volumes_one_by_one(tmp_path: Path) -> None:
    stack = np.stack([row(3, 4), row(4, 5), row(9)], axis=-1)
    nib.save(nib.Nifti1Image(stack, np.eye(4)), tmp_path / "stack.nii.gz")
    for source in (nib.load(tmp_path / "stack.nii.gz"), stack):
        cropped = crop_masks(volumes_of(source))
        assert cropped.box == (slice(3, 10), slice(2, 3), slice(2, 3))
        for number in range(3):
            np.testing.assert_array_equal(cropped.whole(cropped.masks[number]), stack[..., number] > 0)


def test_leaving_a_rater_out_keeps_the_box() -> None:
    cropped = crop_masks([row(3, 4), row(4, 5), row(9)])
    rest = cropped.without(2)
    assert rest.box == cropped.box and len(rest.masks) == 2


def test_the_margin_in_voxels_is_rounded_up_and_ends_with_the_image() -> None:
    assert margin_of((1.0, 2.0, 3.0), 5.0) == (5, 3, 2)
    assert crop_masks([row(1, 3)], (2, 1, 4)).box == (slice(0, 6), slice(1, 4), slice(0, 5))


def test_what_cannot_be_agreed_on_is_refused() -> None:
    with pytest.raises(ValueError, match="one grid"):
        crop_masks([row(1), np.zeros((3, 3, 3))])
    with pytest.raises(ValueError, match="at least one mask"):
        crop_masks([])
    with pytest.raises(ValueError, match="average"):
        mask_consensus(crop_masks([row(1)]), "average")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="-1 voxels"):
        mask_consensus(crop_masks([row(1)]), "staple", -1)
