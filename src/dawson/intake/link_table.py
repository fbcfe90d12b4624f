"""The table of who is who, which exists only where a person asks for it, outside the study."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dawson.files import read_tsv
from dawson.intake.plan import Plan


def write_link(path: Path, plan: Plan) -> None:
    """Add who is who to a table that only its owner can read.

    Parameters
    ----------
    path : Path
        Outside the study; the rows that it has stay.
    plan : Plan
    """
    import pandas as pd

    rows = {
        item.participant_id: (item.participant_id, item.series.header.patient_id, item.series.header.issuer)
        for item in plan.planned
        if item.participant_id
    }
    table = pd.DataFrame(rows.values(), columns=["participant_id", "patient_id", "issuer_id"])
    if path.is_file():
        table = pd.concat([read_tsv(path), table]).drop_duplicates("participant_id", keep="last")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by write_tsv: this file is its owner's alone from its first byte on.
    handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            table.sort_values("participant_id").to_csv(stream, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
