"""Where face and ears are in the template: geometry, taken from no atlas.

The face is what lies in front of and below two shear planes, temples and ears are boxes at the sides. They were drawn on the
landmarks of MNI space: nasion (0, 86, -38), eyes (32, 64, -38) to either side, tip of the nose (0, 110, -68), chin (0, 92, -125),
opening of the ear (76, -20, -46).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# The oblique plane passes above the brow and through the middle of the skull's base; the upright one stands before the spine.
_PLANE_Z_AT_0_MM, _PLANE_SLOPE = -58.0, 0.75
_UPRIGHT_Y_MM = -14.0
# Boxes at both sides: beyond this distance from the middle (x), from behind to before (y), from below to above (z).
_SIDES = (
    (58.0, (-64.0, 14.0), (-92.0, 0.0)),  # ears
    (40.0, (0.0, 70.0), (-60.0, 4.0)),  # temples, cheekbones
)
# Middle of a face, whole in any head that has one: centre and radii of ellipsoids (eyes, nose, mouth), mm.
_CORE = (
    ((32.0, 64.0, -38.0), (12.0, 12.0, 12.0)),
    ((-32.0, 64.0, -38.0), (12.0, 12.0, 12.0)),
    ((0.0, 84.0, -60.0), (13.0, 16.0, 18.0)),
    ((0.0, 72.0, -98.0), (24.0, 18.0, 24.0)),
)


def in_face(x: Floats, y: Floats, z: Floats) -> NDArray[np.bool_]:
    """Which template points (mm, arrays that broadcast) lie in front of both shear planes: face, jaws, throat, and the air before them.

    Examples
    --------
    >>> [bool(in_face(*np.float32(point))) for point in ((0, 110, -68), (32, 64, -38), (0, 60, 30), (0, -40, -90))]
    [True, True, False, False]
    """
    below = z < np.float32(_PLANE_Z_AT_0_MM) + np.float32(_PLANE_SLOPE) * y
    inside: NDArray[np.bool_] = below & (y > _UPRIGHT_Y_MM)
    # the planes run from side to side: x enters with its shape only
    inside = inside & np.ones_like(x, dtype=bool)
    return inside


def at_sides(x: Floats, y: Floats, z: Floats) -> NDArray[np.bool_]:
    """Which template points (mm, arrays that broadcast) lie in a box around an ear or a temple, the side of the skull included."""
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), dtype=bool)
    for beyond, (back, front), (low, high) in _SIDES:
        inside |= (np.abs(x) > beyond) & (y > back) & (y < front) & (z > low) & (z < high)
    return inside


def in_core(x: Floats, y: Floats, z: Floats) -> NDArray[np.bool_]:
    """Which template points (mm, arrays that broadcast) lie in an eye, the nose or the mouth of the usual face."""
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), dtype=bool)
    for centre, radii in _CORE:
        parts = [((p - np.float32(c)) / np.float32(r)) ** 2 for p, c, r in zip((x, y, z), centre, radii, strict=True)]
        inside |= parts[0] + parts[1] + parts[2] < 1
    return inside
