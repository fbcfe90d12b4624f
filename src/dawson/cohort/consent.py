"""Whom a use of the data may touch: the gate of the governance room, put before a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dawson.cohort.dataset import Cohort
from dawson.config import GovernanceSection
from dawson.errors import ConsentError
from dawson.governance.gate import Action, rule, use_of


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
        Of the study file: whether consent is managed, and the purpose of the use.
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
