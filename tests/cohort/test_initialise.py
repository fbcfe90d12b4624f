from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from dawson.cohort.dataset import read_cohort
from dawson.cohort.initialise import propose_study
from dawson.cohort.people import read_people
from dawson.cohort.validate import validate_cohort
from dawson.cohort.write_study import write_proposal
from dawson.config import parse_config, read_config
from dawson.errors import CohortError
from dawson.files import read_json, write_json

CSV = """Patient ID;Dx;Gender;Age;Visit;Scan date;Name;EDSS
P 001;MS;female;31;V1;2020-01-01;Ann;1.5
P 001;MS;female;32;V2;2021-01-01;Ann;2
P 002;NMOSD;m;44;V1;2020-05-05;Bob;
P 003;NMOSD;F;52;V1;2019-05-05;Cat;3
"""


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


@pytest.fixture
def scans(tmp_path, write_head) -> Path:
    """A folder as clinics have it: any names, some files that are no raw scan."""
    root = tmp_path / "hospital export"
    names = [
        "P001/2020-01-01/t1_mprage.nii.gz", "P001/2020-01-01/t2_flair_3d.nii.gz",
        "P001/2020-01-01/t1_mprage_gd.nii.gz", "P001/2021-01-01/flair_lesion_mask.nii.gz",
        "P001/2021-01-01/t1_mprage.nii.gz", "P001/2021-01-01/t2_flair_3d.nii.gz",
        "flat/P-002_T1w.nii", "flat/P-002_FLAIR.nii", "flat/p_003-FLAIR.nii.gz", "flat/P004_FLAIR.nii.gz",
    ]  # fmt: skip
    for number, name in enumerate(names):
        write_head(root / name.replace("P001", "P 001"), number)
    write_json(root / "flat" / "P-002_FLAIR.json", {"Modality": "MR", "PatientName": "Bob", "AcquisitionDate": "2020"})
    (root / "people.csv").write_text(CSV)
    return root


def test_proposal_finds_files_by_words_and_dates(scans):
    before = tree(scans)
    proposal = propose_study(scans, scans / "people.csv", name="Clinic")
    found = dict(zip(proposal.mapping["target"], proposal.mapping["source"], strict=True))
    shown = {target: str(Path(source).relative_to(scans)) for target, source in found.items()}
    assert shown == {
        "sub-P001/ses-01/anat/sub-P001_ses-01_T1w.nii.gz": "P 001/2020-01-01/t1_mprage.nii.gz",
        "sub-P001/ses-01/anat/sub-P001_ses-01_FLAIR.nii.gz": "P 001/2020-01-01/t2_flair_3d.nii.gz",
        "sub-P001/ses-02/anat/sub-P001_ses-02_T1w.nii.gz": "P 001/2021-01-01/t1_mprage.nii.gz",
        "sub-P001/ses-02/anat/sub-P001_ses-02_FLAIR.nii.gz": "P 001/2021-01-01/t2_flair_3d.nii.gz",
        "sub-P002/ses-01/anat/sub-P002_ses-01_T1w.nii": "flat/P-002_T1w.nii",
        "sub-P002/ses-01/anat/sub-P002_ses-01_FLAIR.nii": "flat/P-002_FLAIR.nii",
        "sub-P003/ses-01/anat/sub-P003_ses-01_FLAIR.nii.gz": "flat/p_003-FLAIR.nii.gz",
    }
    assert [str(problem.where) for problem in proposal.problems if problem.participant_id] == ["sub-P003_ses-01"]
    unused = {path.name for path in proposal.unused}
    assert unused == {"t1_mprage_gd.nii.gz", "flair_lesion_mask.nii.gz", "P004_FLAIR.nii.gz"}
    assert proposal.participants[["participant_id", "diagnosis", "sex", "age"]].to_numpy().tolist() == [
        ["sub-P001", "MS", "F", 31], ["sub-P002", "NMOSD", "M", 44], ["sub-P003", "NMOSD", "F", 52],
    ]  # fmt: skip
    assert proposal.sessions["days_from_baseline"].tolist() == [0, 366, 0, 0]
    assert proposal.config.study.classes == ("MS", "NMOSD")
    assert tree(scans) == before


def test_description_shows_mapping_problems_and_study_file(scans):
    text = propose_study(scans, scans / "people.csv").describe()
    for part in (
        "flat/P-002_T1w.nii -> sub-P002/ses-01/anat/sub-P002_ses-01_T1w.nii",
        "no T1w with P 003", "Images not used (3)",
        "left out, since it may name a person: name", "dx is read as diagnosis", 'positive = "NMOSD"',
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_written_study_is_read_and_the_originals_stay(scans, tmp_path, link):
    before = tree(scans)
    proposal = propose_study(scans, scans / "people.csv", name="Clinic")
    root = write_proposal(proposal, tmp_path / "new" / "study", link=link)
    assert tree(scans) == before
    cohort = read_cohort(root)
    assert cohort.name == "Clinic"
    assert [scan.entities for scan in cohort.scans] == [
        "sub-P001_ses-01", "sub-P001_ses-02", "sub-P002_ses-01", "sub-P003_ses-01",
    ]  # fmt: skip
    assert cohort.sessions["days_from_baseline"].tolist() == [0, 366, 0, 0]
    image = cohort.scans[0].flair
    assert image.is_symlink() == (link == "symlink")
    assert (image.stat().st_nlink > 1) == (link == "hardlink")
    problems = validate_cohort(cohort, read_config(root / "study.toml"))
    assert [item for item in problems if item.severity == "error"] == []
    everything = "".join(path.read_text() for path in root.rglob("*") if path.suffix in (".json", ".tsv", ".toml"))
    for private in ("Ann", "Bob", "2020-01-01", "AcquisitionDate"):
        assert private not in everything
    assert read_json(root / "sub-P002/ses-01/anat/sub-P002_ses-01_FLAIR.json") == {"Modality": "MR"}
    assert read_json(root / "participants.json")["diagnosis"]["Levels"] == {"MS": "MS", "NMOSD": "NMOSD"}
    assert not list(root.parent.glob(".part-*"))


def test_named_files_and_patterns_go_before_search(scans, tmp_path):
    csv = tmp_path / "people.csv"
    csv.write_text(
        "id,diagnosis,t1,flair\n"
        "x,A,P 001/2020-01-01/t1_mprage_gd.nii.gz,P 001/2020-01-01/*flair_3d*\n"
        "y,B,,flat/P-*\n"
        "z,B,people.csv,flat/absent.nii.gz\n"
    )
    proposal = propose_study(scans, csv)
    assert [Path(source).name for source in proposal.mapping["source"]] == ["t1_mprage_gd.nii.gz", "t2_flair_3d.nii.gz"]
    assert proposal.mapping["target"].tolist()[0] == "sub-x/anat/sub-x_T1w.nii.gz"
    told = [problem.problem for problem in proposal.problems]
    assert "FLAIR: 2 files match flat/P-*" in told
    assert "T1w: people.csv is no NIfTI file (.nii or .nii.gz)" in told
    assert "FLAIR: flat/absent.nii.gz, named in the table, is not there" in told
    assert proposal.sessions.empty


def test_ambiguity_is_told_not_guessed(scans, tmp_path, write_head):
    write_head(scans / "flat" / "P-002_FLAIR_again.nii.gz", 77)
    proposal = propose_study(scans, scans / "people.csv")
    assert any("2 files could be it" in problem.problem for problem in proposal.problems)
    assert "sub-P002_ses-01_FLAIR" not in "".join(proposal.mapping["target"])


def test_one_file_for_two_people_goes_to_nobody(scans, tmp_path):
    csv = tmp_path / "people.csv"
    csv.write_text("id,diagnosis,flair\na,A,flat/P004_FLAIR.nii.gz\nb,B,flat/P004_FLAIR.nii.gz\n")
    proposal = propose_study(scans, csv)
    assert proposal.mapping.empty
    told = [problem.problem for problem in proposal.problems]
    assert "would become sub-a_FLAIR.nii.gz, sub-b_FLAIR.nii.gz" in told
    with pytest.raises(CohortError, match="No image"):
        write_proposal(proposal, tmp_path / "out")


def test_sessions_go_by_date_and_two_diagnoses_are_told(scans, tmp_path):
    csv = tmp_path / "people.csv"
    csv.write_text(
        "id,diagnosis,date,flair\n"
        "a,A,2021-01-01,P 001/2021-01-01/t2_flair_3d.nii.gz\n"
        "a,B,2020-01-01,P 001/2020-01-01/t2_flair_3d.nii.gz\n"
        "b,B,03/04/2020,flat/P004_FLAIR.nii.gz\n"
    )
    proposal = propose_study(scans, csv)
    first = proposal.mapping.set_index("target")["source"]["sub-a/ses-01/anat/sub-a_ses-01_FLAIR.nii.gz"]
    assert "2020-01-01" in first
    told = [problem.problem for problem in proposal.problems]
    assert "has the diagnoses A and B; the first is proposed" in told
    assert any("'03/04/2020', which cannot be read" in text for text in told)


def test_out_folder_is_checked(scans, tmp_path):
    proposal = propose_study(scans, scans / "people.csv")
    with pytest.raises(CohortError, match="not to be changed"):
        write_proposal(proposal, scans / "study")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(CohortError, match="not empty"):
        write_proposal(proposal, tmp_path / "full")
    (tmp_path / "empty").mkdir()
    assert (write_proposal(proposal, tmp_path / "empty") / "participants.tsv").is_file()


def test_bids_dataset_needs_a_study_file_only(dataset, tmp_path):
    before = tree(dataset)
    proposal = propose_study(dataset)
    assert proposal.is_bids
    assert len(proposal.mapping) == 12
    config = parse_config(tomllib.loads(proposal.config_text), "proposal")
    assert (config.study.classes, config.study.positive, config.study.name) == (("MS", "NMOSD"), "NMOSD", "Tiny")
    assert any("too few for 15" in problem.problem for problem in proposal.problems)
    assert tree(dataset) == before
    assert list(tree(write_proposal(proposal, tmp_path / "elsewhere"))) == ["study.toml"]
    write_proposal(proposal, dataset)
    assert set(tree(dataset)) - set(before) == {"study.toml"}
    with pytest.raises(CohortError, match="exists already"):
        write_proposal(proposal, dataset)


def test_positive_is_the_rarer_class(tmp_path, make_dataset):
    people = {f"sub-0{n}": ("HC" if n < 4 else "MOGAD", "F", 30, (0,)) for n in range(1, 6)}
    study = propose_study(make_dataset(tmp_path / "d", people)).config.study
    assert (study.classes, study.positive) == (("HC", "MOGAD"), "MOGAD")


def test_one_diagnosis_is_told(tmp_path, make_dataset):
    proposal = propose_study(make_dataset(tmp_path / "d", {"sub-01": ("HC", "F", 30, (0,))}))
    assert any("only 'HC' is there" in problem.problem for problem in proposal.problems)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name,age\nx,3\n", "no column for the id"),
        ("id,age\nx,3\n", "no column for the diagnosis"),
        ("", "cannot be read"),
        ("id,ID,dx\na,b,c\n", "two columns"),
    ],
)
def test_tables_that_cannot_be_used(scans, tmp_path, content, says):
    csv = tmp_path / "people.csv"
    csv.write_text(content)
    with pytest.raises(CohortError, match=says):
        propose_study(scans, csv)


def test_what_is_missing_is_told(scans, tmp_path):
    with pytest.raises(CohortError, match="--csv"):
        propose_study(scans)
    with pytest.raises(CohortError, match="does not exist"):
        propose_study(scans, tmp_path / "none.csv")
    with pytest.raises(CohortError, match="not a folder"):
        propose_study(tmp_path / "none", scans / "people.csv")
    (tmp_path / "bare").mkdir()
    with pytest.raises(CohortError, match="no NIfTI"):
        propose_study(tmp_path / "bare", scans / "people.csv")


def test_identifiers_that_clash(tmp_path):
    csv = tmp_path / "people.csv"
    csv.write_text("id,diagnosis\na-1,X\na_1,Y\n,X\n??,X\n")
    people = read_people(csv)
    told = " ".join(problem.problem for problem in people.problems)
    assert "'a-1' and 'a_1', which both become sub-a1" in told
    assert "no id in line 4" in told
    assert "without a letter or digit" in told
