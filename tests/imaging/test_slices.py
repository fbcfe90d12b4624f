"""The channel image shows the same place whatever the file's axes."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from dawson.imaging.resample import resample
from dawson.imaging.slices import channel_image, channel_points, edge_weight
from dawson.imaging.template import template_image, template_mask

ORDERS = ["".join(choice) for order in permutations(("RL", "AP", "SI")) for choice in product(*order)]


@pytest.fixture(scope="module")
def marked() -> nib.Nifti1Image:
    """The template at 3 mm with a bright block in the patient's right frontal lobe at z = 20."""
    template = template_image(3.0)
    values = np.array(template.dataobj, dtype=np.float32)
    centre = np.round(np.linalg.inv(template.affine) @ [40.0, 30.0, 20.0, 1.0]).astype(int)[:3]
    values[tuple(slice(place - 2, place + 3) for place in centre)] = 5.0
    return nib.Nifti1Image(values, template.affine)


@pytest.mark.parametrize("order", ORDERS)
def test_all_48_axis_orders_give_the_same_image(order: str, marked: nib.Nifti1Image) -> None:
    turned = marked.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(marked.affine), nib.orientations.axcodes2ornt(order)))
    assert "".join(nib.aff2axcodes(turned.affine)) == order
    np.testing.assert_allclose(channel_image(turned), channel_image(marked), atol=1e-4)


def test_right_is_on_the_left_of_the_picture_and_anterior_is_up(marked: nib.Nifti1Image) -> None:
    row, column = np.argwhere(channel_image(marked)[2] > 4.0).mean(axis=0)
    # pixel of x = 40, y = 30: column = 63.5 - 40/1.5, row = 63.5 - (30 + 17)/1.5
    assert column == pytest.approx(36.8, abs=1.5)
    assert row == pytest.approx(32.2, abs=1.5)


def test_an_oblique_grid_shows_the_same_place(marked: nib.Nifti1Image) -> None:
    from scipy.spatial.transform import Rotation

    oblique = np.diag([2.0, 2.0, 2.0, 1.0])
    oblique[:3, :3] = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix() * 2.0
    oblique[:3, 3] = [0, -17, 5] - oblique[:3, :3] @ [60, 60, 60]
    turned = resample(marked, (121, 121, 121), oblique)
    straight, found = channel_image(marked), channel_image(turned)
    assert np.corrcoef(straight.ravel(), found.ravel())[0, 1] > 0.98
    np.testing.assert_allclose(np.argwhere(found[2] > 3.5).mean(axis=0), [32.2, 36.8], atol=1.5)


def test_values_are_those_of_the_world() -> None:
    """A volume whose value is x + 1000 y + z / 8 is reproduced at every pixel."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-110, -130, -80]
    x, y, z = (np.arange(size) * 2.0 + start for size, start in zip((111, 111, 81), affine[:3, 3], strict=True))
    values = x[:, None, None] + 1000 * y[None, :, None] + z[None, None, :] / 8
    points = channel_points((60, 40, 20, 0, -20), 192.0, 128)
    expected = points[..., 0] + 1000 * points[..., 1] + points[..., 2] / 8
    np.testing.assert_allclose(channel_image(nib.Nifti1Image(values, affine)), expected, atol=0.1)


def test_pixels_are_1_5_mm_apart_and_symmetric() -> None:
    points = channel_points([20.0], 192.0, 128)[0]
    assert points[0, 0].tolist() == [95.25, 78.25, 20.0]
    assert points[127, 127].tolist() == [-95.25, -112.25, 20.0]
    assert (points[0, 0] - points[1, 1]).tolist() == [1.5, 1.5, 0.0]


def test_the_whole_template_brain_fits_with_a_margin() -> None:
    mask = nib.Nifti1Image(template_mask().astype(np.uint8), template_image().affine)
    channels = channel_image(mask, tuple(range(-60, 80, 10)), order=0)
    assert channels.any(axis=(1, 2)).all()
    assert not channels[:, [0, 1, 2, -3, -2, -1]].any()
    assert not channels[:, :, [0, 1, 2, -3, -2, -1]].any()


def test_a_soft_edge_weighs_nothing_outside_the_brain_and_everything_inside() -> None:
    brain = template_mask(2.0)
    weight = edge_weight(nib.Nifti1Image(brain.astype(np.uint8), template_image(2.0).affine))
    depth = ndimage.distance_transform_edt(brain, sampling=2.0)
    assert not weight[~brain].any()
    assert weight[depth > 8].min() > 0.999
    assert weight[brain & (depth <= 2)].mean() < 0.75 < weight[depth > 4].min()


def test_the_width_of_the_edge_is_in_millimetres() -> None:
    """The same ball on two grids: voxels at one depth have one weight."""

    def ball(step: float) -> nib.Nifti1Image:
        places = np.indices((round(60 / step),) * 3) * step - 30
        return nib.Nifti1Image(((places**2).sum(axis=0) < 20.0**2).astype(np.uint8), np.diag([step, step, step, 1.0]))

    def at_depth(step: float) -> float:
        middle = round(30 / step)
        return float(edge_weight(ball(step), 2.0)[middle + round(17 / step), middle, middle])

    assert at_depth(0.5) == pytest.approx(at_depth(1.0), abs=0.08)


def test_a_soft_edge_hardly_answers_an_outline_that_moves_a_little() -> None:
    """The template's brain and the same with 0.5 % of its voxels added or taken at the border by chance, as another extraction has them."""
    template, brain = template_image(2.0), template_mask(2.0)
    border = ndimage.binary_dilation(brain) & ~ndimage.binary_erosion(brain)
    other = np.where(border & (np.random.default_rng(0).random(brain.shape) < 0.06), ~brain, brain)
    values = np.asarray(template.dataobj, dtype=np.float32) + np.float32(1)

    def correlation(soft: bool) -> float:
        made = []
        for mask in (brain, other):
            weight = edge_weight(nib.Nifti1Image(mask.astype(np.uint8), template.affine), 2.0) if soft else mask
            made.append(channel_image(nib.Nifti1Image(values * weight, template.affine)).ravel())
        return float(np.corrcoef(*made)[0, 1])

    assert 1 - correlation(soft=True) < 0.5 * (1 - correlation(soft=False))
