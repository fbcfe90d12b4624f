"""What is hidden before a report leaves the house."""

from __future__ import annotations

import pandas as pd
import pytest

from dawson.errors import DawsonError
from dawson.report.sharing import HIDDEN, hide_small_cells, refuse_individuals, without_private

COLUMNS = ["part", "variable", "level", "missing", "overall", "A", "B", "p", "test"]


def table(*rows: list[str]) -> pd.DataFrame:
    return pd.DataFrame([["Participants", *row, "", ""] for row in rows], columns=COLUMNS)


def test_a_small_count_is_hidden_in_its_row_and_in_one_more() -> None:
    shown = hide_small_cells(
        table(
            ["n", "", "", "100", "60", "40"],
            ["site", "x", "0", "47 (47)", "27 (45)", "20 (50)"],
            ["site", "y", "0", "3 (3)", "3 (5)", "0 (0)"],
            ["site", "z", "0", "50 (50)", "30 (50)", "20 (50)"],
        )
    )
    assert shown.loc[2, ["overall", "A", "B"]].tolist() == [HIDDEN] * 3
    # z is larger than x, so x goes with y: the size of the class must not give y back.
    assert shown.loc[1, ["overall", "A", "B"]].tolist() == [HIDDEN] * 3
    assert shown.loc[3, "A"] == "30 (50)"
    assert shown.loc[0, "A"] == "60"


def test_means_stay_and_a_variable_without_small_counts_stays() -> None:
    whole = table(
        ["n", "", "", "100", "60", "40"],
        ["age", "mean (SD)", "0", "4.0 (1.0)", "3.0 (1.0)", "4.5 (1.0)"],
        ["sex", "F", "0", "50 (50)", "30 (50)", "20 (50)"],
        ["sex", "M", "0", "50 (50)", "30 (50)", "20 (50)"],
    )
    assert hide_small_cells(whole).to_numpy().tolist() == whole.to_numpy().tolist()


def test_a_class_of_few_people_loses_the_whole_part() -> None:
    shown = hide_small_cells(table(["n", "", "", "44", "40", "4"], ["age", "mean (SD)", "0", "40.0 (1.0)", "41.0 (1.0)", "39.0 (1.0)"]))
    assert set(shown[["overall", "A", "B"]].to_numpy().ravel()) == {HIDDEN}


def test_few_missing_values_are_hidden_and_cannot_be_worked_out() -> None:
    shown = hide_small_cells(
        table(
            ["n", "", "", "100", "60", "40"],
            ["sex", "F", "2", "50 (51)", "30 (50)", "20 (53)"],
            ["sex", "M", "", "48 (49)", "30 (50)", "18 (47)"],
        )
    )
    assert shown.loc[1, "missing"] == HIDDEN
    assert shown.loc[2, "B"] == HIDDEN
    assert shown.loc[1, "B"] == "20 (53)"


def test_zero_is_about_nobody() -> None:
    whole = table(
        ["n", "", "", "100", "60", "40"],
        ["aqp4", "no", "0", "60 (60)", "60 (100)", "0 (0)"],
        ["aqp4", "yes", "0", "40 (40)", "0 (0)", "40 (100)"],
    )
    assert hide_small_cells(whole).to_numpy().tolist() == whole.to_numpy().tolist()


@pytest.mark.parametrize("page", ["<p>sub-07</p>", "<p>see sub-07_ses-01</p>", '<img src="data:image/png;base64,AA">'])
def test_a_page_with_an_individual_is_refused(page: str) -> None:
    refuse_individuals(page.replace("data:image", ""), {"sub-0", "sub-071"})
    with pytest.raises(DawsonError, match="not written"):
        refuse_individuals(page, {"sub-07"})


def test_paths_and_hosts_are_private() -> None:
    assert without_private([("python", "3.11"), ("host", "x"), ("study", "/home/x"), ("packages · torch", "2")]) == [
        ("python", "3.11"),
        ("packages · torch", "2"),
    ]
