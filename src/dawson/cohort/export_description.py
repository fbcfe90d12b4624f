"""What an export says of itself: description, licence, changes, README, datasheet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from dawson import __version__
from dawson.cohort.bids import BIDS_VERSION, write_bidsignore, write_readme
from dawson.cohort.checksums import CHECKSUMS
from dawson.cohort.dataset import read_cohort
from dawson.cohort.datasheet import DatasheetFacts, datasheet, open_questions
from dawson.cohort.describe import table_one
from dawson.cohort.export_files import DERIVATIVES
from dawson.cohort.export_plan import ExportPlan
from dawson.cohort.export_sidecars import field_names, without_paths
from dawson.cohort.licences import licence_text
from dawson.config import StudyConfig
from dawson.errors import DawsonError
from dawson.files import read_json, write_json, write_text

DATASHEET, LICENCE = "DATASHEET.md", "LICENSE"
_MAKER = "dawson cohort export"
# What a dataset says of its makers goes with every part of it.
_KEPT_FIELDS = ("Authors", "Acknowledgements", "HowToAcknowledge", "Funding", "EthicsApprovals", "ReferencesAndLinks", "HEDVersion")


def describe_export(plan: ExportPlan, staging: Path, config: StudyConfig, now: datetime) -> int:
    """Write everything that says what the export is; returns how many questions are left for the author."""
    original = _description(plan.cohort.root)
    name = plan.options.name or f"{plan.cohort.name} (part)"
    changes = _changes(plan)
    version, day = plan.options.version, now.date().isoformat()
    write_json(staging / "dataset_description.json", _new_description(plan, original, name, "raw"))
    if (staging / DERIVATIVES).is_dir():
        description = _new_description(plan, _description(plan.cohort.root / DERIVATIVES), f"{name}, derivatives", "derivative")
        write_json(staging / DERIVATIVES / "dataset_description.json", {**description, "DatasetLinks": {"raw": "../.."}})
    write_text(staging / LICENCE, licence_text(plan.licence, name))
    write_text(staging / "CHANGES", f"{version} {day}\n" + "".join(f"  - {change}\n" for change in changes))
    kind = "SIMULATED DATA. No person in this dataset exists.\n\n" if plan.cohort.simulated else ""
    what = f"{len(plan.people)} people, {len(plan.cohort.sessions)} sessions; a part of {plan.cohort.name}, version {version}, {day}."
    more = f"Licence: {plan.licence.identifier}, see LICENSE. {DATASHEET} says what the data are and may be used for.\n"
    check = f"Check the files with `sha256sum -c {CHECKSUMS}`.\nResearch use only: not for diagnosis."
    write_readme(staging, f"{name}\n\n{kind}{what}\n{more}{check}")
    write_bidsignore(staging, (f"/{DATASHEET}", f"/{CHECKSUMS}"))
    text = datasheet(_facts(plan, staging, config, original, name, day, changes))
    write_text(staging / DATASHEET, text)
    return open_questions(text)


def _description(root: Path) -> dict[str, Any]:
    path = root / "dataset_description.json"
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _new_description(plan: ExportPlan, original: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    makers = [item for item in original.get("GeneratedBy", []) if isinstance(item, dict) and item.get("Name")]
    # What made the study stays, by which a simulated one is known as simulated.
    makers = [without_paths({key: item[key] for key in ("Name", "Version", "Description") if key in item}) for item in makers]
    ours = {"Name": _MAKER, "Version": __version__, "Description": f"{len(plan.people)} people for {plan.options.purpose}"}
    new: dict[str, Any] = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": kind, "License": plan.licence.identifier}
    new |= {field: without_paths(original[field]) for field in _KEPT_FIELDS if original.get(field)}
    new["GeneratedBy"] = [*makers, ours]
    if original.get("DatasetDOI"):
        new["SourceDatasets"] = [{"DOI": original["DatasetDOI"]}]
    return new | ({"DatasetDOI": plan.options.doi} if plan.options.doi and kind == "raw" else {})


def _changes(plan: ExportPlan) -> list[str]:
    options = plan.options
    said = [f"{len(plan.people)} people and {len(plan.cohort.sessions)} sessions were taken from {plan.cohort.name}."]
    said.append("Free text, dates, paths, names of devices and places were taken out of sidecars and image headers.")
    if plan.fields_left:
        said.append(f"Fields of sidecars that were left out, wholly or in part: {field_names(list(plan.fields_left))}.")
    said += [f"The column {name} was left out: it {why}." for name, why in plan.tables.left_out.items()]
    said.append("Ages above 89 are written 90+.")
    if options.coarsen_age:
        said.append(f"Ages are in bands of {options.coarsen_age} years, written as the middle of the band.")
    if options.hide_sites:
        said.append("Sites are numbered in random order.")
    return said


def _facts(
    plan: ExportPlan, staging: Path, config: StudyConfig, original: dict[str, Any], name: str, day: str, changes: list[str]
) -> DatasheetFacts:
    options, table = plan.options, plan.tables.participants
    missing = {str(column): int(table[column].isin(["", "n/a"]).sum()) for column in table.columns}
    images = sum(file.kind == "image" for file in plan.found.files)
    rare = int(plan.rare["people"].sum()) if len(plan.rare) else 0
    return DatasheetFacts(
        name=name,
        version=options.version,
        day=day,
        simulated=plan.cohort.simulated,
        people=len(plan.people),
        chosen=len(plan.considered),
        sessions=len(plan.cohort.sessions),
        images=images,
        refused=len(plan.refused),
        managed=plan.managed,
        table=_table_one(staging, config),
        missing=missing,
        rare=rare,
        purpose=options.purpose,
        diseases=", ".join(plan.use.diseases),
        country=plan.use.country,
        recipient=options.recipient,
        agreement=options.agreement,
        licence=f"{plan.licence.identifier}, {plan.licence.name}",
        licence_url=plan.licence.url,
        commercial=plan.use.commercial,
        public=plan.use.public,
        faces=_faces_said(plan),
        changes=changes,
        derivatives=options.derivatives,
        software=f"Dawson {__version__}",
        description={key: _text(value) for key, value in original.items()},
    )


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _faces_said(plan: ExportPlan) -> str:
    if not plan.options.raw:
        return "No raw image is in it; derivatives hold the brain alone."
    if plan.cohort.simulated:
        return "Nobody exists whose face it could be."
    said = "The sidecar of each raw image says that its face was removed."
    if plan.found.faces:
        count = len(plan.found.faces)
        said = f"Of {count} raw images no sidecar says so; the sender states: {plan.options.faces_removed_elsewhere.strip().rstrip('.')}."
    return said


def _table_one(staging: Path, config: StudyConfig) -> str:
    """Table 1 of the export as it stands there, so that it tells no more than the export itself."""
    try:
        exported = read_cohort(staging, text=(config.study.diagnosis_column, config.study.site_column))
        return table_one(exported, config.study.diagnosis_column).to_markdown().strip()
    except DawsonError as error:
        return f"No table could be made: {error.message}"
