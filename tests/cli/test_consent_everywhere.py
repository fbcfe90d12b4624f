"""Over random ledgers: whoever may not be used is in no table and no plan of any command, and everybody else is in all of them."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dawson.classification import predict as reading
from dawson.classification.comparator_runs import study_material
from dawson.classification.experiment import StudyPaths
from dawson.classification.plan import Plan, plan_study
from dawson.classification.study import prepare_images
from dawson.cli.cohort import app as cohort_commands
from dawson.cli.lesions import app as lesion_commands
from dawson.cli.predict import predict
from dawson.cli.preprocess import preprocess
from dawson.cli.quality import app as quality_commands
from dawson.cli.report import report
from dawson.cli.study_file import find_config
from dawson.cohort import describe
from dawson.cohort.bids import write_dataset_description, write_participants
from dawson.cohort.export import ExportOptions, plan_export
from dawson.config import PreprocessSection
from dawson.errors import CohortError, ConsentError, ExperimentError, TooFewParticipantsError
from dawson.files import write_json, write_tsv
from dawson.governance import gate
from dawson.governance.consent import ConsentRecord
from dawson.governance.image_copies import contents_of
from dawson.governance.tombstones import set_tombstone
from dawson.preprocess.batch import COLUMNS

TODAY = date(2025, 6, 15)
NOW = datetime(2025, 6, 15, 9, tzinfo=UTC)
CLASSES = ("MS", "NMOSD")
PEOPLE = tuple(f"sub-{number:02d}" for number in range(1, 13))
# The study is about MS and NMOSD, at home in Slovenia.
SCOPES = {
    ("GRU",): True, ("NRES",): True, ("HMB",): True, ("HMB", "NCU"): True, ("GRU", "NMDS"): True, ("DS", "MS", "NMOSD"): True,
    ("DS", "MS"): False, ("POA",): False, ("GRU", "GSO"): False, ("GRU", "GS", "SI"): True, ("GRU", "GS", "KR"): False,
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of a ledger, in words; days count from today."""

    person: str
    withdrawn: bool
    scope: tuple[str, ...]
    free: bool
    given: int
    expires: int | None

    def record(self, written: int) -> str:
        said: dict[str, Any] = {"participant_id": self.person, "recorded_at": NOW + timedelta(days=written)}
        if self.withdrawn:
            return ConsentRecord(status="withdrawn", **said).model_dump_json()
        words = set(self.scope)
        said |= {"form": "v1", "scope": sorted(words - {"MS", "NMOSD", "SI", "KR"}) + ["public-release", "third-countries"] * self.free}
        said |= {"diseases": sorted(words & {"MS", "NMOSD"}), "countries": sorted(words & {"SI", "KR"})}
        said |= {"given": TODAY + timedelta(days=self.given)}
        said |= {} if self.expires is None else {"expires": TODAY + timedelta(days=self.expires)}
        return ConsentRecord.model_validate(said).model_dump_json()


@dataclass(frozen=True)
class Drawn:
    """A ledger and what else decides."""

    managed: bool
    lines: tuple[tuple[Line, int], ...]
    buried: frozenset[str]
    returned: frozenset[str]


def plain_consent(person: str, free: bool) -> Line:
    return Line(person, False, ("GRU",), free, -100, None)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    given = draw(st.sampled_from([-400, -30, -1, 0, 1, 30]))
    expires = draw(st.none() | st.sampled_from([given, -1, 0, 1, 200]))
    return Line(
        draw(st.sampled_from(PEOPLE)),
        draw(st.integers(0, 4)) == 0,
        draw(st.sampled_from(sorted(SCOPES))),
        draw(st.booleans()),
        given,
        None if expires is None else max(given, expires),
    )


@st.composite
def ledgers(draw: st.DrawFn) -> Drawn:
    """Most people have plain consent, so that studies can be planned; some lines come before it, some after, at any time."""
    plain = [plain_consent(person, draw(st.booleans())) for person in PEOPLE if draw(st.integers(0, 9))]
    order = draw(st.permutations([*plain, *draw(st.lists(lines(), max_size=8))]))
    written = st.integers(-500, 500)
    few = st.sets(st.sampled_from(PEOPLE), max_size=2).map(frozenset)
    return Drawn(draw(st.integers(0, 4)) > 0, tuple((line, draw(written)) for line in order), draw(few), draw(few))


def permits(drawn: Drawn, public: bool = False) -> set[str]:
    """Who may be used, once more in a few lines: the last line of each person decides, whenever it says that it was written."""
    last = {line.person: line for line, _ in drawn.lines}
    may = set()
    for person in PEOPLE:
        line = last.get(person)
        if person in drawn.buried | drawn.returned or (line is not None and line.withdrawn):
            continue
        in_time = line is not None and line.given <= 0 and (line.expires is None or line.expires >= 0)
        if not drawn.managed or (line is not None and in_time and SCOPES[line.scope] and (line.free or not public)):
            may.add(person)
    # A place is limited to Slovenia, and what is for everybody goes everywhere.
    limited = {person for person in may if public and drawn.managed and "GS" in last[person].scope}
    return may - limited


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people, one of them seen twice, with images that an earlier, larger run has preprocessed."""
    root = tmp_path_factory.mktemp("consent") / "study"
    write_dataset_description(root, "Tiny")
    diagnosis = [CLASSES[number % 2] for number in range(len(PEOPLE))]
    ages = [30 + number for number in range(len(PEOPLE))]
    table = pd.DataFrame({"participant_id": PEOPLE, "diagnosis": diagnosis, "sex": "F", "age": ages, "site": "A"})
    write_participants(root, table, {"diagnosis": {"Description": "Diagnosis", "Levels": {name: name for name in CLASSES}}})
    rows = []
    for number, person in enumerate(PEOPLE):
        for session in ("ses-01", "ses-02")[: 2 if number == 3 else 1]:
            _scan(root, person, session, number)
            rows.append({"participant_id": person, "session_id": session, "status": "done", "reason": "", "seconds": 1.0})
    write_tsv(root / "derivatives" / "dawson" / "preprocess.tsv", pd.DataFrame(rows, columns=list(COLUMNS)))
    return root


def _scan(root: Path, person: str, session: str, seed: int) -> None:
    rng = np.random.default_rng([seed, int(session[-1])])
    for contrast in ("T1w", "FLAIR"):
        path = root / person / session / "anat" / f"{person}_{session}_{contrast}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(rng.integers(1, 900, (8, 8, 8)).astype(np.int16), np.eye(4)), path)
        write_json(Path(str(path).replace(".nii.gz", ".json")), {"Defaced": True})
    channels = root / "derivatives" / "dawson" / person / session / "anat" / f"{person}_{session}_desc-channels_FLAIR.npy"
    channels.parent.mkdir(parents=True)
    np.save(channels, rng.normal(size=(5, 8, 8)).astype(np.float32))


@pytest.fixture(scope="module")
def moment() -> Iterator[None]:
    """It is always the same day, and nobody waits for the disk."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return NOW

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gate, "datetime", Clock)
        patched.setattr(os, "fsync", lambda descriptor: None)
        patched.setenv("COLUMNS", "200")
        yield


def _write(study: Path, drawn: Drawn) -> None:
    shutil.rmtree(study / "governance", ignore_errors=True)
    split = '[split]\nrepeats = 2\nfolds = 2\ntest_per_class = 1\n[comparators]\nenabled = ["demographics"]\n'
    (study / "study.toml").write_text(f'[governance]\nmanaged = {str(drawn.managed).lower()}\ncountry = "SI"\n{split}')
    (study / "governance").mkdir()
    (study / "governance" / "consent.jsonl").write_text("".join(line.record(written) + "\n" for line, written in drawn.lines))
    for person in sorted(drawn.buried):
        set_tombstone(study, person)
    for person in sorted(drawn.returned):
        # Somebody who is not in the study any more had the very same image.
        image = study / person / "ses-01" / "anat" / f"{person}_ses-01_FLAIR.nii.gz"
        set_tombstone(study, f"sub-gone{person[-2:]}", contents_of(image))


def _named(text: str) -> set[str]:
    return set(re.findall(r"sub-\d\d\b", text))


def _dry_run(app: typer.Typer, *words: str) -> set[str]:
    """Whom a command names on standard output; nobody where it says that nobody may be used."""
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, ConsentError):
        return set()
    assert done.exit_code == 0, done.exception
    return _named(done.stdout)


def preprocessed(study: Path) -> set[str]:
    app = typer.Typer()
    app.command()(preprocess)
    return _dry_run(app, str(study), "--dry-run")


def judged(study: Path) -> set[str]:
    return _dry_run(quality_commands, "run", str(study), "--dry-run")


def lesions_of(study: Path, command: str) -> set[str]:
    return _dry_run(lesion_commands, command, str(study), "--dry-run")


def described(study: Path) -> set[str]:
    seen: list[str] = []
    real = describe.table_one

    def spy(cohort: Any, *arguments: Any) -> Any:
        seen.extend([*cohort.participants["participant_id"], *cohort.sessions["participant_id"]])
        return real(cohort, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(describe, "table_one", spy)
        _dry_run(cohort_commands, "describe", str(study), "--json")
    return set(seen)


def predicted(study: Path, out: Path) -> set[str]:
    """Whose scans a model would read: its first step is stopped."""

    class Stopped(Exception):
        pass

    seen: list[str] = []

    def stop(scans: Any, *arguments: Any, **named: Any) -> None:
        seen.extend(scan.participant_id for scan in scans)
        raise Stopped

    app = typer.Typer()
    app.command()(predict)
    model = SimpleNamespace(digest="0", manifest=out / "none.tsv", preprocess=PreprocessSection())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dawson.classification.model.read_model", lambda folder: model)
        patched.setattr(reading, "preprocess_cohort", stop)
        done = CliRunner().invoke(app, [str(out / "model"), "--study", str(study), "--out", str(out)])
    assert isinstance(done.exception, Stopped | ConsentError), done.exception
    return set(seen)


def exported(study: Path) -> set[str]:
    options = ExportOptions("disease-research", "LicenseRef-DUA", public=True, derivatives=True)
    try:
        plan = plan_export(study, options, find_config(study))
    except CohortError as error:
        assert "may be exported" in str(error), error
        return set()
    files = {file.participant_id for file in plan.found.files} | _named(" ".join(file.target for file in plan.found.files))
    assert set(plan.people) == files == set(plan.tables.participants["participant_id"])
    return set(plan.people)


def studied(study: Path) -> tuple[set[str], Plan | None, Any]:
    """Whose images `study run` uses, and what it plans where the people are enough."""
    config, paths = find_config(study), StudyPaths(study, study)
    try:
        cohort, usable = prepare_images(paths, config, look_only=True)
    except ConsentError:
        return set(), None, None
    people = set(usable.table["participant_id"])
    left_out = usable.exclusions
    assert set(left_out["participant_id"]).isdisjoint(people) and set(left_out["stage"]) <= {"consent"}
    try:
        plan = plan_study(paths, "main", config, usable)
    except TooFewParticipantsError:
        return people, None, None
    return people, plan, cohort


def _in_plan(plan: Plan) -> dict[str, Collection[str]]:
    runs = pd.concat([run.table for run in (*plan.runs, *plan.final_runs)])
    learning = pd.concat([run.table for run in plan.final_runs])
    tables = {"splits": plan.splits, "final splits": plan.final, "runs": runs, "members": learning[learning["role"] != "unused"]}
    return {name: set(table["participant_id"]) for name, table in tables.items()}


def with_lesions(study: Path, plan: Plan, cohort: Any) -> set[str]:
    """Whose lesion masks are looked for."""
    config = find_config(study)
    keys = ["participant_id", "session_id"]
    network = plan.splits[plan.splits["role"] == "test"].merge(plan.usable.table[[*keys, "label"]], on=keys)
    network = network.assign(model="none", **{f"probability_{name}": 0.5 for name in CLASSES})
    material, tables = study_material(cohort, plan.usable, plan.splits, network, config, [study / "derivatives" / "dawson"])
    assert set(material.images["participant_id"]) <= set(plan.splits["participant_id"])
    return {person for person, _ in {**tables.lesions, **tables.missing}}


# A ledger of twenty lines says well enough what leaked; to make it smaller takes minutes.
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
@given(drawn=ledgers())
def test_who_may_not_be_used_is_nowhere_and_everybody_else_is_everywhere(drawn: Drawn, study: Path, moment: None) -> None:
    _write(study, drawn)
    may = permits(drawn)
    assert preprocessed(study) == may
    assert judged(study) == may
    assert lesions_of(study, "segment") == may
    assert lesions_of(study, "measure") == may
    assert described(study) == may
    assert predicted(study, study.parent / "out") == may
    assert exported(study) == permits(drawn, public=True)
    people, plan, cohort = studied(study)
    assert people == may
    event(f"a study could be planned: {plan is not None}")
    if plan is not None:
        for table, named in _in_plan(plan).items():
            assert named == may, table
        assert with_lesions(study, plan, cohort) == may


def test_the_oracle_itself_tells_people_apart() -> None:
    good, late = plain_consent("sub-01", True), Line("sub-02", False, ("GRU",), True, 1, None)
    over, closed = Line("sub-03", False, ("HMB",), False, -9, -1), Line("sub-04", True, ("GRU",), True, 0, None)
    drawn = Drawn(True, tuple((line, 0) for line in (good, late, over, closed, plain_consent("sub-05", False))), frozenset(), frozenset())
    assert permits(drawn) == {"sub-01", "sub-05"} and permits(drawn, public=True) == {"sub-01"}
    assert set(PEOPLE) - permits(Drawn(False, drawn.lines, frozenset({"sub-06"}), frozenset({"sub-07"}))) == {"sub-04", "sub-06", "sub-07"}


def test_pages_that_were_made_before_are_named_and_pages_made_again_leave_people_out(study: Path, moment: None, tmp_path: Path) -> None:
    from dawson.governance.status import status_of
    from dawson.report.preprocess_index import write_preprocess_index

    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    lines = [plain_consent(person, True) for person in PEOPLE[:-1]] + [Line(PEOPLE[-1], False, ("GRU",), True, -400, -1)]
    _write(copy, Drawn(True, tuple((line, 0) for line in lines), frozenset(), frozenset()))
    page = write_preprocess_index(copy / "derivatives" / "dawson")
    assert PEOPLE[-1] in page.read_text()
    assert status_of(copy, NOW).pages == {"derivatives/dawson/index.html": (PEOPLE[-1],)}
    write_preprocess_index(copy / "derivatives" / "dawson", {PEOPLE[-1]})
    assert PEOPLE[-1] not in page.read_text() and PEOPLE[0] in page.read_text()
    assert status_of(copy, NOW).pages == {}


def test_the_validator_names_the_image_of_somebody_who_withdrew(study: Path, moment: None, tmp_path: Path) -> None:
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    _write(copy, Drawn(False, (), frozenset(), frozenset({"sub-05"})))
    for words in (["--no-voxels"], ["--jobs", "1"]):
        done = CliRunner().invoke(cohort_commands, ["validate", str(copy), "--json", *words])
        assert done.exit_code == 1
        found = [item for item in json.loads(done.stdout[done.stdout.index("[") :]) if "withdrawn" in item["problem"]]
        assert [(item["where"], item["problem"]) for item in found] == [
            ("sub-05/ses-01/anat/sub-05_ses-01_FLAIR.nii.gz", "is an image of sub-gone05, who has withdrawn")
        ]


def test_a_report_is_not_made_again_that_would_show_somebody_whose_consent_has_ended(study: Path, moment: None, tmp_path: Path) -> None:
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    over = Line("sub-02", False, ("GRU",), True, -400, -1)
    lines = [plain_consent("sub-01", True), over]
    _write(copy, Drawn(True, tuple((line, 0) for line in lines), frozenset(), frozenset()))
    write_tsv(copy / "experiments" / "main" / "splits.tsv", pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "role": "test"}))
    app = typer.Typer()
    app.command()(report)
    done = CliRunner().invoke(app, [str(copy)])
    assert isinstance(done.exception, ConsentError) and "would show sub-02" in str(done.exception)
    shared = CliRunner().invoke(app, [str(copy), "--share"])
    assert isinstance(shared.exception, ExperimentError), "a page without any individual is not stopped; here the experiment is not whole"
