"""Whom a use of the data may touch: the gate of the governance room, put before a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawson.cohort.dataset import Cohort
from dawson.cohort.problem import Problem
from dawson.config import STUDY_FILE, GovernanceSection, StudyConfig, read_config
from dawson.errors import ConsentError
from dawson.governance.gate import Action, rule, use_of
from dawson.governance.results import remember
from dawson.governance.tombstones import withdrawn_images


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
    cohort: Cohort,
    governance: GovernanceSection,
    action: Action,
    *,
    public: bool = False,
    detail: Mapping[str, Any] | None = None,
    record: bool = True,
) -> tuple[Cohort, dict[str, str]]:
    """The part of a cohort that may be used now, and why the others may not.

    Where consent is managed every call is checked against the ledger at that moment and, with `record`, written to the audit log;
    elsewhere only people who withdrew are left out. Whoever has an image of somebody who withdrew is left out in any case.

    Parameters
    ----------
    cohort : Cohort
    governance : GovernanceSection
        Of the settings at hand; what the study says of itself counts before it, see `governance_of`.
    action : Action
        What is about to be done.
    public : bool
        Anybody may see what comes of it.
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
    returned = returned_images(cohort)
    holders = why_returned(returned)
    governance = governance_of(cohort.root, governance)
    asked = [person for person in people if person not in holders]
    detail = {**(detail or {}), **({"returned_images": len(returned)} if returned else {})}
    ruling = rule(cohort.root, asked, use_of(governance, action, public=public), managed=governance.managed, detail=detail, record=record)
    refused = {person: holders.get(person) or ruling.refused[person] for person in people if person in holders or person in ruling.refused}
    if not refused:
        return cohort, {}
    if not ruling.allowed:
        reason = next(iter(refused.values()))
        raise ConsentError(
            f"Nobody of {cohort.root} may be used to {action}: {len(refused)} people are refused, the first because {reason}",
            "`dawson governance consent check` lists everybody with the reason.",
        )
    kept = set(ruling.allowed)
    participants, sessions = cohort.participants, cohort.sessions
    # What is wrong with somebody's files stays to be told although the person is left out for it.
    problems = [item for item in cohort.problems if not item.participant_id or item.participant_id in kept]
    left = replace(
        cohort,
        participants=participants[participants["participant_id"].isin(kept)].reset_index(drop=True),
        sessions=sessions[sessions["participant_id"].isin(kept)].reset_index(drop=True),
        scans=tuple(scan for scan in cohort.scans if scan.participant_id in kept),
        problems=(*problems, *(item for item in returned if item not in problems)),
    )
    return left, refused


def returned_images(cohort: Cohort) -> list[Problem]:
    """T1w and FLAIR images that are, byte for byte or unpacked, images of people who withdrew from the study.

    Nothing is read but where a file has the size of one of those.
    """
    withdrawn = withdrawn_images(cohort.root)
    if not withdrawn:
        return []
    return [
        Problem(
            "error",
            path.relative_to(cohort.root).as_posix(),
            f"is an image of {owner}, who has withdrawn",
            "Remove it from the study, or find out how it came back.",
            scan.participant_id,
        )
        for scan in cohort.scans
        for path in (scan.t1w, scan.flair)
        if path is not None and (owner := withdrawn.whose(path))
    ]


def why_returned(returned: Sequence[Problem]) -> dict[str, str]:
    """Whoever has an image of `returned_images`, with the reason to leave the person out."""
    return {item.participant_id: f"{item.where} {item.problem}" for item in returned}


def refuse_unpermitted(image: Path, action: Action) -> None:
    """Refuse a single file of a study whose person may not be used; a file outside every study is its owner's affair.

    Raises
    ------
    ConsentError
        Naming the person and the reason.
    """
    image = image.absolute()
    root = next((folder for folder in image.parents if (folder / "participants.tsv").is_file()), None)
    if root is None:
        return
    if owner := withdrawn_images(root).whose(image):
        raise ConsentError(f"{image} is an image of {owner}, who has withdrawn from {root}.", "Remove it.")
    person = next((part for part in image.parts if part.startswith("sub-") and part != image.name), None)
    if person is None:
        return
    governance = governance_of(root, GovernanceSection())
    ruling = rule(root, [person], use_of(governance, action), managed=governance.managed)
    if person in ruling.refused:
        raise ConsentError(f"{image} is of {person} of {root}, who may not be used to {action}: {ruling.refused[person]}.")
