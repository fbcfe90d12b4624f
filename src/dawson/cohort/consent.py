"""Whom a use of the data may touch: the gate of the governance room, put before a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawson.cohort.dataset import Cohort
from dawson.config import STUDY_FILE, GovernanceSection, StudyConfig, read_config
from dawson.errors import ConsentError
from dawson.governance.gate import Action, rule, use_of
from dawson.governance.results import remember


def governance_of(root: Path, section: GovernanceSection) -> GovernanceSection:
    """Whether consent is managed, and for which use: what the study says of itself counts before any other settings.

    Consent belongs to the data. A study file beside the results, a recorded experiment or an option can ask for consent to be
    managed where the study does not; none can turn it off.

    Parameters
    ----------
    root : Path
        The BIDS dataset.
    section : GovernanceSection
        Of the settings at hand.
    """
    own = read_config(root / STUDY_FILE).governance
    return own if own.managed else section


def with_governance(config: StudyConfig, root: Path) -> StudyConfig:
    """Settings whose `[governance]` is that of `governance_of`."""
    return config.model_copy(update={"governance": governance_of(root, config.governance)})


def remember_results(root: Path, out: Path, governance: GovernanceSection) -> None:
    """Note in a managed study where results about its people are written, so that a withdrawal finds them there.

    A study whose consent is not managed stays unwritten when results go elsewhere.
    """
    if governance_of(root, governance).managed:
        remember(root, out)


def permitted(
    cohort: Cohort, governance: GovernanceSection, action: Action, *, detail: Mapping[str, Any] | None = None, record: bool = True
) -> tuple[Cohort, dict[str, str]]:
    """The part of a cohort that may be used now, and why the others may not.

    Where consent is managed every call is checked against the ledger at that moment and, with `record`, written to the audit log;
    elsewhere only people who withdrew are left out.

    Parameters
    ----------
    cohort : Cohort
    governance : GovernanceSection
        Of the settings at hand; what the study says of itself counts before it, see `governance_of`.
    action : Action
        What is about to be done.
    detail : mapping, optional
        What the audit log says besides; names nobody.
    record : bool
        False for a dry run or an estimate, which uses nobody's data.

    Returns
    -------
    Cohort
    dict of str to str
        participant_id to a sentence, for those who are left out.

    Raises
    ------
    ConsentError
        Nobody may be used.
    GovernanceError
        The ledger or the log cannot be read.
    """
    people = [str(name) for name in cohort.participants["participant_id"]]
    governance = governance_of(cohort.root, governance)
    ruling = rule(cohort.root, people, use_of(governance, action), managed=governance.managed, detail=detail, record=record)
    if not ruling.refused:
        return cohort, {}
    if not ruling.allowed:
        reason = next(iter(ruling.refused.values()))
        raise ConsentError(
            f"Nobody of {cohort.root} may be used to {action}: {len(ruling.refused)} people are refused, the first because {reason}",
            "`dawson governance consent check` lists everybody with the reason.",
        )
    kept = set(ruling.allowed)
    participants, sessions = cohort.participants, cohort.sessions
    left = replace(
        cohort,
        participants=participants[participants["participant_id"].isin(kept)].reset_index(drop=True),
        sessions=sessions[sessions["participant_id"].isin(kept)].reset_index(drop=True),
        scans=tuple(scan for scan in cohort.scans if scan.participant_id in kept),
        problems=tuple(item for item in cohort.problems if not item.participant_id or item.participant_id in kept),
    )
    return left, ruling.refused


def refuse_unpermitted(image: Path, action: Action) -> None:
    """Refuse a single file of a study whose person may not be used; a file outside every study is its owner's affair.

    Raises
    ------
    ConsentError
        Naming the person and the reason.
    """
    image = image.absolute()
    root = next((folder for folder in image.parents if (folder / "participants.tsv").is_file()), None)
    person = next((part for part in image.parts if part.startswith("sub-") and part != image.name), None)
    if root is None or person is None:
        return
    governance = governance_of(root, GovernanceSection())
    ruling = rule(root, [person], use_of(governance, action), managed=governance.managed)
    if person in ruling.refused:
        raise ConsentError(f"{image} is of {person} of {root}, who may not be used to {action}: {ruling.refused[person]}.")
