"""Names of the derivatives of one scan: what follows `sub-*_ses-*_`."""

from __future__ import annotations

from dawson.imaging.template import TEMPLATE_SPACE

CHANNELS = "desc-channels_FLAIR.npy"
CONTACT_SHEET = "desc-contactsheet.png"
TEMPLATE_BRAIN = f"space-{TEMPLATE_SPACE}_desc-brain_mask.nii.gz"


def brain_mask(contrast: str) -> str:
    """Brain mask on the grid of a raw image, `contrast` being `T1w` or `FLAIR`."""
    return f"space-{contrast}_desc-brain_mask.nii.gz"


def unbiased(contrast: str) -> str:
    """The raw image without its bias field, brain and a margin."""
    return f"desc-unbiased_{contrast}.nii.gz"


def rigid() -> str:
    """Transform that brings the FLAIR image onto the T1w image."""
    return "from-FLAIR_to-T1w_xfm.txt"


def to_template(contrast: str) -> tuple[str, str]:
    """Affine and warp that bring an image onto the template."""
    start = f"from-{contrast}_to-{TEMPLATE_SPACE}_desc"
    return f"{start}-affine_xfm.txt", f"{start}-warp_xfm.nii.gz"


def preprocessed(contrast: str) -> str:
    """The image in template space, brain-extracted, without bias field, brightness as in the scan."""
    return f"space-{TEMPLATE_SPACE}_desc-preproc_{contrast}.nii.gz"
