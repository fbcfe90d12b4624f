"""How fast the lesions of a simulated cohort change, in the terms in which its profile says it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from dawson.simulation.profile_schema import Course
from dawson.simulation.written_cohort import WrittenCohort

_SHARES = {"enlarging": "enlarging", "shrinking": "shrinking", "resolved": "resolving"}


def yearly_changes(cohort: WrittenCohort) -> pd.DataFrame:
    """New, enlarging, shrinking and resolved lesions, and the change of volume, a year of follow-up.

    Lesions that come and go with the clinical state are left out: they are in the table of states.

    Parameters
    ----------
    cohort : WrittenCohort

    Returns
    -------
    DataFrame
        diagnosis; change; events; exposure (`new`: years of patients who have lesions; shares: years of lesions; volume:
        patients followed up); rate (`new`: lesions a year; shares: share of lesions a year, from the scans as they were
        spaced; volume: median mL a year over patients); low, high (exact 95 % Poisson interval of the events, on the scale of the
        rate); published (what the profile says for the relapses there were); source. No rows without follow-up.
    """
    rows: list[dict[str, Any]] = []
    for diagnosis in cohort.classes:
        profile = cohort.profile.classes.get(diagnosis)
        status = profile.status_finding if profile is not None else None
        lesions = cohort.lesions[cohort.lesions["diagnosis"] == diagnosis]
        if status is not None:
            lesions = lesions[[status[0] not in found for found in lesions["findings"]]]
        scans = cohort.scans[cohort.scans["diagnosis"] == diagnosis]
        gaps = _gaps(scans, lesions)
        if gaps.empty:
            continue
        course = profile.course if profile is not None else None
        source = cohort.profile.sources[course.source] if course else ""
        rows.append({"diagnosis": diagnosis, **_new(gaps, course), "source": source})
        for change, name in _SHARES.items():
            said = getattr(course, name) if course else math.nan
            rows.append({"diagnosis": diagnosis, "change": change, **_share(gaps, change), "published": said, "source": source})
        volume = _volume(scans, cohort.present[cohort.present["diagnosis"] == diagnosis])
        rows.append({"diagnosis": diagnosis, "change": "volume_ml", **volume, "published": math.nan, "source": ""})
    return pd.DataFrame(rows)


def _gaps(scans: pd.DataFrame, lesions: pd.DataFrame) -> pd.DataFrame:
    """One row for each pair of successive scans: years, relapse at the later one, lesions at the earlier one, changes at the later."""
    there = lesions[lesions["change"] != "resolved"].groupby(["participant_id", "visit"]).size()
    changes = lesions.groupby(["participant_id", "visit", "change"]).size()
    rows = []
    for person, own in scans.sort_values("visit").groupby("participant_id"):
        visits = own.to_dict("records")
        for before, now in pairwise(visits):
            rows.append(
                {
                    "years": now["years"] - before["years"],
                    "relapse": now["clinical_status"] == "relapse",
                    "before": int(there.get((person, before["visit"]), 0)),
                    # a person without any lesion of this sort up to now gets no new one in the simulator
                    "at_risk": bool((lesions["participant_id"] == person).any()),
                    **{change: int(changes.get((person, now["visit"], change), 0)) for change in ("new", *_SHARES)},
                }
            )
    return pd.DataFrame(rows)


def _new(gaps: pd.DataFrame, course: Course | None) -> dict[str, Any]:
    gaps = gaps[gaps["at_risk"]]
    events, years = int(gaps["new"].sum()), float(gaps["years"].sum())
    said = math.nan
    if course is not None and years > 0:
        said = course.new + course.new_in_relapse * float(gaps["relapse"].sum()) / years
    rate = events / years if years > 0 else math.nan
    return {"change": "new", "events": events, "exposure": years, "rate": rate, **_poisson(events, years), "published": said}


def _share(gaps: pd.DataFrame, change: str) -> dict[str, Any]:
    """Share s a year, from sum(events) = sum(lesions * (1 - (1 - s) ** years))."""
    events = int(gaps[change].sum())
    before, years = gaps["before"].to_numpy(dtype=float), gaps["years"].to_numpy(dtype=float)
    exposure = float((before * years).sum())

    def share(number: float) -> float:
        if exposure == 0 or number >= before.sum():
            return math.nan if exposure == 0 else 1.0
        return float(optimize.brentq(lambda s: float((before * (1 - (1 - s) ** years)).sum()) - number, 0.0, 1.0))

    limits = _poisson(events, 1.0)
    return {
        "events": events,
        "exposure": exposure,
        "rate": share(events),
        "low": share(limits["low"]),
        "high": share(limits["high"]),
    }


def _poisson(events: int, exposure: float) -> dict[str, float]:
    """Garwood's exact interval of a rate."""
    if exposure <= 0:
        return {"low": math.nan, "high": math.nan}
    low = 0.0 if events == 0 else float(stats.chi2.ppf(0.025, 2 * events)) / 2
    return {"low": low / exposure, "high": float(stats.chi2.ppf(0.975, 2 * events + 2)) / 2 / exposure}


def _volume(scans: pd.DataFrame, present: pd.DataFrame) -> dict[str, Any]:
    volumes = present.groupby(["participant_id", "visit"])["volume_ml"].sum()
    slopes = []
    for person, own in scans.groupby("participant_id"):
        years = float(own["years"].max())
        if years > 0:
            last = own["visit"].max()
            slopes.append((float(volumes.get((person, last), 0.0)) - float(volumes.get((person, 0), 0.0))) / years)
    quartiles = np.percentile(slopes, [25, 50, 75]) if slopes else [math.nan] * 3
    return {
        "events": math.nan,
        "exposure": len(slopes),
        "rate": float(quartiles[1]),
        "low": float(quartiles[0]),
        "high": float(quartiles[2]),
    }
