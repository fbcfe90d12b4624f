from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from dawson.imaging.brain_regions import where
from dawson.simulation.anatomy import atlas
from dawson.simulation.kinds import KINDS, Style
from dawson.simulation.lesions import LESION_THRESHOLD, Lesion, paint

Mask = NDArray[np.bool_]
EXAMPLES = 6


@lru_cache(maxsize=64)
def examples(key: str, style: Style = Style()) -> tuple[tuple[Lesion, Mask], ...]:
    """Lesions of one kind, each with its mask in the box."""
    rng = np.random.default_rng(7)
    drawn = [KINDS[key].draw(rng, atlas(), style) for _ in range(EXAMPLES)]
    return tuple((lesion, paint([lesion], atlas(), 0).share > LESION_THRESHOLD) for lesion in drawn)


def extents(mask: Mask) -> NDArray[np.int64]:
    voxels = np.argwhere(mask)
    return np.asarray(np.ptp(voxels, axis=0) + 1)


def share_in(mask: Mask, *labels: str) -> float:
    return float(where(atlas().labels, *labels)[mask].mean())


def roughness(mask: Mask) -> float:
    """Surface of a mask relative to a ball of its volume."""
    faces = sum(np.count_nonzero(np.diff(mask.astype(np.int8), axis=axis)) for axis in range(3))
    return float(faces / mask.sum() ** (2 / 3))


@pytest.mark.parametrize("key", KINDS)
def test_every_kind_shows_in_brain_tissue_and_never_in_fluid(key: str) -> None:
    for lesion, mask in examples(key):
        assert lesion.kind == key
        assert mask.sum() >= 3
        assert (atlas().csf[mask] < 0.5).all()
        assert (atlas().mask[mask] == 1).all()


@pytest.mark.parametrize("key", KINDS)
def test_brightness_and_loss_stay_between_nothing_and_all(key: str) -> None:
    painted = paint([KINDS[key].draw(np.random.default_rng(3), atlas(), Style(brightness=2.0, black_hole=True))], atlas(), 0)
    assert 0.3 < painted.bright.max() <= 1
    assert 0 <= painted.dark.min() <= painted.dark.max() <= 1


@pytest.mark.parametrize(
    ("key", "labels", "least"),
    [
        ("temporal", ("temporal lobe", "optic radiation"), 0.9),
        ("callosal", ("corpus callosum", "ependyma"), 0.6),
        ("thalamic", ("thalamus",), 0.7),
        ("basal_ganglia", ("deep grey",), 0.6),
        ("hypothalamic", ("hypothalamus", "ependyma"), 0.5),
        ("brainstem", ("brainstem", "corticospinal tract"), 0.9),
        ("cerebellar", ("cerebellum",), 0.7),
        ("periaqueductal", ("periaqueductal grey", "ependyma"), 0.5),
        ("area_postrema", ("area postrema", "brainstem", "ependyma"), 0.9),
        ("cervicomedullary", ("brainstem", "area postrema", "ependyma", "corticospinal tract"), 0.95),
        ("pons_fluffy", ("brainstem", "corticospinal tract"), 0.8),
        (
            "spilled_ink",
            ("white matter", "temporal white matter", "corticospinal tract", "corpus callosum", "ependyma"),
            0.85,
        ),
    ],
)
def test_a_kind_lies_in_the_anatomy_it_is_named_for(key: str, labels: tuple[str, ...], least: float) -> None:
    assert np.mean([share_in(mask, *labels) for _, mask in examples(key)]) > least


def test_a_dawson_finger_stands_at_right_angles_on_the_ventricle() -> None:
    brain = atlas()
    rng = np.random.default_rng(1)
    along, gaps = [], []
    for _ in range(20):
        lesion = KINDS["dawson_finger"].draw(rng, brain, Style())
        voxel = np.rint(np.array(lesion.centre_mm) - brain.origin_mm).astype(np.int16)
        along.append(abs(np.dot(lesion.axis, brain.slope("lateral", voxel))))
        gaps.append(brain.distance["lateral"][paint([lesion], brain, 0).share > LESION_THRESHOLD].min())
        assert lesion.radii_mm[0] > 1.5 * lesion.radii_mm[1]
    assert np.mean(along) > 0.9
    assert np.median(gaps) <= 2


def test_a_plain_patch_lies_flat_against_the_ventricle() -> None:
    brain = atlas()
    for lesion, mask in examples("periventricular"):
        voxel = np.rint(np.array(lesion.centre_mm) - brain.origin_mm).astype(np.int16)
        assert abs(np.dot(lesion.axis, brain.slope("lateral", voxel))) < 0.3
        assert np.percentile(brain.distance["lateral"][mask], 95) < 7


@pytest.mark.parametrize("surface", ["lateral", "third", "fourth", "aqueduct"])
def test_linear_lesions_hug_their_own_ventricle_and_are_thin(surface: str) -> None:
    for _, mask in examples(f"linear_{surface}"):
        away = atlas().distance[surface][mask]
        assert np.percentile(away, 95) <= 4
        assert away.min() <= 1.5
        assert extents(mask).max() >= (20 if surface == "lateral" else 7)


@pytest.mark.parametrize("key", ["subcortical", "deep_white", "punctate"])
def test_plain_dots_keep_clear_of_ventricles_and_of_the_callosum(key: str) -> None:
    for _, mask in examples(key):
        assert atlas().distance["lateral"][mask].min() > 3
        assert share_in(mask, "corpus callosum") == 0


def test_juxtacortical_lesions_touch_the_cortex_and_subcortical_ones_do_not() -> None:
    cortex = atlas().distance["cortex"]
    assert max(cortex[mask].min() for _, mask in examples("juxtacortical")) <= 1.5
    assert min(cortex[mask].min() for _, mask in examples("subcortical")) > 1


def test_a_u_fibre_follows_the_cortex_as_a_thin_curve() -> None:
    for lesion, mask in examples("u_fibre"):
        assert np.percentile(atlas().distance["cortex"][mask], 95) < 5
        # A curve leaves most of the box around it empty.
        assert mask.sum() < 0.4 * np.prod(extents(mask))
        assert lesion.width_mm < 4


def test_brainstem_lesions_of_ms_keep_away_from_the_fourth_ventricle_and_dorsal_ones_do_not() -> None:
    fourth = atlas().distance["fourth"]
    assert min(fourth[mask].min() for _, mask in examples("brainstem")) > 2
    assert max(fourth[mask].min() for _, mask in examples("dorsal_brainstem")) <= 2


@pytest.mark.parametrize(
    ("key", "shortest_mm", "longest_mm"),
    [("spilled_ink", 30, 130), ("tumefactive", 20, 50), ("punctate", 1, 3), ("arch_bridge", 25, 70), ("fluffy", 10, 50)],
)
def test_sizes_are_those_of_the_name(key: str, shortest_mm: float, longest_mm: float) -> None:
    for _, mask in examples(key):
        assert shortest_mm <= extents(mask).max() <= longest_mm


def test_a_dot_is_at_most_three_millimetres_wide() -> None:
    assert all(2 * max(lesion.radii_mm) <= 3 for lesion, _ in examples("punctate", Style(size=2.0)))


def test_a_corticospinal_lesion_is_long_and_on_one_side() -> None:
    for _, mask in examples("corticospinal"):
        x = np.argwhere(mask)[:, 0] + atlas().origin_mm[0]
        assert extents(mask)[2] >= 40
        assert abs(np.sign(np.round(x)).sum()) > 0.95 * len(x)


def test_spilled_ink_spares_the_cortex() -> None:
    assert np.mean([atlas().gm[mask].mean() for _, mask in examples("spilled_ink")]) < 0.15


def test_a_cervicomedullary_lesion_goes_on_below_the_box() -> None:
    # The box's last planes hold only fluid in the template: the lowest one with tissue is where the medulla is cut.
    solid = (atlas().mask > 0) & (atlas().csf < 0.3)
    lowest = int(np.flatnonzero(solid.any(axis=(0, 1)))[0])
    assert all(mask[:, :, lowest].any() for _, mask in examples("cervicomedullary"))


@pytest.mark.parametrize("key", ["dawson_finger", "periventricular"])
def test_a_jagged_border_is_rougher_than_a_smooth_one(key: str) -> None:
    jagged, smooth = ([roughness(mask) for _, mask in examples(key, Style(jagged=jagged, size=1.3))] for jagged in (True, False))
    assert np.mean(jagged) > 1.05 * np.mean(smooth)


def test_style_changes_size_brightness_and_t1w() -> None:
    def draw(style: Style) -> Lesion:
        return KINDS["deep_white"].draw(np.random.default_rng(1), atlas(), style)

    plain = draw(Style())
    assert draw(Style(size=1.2)).radii_mm[0] == pytest.approx(1.2 * plain.radii_mm[0])
    assert draw(Style(brightness=0.5)).brightness == pytest.approx(0.5 * plain.brightness)
    assert draw(Style(black_hole=True)).t1_loss > 0.45 > plain.t1_loss


def test_a_ball_has_the_volume_of_a_ball() -> None:
    ball = Lesion("ball", "oval", (26.0, -25.0, 32.0), radii_mm=(4, 4, 4), roughness=0.0, edge_mm=0.2)
    assert paint([ball], atlas(), 0).share.sum() == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.12)


def test_scale_zero_is_absent_and_growth_only_adds() -> None:
    lesion = replace(KINDS["deep_white"].draw(np.random.default_rng(0), atlas(), Style(size=1.5)), scales=(0.0, 0.8, 1.0, 1.3))
    visits = [paint([lesion], atlas(), visit).share for visit in range(4)]
    assert not visits[0].any()
    masks = [share > LESION_THRESHOLD for share in visits[1:]]
    assert masks[0].sum() < masks[1].sum() < masks[2].sum()
    assert not (masks[0] & ~masks[1]).any() and not (masks[1] & ~masks[2]).any()


def test_instances_carry_the_numbers_of_the_lesions() -> None:
    near = Lesion("a", "oval", (26.0, -25.0, 32.0), number=4)
    far = Lesion("b", "oval", (-26.0, -25.0, 32.0), number=9, brightness=0.1)
    painted = paint([near, far], atlas(), 0)
    assert set(np.unique(painted.instances)) == {0, 4, 9}
    np.testing.assert_array_equal(painted.instances > 0, painted.share > LESION_THRESHOLD)
    x = np.argwhere(painted.instances == 9)[:, 0] + atlas().origin_mm[0]
    assert (x < 0).all()


def test_the_truth_does_not_depend_on_brightness() -> None:
    lesion = Lesion("a", "oval", (26.0, -25.0, 32.0))
    faint, strong = (paint([replace(lesion, brightness=value)], atlas(), 0) for value in (0.2, 1.0))
    np.testing.assert_array_equal(faint.instances, strong.instances)
    assert faint.bright.max() < 0.25 < strong.bright.max()


def test_drawing_and_painting_are_the_same_for_the_same_seed() -> None:
    first, second = (KINDS["spilled_ink"].draw(np.random.default_rng(2), atlas(), Style()) for _ in range(2))
    assert first == second
    np.testing.assert_array_equal(paint([first], atlas(), 0).share, paint([second], atlas(), 0).share)
