"""Where the centres of each kind of lesion may lie.

A place keeps clear of the ground of other kinds, since findings are counted by kind: nothing plain in the temporal lobe, the
callosum or the wall of the ventricles. Coordinates are millimetres of the template (RAS); `side` is the distance from the midline.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.brain_regions import Coordinate, where

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]


def lesion_places(
    labels: NDArray[np.uint8],
    gm: Volume,
    wm: Volume,
    csf: Volume,
    distance: dict[str, Volume],
    x: Coordinate,
    y: Coordinate,
    z: Coordinate,
) -> dict[str, NDArray[np.int16]]:
    """Voxels of the box where lesions of each place may have their centre.

    Parameters
    ----------
    labels : ndarray of uint8
        The label map of `dawson.imaging.brain_regions`.
    gm, wm, csf : ndarray of float32
        Share of each tissue.
    distance : dict of str to ndarray of float32
        Millimetres to `lateral`, `third`, `fourth`, `aqueduct` and `cortex`.
    x, y, z : ndarray
        Template coordinates, shaped to broadcast.

    Returns
    -------
    dict of str to ndarray (n, 3) of int16
    """
    side, tissue = np.abs(x), gm + wm
    found = {
        **_hemispheres(labels, wm, distance, side, y, z),
        **_deep_grey(labels, tissue, distance, side),
        **_posterior_fossa(labels, tissue, distance, side, y, z),
        **_linings(tissue, wm, distance, side, y, z),
    }
    return {name: np.argwhere(part).astype(np.int16) for name, part in found.items()}


def _hemispheres(
    labels: NDArray[np.uint8], wm: Volume, distance: dict[str, Volume], side: Coordinate, y: Coordinate, z: Coordinate
) -> dict[str, Mask]:
    lateral, cortex = distance["lateral"], distance["cortex"]
    # Lobes without temporal lobe, callosum and midline; the thin white matter under the insula is no gyrus.
    cerebrum = where(labels, "white matter", "corticospinal tract", "optic radiation") & (side > 10) & (z > np.where(y > 10, -14, 0))
    insula = (side > 26) & (side < 42) & (y > -30) & (y < 25) & (z > -12) & (z < 22)
    gyri = cerebrum & ~insula & (lateral > 12)
    body = (z > 13) & (z < 34) & (y > -44) & (y < 24)
    return {
        # Only the outer wall: the inner one is the callosum's and the septum's.
        "body wall": (wm > 0.4) & (lateral > 0.5) & (lateral < 1.8) & body & (side > 9),
        "patch wall": (wm > 0.5) & (lateral > 0.5) & (lateral < 2.2) & (side > 13) & (z > -1) & (z < 34) & (y > -66) & (y < 36),
        "under cortex": gyri & (wm > 0.5) & (cortex > 0.5) & (cortex < 1.6),
        "sulcal floor": gyri & (wm > 0.5) & (cortex > 0.8) & (cortex < 2.8) & _bends(cortex),
        "subcortical": gyri & (wm > 0.75) & (cortex > 4.5) & (cortex < 8.5),
        "deep white": cerebrum & (wm > 0.85) & (cortex > 6) & (lateral > 9) & (lateral < 24) & (z > 14),
        "dots": cerebrum & (wm > 0.8) & (cortex > 3) & (lateral > 10) & (z > 12),
        "hemisphere": cerebrum & (wm > 0.85) & (cortex > 6) & (lateral > 8) & (z > 12) & (side > 20),
        "callosum": where(labels, "corpus callosum", "ependyma") & (wm > 0.6) & (lateral < 2.5) & (side > 1) & (side < 8) & (z > 4),
        "temporal": where(labels, "temporal white matter") & (wm > 0.6) & (z < -12) & (side > 24) & (lateral > 6),
    }


def _bends(cortex: Volume) -> Mask:
    """Where the surface of equal distance to the cortex is curved round it in the axial plane, as under the floor of a sulcus."""
    smooth = ndimage.gaussian_filter(np.minimum(cortex, 8), 2.0)
    bend = np.zeros_like(smooth)
    bend[1:-1, 1:-1] = smooth[2:, 1:-1] + smooth[:-2, 1:-1] + smooth[1:-1, 2:] + smooth[1:-1, :-2] - 4 * smooth[1:-1, 1:-1]
    return np.asarray(bend > 0.13)


def _deep_grey(labels: NDArray[np.uint8], tissue: Volume, distance: dict[str, Volume], side: Coordinate) -> dict[str, Mask]:
    lateral, third = distance["lateral"], distance["third"]
    ganglia = where(labels, "putamen", "pallidum") & (lateral > 4) & (side > 14)
    thalamus = where(labels, "thalamus") & (lateral > 4) & (third > 4.5)
    return {
        "basal ganglia": ganglia,
        "thalamus": thalamus,
        "deep grey": (ganglia & (side < 28)) | (thalamus & (side > 8)),
        "hypothalamus": where(labels, "hypothalamus") & (tissue > 0.6) & (third < 4),
    }


def _posterior_fossa(
    labels: NDArray[np.uint8], tissue: Volume, distance: dict[str, Volume], side: Coordinate, y: Coordinate, z: Coordinate
) -> dict[str, Mask]:
    fourth, aqueduct = distance["fourth"], distance["aqueduct"]
    solid = tissue > 0.8
    stem = where(labels, "brainstem", "corticospinal tract") & solid & (z < -22)
    cerebellum = where(labels, "cerebellar white matter")
    rind = _depth(tissue > 0.5, 6)
    # Tissue in front of the fourth ventricle, not the cerebellum behind it.
    floor = where(labels, "brainstem", "ependyma") & (np.gradient(fourth, axis=1) > 0.5)
    return {
        # Pons and medulla under the pia, clear of the fourth ventricle's floor.
        "brainstem": stem & (rind > 1.5) & (rind < 4.5) & (fourth > 7) & (z > -64) & (side > 2),
        "pons": stem & (rind > 5) & (fourth > 7) & (z > -42) & (z < -26) & (side < 9),
        "middle peduncle": solid & (side > 14) & (side < 24) & (y > -46) & (y < -32) & (z > -40) & (z < -29) & (fourth > 6) & (rind > 3),
        "cerebellum": cerebellum & solid & (side > 9) & (side < 38) & (fourth > 6) & (z > -50),
        "periaqueductal": where(labels, "periaqueductal grey") & solid & (aqueduct > 1.5) & (side < 5) & (z > -15) & (z < -5),
        "obex": where(labels, "area postrema") & (tissue > 0.6) & (z > -59),
        "fourth floor": floor & solid & (fourth > 0.5) & (fourth < 3.5) & (z > -48) & (z < -24) & (side < 9),
    }


def _depth(inside: Mask, limit: int) -> Volume:
    """Millimetres below the surface, up to a limit: cheaper by erosion than by a distance transform of the whole box."""
    depth = np.zeros(inside.shape, dtype=np.float32)
    now, ball = inside, ndimage.generate_binary_structure(3, 1)
    for step in range(limit):
        depth += now
        now = ndimage.binary_erosion(now, ball if step % 2 == 0 else np.ones((3, 3, 3), dtype=bool))
    return depth


def _linings(tissue: Volume, wm: Volume, distance: dict[str, Volume], side: Coordinate, y: Coordinate, z: Coordinate) -> dict[str, Mask]:
    lateral, third, fourth, aqueduct = (distance[name] for name in ("lateral", "third", "fourth", "aqueduct"))
    wall = tissue > 0.5
    return {
        "lateral wall": wall & (wm > 0.3) & (lateral > 0.5) & (lateral < 2) & (z > 10) & (z < 30) & (y > -40) & (y < 22) & (side > 8),
        "third wall": wall & (third > 0.5) & (third < 2) & (z > -10) & (z < 8) & (y > -24) & (y < 0),
        # Its floor: what reaches round to the roof is left to the size of the lesion.
        "fourth wall": wall & (fourth > 0.5) & (fourth < 2) & (z > -44) & (z < -24) & (np.gradient(fourth, axis=1) > 0.5),
        "aqueduct wall": wall & (aqueduct > 0.5) & (aqueduct < 2) & (z > -17) & (z < -6),
    }
