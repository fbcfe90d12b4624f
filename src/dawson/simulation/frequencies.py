"""The frequencies of a profile beside those of a cohort that was drawn from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dawson.simulation.profile_schema import Frequency
from dawson.simulation.rules import RULES
from dawson.simulation.written_cohort import WrittenCohort
from dawson.statistics.proportions import exact_binomial, holm

LEVEL = 0.05
"""A frequency does not fit when its p value, adjusted by Holm over all of the cohort, is below this."""


def frequency_table(cohort: WrittenCohort) -> pd.DataFrame:
    """Every published share of the profile beside the share of the cohort's patients at their first scan.

    Parameters
    ----------
    cohort : WrittenCohort

    Returns
    -------
    DataFrame
        diagnosis; what (normal, finding or rule); name; within (the finding it is a case of); status (empty, or the state
        in which it was counted); published, published_n, published_low, published_high (exact 95 % interval where the
        number of people is known); basis, source (its text); n, count, share, low, high (exact 95 % interval);
        p_value (exact binomial, two-sided, the published share taken as it is); p_holm (over the whole table); fits. Where no
        patient was in a state, the last three are missing.
    """
    there = cohort.present[cohort.present["visit"] == 0]
    findings = {str(person): _all_of(own["findings"]) for person, own in there.groupby("participant_id")}
    kinds = there.groupby("participant_id")["kind"].agg(list).to_dict()
    rows: list[dict[str, Any]] = []
    for diagnosis in cohort.classes:
        if diagnosis not in cohort.profile.classes:
            continue
        people = cohort.baseline[cohort.baseline["diagnosis"] == diagnosis]
        for what, name, status, within, frequency in _published(cohort, diagnosis):
            chosen = people if not status else people[people["clinical_status"] == status]
            names = [str(person) for person in chosen["participant_id"]]
            if what == "normal":
                count = sum(person not in findings for person in names)
            elif what == "rule":
                count = sum(RULES[name](kinds.get(person, [])) for person in names)
            else:
                count = sum(name in findings.get(person, ()) for person in names)
            rows.append(
                {
                    "diagnosis": diagnosis,
                    "what": what,
                    "name": name,
                    "within": within,
                    "status": status,
                    **_published_share(frequency, cohort),
                    **_share(count, len(names), "n"),
                    "p_value": stats.binomtest(count, len(names), frequency.share).pvalue if names else math.nan,
                }
            )
    table = pd.DataFrame(rows)
    if rows:
        table["p_holm"] = holm(table["p_value"].to_numpy(dtype=float))
        table["fits"] = pd.array([None if math.isnan(value) else bool(value >= LEVEL) for value in table["p_holm"]], dtype="boolean")
    return table


def status_table(cohort: WrittenCohort) -> pd.DataFrame:
    """Share of all scans, follow-up with it, that show the finding which follows the clinical state.

    Returns
    -------
    DataFrame
        diagnosis, name, status, published, n (scans), people, count, share, median_lesions. No interval: scans of one person are
        not independent; the first scans are tested in `frequency_table`.
    """
    rows = []
    shown = cohort.present.groupby(["participant_id", "session_id"])
    findings = {key: _all_of(own["findings"]) for key, own in shown}
    numbers = shown.size().to_dict()
    for diagnosis in cohort.classes:
        entry = cohort.profile.classes[diagnosis].status_finding if diagnosis in cohort.profile.classes else None
        scans = cohort.scans[cohort.scans["diagnosis"] == diagnosis]
        for status in ("relapse", "remission"):
            chosen = scans[scans["clinical_status"] == status]
            keys = list(zip(chosen["participant_id"], chosen["session_id"], strict=True))
            if not keys:
                continue
            count = sum(entry[0] in findings.get(key, ()) for key in keys) if entry else None
            rows.append(
                {
                    "diagnosis": diagnosis,
                    "name": entry[0] if entry else "",
                    "status": status,
                    "published": entry[1].at(status) if entry else math.nan,
                    "n": len(keys),
                    "people": chosen["participant_id"].nunique(),
                    "count": count if count is not None else math.nan,
                    "share": count / len(keys) if count is not None else math.nan,
                    "median_lesions": float(np.median([numbers.get(key, 0) for key in keys])),
                }
            )
    return pd.DataFrame(rows)


def _published(cohort: WrittenCohort, diagnosis: str) -> Iterator[tuple[str, str, str, str, Frequency]]:
    """What, name, status, within and frequency of everything the profile says of a class."""
    profile = cohort.profile.classes[diagnosis]
    if profile.normal is not None:
        yield "normal", "no lesion", "", "", profile.normal
    # a finding, then its cases
    names = list(profile.children(None))
    while names:
        name = names.pop(0)
        finding = profile.findings[name]
        names[:0] = profile.children(name)
        yield "finding", name, "", finding.within or "", finding
        for status in ("relapse", "remission") if finding.follows_status else ():
            # how many of the published scans were in which state is not in the profile
            yield "finding", name, status, finding.within or "", finding.model_copy(update={"share": finding.at(status), "n": None})
    for name, frequency in profile.rules.items():
        yield "rule", name, "", "", frequency


def _published_share(frequency: Frequency, cohort: WrittenCohort) -> dict[str, Any]:
    known = exact_binomial(frequency.share * frequency.n, frequency.n) if frequency.n else None
    return {
        "published": frequency.share,
        "published_n": frequency.n if frequency.n else math.nan,
        "published_low": known.low if known else math.nan,
        "published_high": known.high if known else math.nan,
        "basis": frequency.basis,
        "source": cohort.profile.sources[frequency.source],
    }


def _share(count: int, trials: int, name: str) -> dict[str, Any]:
    interval = exact_binomial(count, trials)
    return {name: trials, "count": count, "share": interval.estimate, "low": interval.low, "high": interval.high}


def _all_of(findings: pd.Series[Any]) -> frozenset[str]:
    return frozenset(name for found in findings for name in found)
