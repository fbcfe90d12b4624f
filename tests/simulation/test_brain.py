from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dawson.imaging.brain_regions import where
from dawson.simulation.anatomy import Atlas, atlas
from dawson.simulation.brain import Atrophy, Brain, Scene, make_brain, make_scene, sulci_age, ventricle_age_mm
from dawson.simulation.deformation import jacobian_determinant, upsample
from dawson.simulation.lesions import Lesion
from dawson.simulation.people import Person, plan_cohort
from dawson.simulation.scanner import ScannerState, draw_scanner


@pytest.fixture(scope="module")
def brain() -> Atlas:
    return atlas()


@pytest.fixture(scope="module")
def person() -> Person:
    return plan_cohort({"MS": 1}, followed_up={"MS": 0}, seed=0).people[0]


@pytest.fixture(scope="module")
def state() -> ScannerState:
    return draw_scanner("A", 0, "sub-001", "ses-01")


def aged(person: Person, *ages: float) -> Person:
    return replace(
        person, age=ages[0], visits=tuple(replace(person.visits[0], session_id=f"ses-{i}", age=age) for i, age in enumerate(ages))
    )


def scan(person: Person, brain: Atlas, own: Brain, state: ScannerState, number: int = 0, truth: bool = True) -> Scene:
    return make_scene(person, number, brain, own, state, np.random.default_rng(0), truth)


def volume_ml(scene: Scene, *names: str) -> float:
    assert scene.labels is not None
    return float(where(scene.labels, *names).sum() / 1000)


@pytest.fixture(scope="module")
def healthy(person: Person, brain: Atlas, state: ScannerState) -> Scene:
    return scan(person, brain, make_brain(person, brain, 0), state)


def test_a_scene_is_repeatable(person: Person, brain: Atlas, state: ScannerState, healthy: Scene) -> None:
    again = scan(person, brain, make_brain(person, brain, 0), state)
    for contrast, image in healthy.images.items():
        np.testing.assert_array_equal(image, again.images[contrast])


def test_another_seed_gives_another_brain(person: Person, brain: Atlas) -> None:
    one, other = (make_brain(person, brain, seed).displacements_mm[0] for seed in (0, 1))
    assert np.abs(one - other).mean() > 0.5


def test_the_truth_is_left_out_when_not_wanted(person: Person, brain: Atlas, state: ScannerState, healthy: Scene) -> None:
    plain = scan(person, brain, make_brain(person, brain, 0), state, truth=False)
    assert plain.tissues == () and plain.labels is None
    np.testing.assert_array_equal(plain.brain_mask, healthy.brain_mask)
    np.testing.assert_array_equal(plain.images["FLAIR"], healthy.images["FLAIR"])


def test_tissues_add_up_inside_the_brain(healthy: Scene) -> None:
    total = np.sum(healthy.tissues, axis=0)
    assert np.abs(total[healthy.brain_mask] - 1).mean() < 0.03
    assert total.max() < 1.01


def test_labels_fit_the_tissues(healthy: Scene) -> None:
    assert healthy.labels is not None
    csf, gm, wm = healthy.tissues
    assert csf[where(healthy.labels, "lateral ventricle")].mean() > 0.8
    assert wm[where(healthy.labels, "corpus callosum")].mean() > 0.85
    assert gm[where(healthy.labels, "cortex")].mean() > 0.6


def test_the_brain_stays_inside_the_box(person: Person, brain: Atlas) -> None:
    own = make_brain(aged(person, 80), brain, 3, (), (Atrophy(3, 2, 0.8, 0.3),))
    scene = scan(person, brain, own, draw_scanner("A", 0, "sub-001", "ses-01"), truth=False)
    assert not any(scene.brain_mask.take(end, axis).any() for axis in (0, 1) for end in (0, -1))
    assert not scene.brain_mask[:, :, -1].any()
    assert scene.brain_mask.sum() == pytest.approx(brain.mask.sum(), rel=0.08)


@pytest.mark.parametrize("seed", range(20))
def test_no_deformation_folds(seed: int, person: Person, brain: Atlas) -> None:
    own = make_brain(aged(person, 80), brain, seed, (), (Atrophy(4, 2, 0.7, 0.5),))
    assert jacobian_determinant(own.displacements_mm[0], 4.0).min() > 0
    if seed == 0:
        assert jacobian_determinant(upsample(own.displacements_mm[0]), 1.0).min() > 0


@pytest.mark.parametrize("share", [0.95, 0.85, 0.75])
@pytest.mark.parametrize("ventricle_mm", [0.0, 2.0])
def test_deep_grey_volume_follows_atrophy(
    share: float, ventricle_mm: float, person: Person, brain: Atlas, state: ScannerState, healthy: Scene
) -> None:
    own = make_brain(person, brain, 0, (), (Atrophy(ventricle_mm=ventricle_mm, deep_grey=share),))
    names = ("deep grey", "thalamus")
    ratio = volume_ml(scan(person, brain, own, state), *names) / volume_ml(healthy, *names)
    assert ratio == pytest.approx(share, abs=0.03)


def test_ventricles_grow_with_atrophy(person: Person, brain: Atlas, state: ScannerState, healthy: Scene) -> None:
    volumes = [volume_ml(healthy, "lateral ventricle")]
    for mm in (1.0, 2.0):
        own = make_brain(person, brain, 0, (), (Atrophy(ventricle_mm=mm),))
        volumes.append(volume_ml(scan(person, brain, own, state), "lateral ventricle"))
    assert volumes[1] > 1.2 * volumes[0]
    assert volumes[2] > 1.15 * volumes[1]


def test_the_third_ventricle_grows_with_its_own_atrophy(person: Person, brain: Atlas, state: ScannerState, healthy: Scene) -> None:
    own = make_brain(person, brain, 0, (), (Atrophy(third_mm=1.0),))
    wider = scan(person, brain, own, state)
    assert volume_ml(wider, "third ventricle") > 1.2 * volume_ml(healthy, "third ventricle")
    assert volume_ml(wider, "lateral ventricle") == pytest.approx(volume_ml(healthy, "lateral ventricle"), rel=0.05)


def test_atrophy_of_sulci_adds_fluid_outside_the_ventricles(person: Person, brain: Atlas, state: ScannerState, healthy: Scene) -> None:
    wider = scan(person, brain, make_brain(person, brain, 0, (), (Atrophy(sulci=0.3),)), state)
    assert healthy.labels is not None
    ventricles = where(healthy.labels, "ventricles")
    before, after = healthy.tissues[0], wider.tissues[0]
    assert after[~ventricles].sum() > 1.05 * before[~ventricles].sum()
    assert after[ventricles].sum() == pytest.approx(before[ventricles].sum(), rel=0.02)


def test_fluid_grows_with_age_at_the_published_rates(person: Person, brain: Atlas, state: ScannerState) -> None:
    # Pfefferbaum 1994, men of 21 to 70: 0.3 mL a year in the ventricles, 0.6 mL around the cortex.
    young, old = (scan(aged(person, age), brain, make_brain(aged(person, age), brain, 0), state) for age in (25.0, 65.0))
    ventricles = [volume_ml(scene, "lateral ventricle", "third ventricle") for scene in (young, old)]
    fluid = [float(scene.tissues[0].sum() / 1000) for scene in (young, old)]
    assert (ventricles[1] - ventricles[0]) / 40 == pytest.approx(0.3, abs=0.12)
    around = (fluid[1] - fluid[0] - ventricles[1] + ventricles[0]) / 40
    assert around == pytest.approx(0.6, abs=0.25)


def test_ageing_speeds_up_after_sixty() -> None:
    assert ventricle_age_mm(40) == 0 and sulci_age(40) == 0
    assert ventricle_age_mm(70) - ventricle_age_mm(60) > 1.5 * (ventricle_age_mm(60) - ventricle_age_mm(50))


def test_a_follow_up_is_the_same_brain_with_that_visits_atrophy(person: Person, brain: Atlas, state: ScannerState) -> None:
    two = aged(person, 40.0, 41.0)
    own = make_brain(two, brain, 0, (), (Atrophy(), Atrophy(ventricle_mm=1.0, sulci=0.1)))
    first, second = (scan(two, brain, own, state, number) for number in (0, 1))
    assert np.abs(own.displacements_mm[1] - own.displacements_mm[0]).mean() < 0.3
    assert volume_ml(second, "lateral ventricle") > 1.15 * volume_ml(first, "lateral ventricle")
    assert second.tissues[0].sum() > first.tissues[0].sum()


def test_the_number_of_atrophies_must_be_that_of_the_visits(person: Person, brain: Atlas) -> None:
    with pytest.raises(ValueError, match="2 atrophies for 1 visits"):
        make_brain(person, brain, 0, (), (Atrophy(), Atrophy()))


def test_instances_keep_their_numbers_and_lesions_their_contrast(person: Person, brain: Atlas, state: ScannerState) -> None:
    lesions = tuple(
        Lesion("deep_white", "oval", centre_mm=(x, -20.0, 32.0), radii_mm=(5.0, 5.0, 5.0), t1_loss=0.5, number=number)
        for number, x in ((7, -28.0), (300, 28.0))
    )
    own = make_brain(person, brain, 0, lesions)
    scene = scan(person, brain, own, state)
    assert set(np.unique(scene.instances)) == {0, 7, 300}
    np.testing.assert_array_equal(scene.lesion_mask, scene.instances > 0)
    left, right = (np.argwhere(scene.instances == number)[:, 0].mean() for number in (7, 300))
    assert left < -brain.origin_mm[0] < right
    plain = scan(person, brain, replace(own, lesions=()), state)
    sick = scene.lesion_mask
    assert (scene.images["FLAIR"] - plain.images["FLAIR"])[sick].mean() > 0.2
    assert (scene.images["T1w"] - plain.images["T1w"])[sick].mean() < -0.05
    assert scene.labels is not None and plain.labels is not None
    np.testing.assert_array_equal(scene.labels, plain.labels)


def test_a_lesion_that_is_gone_leaves_no_trace(person: Person, brain: Atlas, state: ScannerState) -> None:
    two = aged(person, 40.0, 40.0)
    gone = Lesion("deep_white", "oval", centre_mm=(28.0, -20.0, 32.0), radii_mm=(5.0, 5.0, 5.0), scales=(1.0, 0.0))
    own = make_brain(two, brain, 0, (gone,))
    assert scan(two, brain, own, state, 0, truth=False).lesion_mask.any()
    assert not scan(two, brain, own, state, 1, truth=False).lesion_mask.any()


def test_every_normal_brain_has_a_bright_lining_and_most_have_caps() -> None:
    """What normal FLAIR shows (Neuroradiology 1997, 39:243), so that a line at a ventricle alone tells nothing."""
    brain = atlas()
    people = plan_cohort({"healthy": 12}, followed_up={"healthy": 0}, seed=0).people
    caps = []
    for person in people:
        own = make_brain(person, brain, seed=0)
        for wall in ("third", "fourth"):
            lining = (brain.distance[wall] > 0.5) & (brain.distance[wall] < 1.5) & (own.csf < 0.5) & (brain.mask > 0)
            assert own.normal[lining].mean() > 0.01, wall
        assert own.normal.max() < 2.0
        indices, weights = brain.normal_bright["left frontal"]
        caps.append(np.average(own.normal.reshape(-1)[indices], weights=weights) > 0.03)
    assert np.mean(caps) > 0.6
