"""The contact sheet says what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.files import read_json, sidecar_path, write_json
from dawson.preprocess.contact_sheet import draw_contact_sheet
from dawson.preprocess.names import CONTACT_SHEET
from dawson.preprocess.scan import preprocess_scan


def _said(path: Path) -> str:
    with Image.open(path) as image:
        return str(image.info["Description"])


def _sheet(scan: Scan, study: Path) -> Path:
    row = preprocess_scan(scan, study / "out", PreprocessSection(), study)
    assert row.status == "done", row.reason
    return scan.derivative(study / "out", CONTACT_SHEET)


def test_a_scan_in_template_space_gets_a_sheet_that_claims_no_registration(study: Path, scans: list[Scan]) -> None:
    said = _said(_sheet(scans[0], study))
    assert "already in template space" in said
    assert "registered" not in said
    assert "Simulated" not in said


def test_a_sheet_of_the_raw_scan_does_not_stay(study: Path, scans: list[Scan]) -> None:
    path = scans[0].derivative(study / "out", CONTACT_SHEET)
    path.parent.mkdir(parents=True)
    # as an earlier run on the raw scan left it
    path.write_bytes(b"sheet of the raw scan")
    write_json(sidecar_path(path), {"Parameters": {"Step": "contact sheet"}})
    assert "already in template space" in _said(_sheet(scans[0], study))


def test_a_sheet_is_drawn_again_when_its_scan_turns_out_to_be_simulated(study: Path, scans: list[Scan]) -> None:
    path = _sheet(scans[0], study)
    before = path.stat().st_mtime_ns
    assert _sheet(scans[0], study).stat().st_mtime_ns == before
    sidecar = sidecar_path(scans[0].flair)
    write_json(sidecar, read_json(sidecar) | {"SimulatedData": True})
    assert _said(_sheet(scans[0], study)).endswith("Simulated data. MNI152 2009a; patient's right on the left. Research use only.")


@pytest.mark.parametrize(("simulated", "said"), [(True, True), (False, False)])
def test_the_sheet_of_a_registered_scan_says_it_too(simulated: bool, said: bool, scans: list[Scan], tmp_path: Path) -> None:
    images = {"FLAIR": scans[0].flair, "T1w": scans[1].flair}
    draw_contact_sheet(tmp_path / "sheet.png", "sub-01", images, {"wm_dice": 0.7}, simulated=simulated)
    text = _said(tmp_path / "sheet.png")
    assert ("Simulated data." in text) is said
    assert "white-matter Dice 0.700" in text
