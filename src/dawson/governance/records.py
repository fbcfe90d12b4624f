"""The lines of a ledger as the records that they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dawson.errors import GovernanceError
from dawson.governance.ledger import complete_lines

Record = TypeVar("Record", bound=BaseModel)


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Every record of a ledger, oldest first; no file is an empty ledger.

    Raises
    ------
    GovernanceError
        A line is no such record: it names the line and what is wrong with it.
    """
    records = []
    for number, line in enumerate(complete_lines(path), start=1):
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise GovernanceError(f"{path}, line {number}: {problems_of(error)}.", "Restore the file from your backup.") from None
    return records


def problems_of(error: ValidationError) -> str:
    """What pydantic found wrong, as words."""
    found: Iterable[str] = (
        ": ".join([*(".".join(map(str, item["loc"])) for _ in (0,) if item["loc"]), item["msg"].removeprefix("Value error, ")])
        for item in error.errors()
    )
    return "; ".join(found)
