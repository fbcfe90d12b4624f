"""What lies inside a face and a neck: eyes, sinuses, nose, mouth, jaws, airway, spine. Painted in order, later over earlier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.simulation.anatomy import Volume
from dawson.simulation.head_shape import Face, Floats, Point, Points, capsule, ellipsoid, eye, in_face
from dawson.simulation.scanner import Contrast

Surface = Callable[[Points], NDArray[np.floating[Any]]]

# Fluid, dura and the inner table stay around the brain whatever is painted near them.
_AROUND_BRAIN_MM = 3.5
_INSIDE_SKIN_MM = 2.0


@dataclass(frozen=True)
class Painter:
    """Volumes of the head's grid being painted, and the signals of tissues.

    Parameters
    ----------
    volumes : dict of str to ndarray of float32
    signals : dict of str to dict of str to float
        Air is 0 everywhere and needs none.
    """

    volumes: dict[Contrast, Volume]
    signals: dict[Contrast, dict[str, float]]

    def paint(self, part: tuple[slice, ...], share: Floats, tissue: str, level: float = 1.0) -> None:
        """Cover a part with a tissue: `share` 1 hides what was there, 0 leaves it."""
        for contrast, volume in self.volumes.items():
            value = 0.0 if tissue == "air" else level * self.signals[contrast][tissue]
            volume[part] += share * (np.float32(value) - volume[part])


@dataclass(frozen=True)
class _Part:
    """A surface with its box (mm) and what is inside it."""

    tissue: str
    surface: Surface
    low: Point
    high: Point
    near_brain: bool = False
    level: float = 1.0
    cells_mm: float = 0.0


def _egg(tissue: str, centre: Point, radii: Point, **more: float | bool) -> _Part:
    low, high = (tuple(c + sign * (r + 2) for c, r in zip(centre, radii, strict=True)) for sign in (-1, 1))
    return _Part(tissue, lambda points: ellipsoid(points, centre, radii), low, high, **more)  # type: ignore[arg-type]


def _rod(
    tissue: str, start: Point, end: Point, radius: float, radius_end: float | None = None, flat: float = 1.0, **more: float | bool
) -> _Part:
    reach = max(radius, radius_end or 0.0) + 2
    low = tuple(min(a, b) - reach for a, b in zip(start, end, strict=True))
    high = tuple(max(a, b) + reach for a, b in zip(start, end, strict=True))
    return _Part(tissue, lambda points: capsule(points, start, end, radius, radius_end, flat), low, high, **more)  # type: ignore[arg-type]


def _slit(part: _Part, surface: Surface) -> _Part:
    return _Part(part.tissue, surface, part.low, part.high, part.near_brain, part.level, part.cells_mm)


def paint_parts(painter: Painter, brain_distance: Volume, skin: Volume, face: Face, cord: Point) -> None:
    """Paint everything inside the skin that is not a shell around the brain.

    Parameters
    ----------
    painter : Painter
    brain_distance, skin : ndarray of float32
        Millimetres to the brain, and to the skin (negative inside), on the head's grid.
    face : Face
    cord : tuple of float
        Where the brainstem ends (mm).
    """
    from dawson.simulation.head import box_of, points_of

    for part in _parts(face, cord):
        box = box_of(tuple(zip(part.low, part.high, strict=True)))
        points = points_of(box)
        share = np.clip(0.5 - part.surface(in_face(points, face) if not part.near_brain else points), 0, 1)
        share *= np.clip(-skin[box] - _INSIDE_SKIN_MM + 0.5, 0, 1)
        if not part.near_brain:
            share *= np.clip(brain_distance[box] - _AROUND_BRAIN_MM, 0, 1)
        if part.cells_mm:
            # Air cells with thin walls between them.
            waves = [np.sin(p * np.float32(2 * np.pi / part.cells_mm)) for p in points]
            share *= (np.abs(waves[0] + waves[1] + waves[2]) > 0.35).astype(np.float32)
        painter.paint(box, np.asarray(share, dtype=np.float32), part.tissue, part.level)


def _parts(face: Face, cord: Point) -> Iterable[_Part]:
    yield from _spine(cord)
    yield from _throat_and_mouth()
    for side in (-1.0, 1.0):
        yield from _side(side)
        yield from _eye(face, side)
    yield from _nose()


def _spine(cord: Point) -> Iterable[_Part]:
    """Vertebrae with marrow and discs, cord in its fluid, muscles of the nape between fat."""
    x, y, z = cord
    for number in range(5):
        level = -84.0 - 17.0 * number
        yield _egg("bone", (0, -22, level), (13, 11, 8.5))
        yield _egg("marrow", (0, -22, level), (11, 9, 7.0))
        yield _egg("bone", (0, -64, level - 2), (5, 12, 6))
        yield _egg("marrow", (0, -64, level - 2), (3.4, 10, 4.4))
    for side in (-1.0, 1.0):
        for number in range(3):
            yield _rod("fat", (side * (14 + 9 * number), -86 + 6 * number, -70), (side * (14 + 9 * number), -76 + 6 * number, -150), 1.2)
    yield _rod("csf", (x, y, z + 4), (0, -42, -110), 10.0, 8.5, near_brain=True)
    yield _rod("csf", (0, -42, -110), (0, -40, -160), 8.5, near_brain=True)
    yield _rod("wm", (x, y, z + 2), (0, -42, -110), 5.8, 5.0, near_brain=True)
    yield _rod("wm", (0, -42, -110), (0, -40, -160), 5.0, near_brain=True)


def _throat_and_mouth() -> Iterable[_Part]:
    yield _egg("bone", (0, 18, -42), (17, 15, 13))
    yield _rod("bone", (0, 6, -44), (0, -14, -70), 7.0)
    yield _rod("marrow", (0, 5, -45), (0, -13, -68), 5.0)
    yield _egg("mucosa", (0, 19, -42), (14, 12, 10))
    yield _egg("air", (0, 19, -42), (12.8, 10.8, 8.8))
    # Palate, tongue with the gap over it, and the way of the air.
    yield _egg("bone", (0, 48, -77), (22, 30, 3.0))
    yield _egg("mucosa", (0, 40, -98), (24, 34, 20), level=0.75)
    yield _egg("fat", (0, 36, -114), (12, 22, 2.0))
    yield _slit(
        _egg("air", (0, 42, -97), (25, 36, 21)),
        lambda p: np.abs(ellipsoid(p, (0, 40, -99), (22, 32, 19))) - 0.9 + np.clip(-84 - p[2], 0, 9),
    )
    yield _egg("mucosa", (0, 12, -62), (15, 10, 14))
    yield _egg("air", (0, 13, -61), (12, 7.5, 12))
    yield _rod("air", (0, 8, -68), (0, -1, -96), 7.5, 6.5, flat=0.6)
    yield _rod("air", (0, -1, -96), (0, 2, -165), 6.5, 9.0, flat=0.8)


def _arch(width: float, front: float, back: float) -> Surface:
    """Distance from a horseshoe seen from above."""

    def surface(points: Points) -> Floats:
        x, y, _ = points
        depth = front - back
        rho = np.sqrt((x / width) ** 2 + (np.maximum(y - back, 0) / depth) ** 2) + np.float32(1e-4)
        return np.asarray(np.abs(rho - 1) * np.float32(width), dtype=np.float32)

    return surface


def _tooth_row(low: float, high: float, thick: float) -> Surface:
    arch = _arch(25.0, 80.0, 38.0)
    return lambda p: np.maximum(np.maximum(arch(p) - thick, np.abs(p[2] - (low + high) / 2) - (high - low) / 2), 40 - p[1])


def _side(side: float) -> Iterable[_Part]:
    """One side's jaw, cheek sinus, ear bone and vessels; the tooth rows come with the right side."""
    if side > 0:
        for tissue, low, high, thick in (("marrow", -87.0, -78.0, 4.5), ("bone", -104.5, -86.0, 4.0), ("bone", -118.0, -104.0, 4.5)):
            yield _Part(tissue, _tooth_row(low, high, thick), (-34, 38, low - 2), (34, 88, high + 2))
    path: tuple[Point, ...] = ((0, 78, -121), (side * 20, 72, -121), (side * 38, 42, -114), (side * 45, 8, -102), (side * 49, 0, -62))
    for tissue, radius in (("bone", 7.0), ("marrow", 4.6)):
        for start, end in pairwise(path):
            yield _rod(tissue, start, end, radius)
    yield _egg("bone", (side * 40, -20, -47), (24, 10, 8))
    yield _egg("bone", (side * 60, -32, -56), (9, 13, 15))
    yield _egg("air", (side * 60, -32, -56), (7.5, 11, 13), cells_mm=5.0)
    yield _rod("air", (side * 88, -20, -46), (side * 56, -20, -46), 3.0)
    for start, end, radius in (((25, -2, -60), (27, 8, -160), 2.8), ((33, -10, -60), (34, 0, -160), 4.0)):
        yield _rod("air", (side * start[0], start[1], start[2]), (side * end[0], end[1], end[2]), radius)
    # The cheekbone's arch, and fat between the muscles of chewing.
    yield _rod("bone", (side * 42, 58, -54), (side * 65, 10, -46), 3.0)
    yield _egg("fat", (side * 46, 34, -66), (5, 16, 18))
    yield _egg("bone", (side * 27, 52, -62), (15.5, 18.5, 18))
    yield _egg("mucosa", (side * 27, 52, -62), (14, 17, 16.5))
    yield _egg("air", (side * 27, 52, -62), (12.8, 15.8, 15.3))


def _eye(face: Face, side: float) -> Iterable[_Part]:
    """An eyeball in the fat of its orbit, with nerve and muscles."""
    x, y, z = (value for value in eye(face, side))
    apex: Point = (side * 15, 20, -35)
    yield _rod("bone", (x, y - 10, z + 0.5), apex, 18.5, 8.0)
    yield _rod("fat", (x, y - 8, z), apex, 16.5, 6.0)
    for across, up in ((9.5, 0.0), (-9.5, 0.0), (0.0, 10.0), (0.0, -10.0)):
        yield _rod("muscle", (x + across, y - 6, z + up), (apex[0], apex[1] + 6, apex[2]), 1.8, 1.5)
    yield _rod("wm", (x, y - 11, z), apex, 2.0, level=0.85)
    yield _egg("muscle", (x, y, z), (12.6, 12.4, 12.4))
    yield _egg("vitreous", (x, y, z), (11.4, 11.4, 11.4))
    yield _egg("muscle", (x, y + 8.0, z), (4.6, 2.2, 4.6))


def _nose() -> Iterable[_Part]:
    """Air between septum and conchae, air cells between the orbits, and the sinuses of the brow."""
    yield _egg("bone", (0, 44, -40), (13, 24, 12))
    yield _egg("air", (0, 44, -40), (11, 22, 10), cells_mm=7.0)
    yield _egg("mucosa", (0, 56, -60), (14, 32, 15))
    for side in (-1.0, 1.0):
        yield _egg("air", (side * 6.5, 56, -60), (5.3, 30, 13.5))
        yield _egg("mucosa", (side * 9.0, 52, -55), (3.0, 20, 4.5))
        yield _egg("mucosa", (side * 9.0, 54, -67), (3.4, 22, 5.0))
        yield _rod("air", (side * 6, 76, -68), (side * 6, 92, -78), 3.2)
        yield _egg("bone", (side * 11, 79, -19), (12, 6.5, 11))
        yield _egg("air", (side * 11, 79.5, -19), (10, 4.8, 9))
