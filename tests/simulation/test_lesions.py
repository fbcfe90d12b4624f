from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dawson.simulation import kinds, plan_cohort
from dawson.simulation.anatomy import atlas
from dawson.simulation.lesions import Lesion, paint
from dawson.simulation.profiles import draw_lesions

ALL_KINDS = [
    value
    for name, value in vars(kinds).items()
    if callable(value)
    and (name in ("dawson_finger", "juxtacortical", "corticospinal") or getattr(value, "__qualname__", "").endswith(".draw"))
]


@pytest.mark.parametrize("draw", ALL_KINDS)
def test_every_kind_shows_in_brain_tissue_and_never_in_fluid(draw: kinds.Draw) -> None:
    brain = atlas()
    rng = np.random.default_rng(0)
    for lesion in (draw(rng, brain) for _ in range(3)):
        bright, dark = paint([lesion], brain, {0: 0.0})
        inside = bright > 0.4
        assert 3 <= inside.sum() < 60_000, lesion.kind
        assert (brain.csf[inside] < 0.5).all()
        assert (brain.mask[inside] == 1).all()
        assert bright.max() <= 1 and dark.max() <= 1


def test_a_dawson_finger_points_away_from_the_ventricle() -> None:
    brain = atlas()
    rng = np.random.default_rng(1)
    along = []
    for lesion in (kinds.dawson_finger(rng, brain) for _ in range(20)):
        voxel = np.rint(np.array(lesion.centre_mm) - brain.origin_mm).astype(np.int16)
        along.append(abs(np.dot(lesion.axis, brain.slope("lateral", voxel))))
        assert lesion.radii_mm[0] > lesion.radii_mm[1]
    assert np.mean(along) > 0.9


def test_periependymal_lesions_hug_the_ventricle() -> None:
    brain = atlas()
    bright, _ = paint([kinds.lateral_lining(np.random.default_rng(2), brain)], brain, {0: 0.0})
    assert np.percentile(brain.distance["lateral"][bright > 0.4], 95) < 8


def test_a_ball_has_the_volume_of_a_ball() -> None:
    brain = atlas()
    deep = brain.regions["deep"].mean(axis=0) * 0 + np.array([26.0, -25.0, 32.0])
    ball = Lesion("ball", "oval", tuple(deep), radii_mm=(4, 4, 4), roughness=0.0, edge_mm=0.2)
    bright, _ = paint([ball], brain, {0: 0.0})
    assert bright.sum() == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.12)


def test_lesions_grow_with_time_and_wait_for_their_visit() -> None:
    brain = atlas()
    lesion = Lesion("ball", "oval", (26.0, -25.0, 32.0), growth=0.3)
    volumes = [paint([lesion], brain, {0: years})[0].sum() for years in (0.0, 2.0)]
    assert volumes[1] > 1.5 * volumes[0]
    assert paint([replace(lesion, visit=1)], brain, {0: 2.0})[0].max() == 0


def test_ms_and_nmosd_differ_as_radiologists_say_and_overlap() -> None:
    brain = atlas()
    drawn = {
        name: [
            [lesion.kind for lesion in draw_lesions(person, brain, seed=0)]
            for person in plan_cohort({"MS": 150, "NMOSD": 150}, seed=0, followed_up={"MS": 0, "NMOSD": 0}).people
            if person.diagnosis == name
        ]
        for name in ("MS", "NMOSD")
    }
    counts = {name: np.mean([len(found) for found in groups]) for name, groups in drawn.items()}
    assert counts["MS"] > 1.8 * counts["NMOSD"]

    def share(name: str, part: str) -> float:
        return float(np.mean([any(part in kind for kind in found) for found in drawn[name]]))

    assert share("MS", "periventricular oval") > 0.8 > 0.5 > share("NMOSD", "periventricular oval") > 0.1
    assert share("MS", "periependymal") == 0 and 0.2 < share("NMOSD", "periependymal") < 0.5
    assert 0.04 < np.mean([not found for found in drawn["NMOSD"]]) < 0.3
