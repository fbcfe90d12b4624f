"""Masks that raters draw: checked against the image they were drawn on, kept as files of the study, compared with each other."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.annotation.items import Item
from dawson.errors import AnnotationError, ImageError
from dawson.files import atomic_path, write_sidecar
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.imaging.tissue import dice
from dawson.lesions.rater_masks import read_mask
from dawson.preprocess.scan import in_template_space, is_simulated

DRAWINGS = "drawings"
LARGEST_UPLOAD = 64 * 2**20
_HEADER = 2**16
_WIDEST_VOXEL = 8
_SPACE = re.compile(r"_space-([A-Za-z0-9]+)_")


def read_drawing(data: bytes, drawn_on: Path) -> NDArray[np.uint8]:
    """A drawing as it was sent: a NIfTI file, packed or not, on the grid of the image.

    Parameters
    ----------
    data : bytes
    drawn_on : Path
        The image that was shown.

    Returns
    -------
    ndarray of uint8 (x, y, z)
        0 and 1, in the order of the image's own voxels.

    Raises
    ------
    AnnotationError
        It is too large, is no NIfTI, lies on another grid, or holds something else than 0 and 1.
    """
    import nibabel as nib

    image = _header_of(drawn_on)
    if len(data) > LARGEST_UPLOAD:
        raise AnnotationError("The drawing is larger than 64 MiB.", "Send the mask alone.")
    content = _unpacked(data, int(np.prod(image.shape)) * _WIDEST_VOXEL + _HEADER)
    try:
        drawing: Any = nib.Nifti1Image.from_bytes(content)
        values = np.asarray(drawing.dataobj)
    except Exception:
        # nibabel raises many kinds for bytes that are no image
        raise AnnotationError("The drawing is no NIfTI image.", "Send what the page makes, or save it as .nii.gz.") from None
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.shape != image.shape:
        raise AnnotationError(
            f"The drawing has {_text(values.shape)} voxels, the image {_text(image.shape)}.", "Draw on the image that is shown."
        )
    if not np.allclose(drawing.affine, image.affine, atol=1e-3):
        raise AnnotationError("The drawing lies elsewhere than the image.", "Keep the geometry of the image that is shown.")
    if values.dtype.kind not in "iufb" or not np.isin(values, (0, 1)).all():
        raise AnnotationError("The drawing holds other values than 0 and 1.", "Mark lesions by 1 and everything else by 0.")
    return values.astype(np.uint8)


def drawing_path(campaign: Path, study: Path, item: Item, rater: str, again: bool) -> Path:
    """Where a drawing is kept: as a BIDS derivative of the scan, `desc-rater{LABEL}`, a repeat with `run2` after it."""
    shown = study / item.images[0]
    named = _SPACE.search(shown.name)
    space = named.group(1) if named else TEMPLATE_SPACE if in_template_space(shown) else ""
    scan = "_".join(part for part in (item.participant_id, item.session_id) if part)
    label = re.sub(r"[^A-Za-z0-9]", "", rater) + ("run2" if again else "")
    name = f"{scan}{f'_space-{space}' if space else ''}_label-lesion_desc-rater{label}_mask.nii.gz"
    return campaign / DRAWINGS / item.participant_id / item.session_id / "anat" / name


def keep_drawing(path: Path, mask: NDArray[np.uint8], drawn_on: Path) -> None:
    """Write a drawing, whole or not at all, with the geometry of the image, and what it is beside it."""
    import nibabel as nib

    image = _header_of(drawn_on)
    kept: Any = nib.Nifti1Image(mask, image.affine)
    for coded, value in (("qform", image.header["qform_code"]), ("sform", image.header["sform_code"])):
        getattr(kept, f"set_{coded}")(image.affine, int(value) or 1)
    kept.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(kept, temporary)
    write_sidecar(path, {}, {}, Type="Lesion", Manual=True, **({"SimulatedData": True} if is_simulated(drawn_on) else {}))


def pairwise_dice(masks: Sequence[NDArray[np.bool_]]) -> list[float]:
    """Dice of every two masks; of two empty ones 1."""
    return [dice(one, other) for one, other in combinations(masks, 2)]


def agrees_with(mask: NDArray[Any], known: Path, least: float) -> bool:
    """Whether a drawing reaches a Dice with the known mask."""
    return dice(mask > 0, read_mask(known)[0]) >= least


def _header_of(path: Path) -> Any:
    """An image with its own order of axes; its voxels are not read."""
    import nibabel as nib

    try:
        image: Any = nib.load(path)
    except Exception as error:
        raise ImageError(path, f"cannot be read ({error}).", "Copy it again.") from None
    return image


def _unpacked(data: bytes, most: int) -> bytes:
    """Bytes of a file that may be packed; what unpacks to more than can be right is refused before it fills the memory."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            content = stream.read(most + 1)
    except (OSError, EOFError, zlib.error):
        raise AnnotationError("The drawing is damaged.", "Send it again.") from None
    if len(content) > most:
        raise AnnotationError("The drawing unpacks to more than its image.", "Draw on the image that is shown.")
    return content


def _text(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)
