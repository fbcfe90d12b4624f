"""Simulated raw heads as DICOM: one file a slice, exact geometry, and invented names, so that there is something to remove."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, MissingDependencyError
from dawson.files import atomic_path, read_json, sidecar_path
from dawson.progress import progress
from dawson.simulation.dicom_identity import Identity, identity, simulated_patient
from dawson.simulation.scanner import CONTRASTS, Contrast, Protocol, Site, site_named

if TYPE_CHECKING:
    from pydicom import Dataset

_MR_IMAGE, _SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7"
_UID_ROOT = "1.2.826.0.1.3680043.8.498."
_THIN_MM = 1.6
# Slice axis to the axes along which columns and rows are counted; both run against the array, to left, back or feet.
_IN_PLANE = {0: (1, 2), 1: (0, 2), 2: (0, 1)}


@dataclass(frozen=True)
class Series:
    """One simulated series.

    Parameters
    ----------
    number : int
    description : str
    image : ndarray (x, y, z) of int
        RAS-like, as in the simulated NIfTI.
    affine : ndarray (4, 4)
        To scanner mm, RAS.
    slice_axis : int
    elements : dict
        Further elements by keyword; they stand above the usual ones.
    """

    number: int
    description: str
    image: NDArray[Any]
    affine: NDArray[np.float64]
    slice_axis: int
    elements: dict[str, Any]


def write_dicom(cohort_folder: Path | str, out: Path | str, *, seed: int = 0, extras: bool = True) -> Path:
    """Write every raw scan of a simulated cohort as DICOM, as a scanner's archive would export it.

    Headers are those of the simulated site's protocols; every file says that no scanner made it (Synthetic Data, 0008,001C) and
    names invented people as SIMULATED^... in standard, nested, private and free-text elements and in the names of folders.

    Parameters
    ----------
    cohort_folder : Path or str
        Made by `dawson simulate cohort --space native`.
    out : Path or str
        New or empty folder.
    seed : int
        Of the invented identities and dates.
    extras : bool
        Also a localizer, a reformatted series, a screen capture, and a FLAIR whose header lacks its inversion time.

    Returns
    -------
    Path

    Raises
    ------
    CohortError
        The cohort is not simulated or not raw heads, or the folder is not empty.
    MissingDependencyError
        The intake extra is not installed.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError:
        raise MissingDependencyError("Writing DICOM needs pydicom.", "pip install 'dawson[intake]'") from None
    cohort, out = read_cohort(cohort_folder), Path(out)
    if not cohort.simulated:
        raise CohortError(f"{cohort.root} is not simulated.", "Only simulated scans are written as DICOM with invented names.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CohortError(f"{out} is not empty.", "Give a new folder.")
    with progress("Scans written as DICOM", len(cohort.scans)) as advance:
        for scan in cohort.scans:
            _write_session(cohort, scan, out, seed, extras)
            advance(scan.entities)
    return out


def _write_session(cohort: Cohort, scan: Scan, out: Path, seed: int, extras: bool) -> None:
    import nibabel as nib

    who = identity(cohort, scan.participant_id, seed)
    rows = cohort.sessions[(cohort.sessions["participant_id"] == scan.participant_id) & (cohort.sessions["session_id"] == scan.session_id)]
    day = who.baseline + timedelta(days=int(rows["days_from_baseline"].iloc[0]))
    images: dict[Contrast, tuple[NDArray[Any], NDArray[np.float64]]] = {}
    site = None
    for contrast, path in zip(CONTRASTS, (scan.t1w, scan.flair), strict=True):
        if path is None:
            continue
        about = read_json(sidecar_path(path))
        if about.get("SkullStripped") or "SimulatedScanner" not in about:
            raise CohortError(f"{path} is no raw head.", "Make the cohort with `dawson simulate cohort --space native`.")
        site = site_named(str(about["SimulatedScanner"]))
        image: Any = nib.load(path)
        images[contrast] = np.asarray(image.dataobj), np.asarray(image.affine, dtype=np.float64)
    if site is None:
        return
    study_uid = _uid(seed, scan.entities, "study")
    folder = out / f"{who.name.replace('^', '_')}_{who.patient_id}" / f"MR_{day:%Y%m%d}"
    for series in _series(images, site, extras):
        common = _header(who, day, site, series, study_uid, _uid(seed, scan.entities, "frame"))
        for number, (pixels, position) in enumerate(_slices(series), start=1):
            uid = _uid(seed, scan.entities, series.number, number)
            dataset = _slice(common, series, pixels, position, number, uid, _uid(seed, scan.entities, series.number))
            _save(dataset, folder / f"{series.number:03d}" / f"IM{number:05d}")
    if extras:
        _save(_capture(who, day, site, study_uid, seed, scan.entities), folder / "099" / "IM00001")


def _series(images: dict[Contrast, tuple[NDArray[Any], NDArray[np.float64]]], site: Site, extras: bool) -> Iterator[Series]:
    """The series of one visit, in the order of acquisition."""
    first, at = next(iter(images.values()))
    if extras:
        for axis in range(3):
            middle = [slice(None)] * 3
            middle[axis] = slice(first.shape[axis] // 2, first.shape[axis] // 2 + 1)
            moved = at.copy()
            moved[:3, 3] += at[:3, axis] * middle[axis].start
            elements = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "MRAcquisitionType": "2D", "ScanningSequence": "GR"}
            yield Series(
                1, "localizer", first[tuple(middle)], moved, axis, {**elements, "RepetitionTime": "8.6", "EchoTime": "4", "FlipAngle": "20"}
            )
    for number, (contrast, (image, affine)) in enumerate(images.items(), start=2):
        protocol = site.protocol(contrast)
        thin = float(np.linalg.norm(affine[:3, 2])) <= _THIN_MM
        axis = 0 if contrast == "T1w" and thin else 2
        yield Series(number, _DESCRIPTIONS[protocol.sequence], image, affine, axis, _protocol(protocol, thin))
    if extras and "T1w" in images:
        step = 6
        coronal = images["T1w"][0][:, ::step]
        affine = images["T1w"][1] @ np.diag([1.0, step, 1.0, 1.0])
        derived = {**_protocol(site.t1w, True), "ImageType": ["DERIVED", "SECONDARY", "MPR"]}
        yield Series(8, "t1 cor MPR", coronal, affine, 1, derived)
    if extras and "FLAIR" in images:
        image, affine = images["FLAIR"]
        step = max(1, round(6.0 / float(np.linalg.norm(affine[:3, 2]))))
        silent = {**_protocol(site.flair, False), "InversionTime": None}
        yield Series(9, "tirm tra", image[:, :, ::step], affine @ np.diag([1.0, 1.0, step, 1.0]), 2, silent)


_DESCRIPTIONS = {"MPRAGE": "t1 mprage sag", "SPGR": "t1 spgr", "FLAIR": "t2 flair"}


def _protocol(protocol: Protocol, thin: bool) -> dict[str, Any]:
    inverted = protocol.ti > 0
    spin = protocol.sequence == "FLAIR"
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "ScanningSequence": ["SE" if spin else "GR", *(["IR"] if inverted else [])],
        "SequenceVariant": "SK" if spin else ["SP", "MP"] if inverted else "SP",
        "MRAcquisitionType": "3D" if thin else "2D",
        "RepetitionTime": _decimal(protocol.tr),
        "EchoTime": _decimal(protocol.te),
        "InversionTime": _decimal(protocol.ti) if inverted else None,
        "FlipAngle": _decimal(protocol.flip),
        "EchoTrainLength": protocol.pulses or 1,
    }


def _slices(series: Series) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.float64]]]:
    """Pixels (rows, columns) and the corner's place (mm, LPS) of every slice."""
    across, down = _IN_PLANE[series.slice_axis]
    turned = np.flip(np.moveaxis(series.image, (series.slice_axis, down, across), (0, 1, 2)), (1, 2))
    for number, pixels in enumerate(turned):
        corner = np.ones(4)
        corner[series.slice_axis], corner[across], corner[down] = number, series.image.shape[across] - 1, series.image.shape[down] - 1
        yield np.ascontiguousarray(pixels, dtype="<u2"), (series.affine @ corner)[:3] * [-1, -1, 1]


def _header(who: Identity, day: date, site: Site, series: Series, study_uid: str, frame_uid: str) -> Dataset:
    """What all files of a series share."""
    across, down = _IN_PLANE[series.slice_axis]
    sizes = np.linalg.norm(series.affine[:3, :3], axis=0)
    directions = [-(series.affine[:3, axis] / sizes[axis]) * [-1, -1, 1] for axis in (across, down)]
    dataset = simulated_patient(who, day, site, study_uid)
    dataset.SOPClassUID = _MR_IMAGE
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = f"{series.description} {who.name.split('^')[1]}"
    dataset.ProtocolName = series.description
    dataset.SeriesTime = dataset.AcquisitionTime = f"{9 + series.number // 6:02d}{(series.number * 7) % 60:02d}00"
    dataset.FrameOfReferenceUID = frame_uid
    dataset.PatientPosition = "HFS"
    dataset.MagneticFieldStrength = _decimal(site.field_tesla)
    dataset.BodyPartExamined = "HEAD"
    dataset.ImageOrientationPatient = [_decimal(value) for direction in directions for value in direction]
    dataset.PixelSpacing = [_decimal(sizes[down]), _decimal(sizes[across])]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = _decimal(sizes[series.slice_axis])
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    for keyword, value in series.elements.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def _slice(
    common: Dataset, series: Series, pixels: NDArray[np.uint16], position: NDArray[np.float64], number: int, uid: str, series_uid: str
) -> Dataset:
    import copy

    dataset = copy.copy(common)
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = uid, series_uid
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [_decimal(value) for value in position]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    return dataset


def _capture(who: Identity, day: date, site: Site, study_uid: str, seed: int, scan: str) -> Dataset:
    """A screen capture, as scanners add them to an examination: its pixels could show a name."""
    dataset = simulated_patient(who, day, site, study_uid)
    dataset.SOPClassUID = _SECONDARY_CAPTURE
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = _uid(seed, scan, "capture"), _uid(seed, scan, "captures")
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.SeriesDescription = 99, 1, "screen save"
    dataset.ConversionType, dataset.ImageType = "WSD", ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = bytes(64 * 64)
    return dataset


def _save(dataset: Dataset, path: Path) -> None:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    if path.exists():
        # the planes of a localizer share a series
        taken = len(list(path.parent.iterdir()))
        path = path.with_name(f"IM{taken + 1:05d}")
        dataset.InstanceNumber = taken + 1
        dataset.SOPInstanceUID = _uid(str(dataset.SOPInstanceUID), taken)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID(str(dataset.SOPClassUID))
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(str(dataset.SOPInstanceUID))
    with atomic_path(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _uid(*parts: object) -> str:
    """A UID that is the same for the same parts."""
    from pydicom.uid import generate_uid

    return str(generate_uid(prefix=_UID_ROOT, entropy_srcs=["dawson simulate dicom", *map(str, parts)]))


def _decimal(value: float) -> str:
    """A number as a decimal string of at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value))
