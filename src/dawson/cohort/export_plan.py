"""What an export would hold and what stays behind, with the reasons; only tables, names and sidecars are read, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pandas as pd

from dawson.cohort.consent import governance_of, returned_images, why_returned
from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.export_files import FoundFiles, fields_left, find_files
from dawson.cohort.export_tables import SMALLEST_GROUP, ExportTables, export_tables, rare_combinations
from dawson.cohort.licences import Licence, find_licence
from dawson.config import StudyConfig
from dawson.errors import CohortError, ConsentError, GovernanceError
from dawson.files import read_json
from dawson.governance.access import Refusal, agreement_for
from dawson.governance.gate import Use, rule, use_of


@dataclass(frozen=True)
class ExportOptions:
    """What an export is for and what it is to hold.

    Parameters
    ----------
    purpose : str
        One of `dawson.governance.scopes.PURPOSES`.
    licence : str
        See `dawson.cohort.licences.find_licence`.
    recipient, agreement : str
        Who gets it, and the agreement under which.
    where : str
        Selection of people and sessions.
    country : str
        Where it goes, ISO 3166 code of two letters.
    commercial, public : bool
        Asked of the consent also where the licence alone allows it.
    raw, derivatives : bool
    coarsen_age : int
        Width of age bands in years; 0 leaves ages as they are.
    hide_sites : bool
        Sites become numbers in random order.
    faces_removed_elsewhere : str
        Who removed the faces and how, where no sidecar says it.
    name, version, doi : str
        Of the new dataset.
    """

    purpose: str
    licence: str
    recipient: str = ""
    agreement: str = ""
    where: str = ""
    country: str = ""
    commercial: bool = False
    public: bool = False
    raw: bool = True
    derivatives: bool = False
    coarsen_age: int = 0
    hide_sites: bool = False
    faces_removed_elsewhere: str = ""
    name: str = ""
    version: str = "1.0.0"
    doi: str = ""


@dataclass(frozen=True, eq=False)
class ExportPlan:
    """An export as it would be made.

    Parameters
    ----------
    cohort : Cohort
        Those who go, with their sessions.
    options : ExportOptions
    licence : Licence
    use : Use
        What consent was asked for.
    managed : bool
    considered : tuple of str
        Everybody whom the selection chose, but those with an image of somebody who withdrew.
    found : FoundFiles
    tables : ExportTables
    refused : dict of str to str
        People whose consent does not cover the use, or whose image is of somebody who withdrew, with the reason.
    without_files : tuple of str
        People who may go and have nothing that goes.
    fields_left : tuple of str
        Fields of sidecars that stay behind, wholly or in part.
    rare : DataFrame
        Combinations of age, sex and site that few share.
    warnings : tuple of str
    """

    cohort: Cohort
    options: ExportOptions
    licence: Licence
    use: Use
    managed: bool
    considered: tuple[str, ...]
    found: FoundFiles
    tables: ExportTables
    refused: dict[str, str]
    without_files: tuple[str, ...]
    fields_left: tuple[str, ...]
    rare: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def people(self) -> tuple[str, ...]:
        """Participants in the export, in the order of the study."""
        return tuple(self.cohort.participants["participant_id"])


def plan_export(
    study: Path | str, options: ExportOptions, config: StudyConfig, *, shuffle: Random | None = None, at: datetime | None = None
) -> ExportPlan:
    """Plan an export: who may go, with which files, and what to know before it is made.

    Parameters
    ----------
    study : Path or str
    options : ExportOptions
    config : StudyConfig
        Whether consent is managed is also asked of the study itself, which counts first.
    shuffle : random.Random, optional
        Draws the numbers of hidden sites; the system's randomness by default, so that nobody can draw them again.
    at : datetime, optional
        The moment at which consent is judged; now by default.

    Returns
    -------
    ExportPlan

    Raises
    ------
    CohortError
        Nobody is left, a raw image may show a face, or an option cannot be used.
    ConsentError
        Consent is managed, the export is not public, and no data-access agreement permits it.
    GovernanceError
        The consent records cannot be read, or the purpose is not known.
    """
    if not options.raw and not options.derivatives:
        raise CohortError("Neither raw images nor derivatives are asked for.", "Say --raw or --derivatives.")
    if options.coarsen_age < 0 or options.coarsen_age > 50:
        raise CohortError(f"--coarsen-age {options.coarsen_age} is no width of age bands.", "Give 5 or 10 years, for example.")
    licence = find_licence(options.licence)
    site_column = config.study.site_column
    cohort = read_cohort(study, text=(config.study.diagnosis_column, site_column))
    governance = governance_of(cohort.root, config.governance)
    managed = governance.managed
    use = use_of(
        governance,
        "export",
        purpose=options.purpose,
        commercial=options.commercial or governance.commercial or licence.commercial,
        country=options.country,
        public=options.public or licence.passes_on,
    )
    if managed and not options.public:
        options, use = _agreed(cohort.root, options, use, at)
    cohort = cohort.select(options.where)
    holders = why_returned(returned_images(cohort))
    considered = tuple(person for person in map(str, cohort.participants["participant_id"]) if person not in holders)
    ruling = rule(cohort.root, considered, use, managed=managed, at=at, record=False)
    people, refused = ruling.allowed, ruling.refused | holders
    warnings = _licence_warnings(licence, options, managed)
    allowed = _restricted(cohort, {pair for pair in _visits(cohort) if pair[0] in set(people)})
    found = find_files(allowed, people, raw=options.raw, derivatives=options.derivatives)
    gone = _restricted(allowed, {(file.participant_id, file.session_id) for file in found.files if file.kind != "sidecar"})
    if gone.participants.empty:
        raise CohortError(_nobody(cohort, refused, allowed), "Look at the reasons with --dry-run, or change the selection.")
    # Whom a file may name depends on who goes.
    found = find_files(gone, set(gone.participants["participant_id"]), raw=options.raw, derivatives=options.derivatives)
    if found.faces and not options.faces_removed_elsewhere.strip():
        raise CohortError(_faces(found.faces), _FACES_FIX)
    names = _site_names(gone, site_column, shuffle or SystemRandom()) if options.hide_sites else {}
    tables = export_tables(gone, _session_dictionary(gone.root), site_column=site_column, coarsen_age=options.coarsen_age, site_names=names)
    rare = rare_combinations(tables.participants, ["age", "sex", site_column])
    without = tuple(person for person in people if person not in set(gone.participants["participant_id"]))
    warnings += _earlier_licence(gone.root, licence)
    warnings += _warnings(gone, rare, tables, options)
    fields = fields_left(found, names, options.hide_sites)
    warnings += [f"Fields of sidecars that stay behind, wholly or in part: {', '.join(fields)}."] if fields else []
    return ExportPlan(gone, options, licence, use, managed, considered, found, tables, refused, without, fields, rare, tuple(warnings))


def _agreed(root: Path, options: ExportOptions, use: Use, at: datetime | None) -> tuple[ExportOptions, Use]:
    """What a data-access agreement makes of an export: its country and the part of the study that it covers."""
    person = options.agreement or options.recipient
    if not person.strip():
        raise GovernanceError(
            "The export does not say who gets the data.", "Name the recipient of a data-access agreement (--recipient), or say --public."
        )
    agreement = agreement_for(root, person, use, at)
    if isinstance(agreement, Refusal):
        raise ConsentError(f"The export may not be made: {agreement.reason}.", "`dawson governance access` shows and checks agreements.")
    both = f"({agreement.where}) and ({options.where})" if agreement.where and options.where.strip() else agreement.where or options.where
    recipient = options.recipient or agreement.recipient
    return replace(options, agreement=agreement.id, recipient=recipient, where=both), replace(use, country=use.country or agreement.country)


_FACES_FIX = (
    'Remove the faces (`dawson intake` does), write "Defaced": true into the sidecars of images that have none, export without raw images '
    "(--no-raw --derivatives), or state who removed them and how (--faces-removed-elsewhere)."
)


def _faces(faces: tuple[str, ...]) -> str:
    shown = ", ".join(faces[:3]) + (f" and {len(faces) - 3} more" if len(faces) > 3 else "")
    return f"Nothing says that the face is gone from {shown}: a head can be recognised by its face."


def _nobody(cohort: Cohort, refused: Mapping[str, str], allowed: Cohort) -> str:
    total = len(cohort.participants)
    if total and len(refused) == total:
        reasons = "; ".join(f"{reason} ({list(refused.values()).count(reason)})" for reason in dict.fromkeys(refused.values()))
        return f"None of {total} people may be exported: {reasons}."
    if not total:
        return "The selection chooses nobody."
    return f"Of {total} people {len(allowed.participants)} may go, and none has a file that goes."


def _visits(cohort: Cohort) -> list[tuple[str, str]]:
    return [(scan.participant_id, scan.session_id) for scan in cohort.scans]


def _restricted(cohort: Cohort, visits: set[tuple[str, str]]) -> Cohort:
    keep = [visit in visits for visit in _visits(cohort)]
    people = {person for person, _ in visits}
    return replace(
        cohort,
        participants=cohort.participants[cohort.participants["participant_id"].isin(people)].reset_index(drop=True),
        sessions=cohort.sessions[keep].reset_index(drop=True),
        scans=tuple(scan for scan, kept in zip(cohort.scans, keep, strict=True) if kept),
        problems=(),
    )


def _site_names(cohort: Cohort, column: str, shuffle: Random) -> dict[str, str]:
    if column not in cohort.participants.columns:
        return {}
    names = sorted({str(name) for name in cohort.participants[column].dropna() if str(name)})
    shuffle.shuffle(names)
    return {name: f"S{number}" for number, name in enumerate(names, start=1)}


def _session_dictionary(root: Path) -> dict[str, Any]:
    path = root / "sessions.json"
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _licence_warnings(licence: Licence, options: ExportOptions, managed: bool) -> list[str]:
    grants = []
    if licence.commercial and not options.commercial:
        grants.append("commercial use")
    if licence.passes_on and not options.public:
        grants.append("passing on to everybody")
    if not grants:
        return []
    what = " and ".join(grants)
    if managed:
        return [f"{licence.identifier} allows {what}: only people whose consent covers that are in the export."]
    return [f"{licence.identifier} allows {what}. Consent is not managed here: see to it that it covers that."]


def _earlier_licence(root: Path, licence: Licence) -> list[str]:
    """A study that came from elsewhere has a licence already, which the export may not widen."""
    path = root / "dataset_description.json"
    own = str(read_json(path).get("License", "")).strip() if path.is_file() else ""
    if not own or own.lower() == licence.identifier.lower():
        return []
    return [f"The study itself is under {own}: see to it that this allows an export under {licence.identifier}."]


def _warnings(cohort: Cohort, rare: pd.DataFrame, tables: ExportTables, options: ExportOptions) -> list[str]:
    warnings = []
    if len(rare) and not cohort.simulated:
        people, alone = int(rare["people"].sum()), int((rare["people"] == 1).sum())
        fix = [] if options.coarsen_age else ["--coarsen-age 10"]
        fix += [] if options.hide_sites or not {"site"} & set(rare.columns) else ["--hide-sites"]
        advice = f" {' or '.join(fix)} makes the groups larger or says less." if fix else ""
        warnings.append(
            f"{people} of {len(cohort.participants)} people share their {' and '.join(rare.columns[:-1])} with fewer than "
            f"{SMALLEST_GROUP - 1} others, "
            f"{alone} with nobody: who knows them may know them again.{advice}"
        )
    warnings += [f"The column {name} stays behind: it {why}." for name, why in tables.left_out.items()]
    return warnings
