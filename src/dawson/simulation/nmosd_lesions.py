"""Kinds of lesions of NMOSD: linings of the ventricles, obex, long tracts, the splenium, ink spilled in a hemisphere."""

from __future__ import annotations

import numpy as np

from dawson.imaging.brain_regions import CORTICOSPINAL
from dawson.simulation.anatomy import Atlas
from dawson.simulation.lesion_drawing import Draw, Kind, Style, brightness, direction, new_seed, point, radius, spot, t1_loss, unit
from dawson.simulation.lesions import Lesion, Point

# From one occipital forceps through the splenium to the other, in the plane of an axial slice.
_SPLENIUM: tuple[Point, ...] = (
    (-24, -57, 14),
    (-18, -50, 14.5),
    (-10, -43, 14),
    (0, -39.5, 13.5),
    (10, -43, 14),
    (18, -50, 14.5),
    (24, -57, 14),
)

# Dorsal medulla from the obex to the lower edge of the brain's box.
_MEDULLA: tuple[Point, ...] = ((0, -42, -50), (0, -45, -57), (0, -45.5, -64), (0, -45, -74))


def _lining(
    kind: str,
    place: str,
    surface: str,
    axis: Point,
    length_mm: tuple[float, float],
    across: float,
    reach_mm: float,
    width_mm: tuple[float, float],
    middle: bool,
) -> Draw:
    """A drawer of lines along the ependyma; those of the unpaired ventricles lie on both walls."""

    def draw(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
        _, centre = spot(rng, brain, place)
        # Inside the paired ventricle only its outer wall is lined; the unpaired ones are lined on both sides.
        centre = centre * (0.0, 1.0, 1.0) if middle else centre + np.array([3.0 * np.sign(centre[0]), 0.0, 0.0])
        length = float(rng.uniform(*length_mm)) * style.size**0.5
        reach = max(across * length, reach_mm)
        return Lesion(
            kind,
            "band",
            point(centre),
            point(unit(np.array(axis))),
            (length, reach, reach),
            surface=surface,
            width_mm=float(np.clip(rng.uniform(*width_mm) * style.size**0.3, 1.4, 3.6)),
            brightness=brightness(rng, style, 0.65, 1.0),
            t1_loss=t1_loss(rng, style, 0.15),
            edge_mm=0.9,
            roughness=0.12,
            wave_mm=2.5,
            texture=0.15,
            seed=new_seed(rng),
        )

    return draw


def _patch(
    kind: str, place: str, median_mm: float, limits_mm: tuple[float, float], axis: Point, flat: tuple[float, float], edge_mm: float
) -> Draw:
    """A drawer of soft patches with their long axis in one direction."""

    def draw(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
        _, centre = spot(rng, brain, place)
        first = radius(rng, style, median_mm, 0.2, limits_mm)
        return Lesion(
            kind,
            "oval",
            point(centre),
            point(unit(np.array(axis) + 0.15 * rng.standard_normal(3))),
            (first, first * float(rng.uniform(*flat)), first * float(rng.uniform(*flat))),
            brightness=brightness(rng, style, 0.65, 1.0),
            t1_loss=t1_loss(rng, style, 0.2),
            edge_mm=edge_mm,
            roughness=0.15,
            wave_mm=2.0,
            seed=new_seed(rng),
        )

    return draw


def _along(rng: np.random.Generator, path: tuple[Point, ...], mirror: bool, shift_mm: float) -> tuple[Point, ...]:
    side = np.array([-1.0 if mirror and rng.random() < 0.5 else 1.0, 1.0, 1.0])
    shift = rng.normal(0, shift_mm, 3)
    return tuple(point(np.array(place) * side + shift) for place in path)


def _corticospinal(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    # From the corona radiata or the internal capsule to the peduncle, pons or upper medulla.
    first = int(rng.integers(1, 5))
    last = int(rng.integers(max(first + 6, 8), 12))
    path = _along(rng, CORTICOSPINAL[first:last], mirror=True, shift_mm=0.6)
    upper = float(rng.uniform(3.2, 4.6)) * style.size**0.3
    return Lesion(
        "corticospinal",
        "tube",
        path[0],
        radii_mm=(upper, upper * float(rng.uniform(0.75, 1.0)), upper),
        path=path,
        brightness=brightness(rng, style, 0.65, 0.95),
        t1_loss=t1_loss(rng, style, 0.2),
        edge_mm=1.6,
        roughness=0.24,
        wave_mm=2.5,
        texture=0.15,
        seed=new_seed(rng),
    )


def _arch_bridge(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    # Some reach the forceps of both sides, some stay near the midline or on one side of it.
    first, last = ((0, 7), (1, 6), (0, 5), (2, 7))[int(rng.integers(4))]
    path = _along(rng, _SPLENIUM[first:last], mirror=False, shift_mm=0.5)
    thick = float(rng.uniform(5.5, 7.0))
    return Lesion(
        "arch_bridge",
        "tube",
        path[len(path) // 2],
        radii_mm=(thick, thick, thick),
        path=path,
        brightness=brightness(rng, style, 0.7, 1.0),
        t1_loss=t1_loss(rng, style, 0.3),
        edge_mm=2.0,
        roughness=0.15,
        wave_mm=2.5,
        texture=0.35,
        grey=0.1,
        seed=new_seed(rng),
    )


def _spilled_ink(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    _, centre = spot(rng, brain, "hemisphere")
    first = radius(rng, style, 20.0, 0.12, (17.0, 23.0))
    return Lesion(
        "spilled_ink",
        "oval",
        point(centre),
        point(unit(np.array([0.0, 1.0, 0.25]) + 0.25 * rng.standard_normal(3))),
        (first, first * float(rng.uniform(0.55, 0.75)), first * float(rng.uniform(0.6, 0.75))),
        brightness=brightness(rng, style, 0.65, 0.95),
        t1_loss=t1_loss(rng, style, 0.35),
        edge_mm=3.0,
        roughness=0.2,
        wave_mm=3.0,
        rays=0.3,
        texture=0.15,
        grey=0.0,
        seed=new_seed(rng),
    )


def _cervicomedullary(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    path = _along(rng, _MEDULLA[int(rng.integers(0, 2)) :], mirror=False, shift_mm=0.5)
    wide = float(rng.uniform(2.6, 3.8))
    return Lesion(
        "cervicomedullary",
        "tube",
        path[0],
        radii_mm=(wide * float(rng.uniform(0.7, 1.0)), wide, wide),
        path=path,
        brightness=brightness(rng, style, 0.7, 1.0),
        t1_loss=t1_loss(rng, style, 0.3),
        edge_mm=1.4,
        roughness=0.15,
        seed=new_seed(rng),
    )


def _cloud_like(rng: np.random.Generator, brain: Atlas, style: Style) -> Lesion:
    _, centre = spot(rng, brain, "deep white")
    first = radius(rng, style, 7.0, 0.25, (4.5, 11.0))
    return Lesion(
        "cloud_like",
        "oval",
        point(centre),
        direction(rng),
        (first, first * float(rng.uniform(0.6, 0.9)), first * float(rng.uniform(0.6, 0.9))),
        brightness=brightness(rng, style, 0.5, 0.9),
        t1_loss=t1_loss(rng, style, 0.2),
        edge_mm=3.0,
        roughness=0.35,
        wave_mm=2.5,
        texture=0.25,
        grey=0.1,
        seed=new_seed(rng),
    )


NMOSD_KINDS = (
    Kind(
        "linear_lateral",
        "Linear lesion, lateral ventricle",
        "Thin, smooth, unbroken line of several centimetres that follows the ependyma of the lateral ventricle.",
        "Kim 2015; Seok 2023",
        _lining("linear_lateral", "lateral wall", "lateral", (0.0, 1.0, 0.1), (18, 32), 0.3, 8.0, (1.7, 2.8), middle=False),
    ),
    Kind(
        "linear_third",
        "Linear lesion, third ventricle",
        "Thin line on both walls of the third ventricle, along thalamus and hypothalamus.",
        "Kim 2015; Seok 2023",
        _lining("linear_third", "third wall", "third", (0.0, 1.0, 0.2), (10, 18), 0.6, 7.0, (1.4, 2.5), middle=True),
    ),
    Kind(
        "linear_fourth",
        "Linear lesion, fourth ventricle",
        "Thin line round the fourth ventricle: floor, peduncles.",
        "Kim 2015; Seok 2023",
        _lining("linear_fourth", "fourth wall", "fourth", (0.0, 0.2, 1.0), (10, 18), 0.6, 9.0, (1.4, 2.5), middle=True),
    ),
    Kind(
        "linear_aqueduct",
        "Linear lesion, aqueduct",
        "Thin ring round the aqueduct on axial slices, a line behind the midbrain on sagittal ones.",
        "Kim 2015; BMC Neurol 2014 (Taiwan)",
        _lining("linear_aqueduct", "aqueduct wall", "aqueduct", (0.0, 0.5, 0.87), (8, 13), 0.6, 7.0, (1.4, 2.2), middle=True),
    ),
    Kind(
        "area_postrema",
        "Area postrema lesion",
        "Small lesion of the dorsal medulla at the obex, at the lower end of the fourth ventricle.",
        "Kim 2015",
        _patch("area_postrema", "obex", 3.0, (2.2, 4.0), (0.0, 0.3, 1.0), (0.7, 1.0), 1.0),
    ),
    Kind(
        "dorsal_brainstem",
        "Dorsal brainstem lesion",
        "Soft lesion of the dorsal pons or medulla against the floor of the fourth ventricle.",
        "Kim 2015; Seok 2023",
        _patch("dorsal_brainstem", "fourth floor", 4.2, (3.0, 6.0), (0.0, 0.2, 1.0), (0.6, 0.9), 1.6),
    ),
    Kind(
        "corticospinal",
        "Longitudinal corticospinal lesion",
        "Unbroken lesion of one corticospinal tract over several centimetres: corona radiata or internal capsule to peduncle and pons.",
        "Kim 2015; Seok 2023",
        _corticospinal,
    ),
    Kind(
        "arch_bridge",
        "Arch-bridge lesion of the splenium",
        "Large, diffuse, uneven lesion of the whole thickness of the splenium, which follows the arch of the callosum.",
        "Kim 2015",
        _arch_bridge,
    ),
    Kind(
        "spilled_ink",
        "Extensive hemispheric lesion (spilled ink)",
        "Confluent lesion of more than 30 mm that spreads radially along the white matter of a hemisphere and spares the cortex.",
        "Kim 2015; Seok 2023",
        _spilled_ink,
    ),
    Kind(
        "cervicomedullary",
        "Cervicomedullary lesion",
        "Lesion of the dorsal and central medulla that goes on into the cervical cord, below the field of view.",
        "Kim 2015; Seok 2023",
        _cervicomedullary,
    ),
    Kind(
        "cloud_like",
        "Cloud-like patch",
        "Patch of the white matter with soft, ill-defined edges and uneven, moderate brightness.",
        "Kim 2015",
        _cloud_like,
    ),
)
