"""The quality page: worst first, everything as text, commands that can be pasted."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dawson.config import StudyConfig
from dawson.errors import QualityError
from dawson.files import write_tsv
from dawson.quality.verdicts import Verdict, record
from dawson.report.quality_page import write_quality_page


@pytest.fixture
def derivatives(tmp_path: Path) -> Path:
    folder = tmp_path / "derivatives"
    rng = np.random.default_rng(0)
    rows = [
        {
            "participant_id": f"sub-{number:02d}",
            "session_id": "ses-01",
            "decision": "accept",
            "score": round(float(rng.uniform(0, 3)), 2),
            "reason": "",
            "protocol": "",
            "compared_with": "site <A>",
            "group": "site <A>",
            "simulated": True,
            "absent": "",
            "FLAIR_inu_range": float(rng.normal(0.3, 0.02)),
        }
        for number in range(10)
    ]
    rows[3] |= {"decision": "review", "score": 4.0, "reason": "odd (efc 0.6; z 4.0); <b>bold</b>", "FLAIR_inu_range": 0.5}
    rows[7] |= {"decision": "reject", "score": 9.0, "reason": "brain mask of 2431 mL", "FLAIR_inu_range": 0.8}
    table = pd.DataFrame(rows).assign(verdict="", verdict_by="", verdict_reason="", verdict_date="")
    write_tsv(folder / "quality.tsv", table)
    picture = folder / "sub-07" / "ses-01" / "anat" / "sub-07_ses-01_desc-contactsheet.png"
    picture.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((30, 50), np.uint8)).save(picture)
    return folder


def test_the_worst_comes_first_with_its_reasons_and_picture(derivatives: Path) -> None:
    page = write_quality_page(derivatives, Path("/my study"), StudyConfig()).read_text()
    names = re.findall(r"<h3>.*?(sub-\d\d_ses-01)</h3>", page)
    assert names[:2] == ["sub-07_ses-01", "sub-03_ses-01"] and len(names) == 10
    assert "<li>odd (efc 0.6; z 4.0)</li><li>&lt;b&gt;bold&lt;/b&gt;</li>" in page
    assert page.count("<img") == 1 and "sub-07/ses-01/anat/sub-07_ses-01_desc-contactsheet.png" in page
    assert "site &lt;A&gt;" in page and "<b>bold" not in page
    assert "Simulated data." in page and "Research use only." in page


def test_commands_quote_the_study_and_fit_the_scan(derivatives: Path) -> None:
    record(derivatives, [Verdict("sub-03", "ses-01", "accept", "B", "fine")])
    page = write_quality_page(derivatives, Path("/my study"), StudyConfig()).read_text()
    assert "dawson quality review &#39;/my study&#39; sub-07 ses-01 --accept" in page
    assert "dawson quality review &#39;/my study&#39; sub-03 ses-01 --undo" in page
    assert "Verdict: accept by B on" in page


def test_every_scan_is_a_mark_in_the_figure(derivatives: Path) -> None:
    page = write_quality_page(derivatives, Path("study"), StudyConfig()).read_text()
    assert "FLAIR inu range of 10 scans" in page
    figure = re.search(r"<svg.*?</svg>", page, re.DOTALL)
    assert figure is not None and figure[0].count("<use") >= 10


def test_without_a_table_there_is_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="quality run"):
        write_quality_page(tmp_path, tmp_path, StudyConfig())
