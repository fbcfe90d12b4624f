"""SVG that stands alone: what the page's style sheet and captions give a figure is written into the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from dawson.report.images import slice_names
from dawson.report.style import INK, PALETTE, RULE, drawing, open_svg, to_svg

if TYPE_CHECKING:
    from dawson.report.gallery import Case, Contribution, Example

SIMULATED = "Simulated patients"
_STRIP_WIDTH, _MARGIN = 640.0, 8.0


def standalone(svg: str, simulated: bool) -> str:
    """An SVG element of a page as the content of a file: namespace, size, white ground, and that patients are simulated.

    Parameters
    ----------
    svg : str
        With a viewBox.
    simulated : bool
        Written above the figure where the figure does not say so itself.
    """
    opening = re.match(r"<svg\b[^>]*>", svg)
    box = re.search(r'viewBox="([^"]+)"', opening.group(0)) if opening else None
    if opening is None or box is None:
        raise ValueError("no SVG element with a viewBox")
    left, top, width, height = (float(value) for value in box.group(1).split())
    above = 20.0 if simulated and "simulated" not in svg.lower() else 0.0
    attributes = re.sub(r'\s(width|height|viewBox|xmlns|class)="[^"]*"', "", opening.group(0))[len("<svg") : -1]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height + above:g}" '
        f'viewBox="{left:g} {top - above:g} {width:g} {height + above:g}"{attributes}>'
        f'<rect x="{left:g}" y="{top - above:g}" width="{width:g}" height="{height + above:g}" fill="#ffffff"/>'
    )
    if above:
        head += f'<text x="{left + 4:g}" y="{top - 6:g}" font-size="12" font-weight="700" fill="{PALETTE[1]}">{SIMULATED}</text>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{svg[opening.end() :]}\n'


def example_svg(examples: Sequence[Example], slices_mm: Sequence[float]) -> Markup:
    """The channel images under each other, each with its class and person."""
    return _stack([(f"{example.label} · {example.person}", example.flair) for example in examples], slices_mm)


def case_svg(cases: Sequence[Case], slices_mm: Sequence[float]) -> Markup:
    """The cases of a gallery under each other: FLAIR, Grad-CAM and attribution."""
    strips = []
    for case in cases:
        mark = "correct" if case.correct else "wrong"
        title = f"{case.person}: true {case.label}, called {case.called} ({case.probability:.2f}), {mark}"
        strips += [(title, case.flair), ("Grad-CAM, one coarse map for all slices", case.gradcam)]
        strips += [("Integrated gradients", case.attribution)] if case.attribution else []
    return _stack(strips, slices_mm)


def _stack(strips: Sequence[tuple[str, Markup]], slices_mm: Sequence[float]) -> Markup:
    tall = _STRIP_WIDTH / len(slices_mm)
    step = tall + 24
    height = step * len(strips) + 22
    parts = [open_svg(_STRIP_WIDTH + 2 * _MARGIN, height, "; ".join(title for title, _ in strips))]
    for place, (title, uri) in enumerate(strips):
        y = step * place
        parts.append(f'<text x="{_MARGIN:g}" y="{y + 16:.1f}" font-size="12">{escape(title)}</text>')
        parts.append(f'<image x="{_MARGIN:g}" y="{y + 21:.1f}" width="{_STRIP_WIDTH:g}" height="{tall:g}" href="{uri}"/>')
    for place, name in enumerate(slice_names(slices_mm)):
        x = _MARGIN + (place + 0.5) * tall
        parts.append(f'<text x="{x:.1f}" y="{height - 7:.1f}" font-size="11" text-anchor="middle">{escape(name)}</text>')
    return Markup("".join(parts) + "</svg>")


def contribution_svg(
    items: Sequence[Contribution], slices_mm: Sequence[float], colours: Mapping[str, str], note: str = ""
) -> Markup | None:
    """What each slice contributes (bars, standard error over scans) and the mean Grad-CAM cells, a column a class; None without any."""
    if not items:
        return None
    with drawing(2.9 * len(items) + 0.6, 5.0) as figure:
        axes: Any = figure.subplots(2, len(items), squeeze=False)
        for (bars, cells), item in zip(axes.T, items, strict=True):
            x = np.arange(len(slices_mm))
            bars.bar(x, item.mean, yerr=item.error, color=colours[item.label], width=0.5, ecolor=INK, error_kw={"linewidth": 1})
            bars.axhline(0, color=INK, linewidth=0.8)
            bars.set_xticks(x, [f"{z:g}" for z in slices_mm])
            bars.set(xlabel="Slice z, mm", ylabel="Fall of the class logit")
            bars.set_title(f"{item.label}{f' · {note}' if note else ''}")
            bars.grid(axis="y", color=RULE, linewidth=0.6)
            bars.set_axisbelow(True)
            # Drawn as shapes: an embedded picture could not be told from that of a scan.
            cells.pcolormesh(item.grid, cmap="magma", vmin=0, vmax=1, edgecolors="white", linewidth=1)
            cells.invert_yaxis()
            cells.set_aspect("equal")
            for row, column in np.ndindex(item.grid.shape):
                level = float(item.grid[row, column])
                cells.text(
                    column + 0.5, row + 0.5, f"{level:.2f}", ha="center", va="center", fontsize=8, color="#ffffff" if level < 0.7 else INK
                )
            cells.set(xticks=[], yticks=[], xlabel="Mean Grad-CAM, one map for all slices")
        return to_svg(figure, "contributions", "What each slice contributes and the mean Grad-CAM map, by class")
