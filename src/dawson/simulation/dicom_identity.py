"""Who a simulated patient claims to be in DICOM: invented names in every kind of place in which real files have them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dawson.cohort.dataset import Cohort
from dawson.simulation.scanner import Site
from dawson.simulation.streams import stream

if TYPE_CHECKING:
    from pydicom import Dataset

_FIRST_DAY, _DAYS = date(2012, 1, 2), 2500
_GIVEN = ("Alba", "Bruno", "Chiara", "Dario", "Elena", "Fabio", "Greta", "Hugo")


@dataclass(frozen=True)
class Identity:
    """Who a simulated patient claims to be; nobody of that name exists."""

    name: str
    patient_id: str
    sex: str
    birth: date
    baseline: date


def identity(cohort: Cohort, participant_id: str, seed: int) -> Identity:
    """The invented identity of a simulated person, with the sex and age of the tables.

    Parameters
    ----------
    cohort : Cohort
    participant_id : str
    seed : int
    """
    rng = stream(seed, participant_id, "identity")
    row = cohort.participants.set_index("participant_id").loc[participant_id]
    baseline = _FIRST_DAY + timedelta(days=int(rng.integers(_DAYS)))
    birth = baseline - timedelta(days=round(float(str(row["age"])) * 365.25) + 1)
    name = f"SIMULATED^{_GIVEN[int(rng.integers(len(_GIVEN)))]}{participant_id.removeprefix('sub-')}"
    return Identity(name, f"SIM{int(rng.integers(10**7)):07d}", str(row["sex"]), birth, baseline)


def simulated_patient(who: Identity, day: date, site: Site, study_uid: str) -> Dataset:
    """Who, when and where; invented, in every kind of place in which real files have it."""
    from pydicom import Dataset, Sequence

    dataset, nested, alias = Dataset(), Dataset(), Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SyntheticData = "YES"
    dataset.Modality = "MR"
    dataset.Manufacturer, dataset.ManufacturerModelName = "DAWSON", f"Simulated scanner {site.name}"
    dataset.StudyInstanceUID = study_uid
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = f"{day:%Y%m%d}"
    dataset.StudyTime = "085500"
    dataset.PatientName, dataset.PatientID = who.name, who.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = f"{who.birth:%Y%m%d}", who.sex
    dataset.PatientAge = f"{(day - who.birth).days // 365.25:03.0f}Y"
    dataset.PatientAddress = "1 Simulated Street, Nowhere"
    dataset.PatientTelephoneNumbers = "000 0000"
    dataset.PatientComments = f"No such person: {who.name} ({who.patient_id})"
    dataset.OtherPatientIDsSequence = Sequence([alias])
    alias.PatientID, alias.TypeOfPatientID = f"X{who.patient_id}", "TEXT"
    dataset.AccessionNumber = f"ACC{who.patient_id[3:]}"
    dataset.StudyID = who.patient_id[-4:]
    dataset.StudyDescription = f"MR head of {who.name}"
    dataset.InstitutionName, dataset.InstitutionAddress = "SIMULATED HOSPITAL", "2 Simulated Street, Nowhere"
    dataset.StationName, dataset.DeviceSerialNumber = f"SIMMR{site.name}", f"SN-{who.patient_id[-5:]}"
    dataset.ReferringPhysicianName, dataset.OperatorsName = "SIMULATED^Referrer", "SIMULATED^Operator"
    nested.RequestedProcedureID, nested.RequestedProcedureDescription = f"RP{who.patient_id}", f"Brain, {who.name}"
    dataset.RequestAttributesSequence = Sequence([nested])
    private = dataset.private_block(0x0029, "DAWSON SIMULATED", create=True)
    private.add_new(0x10, "LO", f"{who.name} {who.patient_id}")
    return dataset
