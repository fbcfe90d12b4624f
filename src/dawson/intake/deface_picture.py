"""The picture by which a person sees that the face is gone and the brain is there: each head before and after."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.files import atomic_path
from dawson.imaging.face import PlacedHead
from dawson.imaging.face_surface import solid_head, surface
from dawson.imaging.resample import sample

_LEVEL = 0.2
_EYES_MM = -38.0
_LINE = 120
_COLUMNS = ("front", "left", "right", "middle (x = 2)", "eyes (z = -38)", "ears (y = -22)")


@dataclass(frozen=True)
class Shown:
    """One scan of the picture.

    Parameters
    ----------
    name : str
    head : PlacedHead
        The raw scan.
    after : nibabel.Nifti1Image
        The defaced scan on the same grid.
    removed : ndarray of bool
    """

    name: str
    head: PlacedHead
    after: Any
    removed: NDArray[np.bool_]


def draw_defacing(path: Path, scans: Sequence[Shown], reason: str = "", *, simulated: bool = False) -> None:
    """Draw surfaces (front, both sides) and slices of each head before and after.

    Parameters
    ----------
    path : Path
        PNG to write.
    scans : sequence of Shown
    reason : str
        Why the session did not pass; empty where it did.
    simulated : bool
        The picture says that its data are simulated.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = 2 * len(scans)
    title = f"Not passed: {reason}" if reason else "Face removal: passed"
    lines = textwrap.wrap(title, _LINE)
    heading = 0.55 + 0.2 * len(lines)
    figure = Figure(figsize=(1.9 * len(_COLUMNS), 2.2 * rows + heading + 0.15), facecolor="#101418")
    canvas: Any = FigureCanvasAgg(figure)
    height = figure.get_figheight()
    grid = figure.add_gridspec(
        rows, len(_COLUMNS), left=0.035, right=0.998, top=1 - heading / height, bottom=0.28 / height, wspace=0.02, hspace=0.02
    )
    for number, scan in enumerate(scans):
        level = _LEVEL * _brain_level(scan.head)
        for after, image in enumerate((scan.head.image, scan.after)):
            for column, plane in enumerate([*_surfaces(image, level), *_slices(image, scan)]):
                axes = figure.add_subplot(grid[2 * number + after, column])
                axes.imshow(plane, cmap="gray", vmin=0.0, vmax=1.0, interpolation="bilinear")
                axes.set_axis_off()
                if number == after == 0:
                    axes.set_title(_COLUMNS[column], color="#c8d0d8", fontsize=8, pad=3)
                if column == 0:
                    label = f"{scan.name}\n{'after' if after else 'before'}"
                    axes.text(-0.03, 0.5, label, transform=axes.transAxes, color="white", fontsize=9, rotation=90, ha="right", va="center")
                if column >= 3 and not after:
                    axes.contour(_outline(scan)[column - 3], levels=[0.5], colors=["#ff5d8f"], linewidths=0.8)
    colour = "#ff5d8f" if reason else "white"
    figure.text(0.012, 1 - 0.15 / height, "\n".join(lines), color=colour, fontsize=11, fontweight="bold", va="top")
    note = f"{'Simulated data. ' if simulated else ''}Shows a face: keep it with the raw data. Research use only."
    figure.text(0.012, 0.13 / height, note, color="#8b96a1", fontsize=8, va="center")
    with atomic_path(path) as temporary:
        canvas.print_png(temporary, metadata={"Software": "dawson", "Description": f"{title}. {note}"})


def _brain_level(head: PlacedHead) -> float:
    return float(np.median(np.asarray(head.image.dataobj)[np.asarray(head.brain.dataobj) > 0]))


def _surfaces(image: Any, level: float) -> list[NDArray[np.float32]]:
    solid = solid_head(image, level)
    return [surface(solid, "front"), surface(solid, "left"), surface(solid, "right")]


def _planes() -> list[NDArray[np.float64]]:
    """Template points (rows, columns, 3): mid-sagittal, axial through the eyes, coronal through the ears."""
    up, ahead, across = np.arange(95.0, -150.0, -1.0), np.arange(125.0, -125.0, -1.0), np.arange(100.0, -100.0, -1.0)
    z, y = np.meshgrid(up, ahead, indexing="ij")
    sagittal = np.stack([np.full_like(y, 2.0), y, z], axis=-1)
    y, x = np.meshgrid(ahead, across, indexing="ij")
    axial = np.stack([x, y, np.full_like(y, _EYES_MM)], axis=-1)
    z, x = np.meshgrid(up, across, indexing="ij")
    return [sagittal, axial, np.stack([x, np.full_like(x, -22.0), z], axis=-1)]


def _cut(image: Any, head: PlacedHead, order: int = 1) -> list[NDArray[np.float32]]:
    return [sample(image, plane.reshape(-1, 3), [head.to_scan], order).reshape(plane.shape[:2]) for plane in _planes()]


def _slices(image: Any, scan: Shown) -> list[NDArray[np.float32]]:
    white = 1.6 * _brain_level(scan.head)
    return [np.clip(plane / white, 0.0, 1.0) for plane in _cut(image, scan.head)]


def _outline(scan: Shown) -> list[NDArray[np.float32]]:
    mask = nib.Nifti1Image(scan.removed.astype(np.float32), scan.head.image.affine)
    return _cut(mask, scan.head)
