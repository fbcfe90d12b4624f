from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from dawson.cohort.bids import write_dataset_description, write_sessions
from dawson.cohort.dataset import read_cohort
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError
from dawson.files import read_tsv, write_tsv


def told(cohort) -> str:
    return "\n".join(map(str, cohort.problems))


def test_sessions_scans_and_days(dataset, anat):
    cohort = read_cohort(dataset)
    assert cohort.name == "Tiny"
    assert cohort.problems == ()
    assert not cohort.simulated
    assert cohort.participants["participant_id"].tolist() == ["sub-01", "sub-02", "sub-03", "sub-04"]
    assert cohort.sessions["participant_id"].tolist() == ["sub-01", "sub-02", "sub-02", "sub-03", "sub-04", "sub-04"]
    assert cohort.sessions["days_from_baseline"].tolist() == [0, 0, 210, 0, 0, 365]
    assert [scan.participant_id for scan in cohort.scans] == cohort.sessions["participant_id"].tolist()
    assert [scan.session_id for scan in cohort.scans] == cohort.sessions["session_id"].tolist()
    assert cohort.scans[2] == Scan("sub-02", "ses-02", anat(dataset, "sub-02", "ses-02", "T1w"), anat(dataset, "sub-02", "ses-02", "FLAIR"))
    assert cohort.dictionary["site"]["Levels"] == {"A": "first", "B": "second"}


def test_without_sessions(tmp_path, make_dataset, anat):
    cohort = read_cohort(make_dataset(tmp_path / "flat", with_sessions=False))
    assert cohort.sessions["session_id"].tolist() == [""] * 4
    assert cohort.sessions["days_from_baseline"].isna().all()
    assert cohort.scans[0].flair == anat(cohort.root, "sub-01", "", "FLAIR")
    assert cohort.problems == ()


def test_simulated_data_say_so(dataset):
    write_dataset_description(dataset, "S", "dawson simulate")
    assert read_cohort(dataset).simulated


def test_identifiers_without_prefixes(dataset):
    table = read_tsv(dataset / "participants.tsv")
    table["participant_id"] = table["participant_id"].str.removeprefix("sub-")
    write_tsv(dataset / "participants.tsv", table)
    write_tsv(
        dataset / "sub-02" / "sub-02_sessions.tsv",
        pd.DataFrame({"session_id": ["01", "02"], "days_from_baseline": [0, 9]}),
    )
    cohort = read_cohort(dataset)
    assert cohort.problems == ()
    assert cohort.sessions["days_from_baseline"].tolist() == [0, 0, 9, 0, 0, 365]


def test_days_from_dates_of_acquisition(dataset):
    write_tsv(
        dataset / "sub-02" / "sub-02_sessions.tsv",
        pd.DataFrame({"session_id": ["ses-01", "ses-02"], "acq_time": ["2019-12-31T23:00:00", "2020-01-30T01:00:00"]}),
    )
    assert read_cohort(dataset).sessions["days_from_baseline"].tolist()[1:3] == [0, 30]


def test_session_ten_comes_after_session_two(dataset, anat, write_head):
    for name in ("ses-2", "ses-10"):
        write_head(anat(dataset, "sub-01", name, "FLAIR"), 90)
    shutil.rmtree(dataset / "sub-01" / "ses-01")
    (dataset / "sub-01" / "sub-01_sessions.tsv").unlink()
    assert read_cohort(dataset).sessions["session_id"].tolist()[:2] == ["ses-2", "ses-10"]


def test_people_on_one_side_only(dataset):
    (dataset / "sub-03").rename(dataset / "sub-3")
    cohort = read_cohort(dataset)
    assert "sub-03: is in participants.tsv but has no folder. Is it sub-3?" in told(cohort)
    assert "sub-3: has a folder but is not in participants.tsv" in told(cohort)
    assert "sub-03" in set(cohort.participants["participant_id"])
    assert not {"sub-03", "sub-3"} & {scan.participant_id for scan in cohort.scans}


def test_sessions_on_one_side_only(dataset, anat, write_head):
    write_sessions(dataset, "01", pd.DataFrame({"session_id": ["ses-01", "ses-07"], "days_from_baseline": [0, 50]}))
    write_head(anat(dataset, "sub-03", "ses-05", "FLAIR"), 91)
    cohort = read_cohort(dataset)
    assert "sub-01/ses-07: is in the sessions table but not on disk" in told(cohort)
    assert "sub-03/ses-05: is on disk but not in the sessions table" in told(cohort)
    assert cohort.scans[1] == Scan("sub-01", "ses-07", None, None)
    days = cohort.sessions.set_index(["participant_id", "session_id"])["days_from_baseline"]
    assert np.isnan(days["sub-03", "ses-05"])


@pytest.mark.parametrize(
    ("extras", "taken"),
    [
        (["acq-3D", "run-1"], ""),
        (["run-10", "run-2"], "run-2"),
        (["ce-gad", "acq-a_run-1"], "acq-a_run-1"),
        (["part-phase", "run-1"], "run-1"),
    ],
)
def test_choice_among_several_images(dataset, extras, taken, anat, write_head):
    plain = anat(dataset, "sub-01", "ses-01", "T1w")
    if taken:
        plain.unlink()
    for number, extra in enumerate(extras):
        write_head(anat(dataset, "sub-01", "ses-01", "T1w", extra=extra), 50 + number)
    cohort = read_cohort(dataset)
    assert cohort.scans[0].t1w == anat(dataset, "sub-01", "ses-01", "T1w", extra=taken)
    assert ("is taken as the T1w though there are others" in told(cohort)) == ("part-phase" not in extras)


def test_uncompressed_images_are_read_and_compressed_preferred(dataset, anat, write_head):
    anat(dataset, "sub-01", "ses-01", "FLAIR").unlink()
    plain = write_head(anat(dataset, "sub-01", "ses-01", "FLAIR", ".nii"), 60)
    assert read_cohort(dataset).scans[0].flair == plain
    write_head(anat(dataset, "sub-01", "ses-01", "FLAIR"), 60)
    assert read_cohort(dataset).scans[0].flair == plain.with_suffix(".nii.gz")


def test_image_named_after_somebody_else_is_not_used(dataset, anat):
    anat(dataset, "sub-01", "ses-01", "FLAIR").rename(dataset / "sub-01/ses-01/anat/sub-02_ses-01_FLAIR.nii.gz")
    cohort = read_cohort(dataset)
    assert cohort.scans[0].flair is None
    assert "is not named after its folder (expected sub-01_ses-01_...)" in told(cohort)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no participants.tsv"),
        ("", "cannot be read as a table"),
        ("participant_id\tdiagnosis\n", "lists nobody"),
        ("participant_id,diagnosis\nsub-01,MS\n", "no column participant_id"),
        ("participant_id\tdiagnosis\nsub-01\tMS\n01\tMS\n", "lists sub-01 more than once"),
        ("participant_id\tdiagnosis\nsub-01\tMS\nn/a\tMS\n", "no participant_id in line 3"),
        ("participant_id\tdiagnosis\nsub-01\tMS\tmore\tmore\nsub-02\tMS\n", "cannot be read|participant"),
    ],
)
def test_tables_that_cannot_be_used(dataset, content, says):
    (dataset / "participants.tsv").unlink()
    if content is not None:
        (dataset / "participants.tsv").write_text(content)
    with pytest.raises(CohortError, match=says):
        read_cohort(dataset)


def test_no_folder(tmp_path):
    with pytest.raises(CohortError, match="not a folder"):
        read_cohort(tmp_path / "nowhere")


def test_faulty_json_and_sessions_are_problems_not_errors(dataset):
    (dataset / "participants.json").write_text("{")
    (dataset / "dataset_description.json").unlink()
    (dataset / "sub-01" / "sub-01_sessions.tsv").write_text("session\nses-01\n")
    lines = "session_id\tdays_from_baseline\nses-01\tlong ago\nses-01\t1\n"
    (dataset / "sub-02" / "sub-02_sessions.tsv").write_text(lines)
    cohort = read_cohort(dataset)
    assert cohort.name == dataset.name
    assert len(cohort.scans) == 6
    for text in (
        "participants.json: is not valid JSON", "dataset_description.json: is missing", "has no column session_id",
        "lists ses-01 more than once", "days_from_baseline that is no number",
    ):  # fmt: skip
        assert text in told(cohort)


def test_levels_keep_numbers_as_text_and_top_coded_ages_are_numbers(dataset):
    table = read_tsv(dataset / "participants.tsv")
    table["site"], table["age"] = [1, 2, 1, 2], ["30", "90+", "n/a", "41"]
    write_tsv(dataset / "participants.tsv", table)
    cohort = read_cohort(dataset)
    assert cohort.participants["site"].tolist() == ["1", "2", "1", "2"]
    assert cohort.participants["age"].tolist()[:2] == [30, 90]


def test_selection_of_people_and_of_sessions(dataset):
    cohort = read_cohort(dataset)
    assert cohort.select("") is cohort
    women = cohort.select("sex == 'F' and age > 31")
    assert women.participants["participant_id"].tolist() == ["sub-03", "sub-04"]
    assert len(women.scans) == len(women.sessions) == 3
    follow_ups = cohort.select("days_from_baseline > 0")
    assert [scan.entities for scan in follow_ups.scans] == ["sub-02_ses-02", "sub-04_ses-02"]
    assert len(cohort.select("diagnosis == 'nothing'").participants) == 0
    assert len(cohort.scans) == 6
    with pytest.raises(ConfigError, match="Known columns: age, days_from_baseline, diagnosis"):
        cohort.select("ag > 3")


def test_session_value_goes_before_the_persons(dataset):
    table = {"session_id": ["ses-01", "ses-02"], "days_from_baseline": [0, 210], "age": [None, 44]}
    write_sessions(dataset, "sub-02", pd.DataFrame(table))
    table = read_cohort(dataset).scan_table()
    assert table.loc[table["participant_id"] == "sub-02", "age"].tolist() == [41, 44]
    assert table.loc[table["participant_id"] == "sub-01", "age"].tolist() == [30]


def test_selection_drops_problems_of_those_who_are_out(dataset):
    shutil.rmtree(dataset / "sub-03")
    cohort = read_cohort(dataset)
    assert "sub-03" in told(cohort)
    # without a session, she is judged by the participants table
    assert "sub-03" in told(cohort.select("diagnosis == 'NMOSD'"))
    assert "sub-03" not in told(cohort.select("diagnosis == 'MS'"))


@pytest.mark.data
def test_real_dataset(reference_data):
    cohort = read_cohort(reference_data / "ljubljana-ms")
    assert [scan.entities for scan in cohort.scans] == [
        "sub-long01_ses-01", "sub-long01_ses-02", "sub-long03_ses-01", "sub-long03_ses-02", "sub-long04_ses-01",
        "sub-long19_ses-01", "sub-long19_ses-02",
    ]  # fmt: skip
    assert [scan.t1w is not None for scan in cohort.scans] == [True, True, False, True, True, False, True]
    assert all(scan.flair is not None for scan in cohort.scans)
    assert cohort.sessions["days_from_baseline"].tolist() == [0, 203, 0, 671, 0, 0, 228]
    assert cohort.problems == ()
