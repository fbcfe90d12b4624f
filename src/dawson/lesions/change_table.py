"""Tables of lesion change: one row for every pair of sessions, and one for every lesion of a pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.files import read_tsv, write_json, write_tsv
from dawson.imaging.instance_links import Tracks
from dawson.lesions.changes import CODES, Changes

if TYPE_CHECKING:
    import pandas as pd

TABLE, DICTIONARY = "lesion_changes.tsv", "lesion_changes.json"

_YEAR = 365.25

COLUMNS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "The participant"},
    "from_session_id": {"Description": "The earlier session"},
    "session_id": {"Description": "The later session"},
    "maker": {"Description": "Who made the lesion masks (desc-)"},
    "pair": {"Description": "Which sessions", "Levels": {"consecutive": "one and the next", "overall": "the first and the last"}},
    "status": {"Description": "Whether the pair was compared", "Levels": {"done": "yes", "failed": "no, see reason"}},
    "reason": {"Description": "Why it was not compared"},
    "detector": {
        "Description": "How changes were found",
        "Levels": {
            "masks": "from both lesion masks alone",
            "subtraction": "from both lesion masks, each change confirmed by the subtraction of the scans",
            "subtraction without masks": "from the subtraction of the scans alone; stable lesions and volumes are not known",
        },
    },
    "space": {"Description": "Space of the comparison", "Levels": {"halfway": "in the middle of the person's sessions, rigid"}},
    "days": {"Description": "Time between the sessions", "Units": "day"},
    **{f"n_{name}": {"Description": f"Lesions that are {name}; several that merged or split count once"} for name in CODES},
    "n_doubtful": {"Description": "Changes in the masks that the scans do not show; they count as stable"},
    "n_merged": {"Description": "Groups of lesions that merged"},
    "n_split": {"Description": "Lesions that split"},
    "first_ml": {"Description": "Lesion volume at the earlier session", "Units": "mL"},
    "second_ml": {"Description": "Lesion volume at the later session", "Units": "mL"},
    "change_ml": {"Description": "Later minus earlier lesion volume", "Units": "mL"},
    "new_ml": {"Description": "Volume at the later session of new lesions", "Units": "mL"},
    "enlarged_by_ml": {"Description": "Volume that enlarging lesions gained", "Units": "mL"},
    "shrunk_by_ml": {"Description": "Volume that shrinking lesions lost", "Units": "mL"},
    "resolved_ml": {"Description": "Volume at the earlier session of resolved lesions", "Units": "mL"},
    "new_per_year": {"Description": "New lesions a year", "Units": "1/year"},
    "change_ml_per_year": {"Description": "Change of lesion volume a year", "Units": "mL/year"},
    "noise": {"Description": "Noise of the subtraction in robust standard deviations of normal-appearing tissue"},
    "registration_mm": {"Description": "Largest distance between the two directions of a rigid registration of this person", "Units": "mm"},
    "picture": {"Description": "Picture of the pair, relative to the derivatives"},
    "simulated": {"Description": "A computer program made the scans or masks", "Levels": {"true": "yes", "false": "no"}},
}
"""Columns of `lesion_changes.tsv` and what they mean."""

LESION_COLUMNS: dict[str, dict[str, Any]] = {
    "lesion": {"Description": "Number that the lesion keeps over all sessions of the person"},
    "others": {"Description": "Numbers of further lesions in the same group, which merged with it or split from it"},
    "change": {"Description": "What became of it", "Levels": {name: f"value {code} of the change map" for name, code in CODES.items()}},
    "event": {
        "Description": "Whether several lesions became one, or one several",
        "Levels": {"merge": "merged", "split": "split", "joined": "one with another in the mask"},
    },
    "returned": {"Description": "It lies where a lesion of an earlier session, not of the one before, had ended"},
    "doubt": {"Description": "What the masks say and the scans do not show"},
    "first_mm3": {"Description": "Volume at the earlier session", "Units": "mm3"},
    "second_mm3": {"Description": "Volume at the later session", "Units": "mm3"},
    "change_mm3": {"Description": "Later minus earlier volume", "Units": "mm3"},
    "gained_z": {"Description": "Mean z of the subtraction over what it gained"},
    "lost_z": {"Description": "Mean z of the negative subtraction over what it lost"},
    **{f"{axis}_mm": {"Description": f"Centre along {axis} in the space of the comparison (RAS)", "Units": "mm"} for axis in "xyz"},
}
"""Columns of the lesion table of a pair and what they mean."""


def lesion_rows(
    changes: Changes, affine: NDArray[np.float64], tracks: tuple[dict[int, int], dict[int, int]] | None, returned: set[int]
) -> pd.DataFrame:
    """One row for every lesion (or merged group) of a pair, the gravest change first.

    Parameters
    ----------
    changes : Changes
    affine : ndarray (4, 4)
        Of its maps.
    tracks : pair of dict of int to int, optional
        Instance to lesion number at both sessions; without them lesions are numbered in the order found.
    returned : set of int
        Instances of the later session that take up a number which had ended, see `Tracks`.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for place, lesion in enumerate(changes.lesions, start=1):
        numbers = _numbers(lesion.first, lesion.second, tracks, changes.joined) or [place]
        side, own = (changes.second, lesion.second) if lesion.second else (changes.first, lesion.first)
        centre = np.argwhere(np.isin(side, own)).mean(axis=0) @ affine[:3, :3].T + affine[:3, 3]
        rows.append(
            {
                "lesion": numbers[0],
                "others": ",".join(str(number) for number in numbers[1:]),
                "change": lesion.change,
                "event": lesion.event,
                "returned": not returned.isdisjoint(lesion.second),
                "doubt": lesion.doubt,
                "first_mm3": round(lesion.first_mm3, 2),
                "second_mm3": round(lesion.second_mm3, 2),
                "change_mm3": round(lesion.second_mm3 - lesion.first_mm3, 2),
                "gained_z": round(lesion.gained_z, 2),
                "lost_z": round(lesion.lost_z, 2),
                **{f"{axis}_mm": round(float(value), 1) for axis, value in zip("xyz", centre, strict=True)},
            }
        )
    table = pd.DataFrame(rows, columns=list(LESION_COLUMNS))
    order = table["change"].map({name: place for place, name in enumerate(CODES)})
    return table.assign(_order=order).sort_values(["_order", "lesion"], kind="stable").drop(columns="_order").reset_index(drop=True)


def _numbers(
    first: tuple[int, ...],
    second: tuple[int, ...],
    tracks: tuple[dict[int, int], dict[int, int]] | None,
    joined: tuple[dict[int, int], dict[int, int]],
) -> list[int]:
    """Lesion numbers of a group: those at the later session first, since they go on; one that was cut off has that of the whole."""
    if tracks is None:
        return []
    later, earlier = ([tracks[side][joined[side].get(number, number)] for number in own] for side, own in ((1, second), (0, first)))
    return list(dict.fromkeys(sorted(later) + sorted(earlier)))


def tracks_of(tracks: Tracks | None, first: int, second: int) -> tuple[dict[int, int], dict[int, int]] | None:
    """Instance to lesion number at two of the sessions."""
    return None if tracks is None else (tracks.numbers[first], tracks.numbers[second])


def pair_figures(changes: Changes, with_masks: bool, days: float) -> dict[str, Any]:
    """Counts, volumes and rates of one pair, by the names of `COLUMNS`.

    Parameters
    ----------
    changes : Changes
    with_masks : bool
        False where the lesions that stayed as they were are not known: their number and all volumes of lesions are missing then.
    days : float
        Between the sessions; rates are missing where it is not above 0.
    """
    lesions = changes.lesions
    years = days / _YEAR if days > 0 else float("nan")
    first, second = (sum(getattr(lesion, f"{side}_mm3") for lesion in lesions) / 1000 for side in ("first", "second"))
    unknown = float("nan")

    def volume(change: str, gained: bool) -> float:
        own = [lesion.second_mm3 - lesion.first_mm3 for lesion in lesions if lesion.change == change]
        return round((1 if gained else -1) * sum(own) / 1000, 4)

    return {
        **{f"n_{name}": changes.count(name) for name in CODES},
        **({} if with_masks else {"n_stable": unknown}),
        "n_doubtful": sum(bool(lesion.doubt) for lesion in lesions),
        "n_merged": sum("merge" in lesion.event for lesion in lesions),
        "n_split": sum("split" in lesion.event for lesion in lesions),
        "first_ml": round(first, 4) if with_masks else unknown,
        "second_ml": round(second, 4) if with_masks else unknown,
        "change_ml": round(second - first, 4),
        "new_ml": volume("new", True),
        "enlarged_by_ml": volume("enlarging", True),
        "shrunk_by_ml": volume("shrinking", False),
        "resolved_ml": volume("resolved", False),
        "new_per_year": round(changes.count("new") / years, 3),
        "change_ml_per_year": round((second - first) / years, 4),
    }


def most_changed_first(table: pd.DataFrame) -> pd.DataFrame:
    """Failed pairs, then by new, enlarging, resolved and shrinking lesions, the most first."""
    order = ["n_new", "n_enlarging", "n_resolved", "n_shrinking"]
    ranked = table.assign(_failed=table["status"] == "failed")
    return ranked.sort_values(["_failed", *order], ascending=False, kind="stable").drop(columns="_failed").reset_index(drop=True)


def study_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows in the order of participant, session and pair."""
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return table.sort_values(["participant_id", "maker", "pair", "session_id"], kind="stable").reset_index(drop=True)


def write_study_table(derivatives: Path, table: pd.DataFrame) -> None:
    """Write `lesion_changes.tsv` and its dictionary; rows of other people and makers that an earlier run wrote are kept.

    Parameters
    ----------
    derivatives : Path
    table : DataFrame
        See `study_table`; it replaces all rows of its people and makers.
    """
    path = derivatives / TABLE
    rows = table.to_dict("records")
    if path.is_file():
        renewed = set(zip(table["participant_id"], table["maker"], strict=True))
        rows += [row for row in read_study_table(derivatives).to_dict("records") if (row["participant_id"], row["maker"]) not in renewed]
    write_json(derivatives / DICTIONARY, COLUMNS)
    write_tsv(path, study_table({str(name): value for name, value in row.items()} for row in rows))


def read_study_table(derivatives: Path) -> pd.DataFrame:
    """`lesion_changes.tsv` of an earlier run; empty where there is none."""
    path = derivatives / TABLE
    if not path.is_file():
        return study_table([])
    text = ("maker", "pair", "status", "reason", "detector", "space", "picture")
    table = read_tsv(path, text=text)
    for name in text:
        table[name] = table[name].astype(object).where(table[name].notna(), "")
    return table
