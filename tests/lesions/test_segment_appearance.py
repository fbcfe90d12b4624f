"""Looks and shapes of training patches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage

from dawson.lesions.appearance import UNLABELLED, Appearance, Channel, blur, change_appearance, draw_appearance
from dawson.lesions.deformation import Deformation, apply_deformation, draw_deformation
from dawson.lesions.intensity import BLACK, WHITE, lesion_excess, standardise
from dawson.lesions.recipe import AppearancePart, PatchPart

SHAPE = (20, 22, 24)
NOTHING = Channel(1.0, np.zeros(256, np.float32), (), None, None, None, 0.0, (0.0, 0.0), (0.0, 0.0), None, 1.0, 0.0)
PLAIN = Appearance((NOTHING, NOTHING), np.ones((2, 2, 2), np.float32), None, None, False, 0)


def _scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, excess, truth and regions: grey brain with one lesion that is 4 brighter on FLAIR and 2 darker on T1w."""
    brain = np.zeros(SHAPE, bool)
    brain[3:17, 3:19, 3:21] = True
    truth = np.zeros(SHAPE, np.float32)
    truth[8:11, 9:12, 10:13] = 1
    excess = np.stack([4 * truth, -2 * truth])
    images = np.where(brain, np.float32(0.5) + excess, np.float32(BLACK))
    labels = np.where(brain, UNLABELLED, 0).astype(np.uint8)
    return tuple(torch.from_numpy(np.asarray(part)) for part in (images.astype(np.float32), excess, truth, labels))  # type: ignore[return-value]


def test_a_look_that_changes_nothing_changes_nothing():
    images, excess, truth, labels = _scene()
    torch.testing.assert_close(change_appearance(images, excess, truth, labels, PLAIN), images)


def test_the_same_draw_gives_the_same_images():
    scene = _scene()
    drawn = draw_appearance(np.random.default_rng(3), SHAPE, AppearancePart())
    assert torch.equal(change_appearance(*scene, drawn), change_appearance(*scene, drawn))


def test_every_draw_stays_in_range_and_keeps_its_shape():
    scene = _scene()
    for seed in range(12):
        changed = change_appearance(*scene, draw_appearance(np.random.default_rng(seed), SHAPE, AppearancePart()))
        assert changed.shape == (2, *SHAPE)
        assert torch.isfinite(changed).all() and changed.min() >= BLACK and changed.max() <= WHITE


def test_lesion_contrast_is_what_was_drawn():
    images, excess, truth, labels = _scene()
    faint = replace(PLAIN, channels=(replace(NOTHING, lesion=0.25), replace(NOTHING, lesion=0.0)))
    changed = change_appearance(images, excess, truth, labels, faint)
    inside = truth > 0
    # 4 above the brain of 0.5 becomes a quarter of it; on T1w the lesion is gone
    torch.testing.assert_close(changed[0][inside], torch.full((27,), 1.5))
    torch.testing.assert_close(changed[1][inside], torch.full((27,), 0.5))


def test_an_absent_t1w_is_all_zero():
    scene = _scene()
    changed = change_appearance(*scene, replace(PLAIN, t1w_absent=True))
    assert not changed[1].any() and changed[0].any()


def test_a_wrong_brain_edge_never_makes_holes_deep_inside():
    scene = _scene()
    worn = change_appearance(*scene, replace(PLAIN, edge=np.full((2, 2, 2), 50.0, np.float32)))
    assert worn[0, 10, 11, 12] > BLACK
    assert worn[0, 3, 11, 12] == BLACK


def test_remains_of_the_head_lie_near_the_brain_and_outside_it():
    images, excess, truth, labels = _scene()
    left = change_appearance(images, excess, truth, labels, replace(PLAIN, remains=np.ones((2, 2, 2), np.float32)))
    changed = left[0] != images[0]
    assert changed.any() and not (changed & (labels > 0)).any()


def test_blur_is_scipys():
    values = np.random.default_rng(0).normal(size=(12, 15, 18)).astype(np.float32)
    reference = ndimage.gaussian_filter(values, 1.0, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(blur(torch.from_numpy(values), 1.0).numpy(), reference, atol=1e-5)


def test_no_deformation_cuts_out_and_a_flip_mirrors():
    values = torch.arange(2 * 8**3, dtype=torch.float32).reshape(2, 8, 8, 8)
    labels = torch.arange(8**3).reshape(8, 8, 8).to(torch.uint8)
    same, same_labels = apply_deformation(values, labels, 8, Deformation(False, None, None))
    assert torch.equal(same, values) and torch.equal(same_labels, labels)
    mirrored, _ = apply_deformation(values, labels, 8, Deformation(True, None, None))
    assert torch.equal(mirrored[:, 0], values[:, 7])


def test_an_identity_deformation_takes_the_middle():
    size, nothing = 8, Deformation(False, np.eye(3, dtype=np.float32), np.zeros((3, 2, 2, 2), np.float32))
    whole = size + 2 * nothing.reach
    values = torch.rand(1, whole, whole, whole, generator=torch.Generator().manual_seed(0))
    labels = (values[0] * 20).to(torch.uint8)
    taken, taken_labels = apply_deformation(values, labels, size, nothing)
    middle = slice(nothing.reach, nothing.reach + size)
    torch.testing.assert_close(taken, values[:, middle, middle, middle], atol=1e-4, rtol=0)
    assert torch.equal(taken_labels, labels[middle, middle, middle])


def test_a_displacement_moves_along_its_own_axis():
    moved = Deformation(False, np.eye(3, dtype=np.float32), np.zeros((3, 2, 2, 2), np.float32))
    moved.displacement[1] = 2  # type: ignore[index]
    whole = 8 + 2 * moved.reach
    ramp = torch.arange(whole, dtype=torch.float32)[None, None, :, None].expand(1, whole, whole, whole).contiguous()
    taken, _ = apply_deformation(ramp, torch.zeros(whole, whole, whole, dtype=torch.uint8), 8, moved)
    torch.testing.assert_close(taken[0, 0, :, 0], torch.arange(8, dtype=torch.float32) + moved.reach + 2, atol=1e-3, rtol=0)


def test_draws_of_shape_follow_from_the_seed():
    one, same = (draw_deformation(np.random.default_rng(5), PatchPart(deform=1.0)) for _ in range(2))
    assert np.array_equal(one.displacement, same.displacement) and np.array_equal(one.matrix, same.matrix)  # type: ignore[arg-type]


def test_standardised_brain_has_median_0_and_quartiles_of_a_normal_distribution():
    values = np.random.default_rng(0).normal(300, 40, (30, 30, 30)).astype(np.float32)
    brain = np.ones(values.shape, bool)
    brain[0] = False
    z = standardise(values, brain)
    assert abs(np.median(z[brain])) < 1e-4
    assert abs(np.diff(np.percentile(z[brain], (25, 75)))[0] - 1.349) < 1e-3
    assert (z[0] == BLACK).all()


def test_excess_of_a_lesion_is_its_height_over_the_brain_around():
    image = np.full((30, 30, 30), 0.5, np.float32)
    lesion = np.zeros_like(image)
    lesion[13:18, 13:18, 13:18] = 1
    image += 3 * lesion
    excess = lesion_excess(image, lesion, np.ones(image.shape, bool))
    np.testing.assert_allclose(excess[lesion > 0], 3.0, atol=0.05)
    assert np.abs(excess[lesion == 0]).max() < 0.05
