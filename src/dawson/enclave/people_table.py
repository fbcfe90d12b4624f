"""What a site can be asked about: one row a person, from its tables and what Dawson measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.dataset import Cohort
from dawson.cohort.dictionary import Column, as_numbers, read_column
from dawson.cohort.where import columns_in, conjuncts, where_mask
from dawson.errors import EnclaveError

if TYPE_CHECKING:
    import pandas as pd

# Ages and scores are asked for in bins that everybody knows, never in bins of the asker's choice.
BINS: dict[str, tuple[float, ...]] = {
    "age": (0, 20, 30, 40, 50, 60, 70, 120),
    "edss": (0, 2, 4, 6, 10.5),
    "disease_duration": (0, 2, 5, 10, 20, 100),
}
MEASURED: dict[str, dict[str, Any]] = {
    "lesion_count": {"Description": "Lesions of the first scan, by the preferred mask", "Minimum": 0, "DataType": "integer"},
    "lesion_volume_ml": {"Description": "Lesion volume of the first scan, template space", "Units": "mL", "Minimum": 0},
    "quality": {
        "Description": "Quality decision on the first scan, a person's verdict first",
        "Levels": {"accept": "", "review": "", "reject": ""},
    },
    "days_to_relapse": {
        "Description": "Days from the first scan to the first later visit in relapse, or to the last visit",
        "Units": "day",
    },
    "relapse_seen": {"Description": "A later visit was in relapse", "Levels": {"no": "", "yes": ""}},
}
_NEVER = ("participant_id", "session_id")


@dataclass(frozen=True, eq=False)
class People:
    """The people of a site who may be asked about.

    Parameters
    ----------
    table : DataFrame
        One row a person, index 0 to n - 1.
    ids : tuple of str
        participant_id of each row; they leave this object for the query history only, as keyed digests.
    columns : dict of str to Column
        What may be named in a request.
    simulated : bool
    """

    table: pd.DataFrame
    ids: tuple[str, ...]
    columns: dict[str, Column]
    simulated: bool

    def __len__(self) -> int:
        return len(self.ids)

    def chosen(self, keep: NDArray[np.bool_]) -> People:
        """Some of the people."""
        ids = tuple(name for name, kept in zip(self.ids, keep, strict=True) if kept)
        return replace(self, table=self.table[keep].reset_index(drop=True), ids=ids)

    def where(self, expression: str) -> NDArray[np.bool_]:
        """Who an expression selects; only columns that may be named are known to it."""
        return where_mask(expression, self.table[list(self.columns)])

    def conditions(self, expression: str) -> list[tuple[frozenset[str], NDArray[np.bool_]]]:
        """The parts of an expression that all have to hold: the variables that each is about, and for whom it holds.

        Returns
        -------
        list of (frozenset of str, ndarray of bool (n,))
        """
        return [(columns_in(part) & set(self.columns), self.where(part)) for part in conjuncts(expression)]

    def with_level(self, name: str, level: str) -> NDArray[np.bool_] | None:
        """Who has a level of a category, shape (n,); None where the name is no variable."""
        if name not in self.columns:
            return None
        levels, values = self.levels(name)
        return values == level if level in levels else (values != "") & (values != level.removeprefix("not "))

    def column(self, name: str) -> Column:
        """A variable.

        Raises
        ------
        EnclaveError
            There is none of that name that may be asked for.
        """
        if name not in self.columns:
            raise EnclaveError(f"There is no variable {name!r} here.", f"Known: {', '.join(self.columns)}.")
        return self.columns[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Values of a number, NaN where missing, shape (n,).

        Raises
        ------
        EnclaveError
            It is no number.
        """
        if self.column(name).kind not in ("number", "integer"):
            raise EnclaveError(f"{name} is no number.", "Ask for it as a group or in `variables` of a summary.")
        return np.asarray(as_numbers(self.table[name]), np.float64)

    def levels(self, name: str) -> tuple[tuple[str, ...], NDArray[np.str_]]:
        """Levels of a category, and that of each person, empty where missing.

        Numbers with known bins are categories too. Only levels that the dictionary names are levels: another might be a person's own.

        Raises
        ------
        EnclaveError
            It is neither a category nor a number with bins.
        """
        column = self.column(name)
        if column.levels:
            values = np.array([level_of(value) for value in self.table[name]], str)
            return column.levels, np.where(np.isin(values, column.levels), values, "")
        if name not in BINS:
            raise EnclaveError(f"{name} has no levels.", f"Numbers with bins: {', '.join(BINS)}.")
        edges, numbers = BINS[name], self.numbers(name)
        names = tuple(f"{low:g} to {high:g}" for low, high in pairwise(edges))
        place = np.searchsorted(edges, numbers, side="right") - 1
        known = np.isfinite(numbers) & (place >= 0) & (place < len(names))
        return names, np.where(known, np.array(names)[np.clip(place, 0, len(names) - 1)], "")


def level_of(value: Any) -> str:
    """A cell as a level: missing is empty, a whole number has no point."""
    import pandas as pd

    if pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def people_of(cohort: Cohort, derivatives: Path, withheld: tuple[str, ...] = ()) -> People:
    """One row a person of a cohort whose people may be asked about.

    Parameters
    ----------
    cohort : Cohort
        After the consent gate.
    derivatives : Path
        Where lesions.tsv and quality.tsv lie, if they do.
    withheld : tuple of str
        Variables that the site does not answer about.
    """
    table = cohort.participants.reset_index(drop=True)
    first = _first_sessions(cohort)
    table = table.merge(first, on="participant_id", how="left")
    for measured in (_lesions(derivatives, first), _quality(derivatives, first), _relapses(cohort)):
        table = table.merge(measured, on="participant_id", how="left")
    columns: dict[str, Column] = {}
    for name in table.columns:
        entry = MEASURED.get(name) or cohort.dictionary.get(name)
        column = read_column(name, entry)[0]
        known = column.levels or column.kind in ("number", "integer")
        if known and name not in (*_NEVER, *withheld):
            columns[name] = column
    return People(table, tuple(map(str, table["participant_id"])), columns, cohort.simulated)


def _first_sessions(cohort: Cohort) -> pd.DataFrame:
    """participant_id and session_id of the first visit, and nothing else."""
    sessions = cohort.sessions.sort_values(["participant_id", "days_from_baseline", "session_id"], na_position="last", kind="stable")
    return sessions.drop_duplicates("participant_id")[["participant_id", "session_id"]]


def _lesions(derivatives: Path, first: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from dawson.files import read_tsv

    names = {"lesions": "lesion_count", "total_ml": "lesion_volume_ml"}
    path = derivatives / "lesions.tsv"
    if not path.is_file():
        return pd.DataFrame({"participant_id": pd.Series(dtype=object), **{name: pd.Series(dtype=float) for name in names.values()}})
    lesions = read_tsv(path, text=("participant_id", "session_id", "preferred", "status"))
    lesions = lesions[(lesions["preferred"].str.lower() == "true") & (lesions["status"] == "done")]
    return first.merge(lesions, on=["participant_id", "session_id"])[["participant_id", *names]].rename(columns=names)


def _quality(derivatives: Path, first: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from dawson.quality.decisions import read_quality
    from dawson.quality.places import TABLE

    if not (derivatives / TABLE).is_file():
        return pd.DataFrame({"participant_id": pd.Series(dtype=object), "quality": pd.Series(dtype=object)})
    judged = first.merge(read_quality(derivatives), on=["participant_id", "session_id"])
    judged["quality"] = judged["verdict"].where(judged["verdict"].isin(["accept", "review", "reject"]), judged["decision"])
    return judged[["participant_id", "quality"]]


def _relapses(cohort: Cohort) -> pd.DataFrame:
    """Days from the first visit to the first later one in relapse, or to the last; people seen once have neither."""
    import pandas as pd

    sessions = cohort.sessions
    rows = []
    if "clinical_status" in sessions:
        known = sessions[sessions["days_from_baseline"].notna()].sort_values("days_from_baseline")
        for person, visits in known.groupby("participant_id", sort=False):
            days = visits["days_from_baseline"].to_numpy(float)
            later = visits[days > days[0]]
            if len(later):
                relapses = later.loc[later["clinical_status"] == "relapse", "days_from_baseline"]
                end = float(relapses.iloc[0]) if len(relapses) else float(days[-1])
                rows.append((person, end - days[0], "yes" if len(relapses) else "no"))
    return pd.DataFrame(rows, columns=["participant_id", "days_to_relapse", "relapse_seen"])
