"""Registration by ANTs where antspyx is installed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dawson.errors import MissingDependencyError, PreprocessingError
from dawson.imaging.itk import RAS_LPS
from dawson.imaging.silence import silent_library
from dawson.imaging.transforms import Affine, Warp


class Ants:
    """Mattes mutual information for the linear part, SyN with local correlation for the warp (Avants et al. 2008)."""

    def __init__(self) -> None:
        try:
            import ants
        except ImportError:
            raise MissingDependencyError("registration = 'ants' needs antspyx.", "pip install antspyx") from None
        self._ants = ants

    def linear(self, fixed: Any, moving: Any, start: Affine, degrees_of_freedom: int, threads: int, within: Any | None = None) -> Affine:
        """Rigid (6) or affine (12) alignment from a starting transform, by what lies in a mask of the fixed image."""
        kind = {6: "Rigid", 12: "Affine"}[degrees_of_freedom]
        with tempfile.TemporaryDirectory(prefix="dawson-") as folder:
            masks = {} if within is None else {"mask": self._ants.from_nibabel(within)}
            forward = self._run(fixed, moving, start, threads, Path(folder), type_of_transform=kind, **masks)
            lps = self._ants.read_transform(str(forward[-1]))
            matrix, centre = np.reshape(lps.parameters[:9], (3, 3)), np.asarray(lps.fixed_parameters)
            full = np.eye(4)
            full[:3, :3] = matrix
            full[:3, 3] = np.asarray(lps.parameters[9:]) + centre - matrix @ centre
        return Affine(RAS_LPS @ full @ RAS_LPS)

    def deformable(self, fixed: Any, moving: Any, linear: Affine, smoothing: tuple[float, float], threads: int) -> Warp:
        """Warp of the fixed space to be applied before the linear transform."""
        with tempfile.TemporaryDirectory(prefix="dawson-") as folder:
            forward = self._run(
                fixed,
                moving,
                linear,
                threads,
                Path(folder),
                type_of_transform="SyNOnly",
                syn_metric="CC",
                syn_sampling=2,
                reg_iterations=(100, 50, 20),
                flow_sigma=smoothing[0] ** 2,
                total_sigma=max(0.0, smoothing[1] ** 2 - 0.5),
            )
            return Warp.load(forward[0])

    def _run(self, fixed: Any, moving: Any, start: Affine, threads: int, folder: Path, **options: Any) -> list[Path]:
        """Files of the forward transforms, the warp first."""
        os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
        start.save(folder / "start.txt")
        images = []
        for name, image in (("fixed", fixed), ("moving", moving)):
            nib.save(image, folder / f"{name}.nii.gz")
            images.append(self._ants.image_read(str(folder / f"{name}.nii.gz")))
        try:
            with silent_library():
                found = self._ants.registration(
                    images[0],
                    images[1],
                    initial_transform=str(folder / "start.txt"),
                    outprefix=str(folder / "ants_"),
                    random_seed=1,
                    **options,
                )
        except (RuntimeError, ValueError) as error:
            raise PreprocessingError(f"ANTs failed: {error}") from None
        return [Path(name) for name in found["fwdtransforms"]]
