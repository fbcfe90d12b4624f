"""Each result beside metrics.json becomes a section: its sentence, its numbers, its reason where it is missing, nothing of few people."""

from __future__ import annotations

import doctest
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dawson.files import read_json, read_tsv, write_json
from dawson.report import comparators, disclosure, findings, formatting, lesion_masks, numbering, trust
from dawson.report.checklist_facts import Known, facts_of
from dawson.report.comparators import comparators_section
from dawson.report.experiment import read_experiment
from dawson.report.learning_curve import learning_section
from dawson.report.limitations import limitations
from dawson.report.methods import methods_parts
from dawson.report.saliency import saliency_section
from dawson.report.soft_labels import soft_sentence
from dawson.report.study import write_study_report
from dawson.report.subgroups import subgroups_section, visible
from dawson.report.trust import hidden_sites, trust_section
from dawson.report.trust_figures import reliability_table, risk_figure, risk_table

Study = tuple[Path, Path]
Made = dict[str, Callable[..., object]]


def text_of(page: str) -> str:
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", page.replace("\u00a0", " ").replace("&lt;", "<").replace("&amp;", "&").replace("&#39;", "'"))


def section(page: str, name: str) -> str:
    start = page.index(f'<section id="{name}">')
    return page[start : page.index("</section>", start)]


@pytest.fixture(scope="module")
def page(found_study: Study) -> str:
    return (found_study[0] / "report.html").read_text()


@pytest.fixture(scope="module")
def bare(real_study: Study) -> str:
    return write_study_report(*real_study).read_text()


@pytest.fixture(scope="module")
def shared(found_study: Study) -> str:
    return (found_study[0] / "report-shared.html").read_text()


def test_examples_in_the_docstrings_hold() -> None:
    for module in (comparators, disclosure, findings, formatting, lesion_masks, numbering, trust):
        assert doctest.testmod(module).failed == 0


def test_a_run_without_further_results_has_no_such_sections(bare: str) -> None:
    for name in ("trust", "comparators", "subgroups", "learning"):
        assert f'<section id="{name}">' not in bare
        assert f'href="#{name}"' not in bare
    assert "The maps of this run were not tested" in bare


def test_a_reason_is_shown_in_place_of_a_result(found_study: Study, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    for name in ("trust", "subgroups", "comparison", "saliency", "learning_curve"):
        write_json(experiment / f"{name}.json", {"reason": f"too few for {name}"})
    shown = text_of(write_study_report(experiment, found_study[1]).read_text())
    for name in ("trust", "subgroups", "comparison", "saliency", "learning_curve"):
        assert f"too few for {name}" in shown


def test_a_part_of_trust_may_be_missing_with_its_reason(constructed: Made) -> None:
    content = constructed["trust"]()
    content["abstention"] = {"alpha": 0.1, "reason": "too few"}
    told = trust_section(content)
    assert told.reasons == ["Abstention: too few"]
    assert told.calibration
    assert not told.abstention
    assert not told.answers


def test_the_section_says_how_sure_it_is(page: str) -> None:
    shown = text_of(section(page, "trust"))
    assert "median temperature 1.83: as trained it was too sure" in shown
    assert "differs from what comes true by 0.06 (0.02–0.10) on average, before by 0.14 (0.10–0.18)" in shown
    assert "fell in 93 of 100 test sets" in shown
    assert "named one class for 62 % of the patients, and was wrong in 12.3 % (6.3–18.3) of these" in shown
    assert "at most 10 % of each class; measured: MS 7.0 % (2.0–12.0) and NMOSD 25.0 % (15.0–35.0)." in shown
    assert "16 % is disagreement of the networks" in shown


def test_a_broken_promise_stands_before_everything_else(page: str) -> None:
    trusted = section(page, "trust")
    said = re.findall(r'<p class="broken">(.*?)</p>', trusted, flags=re.DOTALL)
    assert "not kept for NMOSD" in said[0]
    assert "At site B" in said[1]
    assert len(said) == 2
    assert trusted.index('class="broken"') < trusted.index("temperature scaling")


def test_each_site_has_its_promised_and_its_measured_error(page: str) -> None:
    table = section(page, "trust").split("The same by site")[1]
    cells = [text_of(row).split() for row in re.findall(r"<tr><th scope=.*?</tr>", table, flags=re.DOTALL)]
    assert cells[1] == ["B", "30", "at", "most", "10", "%", "40.0", "%", "(32.0–48.0)", "30.0", "%", "(22.0–38.0)"]


def test_the_sentence_on_comparators_follows_the_intervals(page: str) -> None:
    shown = text_of(section(page, "comparators"))
    assert "ranked patients better than demographics (+0.19; +0.15 to +0.23), worse than fusion (−0.05; −0.09 to −0.01)" in shown
    assert "could not be told apart from lesion features" in shown


def test_a_difference_written_the_other_way_round_is_turned(constructed: Made) -> None:
    content = constructed["comparison"]()
    for pair in content["pairs"]:
        if pair["first"] == "network":
            pair["first"], pair["second"] = pair["second"], pair["first"]
            low, high = pair["difference"]["low"], pair["difference"]["high"]
            pair["difference"] = {"estimate": -pair["difference"]["estimate"], "low": -high, "high": -low}
    assert comparators_section(content).sentence == comparators_section(constructed["comparison"]()).sentence


def test_every_pair_has_each_test_under_its_name(page: str, constructed: Made) -> None:
    compared = section(page, "comparators")
    assert compared.count("DeLong") == compared.count("McNemar, mid-p") == 15
    assert "0.032" in compared
    assert "P 0.071" in compared
    assert comparators_section(constructed["comparison"]()).pairs[1]["difference"] == ("+19.0", "(+15.0 to +23.0)")


def test_true_lesions_are_called_so_wherever_they_were_used(found_study: Study, constructed: Made, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    write_json(experiment / "comparison.json", constructed["comparison"]() | {"lesion_masks": {"sim": 40}})
    write_json(experiment / "saliency.json", constructed["saliency"]() | {"lesion_masks": {"expert": 20, "sim": 4}})
    html, true = (
        write_study_report(experiment, found_study[1]).read_text(),
        "lesions are the simulator’s true ones, which no method would find so",
    )
    assert f"by sim (desc-): the {true}" in text_of(section(html, "comparators"))
    assert f"by expert and sim (desc-): some {true}" in text_of(section(html, "explanation"))
    assert text_of(section(html, "methods")).count(true) == 2
    assert f"is too good: the {true}" in text_of(section(html, "limits"))


def test_what_was_left_out_is_said_and_names_nobody(found_study: Study, constructed: Made, tmp_path: Path) -> None:
    content = constructed["comparison"]()
    content["models"]["matthews"]["n"] = 61
    content["left_out"] = {
        "lesion masks": "9 of 89 images have no usable lesion mask and are left out of comparators that need one "
        "(the first is sub-P003 ses-01: its lesion mask sub-P003_ses-01_mask.nii.gz cannot be used (bad)).",
        "fusion": "None of 3 images has a lesion mask that can be used; of sub-P004 ses-01: it has no lesion mask.",
    }
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    write_json(experiment / "comparison.json", content)
    html = section(write_study_report(experiment, found_study[1]).read_text(), "comparators")
    shown = text_of(html)
    assert "lesion masks: 9 of 89 images have no usable lesion mask and are left out of comparators that need one." in shown
    assert "fusion: None of 3 images has a lesion mask that can be used." in shown
    assert "sub-" not in html and "same test patients" not in shown and "on the same splits, with" in shown
    assert "Matthews rule What matthews is. 61" in shown
    shared = comparators_section(content, count_shown=False)
    assert {why for _, why in shared.left_out} == {findings.NOT_TOLD} and not any(n for _, _, n in shared.models)
    assert comparators_section(constructed["comparison"]()).sentence.startswith("On the same test patients")


def test_the_worst_group_and_those_apart_from_everybody_are_named(page: str) -> None:
    shown = text_of(section(page, "subgroups"))
    assert "lowest in site B: 0.66 (0.58–0.74) (MS 17, NMOSD 13); the interval of site B does not hold the AUC of everybody, 0.81" in shown


def test_the_verdict_on_the_maps_stands_beside_the_gallery(page: str) -> None:
    explained = section(page, "explanation")
    verdict = "The maps did not pass all their tests: those of integrated gradients failed repeatability"
    assert explained.count(verdict) == 2
    assert 0 < explained.rindex(verdict) - explained.index("Gallery: correct and wrong calls") < 200


def test_each_test_of_a_map_has_its_result(constructed: Made) -> None:
    rows = {(row["method"], row["test"]): row for row in saliency_section(constructed["saliency"]()).rows}
    assert rows["Integrated gradients", "Repeatability"]["passed"] == "failed"
    assert rows["Occlusion of slices", "Localisation"]["passed"] == "not tested"
    assert rows["Grad-CAM, coarse", "Localisation"]["figures"] == "n patients 3; mass inside own 0.21 (0.13–0.29); mass p <0.001"


def test_the_learning_curve_is_told_from_few_to_many(constructed: Made) -> None:
    content = constructed["learning_curve"]()
    content["points"].reverse()
    assert learning_section(content).sentence == (
        "With 20 training patients the AUC was 0.68 (0.60–0.76), with 40 it was 0.76 (0.68–0.84), and with 80 it was 0.81 (0.73–0.89)."
    )


def test_where_the_curve_leads_is_called_an_extrapolation(constructed: Made) -> None:
    content = constructed["learning_curve"]() | {"extrapolation": {"n_train": 160.0, "auc": constructed["interval"](0.84)}}
    assert learning_section(content).sentence.endswith("leads to 0.84 (0.76–0.92) with 160: an extrapolation, not a measurement.")


def test_without_numbers_of_people_there_is_no_learning_curve(constructed: Made) -> None:
    told = learning_section(constructed["learning_curve"](), count_shown=False)
    assert "hidden numbers" in told.reason
    assert not told.rows


def test_what_is_folded_is_folded(page: str) -> None:
    assert "<details open" not in page
    for name in ("trust", "comparators", "subgroups", "learning"):
        visible_part = re.sub(r"<details>.*?</details>", "", section(page, name), flags=re.DOTALL)
        assert "<table" not in visible_part
        assert len(text_of(visible_part)) < 1700


def test_figures_and_tables_are_numbered_in_order_without_gaps(page: str, bare: str) -> None:
    for html in (page, bare):
        for kind in ("Figure", "Table"):
            numbers = [int(n) for n in re.findall(rf"<b>{kind} (\d+)\. ?", html)]
            assert list(dict.fromkeys(numbers)) == list(range(1, max(numbers) + 1))


def test_simulated_patients_are_called_so_in_the_new_sections(simulated_study: Study, constructed: Made, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(simulated_study[0], tmp_path / "main"))
    constructed["write_findings"](experiment)
    html = write_study_report(experiment, simulated_study[1]).read_text()
    for name in ("trust", "comparators", "subgroups", "learning", "explanation"):
        captions = re.findall(r"<(?:figcaption|caption)>(.*?)</(?:figcaption|caption)>", section(html, name), flags=re.DOTALL)
        assert captions
        assert all("simulated" in caption for caption in captions)


def test_a_shared_report_hides_sites_and_groups_of_few(shared: str) -> None:
    groups = text_of(section(shared, "subgroups"))
    # Site C has 2 people with MS; A or B would give it away, and B is the smaller.
    assert "site: A" in groups
    assert "site: B" not in groups
    assert "site: C" not in groups
    sites = text_of(section(shared, "trust").split("The same by site")[1])
    assert "C hidden at most 10 % hidden hidden" in sites
    assert "A 40" in sites
    assert "B 30" not in sites


def test_a_warning_about_a_hidden_site_is_given_without_its_name(constructed: Made) -> None:
    content = constructed["trust"]()
    assert hidden_sites(content["abstention"]["by_site"]) == {"B", "C"}
    said = trust_section(content, share=True).warnings
    assert not any("site B" in text for text in said)
    assert "At a site whose numbers are hidden, less was covered than promised." in said


def test_a_shared_sentence_does_not_tell_of_a_few_who_were_answered(constructed: Made) -> None:
    content = constructed["trust"]()
    # 62 % of 30 are 19, of whom 12 % are 2; 62 % of 80 are 50, of whom 6 were wrong.
    assert "wrong in" not in trust_section(content, share=True, people=30).abstention
    assert "wrong in 12.3" in trust_section(content, share=True, people=80).abstention
    content["abstention"]["sets"]["single"] = 0.1
    assert "a share that is hidden of the patients" in trust_section(content, share=True, people=30).abstention
    assert "10 % of the patients" in trust_section(content, people=30).abstention.replace("\u00a0", " ")


def test_a_shared_reliability_plot_has_no_group_of_few(constructed: Made) -> None:
    content = constructed["trust"]()
    whole, kept = reliability_table(content), reliability_table(content, share=True)
    assert len(whole) == 10
    # 3 of 12, and since that one alone could be worked out, the smallest group of 5.
    assert sorted(kept["observed"].unique()) == [0.5]
    assert "n" not in kept
    assert len(kept) == 6


def test_a_shared_risk_curve_tells_of_no_one_to_four(constructed: Made) -> None:
    table = risk_table(constructed["trust"](), 40, share=True)
    counts = np.rint(table["answered"] * 40 * table["error"]).astype(int)
    assert not counts.isin([1, 2, 3, 4]).any()
    assert len(risk_table(constructed["trust"](), 40)) == 40


def test_a_risk_curve_names_the_point_of_everybody_only_where_it_has_one(found_study: Study, constructed: Made, tmp_path: Path) -> None:
    content = constructed["trust"]()
    # 4 of 40 are wrong where everybody is answered, so that others may not see that point.
    content["abstention"]["risk_coverage"]["risk"][-1] = 4 / 40
    whole, kept = risk_table(content, 40), risk_table(content, 40, share=True)
    assert whole["answered"].iloc[-1] == 1
    assert kept["answered"].iloc[-1] < 1
    label = "When it must always answer"
    assert label in str(risk_figure(whole))
    assert label not in str(risk_figure(kept))
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    people = sum(read_experiment(experiment).metrics["n_test_participants"].values())
    content["abstention"]["risk_coverage"] = {
        "coverage": [k / people for k in range(1, people + 1)],
        "risk": [0.0] * (people - 1) + [3 / people],
    }
    write_json(experiment / "trust.json", content)
    for share, said in ((False, True), (True, False)):
        shown = write_study_report(experiment, found_study[1], share=share).read_text()
        assert ("at the right it answers everybody" in shown) is said


def test_a_shared_reason_counts_nobody_and_names_no_file(found_study: Study, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    why = "too few (here: MS 20, NMOSD 3), and derivatives/sub-P003/mask.nii.gz cannot be read"
    trust = json.loads((experiment / "trust.json").read_text())
    write_json(experiment / "trust.json", trust | {"abstention": {"alpha": 0.1, "reason": why}})
    for name in ("subgroups", "comparison", "saliency", "learning_curve"):
        write_json(experiment / f"{name}.json", {"reason": why})
    shown = text_of(write_study_report(experiment, found_study[1], share=True).read_text())
    assert "NMOSD 3)" not in shown
    assert shown.count("too few people, or files missing; see the in-house report.") == 5
    assert why in text_of(write_study_report(experiment, found_study[1]).read_text())


def test_the_specificity_of_three_classes_is_over_all_but_the_positive(constructed: Made) -> None:
    def specificity(estimate: float, n: dict[str, int]) -> str:
        rate = constructed["interval"](estimate)
        row = {"variable": "site", "level": "A", "n": n, "auc": rate, "specificity": rate}
        return subgroups_section([row], 0.81, share=True, positive="C").rows[0]["specificity"]

    # One of the 30 others is wrong.
    assert specificity(29 / 30, {"A": 15, "B": 15, "C": 10}) == "hidden"
    # Six of the 20 others are wrong; of 10 people it would be three.
    assert specificity(14 / 20, {"A": 10, "B": 10, "C": 20}) != "hidden"


def test_a_rate_that_tells_of_few_is_hidden_in_a_group(constructed: Made) -> None:
    rows = constructed["subgroups"]()
    rows[3]["sensitivity"] = {"estimate": 15 / 17, "low": 0.6, "high": 1.0}
    told = {row["level"]: row for row in subgroups_section(rows, 0.81, share=True).rows}
    assert told["relapse"]["sensitivity"] == "hidden"
    assert told["relapse"]["auc"] == "0.84 (0.76–0.92)"
    assert len(visible(rows)) == 5


def test_a_shared_verdict_has_no_counts(constructed: Made) -> None:
    told = saliency_section(constructed["saliency"](), share=True)
    assert told.verdict.endswith("failed repeatability.")
    assert any(row["figures"].startswith("n patients hidden") for row in told.rows)


def test_the_shared_report_names_nobody(shared: str, found_study: Study) -> None:
    assert "data:image" not in shared
    for who in read_tsv(found_study[1] / "participants.tsv")["participant_id"]:
        assert who not in shared


def test_methods_and_limits_follow_what_was_run(found_study: Study, real_study: Study) -> None:
    run, bare = read_experiment(found_study[0]), read_experiment(real_study[0])
    people = read_tsv(found_study[1] / "participants.tsv")
    told = {part.title: part.text for part in methods_parts(run, False)}
    assert "from 1.21 to 2.60" in told["Calibration and abstention"]
    assert "DeLong, bootstrap over patients and McNemar, mid-p" in told["Comparators"]
    assert "divided by site and clinical status" in told["Subgroups"]
    assert "trained on 20, 40 and 80 patients" in told["Learning curve"]
    assert "Tests of the maps" in told
    assert set(told) - {part.title for part in methods_parts(bare, False)} == {
        "Calibration and abstention", "Comparators", "Subgroups", "Tests of the maps", "Learning curve",
    }  # fmt: skip
    limits, before = " ".join(limitations(run, people, False)), " ".join(limitations(bare, people, False))
    assert "were not calibrated" in before
    assert "were not calibrated" not in limits
    assert "The maps failed at least one test of trust here" in limits
    passed = replace(run, findings=replace(run.findings, saliency={"passed": True}))
    assert "The maps passed the tests" in " ".join(limitations(passed, people, False))


def test_maps_that_were_not_put_to_a_test_did_not_fail_it(found_study: Study, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    content = json.loads((experiment / "saliency.json").read_text())
    for tests in content["methods"].values():
        for name, result in tests.items():
            result["passed"] = None if name == "localisation" else True
    write_json(experiment / "saliency.json", content | {"verdict": "The maps did not pass all their tests: localisation was not tested."})
    html = write_study_report(experiment, found_study[1]).read_text()
    assert "The maps did not pass every test of trust; localisation was not tested" in text_of(html)
    assert "The maps failed" not in text_of(html)
    assert 'class="broken"' not in section(html, "explanation")


def test_soft_labels_are_told_wherever_figures_rest_on_them(real_study: Study, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(real_study[0], tmp_path / "main"))
    scores = {"brier": {"estimate": 0.21, "low": 0.15, "high": 0.27}, "nll": {"estimate": 0.61, "low": 0.5, "high": 0.72}}
    metrics = read_json(experiment / "metrics.json")
    write_json(experiment / "metrics.json", metrics | {"soft_labels": {"n": 38, "soft": 20, "undecided": 6} | scores})
    run = read_experiment(experiment)
    html = write_study_report(experiment, real_study[1]).read_text()
    told = "20 of 38 test patients have a class probability in place of a diagnosis: the most probable class counts as true, and 6 of them"
    for name in ("results", "methods"):
        assert told in text_of(section(html, name))
        assert "Brier score is 0.21 (0.15–0.27) and the negative log likelihood 0.61 (0.50–0.72)" in text_of(section(html, name))
    assert "The truth of some patients is itself a probability" in text_of(section(html, "limits"))
    assert "in place of a diagnosis" not in write_study_report(*real_study).read_text()
    few = run.metrics | {"soft_labels": {"n": 38, "soft": 20, "undecided": 3} | scores}
    assert soft_sentence(few, share=True).startswith("Some test patients") and "3 of them" in soft_sentence(few)
    known = Known(run, False, "cohort", "38 people", 0, "", False)
    soft = replace(run, config=run.config.updated(study={"soft_labels": True}))
    assert facts_of(known)["outcome"].startswith("The column diagnosis")
    assert facts_of(replace(known, run=soft))["outcome"].startswith("The columns probability_CLASS of participants.tsv")
