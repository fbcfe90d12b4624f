"""The explanations that one run leaves behind: of its network, and of networks with random weights to hold them against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from dawson.classification import explain
from dawson.classification.networks import architecture
from dawson.classification.randomised import COMPLETE, cascade, untrained
from dawson.files import atomic_path

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

# A second untrained network, to which the tests of the first are put: what passes them without having learnt anything?
AGAIN = "all again"
MAPS = ("gradcam", "occlusion", "attribution")
ARRAYS = (
    "participant_id", "session_id", "gradcam_grid", "occlusion", "attribution", "target", "levels", "gradcam_randomised",
    "occlusion_randomised", "attribution_levels", "attribution_randomised", "attribution_randomised_size",
)  # fmt: skip
# Which axis of an array runs over the images; arrays that are not here do not.
_IMAGE_AXIS = {
    **dict.fromkeys(("participant_id", "session_id", "label", "images", "probability", "target"), 0),
    **dict.fromkeys(("gradcam", "gradcam_grid", "occlusion", "attribution"), 0),
    **dict.fromkeys(("gradcam_randomised", "occlusion_randomised", "attribution_randomised", "attribution_randomised_size"), 1),
}


def without_person(path: Path, participant_id: str) -> bool:
    """Take everything of one person out of a file of explanations, of a run or of a study; say whether anything was.

    Parameters
    ----------
    path : Path
    participant_id : str
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    keep = arrays["participant_id"] != participant_id
    if keep.all():
        return False
    for name, axis in _IMAGE_AXIS.items():
        if name in arrays:
            arrays[name] = np.compress(keep, arrays[name], axis=axis)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
    return True


def is_complete(path: Path) -> bool:
    """Whether a file of explanations is there with every array; one of an earlier version lacks the randomised networks."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return set(ARRAYS) <= set(arrays.files)
    except (OSError, ValueError, EOFError, BadZipFile):
        return False


def explanation_arrays(
    network: torch.nn.Module, images: NDArray[np.float32], targets: NDArray[np.int64], name: str, classes: int, seed: Sequence[int]
) -> dict[str, Any]:
    """Explanations of the test images of one run.

    Toward every class for the trained network, since which one the ensemble calls is known only when all folds are done; toward
    the image's own class for the randomised ones.

    Parameters
    ----------
    network : torch.nn.Module
        Trained, in evaluation mode.
    images : ndarray of float32, shape (images, channels, rows, columns)
    targets : ndarray of int, shape (images,)
        Class of each image.
    name : str
        Of the architecture.
    classes : int
    seed : sequence of int
        Of the run.

    Returns
    -------
    dict of str to ndarray
        gradcam_grid (images, classes, cells, cells); occlusion (images, classes, channels); attribution (images, classes,
        channels, rows, columns), float16; target (images,). With L levels of randomisation, named in `levels` (`cascade`, and
        `AGAIN`): gradcam_randomised (L, images, cells, cells) and occlusion_randomised (L, images, channels); at the levels in
        `attribution_levels` attribution_randomised (levels, images, channels, rows, columns), float16, each divided by its
        largest absolute value, which is in attribution_randomised_size (levels, images).
    """
    arch = architecture(name)
    attribution = [explain.integrated_gradients(network, images, np.full(len(images), index)) for index in range(classes)]
    levels = list(cascade(network, untrained(arch, images.shape[1], classes, seed)))
    levels.append((AGAIN, list(cascade(network, untrained(arch, images.shape[1], classes, [*seed, 1])))[-1][1]))
    # Integrated gradients cost as much as all else together: the first step of the cascade and its end.
    fine = [level for level in levels if level[0] in (levels[0][0], COMPLETE, AGAIN)]
    maps = np.stack([explain.integrated_gradients(other, images, targets) for _, other in fine])
    sizes = np.abs(maps).max(axis=(2, 3, 4))
    scaled = maps / np.where(sizes > 0, sizes, 1)[:, :, None, None, None]
    rows = np.arange(len(images))
    return {
        "gradcam_grid": explain.grad_cam(network, images, arch.gradcam_layer, classes),
        "occlusion": explain.occlusion(network, images),
        "attribution": np.stack(attribution, axis=1).astype(np.float16),
        "target": targets,
        "levels": np.array([level for level, _ in levels]),
        "gradcam_randomised": np.stack([explain.grad_cam_toward(other, images, arch.gradcam_layer, targets) for _, other in levels]),
        "occlusion_randomised": np.stack([explain.occlusion(other, images)[rows, targets] for _, other in levels]),
        "attribution_levels": np.array([level for level, _ in fine]),
        "attribution_randomised": scaled.astype(np.float16),
        "attribution_randomised_size": sizes.astype(np.float32),
    }
