"""A participant withdraws: no further use from this moment, then every trace is found, removed or named; a crash is taken up again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dawson.errors import GovernanceError
from dawson.files import read_json, write_json
from dawson.governance import audit
from dawson.governance.consent import PARTICIPANT, ConsentRecord, read_ledger
from dawson.governance.consent_acts import record_consent
from dawson.governance.ledger import governance_folder
from dawson.governance.person_files import FilesAndRows, InQuarantine, image_contents, quarantine_of
from dawson.governance.results import search_places
from dawson.governance.roles import refuse_unless_governing
from dawson.governance.salts import destroy_salt, read_salts
from dawson.governance.tombstones import read_tombstones, set_tombstone, tombstone_state
from dawson.governance.traces import Hook, Trace

__all__ = ["Hook", "Trace", "Withdrawal", "hooks", "register", "report_path", "unfinished", "withdraw"]

REPORTS = "withdrawals"


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal found and did.

    Parameters
    ----------
    participant_id : str
    traces : tuple of Trace
    finished : bool
        False for a dry run.
    report : Path or None
        Where it is written down.
    """

    participant_id: str
    traces: tuple[Trace, ...]
    finished: bool
    report: Path | None


_hooks: dict[str, Hook] = {}


def register(name: str, hook: Hook) -> None:
    """Let a room above take part in every withdrawal; a second one of the same name takes the place of the first.

    Hooks run in the order in which they were registered, before the files and rows of the person go.
    """
    _hooks[name] = hook


def hooks() -> dict[str, Hook]:
    """The registered hooks, and that of this room at the end: those of other rooms may follow files that it removes."""
    return {**_hooks, "files": FilesAndRows()}


def withdraw(
    study: Path | str,
    participant_id: str,
    *,
    reason: str = "",
    dry_run: bool = False,
    actor: str | None = None,
    results: Sequence[Path | str] = (),
) -> Withdrawal:
    """Take somebody out of a study for good.

    The order is such that a crash at any point errs on the side of the person: first the consent record and the tombstone, from which
    moment every use is refused; then the digests of the images and what was found are written down; then it is removed, room by room; last
    the salt of the audit log is destroyed. Called again, it goes on where it stopped; called on somebody who is gone, it looks once more.

    Parameters
    ----------
    study : Path or str
    participant_id : str
    reason : str
        For the consent ledger; need not be given, and names nobody.
    dry_run : bool
        Only list what would be done.
    actor : str, optional
        Who carries it out; by default the user of this machine.
    results : sequence of Path or str
        Further folders in which derivatives and experiments of the study lie, besides those that the study remembers.

    Returns
    -------
    Withdrawal

    Raises
    ------
    GovernanceError
        Nobody of this name is known in the study, or the access policy does not let the actor govern it.
    """
    study = Path(study).resolve()
    places, missing = search_places(study, tuple(results))
    _check_known(study, places, participant_id)
    if dry_run:
        return Withdrawal(participant_id, tuple(_unique([*_found(places, participant_id), *_not_there(missing)])), False, None)
    refuse_unless_governing(study, actor)
    _refuse_further_use(study, participant_id, reason, actor)
    path = report_path(study, participant_id)
    state = read_json(path) if path.is_file() else {}
    if state.get("state") != "begun":
        state = _begin(participant_id, state)
    if _look_in(study, places, participant_id, state):
        write_json(path, state)
    for step, (place, hook) in _steps(places).items():
        if step not in state["removed"]:
            gone = [_from(place, study, trace) for trace in hook.remove(place, participant_id)]
            state["removed"][step] = [asdict(trace) for trace in gone]
            write_json(path, state)
    traces = tuple(_unique([*_all_traces(state), *_not_there(missing)]))
    destroy_salt(study, participant_id)
    audit.append(study, "withdrawn", (), {"traces": _counted(traces), "tombstones": tombstone_state(study)}, actor)
    finished = {"state": "finished", "finished_at": _now(), "found": [], "removed": {}, "earlier": [asdict(trace) for trace in traces]}
    write_json(path, {**state, **finished})
    return Withdrawal(participant_id, traces, True, path)


def _steps(places: Sequence[Path]) -> dict[str, tuple[Path, Hook]]:
    """What is done one after the other, by a name that is the same after a crash."""
    steps: dict[str, tuple[Path, Hook]] = {f"{name} of {place}": (place, hook) for name, hook in hooks().items() for place in places}
    quarantine = quarantine_of(places[0])
    return {**steps, f"quarantine {quarantine}": (quarantine, InQuarantine())} if quarantine.is_dir() else steps


def _found(places: Sequence[Path], participant_id: str) -> list[Trace]:
    steps = _steps(places).values()
    return [_from(place, places[0], trace) for place, hook in steps for trace in hook.find(place, participant_id)]


def _not_there(missing: Sequence[Path]) -> list[Trace]:
    """Folders of results that are remembered and cannot be searched."""
    return [Trace("results", str(folder), "is not there now", "find it, and call the same command with --results") for folder in missing]


def _from(place: Path, study: Path, trace: Trace) -> Trace:
    """The trace with a path that stands for itself where it is not one of the study."""
    return trace if place == study else replace(trace, path=str(place / trace.path))


def report_path(study: Path | str, participant_id: str) -> Path:
    """Where the report of a withdrawal lies; while it says ``begun``, the withdrawal is not finished."""
    return governance_folder(study) / REPORTS / f"{participant_id}.json"


def unfinished(study: Path | str) -> list[str]:
    """Participants whose withdrawal was interrupted."""
    folder = governance_folder(study) / REPORTS
    begun = [path.stem for path in sorted(folder.glob("sub-*.json")) if read_json(path).get("state") != "finished"]
    without = [name for name in read_tombstones(study) if not report_path(study, name).is_file()]
    return sorted({*begun, *without})


def _check_known(study: Path, places: Sequence[Path], participant_id: str) -> None:
    if not PARTICIPANT.fullmatch(participant_id):
        raise GovernanceError(f"{participant_id!r} is no participant.", "A participant is named as in participants.tsv: sub- and a label.")
    is_known = (
        (study / participant_id).exists()
        or participant_id in read_tombstones(study)
        or participant_id in read_ledger(study).latest
        or participant_id in read_salts(study)
        or _found(places, participant_id)
    )
    if not is_known:
        raise GovernanceError(f"Nothing in {study} is known of {participant_id}.", "Compare the label with participants.tsv.")


def _refuse_further_use(study: Path, participant_id: str, reason: str, actor: str | None) -> None:
    """Tombstone and consent record, and the event while the person can still be named in the log."""
    set_tombstone(study, participant_id)
    held = read_ledger(study).latest.get(participant_id)
    if held is None or held.status != "withdrawn":
        record_consent(study, [ConsentRecord(participant_id=participant_id, status="withdrawn", reason=reason)], actor)
    if not report_path(study, participant_id).is_file():
        audit.append(study, "withdraw", [participant_id], {"tombstones": tombstone_state(study)}, actor)


def _begin(participant_id: str, before: dict[str, Any]) -> dict[str, Any]:
    return {
        "participant_id": participant_id,
        "state": "begun",
        "begun_at": before.get("begun_at", _now()),
        "earlier": before.get("earlier", []),
        "places": [],
        "found": [],
        "removed": {},
    }


def _look_in(study: Path, places: Sequence[Path], participant_id: str, state: dict[str, Any]) -> bool:
    """Digests of images go into the tombstone and what is found into the state, before anything is removed.

    A folder is looked at once: one that is named only when an interrupted withdrawal is taken up again is looked at then.
    True: there was one.
    """
    steps = _steps(places)
    new = [place for place in dict.fromkeys(place for place, _ in steps.values()) if str(place) not in state.setdefault("places", [])]
    for place in new:
        set_tombstone(study, participant_id, image_contents(place, participant_id))
    found = [_from(place, study, trace) for place, hook in steps.values() if place in new for trace in hook.find(place, participant_id)]
    state["places"] += map(str, new)
    state["found"] += [asdict(trace) for trace in found]
    return bool(new)


def _all_traces(state: dict[str, Any]) -> tuple[Trace, ...]:
    """What was removed, now, at an earlier call or before an interruption: then it is known by what was found at the beginning."""
    gone = [Trace(**item) for items in state["removed"].values() for item in items]
    named = {(trace.kind, trace.path) for trace in gone}
    found = [Trace(**item) for item in state["found"]]
    missed = [replace(trace, action=trace.action.replace("would be ", "", 1)) for trace in found if (trace.kind, trace.path) not in named]
    return tuple(_unique([*(Trace(**item) for item in state["earlier"]), *missed, *gone]))


def _unique(traces: Iterable[Trace]) -> list[Trace]:
    """One trace for a kind and path, the last that was said of it."""
    return list({(trace.kind, trace.path): trace for trace in traces}.values())


def _counted(traces: Iterable[Trace]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for trace in traces:
        counted[trace.kind] = counted.get(trace.kind, 0) + 1
    return counted


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
