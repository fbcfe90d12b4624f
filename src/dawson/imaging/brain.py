"""Brain extraction behind one small interface: which voxels of a head scan are brain."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import ConfigError, MissingDependencyError, PreprocessingError

BRAIN_LIMITS_ML = (500.0, 3000.0)


class BrainExtractor(Protocol):
    """Finds the brain, ventricles and outer fluid between them included, in one whole-head scan."""

    def __call__(self, image: Any, threads: int) -> NDArray[np.bool_]:
        """Brain mask on the grid of a 3D image (T1w or FLAIR, RAS order) with that many threads."""
        ...


def brain_mask(image: Any, extractor: str = "deepbet", threads: int = 1) -> Any:
    """Brain mask of a head scan.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        Whole head, T1w or FLAIR, as `read_volume` gives it.
    extractor : str
        Name of a registered extractor.
    threads : int

    Returns
    -------
    nibabel.Nifti1Image
        uint8, on the grid of the image.

    Raises
    ------
    PreprocessingError
        No brain of a possible size was found.
    MissingDependencyError
        The extractor is not installed.
    ConfigError
        No extractor has this name.
    """
    mask = np.asarray(extractor_named(extractor)(image, threads), dtype=bool)
    mask = _largest_filled(mask)
    volume = float(mask.sum()) * abs(float(np.linalg.det(image.affine[:3, :3]))) / 1000.0
    if not BRAIN_LIMITS_ML[0] <= volume <= BRAIN_LIMITS_ML[1]:
        raise PreprocessingError(
            f"{extractor} found a brain of {volume:.0f} mL, which no adult brain has.",
            "Look at the scan: it may be cropped, not a head, or mislabelled; or choose another brain_extractor.",
        )
    return nib.Nifti1Image(mask.astype(np.uint8), image.affine)


def extracted(image: Any, brain: Any) -> Any:
    """The scan with 0 outside its brain."""
    values = np.asarray(image.dataobj, dtype=np.float32)
    return nib.Nifti1Image(np.where(np.asarray(brain.dataobj) > 0, values, np.float32(0)), image.affine)


def extractor_named(name: str) -> BrainExtractor:
    """The registered extractor of that name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in EXTRACTORS:
        raise ConfigError(f"[preprocess] brain_extractor = {name!r} is not known.", f"Choose one of {', '.join(sorted(EXTRACTORS))}.")
    return EXTRACTORS[name]


def _largest_filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(mask)
    return filled


@lru_cache(maxsize=1)
def _deepbet_model() -> Any:
    """The networks, read once a process; on the graphics card where there is one."""
    from deepbet import BrainExtraction

    return BrainExtraction()


def deepbet(image: Any, threads: int = 1) -> NDArray[np.bool_]:
    """Brain by deepbet (Fisch et al. 2024, doi:10.1016/j.compbiomed.2024.108845): a network for T1w that reads FLAIR as well."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        model = _deepbet_model()
        # run() would write the mask into the header's data type and print; the two steps inside are all that is needed
        probability = model.run_model(np.array(image.dataobj, dtype=np.float32))
        mask: NDArray[np.bool_] = np.asarray(model.postprocess(probability > 0.5), dtype=bool)
        return mask
    except (AssertionError, ValueError, IndexError):
        raise PreprocessingError("deepbet found no brain.", "Look at the scan: it may not be a head.") from None
    finally:
        torch.set_num_threads(before)


def synthstrip(image: Any, threads: int = 1) -> NDArray[np.bool_]:
    """SynthStrip (Hoopes et al. 2022) where FreeSurfer's `mri_synthstrip` is on the path."""
    return _by_command(
        image,
        "mri_synthstrip",
        lambda source, folder: (
            ["mri_synthstrip", "-i", str(source), "-m", str(folder / "mask.nii.gz"), "-t", str(threads)],
            folder / "mask.nii.gz",
        ),
        "Install FreeSurfer 7.4 or later (or the stand-alone SynthStrip) and put mri_synthstrip on the path.",
    )


def hd_bet(image: Any, threads: int = 1) -> NDArray[np.bool_]:
    """HD-BET (Isensee et al. 2019) where its command `hd-bet` is installed."""
    return _by_command(
        image,
        "hd-bet",
        lambda source, folder: (
            [
                "hd-bet",
                "-i",
                str(source),
                "-o",
                str(folder / "brain.nii.gz"),
                "--save_bet_mask",
                "--no_bet_image",
                *([] if _has_gpu() else ["-device", "cpu", "--disable_tta"]),
            ],
            folder / "brain_bet.nii.gz",
        ),
        "pip install hd-bet (it fetches its weights on first use).",
    )


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _by_command(
    image: Any,
    program: str,
    plan: Callable[[Path, Path], tuple[list[str], Path]],
    hint: str,
) -> NDArray[np.bool_]:
    if shutil.which(program) is None:
        raise MissingDependencyError(f"The program {program} is not installed.", hint)
    with tempfile.TemporaryDirectory(prefix="dawson-") as name:
        folder = Path(name)
        source = folder / "head.nii.gz"
        nib.save(image, source)
        command, mask_path = plan(source, folder)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not mask_path.exists():
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise PreprocessingError(f"{program} ended with code {done.returncode}: {lines[-1] if lines else 'no message'}.")
        found: Any = nib.load(mask_path)
        return np.asarray(np.asarray(found.dataobj) > 0.5, dtype=bool)


EXTRACTORS: dict[str, BrainExtractor] = {"deepbet": deepbet, "hd-bet": hd_bet, "synthstrip": synthstrip}
