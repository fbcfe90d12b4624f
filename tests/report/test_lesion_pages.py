"""Pages of lesions and of their changes: what stands on them, and who does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.cohort.dataset import Cohort, read_cohort
from dawson.files import sidecar_path, write_json, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.change_table import study_table, write_study_table
from dawson.lesions.measure_columns import COLUMNS, TABLE
from dawson.lesions.scan_images import lesion_file
from dawson.report.lesion_pages import CHANGES, LESIONS, write_changes_page, write_lesions_page

SIDE = 100
# the lesion lies deep in the white matter of the template
AFFINE = np.array([[1.0, 0, 0, -72], [0, 1, 0, -64], [0, 0, 1, -9], [0, 0, 0, 1]])
PEOPLE = ("sub-01", "sub-02", "sub-03")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, Path]:
    """Three people with one scan and one mask each; the mask of sub-03 could not be measured."""
    root = tmp_path_factory.mktemp("pages") / "my study"
    derivatives = root / "derivatives" / "dawson"
    brain, lesion = np.zeros((2, SIDE, SIDE, SIDE), bool)
    brain[20:80, 20:80, 20:80] = True
    lesion[40:44, 40:44, 40:44] = True
    rows = []
    for place, who in enumerate(PEOPLE):
        _write(root / who / "anat" / f"{who}_FLAIR.nii.gz", np.where(brain, 100 + 50 * lesion, 0).astype(np.float32), in_template=True)
        _write(derivatives / who / "anat" / f"{who}_{lesion_file('sim', 'mask')}", lesion.astype(np.uint8))
        rows.append({
            "participant_id": who, "session_id": "", "maker": "sim", "preferred": True, "status": "failed" if place == 2 else "done",
            "reason": "the mask <b>is</b> empty" if place == 2 else "", "lesions": 1 + place, "total_ml": 0.064 + place, "bpf": 0.81,
            "ventricles_ml": 21.4, "matthews": place == 1, "barkhof": False, "mcdonald_dis": False, "simulated": True,
        })  # fmt: skip
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\n" + "".join(f"{who}\tMS\n" for who in PEOPLE))
    write_json(root / "dataset_description.json", {"Name": "planted", "BIDSVersion": "1.9.0"})
    write_tsv(derivatives / TABLE, pd.DataFrame(rows, columns=list(COLUMNS)))
    return read_cohort(root), derivatives


def _write(path: Path, values: np.ndarray, in_template: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, AFFINE), path)
    write_json(sidecar_path(path), {"SimulatedData": True} | ({"SkullStripped": True, "Space": TEMPLATE_SPACE} if in_template else {}))


def _without(cohort: Cohort, person: str) -> Cohort:
    """The cohort as the gate leaves it where somebody's consent has run out."""
    return replace(cohort, scans=tuple(scan for scan in cohort.scans if scan.participant_id != person))


def _pair(who: str, **more: object) -> dict[str, object]:
    start = {"participant_id": who, "from_session_id": "ses-01", "session_id": "", "maker": "sim", "pair": "consecutive"}
    return {**start, "status": "done", "reason": "", "picture": "", "simulated": True, "days": 364.6, "change_ml": 0.125, **more}


def test_the_page_of_lesions_says_whose_they_are_and_what_they_are_for(study: tuple[Cohort, Path]) -> None:
    cohort, derivatives = study
    page = write_lesions_page(cohort, derivatives, [derivatives])
    assert page == derivatives / LESIONS
    text = page.read_text()
    assert "Research use only." in text and "not for diagnosis" in text
    assert "Simulated data." in text and "made by a computer program" in text
    # what failed first, then by volume
    places = [text.index(f'id="{who}"') for who in ("sub-03", "sub-02", "sub-01")]
    assert places == sorted(places)
    assert "the mask &lt;b&gt;is&lt;/b&gt; empty" in text
    assert "volume <b>1.1 mL</b>" in text and "brain fraction <b>0.810</b>" in text
    picture = derivatives / "sub-02" / "anat" / f"sub-02_{lesion_file('sim', 'mask').replace('_mask.nii.gz', '_lesions.png')}"
    assert picture.stat().st_size > 1000 and f'src="{picture.relative_to(derivatives).as_posix()}"' in text
    assert "3 scans" in text and 'src="lesions.png"' in text


def test_pictures_of_unchanged_masks_are_kept(study: tuple[Cohort, Path]) -> None:
    cohort, derivatives = study
    write_lesions_page(cohort, derivatives, [derivatives])
    (picture,) = derivatives.glob("sub-01/anat/*_lesions.png")
    before = picture.stat().st_mtime_ns
    write_lesions_page(cohort, derivatives, [derivatives])
    assert picture.stat().st_mtime_ns == before


def test_nobody_outside_the_cohort_is_on_a_page(study: tuple[Cohort, Path]) -> None:
    cohort, derivatives = study
    write_study_table(derivatives, study_table([_pair(who, n_new=1) for who in PEOPLE]))
    left = _without(cohort, "sub-02")
    for page in (write_lesions_page(left, derivatives, [derivatives]), write_changes_page(left, derivatives)):
        text = page.read_text()
        assert "sub-01" in text and "sub-03" in text
        assert "sub-02" not in text


def test_the_page_of_changes_shows_what_changed_most_first(study: tuple[Cohort, Path]) -> None:
    cohort, derivatives = study
    rows = [
        _pair("sub-01", n_new=1, n_enlarging=0),
        _pair("sub-02", n_new=4, n_enlarging=2, change_ml=-0.5, picture="sub-02/anat/a pair.png"),
        _pair("sub-03", status="failed", reason="ses-02 has no brain mask"),
    ]
    (derivatives / "sub-02" / "anat" / "a pair.png").write_bytes(b"picture")
    write_study_table(derivatives, study_table(rows))
    page = write_changes_page(cohort, derivatives)
    assert page == derivatives / CHANGES
    text = page.read_text()
    assert "Research use only." in text and "Simulated data." in text
    places = [
        text.index(f"<h3>{start}") if f"<h3>{start}" in text else text.index(f"{start} ses-01 to")
        for start in ("sub-03", "sub-02", "sub-01")
    ]
    assert places == sorted(places)
    assert "ses-02 has no brain mask" in text
    assert "new <b>4</b>" in text and "change <b>-0.50 mL</b>" in text and "change <b>+0.12 mL</b>" in text
    assert 'src="sub-02/anat/a%20pair.png"' in text


def test_real_people_are_not_called_simulated_and_an_empty_page_says_so(study: tuple[Cohort, Path], tmp_path: Path) -> None:
    cohort, _ = study
    write_study_table(tmp_path, study_table([_pair("sub-01", simulated=False, n_new=0)]))
    text = write_changes_page(cohort, tmp_path).read_text()
    assert "Research use only." in text and "Simulated data" not in text
    empty = write_changes_page(_without(cohort, "sub-01"), tmp_path).read_text()
    assert "sub-01" not in empty and "None." in empty and "Research use only." in empty
