from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dawson.cohort import export as export_room
from dawson.cohort.bids import write_dataset_description
from dawson.cohort.checksums import check_checksums
from dawson.cohort.dataset import read_cohort
from dawson.cohort.export import ExportOptions, exports_with, plan_export, read_exports, write_export
from dawson.cohort.export_files import face_is_gone
from dawson.cohort.export_sidecars import clean_sidecar, field_names, sifted
from dawson.cohort.export_tables import rare_combinations
from dawson.cohort.export_withdrawal import ExportsOfPerson
from dawson.cohort.licences import find_licence
from dawson.cohort.nifti_copy import copy_nifti
from dawson.config import StudyConfig
from dawson.errors import CohortError, ConsentError, GovernanceError, ImageError
from dawson.files import read_json, read_tsv, sha256, write_json
from dawson.governance.consent import ConsentRecord
from dawson.governance.consent_acts import record_consent
from dawson.governance.image_copies import contents_of
from dawson.governance.tombstones import set_tombstone

OWN = StudyConfig()
MANAGED = StudyConfig().updated(governance={"managed": True, "country": "SI"})
NOW = datetime(2026, 6, 1, tzinfo=UTC)
AGREEMENT = """
[countries]
home = "SI"

[[agreements]]
id = "DUA-7"
recipient = "Dr Far"
institution = "Elsewhere"
country = "SI"
purposes = ["disease-research"]
signed = 2026-01-01
expires = 2026-12-31
"""


def options(**changes) -> ExportOptions:
    return ExportOptions(**{"purpose": "disease-research", "licence": "LicenseRef-DUA", **changes})


@pytest.fixture(autouse=True)
def _keys(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DAWSON_KEYS", str(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def faceless(dataset):
    """The small dataset with sidecars that say that faces are gone."""
    for image in dataset.glob("sub-*/ses-*/anat/*.nii.gz"):
        write_json(image.with_name(image.name[:-7] + ".json"), {"Defaced": True, "EchoTime": 0.003, "AcquisitionTime": "10:31:00"})
    return dataset


def made(study: Path, out: Path, config: StudyConfig = OWN, at: datetime | None = None, **changes):
    return write_export(plan_export(study, options(**changes), config, at=at), out, config, at=at)


def test_an_export_is_valid_bids_that_checks_and_reads(faceless, tmp_path):
    out = tmp_path / "out"
    export = made(faceless, out)
    assert (export.people, export.sessions) == (4, 6)
    assert check_checksums(out) == []
    cohort = read_cohort(out)
    assert cohort.problems == () and len(cohort.scans) == 6
    assert not (out / "governance").exists()
    assert read_json(out / "dataset_description.json")["License"] == "LicenseRef-DUA"
    beside = Path(sys.executable).with_name("bids-validator-deno")
    validator = str(beside) if beside.exists() else shutil.which("bids-validator-deno")
    if validator is not None:
        done = subprocess.run([validator, str(out), "--json"], capture_output=True, text=True, check=False)
        assert [issue for issue in json.loads(done.stdout)["issues"]["issues"] if issue["severity"] == "error"] == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not here")
def test_sha256sum_agrees_and_sees_a_changed_byte(faceless, tmp_path):
    out = tmp_path / "out"
    made(faceless, out)
    command = ["sha256sum", "-c", "--quiet", "SHA256SUMS"]
    assert subprocess.run(command, cwd=out, check=False, capture_output=True).returncode == 0
    with (out / "participants.tsv").open("a") as table:
        table.write(" ")
    assert subprocess.run(command, cwd=out, check=False, capture_output=True).returncode == 1
    assert check_checksums(out) == ["participants.tsv has changed"]


def test_raw_images_go_only_where_something_says_that_the_face_is_gone(dataset, tmp_path):
    with pytest.raises(CohortError, match="Nothing says that the face is gone from sub-01"):
        plan_export(dataset, options(), OWN)
    export = made(dataset, tmp_path / "out", faces_removed_elsewhere="pydeface 2.0 by site A")
    assert "pydeface 2.0 by site A" in (export.path / "DATASHEET.md").read_text()
    write_dataset_description(dataset, "Tiny", "dawson simulate")
    assert plan_export(dataset, options(), OWN).found.faces == ()


@pytest.mark.parametrize(
    ("sidecar", "gone"),
    [
        ({"Defaced": True}, True),
        ({"SkullStripped": True}, True),
        ({"RecognizableVisualFeatures": "NO"}, True),
        ({"DeidentificationMethodCodeSequence": [{"CodeValue": "113102"}]}, True),
        ({"DeidentificationMethodCodeSequence": [{"CodeValue": "113100"}]}, False),
        ({"Defaced": "maybe"}, False),
        ({"RecognizableVisualFeatures": "YES"}, False),
        ({}, False),
    ],
)
def test_what_counts_as_a_face_that_is_gone(sidecar, gone):
    assert face_is_gone(sidecar) is gone


def test_sidecars_leave_without_days_devices_and_paths(faceless, tmp_path):
    out = tmp_path / "out"
    made(faceless, out)
    assert read_json(out / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.json") == {"Defaced": True, "EchoTime": 0.003}
    content = {
        "SeriesInstanceUID": "1.2",
        "DeviceSerialNumber": "7",
        "RepetitionTime": 2,
        "Sources": ["/home/doe/sub-01_T1w.nii", "bids::sub-02/anat/sub-02_T1w.nii"],
    }
    assert clean_sidecar(content) == {"RepetitionTime": 2, "Sources": ["sub-01_T1w.nii", "bids::sub-02/anat/sub-02_T1w.nii"]}


PRIVATE = {
    "Notes": "Jane Novak seen on 2019-05-03, MRN 1234567",
    "Comment": "x",
    "StartTime": "2019-05-03T10:00:00",
    "FrameOfReferenceUID": "1.2.840.1",
    "AccessionNumber": 7,
    "Institution": "General",
    "SequenceName": "seen on 2019-05-03",
    "EchoTime": "Jane Novak",
    "ImageType": ["ORIGINAL", "Novak"],
    "ScanOptions": "MRN_1234567",
    "Sources": ["/data/Jane Novak/scan of 2019.nii"],
    "SourceSHA256": {"/data/novak/a.nii": "0" * 64},
    "Parameters": {
        "note": "Jane Novak",
        "text": "read /data/novak/a.nii",
        "mrn": 1234567,
        "spacing_mm": 2.0,
        "deep": {"Step": "seen Jane Novak"},
    },
    "GeneratedBy": [{"Name": "dawson", "Version": "1", "Container": {"Tag": "/data/novak"}}],
    "Jane Novak": 1,
}


def test_only_listed_fields_with_listed_kinds_of_values_leave(faceless, tmp_path):
    kept, stays = sifted(PRIVATE)
    assert kept == {"Parameters": {"spacing_mm": 2.0, "deep": {}}, "GeneratedBy": [{"Name": "dawson", "Version": "1"}]}
    assert set(stays) == set(PRIVATE)
    sidecar = faceless / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.json"
    write_json(sidecar, {**PRIVATE, "Defaced": True, "Parameters": {}})
    plan = plan_export(faceless, options(), OWN)
    assert any("stay behind" in warning and "FrameOfReferenceUID" in warning for warning in plan.warnings)
    out = write_export(plan, tmp_path / "out", OWN).path
    text = "".join(path.read_text() for path in out.rglob("*") if path.is_file() and path.suffix != ".gz")
    assert not any(word in text for word in ("Novak", "2019", "1234567", "1.2.840"))
    assert "FrameOfReferenceUID" in (out / "CHANGES").read_text() and field_names(["Jane Novak", "Notes"]) == "Notes, 1 other"


def test_hidden_sites_hide_their_scanners_too():
    scanner = {"Manufacturer": "Siemens", "ManufacturersModelName": "Skyra", "SoftwareVersions": "syngo MR E11", "MagneticFieldStrength": 3}
    assert clean_sidecar({**scanner, "StationName": "MR1"}) == scanner
    assert clean_sidecar(scanner, hide_sites=True) == {"MagneticFieldStrength": 3}
    assert clean_sidecar({"SimulatedScanner": "A"}, {"A": "S2"}, hide_sites=True) == {"SimulatedScanner": "S2"}


def test_what_dawson_writes_beside_an_image_leaves_whole():
    sidecar = {
        "Sources": ["derivatives/dawson/sub-01/ses-01/anat/sub-01_ses-01_desc-brain_mask.nii.gz"],
        "SourceSHA256": {"sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz": "0" * 64},
        "GeneratedBy": [{"Name": "dawson", "Version": "0.1.0"}],
        "Parameters": {
            "Step": "FLAIR to the template",
            "StepVersion": 3,
            "interpolation": "cubic B-spline",
            "axes": "row (anterior first), column (patient's right first)",
            "slices_mm": [60.0, 0.0],
        },
        "OutputSHA256": {"sub-01_ses-01_T1w.nii.gz": "1" * 64},
        "Figures": {"voxel_mm": "1x1x3", "brain_ml": 1400.5},
        "Seconds": 2.5,
        "SkullStripped": True,
        "Space": "MNI152NLin2009cSym",
        "LabelMap": {"1": "white matter"},
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "PhaseEncodingDirection": "j-",
        "ScanningSequence": "GR\\IR",
        "ConversionSoftwareVersion": "v1.0.20260724",
        "DeidentificationMethod": ["Dawson, DICOM PS3.15 Annex E, table of 2026c"],
    }
    assert sifted(sidecar) == (sidecar, [])


def test_dates_and_names_stay_behind_in_the_tables(faceless, tmp_path):
    people = read_tsv(faceless / "participants.tsv")
    people = people.assign(surname="Doe", scanned="2020-01-31", age=[30, 41, 93, 38])
    people.to_csv(faceless / "participants.tsv", sep="\t", index=False)
    sessions = faceless / "sub-02" / "sub-02_sessions.tsv"
    sessions.write_text("session_id\tacq_time\tedss\nses-01\t2020-01-01T10:00:00\t2\nses-02\t2020-07-29T10:00:00\t3\n")
    plan = plan_export(faceless, options(), OWN)
    assert set(plan.tables.left_out) == {"surname (participants.tsv)", "scanned (participants.tsv)", "acq_time (sessions tables)"}
    out = write_export(plan, tmp_path / "out", OWN).path
    text = "".join(path.read_text() for path in out.rglob("*.tsv"))
    assert "Doe" not in text and "2020" not in text
    assert (out / "sub-02" / "sub-02_sessions.tsv").read_text() == "session_id\tedss\tdays_from_baseline\nses-01\t2\t0\nses-02\t3\t210\n"
    assert "90+" in (out / "participants.tsv").read_text() and "93" not in text


def test_ages_in_bands_and_sites_by_number(faceless, tmp_path):
    write_json(faceless / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.json", {"Defaced": True, "SimulatedScanner": "A"})
    plan = plan_export(faceless, options(coarsen_age=10, hide_sites=True), OWN, shuffle=Random(1))
    out = write_export(plan, tmp_path / "out", OWN).path
    people = read_tsv(out / "participants.tsv")
    assert people["age"].tolist() == [35, 45, 55, 35]
    assert set(people["site"]) == {"S1", "S2"}
    told = read_exports(faceless)[0].site_names
    assert people["site"].tolist() == [told[site] for site in ("A", "B", "A", "B")]
    assert read_json(out / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.json")["SimulatedScanner"] == told["A"]
    assert read_json(out / "participants.json")["site"]["Levels"] == {"S1": "S1", "S2": "S2"}


def test_rare_combinations_are_counted_by_hand():
    table = pd.DataFrame({"age": ["30.2", "30.9", "90+", "n/a"], "sex": ["F", "F", "M", "M"]})
    assert rare_combinations(table, ["age", "sex", "site"], 3).to_numpy().tolist() == [["90+", "M", 1], ["n/a", "M", 1], ["30", "F", 2]]
    assert rare_combinations(table, ["age", "sex"], 2)["people"].tolist() == [1, 1]


def test_people_who_can_be_known_again_are_a_warning(faceless):
    plan = plan_export(faceless, options(), OWN)
    assert any("4 of 4 people share their age and sex and site" in warning for warning in plan.warnings)


def test_other_images_and_an_earlier_licence_are_told(faceless):
    (faceless / "sub-01" / "ses-01" / "dwi").mkdir()
    write_dataset_description(faceless, "Tiny", License="CC-BY-NC-4.0")
    plan = plan_export(faceless, options(), OWN)
    assert ("sub-01/ses-01/dwi", "holds no anatomical images") in plan.found.stays
    assert any("is under CC-BY-NC-4.0" in warning for warning in plan.warnings)


def test_a_selection_takes_sessions_and_their_people(faceless, tmp_path):
    out = made(faceless, tmp_path / "out", where="diagnosis == 'NMOSD' and days_from_baseline == 0").path
    cohort = read_cohort(out)
    assert [(scan.participant_id, scan.session_id) for scan in cohort.scans] == [("sub-03", "ses-01"), ("sub-04", "ses-01")]
    assert not list(out.rglob("*ses-02*")) and "ses-02" not in (out / "sub-04" / "sub-04_sessions.tsv").read_text()


def derivative(study: Path, person: str, name: str, sidecar: dict | None = None) -> Path:
    path = study / "derivatives" / "dawson" / person / "ses-01" / "anat" / f"{person}_ses-01_{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".npy"):
        np.save(path, np.zeros((2, 2)))
    elif name.endswith(".nii.gz"):
        nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), path)
    else:
        path.write_text("x")
    if sidecar is not None:
        write_json(path.with_name(path.name.split(".")[0] + ".json"), sidecar)
    return path


def test_derivatives_go_unless_they_name_others_or_show_a_head(faceless, tmp_path):
    derivative(faceless, "sub-01", "desc-channels_FLAIR.npy", {"Sources": ["sub-01/ses-01/anat/sub-01_ses-01_FLAIR.nii.gz"]})
    derivative(faceless, "sub-01", "desc-matched_mask.nii.gz", {"Sources": ["sub-02/ses-01/anat/sub-02_ses-01_FLAIR.nii.gz"]})
    derivative(faceless, "sub-01", "desc-native_T1w.nii.gz", {})
    derivative(faceless, "sub-01", "desc-contactsheet.png")
    derivative(faceless, "sub-01", "desc-all_runs.npz")
    derivative(faceless, "sub-02", "desc-channels_FLAIR.npy", {})
    table = faceless / "derivatives" / "dawson" / "preprocess.tsv"
    table.write_text(
        "participant_id\tsession_id\tstatus\tseconds\treason\nsub-01\tses-01\tdone\t3\t/home/doe\nsub-02\tses-01\tdone\t3\tx\n"
    )
    (faceless / "experiments").mkdir()
    plan = plan_export(faceless, options(derivatives=True, where="sex == 'F'"), OWN)
    out = write_export(plan, tmp_path / "out", OWN).path
    names = {path.name for path in (out / "derivatives").rglob("*") if path.is_file()}
    channels = "sub-01_ses-01_desc-channels_FLAIR"
    assert names == {"dataset_description.json", "preprocess.tsv", f"{channels}.npy", f"{channels}.json"}
    assert (out / "derivatives" / "dawson" / "preprocess.tsv").read_text().splitlines()[1:] == ["sub-01\tses-01\tdone\t3"]
    stays = dict(plan.found.stays)
    prefix = "derivatives/dawson/sub-01/ses-01/anat/sub-01_ses-01_desc-"
    assert stays[f"{prefix}matched_mask.json"] == "names people who do not go"
    assert stays[f"{prefix}native_T1w.nii.gz"] == "may show a face"
    assert {f"{prefix}contactsheet.png", f"{prefix}all_runs.npz", "experiments/"} <= set(stays)


def test_headers_and_gzip_leave_without_text_and_voxels_stay(tmp_path):
    image = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([2.0, 3, 4, 1]))
    image.header["descrip"] = b"TE=2.9;Time=101500.2"
    image.header["db_name"] = b"DOE^JANE"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe 1970-01-01"))
    plain = tmp_path / "a.nii"
    nib.save(image, plain)
    named = tmp_path / "b.nii.gz"
    with named.open("wb") as raw, gzip.GzipFile("JaneDoe.nii", "wb", fileobj=raw, mtime=1e9) as packed:
        packed.write(plain.read_bytes())
    for source in (plain, named):
        target = tmp_path / "out" / source.name
        assert copy_nifti(source, target) is True
        content = target.read_bytes() if source == plain else target.read_bytes() + gzip.decompress(target.read_bytes())
        for text in (b"Jane", b"DOE", b"101500"):
            assert text not in content
        copied = nib.load(target)
        np.testing.assert_array_equal(np.asanyarray(copied.dataobj), np.asanyarray(image.dataobj))
        np.testing.assert_array_equal(copied.affine, image.affine)
        assert copy_nifti(target, tmp_path / "again" / source.name) is False
        assert (tmp_path / "again" / source.name).read_bytes() == target.read_bytes()


def test_a_damaged_image_is_told_by_name(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"no gzip")
    with pytest.raises(ImageError, match=r"a\.nii\.gz"):
        copy_nifti(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    (tmp_path / "a.nii").write_bytes(b"\0" * 400)
    with pytest.raises(ImageError, match="no single-file NIfTI-1"):
        copy_nifti(tmp_path / "a.nii", tmp_path / "b.nii")


def test_the_study_is_not_changed_but_for_the_record(faceless, tmp_path):
    before = {path: sha256(path) for path in faceless.rglob("*") if path.is_file()}
    made(faceless, tmp_path / "out")
    after = {path: sha256(path) for path in faceless.rglob("*") if path.is_file()}
    assert set(after) - set(before) == {faceless / "governance" / "exports.jsonl"}
    assert before == {path: digest for path, digest in after.items() if path in before}


def test_every_export_with_a_person_is_found_with_the_files(faceless, tmp_path):
    export = made(faceless, tmp_path / "all", recipient="Dr Far", agreement="DUA-7")
    made(faceless, tmp_path / "ms", where="diagnosis == 'MS'")
    assert [Path(record.destination).name for record in exports_with(faceless, "sub-01")] == ["all", "ms"]
    record = exports_with(faceless, "sub-03")[0]
    assert len(exports_with(faceless, "sub-03")) == 1
    assert (record.export_id, record.state, record.recipient, record.agreement) == (export.export_id, "finished", "Dr Far", "DUA-7")
    assert all(sha256(export.path / name) == digest for name, digest in record.files["sub-03"].items())
    assert {"sub-03/ses-01/anat/sub-03_ses-01_T1w.nii.gz", "sub-03/sub-03_sessions.tsv"} <= set(record.files["sub-03"])
    assert exports_with(faceless, "sub-99") == []


def test_a_withdrawal_names_exports_and_removes_what_was_never_finished(faceless, tmp_path, monkeypatch):
    made(faceless, tmp_path / "done", recipient="Dr Far", agreement="DUA-7")
    monkeypatch.setattr(export_room, "copy_nifti", lambda source, target: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        made(faceless, tmp_path / "half")
    hook = ExportsOfPerson()
    found = hook.find(faceless, "sub-02")
    assert [trace.kind for trace in found] == ["export", "export"] and "to Dr Far under DUA-7" in found[0].detail
    assert list(tmp_path.glob(".part-*"))
    assert "tell the recipient" in hook.remove(faceless, "sub-02")[0].action
    assert not list(tmp_path.glob(".part-*"))
    assert [trace.path for trace in hook.find(faceless, "sub-02")] == [str(tmp_path / "done")]


@pytest.mark.parametrize(("state", "moved"), [("begun", False), ("placed", False), ("placed", True)])
def test_an_export_that_stopped_after_its_folder_got_its_name_has_left(faceless, tmp_path, monkeypatch, state, moved):
    real = export_room.append_export

    def stops(study, record):
        if record.state == "finished":
            raise KeyboardInterrupt
        if record.state in ("begun", state):
            real(study, record)

    monkeypatch.setattr(export_room, "append_export", stops)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        made(faceless, out)
    monkeypatch.setattr(export_room, "append_export", real)
    if moved:
        out.rename(tmp_path / "given away")
    hook = ExportsOfPerson()
    for traces in (hook.find(faceless, "sub-01"), hook.remove(faceless, "sub-01"), hook.remove(faceless, "sub-01")):
        assert [(trace.path, trace.action.startswith("tell the recipient")) for trace in traces] == [(str(out), True)]
    assert [record.state for record in read_exports(faceless)] == ["finished"]


def test_another_export_does_not_forget_one_that_stopped_after_its_name(faceless, tmp_path, monkeypatch):
    real = export_room._finish
    monkeypatch.setattr(export_room, "_finish", lambda plan, record: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        made(faceless, tmp_path / "out")
    monkeypatch.setattr(export_room, "_finish", real)
    (tmp_path / "out").rename(tmp_path / "given away")
    made(faceless, tmp_path / "out", where="sex == 'M'")
    assert [record.state for record in exports_with(faceless, "sub-01")] == ["finished"]


def test_an_interrupted_export_leaves_nothing_and_is_taken_up_again(faceless, tmp_path, monkeypatch):
    real, copied = export_room.copy_nifti, []

    def stops(source, target):
        if len(copied) == 3:
            raise KeyboardInterrupt
        copied.append(source)
        return real(source, target)

    monkeypatch.setattr(export_room, "copy_nifti", stops)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        made(faceless, out)
    assert not out.exists()
    begun = exports_with(faceless, "sub-01")
    assert [record.state for record in begun] == ["begun"] and Path(begun[0].staging).is_dir()
    monkeypatch.setattr(export_room, "copy_nifti", lambda source, target: (copied.append(source), real(source, target))[1])
    made(faceless, out)
    assert len(copied) == 12
    assert [(record.export_id, record.state) for record in read_exports(faceless)] == [(begun[0].export_id, "finished")]
    assert check_checksums(out) == [] and list(tmp_path.glob(".part-*")) == []


def test_what_an_interrupted_export_gathered_goes_when_another_takes_its_place(faceless, tmp_path, monkeypatch):
    real = export_room.copy_nifti
    monkeypatch.setattr(export_room, "copy_nifti", lambda source, target: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        made(faceless, tmp_path / "out")
    monkeypatch.setattr(export_room, "copy_nifti", real)
    set_tombstone(faceless, "sub-01")
    made(faceless, tmp_path / "out")
    assert [record.state for record in read_exports(faceless)] == ["abandoned", "finished"]
    assert exports_with(faceless, "sub-01") == []
    assert list(tmp_path.glob(".part-*")) == []


def test_places_that_cannot_be(faceless, tmp_path):
    plan = plan_export(faceless, options(), OWN)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    for out, problem in (
        (faceless / "out", "lie in one another"),
        (tmp_path / "full", "is not empty"),
        (faceless.parent, "lie in one another"),
    ):
        with pytest.raises(CohortError, match=problem):
            write_export(plan, out, OWN)


def test_a_licence_asks_of_consent_what_it_grants(faceless, tmp_path):
    plan = plan_export(faceless, options(licence="CC-BY-4.0"), OWN)
    assert plan.use.commercial and plan.use.public
    plan = plan_export(faceless, options(licence="cc-by-nc-4.0"), OWN)
    assert not plan.use.commercial and plan.use.public
    (tmp_path / "Our Terms.txt").write_text("Be kind.")
    own = find_licence(str(tmp_path / "Our Terms.txt"))
    assert own.identifier == "LicenseRef-Our-Terms" and not own.passes_on
    with pytest.raises(CohortError, match="no licence for data"):
        find_licence("MIT-ish")


def consent(person: str, **changes) -> ConsentRecord:
    content = {"participant_id": person, "form": "1", "scope": ("HMB",), "given": date(2026, 1, 1), **changes}
    return ConsentRecord(**content)


def agreed(study: Path) -> Path:
    (study / "governance").mkdir(exist_ok=True)
    (study / "governance" / "access.toml").write_text(AGREEMENT)
    return study


def test_a_managed_export_needs_an_agreement_and_consent_and_is_audited(faceless, tmp_path):
    record_consent(faceless, [consent("sub-01"), consent("sub-02", expires=date(2026, 2, 1)), consent("sub-03")])
    with pytest.raises(GovernanceError, match="does not say who gets"):
        plan_export(faceless, options(), MANAGED, at=NOW)
    agreed(faceless)
    with pytest.raises(ConsentError, match="no data-access agreement"):
        plan_export(faceless, options(recipient="Nobody"), MANAGED, at=NOW)
    plan = plan_export(faceless, options(recipient="Dr Far"), MANAGED, at=NOW)
    assert plan.people == ("sub-01", "sub-03")
    assert set(plan.refused) == {"sub-02", "sub-04"}
    out = write_export(plan, tmp_path / "out", MANAGED, at=NOW).path
    assert read_tsv(out / "participants.tsv")["participant_id"].tolist() == ["sub-01", "sub-03"]
    assert exports_with(faceless, "sub-01")[0].agreement == "DUA-7"
    log = (faceless / "governance" / "audit.jsonl").read_text()
    assert "DUA-7" in log and "sub-01" not in log
    assert "1 of 4" not in (out / "DATASHEET.md").read_text() and "2 of 4 people" in (out / "DATASHEET.md").read_text()


def test_the_study_itself_says_that_consent_is_managed(faceless, tmp_path):
    (faceless / "study.toml").write_text('[governance]\nmanaged = true\ncountry = "SI"\n')
    record_consent(faceless, [consent("sub-01", expires=date(2026, 2, 1)), consent("sub-03")])
    with pytest.raises(GovernanceError, match="does not say who gets"):
        plan_export(faceless, options(), OWN, at=NOW)
    plan = plan_export(agreed(faceless), options(recipient="Dr Far"), OWN, at=NOW)
    assert plan.managed and plan.people == ("sub-03",)
    write_export(plan, tmp_path / "out", OWN, at=NOW)
    assert (faceless / "governance" / "audit.jsonl").is_file()
    assert plan_export(faceless, options(recipient="Dr Far"), MANAGED, at=NOW).people == ("sub-03",)


def test_consent_is_asked_again_at_the_moment_of_the_export(faceless, tmp_path):
    record_consent(agreed(faceless), [consent("sub-01"), consent("sub-03")])
    plan = plan_export(faceless, options(recipient="Dr Far"), MANAGED, at=NOW)
    record_consent(faceless, [ConsentRecord(participant_id="sub-03", status="withdrawn")])
    with pytest.raises(ConsentError, match="sub-03 may not be exported any more"):
        write_export(plan, tmp_path / "out", MANAGED, at=NOW)
    assert not (tmp_path / "out").exists() and read_exports(faceless) == []


def test_the_image_of_somebody_who_withdrew_does_not_go_under_another_name(faceless, tmp_path):
    image = faceless / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.nii.gz"
    plan = plan_export(faceless, options(), StudyConfig())
    set_tombstone(faceless, "sub-77", contents_of(image))
    again = plan_export(faceless, options(), StudyConfig())
    assert "sub-01" in plan.people and "sub-01" not in again.people
    assert again.refused == {"sub-01": "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz is an image of sub-77, who has withdrawn"}
    with pytest.raises(ConsentError, match="image of sub-77, who has withdrawn"):
        write_export(plan, tmp_path / "out", StudyConfig())
    assert list(tmp_path.glob(".part-*")) == [] and not (tmp_path / "out").exists()
    assert [record.state for record in read_exports(faceless)] == ["abandoned"]


def test_who_withdraws_while_files_are_copied_does_not_go(faceless, tmp_path, monkeypatch):
    real = export_room.copy_nifti
    monkeypatch.setattr(export_room, "copy_nifti", lambda source, target: (set_tombstone(faceless, "sub-01"), real(source, target))[1])
    with pytest.raises(ConsentError, match="sub-01 has withdrawn meanwhile"):
        made(faceless, tmp_path / "out")
    assert list(tmp_path.glob(".part-*")) == [] and not (tmp_path / "out").exists()


RECORD = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["given", "given", "given", "withdrawn"]),
        "scope": st.sampled_from([("GRU",), ("HMB",), ("POA",), ("HMB", "NCU"), ("DS",)]),
        "given": st.sampled_from([date(2026, 1, 1), date(2026, 7, 1)]),
        "expires": st.sampled_from([None, date(2026, 12, 31), date(2026, 5, 1)]),
        "commercial": st.booleans(),
    }
)


def _record(person: str, content: dict) -> ConsentRecord:
    if content["status"] == "withdrawn":
        return ConsentRecord(participant_id=person, status="withdrawn")
    if content["expires"] and content["expires"] < content["given"]:
        content = {**content, "expires": None}
    if "NCU" in content["scope"]:
        content = {**content, "commercial": False}
    return consent(person, **content, diseases=("MS",) if "DS" in content["scope"] else ())


def _may(records: list[dict], stone: bool, commercial: bool) -> bool:
    """The rule written down a second time: the last record decides, research on MS and NMOSD, on 1 June 2026."""
    if stone or not records:
        return False
    last = records[-1]
    if last["status"] == "withdrawn" or last["given"] > NOW.date():
        return False
    if last["expires"] and last["given"] <= last["expires"] < NOW.date():
        return False
    if last["scope"][0] in ("POA", "DS"):
        return False
    return not commercial or (last["commercial"] and "NCU" not in last["scope"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ledger=st.lists(st.tuples(st.sampled_from(["sub-01", "sub-02", "sub-03", "sub-04"]), RECORD), max_size=8),
    stones=st.sets(st.sampled_from(["sub-01", "sub-02", "sub-03", "sub-04"]), max_size=2),
    commercial=st.booleans(),
    derivatives=st.booleans(),
)
def test_somebody_who_may_not_go_never_has_a_file_or_a_row_in_an_export(
    tmp_path_factory, make_dataset, ledger, stones, commercial, derivatives
):
    root = tmp_path_factory.mktemp("ledger")
    study = make_dataset(root / "study", with_sessions=True)
    write_dataset_description(study, "Tiny", "dawson simulate")
    people = ["sub-01", "sub-02", "sub-03", "sub-04"]
    for person in people:
        derivative(study, person, "desc-channels_FLAIR.npy", {"Sources": [f"{person}/x.nii"]})
        derivative(study, person, "desc-pair_mask.nii.gz", {"Sources": [f"{people[0]}/x.nii", f"{person}/x.nii"]})
    contents = {path: sha256(path) for path in study.rglob("*.nii.gz")}
    text = AGREEMENT + ("commercial = true\n" if commercial else "")
    (study / "governance").mkdir()
    (study / "governance" / "access.toml").write_text(text)
    record_consent(study, [_record(person, content) for person, content in ledger])
    for person in stones:
        set_tombstone(study, person)
    may = [person for person in people if _may([content for who, content in ledger if who == person], person in stones, commercial)]
    wanted = options(recipient="Dr Far", commercial=commercial, derivatives=derivatives)
    if not may:
        with pytest.raises(CohortError, match="None of 4 people"):
            plan_export(study, wanted, MANAGED, at=NOW)
        return
    out = write_export(plan_export(study, wanted, MANAGED, at=NOW), root / "out", MANAGED, at=NOW).path
    assert read_tsv(out / "participants.tsv")["participant_id"].tolist() == may
    others = [person for person in people if person not in may]
    files = [path for path in out.rglob("*") if path.is_file()]
    for person in others:
        assert not any(person in str(path.relative_to(out)) for path in files)
        assert not any(person.encode() in path.read_bytes() for path in files)
    theirs = {digest for path, digest in contents.items() if any(part in others for part in path.parts)}
    mine = {digest for path, digest in contents.items() if any(part in may for part in path.parts)}
    assert not {sha256(path) for path in files} & (theirs - mine)
    assert (study / "governance" / "audit.jsonl").is_file()


def test_nobody_left_says_why(faceless):
    with pytest.raises(CohortError, match="The selection chooses nobody"):
        plan_export(faceless, options(where="age > 100"), OWN)
    for person in ("sub-01", "sub-02", "sub-03", "sub-04"):
        set_tombstone(faceless, person)
    with pytest.raises(CohortError, match=r"None of 4 people may be exported: consent was withdrawn \(4\)"):
        plan_export(faceless, options(), OWN)
