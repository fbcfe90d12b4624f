"""One lesion mask from those of several raters: majority, soft votes and STAPLE, in the box that their masks fill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.boxes import union_box

Method = Literal["staple", "majority", "soft"]
METHODS: tuple[Method, ...] = ("staple", "majority", "soft")

MARGIN_MM = 5.0
"""Room around the box of the raters' masks, where whatever is counted in the box needs some."""

AROUND_VOXELS = 1
"""How far from a marked voxel STAPLE looks."""


@dataclass(frozen=True, eq=False)
class CroppedMasks:
    """Masks of several raters within the box that holds them all.

    Parameters
    ----------
    masks : ndarray of bool (r, x, y, z)
        Within the box.
    box : tuple of slice
        Where the box lies in the image.
    shape : tuple of int
        Of the image.
    """

    masks: NDArray[np.bool_]
    box: tuple[slice, ...]
    shape: tuple[int, ...]

    def whole(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the box put back into an image of zeros."""
        image = np.zeros(self.shape, dtype=values.dtype)
        image[self.box] = values
        return image

    def without(self, rater: int) -> CroppedMasks:
        """The masks of all but one."""
        return CroppedMasks(np.delete(self.masks, rater, axis=0), self.box, self.shape)


@dataclass(frozen=True, eq=False)
class MaskConsensus:
    """What several masks say together.

    Parameters
    ----------
    probability : ndarray of float32 (x, y, z)
        STAPLE's posterior, or the share of the raters who marked the voxel.
    mask : ndarray of bool (x, y, z)
        Probability above one half. A voxel that exactly half of the raters marked is not in the majority's mask.
    sensitivity, specificity : tuple of float
        Of each rater: STAPLE's estimates within its room, or shares against the mask within the cropped box; NaN where there is
        nothing to estimate from. Specificity rises with the room around the lesions.
    """

    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]


def volumes_of(stack: Any) -> Iterator[NDArray[Any]]:
    """The volumes of a four-dimensional image (x, y, z, r), one after the other.

    Parameters
    ----------
    stack : nibabel image or ndarray
        Of a nibabel image on disk only one volume at a time is in memory.
    """
    values = stack.dataobj if hasattr(stack, "dataobj") else stack
    for rater in range(values.shape[3]):
        yield np.asarray(values[..., rater])


def crop_masks(masks: Iterable[NDArray[Any]], margin_voxels: tuple[int, int, int] = (0, 0, 0)) -> CroppedMasks:
    """Crop masks to the box that holds them all; only one whole mask at a time is needed in memory.

    Parameters
    ----------
    masks : iterable of ndarray (x, y, z)
        Of one rater each, lesion above one half, on one grid.
    margin_voxels : (int, int, int)
        Room on each side of the box, as far as the image reaches.

    Raises
    ------
    ValueError
        There is no mask, or they are not of one three-dimensional shape.
    """
    parts: list[tuple[tuple[slice, ...], NDArray[np.bool_]]] = []
    shape: tuple[int, ...] = ()
    for values in masks:
        mask = np.asarray(values) > 0.5
        if mask.ndim != 3 or (shape and mask.shape != shape):
            raise ValueError(f"a mask of shape {mask.shape} among those of {shape or 'three dimensions'}: raters must share one grid")
        shape = mask.shape
        own = union_box(mask)
        parts.append((own, mask[own].copy()))
    if not parts:
        raise ValueError("a consensus needs at least one mask")
    held = [box for box, part in parts if part.size]
    edges = [(min((box[axis].start for box in held), default=0), max((box[axis].stop for box in held), default=0)) for axis in range(3)]
    box = tuple(
        slice(max(0, low - room), min(size, high + room)) if held else slice(0, 0)
        for (low, high), room, size in zip(edges, margin_voxels, shape, strict=True)
    )
    cropped = np.zeros((len(parts), *(side.stop - side.start for side in box)), dtype=bool)
    for number, (own, part) in enumerate(parts):
        if part.size:
            place = tuple(slice(side.start - whole.start, side.stop - whole.start) for side, whole in zip(own, box, strict=True))
            cropped[number][place] = part
    return CroppedMasks(cropped, box, shape)


def margin_of(spacing_mm: Iterable[float], margin_mm: float = MARGIN_MM) -> tuple[int, int, int]:
    """A margin in voxels of each axis, rounded up."""
    x, y, z = (int(np.ceil(margin_mm / size)) for size in spacing_mm)
    return x, y, z


def mask_consensus(cropped: CroppedMasks, method: Method = "staple", around: int | None = AROUND_VOXELS) -> MaskConsensus:
    """The consensus of masks.

    Parameters
    ----------
    cropped : CroppedMasks
        From `crop_masks`.
    method : {"staple", "majority", "soft"}
        `majority` and `soft` have the same mask, that of more than half of the raters. The probability of `majority` is this mask,
        that of `soft` the share of the raters, that of `staple` the posterior.
    around : int or None
        STAPLE sees the voxels within so many steps (over faces) of one that a rater marked, as far as the cropped box reaches; None is
        the whole box. See the notes.

    Raises
    ------
    ValueError
        There is no such method, or `around` is negative.

    Notes
    -----
    STAPLE takes the share of lesion voxels in what it is given as the chance of a lesion before anybody has looked, and judges
    raters there. In a box most voxels are marked by nobody: everybody's specificity is near 1, whoever draws false lesions, so that
    a mark of one good rater is believed alone and the consensus comes near to the union of the good ones. Among the marked voxels
    alone specificity tells raters apart best, but as every voxel has a mark there, raters seem to contradict each other, and STAPLE
    may come to believe one of them only. A rim of one voxel avoids both. No method marks a voxel that no rater did.

    References
    ----------
    Warfield SK, Zou KH, Wells WM. Simultaneous truth and performance level estimation (STAPLE). IEEE Trans Med Imaging 23 (2004)
    903-921. By SimpleITK's STAPLEImageFilter.
    """
    if method not in METHODS:
        raise ValueError(f"there is no consensus by {method!r}, only by {', '.join(METHODS)}")
    if around is not None and around < 0:
        raise ValueError(f"STAPLE cannot look {around} voxels around")
    masks = cropped.masks
    n_raters = len(masks)
    if not masks.any():
        nothing = tuple([float("nan")] * n_raters)
        return MaskConsensus(np.zeros(cropped.shape, np.float32), np.zeros(cropped.shape, bool), nothing, nothing)
    if method == "staple" and n_raters > 1 and not bool((masks == masks[0]).all()):
        seen = _near(np.asarray(masks.any(axis=0)), around)
        posterior, sensitivity, specificity = _staple(masks[:, seen])
        probability = np.zeros(masks.shape[1:], dtype=np.float32)
        probability[seen] = posterior
        return MaskConsensus(cropped.whole(probability), cropped.whole(probability > 0.5), sensitivity, specificity)
    votes = masks.sum(axis=0, dtype=np.int32)
    mask = 2 * votes > n_raters
    probability = mask.astype(np.float32) if method == "majority" else (votes / n_raters).astype(np.float32)
    return MaskConsensus(
        cropped.whole(probability),
        cropped.whole(mask),
        tuple(_of(one, mask) for one in masks),
        tuple(_of(~one, ~mask) for one in masks),
    )


def _near(marked: NDArray[np.bool_], around: int | None) -> NDArray[np.bool_]:
    if around is None:
        return np.ones(marked.shape, dtype=bool)
    return np.asarray(ndimage.binary_dilation(marked, iterations=around)) if around else marked


def _staple(masks: NDArray[np.bool_]) -> tuple[NDArray[np.float32], tuple[float, ...], tuple[float, ...]]:
    """STAPLE's posterior (n), sensitivities and specificities from marks (raters, n)."""
    import SimpleITK

    # Each voxel is on its own in STAPLE: any list of voxels may be given as an image of one row.
    images = [SimpleITK.GetImageFromArray(marks.astype(np.uint8)[None, :]) for marks in masks]
    rule = SimpleITK.STAPLEImageFilter()
    rule.SetForegroundValue(1)
    posterior = np.asarray(SimpleITK.GetArrayFromImage(rule.Execute(images)), dtype=np.float32)[0]
    return posterior, tuple(rule.GetSensitivity()), tuple(rule.GetSpecificity())


def _of(own: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    total = int(whole.sum())
    return int((own & whole).sum()) / total if total else float("nan")
