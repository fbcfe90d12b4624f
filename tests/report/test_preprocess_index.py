"""The page to look through preprocessed scans."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dawson.errors import PreprocessingError
from dawson.files import read_tsv, write_json, write_tsv
from dawson.report.preprocess_index import write_preprocess_index

ROWS = [
    ("sub-good", "ses-01", "done", None, 0.74, 0.80),
    ("sub-worse", "ses-01", "done", None, 0.60, 0.79),
    ("sub-broken", "", "failed", "no <FLAIR>", None, None),
    ("sub-low r", "ses 02", "done", None, 0.70, 0.60),
    ("sub-worst", "ses-01", "done", None, 0.40, 0.50),
    ("sub-unseen", "ses-01", "done", None, 0.75, 0.81),
]


@pytest.fixture
def derivatives(tmp_path: Path) -> Path:
    folder = tmp_path / "study" / "derivatives" / "dawson"
    table = pd.DataFrame(ROWS, columns=["participant_id", "session_id", "status", "reason", "wm_dice", "template_correlation"])
    write_tsv(
        folder / "preprocess.tsv",
        table.assign(seconds=30.0, source="T1w+FLAIR", flair_t1w_overlap=0.95, min_jacobian=0.2),
    )
    for who, when, status, *_ in ROWS:
        if status == "done" and who != "sub-unseen":
            path = folder / who / when / "anat" / f"{who}_{when}_desc-contactsheet.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(np.zeros((30, 50), np.uint8)).save(path)
    return folder


def test_failed_first_then_the_worst(derivatives: Path) -> None:
    page = write_preprocess_index(derivatives).read_text()
    order = re.findall(r"<h3>(.*?)</h3>", page)
    assert order == [
        "sub-broken",
        "sub-worst_ses-01",
        "sub-worse_ses-01",
        "sub-low r_ses 02",
        "sub-unseen_ses-01",
        "sub-good_ses-01",
    ]
    assert "Failed (1)" in page
    assert "To be looked at (4)" in page
    assert "no &lt;FLAIR&gt;" in page


def test_images_are_lazy_relative_and_there(derivatives: Path) -> None:
    page = write_preprocess_index(derivatives).read_text()
    images = re.findall(r'<img loading="lazy" src="([^"]+)" width="50" height="30"', page)
    assert len(images) == 4
    assert "sub-low%20r/ses%2002/anat/sub-low%20r_ses%2002_desc-contactsheet.png" in images
    assert all((derivatives / image.replace("%20", " ")).is_file() for image in images)


def test_a_simulated_dataset_is_called_so(derivatives: Path) -> None:
    assert "Simulated data." not in write_preprocess_index(derivatives).read_text()
    write_json(derivatives.parent.parent / "dataset_description.json", {"GeneratedBy": [{"Name": "dawson simulate"}]})
    assert "Simulated data." in write_preprocess_index(derivatives).read_text()


def test_scans_that_are_simulated_are_called_so_wherever_the_table_lies(derivatives: Path) -> None:
    path = derivatives / "preprocess.tsv"
    table = read_tsv(path)
    write_tsv(path, table.assign(simulated=True))
    page = write_preprocess_index(derivatives).read_text()
    assert "Simulated data." in page
    assert "6 simulated scans" in page
    assert page.count('class="sim"') >= len(ROWS)
    write_tsv(path, table.assign(simulated=False))
    assert "Simulated data." not in write_preprocess_index(derivatives).read_text()


def test_one_simulated_scan_among_real_ones_is_marked_alone(derivatives: Path) -> None:
    path = derivatives / "preprocess.tsv"
    table = read_tsv(path)
    write_tsv(path, table.assign(simulated=table["participant_id"] == "sub-good"))
    page = write_preprocess_index(derivatives).read_text()
    assert "Simulated data." in page
    assert "simulated scans" not in page
    assert re.findall(r'class="sim">simulated</span> (sub-[^<]*)</h3>', page) == ["sub-good_ses-01"]


def test_a_scan_that_was_in_template_space_is_as_expected_without_figures_of_fit(derivatives: Path) -> None:
    path = derivatives / "preprocess.tsv"
    table = read_tsv(path)
    table = table[table["participant_id"] == "sub-good"]
    missing = dict.fromkeys(("wm_dice", "template_correlation", "flair_t1w_overlap", "min_jacobian"), np.nan)
    write_tsv(path, table.assign(source="template-space", **missing))
    page = write_preprocess_index(derivatives).read_text()
    assert "As expected (1)" in page
    assert "already in template space" in page


def test_thousands_of_scans_make_a_page_of_reasonable_size(tmp_path: Path) -> None:
    count = 3000
    rng = np.random.default_rng(0)
    write_tsv(
        tmp_path / "preprocess.tsv",
        pd.DataFrame(
            {
                "participant_id": [f"sub-{i:04d}" for i in range(count)],
                "session_id": "ses-01",
                "status": "done",
                "reason": None,
                "seconds": 30.0,
                "wm_dice": rng.uniform(0.5, 0.8, count),
                "template_correlation": rng.uniform(0.6, 0.9, count),
            }
        ),
    )
    assert write_preprocess_index(tmp_path).stat().st_size < 3_000_000


def test_without_a_table_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match="dawson preprocess"):
        write_preprocess_index(tmp_path)
