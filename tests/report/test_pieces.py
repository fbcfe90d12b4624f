"""Numbers, pictures, sentences and counts that the reports are made of."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd

from dawson.report import formatting, images, sharing
from dawson.report.flow import count_flow, flow_steps
from dawson.report.headline import headline
from dawson.report.images import attribution_strip, grey, in_a_row, slice_bars
from dawson.report.preprocess_index import worst_first
from dawson.report.split_picture import split_sizes


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
