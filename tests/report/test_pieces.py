"""Numbers, pictures, sentences and counts that the reports are made of."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd

from dawson.report import formatting, images, sharing
from dawson.report.figures import roc_figure
from dawson.report.flow import count_flow, flow_steps
from dawson.report.headline import headline, interval_rows, why_headline_differs
from dawson.report.images import attribution_strip, grey, in_a_row, slice_bars
from dawson.report.preprocess_index import worst_first
from dawson.report.split_picture import fold_colours, split_sizes


def test_examples_in_the_docstrings_hold() -> None:
    for module in (formatting, images, sharing):
        assert doctest.testmod(module).failed == 0


def metrics(low: float, high: float) -> dict[str, object]:
    entry = {"estimate": (low + high) / 2, "low": low, "high": high}
    return {
        "classes": ["X", "Y"],
        "positive": "X",
        "confidence": 0.9,
        "n_test_participants": {"X": 10, "Y": 11},
        "headline": {"auc": entry, "accuracy": entry},
        "published": {"auc": {"estimate": 0.85, "low": 0.84, "high": 0.86}},
    }


def test_the_verdict_follows_the_interval() -> None:
    assert headline(metrics(0.6, 0.9), False).tone == "good"
    assert headline(metrics(0.4, 0.7), False).tone == "open"
    assert headline(metrics(0.1, 0.4), False).tone == "bad"
    assert "contains 0.5" in headline(metrics(0.4, 0.7), False).verdict
    assert "lies inside this interval" in headline(metrics(0.6, 0.9), False).verdict
    assert "cannot be compared" in headline(metrics(0.6, 0.9), True).verdict


def test_the_classes_of_the_study_are_named_whatever_they_are() -> None:
    assert "told X from Y" in headline(metrics(0.6, 0.9), False).sentence


def test_more_than_two_classes_have_macro_averages() -> None:
    assert "with an AUC" in headline(metrics(0.6, 0.9), False).sentence
    assert "with a macro-averaged AUC" in headline(metrics(0.6, 0.9) | {"classes": ["X", "Y", "Z"]}, False).sentence


def test_the_number_of_patients_can_be_kept_back() -> None:
    assert "In patients that" in headline(metrics(0.6, 0.9), False, count_shown=False).sentence


def with_test_sets(repeats: int, most: int) -> dict[str, object]:
    content = metrics(0.6, 0.9)
    same = content["headline"]
    draws = {"min": 1, "median": most, "max": most}
    return content | {"n_repeats": repeats, "n_test_draws": draws, "over_repeats": same, "nadeau_bengio": same, "one_model": same}


def test_one_test_set_has_no_interval_over_test_sets() -> None:
    rows = {row["key"]: row for row in interval_rows(with_test_sets(1, 1), "external")}
    assert set(rows) == {"headline", "published"}
    assert "over repeats\u201d" not in rows["published"]["why"]
    assert "There is one test set" in why_headline_differs(with_test_sets(1, 1), "external")


def test_sentences_about_shared_test_patients_stand_only_where_they_are_shared() -> None:
    said = {scheme: with_test_sets(3, 1) | {"scheme": scheme} for scheme in ("leave-one-site-out", "nested-k-fold")}
    for content in said.values():
        told = " ".join(row["why"] for row in interval_rows(content, "held-out-draw")) + why_headline_differs(content, "held-out-draw")
        assert "share their" not in told
        assert "drawn" not in told
        assert "tested once" in told
    assert "3 sites" in interval_rows(said["leave-one-site-out"], "held-out-draw")[2]["why"]
    again = with_test_sets(10, 4)
    assert "share their patients" in interval_rows(again, "held-out-draw")[2]["why"]
    assert "share their test patients" in why_headline_differs(again, "held-out-draw")


def test_the_published_interval_keeps_its_own_level() -> None:
    published = interval_rows(with_test_sets(10, 4), "held-out-draw")[-1]
    assert "95\u00a0% interval" in published["why"]
    assert "90\u00a0%" not in published["why"]


def test_every_fold_has_its_own_shade() -> None:
    assert len(set(fold_colours(12))) == 12


def test_the_roc_of_one_class_of_three_gives_the_area_of_that_class() -> None:
    content = metrics(0.6, 0.9) | {"classes": ["X", "Y", "Z"], "per_class": {"X": {"auc": {"estimate": 0.91}}}}
    content["roc"] = {"fpr": [0, 0.2, 1], "tpr": [0, 0.8, 1], "low": [], "high": []}
    drawn = str(roc_figure(content))
    assert "X against the rest" in drawn
    assert "AUC 0.91" in drawn
    assert "0.75" not in drawn


def test_an_interval_that_is_missing_is_no_verdict() -> None:
    content = metrics(0.6, 0.9)
    content["headline"] = {"auc": {"estimate": None, "low": None, "high": None}, "accuracy": None}
    assert headline(content, False).tone == "open"


def test_background_is_black_and_brain_is_not() -> None:
    image = np.zeros((1, 4, 4), np.float32)
    image[0, 1:3, 1:3] = [[-2, -1], [0.5, 2]]
    shown = grey(image)
    assert shown[0, 0, 0] == 0
    assert shown[0, 1, 1] == 25
    assert shown[0, 2, 2] == 255


def test_slices_stand_side_by_side_in_their_order() -> None:
    slices = np.stack([np.full((2, 3), value, np.uint8) for value in (1, 2, 3)])
    assert in_a_row(slices).tolist() == [[1, 1, 1, 2, 2, 2, 3, 3, 3]] * 2


def test_an_empty_attribution_can_be_drawn() -> None:
    assert attribution_strip(np.zeros((5, 8, 8)), np.zeros((5, 8, 8))).startswith("data:image/png")


def test_bars_hold_the_value_of_each_slice() -> None:
    drawn = slice_bars([0.5, -0.25], [20.0, 0.0], colour="#123456")
    assert "+0.50" in drawn
    assert "−0.25" in drawn
    assert drawn.count('fill="#123456"') == 1


SPLITS = pd.DataFrame(
    [
        (0, 0, "a", "1", "train"),
        (0, 0, "a", "2", "train"),
        (0, 0, "b", "1", "validation"),
        (0, 0, "c", "1", "test"),
        (0, 1, "a", "1", "validation"),
        (0, 1, "a", "2", "validation"),
        (0, 1, "b", "1", "train"),
        (0, 1, "c", "1", "test"),
    ],
    columns=["repeat", "fold", "participant_id", "session_id", "role"],
)
LABELS = {"a": "X", "b": "X", "c": "Y"}


def test_the_flow_counts_people_scans_and_what_was_left_out() -> None:
    exclusions = pd.DataFrame({"stage": ["files", "files"]})
    flow = count_flow((6, 9), exclusions, SPLITS, LABELS, ["X", "Y"], "held-out-draw")
    assert flow.excluded == {"files": 2}
    assert flow.not_selected == 3
    assert flow.analysed == (3, 4)
    assert flow.by_class == {"X": (2, 3, 1, 0), "Y": (1, 1, 1, 1)}


def test_a_shared_flow_has_no_number_from_one_to_four() -> None:
    flow = count_flow((60, 61), pd.DataFrame({"stage": ["files", "files"]}), SPLITS, LABELS, ["X", "Y"], "held-out-draw")
    words = " ".join(text for step in flow_steps(flow, share=True) for text in (*step.lines, *step.leaves))
    assert not {"1", "2", "3", "4"} & set(words.replace("fewer than 5", "").replace("from 1 to 4", "").split())


def test_sizes_are_ranges_where_they_differ() -> None:
    rows = {row["role"]: row["cells"] for row in split_sizes(SPLITS, LABELS, ["X", "Y"])}
    assert rows["train"]["X"] == ("1", "1–2")
    assert rows["test"]["Y"] == ("1", "1")


def test_unknown_figures_come_after_known_ones() -> None:
    table = pd.DataFrame(
        {
            "participant_id": ["a", "b", "c"],
            "session_id": "",
            "status": ["done", "done", "failed"],
            "wm_dice": [np.nan, 0.7, np.nan],
        }
    )
    assert worst_first(table)["participant_id"].tolist() == ["c", "b", "a"]
