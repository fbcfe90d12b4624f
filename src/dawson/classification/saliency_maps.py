"""The maps of one repeat's networks, image by image, as the saliency tests take them: trained, and with random weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from dawson.classification.explain import upsample_raw
from dawson.classification.explanations import AGAIN, is_complete
from dawson.classification.images import stack_of
from dawson.errors import ExperimentError, ImageError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dawson.classification.runs import Run
    from dawson.config import PreprocessSection

# Zhang et al. (2016) allow 15 of some 500 pixels around an object; of 128 that is 4.
POINTING_TOLERANCE = 4


@dataclass(frozen=True)
class ImageMaps:
    """The maps of one image by one method, toward the image's own class, over k networks.

    Units are the pixels of the brain in all slices (Grad-CAM, the same map in each; integrated gradients) or the slices (channel
    occlusion).

    Parameters
    ----------
    trained : ndarray, shape (k, units)
    randomised : dict of str to ndarray, shape (k, units)
        By level of randomisation.
    brain : ndarray of bool, shape (channels, rows, columns)
    by_slice : bool
        Units are slices.
    signed : bool
        Values below 0 speak against the class.
    """

    trained: NDArray[np.float64]
    randomised: dict[str, NDArray[np.float64]]
    brain: NDArray[np.bool_]
    by_slice: bool
    signed: bool

    def printed(self, level: str | None = None, without: int | None = None) -> NDArray[np.float64]:
        """The map as it is drawn, not negative: the mean over networks, shape (units,).

        Where values are signed, of integrated gradients the size counts, since both colours draw the eye; of slices those that
        speak for the class.

        Parameters
        ----------
        level : str or None
            Of randomisation; None is the trained network.
        without : int or None
            A network to leave out.
        """
        maps = self.trained if level is None else self.randomised[level]
        mean = (maps if without is None else np.delete(maps, without, axis=0)).mean(axis=0)
        if not self.signed:
            return np.asarray(mean)
        return np.asarray(np.maximum(mean, 0) if self.by_slice else np.abs(mean))

    def compared(self, level: str | None = None) -> NDArray[np.float64]:
        """The maps of single networks for comparison with each other, shape (k, units)."""
        maps = self.trained if level is None else self.randomised[level]
        return np.abs(maps) if self.signed and not self.by_slice else maps

    def region(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How much of each unit belongs to a mask (channels, rows, columns): 0 or 1 for pixels, a share for slices."""
        if not self.by_slice:
            return np.asarray(mask[self.brain], dtype=np.float64)
        inside = (mask & self.brain).sum(axis=(1, 2))
        return np.asarray(inside / np.maximum(self.brain.sum(axis=(1, 2)), 1), dtype=np.float64)


@dataclass(frozen=True)
class RepeatMaps:
    """Explanations of the test images of one repeat by its k networks.

    Parameters
    ----------
    table : DataFrame
        participant_id, session_id of the images, in the order of the arrays.
    images : ndarray of float32, shape (images, channels, rows, columns)
    folds : list of mapping
        The arrays of `explanations.explanation_arrays`, one mapping a network.
    """

    table: pd.DataFrame
    images: NDArray[np.float32]
    folds: Sequence[Mapping[str, NDArray[Any]]]

    def levels(self, method: str) -> list[str]:
        """Levels of randomisation, from the last layer to all layers, without the control."""
        name = "attribution_levels" if method == "attribution" else "levels"
        return [str(level) for level in self.folds[0][name] if level != AGAIN]

    def of(self, method: str) -> Iterator[ImageMaps]:
        """The maps of every image by a method: gradcam, attribution or occlusion."""
        for index in range(len(self.images)):
            brain = self.images[index] != 0
            if not brain.any():
                brain = np.ones_like(brain)
            levels = [*self.levels(method), AGAIN]
            trained, randomised = _units(self.folds, method, index, brain)
            yield ImageMaps(
                trained,
                {level: randomised[:, place] for place, level in enumerate(levels)},
                brain,
                by_slice=method == "occlusion",
                signed=method != "gradcam",
            )


def _units(
    folds: Sequence[Mapping[str, NDArray[Any]]], method: str, index: int, brain: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maps of one image: trained (k, units) and randomised (k, levels, units)."""
    target = int(folds[0]["target"][index])
    if method == "occlusion":
        return (
            np.stack([fold["occlusion"][index, target] for fold in folds]).astype(np.float64),
            np.stack([fold["occlusion_randomised"][:, index] for fold in folds]).astype(np.float64),
        )
    if method == "gradcam":
        trained = np.stack([fold["gradcam_grid"][index, target] for fold in folds])
        randomised = np.stack([fold["gradcam_randomised"][:, index] for fold in folds])
        pixels = [np.nonzero(brain)[axis] for axis in (1, 2)]
        fine = [upsample_raw(maps, (brain.shape[1], brain.shape[2]))[..., pixels[0], pixels[1]] for maps in (trained, randomised)]
        return fine[0].astype(np.float64), fine[1].astype(np.float64)
    trained = np.stack([fold["attribution"][index, target][brain] for fold in folds]).astype(np.float64)
    scaled = np.stack([fold["attribution_randomised"][:, index][:, brain] for fold in folds]).astype(np.float64)
    sizes = np.stack([fold["attribution_randomised_size"][:, index] for fold in folds]).astype(np.float64)
    return trained, scaled * sizes[..., None]


def read_repeat_maps(runs: Sequence[Run]) -> RepeatMaps:
    """Read what the folds of one repeat left behind.

    Raises
    ------
    ExperimentError
        A run has no explanations, or they are of an earlier version and lack the randomised networks; the runs are of several
        repeats or there are fewer than two.
    """
    if len(runs) < 2 or len({run.repeat for run in runs}) != 1:
        raise ExperimentError("The saliency tests need two or more folds of one repeat.", "Give the explained runs of one repeat.")
    if lacking := [run.name for run in runs if not is_complete(run.explanations)]:
        raise ExperimentError(f"The explanations of {', '.join(lacking)} lack the randomised networks.", "Run the study again.")
    folds = []
    for run in runs:
        with np.load(run.explanations, allow_pickle=False) as arrays:
            folds.append({name: arrays[name] for name in arrays.files})
    table = runs[0].table
    tested = table[table["role"] == "test"].sort_values(["participant_id", "session_id"]).reset_index(drop=True)
    return RepeatMaps(tested[["participant_id", "session_id"]], stack_of(tested), folds)


def lesion_slices(path: Path, preprocess: PreprocessSection) -> NDArray[np.bool_]:
    """A lesion mask in template space, cut as the channel image is, shape (channels, rows, columns).

    Raises
    ------
    ImageError
        The file is no image.
    """
    import nibabel as nib

    from dawson.imaging.slices import channel_image

    try:
        image = nib.load(path)
    except (OSError, nib.filebasedimages.ImageFileError) as error:
        raise ImageError(path, f"cannot be read as a lesion mask ({error}).", "Correct or remove it.") from None
    cut = channel_image(image, preprocess.slices_mm, preprocess.field_of_view_mm, preprocess.matrix, order=0)
    return np.asarray(cut > 0.5, dtype=bool)


def near(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels within `POINTING_TOLERANCE` of a mask's, slice by slice."""
    outside = np.stack([ndimage.distance_transform_edt(~one) if one.any() else np.full(one.shape, np.inf) for one in mask])
    return np.asarray(outside <= POINTING_TOLERANCE, dtype=bool)
