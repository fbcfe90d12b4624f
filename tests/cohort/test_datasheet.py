from __future__ import annotations

from dataclasses import replace

import pytest

from dawson.cohort.datasheet import AUTHOR, DatasheetFacts, datasheet, open_questions

REAL = DatasheetFacts(
    name="Tiny",
    version="1.0.0",
    day="2026-06-01",
    simulated=False,
    people=3,
    chosen=5,
    sessions=4,
    images=8,
    refused=2,
    managed=True,
    table="| n | 3 |",
    missing={"age": 0, "edss": 2},
    rare=1,
    purpose="disease-research",
    diseases="MS, NMOSD",
    country="SI",
    recipient="Dr Far",
    agreement="DUA-7",
    licence="LicenseRef-DUA",
    licence_url="",
    commercial=False,
    public=False,
    faces="Removed.",
    changes=("Dates were taken out.",),
    derivatives=False,
    software="Dawson 0",
)


def answer(text: str, question: str) -> str:
    lines = text.splitlines()
    return lines[lines.index(f"**{question}**") + 2]


def test_the_seven_sections_of_a_datasheet_are_there():
    titles = [line[3:] for line in datasheet(REAL).splitlines() if line.startswith("## ")]
    assert [title.split(". ")[0] for title in titles] == list("1234567")
    for word in ("Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"):
        assert any(word in title for title in titles)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What do the instances stand for, and how many are there?", "3 people, 4 sessions, 8 images."),
        (
            "Is it a sample of a larger set?",
            "It holds 3 of 5 people whom the selection from the study chose. Of the others 2 did not consent",
        ),
        ("Is anything missing?", "Without a value: edss of 2."),
        ("For what may it be used?", "disease-research on MS, NMOSD. Commercial use: no. Consent was asked for that."),
        ("To whom does it go?", "Dr Far Agreement: DUA-7. Country: SI."),
        ("Were faces removed?", "Removed."),
        ("What was taken out or changed for this export?", "- Dates were taken out."),
        ("Did the people consent, and can they withdraw?", "Consent was checked for each person on 2026-06-01"),
    ],
)
def test_what_is_known_is_filled_in(question, said):
    assert answer(datasheet(REAL), question).startswith(said)


def test_what_is_not_known_is_left_to_the_author_and_counted():
    text = datasheet(REAL)
    assert answer(text, "For what purpose was the dataset made?") == AUTHOR
    more = datasheet(replace(REAL, description={"Funding": "A fund", "EthicsApprovals": "12/2020"}))
    assert answer(more, "Was there an ethical review?") == "12/2020"
    assert open_questions(text) - open_questions(more) == 2


def test_simulated_data_are_called_simulated_and_need_no_consent():
    text = datasheet(replace(REAL, simulated=True, managed=False))
    assert "SIMULATED DATA" in text and "3 simulated people" in text
    assert answer(text, "Did the people consent, and can they withdraw?") == "Not needed: the data are simulated."
