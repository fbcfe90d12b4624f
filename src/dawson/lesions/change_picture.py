"""One picture a pair of sessions: earlier scan, later scan and their subtraction, with the changes outlined."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.files import atomic_path
from dawson.imaging.boxes import box_across
from dawson.imaging.subtraction import Subtraction
from dawson.lesions.changes import CODES, Changes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"new": "#ff3b30", "enlarging": "#ff9f0a", "shrinking": "#64d2ff", "resolved": "#0a84ff"}
"""Outline of each change; what grows is warm, what goes is cold, as in the subtraction."""

_SHOWN = 4
_APART_MM = 6.0
_Z_LIMIT = 8.0
_GREY = (-4.0, 6.0)


def draw_change(
    path: Path,
    title: str,
    sessions: tuple[str, str],
    scans: Subtraction,
    changes: Changes,
    spacing_mm: float,
    *,
    simulated: bool = False,
) -> None:
    """Draw the axial slices that show most change.

    Parameters
    ----------
    path : Path
        PNG to write.
    title : str
    sessions : pair of str
        Names of the two scans.
    scans : Subtraction
        Axes right, anterior, superior.
    changes : Changes
        On the same grid.
    spacing_mm : float
    simulated : bool
        The picture says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    levels = slices_to_show(changes.codes, scans.brain, spacing_mm)
    figure = Figure(figsize=(3 * 3.0, len(levels) * 3.5 + 0.9), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(levels), 3, squeeze=False)
    crop = box_across(scans.brain)
    for row, level in zip(axes, levels, strict=True):
        images = [(scans.first, "gray", _GREY), (scans.second, "gray", _GREY), (scans.z, "RdBu_r", (-_Z_LIMIT, _Z_LIMIT))]
        for place, (panel, (image, colours, limits)) in enumerate(zip(row, images, strict=True)):
            name = (*sessions, "subtraction (z)")[place]
            _panel(panel, image[crop][:, :, level], changes.codes[crop][:, :, level], colours, limits)
            if level == levels[0]:
                panel.set_title(name, color="white", fontsize=9)
    counts = ", ".join(f"{changes.count(name)} {name}" for name in CODES if changes.count(name))
    heading = f"{title}: {counts or 'no lesion'}"
    # on one line: a second one would lie on the names of the sessions
    figure.suptitle(("SIMULATED DATA. " if simulated else "") + heading, color="white", fontsize=10)
    lines = [Line2D([], [], color=colour, label=name) for name, colour in COLOURS.items()]
    figure.legend(handles=lines, loc="lower center", ncols=4, frameon=False, labelcolor="white", fontsize=8)
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.65 / height, bottom=0.35 / height, wspace=0.02, hspace=0.02)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, facecolor="black", metadata={"Software": None})


def slices_to_show(codes: NDArray[np.uint8], brain: NDArray[np.bool_], spacing_mm: float) -> list[int]:
    """Axial slices, from the top: those with most changed voxels, some millimetres apart; the brain's middle where nothing changed.

    Parameters
    ----------
    codes : ndarray of uint8 (x, y, z)
        Change map.
    brain : ndarray of bool (x, y, z)
    spacing_mm : float
    """
    changed = ((codes > 0) & (codes != CODES["stable"])).sum(axis=(0, 1))
    chosen: list[int] = []
    for level in np.argsort(-changed, kind="stable"):
        if changed[level] == 0 or len(chosen) == _SHOWN:
            break
        if all(abs(int(level) - other) * spacing_mm >= _APART_MM for other in chosen):
            chosen.append(int(level))
    if not chosen:
        inside = np.flatnonzero(brain.any(axis=(0, 1)))
        chosen = [int(np.median(inside))] if inside.size else [codes.shape[2] // 2]
    return sorted(chosen, reverse=True)


def _panel(panel: Axes, image: NDArray[Any], codes: NDArray[np.uint8], colours: str, limits: tuple[float, float]) -> None:
    """One slice as a radiologist sees it: anterior above, the patient's right on the left of the picture."""
    panel.imshow(image[::-1, ::-1].T, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    shown = codes[::-1, ::-1].T
    for name, colour in COLOURS.items():
        lesion = shown == CODES[name]
        if lesion.any():
            # half a voxel outside, so that the outline does not hide the lesion
            panel.contour(ndimage.binary_dilation(lesion).astype(float), [0.5], colors=[colour], linewidths=0.9)
    panel.set_axis_off()
