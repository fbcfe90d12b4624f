"""A picture of raters: their outlines on one slice beside the consensus and the map of votes, the worst-agreeing scans first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, DawsonError
from dawson.files import atomic_path, read_tsv
from dawson.lesions.consensus import MASK
from dawson.lesions.rater_masks import any_simulated, find_rater_masks, read_mask, spacing_of
from dawson.lesions.raters import SCANS_TABLE
from dawson.preprocess.names import preprocessed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "raters.png"

# Okabe and Ito's colours, those that stand out from grey first
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")
_CONSENSUS = "#ffffff"
_LEAST_MM, _AROUND_MM = 90.0, 14.0
_BACKGROUND, _PALE, _FAINT = "#101418", "#c8d0d8", "#8b96a1"


@dataclass(frozen=True, eq=False)
class RatedSlice:
    """What is shown of one scan, in rows and columns of the picture: anterior up, the patient's right on the left.

    Parameters
    ----------
    title : str
    flair : ndarray (rows, columns) or None
        None where no image lies on the masks' grid.
    masks : dict of str to ndarray of bool (rows, columns)
        By rater.
    consensus : ndarray of bool (rows, columns) or None
    pixel_mm : (float, float)
        Down and across.
    """

    title: str
    flair: NDArray[np.float32] | None
    masks: dict[str, NDArray[np.bool_]]
    consensus: NDArray[np.bool_] | None
    pixel_mm: tuple[float, float]


def draw_raters(scans: Sequence[Scan], roots: Sequence[Path], derivatives: Path, most: int = 4) -> Path:
    """Draw the scans on which raters agree least, after `rate_raters` has compared them.

    Parameters
    ----------
    scans : sequence of Scan
    roots : sequence of Path
        Derivative datasets with the raters' masks.
    derivatives : Path
        Holds `rater_scans.tsv` and, where it was made, the consensus; `raters.png` goes there.
    most : int
        Scans at most.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    CohortError
        The raters have not been compared, or none of their scans can be shown.
    """
    table_path = derivatives / SCANS_TABLE
    if not table_path.is_file():
        raise CohortError(f"{table_path} is missing.", "Compare the raters first.")
    table = read_tsv(table_path)
    known = {(scan.participant_id, scan.session_id): scan for scan in scans}
    order = table.groupby(["participant_id", "session_id"])["dice"].mean().sort_values(kind="stable")
    shown: list[RatedSlice] = []
    simulated = False
    for key, dice in order.items():
        scan = known.get((str(key[0]), str(key[1]))) if isinstance(key, tuple) else None
        if scan is None or len(shown) == most:
            continue
        try:
            shown.append(rated_slice(scan, roots, derivatives, float(dice)))
        except DawsonError:
            # a scan that can no longer be read is left out: the table of raters says why
            continue
        simulated |= any_simulated(list(find_rater_masks(scan, roots).first.values()))
    if not shown:
        raise CohortError("No scan of the raters can be shown.", "Check that their masks are still there.")
    path = derivatives / PICTURE
    with atomic_path(path) as temporary:
        draw_slices(temporary, shown, simulated=simulated)
    return path


def rated_slice(scan: Scan, roots: Sequence[Path], derivatives: Path, dice: float) -> RatedSlice:
    """The axial slice of a scan with the most voxels on which raters differ.

    Parameters
    ----------
    dice : float
        Mean Dice of the raters with the others' consensus, for the title.

    Raises
    ------
    ImageError
        A mask cannot be read.
    """
    found = find_rater_masks(scan, roots).first
    masks: dict[str, NDArray[np.bool_]] = {}
    affine = np.eye(4)
    for rater, path in found.items():
        values, affine = read_mask(path)
        masks[rater] = _canonical(values.astype(np.uint8), affine)[0] > 0
    votes = np.sum(list(masks.values()), axis=0)
    differ = ((votes > 0) & (votes < len(masks))).sum(axis=(0, 1))
    level = int(differ.argmax() if differ.any() else votes.sum(axis=(0, 1)).argmax())
    flair = _flair(scan, roots, votes.shape, affine)
    agreed_path = scan.derivative(derivatives, MASK)
    agreed = None
    if agreed_path.is_file():
        values, own = read_mask(agreed_path)
        agreed = _canonical(values.astype(np.uint8), own)[0] > 0
    spacing = spacing_of(_canonical(np.zeros(votes.shape, np.uint8), affine)[1])
    box = _window(votes[..., level] > 0, spacing)

    def plane(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values[..., level][box].T[::-1, ::-1])

    height = float((_canonical(np.zeros(votes.shape, np.uint8), affine)[1] @ [0, 0, level, 1])[2])
    return RatedSlice(
        title=f"{scan.entities}, z = {height:.0f} mm: mean Dice with the others {dice:.2f}",
        flair=None if flair is None else plane(flair),
        masks={rater: plane(mask) for rater, mask in masks.items()},
        consensus=None if agreed is None else plane(agreed),
        pixel_mm=(spacing[1], spacing[0]),
    )


def draw_slices(path: Path, shown: Sequence[RatedSlice], *, simulated: bool = False) -> None:
    """Draw slices to a PNG: the scan, the raters' outlines, the consensus, the share of raters who marked each voxel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    raters = sorted({rater for one in shown for rater in one.masks})
    colours = {rater: COLOURS[number % len(COLOURS)] for number, rater in enumerate(raters)}
    heads = ("FLAIR", "raters", "consensus", "share of raters")
    # without pyplot: no global state, no window, whatever the user's backend
    figure = Figure(figsize=(11.2, 2.95 * len(shown) + 0.9), facecolor=_BACKGROUND)
    canvas: Any = FigureCanvasAgg(figure)
    height = figure.get_figheight()
    grid = figure.add_gridspec(len(shown), 4, left=0.01, right=0.93, top=1 - 0.62 / height, bottom=0.36 / height, wspace=0.03, hspace=0.16)
    for line, one in enumerate(shown):
        places = [figure.add_subplot(grid[line, column]) for column in range(4)]
        aspect = one.pixel_mm[0] / one.pixel_mm[1]
        for axes, head in zip(places, heads, strict=True):
            axes.set_axis_off()
            _show(axes, one, aspect)
            if line == 0:
                axes.text(0.5, 1.15, head, transform=axes.transAxes, color="white", fontsize=10, ha="center")
        places[0].text(0.0, 1.04, one.title, transform=places[0].transAxes, color=_PALE, fontsize=8.5)
        for rater, mask in one.masks.items():
            _outline(places[1], mask, colours[rater], 1.1)
        if one.consensus is None:
            places[2].text(0.5, 0.5, "not made", transform=places[2].transAxes, color=_PALE, ha="center", fontsize=9)
        else:
            _outline(places[2], one.consensus, _CONSENSUS, 1.3)
        share = np.mean(list(one.masks.values()), axis=0)
        places[3].imshow(np.ma.masked_equal(share, 0), cmap="cool", vmin=0, vmax=1, alpha=0.9, aspect=aspect, interpolation="nearest")
    bar = figure.colorbar(
        ScalarMappable(cmap="cool"), cax=figure.add_axes((0.945, 0.36 / height + 0.02, 0.011, 1 - 1.1 / height)), ticks=[0, 0.5, 1]
    )
    bar.ax.tick_params(colors=_PALE, labelsize=8)
    bar.outline.set_visible(False)
    keys = [Line2D([], [], color=colour, linewidth=2, label=rater) for rater, colour in colours.items()]
    figure.legend(handles=keys, loc="lower right", ncols=len(keys), frameon=False, fontsize=8.5, labelcolor=_PALE, borderpad=0.1)
    note = f"{'Simulated raters. ' if simulated else ''}Patient's right on the left. Research use only."
    figure.text(0.01, 0.13 / height, note, color=_FAINT, fontsize=8, va="center")
    canvas.print_png(path, metadata={"Software": "dawson", "Title": "Raters", "Description": note})


def _show(axes: Axes, one: RatedSlice, aspect: float) -> None:
    if one.flair is None:
        axes.imshow(np.zeros(next(iter(one.masks.values())).shape), cmap="gray", vmin=0, vmax=1, aspect=aspect)
        return
    inside = one.flair[one.flair > 0]
    high = float(np.percentile(inside, 99.7)) if inside.size else 1.0
    axes.imshow(one.flair, cmap="gray", vmin=0, vmax=high, aspect=aspect, interpolation="nearest")


def _outline(axes: Axes, mask: NDArray[np.bool_], colour: str, width: float) -> None:
    """The edges of the voxels of a mask, so that outlines of single voxels are seen as drawn."""
    from matplotlib.collections import LineCollection

    padded = np.pad(mask, 1)
    lines = []
    for row, column in np.argwhere(padded[1:, :] != padded[:-1, :]):
        lines.append([(column - 1.5, row - 0.5), (column - 0.5, row - 0.5)])
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        lines.append([(column - 0.5, row - 1.5), (column - 0.5, row - 0.5)])
    axes.add_collection(LineCollection(lines, colors=[colour], linewidths=width))


def _window(marked: NDArray[np.bool_], spacing: tuple[float, float, float]) -> tuple[slice, slice]:
    """The part of a slice that holds all marks, with what lies around them; a square as far as the image reaches."""
    edges = []
    for axis in (0, 1):
        held = np.flatnonzero(marked.any(axis=1 - axis))
        edges.append((int(held[0]), int(held[-1]) + 1) if held.size else (0, marked.shape[axis]))
    size_mm = max(_LEAST_MM, *((high - low) * spacing[axis] + 2 * _AROUND_MM for axis, (low, high) in enumerate(edges)))
    window = []
    for axis, (low, high) in enumerate(edges):
        size = int(np.ceil(size_mm / spacing[axis]))
        start = int(np.clip((low + high) // 2 - size // 2, 0, max(0, marked.shape[axis] - size)))
        window.append(slice(start, min(marked.shape[axis], start + size)))
    return window[0], window[1]


def _flair(scan: Scan, roots: Sequence[Path], shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """FLAIR on the masks' grid: the preprocessed one, or the scan's own where it lies in template space already."""
    paths = [scan.derivative(root, preprocessed("FLAIR")) for root in roots]
    for path in [*paths, *([scan.flair] if scan.flair else [])]:
        if not path.is_file():
            continue
        image: Any = nib.load(path)
        values, own = _canonical(np.asarray(image.dataobj, dtype=np.float32), image.affine)
        if values.shape == shape and np.allclose(own, _canonical(np.zeros(shape, np.uint8), affine)[1], atol=1e-3):
            return values
    return None


def _canonical(values: NDArray[Any], affine: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    image: Any = nib.as_closest_canonical(nib.Nifti1Image(values, affine))
    return np.asarray(image.dataobj), np.asarray(image.affine, dtype=np.float64)
