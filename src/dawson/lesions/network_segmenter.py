"""The network as a segmenter: of the model that comes with Dawson, or of any other."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.lesions.segmenters import Segmentation
from dawson.lesions.weights import LesionModel, read_lesion_model

if TYPE_CHECKING:
    from dawson.lesions.network import LesionNetwork


class NetworkSegmenter:
    """Mean probability of the members of a lesion model.

    Parameters
    ----------
    folder : Path, optional
        A model folder; the shipped model by default. It is read at first use.
    """

    maker = "dawson"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    @property
    def model(self) -> LesionModel:
        """The model, read anew.

        Raises
        ------
        ModelError
            There is none.
        """
        return read_lesion_model(self.folder)

    def identity(self) -> dict[str, Any]:
        """Digest of the model, and whether it learnt from simulated patients."""
        model = self.model
        return {"model": model.name, "model_sha256": model.digest, "learnt_from_simulated_patients": model.simulated}

    def segment(self, flair: Any, t1w: Any | None, brain: NDArray[np.bool_], threads: int = 1) -> Segmentation:
        """Segment brain-extracted images on one grid.

        Parameters
        ----------
        flair, t1w : nibabel.Nifti1Image
            T1w may be None.
        brain : ndarray of bool (x, y, z)
        threads : int

        Raises
        ------
        ImageError
            The images do not fit each other, or there is no brain.
        ModelError
            There is no model, or its files are damaged.
        """
        from dawson.lesions.inference import member_probabilities

        model = self.model
        networks = _networks(model.folder.absolute(), model.digest)
        members = member_probabilities(networks, flair, t1w, brain, model.recipe.inference, model.temperature, threads)
        return Segmentation(members.mean(axis=0), members, model.threshold, self.maker, model.minimum_mm3, model.intervals)


@lru_cache(maxsize=1)
def _networks(folder: Path, digest: str) -> list[LesionNetwork]:
    """Members of a model, kept from scan to scan; `digest` makes a model that was replaced another one."""
    return read_lesion_model(folder).networks()


DAWSON = NetworkSegmenter()
