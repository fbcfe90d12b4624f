"""Whole scans: to 1 mm and back, windows over the brain, segmenters by name."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from dawson.errors import ConfigError, ImageError, ModelError
from dawson.lesions.inference import member_probabilities, sliding_windows
from dawson.lesions.network_segmenter import NetworkSegmenter
from dawson.lesions.recipe import InferencePart
from dawson.lesions.regridding import on_millimetres
from dawson.lesions.segmenters import Segmentation, segmenter_named

PART = InferencePart(window=16, overlap=0.5)


class FlairItself(torch.nn.Module):
    """A network whose logit is the FLAIR it sees."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1].clone()  # the inferer weighs what it is given in place


def test_windows_put_a_pointwise_network_together_again():
    images = np.random.default_rng(0).normal(0, 1, (2, 25, 30, 21)).astype(np.float32)
    brain = np.zeros(images.shape[1:], bool)
    brain[3:20, 4:28, 2:19] = True
    found = sliding_windows([FlairItself(), FlairItself()], images, brain, PART, temperature=2.0)
    expected = np.where(brain, 1 / (1 + np.exp(-images[0] / 2)), 0)
    # logits pass through bfloat16 weights of the windows' middle
    np.testing.assert_allclose(found[0], expected, atol=0.01)
    assert np.array_equal(found[0], found[1])


def test_no_brain_is_no_lesion():
    assert not sliding_windows([FlairItself()], np.zeros((2, 9, 9, 9), np.float32), np.zeros((9, 9, 9), bool), PART).any()


def test_a_millimetre_grid_is_left_as_it_is():
    image = nib.Nifti1Image(np.random.default_rng(0).random((5, 6, 7)).astype(np.float32), np.eye(4))
    grid = on_millimetres(image, 1.0)
    assert grid.same
    np.testing.assert_array_equal(grid.take(image), np.asarray(image.dataobj))


@pytest.mark.parametrize("diagonal", [(2.0, 1.5, 3.0), (-2.0, -2.0, 2.0)])
def test_values_come_back_from_the_millimetre_grid(diagonal):
    affine = np.diag([*diagonal, 1.0])
    affine[:3, 3] = (10, -20, 5)
    shape = (12, 14, 10)
    x, y, z = np.meshgrid(*[np.arange(size, dtype=np.float32) for size in shape], indexing="ij")
    image = nib.Nifti1Image((x + 2 * y - z).astype(np.float32), affine)
    grid = on_millimetres(image, 1.0)
    assert grid.shape == tuple(int(np.ceil(abs(size) * count)) for size, count in zip(diagonal, shape, strict=True))
    back = grid.give_back(grid.take(image))
    middle = slice(2, -2)
    # linear interpolation keeps a linear function
    np.testing.assert_allclose(back[middle, middle, middle], np.asarray(image.dataobj)[middle, middle, middle], atol=1e-3)


def test_images_on_two_grids_are_refused():
    flair, t1w = (nib.Nifti1Image(np.ones((8, 8, size), np.float32), np.eye(4)) for size in (8, 9))
    with pytest.raises(ImageError, match="not on one grid"):
        member_probabilities([FlairItself()], flair, t1w, np.ones((8, 8, 8), bool), PART)


def test_a_mask_is_above_the_threshold_and_without_specks():
    probability = np.zeros((10, 10, 10), np.float32)
    probability[2:4, 2:4, 2:4] = 0.6
    probability[7, 7, 7] = 0.9
    found = Segmentation(probability, None, 0.5, "dawson", 3.0).mask((1.0, 1.0, 1.0))
    assert int(found.sum()) == 8 and not found[7, 7, 7]


def test_an_unknown_segmenter_is_refused():
    with pytest.raises(ConfigError, match="dawson, classical"):
        segmenter_named("nobody")


def test_a_missing_model_says_how_to_get_one(tmp_path):
    with pytest.raises(ModelError, match="dawson lesions train"):
        NetworkSegmenter(tmp_path).identity()
