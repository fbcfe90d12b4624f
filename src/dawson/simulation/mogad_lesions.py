"""Kinds of lesions of MOG-antibody disease: large, few, fluffy."""

from __future__ import annotations

import numpy as np

from dawson.simulation.anatomy import Atlas
from dawson.simulation.lesion_drawing import Draw, Kind, Style, brightness, direction, new_seed, point, radius, spot, t1_loss, unit
from dawson.simulation.lesions import Lesion, Point


def _fluff(
    kind: str, place: str, median_mm: float, limits_mm: tuple[float, float], edge_mm: float, grey: float, axis: Point | None = None
) -> Draw:
    def draw(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
        _, centre = spot(rng, brain, place)
        first = radius(rng, style, median_mm, 0.2, limits_mm)
        if axis is None:
            along = direction(rng)
        else:
            along = point(unit(np.array(axis) * (np.sign(centre[0]), 1.0, 1.0) + 0.15 * rng.standard_normal(3)))
        return Lesion(
            kind,
            "oval",
            point(centre),
            along,
            (first, first * float(rng.uniform(0.7, 0.95)), first * float(rng.uniform(0.7, 0.95))),
            brightness=brightness(rng, style, 0.55, 0.9),
            t1_loss=t1_loss(rng, style, 0.25),
            edge_mm=edge_mm,
            roughness=0.25,
            wave_mm=2.5,
            texture=0.12,
            grey=grey,
            seed=new_seed(rng),
        )

    return draw


MOGAD_KINDS = (
    Kind(
        "fluffy",
        "Fluffy white-matter lesion",
        "Large lesion of the white matter with a border so poorly defined that it looks like fluff.",
        "Jurynczyk 2017",
        _fluff("fluffy", "hemisphere", 9.5, (7.0, 14.0), 4.5, 0.35),
    ),
    Kind(
        "deep_grey_fluffy",
        "Fluffy deep grey lesion",
        "Large, ill-defined lesion of thalamus or basal ganglia.",
        "Jurynczyk 2017",
        _fluff("deep_grey_fluffy", "deep grey", 8.0, (6.0, 11.0), 3.5, 1.0),
    ),
    Kind(
        "middle_peduncle",
        "Middle cerebellar peduncle lesion",
        "Large, ill-defined lesion that fills a middle cerebellar peduncle.",
        "Jurynczyk 2017",
        _fluff("middle_peduncle", "middle peduncle", 8.5, (7.0, 11.0), 2.5, 0.8, (0.55, -0.8, -0.1)),
    ),
    Kind(
        "pons_fluffy",
        "Diffuse pontine lesion",
        "Large, ill-defined lesion of the pons.",
        "Jurynczyk 2017",
        _fluff("pons_fluffy", "pons", 7.5, (6.0, 10.0), 2.8, 1.0),
    ),
)
