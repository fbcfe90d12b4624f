"""The series of one session on their way into the study: de-identified, converted, checked, without a face, measured."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dawson.errors import DawsonError, ImageError, MissingDependencyError
from dawson.intake.codes import Codes
from dawson.intake.convert import SeriesError, convert
from dawson.intake.face_acceptance import QUARANTINED
from dawson.intake.geometry import difference
from dawson.intake.plan import Planned
from dawson.intake.sidecars import clean_sidecar
from dawson.intake.sources import Limits, open_source

_LEAST_VOXELS = 16


@dataclass(frozen=True)
class Job:
    """What a worker needs for one session.

    Parameters
    ----------
    source : Path
    limits : Limits
    planned : tuple of Planned
        Series of one session.
    secret : bytes
    scratch : Path
        Empty folder of its own, outside the study.
    deface : bool
    use_issuer : bool
    keep_dicom : bool
        The de-identified DICOM stays in the scratch folder.
    accepted : tuple of str
        Codes of series whose face a person has seen to be gone.
    threads : int
        Of face removal.
    """

    source: Path
    limits: Limits
    planned: tuple[Planned, ...]
    secret: bytes
    scratch: Path
    deface: bool
    use_issuer: bool
    keep_dicom: bool
    accepted: tuple[str, ...] = ()
    threads: int = 1


@dataclass
class Made:
    """What became of one series.

    Parameters
    ----------
    planned : Planned
    image : Path or None
        Finished image in the scratch folder; None where there is none.
    faced : Path or None
        The image before its face was removed.
    sidecar : dict
        Clean.
    dropped : tuple of str
        Fields of dcm2niix that were left out.
    voxels : str
        Keyed hash of the voxels before the face was removed.
    quality : dict of str to float
    age : str
        Whole years or "90+".
    changed_brain_voxels : int or None
    doubt : str
        What face removal doubted and a person's word overruled.
    failure : str
        Why it is not taken; empty where it is.
    quarantined : bool
        It failed at face removal and waits in the quarantine.
    held : bool
        It failed in a way that a person may make something of.
    dicom : Path or None
        Folder of its de-identified files, where they are kept.
    picture : Path or None
        The session's heads before and after.
    """

    planned: Planned
    image: Path | None = None
    faced: Path | None = None
    sidecar: dict[str, Any] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    voxels: str = ""
    quality: dict[str, float] = field(default_factory=dict)
    age: str = ""
    changed_brain_voxels: int | None = None
    doubt: str = ""
    failure: str = ""
    quarantined: bool = False
    held: bool = False
    dicom: Path | None = None
    picture: Path | None = None


def process_session(job: Job) -> tuple[Job, list[Made]]:
    """Bring the series of one session to finished images; one that fails does not stop the others.

    Parameters
    ----------
    job : Job

    Returns
    -------
    Job
        The same, so that results that come out of order are known.
    list of Made
        One a series.
    """
    made = []
    for planned in job.planned:
        one = Made(planned)
        try:
            _images(job, one)
        except (DawsonError, OSError) as error:
            one.failure, one.held = plain_reason(error), isinstance(error, SeriesError) and error.held
        except Exception as error:
            # A hostile file may break any of the programs in a new way; it must not end the batch.
            one.failure = f"it could not be processed ({type(error).__name__})"
        made.append(one)
    ready = [one for one in made if not one.failure]
    if ready and job.deface:
        _deface(job, ready)
    for one in made:
        if not one.failure and one.image is None:
            one.image = one.faced
    return job, made


def plain_reason(error: Exception) -> str:
    """An error as a reason; paths in the scratch folder and of the source say nothing and may name somebody, and so may other messages."""
    if isinstance(error, ImageError):
        return f"the image {error.problem}".rstrip(".")
    if isinstance(error, SeriesError | MissingDependencyError):
        return error.message.rstrip(".")
    return f"it could not be {'read' if isinstance(error, OSError) else 'processed'} ({type(error).__name__})"


def deidentify_series(job: Job, planned: Planned, out: Path) -> str:
    """Write the de-identified files of a series into a folder, numbered; returns the person's age.

    Raises
    ------
    SeriesError
        A file is not what the plan saw, or may show a name in its pixels.
    """
    import pydicom

    from dawson.intake.deidentify import DeidentifyOptions, Pseudonymiser, deidentify, quarantine_reason

    names, options, age = Pseudonymiser(job.secret), DeidentifyOptions(use_issuer=job.use_issuer), ""
    out.mkdir(parents=True, exist_ok=True)
    with open_source(job.source, job.limits) as source, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, item in enumerate(planned.series.files, start=1):
            with source.open(item.entry) as stream:
                dataset = pydicom.dcmread(stream, force=True)
                if str(dataset.get("SOPInstanceUID", "")).strip() != item.instance_uid:
                    raise SeriesError("a file changed while it was taken in", "Run it again.")
                if reason := quarantine_reason(dataset):
                    raise SeriesError(f"in quarantine: it {reason}", "Look at the original.", held=True)
                done = deidentify(dataset, names, options)
            if f"sub-{done.participant}" != planned.participant_id:
                raise SeriesError("a file belongs to another patient than its series", "Look at the original.", held=True)
            done.dataset.save_as(out / f"{number:06d}.dcm", enforce_file_format=True)
            age = age or done.age
    return age


def _images(job: Job, one: Made) -> None:
    """De-identified DICOM, NIfTI, sidecar, hash and quality of one series."""
    import nibabel as nib

    from dawson.imaging.image_quality import quick_quality
    from dawson.imaging.volumes import read_volume

    folder = job.scratch / one.planned.code
    dicom, converted = folder / "dicom", folder / "converted"
    converted.mkdir(parents=True)
    one.age = deidentify_series(job, one.planned, dicom)
    result = convert(dicom, converted, one.planned.name)
    if job.keep_dicom:
        one.dicom = dicom
    else:
        shutil.rmtree(dicom)
    image: Any = nib.load(result.image)
    if len(image.shape) != 3 or min(image.shape) < _LEAST_VOXELS:
        size = " x ".join(map(str, image.shape))
        raise SeriesError(f"dcm2niix makes an image of {size} voxels of it, no volume of a head", "Leave the series out.")
    if moved := difference(one.planned.series, image.shape, image.affine):
        raise SeriesError(moved, "Compare it with the original in a viewer of DICOM.", held=True)
    one.voxels = Codes(job.secret).image(np.asarray(image.dataobj))
    sidecar = clean_sidecar(result.sidecar)
    one.sidecar, one.dropped = dict(sidecar.content), sidecar.dropped
    if one.planned.series.header.contrast_agent or one.planned.sorted.entities:
        # BIDS's name for it; which agent it was is no one's business here
        one.sidecar["ContrastBolusIngredient"] = "GADOLINIUM"
    if one.planned.series.header.synthetic:
        one.sidecar["SimulatedData"] = True
    one.quality = {name: float(f"{value:.6g}") for name, value in quick_quality(read_volume(result.image)).items() if np.isfinite(value)}
    one.faced = result.image


def keep_dicom(dicom: Path, out: Path, planned: Planned) -> None:
    """Copy the de-identified files of a series to where they are kept; an earlier copy is replaced."""
    target = out / planned.participant_id / planned.session_id / planned.code
    for folder in (out, out / planned.participant_id):
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    (out / planned.participant_id).chmod(0o700)
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f".part-{target.name}")
    for old in (part, target):
        if old.exists():
            shutil.rmtree(old)
    shutil.copytree(dicom, part)
    part.rename(target)


def _deface(job: Job, made: Sequence[Made]) -> None:
    """Take the faces off a session; where one scan cannot be worked on, the others go on without it."""
    from dawson.files import write_json
    from dawson.intake.deface import deface_session

    going = list(made)
    out, picture = job.scratch / "defaced", job.scratch / "heads.png"
    for one in going:
        # the picture says that its data are simulated where the sidecar does
        write_json(Path(str(one.faced).removesuffix(".nii.gz") + ".json"), one.sidecar)
    while going:
        names = [one.planned.name.removeprefix(f"{one.planned.participant_id}_{one.planned.session_id}_") for one in going]
        images = {name: Path(str(one.faced)) for name, one in zip(names, going, strict=True)}
        accepted = {name for name, one in zip(names, going, strict=True) if one.planned.code in job.accepted}
        try:
            done = deface_session(images, out, picture=picture, threads=job.threads, accepted=accepted)
        except (DawsonError, OSError) as error:
            bad = _culprit(error, going) or going[0]
            bad.failure, bad.quarantined = f"{QUARANTINED}face removal failed: {plain_reason(error)}", True
            going.remove(bad)
            continue
        except Exception as error:
            for one in going:
                one.failure, one.quarantined = f"{QUARANTINED}face removal failed ({type(error).__name__})", True
            return
        for one in going:
            one.changed_brain_voxels = done.changed_brain_voxels
            one.picture = picture if picture.is_file() else None
            if done.passed:
                one.image = done.written[Path(str(one.faced))]
                one.doubt = done.accepted.get(Path(str(one.faced)), "")
            else:
                one.failure, one.quarantined = f"{QUARANTINED}{done.reason.rstrip('.')}", True
        return


def _culprit(error: Exception, going: Sequence[Made]) -> Made | None:
    """The scan that an error names."""
    named = error.path.name if isinstance(error, ImageError) else ""
    return next((one for one in going if Path(str(one.faced)).name == named), None)
