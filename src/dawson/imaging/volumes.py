"""Read a 3D volume from a file, in one orientation, or say what is wrong with it."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.errors import ImageError

SPACING_LIMITS_MM = (0.2, 10.0)
FIELD_OF_VIEW_LIMITS_MM = (100.0, 400.0)

_AGAIN = "Copy or convert it again from the original."


def read_volume(path: Path | str) -> Any:
    """Read a head scan.

    Parameters
    ----------
    path : Path or str
        NIfTI (or any format that nibabel reads), 3D; a fourth axis of length 1 is dropped.

    Returns
    -------
    nibabel.Nifti1Image
        float32, finite, axes in the order and direction closest to right, anterior, superior (RAS); the affine still
        says exactly where each voxel is, oblique or not.

    Raises
    ------
    ImageError
        The file is missing, truncated, no image, not 3D, has NaN or infinite values, is empty, has no orientation, or a
        voxel size or field of view that no head scan has. The first problem is told; `volume_problems` lists all.
    """
    path = Path(path)
    image, problems = _inspect(path)
    if problems:
        raise ImageError(path, problems[0][0] + ".", problems[0][1])
    return image


def volume_problems(path: Path | str) -> list[tuple[str, str]]:
    """Everything that is wrong with a head scan's file.

    Returns
    -------
    list of (str, str)
        Problem (the end of the sentence "FILE ...") and fix; empty for a sound file.
    """
    return _inspect(Path(path))[1]


def content_hash(path: Path | str) -> str:
    """SHA-256 of the voxel values, which stays the same when a file is compressed, reoriented or stored anew.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    str
        Hexadecimal digest of the shape and the float32 values in RAS order; neither header nor affine enter, so that a
        copy under another person's name is found even when its header was edited.

    Raises
    ------
    ImageError
        The file cannot be read at all.
    """
    path = Path(path)
    image = _load(path)
    values = np.asarray(_canonical(image, _values(path, image)).dataobj, dtype=np.float32)
    digest = hashlib.sha256(repr(values.shape).encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _inspect(path: Path) -> tuple[Any, list[tuple[str, str]]]:
    """The canonical image (None where it cannot be made) and all problems."""
    try:
        image = _load(path)
        values = _values(path, image)
    except ImageError as error:
        return None, [(error.problem.removesuffix("."), error.fix)]
    problems = _geometry_problems(image, values.shape)
    finite = np.isfinite(values)
    if not finite.all():
        share = 100.0 * (1.0 - float(finite.mean()))
        problems.append((f"has NaN or infinite values in {share:.2g} % of its voxels", "Replace them, or convert it again."))
    if values.size == 0 or not finite.any() or not np.any(values[finite]):
        problems.append(("is empty: every voxel is zero", _AGAIN))
    elif float(np.ptp(values[finite])) == 0.0:
        problems.append((f"is empty: every voxel is {float(values[finite][0]):g}", _AGAIN))
    if problems:
        return None, problems
    return _canonical(image, values), []


def _load(path: Path) -> Any:
    if not path.exists():
        raise ImageError(path, "does not exist.", "Check the path, or that the link it is points to a file.")
    if path.is_dir():
        raise ImageError(path, "is a folder, not an image.", "Name the image file itself.")
    if path.stat().st_size == 0:
        raise ImageError(path, "is an empty file (0 bytes).", _AGAIN)
    try:
        return nib.load(path)
    except EOFError:
        raise ImageError(path, "is truncated: it ends inside its header.", _AGAIN) from None
    except PermissionError:
        raise ImageError(path, "may not be read (permission denied).", "Ask its owner for read access.") from None
    except Exception:
        raise ImageError(path, "is no image file that can be read (not NIfTI).", "Put the NIfTI image there.") from None


def _values(path: Path, image: Any) -> NDArray[np.float32]:
    """All voxel values; 3D unless more than one volume is in the file."""
    kind = image.get_data_dtype()
    if kind.fields is not None or kind.kind == "c":
        raise ImageError(path, f"holds colours or complex numbers ({kind}), not intensities.", "Export the magnitude image.")
    try:
        # float64 between, since slope and intercept of an int16 file may need more than float32 keeps
        values = np.asarray(image.dataobj, dtype=np.float64).astype(np.float32)
    except (EOFError, OSError, ValueError, OverflowError, MemoryError, zlib.error) as error:
        if isinstance(error, PermissionError):
            raise ImageError(path, "may not be read (permission denied).", "Ask its owner for read access.") from None
        raise ImageError(path, "is truncated or damaged: fewer voxels can be read than its header says.", _AGAIN) from None
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    return values


def _geometry_problems(image: Any, shape: tuple[int, ...]) -> list[tuple[str, str]]:
    if len(shape) != 3:
        size = " x ".join(map(str, shape))
        return [(f"has {len(shape)} dimensions ({size}) where 3 are due", "Give one 3D volume; split a series into its volumes.")]
    problems: list[tuple[str, str]] = []
    affine = np.asarray(image.affine, dtype=np.float64)
    header = image.header
    coded = not hasattr(header, "get_sform") or header["sform_code"] > 0 or header["qform_code"] > 0
    if not coded:
        problems.append(
            (
                "has no orientation (sform and qform codes are 0), so left and right are unknown",
                "Convert it again from DICOM, or set the orientation where it is known.",
            )
        )
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        problems.append(("has an affine that maps the volume onto nothing (singular)", _AGAIN))
        return problems
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    sizes = " x ".join(f"{size:.3g}" for size in spacing)
    if spacing.min() < SPACING_LIMITS_MM[0] or spacing.max() > SPACING_LIMITS_MM[1]:
        problems.append(
            (
                f"has voxels of {sizes} mm, outside {SPACING_LIMITS_MM[0]:g} to {SPACING_LIMITS_MM[1]:g} mm",
                "Correct the voxel size in its header (units are mm).",
            )
        )
    extent = spacing * np.asarray(shape)
    if extent.min() < FIELD_OF_VIEW_LIMITS_MM[0] or extent.max() > FIELD_OF_VIEW_LIMITS_MM[1]:
        extents = " x ".join(f"{size:.0f}" for size in extent)
        problems.append(
            (
                f"has a field of view of {extents} mm, outside {FIELD_OF_VIEW_LIMITS_MM[0]:g} to {FIELD_OF_VIEW_LIMITS_MM[1]:g} mm",
                "Give a scan of the whole brain, or correct its voxel size.",
            )
        )
    return problems


def _canonical(image: Any, values: NDArray[np.float32]) -> Any:
    affine = np.asarray(image.affine, dtype=np.float64)
    if values.ndim < 3 or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        return nib.Nifti1Image(values.reshape(values.shape + (1,) * (3 - values.ndim)), np.eye(4))
    canonical = nib.as_closest_canonical(nib.Nifti1Image(values, affine))
    # a plain header: the slope, units and description of the original belong to its own storage
    return nib.Nifti1Image(np.ascontiguousarray(canonical.dataobj, dtype=np.float32), canonical.affine)
