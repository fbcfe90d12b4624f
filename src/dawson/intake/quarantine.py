"""Files that no header rule can make safe: they wait for a person."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dawson.intake.identifiers import element_text, element_texts

# MR Image, Enhanced MR, Enhanced MR Color, Legacy Converted Enhanced MR (PS3.4 B.5).
MR_IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.4": "MR Image",
    "1.2.840.10008.5.1.4.1.1.4.1": "Enhanced MR Image",
    "1.2.840.10008.5.1.4.1.1.4.4": "Legacy Converted Enhanced MR Image",
}
_SCREEN = ("SCREEN", "CAPTURE", "PASTED", "SECONDARY CAPTURE", "REPORT", "PRESENTATION", "SNAPSHOT", "PRINT")
_KINDS = {
    "1.2.840.10008.5.1.4.1.1.7": "is a secondary capture: names may be drawn into its pixels",
    "1.2.840.10008.5.1.4.1.1.88": "is a structured report",
    "1.2.840.10008.5.1.4.1.1.104": "is a document (PDF, CDA or model) in DICOM",
    "1.2.840.10008.5.1.4.1.1.11": "is a presentation state: free annotations",
    "1.2.840.10008.5.1.4.1.1.66": "is raw data or a segmentation, no MR image",
    "1.2.840.10008.5.1.4.1.1.4.2": "is MR spectroscopy, no image",
    "1.2.840.10008.5.1.4.1.1.4.3": "is a colour MR image: text may be drawn into it",
    "1.2.840.10008.1.3.10": "is a directory of media (DICOMDIR)",
}


def quarantine_reason(dataset: Dataset) -> str | None:
    """Why a file must be held for a person, as the end of a sentence ("FILE ..."); None where its header can be cleaned.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Read with or without its pixels.
    """
    sop_class = element_text(dataset, "SOPClassUID")
    for known, reason in _KINDS.items():
        if sop_class == known or sop_class.startswith(known + "."):
            return reason
    if sop_class and sop_class not in MR_IMAGE_CLASSES:
        return "is no MR image (its SOP class says so)"
    modality = element_text(dataset, "Modality").upper()
    if modality and modality != "MR":
        return "is no MR image (its modality says so)"
    if not sop_class and not modality:
        return "says neither its SOP class nor its modality"
    return _drawn_in(dataset) or _no_picture(dataset)


def _drawn_in(dataset: Dataset) -> str | None:
    if element_text(dataset, "BurnedInAnnotation").upper() not in ("", "NO"):
        return "has annotation burned into its pixels (0028,0301)"
    if element_text(dataset, "ConversionType"):
        return "was captured or digitised (0008,0064)"
    image_type = " ".join(element_texts(dataset, "ImageType")).upper()
    if any(word in image_type for word in _SCREEN):
        return "is a screen capture (0008,0008)"
    if element_text(dataset, "PhotometricInterpretation").upper() not in ("", "MONOCHROME1", "MONOCHROME2"):
        return "is a colour image: text may be drawn into it (0028,0004)"
    if _number(dataset, "SamplesPerPixel", 1) > 1:
        return "is a colour image: text may be drawn into it (0028,0002)"
    if 0 < _number(dataset, "BitsAllocated", 16) <= 8:
        return "has 8 bits a pixel, as captures of screens have (0028,0100)"
    if _overlay_in_pixels(dataset):
        return "hides an overlay in the upper bits of its pixels (60xx,0102)"
    return None


def _no_picture(dataset: Dataset) -> str | None:
    if not _number(dataset, "Rows", 0) or not _number(dataset, "Columns", 0):
        return "has no rows or no columns"
    return None


def _overlay_in_pixels(dataset: Dataset) -> bool:
    for group in range(0x6000, 0x6020, 2):
        position = dataset.get_item((group, 0x0102))
        if position is not None and (group << 16 | 0x3000) not in dataset:
            try:
                if int(dataset[group, 0x0102].value or 0) > 0:
                    return True
            except Exception:  # A position that is no number cannot be ruled out.
                return True
    return False


def _number(dataset: Dataset, keyword: str, otherwise: int) -> int:
    try:
        return int(float(element_text(dataset, keyword)))
    except (ValueError, OverflowError):
        return otherwise
