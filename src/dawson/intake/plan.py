"""What an intake would do with each series, before anything is done: taken as what, held or rejected, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dawson.governance.tombstones import withdrawn_scans
from dawson.intake.codes import Codes
from dawson.intake.doubts import (
    alike_people,
    disputed_people,
    identity_of,
    known_sexes,
    no_identity,
    stranger,
    study_kind,
    unsafe_pixels,
    withdrawn,
)
from dawson.intake.header_values import plain_number
from dawson.intake.pseudonyms import Pseudonymiser
from dawson.intake.record import Record, Row
from dawson.intake.series import Found, Series
from dawson.intake.sorting import RuleFile, Sorted, sort_series

Decision = Literal["take", "already", "hold", "reject"]
_STATUS = {"take": "taken", "already": "taken", "hold": "held", "reject": "rejected"}


@dataclass(frozen=True)
class Planned:
    """One series and what becomes of it.

    Parameters
    ----------
    series : Series
        With its header: only for the person at the terminal.
    code, words : str
        Of the series and of its description; what lines under [take] name.
    content : str
        Keyed hash of its instances.
    participant_id, session_id : str
        With prefixes; empty where they cannot be known.
    decision : {"take", "already", "hold", "reject"}
    sorted : Sorted
        What the rules say.
    reason : str
    name : str
        File name without extension, for a series that is taken.
    """

    series: Series
    code: str
    words: str
    content: str
    participant_id: str
    session_id: str
    decision: Decision
    sorted: Sorted
    reason: str
    name: str = ""

    @property
    def file(self) -> Path:
        """The image in the study."""
        return Path(self.participant_id, self.session_id, "anat", f"{self.name}.nii.gz")

    def row(self, **more: Any) -> Row:
        """The row of the record, as far as the plan knows it."""
        header = self.series.header
        known: dict[str, Any] = {
            "series": self.code,
            "participant_id": self.participant_id,
            "session_id": self.session_id,
            "status": _STATUS[self.decision],
            "contrast": self.sorted.contrast if self.decision == "take" else "",
            "reason": self.reason,
            "rule": self.sorted.rule,
            "suggestion": "; ".join(self.sorted.suggestions),
            "files": len(self.series.files),
            "description": self.words,
            "content": self.content,
            "tr_ms": header.tr_ms,
            "te_ms": header.te_ms,
            "ti_ms": header.ti_ms,
            "flip_deg": header.flip_deg,
            "field_tesla": header.field_tesla,
            "slices": self.series.slices,
            "simulated": "true" if header.synthetic else "false",
        }
        return Row(**{**known, **more})


@dataclass(frozen=True)
class Plan:
    """What an intake would do.

    Parameters
    ----------
    planned : tuple of Planned
        One a series.
    refused : dict of str to int
        Reason to number of files that are no part of a series.
    files : int
        Looked at.
    """

    planned: tuple[Planned, ...]
    refused: dict[str, int]
    files: int

    def of(self, decision: Decision) -> list[Planned]:
        """Series with that decision."""
        return [item for item in self.planned if item.decision == decision]

    def sessions(self) -> list[list[Planned]]:
        """The series to take, one list a session."""
        together: dict[tuple[str, str], list[Planned]] = defaultdict(list)
        for item in self.of("take"):
            together[item.participant_id, item.session_id].append(item)
        return list(together.values())

    def waiting_rows(self, codes: Codes) -> list[Row]:
        """Rows of what is held or rejected already by the plan, and of the files that are no series."""
        files = [
            Row(codes.files(reason), "", "", "rejected", reason=f"{count} file{'s' if count > 1 else ''}: {reason}", files=count)
            for reason, count in sorted(self.refused.items())
        ]
        return [*files, *[item.row() for item in self.planned if item.decision in ("hold", "reject")]]


def make_plan(
    found: Found,
    study: Path,
    rules: RuleFile,
    secret: bytes,
    record: Record,
    *,
    use_issuer: bool = True,
) -> Plan:
    """Decide about every series; nothing is written.

    Parameters
    ----------
    found : Found
    study : Path
        The study, which need not exist yet.
    rules : RuleFile
    secret : bytes
        Of pseudonyms and codes.
    record : Record
        Of the study.
    use_issuer : bool
        Same patient numbers of different issuers are different people.
    """
    names, codes = Pseudonymiser(secret), Codes(secret)
    disputed = disputed_people(found.series, names, use_issuer)
    alike = alike_people(found.series, names, use_issuer, study)
    gone = withdrawn_scans(study)
    known_sex = known_sexes(study)
    kind = study_kind(study, record)
    planned = []
    for series in found.series:
        header = series.header
        code = codes.series(header.study_uid, header.series_uid, plain_number(header.patient_id), series.part)
        words = codes.words(header.description)
        sorted_ = sort_series(series, rules, (code, words))
        person, session = identity_of(series, names, use_issuer)
        decision: Decision = sorted_.decision
        item = Planned(
            series, code, words, codes.content(one.instance_uid for one in series.files), person, session, decision, sorted_, sorted_.reason
        )
        unsafe = unsafe_pixels(series)
        stop = (
            unsafe
            or no_identity(series, person, session)
            or withdrawn(study, person, item.content, gone)
            or stranger(series, person, known_sex, disputed, kind)
        )
        # A localizer of an unknown patient is rejected as a localizer; pixels that may show a name count before every rule.
        if stop and (unsafe or decision != "reject" or stop[0] == "reject"):
            item = replace(item, decision=stop[0], reason=stop[1])
        elif decision == "take" and series.fault:
            item = replace(item, decision="hold", reason=series.fault)
        elif decision == "take":
            item = _against_record(item, record, study)
        if item.decision == "take" and person in alike:
            item = replace(item, reason="; ".join(part for part in (item.reason, alike[person]) if part))
        planned.append(item)
    counted = Counter(item.reason for item in found.refused)
    return Plan(tuple(_named(_once(planned), record, study)), dict(counted), found.files)


def _against_record(item: Planned, record: Record, study: Path) -> Planned:
    """A series that the study has already, whole or in part."""
    same = record.taken("content", item.content)
    if same is not None and (study / str(same["file"])).is_file():
        return replace(item, decision="already", reason=f"it is in the study already, as {Path(str(same['file'])).name}")
    before = record.row(item.code)
    if before is not None and before["status"] == "taken" and before["content"] != item.content and (study / str(before["file"])).is_file():
        text = f"it is in the study with {before['files']} files, and here there are {len(item.series.files)}"
        return replace(item, decision="hold", reason=text)
    return item


def _once(planned: Iterable[Planned]) -> list[Planned]:
    """Each content is taken once, though two series hold it."""
    seen: set[str] = set()
    kept = []
    for item in planned:
        if item.decision == "take" and item.content in seen:
            item = replace(item, decision="reject", reason="a copy of another series of this intake")
        # one that is held or rejected is not in the study: it must not keep a good copy out
        if item.decision in ("take", "already"):
            seen.add(item.content)
        kept.append(item)
    return kept


def _named(planned: list[Planned], record: Record, study: Path) -> list[Planned]:
    """File names. Of several images of one contrast the finest, then the earliest comes first; the others are run-2, run-3 ..."""
    order = sorted(range(len(planned)), key=lambda at: _fineness(planned[at].series))
    used = {str(row["file"]) for row in record.rows() if row["status"] == "taken"}
    mine = {item.code: str(row["file"]) for item in planned if (row := record.row(item.code)) and row["status"] == "taken"}
    named = list(planned)
    for at in order:
        item = planned[at]
        if item.decision != "take":
            continue
        stem = "_".join(part for part in (item.participant_id, item.session_id, item.sorted.entities) if part)
        run = 1
        while True:
            name = f"{stem}{f'_run-{run}' if run > 1 else ''}_{item.sorted.contrast}"
            candidate = replace(item, name=name)
            file = str(candidate.file)
            # a taken row whose image is gone is taken anew, under its old name
            if file == mine.get(item.code) or (file not in used and not (study / file).exists()):
                break
            run += 1
        used.add(str(candidate.file))
        note = f"image {run} of this contrast in the session" if run > 1 else ""
        named[at] = replace(candidate, reason="; ".join(part for part in (item.reason, note) if part))
    return named


def _fineness(series: Series) -> tuple[float, float, int, str]:
    sizes = series.voxel_mm or (1e3,)
    product = 1.0
    for size in sizes:
        product *= size
    return round(max(sizes), 2), round(product, 3), series.header.series_number or 0, series.header.time
