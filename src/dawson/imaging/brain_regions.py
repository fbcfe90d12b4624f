"""The regions of the template brain: every voxel has one name. The one place that says where a region begins and ends.

Labels come from the template's tissue maps, cut with places in template coordinates (mm, RAS; |x| so that left and right
are alike). Coordinates were read off the MNI152 2009a images that nilearn ships, following textbook anatomy, and checked by
eye on slices and by volume; no published atlas was copied. Where a size is somebody's, the last column says whose. Later
rows win over earlier ones.

============================  ===================================================================  ===========================
label                         rule                                                                 besides the template
============================  ===================================================================  ===========================
other CSF                     most of the voxel is fluid, and no ventricle
cortex, white matter          the larger of grey and white matter; the rest under the thalamus
                              goes with white matter
temporal cortex, white        of these, under the Sylvian fissure and in front of the occipital
matter                        lobe (`_SYLVIAN`)
cerebellar cortex, white      under the tentorium (`_TENTORIUM`), behind the brainstem
matter
brainstem                     between mammillary body, posterior commissure and the lower edge,
                              within `_STEM`
optic radiation               white matter near `OPTIC_RADIATION` and `MEYERS_LOOP`: geniculate    textbook course
                              body, straight or round the temporal horn, to calcarine cortex
corticospinal tract           white matter and brainstem near `CORTICOSPINAL`: precentral gyrus,   textbook course
                              posterior limb, peduncle, pons, pyramid
corpus callosum               white matter near `CALLOSUM`, a curve of the midline, |x| < 13 mm
caudate, putamen, pallidum    grey matter (pallidum: any tissue) in ellipsoids (`_nuclei`)
thalamus                      two ellipsoids between third ventricle and internal capsule
hypothalamus                  within 5 mm of the third ventricle, below the commissures
ependyma                      tissue within 1.5 mm of a ventricle                                  definition
periaqueductal grey           midbrain within 2.3 mm of the aqueduct: a hollow cylinder some       size: Satpute 2013
                              6 to 7 mm across
area postrema                 dorsal surface of the medulla within 3 to 4.5 mm of the obex; larger
                              than in life, so that it shows at 1 mm
aqueduct                      tube of radius 1.3 mm along `AQUEDUCT`
lateral, third, fourth        fluid connected to a seed within the bounds of each; temporal horns
ventricle                     are other CSF
============================  ===================================================================  ===========================

Satpute et al., PNAS 2013, doi:10.1073/pnas.1306095110.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Volume = NDArray[np.float32]
Coordinate = NDArray[np.floating[Any]]
Path = tuple[tuple[float, float, float], ...]

LABELS: dict[int, str] = dict(
    enumerate(
        (
            "lateral ventricle",
            "third ventricle",
            "aqueduct",
            "fourth ventricle",
            "other CSF",
            "ependyma",
            "cortex",
            "temporal cortex",
            "caudate",
            "putamen",
            "pallidum",
            "thalamus",
            "hypothalamus",
            "white matter",
            "temporal white matter",
            "corpus callosum",
            "corticospinal tract",
            "optic radiation",
            "brainstem",
            "periaqueductal grey",
            "area postrema",
            "cerebellar cortex",
            "cerebellar white matter",
        ),
        start=1,
    )
)
"""Name of each value of the label map; 0 is outside the brain."""

GROUPS: dict[str, tuple[str, ...]] = {
    "ventricles": ("lateral ventricle", "third ventricle", "aqueduct", "fourth ventricle"),
    "deep grey": ("caudate", "putamen", "pallidum"),
    "temporal lobe": ("temporal cortex", "temporal white matter"),
    "cerebellum": ("cerebellar cortex", "cerebellar white matter"),
}
"""Names for several labels at once."""

NUMBERS = {name: number for number, name in LABELS.items()}

# Paths of the right side; the left one is its mirror image.
AQUEDUCT: Path = ((0, -27.5, -3.5), (0, -31, -8), (0, -34, -12), (0, -37, -16.5))
OBEX_MM = (0.0, -46.5, -56.5)
CORTICOSPINAL: Path = (
    (33, -24, 58), (28, -22, 42), (25, -20, 28), (23, -17, 16), (21, -15, 6), (18, -15, -3), (14, -18, -12), (10, -18, -19),
    (7, -20, -28), (6, -23, -38), (4.5, -28, -48), (4, -33, -56), (4, -38, -66), (4, -40, -72),
)  # fmt: skip
CORTICOSPINAL_LEG: Path = ((8, -30, 66), (17, -26, 50), (25, -20, 28))
CORTICOSPINAL_FACE: Path = ((50, -8, 36), (38, -12, 34), (26, -18, 24))
OPTIC_RADIATION: Path = ((23, -25, -5), (33, -34, 3), (35, -50, 6), (29, -68, 6), (21, -80, 4), (11, -90, 2))
MEYERS_LOOP: Path = (
    (23, -25, -5), (30, -14, -8), (35, -6, -12), (40, -13, -12), (40, -30, -8), (39, -45, -2), (32, -60, 1), (18, -78, 0), (9, -90, 0),
)  # fmt: skip
CALLOSUM: Path = (
    (0, -34, 9), (0, -37.5, 14), (0, -36, 20), (0, -28, 24), (0, -15, 26.5), (0, 0, 27), (0, 12, 24.5), (0, 21, 19.5),
    (0, 28, 12), (0, 29, 6), (0, 26, 2.5), (0, 19, 1),
)  # fmt: skip

# Height, half width, back and front of the brainstem from the bottom up.
_STEM = np.array(
    [
        (-72, 9, -52, -36), (-62, 9, -52, -32), (-56, 10, -50, -29), (-51, 11, -47, -22), (-44, 14, -45, -15), (-36, 16, -42, -11),
        (-28, 17, -41, -10), (-22, 16, -41, -10), (-18, 15, -41, -8), (-12, 16, -40, -8), (-6, 13, -38, -12), (0, 8, -36, -20),
    ],
    dtype=float,
)  # fmt: skip
# Height of the tentorium over the midline and every 10 mm beside it, at places (first column) from behind to in front.
_TENTORIUM = np.array(
    [
        (-92, -18, -20, -21, -21, -21, -21, -21), (-82, -16, -17, -19, -20, -20, -21, -21), (-72, -8, -11, -14, -18, -20, -20, -20),
        (-63, 0, -7, -14, -18, -21, -22, -22), (-55, 3, -6, -14, -19, -23, -26, -26), (-48, 1, -8, -16, -21, -25, -29, -30),
        (-42, -3, -7, -16, -23, -28, -30, -32), (-36, -6, -12, -19, -26, -31, -32, -33), (-28, -18, -20, -24, -31, -34, -34, -34),
    ],
    dtype=float,
)  # fmt: skip
# Place, height of the Sylvian fissure at the surface (behind it, the temporal lobe's upper border) and under the insula.
_SYLVIAN = np.array(
    [(-60, 16, 0), (-40, 14, 0), (-32, 11, -1), (-28, 9, -8), (-10, 0, -11), (0, -5, -12), (6, -10, -17), (12, -15, -22), (24, -22, -27)],
    dtype=float,
)  # fmt: skip


def where(labels: NDArray[np.integer[Any]], *names: str) -> Mask:
    """Voxels with any of some labels.

    Parameters
    ----------
    labels : ndarray of int
    names : str
        Of `LABELS` or `GROUPS`.

    Raises
    ------
    KeyError
        A name that neither has.
    """
    numbers = [NUMBERS[name] for group in names for name in GROUPS.get(group, (group,))]
    return np.isin(labels, numbers)


def ventricles(csf: Volume, x: Coordinate, y: Coordinate, z: Coordinate) -> dict[str, Mask]:
    """The four ventricles.

    Parameters
    ----------
    csf : ndarray of float32 (x, y, z)
        Share of fluid.
    x, y, z : ndarray
        Template coordinates that broadcast to the box.

    Returns
    -------
    dict of str to ndarray of bool
        `lateral`, `third`, `aqueduct`, `fourth`.
    """
    side = np.abs(x)
    bounds = (side > 1) & (side < 45) & (y > -62) & (y < 45) & (z > -22) & (z < 40)
    # What lies between the lateral ventricles behind the foramina: third ventricle, velum interpositum, cisterns.
    bounds = bounds & ~((y < -6) & (side < 4)) & ~((y < -18) & (side < 9) & (z < 16)) & ~((side < 5) & (z < 6))
    bounds = bounds & ~((z < -1) & (side < 24)) & ~((z < 4) & (side < 17) & (y < 0))
    lateral = _connected((csf > 0.5) & bounds, [(sign * 10, -15, 22) for sign in (-1, 1)], x, y, z)
    # Its floor rises from the mammillary bodies to the midbrain, in front of the interpeduncular cistern.
    floor = np.where(y > -9, -15, -4 - 0.5 * (y + 24))
    third = (csf > 0.3) & (side <= 4) & (y >= -25) & (y <= 3) & (z >= floor) & (z <= 10) & ~lateral
    fourth = (csf > 0.5) & (side <= 14) & (y >= -54) & (y <= -34) & (z >= -53) & (z <= -16) & ((side <= 4) | (z < -22))
    fourth &= ((z > -46) | (side < 4)) & ((z > -40) | (y > -49))
    fourth = _connected(fourth, [(0, -43, -34)], x, y, z)
    aqueduct = _near((AQUEDUCT,), 1.3, csf.shape, x, y, z)
    return {"lateral": lateral, "third": third, "aqueduct": aqueduct & ~fourth & ~third, "fourth": fourth}


def label_map(
    csf: Volume, gm: Volume, wm: Volume, distance: dict[str, Volume], x: Coordinate, y: Coordinate, z: Coordinate
) -> NDArray[np.uint8]:
    """One label for every voxel.

    Parameters
    ----------
    csf, gm, wm : ndarray of float32 (x, y, z)
        Share of each tissue.
    distance : dict of str to ndarray of float32
        Millimetres to `lateral`, `third`, `aqueduct` and `fourth`.
    x, y, z : ndarray
        Template coordinates that broadcast to the box.

    Returns
    -------
    ndarray of uint8 (x, y, z)
        Keys of `LABELS`; 0 outside the brain.
    """
    side = np.abs(x)
    total = csf + gm + wm
    tissue = (total > 0.5) & (csf <= 0.5)
    white = tissue & (wm > gm)
    labels = np.where(total > 0.5, np.uint8(NUMBERS["other CSF"]), np.uint8(0))

    def name(label: str, place: Mask) -> None:
        labels[place] = NUMBERS[label]

    temporal = _temporal(side, y, z)
    for part, grey, pale in (
        (tissue, "cortex", "white matter"),
        (tissue & temporal, "temporal cortex", "temporal white matter"),
        (tissue & _under_tentorium(side, y, z), "cerebellar cortex", "cerebellar white matter"),
    ):
        name(grey, part & ~white)
        name(pale, part & white)
    # Under the thalamus there is no cortex: subthalamic nucleus and red nucleus lie among fibres.
    name("white matter", tissue & (side < 20) & (y > -32) & (y < -4) & (z > -13) & (z < 18))
    stem = tissue & _stem(side, y, z)
    name("brainstem", stem)
    name("optic radiation", white & _near((OPTIC_RADIATION, MEYERS_LOOP), 3.0, csf.shape, x, y, z) & ~stem)
    tract = _near((CORTICOSPINAL_LEG, CORTICOSPINAL_FACE, CORTICOSPINAL[:5]), 4.5, csf.shape, x, y, z)
    tract |= _near((CORTICOSPINAL[3:],), 3.2, csf.shape, x, y, z)
    name("corticospinal tract", tract & (white | stem))
    # The body rises a little on its way to the hemispheres.
    sheets = [tuple((off, b, c + 0.012 * off**2) for _, b, c in CALLOSUM) for off in (0, 4, 8, 11)]
    callosum = _near(sheets[:2], 6.0, csf.shape, x, y, z) | _near(sheets[2:], 4.5, csf.shape, x, y, z)
    name("corpus callosum", (wm > 0.6) & (side < 13) & callosum)
    for nucleus, place in _nuclei(side, y, z).items():
        # On T1w pallidum and thalamus are nearly as bright as white matter.
        name(nucleus, tissue & place & ((wm < 0.85) | (nucleus in ("pallidum", "thalamus"))))
    third = distance["third"]
    name("hypothalamus", tissue & (third < 5) & (side < 7) & (y > -11) & (y < 4) & (z < -3) & (z > -17) & ~stem)
    nearest = np.minimum(np.minimum(distance["lateral"], third), np.minimum(distance["fourth"], distance["aqueduct"]))
    name("ependyma", tissue & (nearest <= 1.5))
    name("periaqueductal grey", tissue & (distance["aqueduct"] <= 2.3) & (z < -3) & (z > -17) & (y < -24))
    obex = np.sqrt(((side - OBEX_MM[0]) / 3.5) ** 2 + ((y - OBEX_MM[1]) / 3) ** 2 + ((z - OBEX_MM[2]) / 4.5) ** 2)
    name("area postrema", stem & (obex <= 1))
    for ventricle, label in zip(("lateral", "third", "aqueduct", "fourth"), GROUPS["ventricles"], strict=True):
        name(label, (distance[ventricle] == 0) & (total > 0.5))
    return labels


def infratentorial(labels: NDArray[np.uint8], x: Coordinate, y: Coordinate, z: Coordinate) -> Mask:
    """Brainstem, cerebellum, and what of tracts, ependyma and ventricles lies among them.

    Parameters
    ----------
    labels : ndarray of uint8 (x, y, z)
        Of `label_map`.
    x, y, z : ndarray
        Template coordinates that broadcast to the box.
    """
    side = np.abs(x)
    sure = where(labels, "brainstem", "cerebellum", "periaqueductal grey", "area postrema", "aqueduct", "fourth ventricle")
    return sure | ((labels > 0) & (_stem(side, y, z) | _under_tentorium(side, y, z)))


def _temporal(side: Coordinate, y: Coordinate, z: Coordinate) -> Mask:
    surface, deep = (np.interp(y, _SYLVIAN[:, 0], _SYLVIAN[:, column]) for column in (1, 2))
    roof = deep + (surface - deep) * np.clip((side - 36) / 10, 0, 1)
    return np.asarray((side > 17) & (y > -58 + 0.3 * np.abs(z + 10)) & (y < 26) & (z < roof))


def _under_tentorium(side: Coordinate, y: Coordinate, z: Coordinate) -> Mask:
    heights = np.stack([np.interp(y, _TENTORIUM[:, 0], column) for column in _TENTORIUM[:, 1:].T])
    place = np.clip(side / 10, 0, 5.999)
    low = place.astype(int)
    index = (low[:, :, 0], 0, np.arange(y.size)[None], 0)
    share = (place - low)[:, :, 0]
    upper = (low[:, :, 0] + 1, *index[1:])
    return np.asarray((z < ((1 - share) * heights[index] + share * heights[upper])[:, :, None]) & (y < -28))


def _stem(side: Coordinate, y: Coordinate, z: Coordinate) -> Mask:
    width, back, front = (np.interp(z, _STEM[:, 0], _STEM[:, column]) for column in (1, 2, 3))
    # The upper border is the plane from the mammillary bodies to the posterior commissure.
    below = z < -3 - 0.72 * (y + 27)
    return np.asarray((side <= width) & (y >= back) & (y <= front) & below & (z < 1))


def _nuclei(side: Coordinate, y: Coordinate, z: Coordinate) -> dict[str, Mask]:
    def body(centre: Sequence[float], radii: Sequence[float], turn_deg: float, tilt_deg: float = 0.0) -> Mask:
        """An ellipsoid whose long axis (y) leans out behind by `turn_deg` and down behind by `tilt_deg`."""
        a, b, c = side - centre[0], y - centre[1], z - centre[2]
        turn, tilt = np.deg2rad(turn_deg), np.deg2rad(tilt_deg)
        across, along = a * np.cos(turn) + b * np.sin(turn), b * np.cos(turn) - a * np.sin(turn)
        along, up = along * np.cos(tilt) + c * np.sin(tilt), c * np.cos(tilt) - along * np.sin(tilt)
        return np.asarray((across / radii[0]) ** 2 + (along / radii[1]) ** 2 + (up / radii[2]) ** 2 <= 1)

    head = body((12, 13, 6), (7, 11, 13), 10) & (z > -9)
    caudate = head | body((16, -4, 19), (5, 18, 5), 18)
    putamen = body((26.5, 1, 2), (6.5, 19, 11), 16)
    pallidum = body((19.5, -4, 0), (5.5, 10.5, 6.5), 30)
    thalamus = body((10.5, -16.5, 7), (8.5, 15, 9.5), 22) | body((16, -26.5, 7), (8, 7.5, 8.5), 30)
    return {"caudate": caudate, "putamen": putamen & ~pallidum, "pallidum": pallidum, "thalamus": thalamus}


def _near(paths: Sequence[Path], radius_mm: float, shape: tuple[int, ...], x: Coordinate, y: Coordinate, z: Coordinate) -> Mask:
    """Voxels within a distance of paths or of their mirror images."""
    found = np.zeros(shape, dtype=bool)
    grids = (np.abs(x).ravel(), y.ravel(), z.ravel())
    for path in paths:
        for start, end in pairwise(np.array(path, dtype=np.float32)):
            low, high = np.minimum(start, end) - radius_mm, np.maximum(start, end) + radius_mm
            rows, columns, levels = (np.flatnonzero((grids[a] >= low[a]) & (grids[a] <= high[a])) for a in range(3))
            step = end - start
            a, b, c = (grid[index] - first for grid, index, first in zip(grids, (rows, columns, levels), start, strict=True))
            a, b, c = a[:, None, None], b[None, :, None], c[None, None, :]
            share = np.clip((a * step[0] + b * step[1] + c * step[2]) / max(float(step @ step), 1e-6), 0, 1)
            away = (a - share * step[0]) ** 2 + (b - share * step[1]) ** 2 + (c - share * step[2]) ** 2
            found[np.ix_(rows, columns, levels)] |= away <= radius_mm**2
    return found


def _connected(place: Mask, seeds_mm: Sequence[Sequence[float]], x: Coordinate, y: Coordinate, z: Coordinate) -> Mask:
    parts, _ = ndimage.label(place)
    start = np.array([x.flat[0], y.flat[0], z.flat[0]])
    found = {int(parts[tuple(np.rint(np.array(seed) - start).astype(int))]) for seed in seeds_mm} - {0}
    return np.isin(parts, list(found))
