"""Figures that describe a simulated cohort: frequencies, counts and volumes, lesion maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.imaging.template import template_image, template_mask
from dawson.report.formatting import is_number
from dawson.report.images import in_a_row
from dawson.report.style import INK, MUTED, RULE, drawing, png_uri, to_svg
from dawson.simulation.lesion_maps import LesionMap, lattice_affine

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
    from numpy.typing import NDArray

MAP_SLICES_MM = (50.0, 35.0, 20.0, 5.0, -15.0, -35.0)
REAL_COLOUR = MUTED
_WRONG = "#a3211a"
_HEAT = ((0.0, (60, 10, 110)), (0.35, (170, 30, 110)), (0.7, (240, 110, 40)), (1.0, (255, 232, 110)))
_SEEN_FROM = 0.04  # of the brightest point: fainter ones are left uncoloured


def spoken(name: str) -> str:
    """A name of the profile as a reader says it.

    Examples
    --------
    >>> spoken("dawson_finger"), spoken("u_fibre")
    ('Dawson finger', 'U fibre')
    """
    text = name.replace("_", " ")
    known = {"dawson finger": "Dawson finger", "u fibre": "U fibre", "matthews": "Matthews rule says MS", "barkhof": "Barkhof criteria met"}
    return known.get(text, text)


def row_name(row: Mapping[Any, Any]) -> str:
    """How a row of the frequency table is called."""
    return spoken(str(row["name"])) + (f", in {row['status']}" if row["status"] else "")


def frequencies_figure(rows: Sequence[Mapping[Any, Any]], name: str, colour: str) -> Markup:
    """Published shares with their intervals against simulated ones, one line each.

    Parameters
    ----------
    rows : sequence of mapping
        Of the frequency table, one class.
    name : str
        Of the class.
    colour : str
        Of the class.
    """
    with drawing(6.6, 0.95 + 0.3 * len(rows)) as figure:
        axes = figure.add_subplot()
        for line, row in enumerate(rows):
            wrong, shade = row["fits"] is False, _WRONG if row["fits"] is False else colour
            if is_number(row["published_low"]):
                axes.plot(
                    [100 * row["published_low"], 100 * row["published_high"]],
                    [line - 0.16, line - 0.16],
                    color=INK,
                    linewidth=1.2,
                    alpha=0.55,
                )
            face = "white" if row["basis"] == "assumed" else INK
            axes.plot(100 * row["published"], line - 0.16, "D", color=INK, markersize=4.2, markerfacecolor=face)
            if not is_number(row["share"]):
                continue
            axes.plot(
                [100 * row["low"], 100 * row["high"]],
                [line + 0.16] * 2,
                color=shade,
                linewidth=2.2,
                solid_capstyle="butt",
            )
            axes.plot(
                100 * row["share"],
                line + 0.16,
                "X" if wrong else "o",
                color=shade,
                markersize=7 if wrong else 5,
            )
        axes.set_yticks(range(len(rows)), [row_name(row) for row in rows])
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(MUTED if row["within"] else INK)
        axes.set(xlim=(-2, 102), ylim=(len(rows) - 0.4, -0.6), xlabel=f"{name}: share at the first scan, %")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.plot([], [], "D", color=INK, markersize=4.2, label="published")
        axes.plot([], [], "o", color=colour, markersize=5, label="simulated")
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0, handletextpad=0.2)
        return to_svg(figure, f"frequencies-{_identifier(name)}", f"Published and simulated frequencies in {name}")


def loads_figure(
    patients: pd.DataFrame,
    quantity: str,
    label: str,
    classes: Sequence[str],
    colours: Mapping[str, str],
    real: Mapping[str, Any] | None = None,
    real_name: str = "",
    published: Mapping[str, float] | None = None,
) -> Markup:
    """One quantity of every simulated patient by class; real patients only as range, quartiles and median.

    Parameters
    ----------
    patients : DataFrame
        diagnosis and the quantity.
    quantity, label : str
        Column, and how the axis calls it.
    classes : sequence of str
    colours : mapping of str to str
    real : mapping, optional
        n, min, q1, median, q3, max.
    real_name : str
        What the real row is called.
    published : mapping of str to float, optional
        Published mean of each class.
    """
    rng = np.random.default_rng(0)
    smallest = 0.01 if quantity == "volume_ml" else 1.0
    with drawing(4.4, 1.0 + 0.62 * (len(classes) + (real is not None))) as figure:
        axes = figure.add_subplot()
        names = []
        for line, name in enumerate(classes):
            values = patients.loc[patients["diagnosis"] == name, quantity].to_numpy(dtype=float)
            names.append(f"{name} (n = {len(values)})")
            height = line + rng.uniform(-0.26, 0.26, len(values))
            axes.plot(np.maximum(values, 0), height, "o", color=colours[name], markersize=3.4, alpha=0.5, markeredgewidth=0)
            if len(values):
                _box(axes, line, *np.percentile(values, [25, 50, 75]))
            mean = (published or {}).get(name)
            if is_number(mean):
                axes.plot(mean, line, "D", color=INK, markersize=5.5, markerfacecolor="white", zorder=6)
        if real is not None:
            line = len(classes)
            names.append(f"{real_name} (n = {real['n']})")
            axes.plot([real["min"], real["max"]], [line] * 2, color=REAL_COLOUR, linewidth=5, alpha=0.35, solid_capstyle="butt")
            _box(axes, line, real["q1"], real["median"], real["q3"])
        # Nought is a value here, so the axis is linear up to the smallest lesion that counts.
        axes.set_xscale("symlog", linthresh=smallest, linscale=0.5)
        axes.set_xlim(left=-0.3 * smallest)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_yticks(range(len(names)), names)
        axes.set(ylim=(len(names) - 0.45, -0.55), xlabel=label)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        return to_svg(figure, f"loads-{quantity}", f"{label} by class")


def _box(axes: Any, line: float, q1: float, median: float, q3: float) -> None:
    axes.plot([q1, q3], [line] * 2, color=INK, linewidth=1.4)
    axes.plot([median] * 2, [line - 0.3, line + 0.3], color=INK, linewidth=1.8)


def map_strip(found: LesionMap) -> Markup:
    """A lesion map over axial slices of the template in a row, as a data URI.

    Parameters
    ----------
    found : LesionMap
        Its highest share gets the brightest colour.
    """
    volume = found.smoothed()
    level = np.clip(volume / max(float(volume.max()), 1e-9), 0, 1)
    affine = lattice_affine()
    slices = []
    for height in MAP_SLICES_MM:
        index = round((height - affine[2, 3]) / affine[2, 2])
        slices.append(_coloured(_template_slice(height), _turned(np.kron(level[:, :, index], np.ones((2, 2), np.float32)))))
    return png_uri(in_a_row(np.stack(slices)), colours=128)


def colour_scale() -> Markup:
    """The colours of the maps."""
    with drawing(3.4, 0.55) as figure:
        axes = figure.add_subplot()
        axes.imshow(_heat(np.linspace(0, 1, 128))[None], aspect="auto", extent=(0, 1, 0, 1))
        axes.set_yticks([])
        axes.set_xticks([0, 1], ["no patient", "most patients of the row"])
        axes.tick_params(axis="x", length=0)
        first, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        for spine in axes.spines.values():
            spine.set_visible(False)
        return to_svg(figure, "map-scale", "Colours from no patient to the highest share of a row")


def _heat(level: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    colour = np.stack([np.interp(level, [p for p, _ in _HEAT], [c[k] for _, c in _HEAT]) for k in range(3)], axis=-1)
    return colour.astype(np.uint8)


def _template_slice(height_mm: float) -> NDArray[np.float32]:
    image: Any = template_image(1.0)
    index = round(height_mm - float(image.affine[2, 3]))
    values = np.asarray(image.dataobj[:, :, index], dtype=np.float32)
    inside = template_mask(1.0)[:, :, index]
    scaled = np.where(inside, 30 + 200 * np.clip(values / float(np.percentile(np.asarray(image.dataobj), 99.5)), 0, 1), 0)
    return _turned(scaled.astype(np.float32))


def _turned(slice_: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Anterior at the top, the patient's right on the left; cut to the brain."""
    return np.asarray(slice_[10:188, 14:222].T[::-1, ::-1], dtype=np.float32)


def _coloured(grey: NDArray[np.float32], level: NDArray[np.float32]) -> NDArray[np.uint8]:
    rows, columns = (min(a, b) for a, b in zip(grey.shape, level.shape, strict=True))
    grey, level = grey[:rows, :columns, None], level[:rows, :columns, None]
    weight = np.where(level < _SEEN_FROM, 0, 0.35 + 0.5 * np.sqrt(level)) * (grey > 0)
    return np.asarray((1 - weight) * grey + weight * _heat(level[..., 0]), dtype=np.uint8)


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
