"""A part of a study leaves it: a BIDS dataset of those who may go, with datasheet, licence, checksums and a record of where it went."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from dawson.cohort.checksums import CHECKSUMS, write_checksums
from dawson.cohort.dictionary import as_numbers
from dawson.cohort.export_description import describe_export
from dawson.cohort.export_files import DERIVATIVES, ExportFile
from dawson.cohort.export_plan import ExportOptions, ExportPlan, plan_export
from dawson.cohort.export_record import ExportRecord, append_export, exports_with, read_exports
from dawson.cohort.export_sidecars import clean_sidecar
from dawson.cohort.nifti_copy import copy_nifti
from dawson.config import StudyConfig
from dawson.errors import CohortError, ConsentError
from dawson.files import atomic_path, digest_of, read_json, read_tsv, sha256, write_json, write_tsv
from dawson.governance import audit
from dawson.governance.gate import is_withdrawn, rule
from dawson.governance.tombstones import withdrawn_images
from dawson.progress import progress

__all__ = ["Export", "ExportOptions", "ExportPlan", "ExportRecord", "exports_with", "plan_export", "read_exports", "write_export"]

_TABLE_TEXTS = ("participant_id", "session_id", "contrast", "status", "decision", "source", "verdict")


@dataclass(frozen=True)
class Export:
    """What was made.

    Parameters
    ----------
    path : Path
    export_id : str
    people, sessions, files : int
    changed_images : int
        Images whose headers or gzip headers held text that was taken out.
    for_the_author : int
        Questions of the datasheet that are still open.
    """

    path: Path
    export_id: str
    people: int
    sessions: int
    files: int
    changed_images: int
    for_the_author: int


def write_export(plan: ExportPlan, out: Path | str, config: StudyConfig, *, at: datetime | None = None) -> Export:
    """Make the export: whole or not at all.

    Files are gathered in a hidden folder beside `out`, which is renamed when all is done; an interrupted export goes on where
    it stopped if nothing has changed since. Consent is asked again at this moment and noted in the audit log where it is
    managed; a line in governance/exports.jsonl says who goes where before the first file is copied.

    Parameters
    ----------
    plan : ExportPlan
    out : Path or str
        New folder outside the study.
    config : StudyConfig
    at : datetime, optional
        The moment; now by default.

    Returns
    -------
    Export

    Raises
    ------
    CohortError
        The folder is there already or lies in the study, or a file was changed meanwhile.
    ConsentError
        Somebody may not go any more.
    ImageError
        An image is damaged.
    """
    out = Path(out).resolve()
    now = at or datetime.now(UTC)
    for record in read_exports(plan.cohort.root):
        if record.is_open and record.has_left:
            _finish(plan, record)
    _refuse_place(plan.cohort.root, out)
    detail = {"recipient": plan.options.recipient, "licence": plan.licence.identifier, "destination": out.name}
    ruling = rule(plan.cohort.root, plan.considered, plan.use, managed=plan.managed, at=at, detail=detail)
    if not_any_more := [person for person in plan.people if person not in set(ruling.allowed)]:
        person = not_any_more[0]
        raise ConsentError(f"{person} may not be exported any more: {ruling.refused.get(person, 'unknown')}.", "Plan the export again.")
    staging = _staging(plan, out)
    record = _begun(plan, out, staging, now)
    try:
        copied = _copy(plan, staging)
        _refuse_withdrawn(plan)
    except ConsentError:
        shutil.rmtree(staging)
        append_export(plan.cohort.root, record.model_copy(update={"state": "abandoned"}))
        raise
    _tables(plan, staging)
    facts = describe_export(plan, staging, config, now)
    sums = write_checksums(staging)
    files = {person: {name: sums[name] for name in names} for person, names in record.files.items()}
    if out.exists():
        out.rmdir()
    placed = record.model_copy(update={"state": "placed", "files": files, "sources": copied, "checksums": sha256(staging / CHECKSUMS)})
    # Before the folder gets its name: from then on it may be taken away, whatever happens to this process.
    append_export(plan.cohort.root, placed)
    staging.rename(out)
    _finish(plan, placed)
    return Export(out, record.export_id, len(plan.people), len(plan.cohort.sessions), len(sums) + 1, len(copied), facts)


def _finish(plan: ExportPlan, record: ExportRecord) -> None:
    """Say that an export stands, or stood, at its destination."""
    append_export(plan.cohort.root, record.model_copy(update={"state": "finished", "staging": ""}))
    if plan.managed:
        about = {"export_id": record.export_id, "checksums": record.checksums, "recipient": record.recipient, "licence": record.licence}
        audit.append(
            plan.cohort.root,
            "exported",
            record.people,
            {**about, "destination": Path(record.destination).name, "agreement": record.agreement},
        )


def _refuse_place(root: Path, out: Path) -> None:
    if out.is_relative_to(root) or root.is_relative_to(out):
        raise CohortError(f"{out} and the study {root} lie in one another.", "Give a folder elsewhere.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CohortError(f"{out} is not empty.", "Give a new folder; an export is never added to.")


def _staging(plan: ExportPlan, out: Path) -> Path:
    """The folder in which this very export is gathered; leftovers of others for the same place are removed first."""
    stamps = [[file.target, file.source.stat().st_size, file.source.stat().st_mtime_ns] for file in plan.found.files]
    digest = digest_of([asdict(plan.options), plan.licence.identifier, list(plan.people), plan.tables.site_names, stamps])
    staging = out.parent / f".part-{out.name}-{digest[:16]}"
    for record in read_exports(plan.cohort.root):
        other = Path(record.staging)
        if record.is_open and not record.has_left and record.destination == str(out) and other != staging:
            if other.is_dir():
                shutil.rmtree(other)
            append_export(plan.cohort.root, record.model_copy(update={"state": "abandoned"}))
    staging.mkdir(parents=True, exist_ok=True)
    return staging


def _begun(plan: ExportPlan, out: Path, staging: Path, now: datetime) -> ExportRecord:
    """The line that says who is about to go where; that of an interrupted export is taken up again."""
    earlier = next((item for item in read_exports(plan.cohort.root) if item.is_open and item.staging == str(staging)), None)
    if earlier is not None:
        return earlier
    files: dict[str, dict[str, str]] = {person: {} for person in plan.people}
    for file in plan.found.files:
        files[file.participant_id][file.target] = ""
    for person in plan.tables.sessions:
        files[person][f"{person}/{person}_sessions.tsv"] = ""
    record = ExportRecord(
        export_id=str(uuid4()),
        state="begun",
        at=now,
        destination=str(out),
        staging=str(staging),
        recipient=plan.options.recipient,
        agreement=plan.options.agreement,
        purpose=plan.options.purpose,
        licence=plan.licence.identifier,
        country=plan.use.country,
        commercial=plan.use.commercial,
        public=plan.use.public,
        files=files,
        site_names=plan.tables.site_names,
    )
    append_export(plan.cohort.root, record)
    return record


def _copy(plan: ExportPlan, staging: Path) -> dict[str, str]:
    """Copy the files that are not there yet; the sums of the sources of those that differ from them."""
    changed = {}
    withdrawn = withdrawn_images(plan.cohort.root)
    with progress("Exporting files", len(plan.found.files)) as advance:
        for file in plan.found.files:
            target = staging / file.target
            origin = sha256(file.source)
            if whose := withdrawn.whose(file.source):
                raise ConsentError(f"{file.source} is an image of {whose}, who has withdrawn.", "Remove it from the study.")
            if not target.is_file():
                _copy_one(file, target, plan.tables.site_names, plan.options.hide_sites)
            if file.kind == "image" and sha256(target) != origin:
                changed[file.target] = origin
            advance(target.name)
    return changed


def _refuse_withdrawn(plan: ExportPlan) -> None:
    """Stop for somebody who withdrew while files were copied."""
    if gone := [person for person in plan.people if is_withdrawn(plan.cohort.root, person)]:
        raise ConsentError(f"{gone[0]} has withdrawn meanwhile.", "Plan the export again.")


def _copy_one(file: ExportFile, target: Path, site_names: Mapping[str, str], hide_sites: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.kind == "image":
        copy_nifti(file.source, target)
    elif file.kind == "sidecar":
        try:
            content = read_json(file.source)
        except ValueError as error:
            raise CohortError(f"{file.source} is not valid JSON ({error}).", "Correct it, or move it away.") from None
        write_json(target, clean_sidecar(content, site_names, hide_sites=hide_sites))
    else:
        with atomic_path(target) as temporary:
            shutil.copyfile(file.source, temporary)


def _tables(plan: ExportPlan, staging: Path) -> None:
    write_tsv(staging / "participants.tsv", plan.tables.participants)
    write_json(staging / "participants.json", plan.tables.participants_dictionary)
    for person, table in plan.tables.sessions.items():
        write_tsv(staging / person / f"{person}_sessions.tsv", table)
    if plan.tables.sessions:
        write_json(staging / "sessions.json", plan.tables.sessions_dictionary)
    if not plan.options.derivatives:
        return
    gone = set(zip(plan.cohort.sessions["participant_id"], plan.cohort.sessions["session_id"], strict=True))
    for name in ("preprocess.tsv", "quality.tsv"):
        path = plan.cohort.root / DERIVATIVES / name
        if path.is_file():
            table = read_tsv(path)
            if {"participant_id", "session_id"} <= set(table.columns):
                rows = [pair in gone for pair in zip(table["participant_id"], table["session_id"], strict=True)]
                # Reasons and remarks are free text and may hold a path or a name.
                kept = [column for column in table.columns if column in _TABLE_TEXTS or not as_numbers(table[column].dropna()).isna().any()]
                write_tsv(staging / DERIVATIVES / name, table.loc[rows, kept])
