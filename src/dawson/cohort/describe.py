"""Table 1: who is in the cohort, by diagnosis, with a test for every row that the data choose and the table names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dawson.cohort.comparison import Comparison, compare_counts, compare_numbers, is_normal
from dawson.cohort.dataset import Cohort
from dawson.cohort.dictionary import as_numbers
from dawson.errors import CohortError
from dawson.files import write_tsv

PARTICIPANTS, SCANS = "Participants", "Scans"
# A text column with more values than this is a remark, not a category.
MOST_LEVELS = 12
_NOTE = (
    "Numbers are mean (SD) where near normal in every class, else median [quartiles]; categories are n (% of the "
    "known). Tests: quantities by Welch's t test (two classes) or one-way ANOVA where every class has at least 8 "
    "values and passes Shapiro-Wilk at 0.05, else Mann-Whitney U or Kruskal-Wallis; categories by chi-square where "
    "every expected count is 5 or more, else Fisher's exact test. Scans of one person are not independent: rows on "
    "scans are tested on each person's first scan with a known value. P values are not corrected for their number."
)
_FOLLOW_UP_DAYS = "days from baseline (follow-ups)"


@dataclass(frozen=True, eq=False)
class DescribedCohort:
    """A Table 1.

    Parameters
    ----------
    table : DataFrame of str
        part (Participants or Scans), variable, level, missing, overall, one column a class, p, test.
    tests : DataFrame
        part, variable, test, p (float), reason.
    note : str
        What the numbers and tests are; goes under the table.
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    note: str

    def to_tsv(self, path: Path | str) -> None:
        """Write the table, whole or not at all."""
        write_tsv(path, self.table)

    def to_markdown(self) -> str:
        """The table as GitHub markdown with its note, one heading a part; labels are shown once."""
        blocks = []
        for part, rows in self.table.groupby("part", sort=False):
            shown = rows.drop(columns="part")
            shown = shown.assign(variable=shown["variable"].where(~shown["variable"].duplicated(), ""))
            header = [str(name) for name in shown.columns]
            lines = [header, ["---"] * len(header), *shown.astype(str).to_numpy().tolist()]
            body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
            blocks.append(f"**{part}**\n\n{body}")
        return "\n\n".join([*blocks, self.note]) + "\n"


def table_one(cohort: Cohort, diagnosis_column: str = "diagnosis", classes: Sequence[str] | None = None) -> DescribedCohort:
    """Describe a cohort by diagnosis: participants (age, sex, ...) and scans (clinical status, EDSS, time since
    baseline ...).

    Parameters
    ----------
    cohort : Cohort
    diagnosis_column : str
        Column of participants.tsv that groups people; people without a value are left out, and the note says how many.
    classes : sequence of str, optional
        Only these groups, in this order; all of them in alphabetical order by default.

    Returns
    -------
    DescribedCohort

    Raises
    ------
    CohortError
        The column is not there, or nobody has a value in it.
    """
    people = cohort.participants
    if diagnosis_column not in people.columns:
        raise CohortError(f"participants.tsv has no column {diagnosis_column}.", f"Its columns are {', '.join(people.columns)}.")
    labels = people[diagnosis_column].map(lambda value: "" if pd.isna(value) else str(value))
    names = list(classes) if classes is not None else sorted(set(labels) - {""})
    kept = labels.isin(names)
    if not kept.any():
        raise CohortError(f"Nobody has a {diagnosis_column}{f' among {names}' if classes else ''}.", "Fill in participants.tsv.")
    names = [name for name in names if (labels == name).any()]
    people = people.assign(**{diagnosis_column: labels})[kept].reset_index(drop=True)
    present = np.array([scan.flair is not None or scan.t1w is not None for scan in cohort.scans], bool)
    scans = cohort.sessions[present].merge(people[["participant_id", diagnosis_column]], on="participant_id")
    people, scans = _with_counts(people, scans)
    parts = [
        _part(PARTICIPANTS, people, diagnosis_column, names, cohort.dictionary),
        _part(SCANS, scans, diagnosis_column, names, cohort.dictionary),
    ]
    left_out = int((~kept).sum())
    note = _NOTE + (f" {left_out} people without one of these diagnoses are left out." if left_out else "")
    note += " SIMULATED DATA: no real person is in this table." if cohort.simulated else ""
    return DescribedCohort(
        pd.concat([table for table, _ in parts], ignore_index=True),
        pd.concat([tests for _, tests in parts], ignore_index=True),
        note,
    )


def _with_counts(people: pd.DataFrame, scans: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add what follows from the sessions: scans a person, follow-up or not, baseline scan or follow-up scan."""
    scans = scans.sort_values(["participant_id", "days_from_baseline"], kind="stable").reset_index(drop=True)
    count = people["participant_id"].map(scans["participant_id"].value_counts()).fillna(0).astype(int)
    kinds = pd.cut(count, [-1, 0, 1, np.inf], labels=["no scan", "baseline only", "with follow-up"]).astype(str)
    people = people.copy()
    people["scans per person"], people["follow-up scans"] = count, kinds
    follow_up = scans["participant_id"].duplicated() | (scans["days_from_baseline"] > 0)
    scans = scans.assign(scan=np.where(follow_up, "follow-up", "baseline"))
    scans["days_from_baseline"] = scans["days_from_baseline"].where(follow_up)
    return people, scans.rename(columns={"days_from_baseline": _FOLLOW_UP_DAYS})


def _part(part: str, data: pd.DataFrame, group: str, names: list[str], dictionary: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    columns = ["part", "variable", "level", "missing", "overall", *names, "p", "test"]
    tests = pd.DataFrame({name: pd.Series([], dtype=object) for name in ("part", "variable", "test", "p", "reason")})
    if data.empty:
        return pd.DataFrame([[part, "n", "", "", "0", *["0"] * len(names), "", ""]], columns=columns), tests
    quantities, categories, values = _variables(data, group)
    results: dict[str, Comparison] = {}
    nonnormal = []
    for name in [*quantities, *categories]:
        # One value a person: the first that is known.
        known = values[[name]].assign(person=data["participant_id"], group=data[group]).dropna(subset=[name])
        known = known.drop_duplicates("person")
        if name in quantities:
            everything = [values.loc[data[group] == label, name].dropna().to_numpy(float) for label in names]
            if not is_normal(everything):
                nonnormal.append(name)
            results[name] = compare_numbers([known.loc[known["group"] == label, name].to_numpy(float) for label in names])
        else:
            counts = pd.crosstab(known[name], known["group"]).reindex(columns=names, fill_value=0)
            results[name] = compare_counts(counts.to_numpy(np.int64))
    # How many scans of each kind there are is a matter of design, and every person has one baseline.
    results.pop("scan", None)
    labels = {name: _label(name, dictionary) for name in values.columns}
    table = _laid_out(values.assign(**{group: data[group]}), group, names, quantities, categories, nonnormal)
    rows: list[list[str]] = []
    for variable, level, missing, overall, *groups in table:
        result = results.get(variable)
        first = result is not None and not any(row[1] == labels[variable] for row in rows)
        p = "" if not first or result is None or np.isnan(result.p) else "<0.001" if result.p < 0.001 else f"{result.p:.3f}"
        test = result.name if first and result else ""
        rows.append([part, labels.get(variable, variable), level, missing, overall, *groups, p, test])
    tested = [[part, labels[name], result.name, result.p, result.reason] for name, result in results.items()]
    if len(names) < 2:
        tested = []
        rows = [[*row[:-2], "", ""] for row in rows]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(tested, columns=tests.columns)


def _variables(data: pd.DataFrame, group: str) -> tuple[list[str], list[str], pd.DataFrame]:
    """Columns that can be described: quantities, categories, and their values (missing as None)."""
    quantities, categories, values = [], [], {}
    for name in data.columns:
        column = data[name]
        known = column[column.notna() & (column.astype(object) != "")]
        if name == group or str(name).endswith("_id") or name in ("acq_time", "filename") or known.empty:
            continue
        binary = set(known.unique()) <= {0, 1}
        if pd.api.types.is_numeric_dtype(column.dtype) and not binary:
            quantities.append(str(name))
            values[str(name)] = as_numbers(column)
        elif binary or known.astype(str).nunique() <= MOST_LEVELS:
            shown = known.map(lambda value: "yes" if value else "no") if binary else known.astype(str)
            categories.append(str(name))
            values[str(name)] = shown.reindex(column.index).astype(object)
    return quantities, categories, pd.DataFrame(values, index=data.index)


def _laid_out(
    values: pd.DataFrame,
    group: str,
    names: list[str],
    quantities: list[str],
    categories: list[str],
    nonnormal: list[str],
) -> list[list[str]]:
    """Rows of tableone: variable, level, missing, overall and one cell a class."""
    from tableone import TableOne

    with warnings.catch_warnings():
        # tableone's own use of pandas; nothing a user could act on.
        warnings.simplefilter("ignore")
        made = TableOne(
            values,
            columns=[*quantities, *categories],
            continuous=quantities,
            categorical=categories,
            nonnormal=nonnormal,
            groupby=group,
            pval=False,
            include_null=False,
            missing=True,
            overall=True,
            label_suffix=False,
        ).tableone
    made.columns = [str(column[-1]) for column in made.columns]
    missing = values.isna().sum()
    if _FOLLOW_UP_DAYS in missing.index:
        missing[_FOLLOW_UP_DAYS] -= int((values["scan"] == "baseline").sum())
    rows: list[list[str]] = []
    for (variable, level), cells in made.iterrows():
        suffix = ""
        if variable in quantities:
            suffix = "median [quartiles]" if variable in nonnormal else "mean (SD)"
        shown = [str(cells[name]) if name in made.columns else "0" for name in ("Overall", *names)]
        shown = ["" if cell in ("nan (nan)", "nan [nan,nan]", "nan", "None") else cell.replace(",", ", ") for cell in shown]
        first = not any(row[0] == variable for row in rows)
        count = str(int(missing[variable])) if variable in missing.index and first else ""
        rows.append([str(variable), str(level) or suffix, count, *shown])
    return rows


def _label(name: str, dictionary: dict[str, Any]) -> str:
    entry = dictionary.get(name)
    units = str(entry.get("Units", "")) if isinstance(entry, dict) else ""
    shown = name.replace("_", " ")
    return f"{shown} ({units})" if units and units != "arbitrary" else shown
