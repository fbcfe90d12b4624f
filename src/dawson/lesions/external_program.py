"""Another group's segmentation program: found on PATH, run in a folder of its own, its answer read back onto our grid."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.errors import ImageError, MissingDependencyError, ModelError
from dawson.imaging.resample import resample
from dawson.parallel import cores

_LAST_LINES = 8


def find_program(name: str, title: str, install: str) -> str:
    """Where a program lies.

    Parameters
    ----------
    name : str
        As typed.
    title : str
        What its authors call it.
    install : str
        How to get it.

    Raises
    ------
    MissingDependencyError
        It is not on PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise MissingDependencyError(f"{title} is not installed: there is no `{name}` on PATH.", install)
    return found


def run_program(command: Sequence[str], title: str, folder: Path, hours: float = 2.0) -> None:
    """Run a program in a folder and wait for it.

    Parameters
    ----------
    command : sequence of str
    title : str
    folder : Path
        Its working folder.
    hours : float
        It is ended after that.

    Raises
    ------
    ModelError
        It ended with an error, or did not end; its last lines are told.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=3600 * hours, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{title} did not end within {hours:g} hours.", "Run it by hand on this scan to see why.") from None
    except OSError as error:
        raise ModelError(f"{title} cannot be started ({error.strerror}).", f"Check that `{command[0]} --help` runs.") from None
    if done.returncode != 0:
        said = " / ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-_LAST_LINES:])
        raise ModelError(f"{title} ended with error {done.returncode}: {said}", f"Check that `{command[0]} --help` runs.")


def save_brain(image: Any, brain: NDArray[np.bool_], path: Path) -> Path:
    """Write an image for such a program: brain only, a header that says nothing but the grid."""
    values = np.where(brain, np.asarray(image.dataobj, dtype=np.float32), np.float32(0))
    written = nib.Nifti1Image(values, image.affine)
    # some programs read the one, some the other
    written.set_qform(image.affine, 1)
    written.set_sform(image.affine, 1)
    nib.save(written, path)
    return path


def read_answer(path: Path, title: str, like: Any, order: int = 0) -> NDArray[np.float32]:
    """A program's result on the grid of an image.

    Parameters
    ----------
    path : Path
    title : str
    like : nibabel.Nifti1Image
    order : {0, 1}
        Nearest for labels, linear for probabilities; only where the grids differ.

    Raises
    ------
    ModelError
        The program left no such file.
    ImageError
        It cannot be read.
    """
    if not path.is_file():
        raise ModelError(f"{title} ended without its result {path.name}.", "Its version may be another than the one Dawson knows.")
    try:
        found: Any = nib.load(path)
        values = np.asarray(found.dataobj, dtype=np.float32)
    except Exception:
        raise ImageError(path, f"was written by {title} and cannot be read.", "Run it by hand on this scan.") from None
    if found.shape == like.shape and np.allclose(found.affine, like.affine, atol=1e-3):
        return values
    moved = resample(nib.Nifti1Image(values, found.affine), like.shape, like.affine, [], order)
    return np.asarray(moved.dataobj, dtype=np.float32)


def threads_given(threads: int) -> int:
    """Threads for a program, one a core at most."""
    return max(1, min(threads, cores()))
