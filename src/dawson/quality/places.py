"""Which files of other rooms quality reads, and which it writes; names follow `sub-*_ses-*_`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dawson.cohort.scan import Scan
from dawson.files import read_json, sidecar_path
from dawson.imaging.template import TEMPLATE_SPACE

TABLE, DICTIONARY, VERDICTS = "quality.tsv", "quality.json", "quality_verdicts.tsv"
MEASURES = "desc-quality.json"
CONTACT_SHEET = "desc-contactsheet.png"
CONTRASTS = ("T1w", "FLAIR")
RIGID = "from-FLAIR_to-T1w_xfm.txt"


def brain_mask(contrast: str) -> str:
    """Brain mask on the raw image's grid."""
    return f"space-{contrast}_desc-brain_mask.nii.gz"


def unbiased(contrast: str) -> str:
    """Raw image without bias field."""
    return f"desc-unbiased_{contrast}.nii.gz"


def to_template(contrast: str) -> tuple[str, str]:
    """Affine and warp of the image that was registered."""
    start = f"from-{contrast}_to-{TEMPLATE_SPACE}_desc"
    return f"{start}-affine_xfm.txt", f"{start}-warp_xfm.nii.gz"


def preprocessed(contrast: str) -> str:
    """Image in template space."""
    return f"space-{TEMPLATE_SPACE}_desc-preproc_{contrast}.nii.gz"


def lesion_mask(scan: Scan, derivatives: Path, preference: Sequence[str]) -> Path | None:
    """The scan's lesion mask in template space by the most trusted maker (`desc-`), if there is any."""
    found = sorted((derivatives / scan.folder).glob(f"{scan.entities}_space-{TEMPLATE_SPACE}_*label-lesion*_mask.nii.gz"))
    order = {maker: place for place, maker in enumerate(preference)}

    def rank(path: Path) -> tuple[int, str]:
        maker = re.search(r"_desc-([A-Za-z0-9]+)", path.name)
        return order.get(maker[1] if maker else "", len(order)), path.name

    return min(found, key=rank, default=None)


def sidecar(image: Path | None) -> dict[str, Any]:
    """JSON beside an image; empty where there is none that can be read."""
    if image is None:
        return {}
    try:
        content = read_json(sidecar_path(image))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def in_template_space(image: Path | None) -> bool:
    """Whether the image came brain-extracted and in template space."""
    content = sidecar(image)
    return content.get("SkullStripped") is True and content.get("Space") == TEMPLATE_SPACE
