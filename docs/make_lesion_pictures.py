"""Draw the pictures and the table of docs/explanation/lesion-types.md: three simulated examples of every kind of lesion.

Run from anywhere: ``python docs/make_lesion_pictures.py [KIND ...]``. The lesions are painted on the undeformed atlas brain with the
contrast of the simulator's first site, without noise, so that the shape is what one sees.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from dawson.simulation.anatomy import Atlas, Volume, atlas
from dawson.simulation.brain import image_of, normal_brightness
from dawson.simulation.kinds import KINDS, Kind, Style
from dawson.simulation.lesions import Painted, paint
from dawson.simulation.mogad_lesions import MOGAD_KINDS
from dawson.simulation.ms_lesions import MS_KINDS
from dawson.simulation.nmosd_lesions import NMOSD_KINDS
from dawson.simulation.plain_lesions import PLAIN_KINDS
from dawson.simulation.scanner import Contrast, draw_scanner

DOCS = Path(__file__).parent
TILE = 236
EXAMPLES = 3
GREYS = 44
WHITE: dict[Contrast, float] = {"T1w": 1.15, "FLAIR": 2.2}
"""Signal, relative to white matter, that is drawn white."""
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclass(frozen=True)
class View:
    """One row of a picture: plane, contrast, how many millimetres wide (190 is the whole brain), and through which slice.

    That with most of the lesion, or the one through its middle where most of it would be a wall cut flat.
    """

    plane: str
    contrast: Contrast = "FLAIR"
    wide_mm: float = 100.0
    middle: bool = False


_AXIAL, _WHOLE = View("axial"), View("axial", wide_mm=190)
VIEWS: dict[str, tuple[View, ...]] = {
    "dawson_finger": (View("axial", wide_mm=90), View("coronal", wide_mm=90)),
    "periventricular": (View("axial", wide_mm=90),),
    "u_fibre": (View("axial", wide_mm=80),),
    "callosal": (View("sagittal", wide_mm=80), View("coronal", wide_mm=80)),
    "temporal": (View("axial", wide_mm=120), View("coronal", wide_mm=120)),
    "deep_white": (View("axial", wide_mm=90), View("axial", "T1w", 90)),
    "tumefactive": (_WHOLE, View("axial", "T1w", 190)),
    "brainstem": (View("axial", wide_mm=80), View("sagittal", wide_mm=80)),
    "periaqueductal": (View("axial", wide_mm=80), View("sagittal", wide_mm=80)),
    "hypothalamic": (View("axial", wide_mm=80), View("coronal", wide_mm=80)),
    "linear_lateral": (View("axial", wide_mm=110, middle=True), View("sagittal", wide_mm=110)),
    "linear_third": (View("axial", wide_mm=80, middle=True), View("coronal", wide_mm=80, middle=True)),
    "linear_fourth": (View("axial", wide_mm=80, middle=True), View("sagittal", wide_mm=80, middle=True)),
    "linear_aqueduct": (View("axial", wide_mm=80, middle=True), View("sagittal", wide_mm=80, middle=True)),
    "area_postrema": (View("axial", wide_mm=80), View("sagittal", wide_mm=80)),
    "dorsal_brainstem": (View("axial", wide_mm=80), View("sagittal", wide_mm=80)),
    "corticospinal": (View("coronal", wide_mm=150), View("axial", wide_mm=150)),
    "arch_bridge": (View("axial", wide_mm=130), View("sagittal", wide_mm=100, middle=True)),
    "spilled_ink": (_WHOLE, View("coronal", wide_mm=170)),
    "cervicomedullary": (View("sagittal", wide_mm=90, middle=True), View("axial", wide_mm=90, middle=True)),
    "fluffy": (_WHOLE,),
    "deep_grey_fluffy": (_WHOLE,),
    "middle_peduncle": (View("axial", wide_mm=120),),
    "pons_fluffy": (View("axial", wide_mm=100), View("sagittal", wide_mm=100)),
}
"""What radiologists look at; kinds that are not named are seen on an axial slice."""


def signal(brain: Atlas, painted: Painted, contrast: Contrast) -> Volume:
    """Image of the atlas brain with lesions, relative to white matter."""
    own = draw_scanner("A", 0, "sub-picture", "ses-01").signals[contrast]
    normal = normal_brightness(np.random.default_rng(0), brain, 40.0, np.ones_like(brain.csf)) * (1 - brain.csf)
    return image_of(contrast, own, brain, normal, (brain.csf, brain.gm, brain.wm), painted)


def tile(image: Volume, share: Volume, view: View, white: float) -> np.ndarray:
    """Slice with most of the lesion, cut around it, the patient's right on the left side; bytes (TILE, TILE)."""
    axis = PLANES[view.plane]
    others = tuple(other for other in range(3) if other != axis)
    area = (share > 0.4).sum(axis=others)
    best = int(np.rint(np.average(np.arange(len(area)), weights=area))) if view.middle else int(area.argmax())
    flat, lesion = np.take(image, best, axis), np.take(share, best, axis) > 0.4
    if view.wide_mm >= 190:
        centre = np.array(flat.shape) / 2
    else:
        centre = np.argwhere(lesion).mean(axis=0)
        half = view.wide_mm / 2
        centre = np.array([np.clip(c, min(half, n / 2), max(n - half, n / 2)) for c, n in zip(centre, flat.shape, strict=True)])
    steps = (np.arange(TILE) + 0.5) / TILE * view.wide_mm - view.wide_mm / 2
    along = steps if view.plane == "sagittal" else -steps
    points = np.meshgrid(centre[0] + along, centre[1] - steps, indexing="xy")
    drawn = ndimage.map_coordinates(flat, points, order=1, cval=0.0)
    return np.asarray(np.clip(drawn / white, 0, 1) * (GREYS - 1))


def picture(kind: Kind, brain: Atlas) -> Image.Image:
    """Three examples side by side, a row for each view."""
    views = VIEWS.get(kind.key, (_AXIAL,))
    columns = []
    for seed in range(EXAMPLES):
        lesion = kind.draw(np.random.default_rng(seed + 1), brain, Style(jagged=seed < 2, black_hole=seed == 1))
        painted = paint([lesion], brain, 0)
        images = {view.contrast: signal(brain, painted, view.contrast) for view in views}
        columns.append(np.concatenate([tile(images[view.contrast], painted.share, view, WHITE[view.contrast]) for view in views]))
    page = np.zeros((len(views) * TILE + 24, EXAMPLES * TILE), dtype=np.uint8)
    page[24:] = np.rint(np.concatenate(columns, axis=1))
    picture = Image.fromarray((page.astype(np.float32) * 255 / (GREYS - 1)).astype(np.uint8))
    names = ", ".join(f"{view.plane} {view.contrast}" for view in views)
    ImageDraw.Draw(picture).text((6, 3), f"Simulated: {kind.title} ({names})", fill=255, font=ImageFont.load_default(14))
    return picture


GROUPS = {
    "Round and oval lesions, told apart by place": PLAIN_KINDS,
    "Lesions that speak for MS": MS_KINDS,
    "Lesions that speak for NMOSD": NMOSD_KINDS,
    "Lesions that speak for MOGAD": MOGAD_KINDS,
}

HEAD = """# The kinds of lesions

Every simulated lesion is of one of these kinds, and has its own mask, its own number and its own row in the table of lesions.
**All pictures on this page are simulated**: three examples of each kind, drawn with the seeds 1, 2 and 3 throughout, on the
undeformed template brain. The patient's right is on the left. The first two examples have a jagged border and the third a smooth one,
where a kind has both; the second is a black hole on T1w, where a kind can be one. Which patients have which kinds, and how
often, is written in `lesion_profiles.toml`.

Sources: Matthews 2013 (Neurology 80:1330); the Taiwan series (BMC Neurology 2014); the border of periventricular lesions (MS
International 2014); Kim 2015 (Neurology 84:1165); Jurynczyk 2017 (Brain); Cao 2020; Seok 2023 (Scientific Reports,
doi:10.1038/s41598-023-38271-x). The shapes follow their descriptions; no size is fitted to real masks.

"""


def page() -> str:
    """The text of docs/explanation/lesion-types.md."""
    parts = [HEAD + "Draw them again with `python docs/make_lesion_pictures.py`, which writes this page too.\n"]
    for title, kinds in GROUPS.items():
        parts.append(f"\n## {title}\n")
        for kind in kinds:
            parts.append(
                f"\n### {kind.title}\n\n{kind.description} Key: `{kind.key}`. Source: {kind.source}.\n\n"
                f"![Three simulated examples: {kind.title}](../_static/lesions/{kind.key}.png)\n"
            )
    return "".join(parts)


def main(wanted: list[str]) -> None:
    """Write the pictures and, when all kinds are wanted, the page."""
    brain = atlas()
    folder = DOCS / "_static" / "lesions"
    folder.mkdir(parents=True, exist_ok=True)
    for key, kind in KINDS.items():
        if not wanted or key in wanted:
            picture(kind, brain).save(folder / f"{key}.png", optimize=True)
    if not wanted:
        (DOCS / "explanation" / "lesion-types.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
