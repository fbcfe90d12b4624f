"""The report of a study: complete, self-contained, escaped, and without individuals where they must not be."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from dawson.errors import ExperimentError
from dawson.files import read_tsv, write_json
from dawson.report.experiment import read_experiment
from dawson.report.study import write_study_report

Study = tuple[Path, Path]


@pytest.fixture(scope="module")
def page(simulated_study: Study) -> str:
    return write_study_report(*simulated_study).read_text()


@pytest.fixture(scope="module")
def real_page(real_study: Study) -> str:
    return write_study_report(*real_study).read_text()


@pytest.fixture(scope="module")
def shared(real_study: Study) -> str:
    return write_study_report(*real_study, share=True).read_text()


def text_of(page: str) -> str:
    """What a reader sees: no styles, no tags."""
    page = re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", page.replace("\u00a0", " ").replace("&lt;", "<").replace("&amp;", "&").replace("&#39;", "'"))


def test_the_headline_gives_auc_and_accuracy_with_their_intervals(page: str) -> None:
    assert "with an AUC of 0.81 (95 % interval 0.72–0.90) and an accuracy of 73.5 % (64.5–82.5)." in text_of(page)


def test_every_figure_of_metrics_json_stands_in_the_page(simulated_study: Study, page: str) -> None:
    metrics = json.loads((simulated_study[0] / "metrics.json").read_text())
    shown = text_of(page)
    for kind in ("headline", "over_repeats", "nadeau_bengio", "single_fold", "published"):
        for name in ("accuracy", "sensitivity", "specificity", "ppv", "npv"):
            assert f"{100 * metrics[kind][name]['estimate']:.1f}" in shown
        assert f"{metrics[kind]['auc']['estimate']:.2f}" in shown
    for row in metrics["confusion"]["matrix"]:
        for count in row:
            assert f"<b>{count}</b>" in page
    assert "42.1 (32.1–52.1)" in shown


def test_each_interval_stands_beside_its_name_and_the_reason(page: str) -> None:
    shown = text_of(page)
    for name in (
        "This study, over patients",
        "This study, over repeats",
        "This study, Nadeau–Bengio",
        "Single fold models",
        "Published",
    ):
        assert shown.count(name) >= 2
    assert "repeats that share their test patients are not new evidence" in shown


def test_a_figure_that_is_undefined_is_a_dash_and_not_a_number(page: str) -> None:
    assert '<td class="n">–</td>' in page


def test_names_are_escaped(page: str) -> None:
    assert "A study &lt;b&gt;of&lt;/b&gt; brains &amp; cords" in page
    assert "A study <b>of</b>" not in page
    assert "is &lt;truncated&gt;" in page


@pytest.mark.parametrize("which", ["page", "real_page", "shared"])
def test_the_page_loads_nothing_from_outside(which: str, request: pytest.FixtureRequest) -> None:
    html = request.getfixturevalue(which)
    loaded = re.findall(
        r"""(?:\bsrc|\bhref|\bdata|\baction|\bposter|\bsrcset)\s*=\s*["']([^"']+)["']|url\(([^)]*)\)|@import\s+([^;]+)""",
        html,
    )
    assert loaded
    for place in ("".join(groups).strip("'\"") for groups in loaded):
        assert place.startswith(("data:", "#")), place[:80]
    assert "<script" not in html


def test_no_id_stands_twice(page: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_every_reference_inside_the_page_has_its_target(page: str) -> None:
    ids = set(re.findall(r'\sid="([^"]+)"', page))
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', page)) <= ids


def test_simulated_patients_are_called_so_in_a_banner_and_every_caption(page: str) -> None:
    assert '<div class="banner simulated"' in page
    captions = re.findall(r"<(?:figcaption|caption)>(.*?)</(?:figcaption|caption)>", page, flags=re.DOTALL)
    assert len(captions) > 12
    assert [caption for caption in captions if "simulated" not in caption and "Environment" not in caption] == []


def test_real_patients_are_not_called_simulated(real_page: str) -> None:
    assert "simulated" not in text_of(real_page).lower()


def test_consent_and_research_banners(page: str, real_page: str) -> None:
    assert "Research use only." in page
    assert "Research use only." in real_page
    assert "Consent not managed." in page
    assert "Consent not managed." not in real_page


def test_the_grad_cam_map_is_called_one_coarse_map_for_all_slices(page: str) -> None:
    shown = text_of(page)
    assert "has 4 × 4 cells, each 48 mm wide" in shown
    assert "the same map is drawn over all 5 slices" in shown


def test_the_gallery_has_correct_and_wrong_calls(page: str) -> None:
    assert "✓ correct" in page
    assert "✗ wrong" in page


def test_exclusions_stand_with_person_and_reason(page: str) -> None:
    shown = text_of(page)
    assert "sub-P044 ses-01 preprocessing" in shown
    assert "no FLAIR" in shown
    assert "46 participants, 62 scans" in shown
    assert "44 participants, 59 scans" in shown


def test_methods_are_written_beside_the_report(simulated_study: Study, page: str) -> None:
    methods = (simulated_study[0] / "methods.md").read_text()
    for words in (
        "were grouped by the column diagnosis: 22 with MS (30 scans) and 22 with NMOSD (29 scans).",
        "3 scans were excluded, each with a recorded reason.",
        "6 participants of each class were drawn",
        "seed 0",
        "4 epochs",
        "z = 60, 40, 20, 0, -20 mm",
        "torch 2.13.0",
        "Simulated data",
    ):
        assert words in methods


def test_the_shared_report_names_nobody(shared: str, real_study: Study) -> None:
    people = read_tsv(real_study[1] / "participants.tsv")["participant_id"]
    assert len(people) == 46
    for who in people:
        assert who not in shared
        assert who.removeprefix("sub-") not in shared
    assert "sub-P999" not in shared


def test_the_shared_report_holds_no_picture_of_a_patient(shared: str, real_page: str) -> None:
    assert real_page.count("data:image/png") > 6
    assert "data:image" not in shared
    assert "<img" not in shared


def test_the_shared_report_has_no_row_of_one_person(shared: str) -> None:
    assert "Figure 4. Test patients one by one" not in shared
    assert "Role of each participant" not in shared
    assert "Table 8. Exclusions" not in shared
    assert "Every scan that was left out" not in shared
    assert "truncated" not in shared


def test_the_shared_report_hides_small_counts(shared: str, real_page: str) -> None:
    # One scan failed in preprocessing and two had no FLAIR; the dataset's total would give the sum away.
    assert "preprocessing failed: 1 scan" in text_of(real_page)
    assert "preprocessing failed: 1 scan" not in text_of(shared)
    assert "62 scans" not in text_of(shared)
    # Site B has one person in each class.
    assert "1 (4.5)" in real_page
    assert "1 (4.5)" not in shared
    assert "21 (95.5)" not in shared


def test_the_shared_report_has_no_cell_of_few_patients_and_no_number_of_a_class(shared: str) -> None:
    # The row 11, 4 of the confusion matrix has a small cell, the row 5, 12 has none.
    table = shared[shared.index("Confusion matrix") : shared.index("</table>", shared.index("Confusion matrix"))]
    assert "<b>4</b>" not in table
    assert "<b>11</b>" not in table
    assert "73.3" not in table
    tail = text_of(shared)
    assert "distinct test patients (" not in tail


def test_networks_of_repeats_that_were_given_up_are_not_counted(simulated_study: Study, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(simulated_study[0], tmp_path / "main"))
    write_json(experiment / "runs" / "repeat-007_fold-0.json", {"repeat": 7, "fold": 0, "seconds": 1.0, "history": []})
    assert len(read_experiment(experiment).runs) == 12


def test_the_shared_report_tells_nothing_of_the_machine(shared: str, real_page: str) -> None:
    assert "secret-host-17" in real_page
    assert "secret-host-17" not in shared


def test_an_unfinished_experiment_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"config\.toml is missing"):
        write_study_report(tmp_path, tmp_path)
