"""What people say of scans: who, when and why, in a table that only grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from dawson.cohort.tables import prefixed
from dawson.errors import QualityError
from dawson.files import read_tsv, write_tsv
from dawson.quality.places import VERDICTS

if TYPE_CHECKING:
    import pandas as pd

Judgement = Literal["accept", "reject", "undo"]


@dataclass(frozen=True)
class Verdict:
    """One verdict of one person on one scan; `undo` takes back the one before.

    Parameters
    ----------
    participant_id, session_id : str
        With their prefixes; the session is empty where the study has none.
    verdict : {"accept", "reject", "undo"}
    verdict_by : str
    verdict_reason : str
    verdict_date : str
        ISO 8601, UTC.
    """

    participant_id: str
    session_id: str
    verdict: Judgement
    verdict_by: str
    verdict_reason: str
    verdict_date: str = ""


COLUMNS = tuple(field.name for field in fields(Verdict))


def record(derivatives: Path, verdicts: Sequence[Verdict]) -> None:
    """Add verdicts to `quality_verdicts.tsv`; all or none of them.

    Parameters
    ----------
    derivatives : Path
    verdicts : sequence of Verdict
        Those without a date get the present one.

    Raises
    ------
    QualityError
        A verdict is none of accept, reject, undo, or names nobody who gave it, or gives no reason.
    """
    import pandas as pd

    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = []
    for verdict in verdicts:
        scan = f"{verdict.participant_id} {verdict.session_id}".strip()
        if verdict.verdict not in get_args(Judgement):
            raise QualityError(f"The verdict on {scan} is {verdict.verdict!r}.", f"Give one of {', '.join(get_args(Judgement))}.")
        if not verdict.verdict_by.strip():
            raise QualityError(f"The verdict on {scan} names nobody who gives it.", "Say --by NAME.")
        if not verdict.verdict_reason.strip():
            raise QualityError(f"The verdict on {scan} has no reason.", "Say --reason TEXT.")
        rows.append(
            {
                **asdict(verdict),
                "participant_id": prefixed(verdict.participant_id, "sub-"),
                "session_id": prefixed(verdict.session_id, "ses-"),
                "verdict_date": verdict.verdict_date or now,
            }
        )
    table = pd.concat([read_verdicts(derivatives), pd.DataFrame(rows, columns=list(COLUMNS))], ignore_index=True)
    write_tsv(derivatives / VERDICTS, table)


def read_verdicts(derivatives: Path) -> pd.DataFrame:
    """Every verdict ever recorded, the oldest first."""
    import pandas as pd

    path = derivatives / VERDICTS
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS), dtype=object)
    try:
        table = read_tsv(path, text=COLUMNS)
        return table[list(COLUMNS)].fillna("").astype(object)
    except (KeyError, ValueError, OSError) as error:
        raise QualityError(f"{path} cannot be read: {error}.", f"It needs the columns {', '.join(COLUMNS)}, separated by tabs.") from None


def current(derivatives: Path) -> dict[tuple[str, str], Verdict]:
    """The verdict that holds for each scan: the last one, unless it was taken back."""
    held: dict[tuple[str, str], Verdict] = {}
    for row in read_verdicts(derivatives).to_dict("records"):
        verdict = Verdict(**{str(name): value for name, value in row.items()})
        key = (verdict.participant_id, verdict.session_id)
        if verdict.verdict == "undo":
            held.pop(key, None)
        else:
            held[key] = verdict
    return held


def read_many(path: Path, by: str = "") -> list[Verdict]:
    """Verdicts from a table with the columns participant_id, session_id, verdict, reason, and by where `by` is not given.

    Parameters
    ----------
    path : Path
        Separated by commas (`.csv`) or tabs (`.tsv`).
    by : str
        Who gives them, for rows that do not say.

    Raises
    ------
    QualityError
        A column is missing, or a cell is wrong; names the line.
    """
    import csv

    if not path.is_file():
        raise QualityError(f"{path} does not exist.", "Give a CSV file with participant_id, session_id, verdict and reason.")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ","))
    found = []
    for line, row in enumerate(rows, start=2):
        cells = {str(name).strip().lower(): str(value or "").strip() for name, value in row.items() if name is not None}
        missing = [name for name in ("participant_id", "verdict", "reason") if not cells.get(name)]
        if missing:
            raise QualityError(f"{path}, line {line}: {', '.join(missing)} missing.", "Each line needs participant_id, verdict and reason.")
        if cells["verdict"] not in get_args(Judgement):
            raise QualityError(f"{path}, line {line}: verdict {cells['verdict']!r}.", f"Give one of {', '.join(get_args(Judgement))}.")
        verdict: Judgement = cells["verdict"]  # type: ignore[assignment]
        session = cells.get("session_id", "")
        found.append(
            Verdict(
                prefixed(cells["participant_id"], "sub-"),
                prefixed("" if session == "n/a" else session, "ses-"),
                verdict,
                cells.get("by") or by,
                cells["reason"],
            )
        )
    if not found:
        raise QualityError(f"{path} holds no verdict.", "Each line needs participant_id, verdict and reason.")
    return found
