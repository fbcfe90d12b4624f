"""A whole intake: planned, done session by session, and written down after each, so that it can be taken up again."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dawson.config import STUDY_FILE, read_config
from dawson.errors import IntakeError
from dawson.files import read_json, write_json, write_text
from dawson.governance.keys import named_key_folder, read_key, read_or_make_secret
from dawson.intake.codes import Codes
from dawson.intake.convert import dcm2niix_path
from dawson.intake.face_acceptance import FaceAcceptance
from dawson.intake.link_table import write_link
from dawson.intake.plan import Plan, make_plan
from dawson.intake.private_folder import check_private, make_private
from dawson.intake.process import Job, Made, deidentify_series, keep_dicom, plain_reason, process_session
from dawson.intake.publish import PICTURES, Publisher
from dawson.intake.record import Record, Row, locked
from dawson.intake.series import find_series
from dawson.intake.sorting import SHIPPED, STUDY_RULES, RuleFile, read_rules
from dawson.intake.sources import Limits, open_source
from dawson.parallel import each
from dawson.progress import progress

KEY = "intake.key"
# By this a study knows its key again: keyed, it says nothing about it.
KEY_CHECK = Path("code", "intake_key.json")


@dataclass(frozen=True)
class Options:
    """What the person at the terminal chose.

    Parameters
    ----------
    rules : Path or None
        Rule file; by default the study's own, else the shipped one.
    take : mapping of str to str
        Further lines for [take].
    key : Path or None
        Secret of the pseudonyms, which must be there; by default `intake.key` in the key folder, made for a first study.
    site : str
        Centre or scanner for the participants table.
    deface : bool
    use_issuer : bool
    acceptance : FaceAcceptance
        A person's word about heads whose face removal was doubted.
    dicom_out, quarantine, link : Path or None
        De-identified DICOM; what failed, and pictures of heads; the table of who is who. All outside the study.
    jobs : int
    """

    rules: Path | None = None
    take: Mapping[str, str] | None = None
    key: Path | None = None
    site: str = ""
    deface: bool = True
    use_issuer: bool = True
    acceptance: FaceAcceptance = field(default_factory=FaceAcceptance)
    dicom_out: Path | None = None
    quarantine: Path | None = None
    link: Path | None = None
    jobs: int = 1


@dataclass(frozen=True)
class Intake:
    """What an intake did.

    Parameters
    ----------
    plan : Plan
    rows : tuple of Row
        Of this run; series that were in the study already have none.
    quarantine : Path
    dropped : Counter
        Fields of sidecars that were left out, by how many series had them.
    no_dicom : dict of str to str
        Series of which no de-identified DICOM could be kept, and why.
    """

    plan: Plan
    rows: tuple[Row, ...]
    quarantine: Path
    dropped: Counter[str]
    no_dicom: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Series by what became of them."""
        statuses = Counter(row.status for row in self.rows if not row.series.startswith("F-"))
        return {
            "taken": statuses["taken"],
            "already": len(self.plan.of("already")),
            "held": statuses["held"],
            "rejected": statuses["rejected"],
        }


def plan_intake(source: Path, study: Path, options: Options, limits: Limits = Limits()) -> Plan:
    """Say what an intake would do; nothing is written but, the first time, the key.

    Raises
    ------
    IntakeError, GovernanceError
        The source, the rules or the key cannot be used.
    """
    source, study = Path(source).absolute(), Path(study).absolute()
    _check(source, study, options)
    record = Record(study)
    return _plan(source, study, options, limits, _secret(study, options, record), record)


def take_in(source: Path, study: Path, options: Options, limits: Limits = Limits()) -> Intake:
    """Take DICOM into a study. The source is only read.

    An interrupted run is taken up by the same call: what is in the study is recognised by its content.

    Parameters
    ----------
    source : Path
        Folder or zip.
    study : Path
        BIDS folder; made where it is missing.
    options : Options
    limits : Limits

    Raises
    ------
    IntakeError, GovernanceError
        The source, the rules, the key or a folder cannot be used, or another intake works on the study.
    """
    source, study = Path(source).absolute(), Path(study).absolute()
    _check(source, study, options)
    dcm2niix_path()
    _secret(study, options, Record(study))
    quarantine = quarantine_folder(study, options)
    with locked(study):
        record = Record(study)
        # once more: another intake may have begun the study meanwhile
        secret = _secret(study, options, record)
        plan = _plan(source, study, options, limits, secret, record)
        managed = read_config(study / STUDY_FILE).governance.managed
        make_private(quarantine)
        _keep_rules(study, options)
        _keep_check(study, secret)
        publisher = Publisher(study, record, quarantine, options.site, managed=managed, acceptance=options.acceptance)
        publisher.restate(plan.of("already"))
        rows = publisher.waiting(plan.waiting_rows(Codes(secret)))
        dropped: Counter[str] = Counter()
        sessions = plan.sessions()
        with tempfile.TemporaryDirectory(prefix="dawson-intake-") as scratch, progress("Taken-in sessions", len(sessions)) as advance:
            jobs = []
            for number, planned in enumerate(sessions):
                place = Path(scratch, str(number))
                place.mkdir()
                keep = options.dicom_out is not None
                seen = options.acceptance.series
                jobs.append(Job(source, limits, tuple(planned), secret, place, options.deface, options.use_issuer, keep, seen))
            for job, made in each(process_session, jobs, jobs=min(options.jobs, max(1, len(jobs)))):
                new = publisher.publish(made, defaced=job.deface)
                rows += new
                for one, row in zip(made, new, strict=True):
                    if options.dicom_out is not None and one.dicom is not None and row.status == "taken":
                        keep_dicom(one.dicom, options.dicom_out, one.planned)
                shutil.rmtree(job.scratch)
                dropped.update(name for one in made for name in one.dropped)
                advance(made[0].planned.participant_id)
            no_dicom = _dicom_of_known(plan, source, limits, secret, options, Path(scratch))
        if options.link is not None:
            write_link(options.link, plan)
        if managed and not any(row.status == "taken" for row in rows):
            _log(study, rows)
    return Intake(plan, tuple(rows), quarantine, dropped, no_dicom)


def quarantine_folder(study: Path, options: Options) -> Path:
    """Where what failed is kept, and pictures that show faces: beside the study, never in it."""
    return (options.quarantine or study.with_name(f"{study.name}-quarantine")).absolute()


def rules_of(study: Path, options: Options) -> RuleFile:
    """The rules that hold: those given, else the study's, else the shipped ones; with further lines for [take]."""
    own = study / STUDY_RULES
    return read_rules(options.rules or (own if own.is_file() else SHIPPED), options.take)


def _plan(source: Path, study: Path, options: Options, limits: Limits, secret: bytes, record: Record) -> Plan:
    rules = rules_of(study, options)
    with open_source(source, limits) as opened:
        found = find_series(opened)
    plan = make_plan(found, study, rules, secret, record, use_issuer=options.use_issuer)
    known = {code for item in plan.planned for code in (item.code, item.words)}
    if unknown := sorted(set(options.take or {}) - known):
        raise IntakeError(f"--take {', '.join(unknown)}: no series of {source} has this code.", "Look at the codes with --dry-run.")
    if unknown := sorted(set(options.acceptance.series) - {item.code for item in plan.of("take")}):
        raise IntakeError(f"--accept-face {', '.join(unknown)}: no series that would be taken has this code.", "Look with --dry-run.")
    options.acceptance.check(record, quarantine_folder(study, options) / PICTURES)
    return plan


def _secret(study: Path, options: Options, record: Record) -> bytes:
    """The key; a new one is made only where no study can need an old one, since everybody would get a second pseudonym."""
    path = options.key or named_key_folder() / KEY
    there = study / KEY_CHECK
    if not path.exists():
        if options.key is not None:
            raise IntakeError(f"--key {path} does not exist.", "Give the key file; for a new one leave --key out.")
        if there.is_file() or any(row["status"] == "taken" for row in record.rows()):
            raise IntakeError(
                f"The key {path} is missing, and {study} was made with one.", "Restore it from your backup, or name it by --key."
            )
    secret = read_or_make_secret(KEY) if options.key is None else read_key(path)
    if there.is_file() and read_json(there).get("Check") != Codes(secret).check():
        raise IntakeError(
            f"{path} is not the key that {study} was made with: everybody would get a second pseudonym.", "Give the right one by --key."
        )
    return secret


def _keep_check(study: Path, secret: bytes) -> None:
    if not (study / KEY_CHECK).exists():
        said = "Keyed code of a constant: dawson intake refuses another key. It says nothing about the key or about anybody"
        write_json(study / KEY_CHECK, {"Check": Codes(secret).check(), "Description": said})


def _check(source: Path, study: Path, options: Options) -> None:
    """Refuse folders that would mix what must stay apart."""
    if study.exists() and not study.is_dir():
        raise IntakeError(f"{study} is no folder.", "Give the folder of the study.")
    if (
        study.is_dir()
        and any(study.iterdir())
        and not (study / "dataset_description.json").is_file()
        and not (study / "derivatives").is_dir()
    ):
        raise IntakeError(f"{study} is not empty and no BIDS study.", "Give a new folder, or one with dataset_description.json.")
    place, origin = study.resolve(), source.resolve()
    if place == origin or place.is_relative_to(origin) or origin.is_relative_to(place):
        raise IntakeError(f"{source} and {study} lie in one another.", "Keep the originals and the study apart.")
    check_private(quarantine_folder(study, options))
    for name, path in (
        ("--dicom-out", options.dicom_out),
        ("--quarantine", quarantine_folder(study, options)),
        ("--link", options.link),
        ("--key", options.key),
        ("The folder of keys", named_key_folder()),
    ):
        if path is not None and (path.resolve().is_relative_to(place) or path.resolve().is_relative_to(origin)):
            raise IntakeError(f"{name} {path} lies in the study or in the source.", "Give a place outside of both.")


def _keep_rules(study: Path, options: Options) -> None:
    """The first intake leaves the rules in the study, for a person to change."""
    if options.rules is None and not (study / STUDY_RULES).exists():
        write_text(study / STUDY_RULES, SHIPPED.read_text(encoding="utf-8"))


def _dicom_of_known(plan: Plan, source: Path, limits: Limits, secret: bytes, options: Options, scratch: Path) -> dict[str, str]:
    """De-identified DICOM of series that an earlier intake took; of which it could not be made, and why."""
    failed: dict[str, str] = {}
    if options.dicom_out is None:
        return failed
    for item in plan.of("already"):
        if (options.dicom_out / item.participant_id / item.session_id / item.code).exists():
            continue
        folder = scratch / item.code
        job = Job(source, limits, (item,), secret, folder, options.deface, options.use_issuer, True)
        try:
            deidentify_series(job, item, folder)
            keep_dicom(folder, options.dicom_out, item)
        except Exception as error:
            # As on the way into the study: one bad series does not end the batch.
            failed[item.code] = plain_reason(error)
        shutil.rmtree(folder, ignore_errors=True)
    return failed


def _log(study: Path, rows: list[Row]) -> None:
    """An intake that took nothing is an event of the audit log too; each session that is taken has its own."""
    from dawson.governance import audit

    counts = Counter(row.status for row in rows)
    audit.append(study, "intake", (), {"series": dict(counts)})


__all__ = ["Intake", "Made", "Options", "plan_intake", "quarantine_folder", "rules_of", "take_in"]
