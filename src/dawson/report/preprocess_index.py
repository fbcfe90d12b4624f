"""An index page to look through the contact sheets of preprocessed scans: what failed first, then the worst."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from dawson.cohort.scan import Scan
from dawson.errors import PreprocessingError
from dawson.files import read_tsv
from dawson.report.banners import banners
from dawson.report.formatting import is_number, seconds
from dawson.report.rendering import write_page

INDEX = "index.html"
CONTACT_SHEET = "desc-contactsheet.png"
# source of scans that no step registered: they have no figures of fit
TEMPLATE_SPACE = "template-space"
# The same lower ends as on a patient's page: what good registrations of real scans reach.
LEAST_DICE, LEAST_CORRELATION = 0.67, 0.75
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Sheet:
    """One scan on the page.

    Parameters
    ----------
    name : str
        Participant and session.
    anchor : str
    failed, doubtful, simulated : bool
    reason : str
    figures : list of (str, str, bool)
        Name, value, and whether it is below what good scans reach.
    image : str
        Relative URL of the contact sheet; empty where there is none.
    width, height : int
        Its pixels, so that the page does not jump while images load.
    """

    name: str
    anchor: str
    failed: bool
    doubtful: bool
    simulated: bool
    reason: str
    figures: list[tuple[str, str, bool]]
    image: str
    width: int
    height: int


def write_preprocess_index(derivatives: Path, without: Collection[str] = ()) -> Path:
    """Write `index.html` beside preprocess.tsv.

    Parameters
    ----------
    derivatives : Path
        Root of the derivatives, with preprocess.tsv and the contact sheets.
    without : collection of str
        Participants who may not be shown now, though an earlier run preprocessed them.

    Returns
    -------
    Path
        Of the page. It links the PNG files by relative paths, so it stays in its folder.

    Raises
    ------
    PreprocessingError
        There is no preprocess.tsv.
    """
    table = derivatives / "preprocess.tsv"
    if not table.is_file():
        raise PreprocessingError(f"{table} is missing, so there is nothing to look through.", "Run `dawson preprocess` first.")
    rows = worst_first(read_tsv(table, text=("status", "reason", "source")))
    rows = rows[~rows["participant_id"].isin(without)]
    # tables of an earlier version do not say which scans are simulated; the dataset around them may
    dataset = "simulated" not in rows and _is_simulated(derivatives)
    sheets = [_sheet(derivatives, row, dataset) for row in rows.to_dict("records")]
    simulated = dataset or any(sheet.simulated for sheet in sheets)
    return write_page(
        derivatives / INDEX,
        "preprocess_index.html",
        {
            "banners": banners(simulated=simulated, managed=None),
            "simulated": simulated,
            "all_simulated": simulated and (dataset or all(sheet.simulated for sheet in sheets)),
            "groups": [
                ("failed", "Failed", [sheet for sheet in sheets if sheet.failed]),
                ("doubtful", "To be looked at", [sheet for sheet in sheets if sheet.doubtful and not sheet.failed]),
                ("good", "As expected", [sheet for sheet in sheets if not sheet.failed and not sheet.doubtful]),
            ],
            "total": len(sheets),
            "least_dice": LEAST_DICE,
            "least_correlation": LEAST_CORRELATION,
        },
    )


def worst_first(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of preprocess.tsv: failed ones, then by Dice and correlation from the lowest; unknown ones last."""
    order = table.assign(_failed=(table["status"] != "failed").astype(int))
    keys = [
        "_failed",
        *[name for name in ("wm_dice", "template_correlation", "participant_id", "session_id") if name in order],
    ]
    return order.sort_values(keys, na_position="last", kind="stable").drop(columns="_failed").reset_index(drop=True)


def _sheet(derivatives: Path, row: Mapping[Any, Any], simulated_dataset: bool) -> Sheet:
    scan = Scan(str(row["participant_id"]), str(row.get("session_id", "")), None, None)
    path = scan.derivative(derivatives, CONTACT_SHEET)
    width, height = _png_size(path)
    failed = row["status"] == "failed"
    dice, correlation = row.get("wm_dice"), row.get("template_correlation")
    low = (is_number(dice) and dice < LEAST_DICE, is_number(correlation) and correlation < LEAST_CORRELATION)
    overlap, jacobian = row.get("flair_t1w_overlap"), row.get("min_jacobian")
    figures = [
        ("white-matter Dice", dice, bool(low[0])),
        ("correlation", correlation, bool(low[1])),
        ("FLAIR–T1w overlap", overlap, is_number(overlap) and overlap < 0.9),
        ("smallest Jacobian", jacobian, is_number(jacobian) and jacobian <= 0),
    ]
    shown = [(name, f"{value:.2f}", bool(bad)) for name, value, bad in figures if is_number(value)]
    shown.append(("took", seconds(row.get("seconds")), False))
    if row.get("source") == TEMPLATE_SPACE:
        shown.append(("FLAIR", "already in template space", False))
    elif isinstance(row.get("source"), str):
        shown.append(("from", str(row["source"]), False))
    reason = row.get("reason")
    return Sheet(
        name=scan.entities,
        anchor=scan.entities,
        failed=failed,
        doubtful=any(bad for *_, bad in figures) or (not failed and not width),
        simulated=simulated_dataset or str(row.get("simulated")).lower() == "true",
        reason=reason if isinstance(reason, str) else "",
        figures=shown,
        image=quote(path.relative_to(derivatives).as_posix()) if width else "",
        width=width,
        height=height,
    )


def _png_size(path: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG file; zeros where there is none."""
    try:
        with path.open("rb") as stream:
            head = stream.read(24)
    except OSError:
        return 0, 0
    if len(head) < 24 or not head.startswith(_PNG_SIGNATURE):
        return 0, 0
    width, height = struct.unpack(">II", head[16:24])
    return int(width), int(height)


def _is_simulated(derivatives: Path) -> bool:
    """Whether the dataset that these derivatives belong to says that `dawson simulate` made it."""
    for place in (derivatives, derivatives.parent.parent):
        try:
            content = json.loads((place / "dataset_description.json").read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            continue
        makers = content.get("GeneratedBy") if isinstance(content, dict) else None
        if isinstance(makers, list) and any(
            str(maker.get("Name", "")).startswith("dawson simulate") for maker in makers if isinstance(maker, dict)
        ):
            return True
    return False
