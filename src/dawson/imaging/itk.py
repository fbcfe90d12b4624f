"""Images and affines between nibabel's world (right, anterior, superior) and ITK's (left, posterior, superior).

This is the only module that knows of ITK's convention: everything else in Dawson counts in RAS millimetres.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.errors import PreprocessingError

# the same matrix turns RAS into LPS and back
RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ORTHOGONAL = 1e-3


def to_itk(image: Any, dtype: Any = np.float32) -> Any:
    """A 3D nibabel image as a SimpleITK image at the same place in the world.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        3D, with axes at right angles (oblique or not).
    dtype : numpy dtype

    Returns
    -------
    SimpleITK.Image

    Raises
    ------
    PreprocessingError
        The axes are not at right angles: ITK cannot hold a sheared grid, so that the image must be resampled first.
    """
    import SimpleITK

    spacing, direction, origin = itk_geometry(image.affine)
    # ITK counts the fastest axis first, numpy last
    result = SimpleITK.GetImageFromArray(np.ascontiguousarray(np.asarray(image.dataobj, dtype=dtype).T))
    result.SetSpacing(spacing)
    result.SetDirection(direction)
    result.SetOrigin(origin)
    return result


def from_itk(image: Any) -> Any:
    """A 3D SimpleITK image as a nibabel image at the same place in the world."""
    import SimpleITK

    return nib.Nifti1Image(np.ascontiguousarray(SimpleITK.GetArrayFromImage(image).T), itk_affine(image))


def itk_affine(image: Any) -> NDArray[np.float64]:
    """Affine (4, 4) from voxel indices to RAS millimetres of a SimpleITK image."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    result: NDArray[np.float64] = RAS_LPS @ affine
    return result


def itk_geometry(affine: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Spacing (3), direction (9, row by row) and origin (3) in LPS of a RAS affine.

    Raises
    ------
    PreprocessingError
        The axes are not at right angles.
    """
    lps = RAS_LPS @ np.asarray(affine, dtype=np.float64)
    spacing = np.sqrt((lps[:3, :3] ** 2).sum(axis=0))
    direction = lps[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > _ORTHOGONAL:
        raise PreprocessingError("The image's axes are not at right angles (sheared affine).", "Resample it onto a straight grid first.")
    # header values are float32: the nearest exact rotation, by polar decomposition, as ITK insists on one
    left, _, right = np.linalg.svd(direction)
    return tuple(spacing.tolist()), tuple((left @ right).ravel().tolist()), tuple(lps[:3, 3].tolist())


def field_to_ras(field: Any) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Displacements of a SimpleITK vector image (LPS mm) as an array (i, j, k, 3) in RAS mm, with its affine."""
    import SimpleITK

    lps = np.asarray(SimpleITK.GetArrayFromImage(field), dtype=np.float32).transpose(2, 1, 0, 3)
    return np.ascontiguousarray(lps * np.asarray([-1, -1, 1], dtype=np.float32)), itk_affine(field)


def euler_transform(matrix: NDArray[np.float64], centre: NDArray[np.float64]) -> Any:
    """The rotation and shift of a RAS point transform (4, 4) as a SimpleITK Euler3DTransform that turns about a centre (3, RAS mm).

    A matrix that is not quite rigid gives the nearest rotation.
    """
    import SimpleITK

    lps, about = RAS_LPS @ matrix @ RAS_LPS, RAS_LPS[:3, :3] @ centre
    left, _, right = np.linalg.svd(lps[:3, :3])
    rotation = left @ right
    transform = SimpleITK.Euler3DTransform()
    transform.SetCenter(about.tolist())
    transform.SetMatrix(rotation.ravel().tolist())
    # ITK turns about a centre: y = A (x - c) + c + t; the centre goes where the whole matrix takes it
    transform.SetTranslation((lps[:3, :3] @ about + lps[:3, 3] - about).tolist())
    return transform


def point_transform(transform: Any) -> NDArray[np.float64]:
    """RAS point transform (4, 4) of a SimpleITK transform with matrix, centre and translation."""
    centre = np.asarray(transform.GetCenter())
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    lps[:3, 3] = np.asarray(transform.GetTranslation()) + centre - lps[:3, :3] @ centre
    result: NDArray[np.float64] = RAS_LPS @ lps @ RAS_LPS
    return result


def write_itk_affine(path: Path, matrix: NDArray[np.float64]) -> None:
    """Write a RAS point transform (4, 4) as an ITK text file, which ANTs, greedy, 3D Slicer and ITK-SNAP read."""
    lps = RAS_LPS @ matrix @ RAS_LPS
    numbers = " ".join(repr(float(value)) for value in [*lps[:3, :3].ravel(), *lps[:3, 3]])
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0\n",
        encoding="ascii",
    )


def read_itk_affine(path: Path) -> NDArray[np.float64]:
    """Read an ITK text affine as a RAS point transform (4, 4).

    Raises
    ------
    PreprocessingError
        The file holds no affine.
    """
    fields: dict[str, list[float]] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        name, _, numbers = line.partition(":")
        if name in ("Parameters", "FixedParameters"):
            fields[name] = [float(number) for number in numbers.split()]
    if len(fields.get("Parameters", [])) != 12:
        raise PreprocessingError(f"{path} holds no ITK affine transform.", "Delete it; it will be made again.")
    centre = np.asarray(fields.get("FixedParameters", [0.0, 0.0, 0.0]))
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(fields["Parameters"][:9], (3, 3))
    # ITK turns about a centre: y = A (x - c) + c + t
    lps[:3, 3] = np.asarray(fields["Parameters"][9:]) + centre - lps[:3, :3] @ centre
    result: NDArray[np.float64] = RAS_LPS @ lps @ RAS_LPS
    return result
