"""The checklists: all items, each answered or left to the author, and the guard's own word on leakage."""

from __future__ import annotations

import shutil
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from dawson.errors import LeakageError
from dawson.files import read_tsv, write_tsv
from dawson.report.checklists import Checklist, Item, answer_text, as_markdown, fill, guard_statement, read_checklists
from dawson.report.study import write_study_report

Study = tuple[Path, Path]
PARTS = {
    3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab", 27: "abc",
}  # fmt: skip
TRIPOD = [f"{number}{part}" for number in range(1, 28) for part in PARTS.get(number, [""])]


@pytest.fixture(scope="module")
def table(found_study: Study) -> str:
    return (found_study[0] / "checklists.md").read_text()


def test_all_items_are_there_in_order() -> None:
    tripod, claim = read_checklists()
    assert [item.number for item in tripod.items] == TRIPOD
    assert len(TRIPOD) == 52
    assert [item.number for item in claim.items] == [str(n) for n in range(1, 45)]


def rows_of(table: str, name: str) -> list[list[str]]:
    part = table.split(f"## {name}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize(("name", "count"), [("TRIPOD+AI", 52), ("CLAIM 2024", 44)])
def test_every_item_has_an_answer_or_is_for_the_author(table: str, name: str, count: int) -> None:
    rows = rows_of(table, name)
    assert len(rows) == count
    for number, asked, answer in rows:
        assert asked.startswith("**")
        assert answer, number
    assert sum(answer.startswith("**For the author") for _, _, answer in rows) < count / 4


def test_every_fact_that_a_checklist_asks_for_exists(found_study: Study, real_study: Study) -> None:
    # Only the number of sites may be unknown; an answer that is misspelt would be left to the author without a word.
    write_study_report(*real_study)
    for study in (found_study, real_study):
        markdown = (study[0] / "checklists.md").read_text()
        for checklist in read_checklists():
            answers = {row[0]: row[2] for row in rows_of(markdown, checklist.name)}
            for item in checklist.items:
                if item.answer:
                    assert not answers[item.number].startswith("**For the author"), item.answer


def test_an_item_without_a_fact_is_for_the_author() -> None:
    items = (Item("1", "s", "t", "a?", "known"), Item("2", "s", "t", "a?", "unknown"), Item("3", "s", "t", "a?", "known", "the rest"))
    filled = fill(Checklist("X", "Y", items), {"known": "It is so."})
    assert [answer_text(entry) for entry in filled.entries] == [
        "It is so.", "**For the author**", "It is so. **For the author:** the rest",
    ]  # fmt: skip
    assert (filled.answered, filled.open) == (2, 2)
    assert [entry.new_section for entry in filled.entries] == [True, False, False]


def test_simulated_data_are_called_so() -> None:
    assert "**Simulated data.**" in as_markdown([], simulated=True)
    assert "imulated" not in as_markdown([], simulated=False)


def test_the_guard_itself_says_that_nobody_is_in_two_partitions(found_study: Study, table: str) -> None:
    said = guard_statement(read_tsv(found_study[0] / "splits.tsv"))
    assert said.startswith("No person is in two partitions: the guard read the splits of all 4 test sets again")
    answers = {row[0]: row[2] for row in rows_of(table, "TRIPOD+AI")}
    assert said in answers["12a"]
    assert said in {row[0]: row[2] for row in rows_of(table, "CLAIM 2024")}["20"]
    assert said in unescape((found_study[0] / "report.html").read_text())


def test_a_leak_in_the_splits_stops_the_report(found_study: Study, tmp_path: Path) -> None:
    experiment = Path(shutil.copytree(found_study[0], tmp_path / "main"))
    (experiment / "report.html").unlink(missing_ok=True)
    splits = read_tsv(experiment / "splits.tsv")
    tested = splits[(splits["repeat"] == 0) & (splits["fold"] == 0) & (splits["role"] == "test")].index[0]
    leaked = splits.loc[[tested]].assign(session_id="ses-99", role="train")
    write_tsv(experiment / "splits.tsv", pd.concat([splits, leaked], ignore_index=True))
    with pytest.raises(LeakageError, match="train and test"):
        write_study_report(experiment, found_study[1])
    assert not (experiment / "report.html").exists()


def test_medians_of_comparators_are_no_secret(found_study: Study, real_study: Study, table: str) -> None:
    write_study_report(*real_study)
    said = "No image was imputed; comparators fill missing columns with medians of the training people and flag them."
    assert said in table
    bare = (real_study[0] / "checklists.md").read_text()
    assert said not in bare
    assert "Nothing was imputed." in bare


def test_a_shared_report_does_not_show_the_selection(found_study: Study) -> None:
    shared = (found_study[0] / "report-shared.html").read_text()
    assert "A selection by the study file was applied." in shared
    assert "sub-P999" not in shared
