"""The methods section says what was run, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from dawson.report.disclosure import secrets_of
from dawson.report.experiment import read_experiment
from dawson.report.flow import count_flow
from dawson.report.methods import methods_parts, methods_text

Study = tuple[Path, Path]


def part(study: Study, title: str, **options: object) -> str:
    parts = {item.title: item.text for item in methods_parts(read_experiment(study[0]), False, **options)}
    return parts[title]


def preprocessed(*sources: str) -> pd.DataFrame:
    return pd.DataFrame({"status": "done", "source": list(sources), "wm_dice": 0.71})


def test_people_and_scans_are_counted_by_class(real_study: Study) -> None:
    text = part(real_study, "Participants and images")
    assert "grouped by the column diagnosis: 22 with MS (30 scans) and 22 with NMOSD (29 scans)." in text
    assert "3 scans were excluded, each with a recorded reason." in text


def test_small_counts_and_the_selection_are_hidden_for_others(real_study: Study) -> None:
    run = read_experiment(real_study[0])
    splits = run.config.split
    flow = count_flow((46, 62), run.exclusions, run.splits, run.labels(), run.classes, splits.scheme)
    text = part(real_study, "Participants and images", secrets=secrets_of(flow))
    assert "Scans were excluded, each with a recorded reason" in text
    assert "22 with MS" in text
    assert "sub-P999" not in text


def test_scans_in_template_space_were_not_registered(real_study: Study) -> None:
    text = part(real_study, "Preprocessing", preprocessing=preprocessed("template-space", "template-space"))
    assert "neither extraction nor registration was run" in text
    assert "N4" not in text
    assert "z-scored" in text


def test_scans_without_t1w_are_told(real_study: Study) -> None:
    text = part(real_study, "Preprocessing", preprocessing=preprocessed("T1w+FLAIR", "T1w+FLAIR", "FLAIR"))
    assert "2 used T1w and FLAIR and 1 had no T1w" in text
    assert "Dice with the template was 0.71, measured on the T1w at 2 mm" in text
    assert "template of FLAIR contrast made from the tissue maps" in text
    assert "clipped at its percentiles 0.05 and 99.95" in text


def test_only_the_kinds_of_scans_that_there_were_are_described(real_study: Study) -> None:
    alone = part(real_study, "Preprocessing", preprocessing=preprocessed("FLAIR"))
    assert "T1w registered" not in alone
    both = part(real_study, "Preprocessing", preprocessing=preprocessed("T1w+FLAIR"))
    assert both.startswith("The brain was extracted")
    assert "tissue maps" not in both
    unknown = part(real_study, "Preprocessing")
    assert "not recorded" in unknown
    assert "N4" not in unknown


def test_the_intervals_are_named_as_metrics_json_names_them(real_study: Study) -> None:
    assert "made up)" in part(real_study, "Evaluation")


def test_every_scheme_has_its_sentence(real_study: Study) -> None:
    run = read_experiment(real_study[0])
    said = {
        scheme: methods_parts(replace(run, config=run.config.updated(split={"scheme": scheme})), False)[2].text
        for scheme in ("held-out-draw", "nested-k-fold", "leave-one-site-out", "external")
    }
    assert "drawn at random" in said["held-out-draw"]
    assert "nested cross-validation" in said["nested-k-fold"]
    assert "sites was the test set in turn" in said["leave-one-site-out"]
    assert "external test set was fixed" in said["external"]
    assert "every image that its selection matches" in said["external"]
    assert "trained without the external people" in said["external"]
    assert "first image there" in said["leave-one-site-out"]
    assert "tested on the first image (" in said["nested-k-fold"]
    assert all("nobody who is tested in a repeat trains or validates in it" in text for text in said.values())
    assert not any("one role in a repeat" in text for text in said.values())


def test_the_markdown_warns_of_simulated_patients(real_study: Study) -> None:
    parts = methods_parts(read_experiment(real_study[0]), True)
    text = methods_text(parts, simulated=True)
    assert text.startswith("## Methods\n\n> **Simulated data.**")
    assert text.count("### ") == len(parts) == 7
