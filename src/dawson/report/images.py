"""Pictures of channel images: five slices in a row, and what the network looked at laid over them.

Arrays are (slices, rows, columns) as the channel image has them: anterior at the top, the patient's right on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from dawson.report.style import INK, MUTED, PALETTE, open_svg, png_uri

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GREY_RANGE = (1.0, 99.7)  # percentiles of the brain that become black and white; lesions stay below white
_HEAT = ((0.0, (40, 10, 90)), (0.35, (160, 30, 110)), (0.7, (235, 105, 40)), (1.0, (255, 225, 90)))


def grey(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Channel image as grey levels, black outside the brain.

    Parameters
    ----------
    image : ndarray, (slices, rows, columns)
        z-scored inside the brain, exactly 0 outside.

    Returns
    -------
    ndarray of uint8, same shape
    """
    inside = image != 0
    if not inside.any():
        return np.zeros(image.shape, np.uint8)
    low, high = np.percentile(image[inside], _GREY_RANGE)
    # 25 levels stay below the darkest brain, so that ventricles are told from background.
    scaled = 25 + 230 * np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    return np.where(inside, scaled, 0).astype(np.uint8)


def in_a_row(slices: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Slices side by side: (slices, rows, columns[, 3]) to (rows, slices * columns[, 3])."""
    return np.concatenate(list(slices), axis=1)


def flair_strip(image: NDArray[np.floating]) -> Markup:
    """The slices in a row, as a data URI."""
    return png_uri(in_a_row(grey(image)))


def gradcam_strip(image: NDArray[np.floating], gradcam: NDArray[np.floating], cells: int = 4) -> Markup:
    """The one Grad-CAM map over every slice, with the borders of its cells, as a data URI.

    Parameters
    ----------
    image : ndarray, (slices, rows, columns)
    gradcam : ndarray, (rows, columns)
        In [0, 1]; the same for all slices, since slices are channels.
    cells : int
        Cells along each side of the map before it was enlarged.
    """
    base = np.repeat(grey(image)[..., None], 3, axis=-1).astype(np.float32)
    level = np.clip(np.nan_to_num(gradcam), 0, 1)
    colour = np.stack([np.interp(level, [p for p, _ in _HEAT], [c[k] for _, c in _HEAT]) for k in range(3)], axis=-1)
    # Paler outside the brain: the map covers it, but the eye should stay on the slices.
    weight = 0.60 * level[None, ..., None] * np.where(image != 0, 1.0, 0.3)[..., None]
    blended = (1 - weight) * base + weight * colour
    rows, columns = level.shape
    for step in range(1, cells):
        blended[:, rows * step // cells, ::3] = 0.55 * blended[:, rows * step // cells, ::3] + 0.45 * 200
        blended[:, ::3, columns * step // cells] = 0.55 * blended[:, ::3, columns * step // cells] + 0.45 * 200
    return png_uri(in_a_row(blended.astype(np.uint8)), colours=96)


def attribution_strip(image: NDArray[np.floating], attribution: NDArray[np.floating]) -> Markup:
    """Integrated gradients over the slices: orange speaks for the class, blue against it, as a data URI.

    Parameters
    ----------
    image, attribution : ndarray, (slices, rows, columns)
    """
    base = 0.8 * np.repeat(grey(image)[..., None], 3, axis=-1).astype(np.float32)
    signed = np.nan_to_num(attribution.astype(np.float32))
    size = np.abs(signed)
    top = float(np.percentile(size[size > 0], 99.5)) if (size > 0).any() else 1.0
    weight = np.clip(size / max(top, 1e-12), 0, 1)[..., None] ** 0.7
    colour = np.where((signed > 0)[..., None], np.array([255, 150, 40], np.float32), np.array([70, 170, 255], np.float32))
    return png_uri(in_a_row(((1 - weight) * base + weight * colour).astype(np.uint8)), colours=96)


def slice_names(slices_mm: Sequence[float]) -> list[str]:
    """How slices are called: `z = +20 mm`.

    Examples
    --------
    >>> slice_names([20.0, 0.0, -20.0])
    ['z = +20 mm', 'z = 0 mm', 'z = −20 mm']
    """
    return ["z = 0 mm" if z == 0 else f"z = {'+' if z > 0 else '−'}{abs(z):g} mm" for z in slices_mm]


def slice_bars(
    values: Sequence[float], slices_mm: Sequence[float], spread: Sequence[float] | None = None, colour: str = PALETTE[0]
) -> Markup:
    """What each slice contributes, as bars that stand under the slices of a strip, with the numbers below them.

    Parameters
    ----------
    values : sequence of float, one a slice
        Fall of the class logit when the slice is replaced by zero; below zero, the slice speaks against the class.
    slices_mm : sequence of float
    spread : sequence of float, optional
        Half length of a whisker on each bar.
    colour : str
        Of bars above zero; those below are grey.

    Returns
    -------
    Markup
        An SVG that stretches to any width, and a row of text that keeps its size on a phone.
    """
    spread = [0.0] * len(values) if spread is None else list(spread)
    width, height, edge = 100.0 * len(values), 70.0, 3.0
    top = max(0.0, *(v + s for v, s in zip(values, spread, strict=True)))
    bottom = min(0.0, *(v - s for v, s in zip(values, spread, strict=True)))
    scale = (height - 2 * edge) / max(top - bottom, 1e-9)
    zero = edge + top * scale
    parts = [
        f'<svg class="bars" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none" role="img" '
        'aria-label="What each slice contributes to the class">'
    ]
    for index, (value, whisker) in enumerate(zip(values, spread, strict=True)):
        length = abs(value) * scale
        parts.append(
            f'<rect x="{100 * index + 31}" y="{zero - length if value > 0 else zero:.1f}" width="38" '
            f'height="{max(length, 0.5):.1f}" '
            f'fill="{colour if value > 0 else MUTED}"/>'
        )
        if whisker:
            ends = [zero - (value + sign * whisker) * scale for sign in (-1, 1)]
            parts.append(
                f'<path d="M{100 * index + 50} {ends[0]:.1f}V{ends[1]:.1f}" stroke="{INK}" stroke-width="1.5" '
                'vector-effect="non-scaling-stroke"/>'
            )
    parts.append(f'<path d="M0 {zero:.1f}H{width:g}" stroke="{MUTED}" vector-effect="non-scaling-stroke"/></svg>')
    texts = "".join(
        f"<span><b>{'+' if value > 0 else '−' if value < 0 else ''}{abs(value):.2f}</b><br><i>{name[:4]}</i>{name[4:]}</span>"
        for value, name in zip(values, slice_names(slices_mm), strict=True)
    )
    parts.append(f'<div class="under" style="grid-template-columns:repeat({len(values)},1fr)">{texts}</div>')
    return Markup("".join(parts))


def cell_map(grid: NDArray[np.floating], size: float = 168.0) -> Markup:
    """A small map of cells, as coarse as it is: dark blue nothing, yellow most.

    Parameters
    ----------
    grid : ndarray, (rows, columns)
        In [0, 1].
    """
    rows, columns = grid.shape
    step = size / columns
    parts = [open_svg(size, step * rows, "Mean Grad-CAM map in its own cells", "cells")]
    for row in range(rows):
        for column in range(columns):
            level = float(np.clip(np.nan_to_num(grid[row, column]), 0, 1))
            red, green, blue = (int(np.interp(level, [p for p, _ in _HEAT], [c[k] for _, c in _HEAT])) for k in range(3))
            ink = "#fff" if level < 0.75 else INK
            parts.append(
                f'<rect x="{column * step:.1f}" y="{row * step:.1f}" width="{step:.1f}" height="{step:.1f}" '
                f'fill="rgb({red},{green},{blue})" stroke="#fff"/><text x="{(column + 0.5) * step:.1f}" '
                f'y="{(row + 0.5) * step + 4:.1f}" text-anchor="middle" font-size="12" fill="{ink}">{level:.2f}</text>'
            )
    return Markup("".join(parts) + "</svg>")
