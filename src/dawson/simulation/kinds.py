"""The kinds of lesions that radiologists name in MS and NMOSD, one function each.

Shapes and places: Matthews 2013, the Taiwan series (BMC Neurol 2014), Seok et al. 2023.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dawson.simulation.anatomy import Atlas
from dawson.simulation.lesions import Lesion, Point

Draw = Callable[[np.random.Generator, Atlas], Lesion]

# Precentral white matter to the pons, right side; mirrored for the left.
_CORTICOSPINAL: tuple[Point, ...] = (
    (24, -26, 54),
    (25, -24, 42),
    (26, -22, 28),
    (25, -19, 18),
    (22, -15, 8),
    (17, -16, -4),
    (12, -18, -14),
    (7, -22, -26),
    (5, -26, -40),
)


def _spot(rng: np.random.Generator, brain: Atlas, region: str) -> tuple[np.ndarray, Point]:
    places = brain.regions[region]
    voxel = places[rng.integers(len(places))]
    return voxel, _point(voxel + brain.origin_mm + rng.uniform(-0.5, 0.5, 3))


def _point(values: np.ndarray) -> Point:
    return (float(values[0]), float(values[1]), float(values[2]))


def _direction(rng: np.random.Generator) -> Point:
    values = rng.standard_normal(3)
    return _point(values / np.linalg.norm(values))


def _black(rng: np.random.Generator) -> float:
    """T1w darkness of an MS lesion: one in three is a black hole."""
    return float(rng.uniform(0.45, 0.75) if rng.random() < 0.35 else rng.uniform(0.05, 0.25))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def dawson_finger(rng: np.random.Generator, brain: Atlas) -> Lesion:
    """Oval lesion whose long axis stands at right angles to the lateral ventricle."""
    voxel, centre = _spot(rng, brain, "periventricular")
    axis = brain.slope("lateral", voxel) + 0.15 * rng.standard_normal(3)
    length = float(np.clip(rng.lognormal(1.75, 0.35), 3, 12))
    width = float(np.clip(length * rng.uniform(0.35, 0.65), 1.8, 5.5))
    return Lesion(
        "periventricular oval",
        "oval",
        centre,
        _point(axis / np.linalg.norm(axis)),
        (length, width, width),
        brightness=float(rng.uniform(0.7, 1.0)),
        t1_loss=_black(rng),
        grey=0.3,
        seed=_seed(rng),
    )


def juxtacortical(rng: np.random.Generator, brain: Atlas) -> Lesion:
    """Curved lesion along the fibres under the cortex."""
    _, centre = _spot(rng, brain, "juxtacortical")
    radius = float(rng.uniform(4.5, 8.5))
    return Lesion(
        "juxtacortical",
        "band",
        centre,
        _direction(rng),
        (radius, radius, radius * 0.7),
        surface="cortex",
        width_mm=float(rng.uniform(2.2, 4.0)),
        brightness=float(rng.uniform(0.6, 1.0)),
        t1_loss=_black(rng),
        grey=0.35,
        seed=_seed(rng),
    )


def _oval(kind: str, region: str, log_radius: tuple[float, float], grey: float = 0.4, black: bool = True) -> Draw:
    def draw(rng: np.random.Generator, brain: Atlas) -> Lesion:
        _, centre = _spot(rng, brain, region)
        radius = float(np.clip(rng.lognormal(*log_radius), 1.4, 8))
        radii = (radius, radius * float(rng.uniform(0.6, 1.0)), radius * float(rng.uniform(0.6, 1.0)))
        return Lesion(
            kind,
            "oval",
            centre,
            _direction(rng),
            radii,
            brightness=float(rng.uniform(0.6, 1.0)),
            t1_loss=_black(rng) if black else float(rng.uniform(0.0, 0.15)),
            grey=grey,
            seed=_seed(rng),
        )

    return draw


deep_white = _oval("deep white matter", "deep", (1.25, 0.35))
callosal = _oval("callosal", "callosum", (1.25, 0.3))
temporal = _oval("temporal", "temporal", (1.25, 0.3))
cerebellar = _oval("cerebellar", "cerebellum", (1.1, 0.3))
pontine = _oval("brainstem", "brainstem", (1.1, 0.25), grey=1.0)
deep_grey = _oval("deep grey", "basal ganglia", (0.9, 0.3), grey=1.0, black=False)
dot = _oval("punctate", "subcortical", (0.75, 0.2), black=False)
deep_dot = _oval("punctate", "deep", (0.7, 0.2), black=False)


def _lining(kind: str, region: str, surface: str, length_mm: tuple[float, float], width_mm: tuple[float, float]) -> Draw:
    def draw(rng: np.random.Generator, brain: Atlas) -> Lesion:
        _, centre = _spot(rng, brain, region)
        length = float(rng.uniform(*length_mm))
        # Ventricles run from front to back, and so does what lines them.
        return Lesion(
            kind,
            "band",
            centre,
            (0.0, 1.0, 0.2),
            (length, 0.6 * length, 0.6 * length),
            surface=surface,
            width_mm=float(rng.uniform(*width_mm)),
            brightness=float(rng.uniform(0.6, 1.0)),
            t1_loss=float(rng.uniform(0.0, 0.2)),
            edge_mm=1.4,
            roughness=0.12,
            seed=_seed(rng),
        )

    return draw


lateral_lining = _lining("periependymal, lateral ventricle", "lateral wall", "lateral", (16, 34), (2.6, 4.8))
third_lining = _lining("periependymal, third ventricle", "third wall", "third", (7, 14), (2.0, 3.6))
fourth_lining = _lining("periependymal, fourth ventricle", "fourth wall", "fourth", (7, 14), (2.2, 4.0))


def _cloud(kind: str, region: str, radius_mm: tuple[float, float], grey: float) -> Draw:
    def draw(rng: np.random.Generator, brain: Atlas) -> Lesion:
        _, centre = _spot(rng, brain, region)
        radius = float(rng.uniform(*radius_mm))
        radii = (radius, radius * float(rng.uniform(0.5, 0.9)), radius * float(rng.uniform(0.5, 0.9)))
        return Lesion(
            kind,
            "oval",
            centre,
            _direction(rng),
            radii,
            brightness=float(rng.uniform(0.5, 0.9)),
            t1_loss=float(rng.uniform(0.05, 0.3)),
            edge_mm=2.5,
            roughness=0.3,
            grey=grey,
            seed=_seed(rng),
        )

    return draw


hemispheric = _cloud("extensive hemispheric", "hemisphere", (9, 19), 0.15)
hypothalamic = _cloud("hypothalamic", "hypothalamus", (3, 6), 1.0)
thalamic = _cloud("thalamic", "thalamus", (4, 8), 1.0)
arch_bridge = _cloud("arch-bridge callosal", "splenium", (9, 18), 0.3)
cervicomedullary = _cloud("dorsal brainstem", "fourth wall", (4, 8), 1.0)


def corticospinal(rng: np.random.Generator, brain: Atlas) -> Lesion:
    """Long lesion along the corticospinal tract of one side."""
    first = int(rng.integers(0, 4))
    last = int(rng.integers(first + 3, len(_CORTICOSPINAL) + 1))
    side = 1.0 if rng.random() < 0.5 else -1.0
    shift = rng.normal(0, 1, 3)
    path = tuple(_point(np.array(point) * (side, 1, 1) + shift) for point in _CORTICOSPINAL[first:last])
    radius = float(rng.uniform(2.5, 4.2))
    return Lesion(
        "corticospinal",
        "tube",
        path[0],
        radii_mm=(radius, radius, radius),
        path=path,
        brightness=float(rng.uniform(0.6, 0.95)),
        t1_loss=float(rng.uniform(0.05, 0.25)),
        edge_mm=1.6,
        roughness=0.2,
        seed=_seed(rng),
    )
