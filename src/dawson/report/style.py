"""One look for all figures: colours that colour-blind readers tell apart, quiet axes, SVG that belongs into a page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# Okabe and Ito's colours (Color Universal Design, 2008), first the two that differ most for every colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK = "#1b2530"
MUTED = "#5c6a77"
RULE = "#d5dbe1"
PALE = "#eef2f5"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    # Text stays text: it can be searched and read aloud, and takes the reader's own font.
    "svg.fonttype": "none",
}


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """A colour for each class, the same in every figure of a report."""
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(classes)}


@contextmanager
def drawing(width_inches: float, height_inches: float) -> Iterator[Figure]:
    """A figure in the house style, without pyplot: no window, no state that outlives the block."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_RC):
        yield Figure(figsize=(width_inches, height_inches), layout="constrained")


def to_svg(figure: Figure, name: str, description: str) -> Markup:
    """The figure as an SVG element for a page.

    Parameters
    ----------
    figure : matplotlib Figure
    name : str
        Unique in the page: all ids in the SVG start with it, so that two figures do not share clip paths.
    description : str
        What the figure shows, for those who do not see it.
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({**_RC, "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", FONT, text)
    text = re.sub(
        r'<svg\b([^>]*?) width="([\d.]+)pt"',
        rf'<svg\1 width="\2pt" role="img" aria-label="{escape(description)}"',
        text,
    )
    return Markup(re.sub(r'(<svg[^>]*?) height="[\d.]+pt"', r"\1", text, count=1))


def open_svg(width: float, height: float, description: str, css_class: str = "") -> str:
    """The opening tag of a hand-drawn SVG that shrinks with its container."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" class="drawn {css_class}" role="img" '
        f'aria-label="{escape(description)}" font-family="{FONT}" fill="{INK}">'
    )


def png_uri(pixels: NDArray[np.uint8], colours: int = 0) -> Markup:
    """An image as a data URI.

    Parameters
    ----------
    pixels : ndarray of uint8, (rows, columns) or (rows, columns, 3)
    colours : int
        Reduce to so many colours to save space (0 leaves them); grey images are never reduced.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    if colours and pixels.ndim == 3:
        image = image.quantize(colours)
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return Markup("data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii"))
