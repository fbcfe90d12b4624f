"""Pages to look through the lesions of a study, scan by scan, and their changes from session to session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dawson.cohort.lesion_masks import features_of_mask, masks_by_maker
from dawson.cohort.scan import Scan
from dawson.errors import DawsonError
from dawson.files import read_json, sha256, sidecar_path, write_sidecar
from dawson.lesions.change_table import most_changed_first, read_study_table
from dawson.lesions.measure import features_file, read_measures
from dawson.lesions.measure_picture import draw_lesions, draw_study
from dawson.lesions.scan_images import find_images, lesion_file
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress
from dawson.report.banners import banners
from dawson.report.formatting import is_number
from dawson.report.rendering import write_page

if TYPE_CHECKING:
    import pandas as pd

    from dawson.cohort.dataset import Cohort

LESIONS, CHANGES = "lesions.html", "lesion_changes.html"
OVERVIEW = "lesions.png"

# Raised whenever the same mask no longer gives the same picture.
_DRAWING = 1


@dataclass(frozen=True)
class Card:
    """One scan, or one pair of them, on a page.

    Parameters
    ----------
    name : str
    anchor : str
    simulated : bool
    facts : list of (str, str)
        What is told, and its value.
    reason : str
        Why it failed; empty where it did not.
    image : str
        Relative URL; empty where there is none.
    """

    name: str
    anchor: str
    simulated: bool
    facts: list[tuple[str, str]]
    reason: str
    image: str


@dataclass(frozen=True)
class _Drawing:
    scan: Scan
    maker: str
    mask: Path
    notes: tuple[str, ...]


def write_lesions_page(cohort: Cohort, derivatives: Path, roots: Sequence[Path], jobs: int = 1) -> Path:
    """Write `lesions.html` beside lesions.tsv, with a picture of every scan by the mask that stands for it.

    Parameters
    ----------
    cohort : Cohort
        The people who may be shown.
    derivatives : Path
        With lesions.tsv.
    roots : sequence of Path
        Derivative datasets that hold masks.
    jobs : int
        Pictures drawn side by side; those of unchanged masks are kept.

    Returns
    -------
    Path
        Of the page. It links pictures by relative paths, so it stays in its folder.
    """
    table = _of_cohort(read_measures(derivatives), cohort)
    # a scan without any mask is a row without a maker
    shown = table[_true(table["preferred"]) | (table["maker"].fillna("") == "") | (table["status"] != "done")]
    shown = shown.assign(_failed=shown["status"] != "done").sort_values(["_failed", "total_ml"], ascending=False, kind="stable")
    scans = {(scan.participant_id, scan.session_id): scan for scan in cohort.scans}
    drawings = []
    for row in shown[shown["status"] == "done"].to_dict("records"):
        scan = scans[row["participant_id"], row["session_id"]]
        mask = masks_by_maker(scan, roots).get(str(row["maker"]))
        if mask is not None:
            drawings.append(_Drawing(scan, str(row["maker"]), mask, _notes(row)))
    pictures: dict[str, Path] = {}
    with progress("Lesion pictures", len(drawings)) as advance:
        for name, path in each(partial(_draw, derivatives=derivatives), drawings, min(resolve_jobs(jobs), max(1, len(drawings)))):
            if path is not None:
                pictures[name] = path
            advance(name)
    preferred = table[_true(table["preferred"])].reset_index(drop=True)
    if len(preferred):
        diagnosis = cohort.participants.set_index("participant_id").get("diagnosis")
        group = None if diagnosis is None else preferred["participant_id"].map(diagnosis).fillna("unknown").astype(str)
        draw_study(derivatives / OVERVIEW, preferred, group, simulated=bool(_true(preferred["simulated"]).any()))
    cards = [_scan_card(row, pictures, derivatives) for row in shown.to_dict("records")]
    return _write(
        derivatives / LESIONS, "Lesions", "scan", cards, OVERVIEW if len(preferred) else "",
        "Scans whose mask could not be measured first, then by lesion volume, the largest first. Outlines are coloured by place. Where a "
        "scan has masks by several makers, the page shows the one that stands for it; lesions.tsv has all.",
    )  # fmt: skip


def write_changes_page(cohort: Cohort, derivatives: Path) -> Path:
    """Write `lesion_changes.html` beside lesion_changes.tsv.

    Parameters
    ----------
    cohort : Cohort
        The people who may be shown.
    derivatives : Path
        With lesion_changes.tsv and the pictures that it names.
    """
    table = most_changed_first(_of_cohort(read_study_table(derivatives), cohort))
    cards = [_pair_card(row, derivatives) for row in table.to_dict("records")]
    return _write(
        derivatives / CHANGES, "Lesion change", "pair", cards, "",
        "Pairs of scans that could not be compared first, then by new and enlarging lesions, the most first. Each picture shows the "
        "earlier scan, the later one, and their difference, both scans brought half the way to each other.",
    )  # fmt: skip


def _of_cohort(table: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    sessions = {(scan.participant_id, scan.session_id) for scan in cohort.scans}
    keys = zip(table["participant_id"].astype(str), table["session_id"].fillna("").astype(str), strict=True)
    return table[[key in sessions for key in keys]].reset_index(drop=True)


def _true(values: pd.Series) -> pd.Series:
    """Booleans, as Python or as the tables on disk have them."""
    return values.astype(str).str.lower() == "true"


def _draw(drawing: _Drawing, derivatives: Path) -> tuple[str, Path | None]:
    """Name of the scan and its picture, drawn now or kept; None where the scan cannot be drawn."""
    import nibabel as nib
    import numpy as np

    scan = drawing.scan
    path = scan.derivative(derivatives, lesion_file(drawing.maker, "mask").replace("_mask.nii.gz", "_lesions.png"))
    source = {drawing.mask.name: sha256(drawing.mask)}
    parameters = {"drawing": _DRAWING, "notes": list(drawing.notes)}
    if path.is_file() and sidecar_path(path).is_file():
        kept = read_json(sidecar_path(path))
        if kept.get("SourceSHA256") == source and kept.get("Parameters") == parameters:
            return scan.entities, path
    try:
        images = find_images(scan, derivatives)
        lesions = features_of_mask(drawing.mask, scan.derivative(derivatives, features_file(drawing.maker)))
        flair: Any = nib.load(images.flair)
        mask: Any = nib.load(drawing.mask)
        inside = np.asarray(mask.dataobj) > 0.5
        draw_lesions(path, scan.entities, flair, inside, lesions, drawing.notes, simulated=images.simulated)
    except (DawsonError, ValueError, OSError):
        return scan.entities, None  # the row tells of the scan; a missing picture does not stop a page
    more = {"SimulatedData": True} if images.simulated else {}
    write_sidecar(path, source, parameters, **more)
    return scan.entities, path


def _notes(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """What the rules say of a scan."""
    said = [(name.capitalize(), row.get(name)) for name in ("matthews", "barkhof", "cacciaguerra")]
    said.append(("McDonald 2017, space, brain only", row.get("mcdonald_dis")))
    return tuple(f"{name}: {'met' if str(value).lower() == 'true' else 'not met'}" for name, value in said if value is not None)


def _scan_card(row: Mapping[Any, Any], pictures: Mapping[str, Path], derivatives: Path) -> Card:
    scan = Scan(str(row["participant_id"]), str(row["session_id"] or ""), None, None)
    picture = pictures.get(scan.entities)
    facts = [
        ("mask by", str(row["maker"] or "nobody")),
        ("lesions", _number(row.get("lesions"), 0)),
        ("volume", _number(row.get("total_ml"), 1, " mL")),
        ("brain fraction", _number(row.get("bpf"), 3)),
        ("ventricles", _number(row.get("ventricles_ml"), 0, " mL")),
    ]
    return Card(
        scan.entities, scan.entities, str(row.get("simulated")).lower() == "true", [fact for fact in facts if fact[1]],
        "" if row["status"] == "done" else str(row["reason"] or "not measured"),
        "" if picture is None else quote(picture.relative_to(derivatives).as_posix()),
    )  # fmt: skip


def _pair_card(row: Mapping[Any, Any], derivatives: Path) -> Card:
    name = f"{row['participant_id']} {row['from_session_id']} to {row['session_id']}"
    picture = str(row.get("picture") or "")
    facts = [(word, _number(row.get(f"n_{word}"), 0)) for word in ("new", "enlarging", "shrinking", "resolved", "stable")]
    facts += [
        ("change", _number(row.get("change_ml"), 2, " mL", sign=True)),
        ("days between", _number(row.get("days"), 0)),
        ("masks by", str(row["maker"])),
    ]
    return Card(
        name, f"{name.replace(' ', '-')}-{row['maker']}", str(row.get("simulated")).lower() == "true", [fact for fact in facts if fact[1]],
        "" if row["status"] == "done" else str(row["reason"]),
        quote(picture) if picture and (derivatives / picture).is_file() else "",
    )  # fmt: skip


def _number(value: Any, digits: int, unit: str = "", sign: bool = False) -> str:
    return f"{float(value):{'+' if sign else ''}.{digits}f}{unit}" if is_number(value) else ""


def _write(path: Path, title: str, unit: str, cards: list[Card], overview: str, lead: str) -> Path:
    simulated = any(card.simulated for card in cards)
    return write_page(
        path,
        "lesions.html",
        {
            "banners": banners(simulated=simulated, managed=None),
            "simulated": simulated,
            "title": title,
            "unit": unit,
            "lead": lead,
            "cards": cards,
            "overview": overview,
        },
    )
