"""Pictures of measured lesions: one of a scan with its outlines and counts, one of a whole study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.files import atomic_path
from dawson.imaging.boxes import box_across
from dawson.imaging.lesion_instances import lesion_instances

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from dawson.imaging.lesion_features import LesionFeatures

COLOURS = {
    "periventricular": "#ff5d8f",
    "juxtacortical": "#ffd166",
    "infratentorial": "#35c4d7",
    "callosal": "#c77dff",
    "elsewhere": "#7ae582",
}
"""Outline of a lesion by where it lies; of several places the first that holds counts."""

_ORDER = ("infratentorial", "callosal", "periventricular", "juxtacortical")
_SLICES = 10
_APART_MM = 5.0
_INK, _PALE, _GROUND = "white", "#c8d0d8", "#101418"


def place_of(lesion: LesionFeatures) -> str:
    """The key of `COLOURS` of a lesion; callosal before periventricular, since a callosal lesion touches the ventricle too."""
    return next((name for name in _ORDER if getattr(lesion, name)), "elsewhere")


def draw_lesions(
    path: Path,
    title: str,
    flair: Any,
    mask: NDArray[np.bool_],
    lesions: Sequence[LesionFeatures],
    notes: Sequence[str] = (),
    *,
    simulated: bool = False,
) -> None:
    """Draw the axial slices of a scan that show most lesion, outlined by place, with a table of counts and volumes.

    Parameters
    ----------
    path : Path
        PNG to write.
    title : str
    flair : nibabel.Nifti1Image
        In template space, axes right, anterior, superior.
    mask : ndarray of bool (x, y, z)
        On its grid.
    lesions : sequence of LesionFeatures
        Of that mask, numbered as `lesion_instances` does.
    notes : sequence of str
        Lines under the table, such as what rules say.
    simulated : bool
        The picture says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values = np.asarray(flair.dataobj, dtype=np.float32)
    numbers = lesion_instances(mask)
    places = np.zeros(int(numbers.max(initial=0)) + 1, dtype=np.uint8)
    for lesion in lesions:
        places[lesion.number] = list(COLOURS).index(place_of(lesion)) + 1
    where = places[numbers]
    spacing = float(np.linalg.norm(flair.affine[:3, 2]))
    levels = slices_to_show(mask, values > 0, spacing)
    low, high = np.percentile(values[values > 0], (1, 99.7)) if (values > 0).any() else (0.0, 1.0)
    box = box_across(values > 0)
    figure = Figure(figsize=(15.0, 6.6), facecolor=_GROUND)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 7, left=0.005, right=0.995, top=0.91, bottom=0.045, wspace=0.02, hspace=0.06)
    for place, level in enumerate(levels):
        axes = figure.add_subplot(grid[place // 5, place % 5])
        _slice(axes, values[box][:, :, level], where[box][:, :, level], (float(min(low, 0)), float(high)))
        height = float((flair.affine @ [0, 0, level, 1])[2])
        axes.set_title(f"z = {height:.0f} mm", color=_PALE, fontsize=8, pad=2)
    _counts(figure.add_subplot(grid[:, 5:]), lesions, notes)
    figure.text(0.008, 0.955, title, color=_INK, fontsize=13, fontweight="bold", va="center")
    note = f"{'Simulated data. ' if simulated else ''}FLAIR in template space; patient's right on the left. Research use only."
    figure.text(0.008, 0.02, note, color=_PALE, fontsize=8, va="center")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100, facecolor=_GROUND, metadata={"Software": "dawson", "Title": title, "Description": note})


def slices_to_show(mask: NDArray[np.bool_], brain: NDArray[np.bool_], spacing_mm: float) -> list[int]:
    """Up to ten axial slices from the top, those with most lesion first chosen, some millimetres apart; then even ones to fill up.

    Parameters
    ----------
    mask, brain : ndarray of bool (x, y, z)
    spacing_mm : float
        Between slices.
    """
    amount = mask.sum(axis=(0, 1))
    inside = np.flatnonzero(brain.any(axis=(0, 1)))
    if not inside.size:
        return [mask.shape[2] // 2]
    even = inside[(np.linspace(0.15, 0.85, _SLICES) * (inside.size - 1)).astype(int)]
    wanted = [int(level) for level in np.argsort(-amount, kind="stable") if amount[level]] + [int(level) for level in even]
    chosen: list[int] = []
    for level in wanted:
        if len(chosen) < _SLICES and all(abs(level - other) * spacing_mm >= _APART_MM for other in chosen):
            chosen.append(level)
    return sorted(chosen, reverse=True)


def draw_study(path: Path, table: pd.DataFrame, group: pd.Series | None = None, *, simulated: bool = False) -> None:
    """Draw how lesion counts, lesion volumes and brain fractions are spread over the scans of a study.

    Parameters
    ----------
    path : Path
        PNG to write.
    table : DataFrame
        Rows of `lesions.tsv`, of one maker a scan.
    group : Series, optional
        What to tell scans apart by, such as the diagnosis, in the order of the rows.
    simulated : bool
        The picture says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    done = (table["status"] == "done").to_numpy()
    groups = np.asarray(group, dtype=object) if group is not None else np.full(len(table), "all scans", dtype=object)
    # lesions have a long tail: a square root keeps both ends and the zeros
    panels = [
        ("lesions", "Lesions", True),
        ("total_ml", "Lesion volume, mL (template space)", True),
        ("bpf", "Brain parenchymal fraction", False),
    ]
    figure = Figure(figsize=(12.0, 3.8), facecolor="white")
    FigureCanvasAgg(figure)
    names = sorted({str(name) for name in groups[done]})
    rng = np.random.default_rng(0)
    for axes, (column, label, root) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for place, name in enumerate(names):
            own = table.loc[done & (groups == name), column].astype(float).dropna().to_numpy()
            if not own.size:
                continue
            axes.scatter(place + rng.uniform(-0.16, 0.16, own.size), own, s=9, alpha=0.55, color=f"C{place}", linewidths=0)
            axes.boxplot(own, positions=[place], widths=0.5, showfliers=False, medianprops={"color": "black"})
        if root:
            axes.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), lambda v: np.square(v)))
            axes.set_ylim(bottom=0)
        counts = [int((done & (groups == name)).sum()) for name in names]
        axes.set_xticks(range(len(names)), [f"{name}\n{count} scans" for name, count in zip(names, counts, strict=True)])
        axes.set_title(label, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    makers = ", ".join(sorted({str(maker) for maker in table.loc[done, "maker"]})) or "nobody"
    note = f"{'Simulated data. ' if simulated else ''}Masks by {makers}. Box: quartiles; each point one scan. Research use only."
    figure.text(0.01, 0.02, note, fontsize=8, color="#555555")
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": "dawson", "Description": note})


def _slice(axes: Axes, image: NDArray[np.float32], places: NDArray[np.uint8], limits: tuple[float, float]) -> None:
    """One slice as a radiologist sees it: anterior above, the patient's right on the left of the picture."""
    axes.imshow(image[::-1, ::-1].T, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="bilinear")
    shown = places[::-1, ::-1].T
    for number, colour in enumerate(COLOURS.values(), start=1):
        if (shown == number).any():
            # half a voxel outside, so that the outline does not hide the lesion
            axes.contour(ndimage.binary_dilation(shown == number).astype(float), [0.5], colors=[colour], linewidths=0.8)
    axes.set_axis_off()


def _counts(axes: Axes, lesions: Sequence[LesionFeatures], notes: Sequence[str]) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    line = 0.97
    for text, place, align in (("outlined by place", 0.12, "left"), ("lesions", 0.74, "right"), ("mL", 0.97, "right")):
        axes.text(place, line, text, color=_PALE, fontsize=9, ha=align, va="top")
    found = [(name, [lesion for lesion in lesions if place_of(lesion) == name]) for name in COLOURS]
    for name, own in [*found, ("all", list(lesions))]:
        line -= 0.065
        colour = COLOURS.get(name)
        if colour:
            axes.plot([0.03, 0.09], [line - 0.015] * 2, color=colour, linewidth=2.5)
        axes.text(0.12, line, name, color=_INK, fontsize=10, va="top")
        axes.text(0.74, line, str(len(own)), color=_INK, fontsize=10, ha="right", va="top")
        axes.text(0.97, line, f"{sum(lesion.volume_ml for lesion in own):.2f}", color=_INK, fontsize=10, ha="right", va="top")
    line -= 0.05
    for note in notes:
        line -= 0.055
        axes.text(0.03, line, note, color=_PALE, fontsize=9, va="top")
