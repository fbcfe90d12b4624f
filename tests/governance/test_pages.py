"""Pages that were made before, and whom they show."""

from __future__ import annotations

from pathlib import Path

from dawson.governance.pages import pages_showing
from dawson.governance.results import remember


def test_pages_of_the_study_and_of_its_results_are_read_and_records_are_not(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    for page in (out / "predictions" / "report.html", study / "governance" / "note.html"):
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<p>sub-02</p>")
    assert pages_showing(study, {"sub-02", "sub-03"}) == {"derivatives/dawson/quality.html": ("sub-02",)}
    remember(study, out)
    assert set(pages_showing(study, {"sub-02"})) == {"derivatives/dawson/quality.html", str(out / "predictions" / "report.html")}
    assert pages_showing(study, {"sub-0", "sub-022"}) == pages_showing(study, set()) == {}


def test_a_report_that_only_says_who_was_left_out_shows_nobody(study: Path) -> None:
    folder = study / "experiments" / "main"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("sub-01 sub-02 sub-03")
    (folder / "exclusions.tsv").write_text("participant_id\tsession_id\nsub-01\tses-01\nsub-02\tses-01\n")
    (folder / "splits.tsv").write_text("repeat\tparticipant_id\n0\tsub-02\n0\tsub-03\n")
    assert pages_showing(study, {"sub-01", "sub-02"})["experiments/main/report.html"] == ("sub-02",)
