"""Small counts that a shared report hides cannot be worked out from those it shows."""

from __future__ import annotations

import doctest

import pandas as pd

from dawson.report import disclosure, split_picture
from dawson.report.disclosure import masked_matrix, secrets_of
from dawson.report.flow import Flow, flow_steps
from dawson.report.sharing import HIDDEN, hide_small_cells

Counts = tuple[int, int, int, int]


def flow(on_disk: tuple[int, int], **by_class: Counts) -> Flow:
    people, scans = (sum(row[place] for row in by_class.values()) for place in (0, 1))
    return Flow(on_disk, {}, 0, (people, scans), by_class, "nested-k-fold")


def words(shown: Flow) -> str:
    return " | ".join(line for step in flow_steps(shown, share=True) for line in (*step.lines, *step.leaves))


def test_examples_in_the_docstrings_hold() -> None:
    for module in (disclosure, split_picture):
        assert doctest.testmod(module).failed == 0


def test_a_small_class_takes_the_totals_and_the_next_smallest_class_with_it() -> None:
    shown = flow((63, 93), A=(30, 50, 10, 30), B=(3, 3, 3, 3), C=(20, 30, 10, 20))
    secrets = secrets_of(shown)
    assert secrets.people == secrets.scans == secrets.tested == {"B", "C"}
    assert secrets.tested_total
    assert secrets.on_disk
    text = words(shown)
    assert "hidden participants, hidden scans | A: 30 with 50 scans | B: hidden with hidden scans | C: hidden" in text
    assert not {"53", "83", "63", "93"} & set(text.replace(",", "").split())


def test_a_few_more_scans_than_people_are_hidden() -> None:
    secrets = secrets_of(flow((60, 71), A=(30, 32, 28, 30), B=(30, 39, 21, 30)))
    assert not secrets.people
    assert secrets.scans == {"A", "B"}
    assert "A" in secrets.followed


def test_the_dataset_is_hidden_where_few_of_its_people_were_left_out() -> None:
    assert secrets_of(flow((62, 110), A=(30, 50, 10, 30), B=(30, 50, 10, 30))).on_disk
    assert not secrets_of(flow((60, 100), A=(30, 50, 10, 30), B=(30, 50, 10, 30))).on_disk


def test_the_total_of_test_patients_does_not_give_a_hidden_class_away() -> None:
    secrets = secrets_of(flow((60, 100), A=(30, 50, 20, 20), B=(30, 50, 20, 27)))
    assert secrets.tested == {"A", "B"}
    assert not secrets.tested_total


def test_nothing_is_hidden_where_nothing_is_small() -> None:
    shown = flow((60, 100), A=(30, 50, 20, 20), B=(30, 50, 20, 20))
    assert HIDDEN not in words(shown)
    assert masked_matrix([[15, 5], [6, 14]], False) == [[15, 5], [6, 14]]


def test_no_row_is_shown_where_numbers_of_test_patients_are_hidden() -> None:
    assert masked_matrix([[15, 5], [0, 14]], True) == [[None, None], [None, None]]


def test_table_one_does_not_tell_how_few_have_a_second_scan() -> None:
    columns = ["part", "variable", "level", "missing", "overall", "A", "B", "p", "test"]
    rows = [["Participants", "n", "", "", "60", "30", "30", "", ""], ["Scans", "n", "", "", "71", "32", "39", "", ""]]
    shown = hide_small_cells(pd.DataFrame(rows, columns=columns))
    assert shown["A"].tolist() == ["30", HIDDEN]


def test_no_role_of_a_class_is_shown_where_one_is_small() -> None:
    roles = ["train"] * 12 + ["validation"] * 3 + ["test"] * 6
    splits = pd.DataFrame({"repeat": 0, "fold": 0, "participant_id": [f"p{i}" for i in range(21)], "session_id": "1", "role": roles})
    rows = split_picture.split_sizes(splits, {f"p{i}": "A" for i in range(21)}, ["A"], share=True)
    assert {row["cells"]["A"] for row in rows} == {(HIDDEN, HIDDEN)}
