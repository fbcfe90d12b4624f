"""Somebody is taken out of the experiments and models of a study: what showed them goes, what learnt from them is marked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dawson.classification.experiment import FINAL_SPLITS, SPLITS
from dawson.classification.explanations import is_complete, without_person
from dawson.files import atomic_path, read_json, read_tsv, write_json
from dawson.governance.mentions import Label, delimiter_of, participants_in
from dawson.governance.person_files import without_rows
from dawson.governance.withdrawal import Trace

RETRAIN = "retrain.json"
_REPORTS = ("report.html", "report-shared.html", "methods.md", "checklists.md", "figures", "figures-shared")
# What a curve says cannot be cut to fewer people: `dawson study curve` makes it again.
_CURVES = ("curve", "learning_curve.json", "learning_curve.tsv", "learning_curve.svg")


class ModelsAndExperiments:
    """The hook of this room for `dawson governance withdraw`: see `dawson.governance.withdrawal`."""

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        """Every experiment, model and external test that used the person; nothing is changed."""
        return [*_experiments(study, participant_id, change=False), *_external(study, participant_id, change=False)]

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        """Take the person's rows, images and maps out of them, and mark the models for retraining."""
        return [*_experiments(study, participant_id, change=True), *_external(study, participant_id, change=True)]


def needs_retraining(model: Path) -> dict[str, Any] | None:
    """What `retrain.json` of a model folder says; None where nobody left it."""
    path = model / RETRAIN
    return dict(read_json(path)) if path.is_file() else None


def take_out(folder: Path, participant_id: str) -> None:
    """Take a person out of one experiment, whose model is about to be trained anew."""
    list(_reports(folder, change=True))
    _clean(folder, participant_id)


def people_in(folder: Path) -> set[str]:
    """Everybody whom a table of an experiment names."""
    return {person for table in folder.rglob("*.tsv") for person in participants_in(table)}


def _experiments(study: Path, participant_id: str, change: bool) -> Iterator[Trace]:
    label, manifests = Label(participant_id), study / "governance" / "training-manifests"
    names = {folder.name for folder in _subfolders(study / "experiments")} | {path.stem for path in manifests.glob("*.tsv")}
    for name in sorted(names):
        folder, model = study / "experiments" / name, study / "models" / name
        roles = _roles(folder, participant_id)
        learnt = _names(manifests / f"{name}.tsv", label)
        if not roles and not learnt and not any(_names(table, label) for table in folder.rglob("*.tsv")):
            continue
        command = f"dawson study retrain {model}"
        if change:
            # The marks come first: an interrupted removal must not leave a model that nobody knows to be touched. They name nobody.
            mark = {"reason": "Somebody whose data this used is no longer in the study.", "command": command}
            for place in (place for place in (folder, model if learnt else folder) if place.is_dir()):
                write_json(place / RETRAIN, mark)
        if learnt:
            again = command if (folder / SPLITS).is_file() else "its experiment is gone: make it anew with dawson study run"
            yield Trace("model", str(model.relative_to(study)), "learnt from this person", f"to be retrained: {again}")
        if not folder.is_dir():
            continue
        yield from _reports(folder, change)
        if change:
            _clean(folder, participant_id)
        yield Trace(
            "experiment",
            str(folder.relative_to(study)),
            ", ".join(f"{role} in {n} runs" for role, n in sorted(roles.items())) or "named in its files",
            _done("rows, images and maps removed", change),
        )


def _reports(folder: Path, change: bool) -> Iterator[Trace]:
    for name in (*_REPORTS, *_CURVES):
        path = folder / name
        if path.exists():
            if change:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            again = "dawson study curve" if name in _CURVES else "dawson study retrain"
            place = str(path.relative_to(folder.parent.parent))
            yield Trace("report", place, "may show this person", f"{_done('removed', change)}; {again} makes it again")


def _clean(folder: Path, participant_id: str) -> None:
    """Take a person out of the tables and explanations of an experiment; the splits last, since they say who is still in it."""
    label = Label(participant_id)
    for unfinished in folder.rglob(".part-*"):
        unfinished.unlink()
    tables = sorted(folder.rglob("*.tsv"), key=lambda path: path.name in (SPLITS, FINAL_SPLITS))
    for arrays in sorted(folder.rglob("*explanations.npz")):
        if is_complete(arrays) or arrays.parent == folder:
            without_person(arrays, participant_id)
        else:
            # Half a file, which the next run would make again in any case.
            arrays.unlink()
    for table in tables:
        if _names(table, label):
            kept, *_ = without_rows(table.read_bytes(), label, delimiter_of(table))
            with atomic_path(table) as temporary:
                temporary.write_bytes(kept)


def _done(what: str, change: bool) -> str:
    return what if change else f"would be {what}"


def _external(study: Path, participant_id: str, change: bool) -> Iterator[Trace]:
    for folder in _subfolders(study / "external"):
        derivatives = folder / "derivatives" / "dawson" / participant_id
        if not (_names(folder / "predictions.tsv", Label(participant_id)) or derivatives.exists()):
            continue
        if change:
            # What was measured over everybody cannot be cut to fewer people without the model: the whole test is made again.
            shutil.rmtree(folder)
        yield Trace(
            "external test",
            str(folder.relative_to(study)),
            "a model was tested on this person",
            f"{_done('removed', change)}; dawson study external makes it again",
        )


def _subfolders(root: Path) -> list[Path]:
    return sorted(item for item in root.iterdir() if item.is_dir()) if root.is_dir() else []


def _roles(folder: Path, participant_id: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in (SPLITS, FINAL_SPLITS):
        if (folder / name).is_file():
            table = read_tsv(folder / name, text=("role",))
            own = table[(table["participant_id"] == participant_id) & (table["role"] != "unused")]
            for role, rows in own.groupby("role"):
                found[str(role)] = found.get(str(role), 0) + len(rows[["repeat", "fold"]].drop_duplicates())
    return found


def _names(table: Path, label: Label) -> bool:
    return table.is_file() and label.is_in_table(table)
