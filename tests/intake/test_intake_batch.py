"""A whole intake of small series; the faces are removed in the slow test, which has heads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.dataset import read_cohort
from dawson.errors import IntakeError
from dawson.files import read_json, read_tsv, sha256
from dawson.intake.batch import Intake, Options, take_in

MakeSeries = Callable[..., list[Path]]
_RETURNED = "it is a scan of somebody who has withdrawn from this study, under another number"
pytestmark = pytest.mark.usefixtures("keys")


def _take(source: Path, study: Path, **options: Any) -> Intake:
    return take_in(source, study, Options(deface=False, **options))


def _hashes(folder: Path) -> dict[Path, str]:
    return {path: sha256(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any], t1w: dict[str, Any]) -> Path:
    folder = tmp_path / "from Quixote"
    make_series(folder / "a", seed=1, **{**t1w, "MRAcquisitionType": "3D"})
    make_series(folder / "b", seed=2, **flair)
    make_series(folder / "c", seed=3, **{**flair, "InversionTime": None, "SeriesNumber": 5})
    make_series(folder / "d", seed=4, slices=3, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (folder / "Quixote letter.txt").write_text("Dear Dolores")
    return folder


def test_a_folder_becomes_a_study_and_stays_as_it_was(tmp_path: Path, source: Path) -> None:
    before = _hashes(source)
    done = _take(source, tmp_path / "study", site="Ljubljana")
    assert done.counts == {"taken": 2, "already": 0, "held": 1, "rejected": 1}
    assert _hashes(source) == before
    cohort = read_cohort(tmp_path / "study")
    (scan,) = cohort.scans
    assert scan.t1w is not None and scan.flair is not None and not cohort.simulated
    assert cohort.participants[["sex", "age", "site"]].values.tolist() == [["F", 35, "Ljubljana"]]
    assert cohort.sessions["days_from_baseline"].tolist() == [0]
    assert read_json(scan.flair.with_name(scan.flair.name.replace(".nii.gz", ".json")))["Defaced"] is False


def test_nothing_in_the_study_names_anybody(tmp_path: Path, source: Path) -> None:
    import gzip

    study = tmp_path / "study"
    _take(source, study)
    for path in [*study.rglob("*"), *(tmp_path / "study-quarantine").rglob("*")]:
        content = path.read_bytes() if path.is_file() else b""
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        for word in (b"Quixote", b"Dolores", b"4711", b"20150304", b"2015-03-04", b"19800102"):
            assert word not in content and word.decode() not in path.name, path


def test_what_is_in_the_study_is_not_taken_again(tmp_path: Path, source: Path) -> None:
    study = tmp_path / "study"
    _take(source, study)
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*.nii.gz")}
    shutil.move(source, tmp_path / "elsewhere")
    done = _take(tmp_path / "elsewhere", study)
    assert done.counts["already"] == 2 and done.counts["taken"] == 0
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*.nii.gz")} == before


class _Crash(BaseException):
    """Ends a run as a power cut does: nothing catches it."""


def _state(study: Path) -> dict[str, bytes]:
    """What stands in a study, but for the locks and the log, whose lines have times."""
    files = [path for path in study.rglob("*") if path.is_file() and "governance" not in path.parts and path.name != ".intake.lock"]
    return {str(path.relative_to(study)): path.read_bytes() for path in files}


def _managed(study: Path) -> Path:
    (study / "derivatives").mkdir(parents=True)
    (study / "study.toml").write_text("[governance]\nmanaged = true\n")
    return study


def _announced(study: Path) -> int:
    log = study / "governance" / "audit.jsonl"
    return log.read_text().count('"intake"') if log.is_file() else 0


def test_an_intake_interrupted_at_any_write_is_taken_up(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any], t1w: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dawson.governance.chain import LOG
    from dawson.intake import batch

    assert LOG == "audit.jsonl"
    source, shared = tmp_path / "in", {"StudyInstanceUID": "1.2", "slices": 20, "size": 20, "step_mm": 7.0}
    make_series(source / "a", seed=1, SeriesInstanceUID="1.2.1", **shared, **t1w)
    make_series(source / "b", seed=2, SeriesInstanceUID="1.2.2", **shared, **flair)
    # the images are converted once: only what is written into the study is of interest
    kept, process = tmp_path / "kept", batch.process_session

    def once(job: Any) -> Any:
        if not kept.exists():
            _, made = process(job)
            kept.mkdir()
            for one in made:
                shutil.copy(str(one.image), kept / one.planned.name)
            once.made = made  # type: ignore[attr-defined]
        again = [replace(one, image=kept / one.planned.name) for one in once.made]  # type: ignore[attr-defined]
        wanted = {item.code for item in job.planned}
        return job, [one for one in again if one.planned.code in wanted]

    monkeypatch.setattr(batch, "process_session", once)
    whole = _managed(tmp_path / "0" / "study")
    count, at, rename = [0], [0], Path.replace

    def replacing(self: Path, target: Any) -> Path:
        count[0] += "study" in Path(target).parts and "quarantine" not in str(target)
        if count[0] == at[0] and at[0]:
            raise _Crash
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replacing)
    _take(source, whole)
    writes, expected = count[0], _state(whole)
    assert len([name for name in expected if name.endswith(".nii.gz")]) == 2 and writes >= 12
    for crash in range(1, writes + 1):
        study = _managed(tmp_path / str(crash) / "study")
        count[0], at[0] = 0, crash
        with pytest.raises(_Crash):
            _take(source, study)
        if list(study.rglob("*.nii.gz")):
            assert _announced(study) >= 1, "no image without its event"
        at[0] = 0
        _take(source, study)
        assert _state(study) == expected, crash
        assert _announced(study) >= 1


def test_an_image_that_is_gone_comes_back_under_its_name(tmp_path: Path, source: Path) -> None:
    study = tmp_path / "study"
    _take(source, study)
    lost = next(study.rglob("*FLAIR.nii.gz"))
    content = sha256(lost)
    lost.unlink()
    done = _take(source, study)
    assert done.counts["taken"] == 1 and done.counts["already"] == 1 and sha256(lost) == content


def test_tables_that_are_gone_come_back_with_what_is_there_already(tmp_path: Path, source: Path) -> None:
    study = tmp_path / "study"
    _take(source, study, site="Ljubljana")
    tables = {path: path.read_bytes() for path in [study / "participants.tsv", *study.glob("sub-*/*_sessions.tsv")]}
    for path in tables:
        path.unlink()
    assert _take(source, study, site="Ljubljana").counts["already"] == 2
    assert {path: path.read_bytes() for path in tables} == tables and len(tables) == 2


def test_another_key_is_refused(tmp_path: Path, source: Path, keys: Path) -> None:
    from dawson.intake.batch import plan_intake

    study = tmp_path / "study"
    with pytest.raises(IntakeError, match="does not exist"):
        _take(source, study, key=tmp_path / "other.key")
    assert not (tmp_path / "other.key").exists() and not study.exists()
    _take(source, study)
    (tmp_path / "other.key").write_bytes(bytes(32))
    (tmp_path / "other.key").chmod(0o600)
    for call in (plan_intake, take_in):
        with pytest.raises(IntakeError, match="second pseudonym"):
            call(source, study, Options(deface=False, key=tmp_path / "other.key"))
    (keys / "intake.key").rename(tmp_path / "backup")
    for _ in ("by the check", "by what was taken"):
        with pytest.raises(IntakeError, match="is missing"):
            plan_intake(source, study, Options())
        assert not (keys / "intake.key").exists()
        (study / "code" / "intake_key.json").unlink(missing_ok=True)
    assert plan_intake(source, study, Options(key=tmp_path / "backup")).of("already")


def test_no_key_lies_in_the_study_or_the_source(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (tmp_path / "study", source):
        with pytest.raises(IntakeError, match="lies in the study or in the source"):
            _take(source, tmp_path / "study", key=place / "intake.key")
        with monkeypatch.context() as patch:
            patch.setenv("DAWSON_KEYS", str(place / "keys"))
            with pytest.raises(IntakeError, match="lies in the study or in the source"):
                _take(source, tmp_path / "study")
    assert not (tmp_path / "study").exists() and not (source / "keys").exists()


def test_a_folder_of_others_does_not_become_the_quarantine(tmp_path: Path, source: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared" / "thesis.docx").write_bytes(b"x")
    with pytest.raises(IntakeError, match="not made by Dawson"):
        _take(source, tmp_path / "study", quarantine=tmp_path / "shared")
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755


def test_a_code_of_no_series_is_told(tmp_path: Path, source: Path) -> None:
    with pytest.raises(IntakeError, match="S-00000000: no series"):
        _take(source, tmp_path / "study", take={"S-00000000": "FLAIR"})


def test_an_image_elsewhere_than_its_headers_say_is_held(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dawson.intake.series import Series

    affine = Series.affine.fget  # type: ignore[attr-defined]
    moved = np.zeros((4, 4))
    moved[0, 3] = 0.3
    monkeypatch.setattr(Series, "affine", property(lambda self: affine(self) + moved))
    done = _take(source, tmp_path / "study", dicom_out=tmp_path / "dicom")
    assert done.counts["taken"] == 0 and done.counts["held"] == 3
    assert any("another place" in row.reason for row in done.rows)
    assert not list((tmp_path / "dicom").rglob("*.dcm")), "nothing of what was not taken"


def test_one_bad_series_does_not_stop_the_dicom_of_the_others(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dawson.intake import batch

    _take(source, tmp_path / "study")
    deidentify, seen = batch.deidentify_series, []

    def failing(job: Any, planned: Any, out: Path) -> str:
        seen.append(planned.code)
        if len(seen) == 1:
            raise ValueError("Quixote")
        return deidentify(job, planned, out)

    monkeypatch.setattr(batch, "deidentify_series", failing)
    done = _take(source, tmp_path / "study", dicom_out=tmp_path / "dicom")
    assert done.no_dicom == {seen[0]: "it could not be processed (ValueError)"}
    assert len(list((tmp_path / "dicom").rglob("*.dcm"))) == 24 and (tmp_path / "dicom").stat().st_mode & 0o077 == 0


def test_a_held_series_is_taken_once_a_person_says(tmp_path: Path, source: Path) -> None:
    study = tmp_path / "study"
    (held,) = [row for row in _take(source, study).rows if row.status == "held"]
    assert held.suggestion.startswith("FLAIR: but ti_ms is missing")
    rules = study / "code" / "intake.toml"
    rules.write_text(rules.read_text().replace("[take]\n", f'[take]\n"{held.series}" = "FLAIR"\n'))
    (row,) = [row for row in _take(source, study).rows if row.status == "taken"]
    assert row.file.endswith("_run-2_FLAIR.nii.gz")


def test_one_bad_series_does_not_stop_the_others(tmp_path: Path, source: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    for path in (source / "a").iterdir():
        path.write_bytes(path.read_bytes().replace(b"MONOCHROME2 ", b"PALETTE COLO"))
    broken = sorted((source / "b").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:-10])
    make_series(source / "e", seed=9, **{**flair, "SeriesNumber": 9})
    done = _take(source, tmp_path / "study")
    assert done.counts == {"taken": 1, "already": 0, "held": 3, "rejected": 1}
    reasons = " ".join(row.reason for row in done.rows)
    assert "colour" in reasons and "1 more of its files is cut off" in reasons and "1 file: not a DICOM file" in reasons


def test_a_series_that_breaks_on_the_way_becomes_a_row(
    tmp_path: Path, source: Path, make_series: MakeSeries, flair: dict[str, Any]
) -> None:
    # a pixel module that the converter cannot use, though the header is in order
    make_series(source / "e", seed=9, BitsAllocated=64, BitsStored=64, Rows=12, Columns=12, **{**flair, "SeriesNumber": 9})
    done = _take(source, tmp_path / "study")
    assert done.counts == {"taken": 2, "already": 0, "held": 1, "rejected": 2}


def test_one_scan_under_two_identities_is_noticed(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in" / "1", seed=5, **flair)
    make_series(tmp_path / "in" / "2", seed=5, PatientID="OTHER-1", PatientName="Panza^S", **flair)
    done = _take(tmp_path / "in", tmp_path / "study")
    assert done.counts["taken"] == 1 and done.counts["held"] == 1
    assert any("the same image is in the study already" in row.reason for row in done.rows)


def test_an_earlier_visit_that_comes_later_becomes_the_baseline(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    study = tmp_path / "study"
    make_series(tmp_path / "1", seed=1, StudyDate="20170101", **{**flair, "PatientAge": "037Y"})
    make_series(tmp_path / "2", seed=2, StudyDate="20160101", **{**flair, "PatientAge": "036Y"})
    _take(tmp_path / "1", study)
    _take(tmp_path / "2", study)
    cohort = read_cohort(study)
    assert cohort.sessions["days_from_baseline"].tolist() == [0, 366] and cohort.sessions["age"].tolist() == [36, 37]
    assert cohort.participants["age"].tolist() == [36] and len({scan.flair for scan in cohort.scans}) == 2


def test_a_person_who_has_withdrawn_is_not_taken(tmp_path: Path, source: Path) -> None:
    from dawson.governance.withdrawal import withdraw

    study = tmp_path / "study"
    done = _take(source, study)
    person = next(row.participant_id for row in done.rows if row.status == "taken")
    withdraw(study, person, reason="asked")
    shutil.rmtree(study / person, ignore_errors=True)
    again = _take(source, study)
    assert again.counts["taken"] == 0 and not list(study.glob("sub-*/**/*.nii.gz"))
    assert any("withdrawn" in row.reason for row in again.rows)


def test_a_scan_of_a_person_who_has_withdrawn_is_known_under_another_number(
    tmp_path: Path, source: Path, make_series: MakeSeries, flair: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydicom import dcmread

    from dawson.governance import withdrawal
    from dawson.intake.withdrawal import IntakeOfPerson

    monkeypatch.setattr(withdrawal, "_hooks", {})
    withdrawal.register("intake", IntakeOfPerson())
    study = tmp_path / "study"
    done = _take(source, study)
    person = next(row.participant_id for row in done.rows if row.status == "taken")
    withdrawal.withdraw(study, person)
    # The same files under another number; then also under other UIDs, as another archive sends them.
    for path in source.glob("[ab]/*"):
        data = dcmread(path)
        data.PatientID = "OTHER-1"
        data.save_as(path)
    again = _take(source, study)
    assert again.counts["taken"] == 0 and [row.reason for row in again.rows].count(_RETURNED) == 2
    assert {item.reason for item in again.plan.planned if item.decision == "reject"} >= {_RETURNED}
    for folder in ("a", "b"):
        for number, path in enumerate(sorted(source.glob(f"{folder}/*"))):
            data = dcmread(path)
            data.PatientID, data.StudyInstanceUID, data.SeriesInstanceUID = "OTHER-2", "1.2.9", f"1.2.9.{ord(folder)}"
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{data.SeriesInstanceUID}.{number}"
            data.save_as(path)
    third = _take(source, study)
    assert [item.decision for item in third.plan.planned].count("take") == 2, "by its instances it is another scan"
    assert third.counts["taken"] == 0 and [row.reason for row in third.rows].count(_RETURNED) == 2
    assert not list(study.glob("sub-*/**/*.nii.gz"))
    # A new scan of whoever bears that number is taken.
    make_series(tmp_path / "new", seed=77, PatientID="OTHER-2", **flair)
    assert _take(tmp_path / "new", study).counts["taken"] == 1


def test_deidentified_dicom_and_the_link_stay_outside(tmp_path: Path, source: Path) -> None:
    import pydicom

    _take(source, tmp_path / "study", dicom_out=tmp_path / "dicom", link=tmp_path / "who.tsv")
    files = list((tmp_path / "dicom").rglob("*.dcm"))
    assert len(files) == 48
    codes = {item.CodeValue for path in files for item in pydicom.dcmread(path).DeidentificationMethodCodeSequence}
    assert "113100" in codes and "113102" not in codes, "their faces are still there"
    assert not any(b"Quixote" in path.read_bytes() for path in files)
    assert (tmp_path / "who.tsv").stat().st_mode & 0o077 == 0
    assert read_tsv(tmp_path / "who.tsv", text=["patient_id"])["patient_id"].tolist() == ["MRN-4711"]
    for name in ("dicom_out", "quarantine", "link"):
        with pytest.raises(IntakeError, match="lies in the study or in the source"):
            _take(source, tmp_path / "study", **{name: tmp_path / "study" / "x"})


def test_the_table_of_who_is_who_is_its_owners_from_its_first_byte(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dawson.intake.batch import plan_intake
    from dawson.intake.link_table import write_link

    plan, modes, rename = plan_intake(source, tmp_path / "study", Options()), [], Path.replace

    def replacing(self: Path, target: Any) -> Path:
        modes.append(self.stat().st_mode & 0o777)
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replacing)
    write_link(tmp_path / "who.tsv", plan)
    assert modes == [0o600] and "MRN-4711" in (tmp_path / "who.tsv").read_text()


def test_a_study_in_the_source_is_refused(tmp_path: Path, source: Path) -> None:
    with pytest.raises(IntakeError, match="one another"):
        _take(source, source / "study")


def test_a_folder_of_something_else_is_refused(tmp_path: Path, source: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "thesis.docx").write_bytes(b"x")
    with pytest.raises(IntakeError, match="no BIDS study"):
        _take(source, tmp_path / "study")


@pytest.mark.data
def test_real_dicom_keeps_its_geometry_and_loses_its_descriptions(tmp_path: Path, reference_data: Path) -> None:
    origin = reference_data / "dicom" / "phantom-mr"
    done = _take(origin, tmp_path / "study", dicom_out=tmp_path / "dicom")
    (row,) = [row for row in done.rows if row.status == "taken"]
    assert row.contrast == "T1w" and (row.tr_ms, row.te_ms, row.ti_ms, row.flip_deg) == (6.964, 2.832, 400.0, 11.0)
    image: Any = nib.load(tmp_path / "study" / row.file)
    assert sorted(image.shape) == [196, 256, 256]
    np.testing.assert_allclose(sorted(image.header.get_zooms()), [1.0547, 1.0547, 1.2], atol=1e-3)
    assert len(list((tmp_path / "dicom").rglob("*.dcm"))) == 196


@pytest.mark.slow
def test_simulated_heads_come_in_without_faces_and_with_their_brains(tmp_path: Path) -> None:
    from dawson.report.intake_page import write_intake_page
    from dawson.simulation import plan_cohort, simulate_cohort
    from dawson.simulation.dicom import write_dicom

    cohort = simulate_cohort(tmp_path / "heads", plan_cohort({"MS": 1}, followed_up={"MS": 0}, seed=3), seed=3, space="native")
    write_dicom(cohort, tmp_path / "dicom")
    study = tmp_path / "study"
    done = take_in(tmp_path / "dicom", study, Options())
    assert done.counts == {"taken": 2, "already": 0, "held": 2, "rejected": 4}
    (scan,) = read_cohort(study).scans
    assert read_cohort(study).simulated and scan.t1w is not None
    raw: Any = nib.load(cohort / "sub-001" / "ses-01" / "anat" / "sub-001_ses-01_T1w.nii.gz")
    truth: Any = nib.load(next((cohort / "derivatives").rglob("*label-brain_desc-sim_mask.nii.gz")))
    taken: Any = nib.as_closest_canonical(nib.load(scan.t1w))
    np.testing.assert_allclose(taken.affine, raw.affine, atol=1e-4)
    before, after, brain = (np.asarray(image.dataobj) for image in (raw, taken, truth))
    assert np.array_equal(before[brain > 0], after[brain > 0]) and (before != after).mean() > 0.03
    assert all(row.changed_brain_voxels == 0 for row in done.rows if row.status == "taken")
    page = write_intake_page(study, done.quarantine)
    assert page.parent.stat().st_mode & 0o077 == 0 and "pictures/" in page.read_text() and not list(study.rglob("*.png"))
