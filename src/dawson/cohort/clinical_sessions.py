"""Which session of a person a visit of the clinic belongs to: by name, or by days from the first scan."""

from __future__ import annotations

import pandas as pd

from dawson.cohort.tables import prefixed


class SessionFinder:
    """Finds sessions of a cohort.

    Parameters
    ----------
    sessions : DataFrame
        participant_id, session_id, days_from_baseline, as a `Cohort` has them.
    within_days : float
        How far a visit may lie from a scan.
    """

    def __init__(self, sessions: pd.DataFrame, within_days: float = 0.0) -> None:
        self.within_days = within_days
        self.days: dict[str, dict[str, float]] = {}
        rows = zip(sessions["participant_id"], sessions["session_id"], sessions["days_from_baseline"], strict=True)
        for person, session, days in rows:
            self.days.setdefault(str(person), {})[str(session)] = float(days)

    def days_are_known(self, person: str, session: str) -> bool:
        """Whether the study knows when this session was."""
        return not pd.isna(self.days.get(person, {}).get(session, float("nan")))

    def find(self, person: str, given: str, days: str) -> tuple[str, str, str]:
        """The session that a row means.

        Parameters
        ----------
        person : str
        given : str
            Name of the session, with or without ses-; may be empty.
        days : str
            Days from the first scan; may be empty.

        Returns
        -------
        session_id, problem, fix : str
            One of session and problem is empty.
        """
        known = {name: when for name, when in self.days.get(person, {}).items() if name}
        if not known:
            return "", "has no session in the study", "A study without session folders takes one row a person."
        if given:
            return self._named(known, given, days)
        return self._nearest(known, float(days))

    def _named(self, known: dict[str, float], given: str, days: str) -> tuple[str, str, str]:
        session = prefixed(given, "ses-")
        if session not in known:
            plain = given.removeprefix("ses-").lstrip("0").lower()
            close = [name for name in known if name.removeprefix("ses-").lstrip("0").lower() == plain]
            hint = f"Did you mean {close[0]}? " if close else ""
            return "", "is no session of this person", f"{hint}Known: {', '.join(known)}."
        when = known[session]
        if days and not pd.isna(when) and abs(when - float(days)) > self.within_days:
            fix = f"Correct the session or the days, or allow a distance (--within-days {abs(when - float(days)):g})."
            return "", f"is at {days} days here, the study has it at {when:g}", fix
        return session, "", ""

    def _nearest(self, known: dict[str, float], days: float) -> tuple[str, str, str]:
        dated = {name: abs(when - days) for name, when in known.items() if not pd.isna(when)}
        if not dated:
            return "", "cannot be placed: the study has no days for this person", "Add a column session_id."
        distance = min(dated.values())
        nearest = [name for name, gap in dated.items() if gap == distance]
        shown = ", ".join(f"{name} at {known[name]:g}" for name in dated)
        if distance > self.within_days:
            return "", "is the day of no scan", f"Known: {shown}. A distance is allowed by --within-days {distance:g}."
        if len(nearest) > 1:
            return "", f"is as near to {' as to '.join(nearest)}", "Add a column session_id."
        return nearest[0], "", ""
