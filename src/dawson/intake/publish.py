"""Finished images put into the study, with the tables that belong to them; what failed put where a person looks."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawson.files import atomic_path, sidecar_path, write_json
from dawson.governance.tombstones import withdrawn_images, withdrawn_scans
from dawson.intake.doubts import RETURNED
from dawson.intake.face_acceptance import FaceAcceptance
from dawson.intake.plan import Planned
from dawson.intake.private_folder import make_private
from dawson.intake.process import Made
from dawson.intake.record import Record, Row
from dawson.intake.stamps import codes_of_defaced
from dawson.intake.tables import Tables, Visit

PICTURES = "pictures"

_CODES = "DeidentificationMethodCodeSequence"


class Publisher:
    """Writes into one study; every image comes after its rows, so that an interruption costs one session at most.

    Parameters
    ----------
    study : Path
    record : Record
    quarantine : Path
    site : str
        For the participants table; empty where unknown.
    managed : bool
        Each session that is taken is an event of the audit log.
    acceptance : FaceAcceptance
        The word on which heads are taken whose face removal was doubted: it stands in their rows and in the audit log.
    """

    def __init__(
        self,
        study: Path,
        record: Record,
        quarantine: Path,
        site: str = "",
        *,
        managed: bool = False,
        acceptance: FaceAcceptance = FaceAcceptance(),
    ) -> None:
        self._study, self._record, self._quarantine, self._site, self._managed = study, record, quarantine, site, managed
        self._acceptance = acceptance

    def waiting(self, rows: Sequence[Row]) -> list[Row]:
        """Write down what the plan holds or rejects; an image that the study has keeps its row."""
        kept = [row for row in rows if not self._in_study(row.series)]
        self._record.add(kept)
        self._record.write()
        return list(rows)

    def publish(self, made: Sequence[Made], *, defaced: bool) -> list[Row]:
        """Put the series of one session into the study.

        Everything that belongs to an image is written before it, the image last: what is there is whole, and after an interruption at any
        place the same call writes the same names again.

        Parameters
        ----------
        made : sequence of Made
        defaced : bool
            Faces were removed.

        Returns
        -------
        list of Row
            One a series, in their order.
        """
        rows = self._rows(made, defaced)
        for picture in {one.picture for one in made if one.picture is not None}:
            self._private(picture, Path(PICTURES, f"{made[0].planned.participant_id}_{made[0].planned.session_id}.png"))
        taken = [one for one in made if not one.failure]
        tables = None
        if taken:
            header = taken[0].planned.series.header
            sex = next((one.planned.series.header.sex for one in taken if one.planned.series.header.sex in ("F", "M", "O")), "")
            age = next((one.age for one in taken if one.age), "")
            person, session = taken[0].planned.participant_id, taken[0].planned.session_id
            tables = self._tables(Visit(person, session, sex, age, self._site, header.synthetic))
            rows = [replace(row, age=age, age_written=tables.age_written) if row.status == "taken" else row for row in rows]
        self._record.add(rows)
        self._record.write()
        if tables is not None:
            tables.write()
            self._announce(taken)
        for one in taken:
            self._write(one, defaced)
        return rows

    def restate(self, already: Sequence[Planned]) -> None:
        """Write the rows of participants and sessions of what is in the study already, should they be missing."""
        done: set[tuple[str, str]] = set()
        for item in already:
            row = self._record.taken("content", item.content)
            visit = (str(row["participant_id"]), str(row["session_id"])) if row is not None else ("", "")
            if row is None or visit in done:
                continue
            done.add(visit)
            header = item.series.header
            sex = header.sex if header.sex in ("F", "M", "O") else ""
            self._tables(Visit(*visit, sex, str(row.get("age") or ""), self._site, header.synthetic)).write()

    def _rows(self, made: Sequence[Made], defaced: bool) -> list[Row]:
        rows: list[Row] = []
        for one in made:
            if not one.failure and self._is_withdrawn(one):
                one.failure = RETURNED
            if not one.failure and (name := self._twin(one, rows)):
                one.failure, one.held = f"the same image is in the study already, as {name}", True
            if one.failure:
                rows.append(self._failed(one))
                continue
            more: dict[str, Any] = {
                "file": one.planned.file.as_posix(),
                "image": one.voxels,
                "defaced": "true" if defaced else "false",
                "changed_brain_voxels": one.changed_brain_voxels,
                "quality": one.quality,
            }
            if one.doubt:
                said = self._acceptance
                reason = "; ".join(part for part in (one.planned.reason, said.words(one.doubt)) if part)
                more |= {"reason": reason, "face_accepted_by": said.by.strip(), "face_accepted_reason": said.reason.strip()}
            rows.append(one.planned.row(**more))
        return rows

    def _twin(self, one: Made, rows: Sequence[Row]) -> str:
        """File name of the same image under another series; empty where there is none."""
        own = [row.file for row in rows if row.status == "taken" and row.image == one.voxels]
        files = [
            str(row["file"])
            for row in self._record.rows()
            if row["status"] == "taken" and row["image"] == one.voxels and row["series"] != one.planned.code
        ]
        return next((Path(file).name for file in [*own, *[file for file in files if (self._study / file).is_file()]]), "")

    def _is_withdrawn(self, one: Made) -> bool:
        """Whether somebody who withdrew was in this scan, by its voxels as converted or by the finished image."""
        images = withdrawn_images(self._study)
        return one.voxels in withdrawn_scans(self._study) or (one.image is not None and bool(images.whose(one.image)))

    def _tables(self, visit: Visit) -> Tables:
        ages = {str(row.get("age_written") or "") for row in self._record.rows() if row["participant_id"] == visit.participant_id}
        return Tables(self._study, visit, ages - {""})

    def _announce(self, taken: Sequence[Made]) -> None:
        """One event of the audit log, where the study is managed; before the images, so that none is there without it."""
        if self._managed:
            from dawson.governance import audit

            people = {one.planned.participant_id for one in taken}
            audit.append(self._study, "intake", people, {"series": {"taken": len(taken)}})
            if doubted := [one for one in taken if one.doubt]:
                said = self._acceptance
                detail = {"series": [one.planned.code for one in doubted], "by": said.by.strip(), "reason": said.reason.strip()}
                audit.append(self._study, "accept face removal", people, detail)

    def _in_study(self, series: str) -> bool:
        row = self._record.row(series)
        return row is not None and row["status"] == "taken" and (self._study / str(row["file"])).is_file()

    def _failed(self, one: Made) -> Row:
        held = one.quarantined or one.held
        if one.quarantined and one.faced is not None:
            folder = Path(one.planned.participant_id, one.planned.session_id)
            self._private(one.faced, folder / f"{one.planned.name}.nii.gz")
            write_json(self._quarantine / folder / f"{one.planned.name}.json", {**one.sidecar, "Quarantined": one.failure})
        return replace(one.planned.row(), status="held" if held else "rejected", contrast="", reason=one.failure)

    def _private(self, source: Path, name: Path) -> None:
        """Copy what shows a face to the quarantine, which only its owner can enter."""
        make_private(self._quarantine)
        with atomic_path(self._quarantine / name) as temporary:
            shutil.copyfile(source, temporary)

    def _write(self, one: Made, defaced: bool) -> None:
        """The sidecar, then the image, which stands for both."""
        target = self._study / one.planned.file
        content = {**one.sidecar, "Defaced": defaced}
        if defaced:
            content[_CODES] = codes_of_defaced(one.sidecar.get(_CODES, ()))
        if one.doubt:
            # who said so stands in the study's own table and log, which an export leaves behind
            content["DefacingDoubtOverruled"] = one.doubt
        write_json(sidecar_path(target), content)
        with atomic_path(target) as temporary:
            shutil.copyfile(str(one.image), temporary)
