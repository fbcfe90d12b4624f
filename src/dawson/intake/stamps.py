"""What a cleaned file says about its own cleaning, and its new file header."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Items

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dawson.intake.identifiers import Identifiers, element_texts
from dawson.intake.profile import TABLE_EDITION

# Constant, so that the same scan gives the same bytes on every machine.
IMPLEMENTATION_UID = f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, 'https://github.com/dawson-mri/dawson').int}"
IMPLEMENTATION_NAME = "DAWSON"
METHOD = f"Dawson, DICOM PS3.15 Annex E, table of {TABLE_EDITION}"
FACELESS = "113102"
_MEANINGS = {
    "113100": "Basic Application Confidentiality Profile",
    FACELESS: "Clean Recognizable Visual Features Option",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113111": "Retain Safe Private Option",
}
_CODE_ITEM = ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")


def stamp(cleaned: Dataset, original: Dataset, identifiers: Identifiers, *, defaced: bool, kept_private: bool) -> None:
    """Write who cleaned the file and how: (0012,0062), (0012,0063), (0012,0064), (0028,0302), (0028,0303).

    Codes that an earlier de-identification wrote into (0012,0064) stay, in front; an option is named once. Its free text in (0012,0063)
    goes.

    Parameters
    ----------
    cleaned : pydicom.Dataset
        Receives the elements.
    original : pydicom.Dataset
        The file as it came.
    identifiers : Identifiers
        Earlier texts that hold one of them are left out.
    defaced : bool
        The face was removed from the pixels.
    kept_private : bool
        Private elements of the allow-list stayed.
    """
    codes = ["113100", *([FACELESS] if defaced else []), "113105", "113107", "113108", *(["113111"] if kept_private else [])]
    cleaned.PatientIdentityRemoved = "YES"
    cleaned.DeidentificationMethod = METHOD
    items = _earlier_codes(original, identifiers)
    known = {(str(item.get("CodingSchemeDesignator")), str(item.get("CodeValue"))) for item in items}
    items.extend(_code(code) for code in codes if ("DCM", code) not in known)
    cleaned.DeidentificationMethodCodeSequence = Sequence(items)
    cleaned.LongitudinalTemporalInformationModified = "MODIFIED"
    faces = "NO" if defaced else next((text for text in element_texts(original, "RecognizableVisualFeatures") if text in ("YES", "NO")), "")
    if faces:
        cleaned.RecognizableVisualFeatures = faces


def codes_of_defaced(codes: Iterable[Mapping[str, str]] = ()) -> list[dict[str, str]]:
    """De-identification Method Code Sequence for the JSON beside an image whose face was removed after its DICOM was cleaned.

    Parameters
    ----------
    codes : iterable of mapping
        What the sidecar says already, as dcm2niix copies it from (0012,0064); empty where it says nothing.

    Returns
    -------
    list of dict
        The same items, and 113102, Clean Recognizable Visual Features, once.

    Examples
    --------
    >>> codes_of_defaced()
    [{'CodeValue': '113102', 'CodingSchemeDesignator': 'DCM', 'CodeMeaning': 'Clean Recognizable Visual Features Option'}]
    """
    said = [dict(code) for code in codes]
    if not any((code.get("CodingSchemeDesignator"), code.get("CodeValue")) == ("DCM", FACELESS) for code in said):
        said.append({"CodeValue": FACELESS, "CodingSchemeDesignator": "DCM", "CodeMeaning": _MEANINGS[FACELESS]})
    return said


def new_file_meta(cleaned: Dataset, original: Dataset) -> FileMetaDataset:
    """A file header made anew: no application titles, no private information, the new SOP instance UID."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(str(cleaned.get("SOPClassUID", "")))
    meta.MediaStorageSOPInstanceUID = UID(str(cleaned.SOPInstanceUID))
    meta.TransferSyntaxUID = transfer_syntax(original)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_NAME
    return meta


def transfer_syntax(dataset: Dataset) -> UID:
    """Transfer syntax of a data set; where its header does not say, the one it was read with."""
    try:
        named = UID(str(dataset.file_meta.TransferSyntaxUID))
        if named.is_transfer_syntax and not named.is_private:
            return named
    except (AttributeError, ValueError, KeyError):
        pass
    implicit, little = dataset.original_encoding
    if little is False:
        return ExplicitVRBigEndian
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _earlier_codes(original: Dataset, identifiers: Identifiers) -> list[Dataset]:
    try:
        items: Items[Dataset] = original["DeidentificationMethodCodeSequence"].value
        return [copied for copied in (_copied(item, identifiers) for item in items) if copied is not None]
    except Exception:  # Missing, or no sequence: nothing to extend.
        return []


def _copied(item: Dataset, identifiers: Identifiers) -> Dataset | None:
    copied = Dataset()
    for keyword in _CODE_ITEM:
        texts = element_texts(item, keyword)
        if texts and all(_safe(text, identifiers) for text in texts):
            copied.add(DataElement(item[keyword].tag, "LO" if keyword == "CodeMeaning" else "SH", texts, validation_mode=0))
    return copied if "CodeValue" in copied and "CodingSchemeDesignator" in copied and "CodeMeaning" in copied else None


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = _MEANINGS[value]
    return item


def _safe(text: str, identifiers: Identifiers) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and len(text) <= 64 and not identifiers.inside(text)
