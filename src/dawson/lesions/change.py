"""How lesions change from session to session, for every person of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.dataset import Cohort
from dawson.errors import CohortError, DawsonError
from dawson.files import digest_of, sha256, sidecar_path, write_json, write_sidecar, write_tsv
from dawson.imaging.instance_links import Tracks, track_instances
from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.subtraction import Subtraction, subtract
from dawson.lesions.change_detection import detect_changes
from dawson.lesions.change_files import (
    ChangeWork,
    SessionPair,
    finished_row,
    map_of,
    parameters_of,
    place_of,
    source_name,
    write_image,
    write_transforms,
)
from dawson.lesions.change_frame import Meeting, SessionFiles, cropped, meet, source_files
from dawson.lesions.change_picture import draw_change
from dawson.lesions.change_table import LESION_COLUMNS, lesion_rows, pair_figures, study_table, tracks_of, write_study_table
from dawson.lesions.changed_tissue import detect_changed_tissue
from dawson.lesions.changes import CODES, ChangeSettings
from dawson.parallel import each, resolve_jobs
from dawson.preprocess.scan import is_simulated
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str]


def change_study(
    cohort: Cohort,
    derivatives: Path,
    masks: Mapping[Key, Path],
    maker: str,
    settings: ChangeSettings | None = None,
    *,
    jobs: int = 1,
    dask: str | None = None,
    force: bool = False,
    registration: str = "greedy",
    registration_mm: float = 2.0,
) -> pd.DataFrame:
    """Follow the lesions of everybody who was scanned more than once.

    Every session is compared with the next, and the last with the first where there are more than two. What an earlier run compared
    from the same files and settings is not compared again.

    Parameters
    ----------
    cohort : Cohort
    derivatives : Path
        Root of the derivatives, usually `STUDY/derivatives/dawson`.
    masks : mapping of (str, str) to Path
        Participant and session to lesion mask (or probability) in template space or on the grid of the raw FLAIR. Where one of a
        pair is missing, the detector `subtraction` looks at the scans alone.
    maker : str
        Who made the masks (`desc-`); stands in the names of the results.
    settings : ChangeSettings, optional
    jobs, dask
        See `dawson.parallel.each`; the people are shared out.
    force : bool
        Compare again.
    registration, registration_mm
        See `dawson.imaging.registration.register_rigid`.

    Returns
    -------
    DataFrame
        One row for every pair, with the columns of `dawson.lesions.change_table.COLUMNS`; also written as `lesion_changes.tsv`,
        which keeps the rows of other people and makers. A pair that cannot be compared is a row with a reason.

    Raises
    ------
    CohortError
        Nobody was scanned more than once.
    """
    people = _followed_up(cohort, masks)
    if not people:
        raise CohortError(f"{cohort.root} has nobody with two sessions or more.", "Lesion change needs a follow-up scan.")
    settings = settings or ChangeSettings()
    work = ChangeWork(derivatives, cohort.root, maker, settings, registration, registration_mm, 1, force)
    rows: list[dict[str, Any]] = []
    with progress("Lesion change", len(people)) as advance:
        for found in each(partial(change_person, work=work), people, min(resolve_jobs(jobs), len(people)), dask):
            rows += found
            advance(found[0]["participant_id"])
    table = study_table(rows)
    write_study_table(derivatives, table)
    return table


def change_person(sessions: Sequence[SessionFiles], work: ChangeWork) -> list[dict[str, Any]]:
    """Compare all sessions of one person.

    Parameters
    ----------
    sessions : sequence of SessionFiles
        In order of time, two or more.
    work : ChangeWork

    Returns
    -------
    list of dict
        Rows of `lesion_changes.tsv`.
    """
    pairs = [SessionPair(first, second, False) for first, second in pairwise(range(len(sessions)))]
    if len(sessions) > 2:
        pairs.append(SessionPair(0, len(sessions) - 1, True))
    try:
        sources = {source_name(path, work): sha256(path) for session in sessions for path in source_files(session, work.derivatives)}
        digest = digest_of({"sources": sources, "parameters": parameters_of(work)})
        done = [None if work.force else finished_row(sessions, pair, digest, work) for pair in pairs]
        if all(done):
            return [row for row in done if row is not None]
        meeting = meet(sessions, work.derivatives, work.registration, work.registration_mm, work.threads)
        write_transforms(sessions, meeting, sources, work)
    except Exception as error:  # one bad person never stops a study, whatever a library makes of a damaged file
        return [_failed(sessions, pair, error, work) for pair in pairs]
    rows = []
    tracks = _tracks(meeting, work.settings)
    for pair in pairs:
        try:
            rows.append(_compare(sessions, pair, meeting, tracks, sources, digest, work))
        except Exception as error:  # nor does one bad pair
            rows.append(_failed(sessions, pair, error, work))
    return rows


def _followed_up(cohort: Cohort, masks: Mapping[Key, Path]) -> list[tuple[SessionFiles, ...]]:
    """Sessions of everybody with more than one, in order of time where the sessions table tells it, else of their names."""
    table = cohort.sessions
    days: dict[Key, float] = {}
    if "days_from_baseline" in table:
        keys = zip(table["participant_id"], table["session_id"], strict=True)
        days = {key: float(value) for key, value in zip(keys, table["days_from_baseline"].astype(float), strict=True)}
    people: dict[str, list[SessionFiles]] = {}
    for scan in cohort.scans:
        key = (scan.participant_id, scan.session_id)
        if scan.flair is not None or key in masks:
            people.setdefault(scan.participant_id, []).append(SessionFiles(scan, masks.get(key), days.get(key, float("nan"))))
    found = []
    for own in people.values():
        if len(own) > 1:
            known = all(session.days == session.days for session in own)
            found.append(tuple(sorted(own, key=lambda session: (session.days if known else 0.0, session.scan.session_id))))
    return found


def _compare(
    sessions: Sequence[SessionFiles],
    pair: SessionPair,
    meeting: Meeting,
    tracks: Tracks | None,
    sources: Mapping[str, str],
    digest: str,
    work: ChangeWork,
) -> dict[str, Any]:
    box = cropped(meeting, pair.first, pair.second)
    affine = meeting.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start or 0 for part in box]
    spacing = float(np.linalg.norm(affine[:3, 0]))
    voxel_mm3 = float(abs(np.linalg.det(affine[:3, :3])))
    masks = [None if mask is None else mask[box] for mask in (meeting.masks[pair.first], meeting.masks[pair.second])]
    scans = _subtraction(meeting, pair, box, masks, spacing)
    detector = work.settings.detector
    if masks[0] is not None and masks[1] is not None:
        changes = detect_changes(masks[0], masks[1], voxel_mm3, work.settings, scans)
    elif scans is not None and detector == "subtraction":
        changes, detector = detect_changed_tissue(scans, voxel_mm3, work.settings), "subtraction without masks"
    else:
        raise CohortError(
            f"{sessions[pair.second].scan.entities}: a lesion mask by {work.maker} is missing at one of the two sessions.",
            "Run `dawson lesions segment`, or use the detector 'subtraction'.",
        )
    later = sessions[pair.second].scan
    place = f"space-{meeting.space}"
    picture = later.derivative(work.derivatives, f"{place}_label-lesionchange_desc-{pair.name(work.maker)}_change.png")
    simulated = _simulated(sessions, pair)
    row = {
        **_start(sessions, pair, work),
        "status": "done",
        "reason": "",
        "detector": detector,
        "space": meeting.space,
        **pair_figures(changes, detector != "subtraction without masks", _days(sessions, pair)),
        "noise": float("nan") if scans is None else round(scans.noise, 4),
        "registration_mm": round(meeting.inconsistency_mm, 4),
        "picture": "" if scans is None else picture.relative_to(work.derivatives).as_posix(),
        "simulated": simulated,
    }
    own_tracks = None if masks[0] is None or masks[1] is None else tracks_of(tracks, pair.first, pair.second)
    returned = tracks.returned[pair.second] if tracks is not None and own_tracks is not None else set()
    if scans is not None:
        names = sessions[pair.first].scan.session_id or "earlier", later.session_id or "later"
        draw_change(picture, later.participant_id, names, scans, changes, spacing, simulated=simulated)
        write_image(place_of(later, meeting, f"desc-{pair.name('subtraction')}_FLAIR.nii.gz", work), scans.z, box, meeting, np.float32)
    table = place_of(later, meeting, f"label-lesionchange_desc-{pair.name(work.maker)}_lesions.tsv", work)
    write_json(sidecar_path(table), LESION_COLUMNS)
    write_tsv(table, lesion_rows(changes, affine, own_tracks, returned))
    # the map last: whoever finds it with this digest may trust the rest
    target = map_of(later, meeting.space, pair, work)
    write_image(target, changes.codes, box, meeting, np.uint8)
    more = {"SimulatedData": True} if simulated else {}
    labels = {str(code): name for name, code in CODES.items()}
    kept = {name: None if isinstance(value, float) and value != value else value for name, value in row.items()}
    write_sidecar(target, sources, parameters_of(work), Type="Lesion", LabelMap=labels, Digest=digest, Row=kept, **more)
    return row


def _subtraction(
    meeting: Meeting, pair: SessionPair, box: tuple[slice, ...], masks: Sequence[NDArray[np.bool_] | None], spacing: float
) -> Subtraction | None:
    """The scans' subtraction; None without scans."""
    first, second = meeting.flairs[pair.first], meeting.flairs[pair.second]
    brains = meeting.brains[pair.first], meeting.brains[pair.second]
    if first is None or second is None or brains[0] is None or brains[1] is None:
        return None
    there = [mask for mask in masks if mask is not None]
    lesions = np.logical_or.reduce(there) if there else None
    return subtract(first[box], second[box], brains[0][box] & brains[1][box], spacing, lesions)


def _tracks(meeting: Meeting, settings: ChangeSettings) -> Tracks | None:
    """Lesion numbers over all sessions; None where a session has no mask."""
    masks = [mask for mask in meeting.masks if mask is not None]
    if len(masks) < len(meeting.masks):
        return None
    return track_instances([lesion_instances(mask) for mask in masks], settings.minimum_share)


def _failed(sessions: Sequence[SessionFiles], pair: SessionPair, error: Exception, work: ChangeWork) -> dict[str, Any]:
    # a map of other files must not pass for this pair's
    later = sessions[pair.second].scan
    for path in (work.derivatives / later.folder).glob(f"{later.entities}_space-*_label-lesionchange_desc-{pair.name(work.maker)}_dseg.*"):
        path.unlink()
    reason = str(error) if isinstance(error, DawsonError) else f"{type(error).__name__}: {error}"
    return {**_start(sessions, pair, work), "status": "failed", "reason": " ".join(reason.split()), "simulated": _simulated(sessions, pair)}


def _start(sessions: Sequence[SessionFiles], pair: SessionPair, work: ChangeWork) -> dict[str, Any]:
    return {
        "participant_id": sessions[pair.second].scan.participant_id,
        "from_session_id": sessions[pair.first].scan.session_id,
        "session_id": sessions[pair.second].scan.session_id,
        "maker": work.maker,
        "pair": "overall" if pair.overall else "consecutive",
        "days": _days(sessions, pair),
    }


def _days(sessions: Sequence[SessionFiles], pair: SessionPair) -> float:
    return sessions[pair.second].days - sessions[pair.first].days


def _simulated(sessions: Sequence[SessionFiles], pair: SessionPair) -> bool:
    own = [sessions[pair.first], sessions[pair.second]]
    return any(is_simulated(path) for session in own for path in (session.scan.flair, session.mask))
