"""A DICOM header made safe: every element, at any depth, by the profile; the same result wherever the same secret is."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from dawson.errors import IntakeError
from dawson.intake.cleaning import Cleaner
from dawson.intake.dates import parse_date
from dawson.intake.identifiers import element_text, identifiers_of
from dawson.intake.numeric_elements import encodings_of
from dawson.intake.pseudonyms import Pseudonymiser, is_nobody
from dawson.intake.quarantine import quarantine_reason
from dawson.intake.stamps import new_file_meta, stamp

__all__ = ["Deidentified", "DeidentifyOptions", "Pseudonymiser", "deidentify", "patient_of", "quarantine_reason"]


@dataclass(frozen=True)
class DeidentifyOptions:
    """Choices that the profile leaves open.

    Parameters
    ----------
    defaced : bool
        The pixels are those of a defaced image; adds 113102, Clean Recognizable Visual Features.
    keep_size_weight : bool
        Keep the patient's size and weight.
    patient_id : str
        The patient's number where the file names none; used in place of (0010,0020) when given.
    use_issuer : bool
        Same numbers of different issuers (0010,0021) are different people. Turn it off where only some files of a source name the issuer.
    names : tuple of str
        Names and numbers known from elsewhere that must not stay in any text.
    """

    defaced: bool = False
    keep_size_weight: bool = False
    patient_id: str = ""
    use_issuer: bool = True
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deidentified:
    """A cleaned header.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With file header and empty preamble, ready for `save_as`; its pixels are those of the original.
    participant : str
        BIDS label of the person, without `sub-`.
    study_date_shifted : datetime.date or None
        Day of the study, moved by the person's shift; None where the file names none.
    age : str
        Whole years (`"45"`), `"90+"` for more than 89, empty where unknown.
    removed : int
        Elements that were removed, emptied, or replaced by a label or a dummy.
    notes : tuple of str
        What a person may want to know: texts that were dropped since they held an identifier, dates that were none. Tags, never values.
    """

    dataset: Dataset
    participant: str
    study_date_shifted: date | None
    age: str
    removed: int
    notes: tuple[str, ...]


def patient_of(dataset: Dataset, options: DeidentifyOptions | None = None) -> tuple[str, str]:
    """The number and issuer that the pseudonym is made from.

    Raises
    ------
    IntakeError
        When the file names no patient (or a placeholder) and the options give no number.
    """
    options = options or DeidentifyOptions()
    number = options.patient_id or element_text(dataset, "PatientID")
    if is_nobody(number):
        raise IntakeError(
            "The patient number (0010,0020) is missing, or a placeholder that several people could share.",
            "Give the number for these files, or hold them for a person.",
        )
    return number, element_text(dataset, "IssuerOfPatientID") if options.use_issuer else ""


def deidentify(dataset: Dataset, pseudonymiser: Pseudonymiser, options: DeidentifyOptions | None = None) -> Deidentified:
    """Clean a header by DICOM PS3.15 Annex E (see `docs/explanation/deidentification.md`).

    Basic Profile with Clean Descriptors, Retain Longitudinal Temporal Information With Modified Dates, Retain Patient Characteristics (sex
    and age), Retain Safe Private (an allow-list), and Clean Recognizable Visual Features where the pixels are defaced.

    Parameters
    ----------
    dataset : pydicom.Dataset
        As `pydicom.dcmread` gave it; it is not changed.
    pseudonymiser : Pseudonymiser
        From the study's secret.
    options : DeidentifyOptions, optional

    Returns
    -------
    Deidentified
        A new data set. Ask `quarantine_reason` first: pixels are not looked at.

    Raises
    ------
    IntakeError
        When the file names no patient.
    """
    options = options or DeidentifyOptions()
    with warnings.catch_warnings():
        # Headers of real scanners break the standard in harmless ways; each would warn.
        warnings.simplefilter("ignore")
        number, issuer = patient_of(dataset, options)
        identifiers = identifiers_of(dataset, (*options.names, options.patient_id))
        cleaner = Cleaner(
            pseudonymiser=pseudonymiser,
            identifiers=identifiers,
            participant=pseudonymiser.participant(number, issuer),
            patient_id=element_text(dataset, "PatientID"),
            shift=pseudonymiser.shift_days(number, issuer),
            keep_size_weight=options.keep_size_weight,
            little_endian=dataset.original_encoding[1] is not False,
            birth=_day(dataset, "PatientBirthDate"),
            encodings=encodings_of(dataset),
        )
        cleaned = cleaner.clean(dataset)
        age = cleaner.age_of(dataset)
        cleaned.PatientID = cleaned.PatientName = cleaner.participant
        cleaned.PatientBirthDate = ""
        if age:
            cleaned.PatientAge = f"{min(age.years, 90):03d}Y"
        if not cleaned.get("SOPInstanceUID"):
            cleaned.SOPInstanceUID = pseudonymiser.uid(_content_name(cleaned))
        stamp(cleaned, dataset, identifiers, defaced=options.defaced, kept_private=cleaner.kept_private > 0)
        cleaned.file_meta = new_file_meta(cleaned, dataset)
        cleaned.preamble = b"\0" * 128
        cleaned.set_original_encoding(
            cleaned.file_meta.TransferSyntaxUID.is_implicit_VR, cleaned.file_meta.TransferSyntaxUID.is_little_endian, "iso8859"
        )
    return Deidentified(
        dataset=cleaned,
        participant=cleaner.participant,
        study_date_shifted=_day(cleaned, "StudyDate"),
        age="" if age is None else "90+" if age.years > 89 else str(age.years),
        removed=cleaner.removed,
        notes=tuple(sorted(cleaner.notes)),
    )


def _content_name(cleaned: Dataset) -> str:
    """Stands for the SOP instance UID of a file without one: the same for the same series, position and pixels."""
    digest = hashlib.sha256()
    for keyword in ("SeriesInstanceUID", "InstanceNumber", "ImagePositionPatient", "PixelData"):
        value = cleaned.get(keyword, "")
        digest.update(value if isinstance(value, bytes) else str(value).encode())
    return f"instance without a UID {digest.hexdigest()}"


def _day(dataset: Dataset, keyword: str) -> date | None:
    return parse_date(element_text(dataset, keyword))
