"""Who acts: refused where the access policy lists the people of a study and this one may not do this."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from dawson.config import STUDY_FILE, read_config
from dawson.errors import GovernanceError
from dawson.governance import audit
from dawson.governance.access import access_path, read_policy, role_refused
from dawson.governance.permission import Action


def refuse_stranger(study: Path, action: Action, actor: str | None = None, at: datetime | None = None) -> None:
    """Stop where the access policy lists people, and whoever acts has no role that includes the action.

    Parameters
    ----------
    study : Path
    action : Action
    actor : str, optional
        By default the user of this machine.
    at : datetime, optional
        Now by default.

    Raises
    ------
    GovernanceError
    """
    if not access_path(study).is_file():
        return
    policy = read_policy(study)
    reason = role_refused(policy, actor or audit.current_user(), action, at or datetime.now(UTC)) if policy.people else ""
    if reason:
        raise GovernanceError(f"{action} is refused: {reason}.", f"{access_path(study)} says who may do what.")


def refuse_unless_governing(study: Path, actor: str | None = None) -> None:
    """Stop whoever may not record consent, carry out withdrawals and bring in clinical data of a study whose consent is managed.

    Raises
    ------
    GovernanceError
    """
    if read_config(study / STUDY_FILE).governance.managed:
        refuse_stranger(study, "govern", actor)
