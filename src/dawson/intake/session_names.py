"""What a visit is called: the day on the person's own, shifted calendar, which no later intake can change."""

from __future__ import annotations

import re
from datetime import date

_DAY = re.compile(r"^ses-D(\d+)$")


def session_name(shifted: date) -> str:
    """Session of a visit, `ses-D` and a number of days.

    Numbers in the order of intake (ses-01, ses-02) would be wrong as soon as an earlier visit is brought later. The day number of the
    date, moved by the person's keyed shift, is the same on every run and machine, sorts by time, does not look like a date of the person
    and gives intervals by subtraction. Studies of one day are one session.

    Parameters
    ----------
    shifted : date
        Of the study, after de-identification.

    Examples
    --------
    >>> session_name(date(2014, 3, 5))
    'ses-D735297'
    """
    return f"ses-D{shifted.toordinal()}"


def day_of(session_id: str) -> int | None:
    """The day number of a session that intake has named; None for one that it has not.

    Examples
    --------
    >>> day_of("ses-D735297"), day_of("ses-01")
    (735297, None)
    """
    match = _DAY.match(session_id)
    return int(match[1]) if match else None
