"""A page to look through an intake: what waits for a person, each head before and after, what was rejected and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dawson.config import STUDY_FILE, read_config
from dawson.errors import IntakeError
from dawson.files import read_tsv
from dawson.intake.private_folder import make_private
from dawson.report.banners import banners
from dawson.report.rendering import write_page

RECORD = Path("derivatives", "dawson", "intake.tsv")
PAGE = "intake.html"
PICTURES = "pictures"
_QUALITY = (
    ("snr_background", "signal to noise"),
    ("efc", "EFC"),
    ("qi_1", "QI1"),
    ("coverage_mm", "coverage (mm)"),
    ("head_mm", "head (mm)"),
)


@dataclass(frozen=True)
class Line:
    """One series on the page."""

    series: str
    whose: str
    status: str
    contrast: str
    reason: str
    suggestion: str
    file: str
    settings: str
    quality: str
    defaced: str


@dataclass(frozen=True)
class Session:
    """One session with its picture."""

    name: str
    lines: tuple[Line, ...]
    image: str
    failed: bool


def write_intake_page(study: Path | str, quarantine: Path | str) -> Path:
    """Write `intake.html` into the quarantine folder.

    The pictures show faces, so that the page lies beside them and never in the study.

    Parameters
    ----------
    study : Path or str
    quarantine : Path or str

    Returns
    -------
    Path

    Raises
    ------
    IntakeError
        Nothing was taken in yet, or the quarantine lies in the study or is a folder of something else.
    """
    study, quarantine = Path(study), Path(quarantine)
    path = study / RECORD
    if not path.is_file():
        raise IntakeError(f"{path} is missing, so there is nothing to look through.", "Run `dawson intake dicom` first.")
    if quarantine.resolve().is_relative_to(study.resolve()):
        raise IntakeError(f"{quarantine} lies in the study.", "The page shows faces; give a folder outside.")
    text = ("series", "status", "contrast", "reason", "rule", "suggestion", "file", "defaced", "simulated")
    table = read_tsv(path, text=text)
    rows = list[Mapping[Any, Any]](table.astype(object).where(table.notna(), None).to_dict("records"))
    make_private(quarantine)
    lines = [_line(row) for row in rows]
    counts = Counter(line.status for line in lines if not line.series.startswith("F-"))
    simulated = [str(row.get("simulated")).lower() == "true" for row in rows if not str(row["series"]).startswith("F-")]
    return write_page(
        quarantine / PAGE,
        "intake.html",
        {
            "banners": banners(simulated=any(simulated), managed=read_config(study / STUDY_FILE).governance.managed),
            "simulated": any(simulated),
            "all_simulated": bool(simulated) and all(simulated),
            "study": study.resolve().name,
            "counts": {status: counts[status] for status in ("taken", "held", "rejected")},
            "faces": sum(line.defaced == "false" for line in lines if line.status == "taken"),
            "held": [line for line in lines if line.status == "held"],
            "rejected": [line for line in lines if line.status == "rejected"],
            "sessions": sorted(_sessions(rows, lines, quarantine), key=lambda session: (not session.failed, session.name)),
        },
    )


def _sessions(rows: list[Mapping[Any, Any]], lines: list[Line], quarantine: Path) -> list[Session]:
    """Sessions of which something was taken, or face removal was tried."""
    found = []
    for person, session in dict.fromkeys((str(row["participant_id"]), str(row["session_id"])) for row in rows):
        own = [line for line, row in zip(lines, rows, strict=True) if (row["participant_id"], row["session_id"]) == (person, session)]
        picture = quarantine / PICTURES / f"{person}_{session}.png"
        drawn = picture.is_file()
        shown = tuple(line for line in own if line.status == "taken" or "face removal" in line.reason or "quarantine" in line.reason)
        if not drawn and not any(line.status == "taken" for line in own):
            continue
        failed = any(line.status == "held" and line.reason.startswith("in quarantine") for line in own if drawn)
        image = quote(picture.relative_to(quarantine).as_posix()) if drawn else ""
        found.append(Session(f"{person} {session}", shown, image, failed))
    return found


def _line(row: Mapping[Any, Any]) -> Line:
    settings = [
        f"{name} {row[column]:g}{unit}"
        for name, column, unit in (("TR", "tr_ms", " ms"), ("TE", "te_ms", " ms"), ("TI", "ti_ms", " ms"), ("", "field_tesla", " T"))
        if row.get(column) is not None
    ]
    quality = [f"{name} {row[column]:.3g}" for column, name in _QUALITY if row.get(column) is not None]
    return Line(
        series=str(row["series"]),
        whose=" ".join(part for part in (str(row["participant_id"]), str(row["session_id"])) if part),
        status=str(row["status"]),
        contrast=str(row.get("contrast") or ""),
        reason=str(row.get("reason") or ""),
        suggestion=str(row.get("suggestion") or ""),
        file=Path(str(row["file"])).name if row.get("file") else "",
        settings=", ".join(setting.strip() for setting in settings),
        quality=", ".join(quality),
        defaced=str(row.get("defaced") or "").lower(),
    )
