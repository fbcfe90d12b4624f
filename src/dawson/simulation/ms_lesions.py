"""Kinds of lesions that make radiologists think of MS: fingers from the ventricle, curves under the cortex, the callosum."""

from __future__ import annotations

import numpy as np

from dawson.simulation.anatomy import Atlas
from dawson.simulation.lesion_drawing import Kind, Style, brightness, direction, new_seed, point, radius, spot, t1_loss, tissue_along, unit
from dawson.simulation.lesions import Lesion
from dawson.simulation.plain_lesions import oval

_TRIES = 40


def _finger(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    length = radius(rng, style, 5.4, 0.26, (3.4, 7.8))
    width = float(np.clip(length * rng.uniform(0.36, 0.52), 1.8, 3.6))
    # Medullary veins leave the body of the ventricle sideways, through white matter: not into the caudate, the callosum
    # or straight up.
    for attempt in range(_TRIES):
        if attempt % 10 == 0:
            # Much of the wall in front is the caudate's: drawn by place along the ventricle, so that fingers are there too.
            along_mm = float(rng.uniform(-44, 22))
        voxel, foot = spot(rng, brain, "body wall", along_mm)
        axis = brain.slope("lateral", voxel)
        axis = unit(axis * (1.0, 1.0, 0.5) + 0.08 * rng.standard_normal(3))
        if axis[0] * np.sign(foot[0]) > 0.6 and tissue_along(brain.wm, brain, foot, axis, 2 * length - 1) > 0.5:
            break
    return Lesion(
        "dawson_finger",
        "oval",
        point(foot + (length - 1.8 + rng.uniform(0, 0.6)) * axis),
        point(axis),
        (length, width, width * float(rng.uniform(0.85, 1.1))),
        brightness=brightness(rng, style, 0.75, 1.0),
        t1_loss=t1_loss(rng, style),
        edge_mm=0.8,
        roughness=0.22 if style.jagged else 0.04,
        wave_mm=1.2,
        grey=0.3,
        seed=new_seed(rng),
    )


def _periventricular(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    # The outer wall or the cap of a horn: the inner wall borders other tissue than the hemisphere's white matter.
    for _ in range(_TRIES):
        voxel, centre = spot(rng, brain, "patch wall")
        wall = brain.slope("lateral", voxel)
        if wall[0] * np.sign(centre[0]) > 0.4 or wall[1] * np.sign(centre[1]) > 0.8:
            break
    # Its long axis lies in the wall, mostly from front to back.
    along = unit(np.cross(np.cross(wall, (0.0, 1.0, 0.0) + 0.3 * rng.standard_normal(3)), wall))
    length = radius(rng, style, 5.5, 0.3, (3.5, 10.0))
    return Lesion(
        "periventricular",
        "band",
        point(centre),
        point(along),
        (length, length * float(rng.uniform(0.6, 0.85)), length * float(rng.uniform(0.6, 0.85))),
        width_mm=float(np.clip(rng.uniform(3.2, 4.8) * style.size**0.5, 3.0, 5.5)),
        brightness=brightness(rng, style, 0.65, 1.0),
        t1_loss=t1_loss(rng, style),
        edge_mm=1.0,
        roughness=0.2 if style.jagged else 0.04,
        wave_mm=1.3,
        grey=0.3,
        seed=new_seed(rng),
    )


def _u_fibre(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    # White matter must go on below the floor of the sulcus: the stem of a gyrus would be filled from side to side.
    for _ in range(_TRIES):
        voxel, floor = spot(rng, brain, "sulcal floor")
        down = brain.slope("cortex", voxel)
        if abs(down[2]) < 0.6 and tissue_along(brain.wm, brain, floor, down, 8.0) > 0.5:
            break
    reach = radius(rng, style, 8.0, 0.2, (6.5, 12.0))
    # The arms of the U reach up both banks.
    centre = floor - 0.35 * reach * down
    return Lesion(
        "u_fibre",
        "band",
        point(centre),
        point(unit(np.array([0.0, 0.0, 1.0]) + 0.3 * rng.standard_normal(3))),
        (reach * float(rng.uniform(0.5, 0.75)), reach, reach * float(rng.uniform(0.85, 1.0))),
        surface="cortex",
        from_mm=0.3,
        width_mm=float(rng.uniform(2.0, 2.9)),
        brightness=brightness(rng, style, 0.7, 1.0),
        t1_loss=t1_loss(rng, style),
        edge_mm=0.8,
        roughness=0.12,
        grey=0.3,
        seed=new_seed(rng),
    )


def _callosal(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    voxel, foot = spot(rng, brain, "callosum")
    axis = unit(brain.slope("lateral", voxel) * (0.2, 1.0, 1.0) + 0.06 * rng.standard_normal(3))
    length = radius(rng, style, 3.9, 0.15, (3.0, 4.8))
    width = float(np.clip(length * rng.uniform(0.42, 0.58), 1.6, 2.6))
    start = foot - float(brain.distance["lateral"][tuple(voxel)]) * axis
    return Lesion(
        "callosal",
        "oval",
        point(start + (length - 0.3) * axis),
        point(axis),
        (length, width, width * float(rng.uniform(0.85, 1.15))),
        brightness=brightness(rng, style, 0.7, 1.0),
        t1_loss=t1_loss(rng, style),
        roughness=0.12,
        wave_mm=1.4,
        grey=0.2,
        seed=new_seed(rng),
    )


def _temporal(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    _, centre = spot(rng, brain, "temporal")
    first = radius(rng, style, 3.9, 0.28, (2.2, 6.5))
    # Its white matter runs from front to back, and so do most lesions in it.
    return Lesion(
        "temporal",
        "oval",
        point(centre),
        point(unit(np.array([0.0, 1.0, 0.0]) + 0.5 * rng.standard_normal(3))),
        (first, first * float(rng.uniform(0.6, 0.9)), first * float(rng.uniform(0.6, 0.9))),
        brightness=brightness(rng, style, 0.7, 1.0),
        t1_loss=t1_loss(rng, style),
        roughness=0.15,
        grey=0.3,
        seed=new_seed(rng),
    )


def _tumefactive(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    _, centre = spot(rng, brain, "hemisphere")
    first = radius(rng, style, 13.5, 0.12, (12.0, 19.0))
    return Lesion(
        "tumefactive",
        "oval",
        point(centre),
        direction(rng),
        (first, first * float(rng.uniform(0.85, 1.0)), first * float(rng.uniform(0.85, 1.0))),
        brightness=brightness(rng, style, 0.85, 1.0),
        t1_loss=max(t1_loss(rng, style), float(rng.uniform(0.35, 0.6))),
        edge_mm=1.5,
        roughness=0.1,
        wave_mm=3.0,
        rim=0.35,
        grey=0.25,
        seed=new_seed(rng),
    )


MS_KINDS = (
    Kind(
        "dawson_finger",
        "Dawson's finger",
        "Ovoid lesion with its long axis at right angles to the body of the lateral ventricle, along a medullary vein, "
        "its foot on or near the ependyma. The border is jagged in most MS and smooth in most NMOSD.",
        "Matthews 2013; MS Int 2014 (border)",
        _finger,
    ),
    Kind(
        "periventricular",
        "Periventricular patch",
        "Plain lesion that lies flat against the wall of the lateral ventricle or caps a horn, not at right angles to it.",
        "Matthews 2013; BMC Neurol 2014 (Taiwan)",
        _periventricular,
    ),
    Kind(
        "u_fibre",
        "U- or S-shaped lesion",
        "Curved band along the fibres just under the cortex, round the floor of a sulcus: a U, or an S where it passes on "
        "to the next gyrus.",
        "Matthews 2013",
        _u_fibre,
    ),
    Kind(
        "juxtacortical",
        "Juxtacortical lesion",
        "Small round or oval lesion of the white matter that touches the cortex.",
        "BMC Neurol 2014 (Taiwan)",
        oval("juxtacortical", "under cortex", 3.6, (2.2, 5.0), light=(0.7, 1.0), grey=0.45, flat=0.7, roughness=0.15),
    ),
    Kind(
        "callosal",
        "Calloso-septal lesion (MS)",
        "Small oval lesion on the under-surface of the corpus callosum, at right angles to the ventricle, through its depth.",
        "BMC Neurol 2014 (Taiwan); Kim 2015",
        _callosal,
    ),
    Kind(
        "temporal",
        "Inferior temporal lesion",
        "Oval lesion in the white matter of the inferior temporal lobe.",
        "Matthews 2013",
        _temporal,
    ),
    Kind(
        "tumefactive",
        "Tumefactive lesion",
        "Mass-like lesion of more than 20 mm with a brighter rim, dark on T1w.",
        "BMC Neurol 2014 (Taiwan)",
        _tumefactive,
    ),
)
