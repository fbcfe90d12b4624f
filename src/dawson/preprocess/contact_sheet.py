"""One picture a scan: what registration made of it, with the template's outlines drawn over."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.resample import sample
from dawson.imaging.slices import channel_points
from dawson.imaging.template import template_image, template_mask, tissue_map
from dawson.imaging.volumes import read_volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXIAL_MM = (60.0, 40.0, 20.0, 0.0, -20.0)
SAGITTAL_MM, CORONAL_MM = 4.0, -22.0
_OUTLINES = (("brain", "#35c4d7", 0.9), ("white matter", "#ffd166", 0.55), ("ventricles", "#ff5d8f", 0.9))
_PIXELS = 192


def draw_contact_sheet(
    path: Path,
    title: str,
    images: Mapping[str, Path],
    figures: Mapping[str, Any],
    *,
    simulated: bool = False,
    registered: bool = True,
) -> None:
    """Draw axial, sagittal and coronal slices of a scan in template space.

    Parameters
    ----------
    path : Path
        PNG to write.
    title : str
        Name of the scan.
    images : mapping of str to Path
        Contrast to image in template space, one row of the sheet each.
    figures : mapping of str to value
        Columns of the scan's row in `preprocess.tsv`; those of fit stand under the title.
    simulated : bool
        The sheet says that its data are simulated.
    registered : bool
        False for a scan that came in template space already, which no step could fit or misfit.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    views = _views()
    # without pyplot: no global state, no window, whatever the user's backend
    figure = Figure(figsize=(2.0 * len(views), 2.0 * len(images) + 1.1), facecolor="#101418")
    canvas: Any = FigureCanvasAgg(figure)
    height = figure.get_figheight()
    top, bottom = 1.0 - 0.8 / height, 0.28 / height
    grid = figure.add_gridspec(len(images), len(views), left=0.03, right=0.998, top=top, bottom=bottom, wspace=0.02, hspace=0.02)
    outlines = _outlines()
    for line, (contrast, source) in enumerate(images.items()):
        image = read_volume(source)
        values = np.asarray(image.dataobj, dtype=np.float32)
        low, high = np.percentile(values[values != 0], [1.0, 99.7]) if np.any(values) else (0.0, 1.0)
        for place, (name, points) in enumerate(views):
            axes = figure.add_subplot(grid[line, place])
            axes.imshow(_plane(image, points), cmap="gray", vmin=min(low, 0.0), vmax=high, interpolation="bilinear")
            _draw_outlines(axes, {region: planes[place] for region, planes in outlines.items()})
            axes.set_axis_off()
            if line == 0:
                axes.set_title(name, color="#c8d0d8", fontsize=8, pad=3)
            if place == 0:
                axes.text(
                    -0.03,
                    0.5,
                    contrast,
                    transform=axes.transAxes,
                    color="white",
                    fontsize=10,
                    rotation=90,
                    ha="right",
                    va="center",
                )
                axes.text(0.02, 0.5, "R", transform=axes.transAxes, color="#c8d0d8", fontsize=7.5, va="center")
    figure.text(0.012, 1.0 - 0.23 / height, title, color="white", fontsize=13, fontweight="bold", va="center")
    caption = _caption(figures) if registered else "already in template space"
    figure.text(0.012, 1.0 - 0.49 / height, caption, color="#c8d0d8", fontsize=9, va="center")
    keys = [Line2D([], [], color=colour, linewidth=2, label=f"template {region}") for region, colour, _ in _OUTLINES]
    figure.legend(
        handles=keys,
        loc="lower right",
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor="#c8d0d8",
        bbox_to_anchor=(0.998, 0.0),
        borderpad=0.1,
    )
    note = f"{'Simulated data. ' if simulated else ''}MNI152 2009a; patient's right on the left. Research use only."
    figure.text(0.012, 0.14 / height, note, color="#8b96a1", fontsize=8, va="center")
    canvas.print_png(path, metadata={"Software": "dawson", "Title": title, "Description": f"{caption}. {note}"})


def _caption(figures: Mapping[str, Any]) -> str:
    names = {
        "wm_dice": "white-matter Dice",
        "template_correlation": "correlation with template",
        "template_mutual_information": "mutual information",
        "template_brain_dice": "brain Dice",
        "flair_t1w_overlap": "T1w-FLAIR overlap",
        "flair_t1w_information": "T1w-FLAIR information",
        "min_jacobian": "smallest Jacobian",
    }
    shown = [f"{label} {figures[name]:.3f}" for name, label in names.items() if name in figures and np.isfinite(figures[name])]
    if figures.get("warp_attempts", 1) > 1:
        shown.append(f"smoother warp (attempt {figures['warp_attempts']}), the first folded")
    if "wm_dice" not in figures:
        shown.append("registered by the FLAIR itself")
    return "   ".join(shown)


def _views() -> list[tuple[str, NDArray[np.float64]]]:
    """Name and points (rows, columns, 3) of each picture; anterior or superior up, the patient's right on the left."""
    axial = channel_points(AXIAL_MM, 192.0, _PIXELS)
    views = [(f"z = {z:g}", points) for z, points in zip(AXIAL_MM, axial, strict=True)]
    offsets = (_PIXELS - 1) / 2 - np.arange(_PIXELS)
    up, across = np.meshgrid(5.0 + offsets, offsets, indexing="ij")
    sagittal = np.stack([np.full_like(up, SAGITTAL_MM), across - 17.0, up], axis=-1)
    coronal = np.stack([across, np.full_like(up, CORONAL_MM), up], axis=-1)
    return [*views, (f"x = {SAGITTAL_MM:g} (anterior left)", sagittal), (f"y = {CORONAL_MM:g}", coronal)]


def _plane(image: Any, points: NDArray[np.float64]) -> NDArray[np.float32]:
    return sample(image, points.reshape(-1, 3)).reshape(points.shape[:2])


def _draw_outlines(axes: Axes, planes: Mapping[str, NDArray[np.float32]]) -> None:
    for region, colour, width in _OUTLINES:
        plane = planes[region]
        if plane.min() < 0.5 < plane.max():
            axes.contour(plane, levels=[0.5], colors=[colour], linewidths=width)


@lru_cache(maxsize=1)
def _outlines() -> dict[str, list[NDArray[np.float32]]]:
    """Region to its plane in each view: the same for every scan of a batch."""
    views = _views()
    return {name: [_plane(volume, points) for _, points in views] for name, volume in _regions().items()}


def _regions() -> dict[str, Any]:
    """Template maps (0 to 1) whose outlines are drawn."""
    affine = template_image().affine
    brain, grey, white = template_mask(), tissue_map("gm"), tissue_map("wm")
    fluid = np.where(brain, 1.0 - np.minimum(grey + white, 1.0), 0.0)
    # ventricles: fluid well inside the brain, so that the fluid of the sulci and cisterns stays out
    deep = ndimage.binary_erosion(brain, iterations=12)
    labels, _ = ndimage.label((fluid > 0.5) & deep)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    ventricles = np.where(ndimage.binary_dilation(np.isin(labels, np.flatnonzero(sizes > 500))), fluid, 0.0)
    maps = {"brain": brain, "white matter": white, "ventricles": ventricles}
    return {name: nib.Nifti1Image(ndimage.gaussian_filter(values.astype(np.float32), 0.7), affine) for name, values in maps.items()}
