"""Leaderboards: who counts, what is shown when, and that a missing case never helps."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from dawson.challenge.certificate import certificate_holds, write_certificate
from dawson.challenge.entries import take_entry
from dawson.challenge.leaderboard import make_leaderboard
from dawson.challenge.scoring import score_entry
from dawson.errors import ChallengeError
from dawson.files import read_json, write_json
from dawson.report.challenge_page import write_leaderboard

DURING, AFTER = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def entered(mask_challenge, material, tmp_path):
    """Answers of teams, scored: a function of team, cases, and how far the masks are moved."""
    challenge, settings = mask_challenge

    def enter(team, cases, moved=0, phase="open", **more):
        masks = {f"{case}.nii.gz": material.packed(np.roll(material.truth_of(case), moved, axis=0)) for case in cases}
        answer = material.answer_zip(tmp_path / f"{team}{phase}{moved}.zip", masks)
        return score_entry(challenge, take_entry(challenge, settings, answer, team, phase=phase, at=DURING, **more).entry_id)

    return challenge, settings, enter


def test_better_masks_come_first_and_the_last_entry_of_a_team_counts(entered, material):
    challenge, settings, enter = entered
    enter("Good", material.CASES[:4], moved=1)
    enter("Bad", material.CASES[:4], moved=2)
    enter("Good", material.CASES[:4])
    board = make_leaderboard(challenge, settings, "open", at=DURING)
    assert [board.board.entries[place].team for place in board.competitors] == ["Good", "Bad"]
    good = [entry.team for entry in board.board.entries].index("Good")
    assert board.standings[0].means[good].estimate == 1


def test_who_leaves_the_hard_cases_out_does_not_gain(entered, material):
    challenge, settings, enter = entered
    enter("All", material.CASES[:4], moved=1)
    enter("One", material.CASES[:1])
    board = make_leaderboard(challenge, settings, "open", at=DURING)
    assert [board.board.entries[place].team for place in board.competitors] == ["All", "One"]
    one = [entry.team for entry in board.board.entries].index("One")
    assert board.standings[0].means[one].estimate == pytest.approx(0.25)
    assert all(ranks[one] == 2 for scheme, ranks in board.overall.ranks.items() if scheme != "significance")


def test_scores_of_final_cases_are_shown_when_the_phase_has_closed(entered, material):
    challenge, settings, enter = entered
    enter("Team", material.CASES[4:], phase="final")
    with pytest.raises(ChallengeError, match="when it has closed"):
        make_leaderboard(challenge, settings, "final", at=DURING)
    assert make_leaderboard(challenge, settings, "final", at=DURING, organiser=True)
    assert make_leaderboard(challenge, settings, "final", at=AFTER)


def test_an_entry_of_the_organiser_takes_nobodys_rank(entered, material):
    challenge, settings, enter = entered
    enter("Organiser", material.CASES[:4], method="truth", reference=True)
    enter("Team", material.CASES[:4], moved=1)
    board = make_leaderboard(challenge, settings, "open", at=DURING)
    assert len(board.competitors) == 1
    page = write_leaderboard(challenge, settings, board, at=DURING)
    rows = read_json(page.with_suffix(".json"))["entries"]
    assert [(row["team"], row["rank"]) for row in rows] == [("Organiser", 1), ("Team", 1)]


def test_the_page_says_what_it_must_and_no_score_of_a_case_before_the_end(entered, material):
    challenge, settings, enter = entered
    enter("Team <b>"[:4], material.CASES[:4], moved=1)
    enter("Other", material.CASES[:4], moved=2)
    text = write_leaderboard(challenge, settings, make_leaderboard(challenge, settings, "open", at=DURING), at=DURING).read_text()
    assert "Research use only" in text and "Simulated data" in text
    assert "Kendall" in text
    assert "each case" not in text and "By site" not in text
    assert not any(case in text for case in material.CASES)
    text = write_leaderboard(challenge, settings, make_leaderboard(challenge, settings, "open", at=AFTER), at=AFTER).read_text()
    assert "each case" in text and "By site" in text
    # site B has one person among the open cases: too few to be told apart
    assert "<th>B" not in text and "<th>A" in text


def test_the_organisers_page_lies_in_the_hidden_folder(entered, material):
    challenge, settings, enter = entered
    enter("Team", material.CASES[:4], moved=1)
    board = make_leaderboard(challenge, settings, "open", at=DURING, organiser=True)
    page = write_leaderboard(challenge, settings, board, organiser=True, at=DURING)
    assert page.is_relative_to(challenge / "hidden")
    assert "organiser only" in page.read_text()


def test_an_auc_is_ranked_by_its_value_and_bootstrapped_over_people(table_challenge, tmp_path, material):
    truth = ["MS", "MS", "NMOSD", "NMOSD"] * 2
    challenge, settings = table_challenge("diagnosis", {"diagnosis": truth}, ("MS", "NMOSD"), metrics=("auc", "brier"))
    for team, given in (("Right", [0.9, 0.8, 0.2, 0.1]), ("Half", [0.9, 0.1, 0.2, 0.8]), ("Wrong", [0.1, 0.2, 0.8, 0.9])):
        answer = tmp_path / f"{team}.csv"
        rows = [f"{case},{value},{1 - value:.3f}" for case, value in zip(material.CASES, given, strict=False)]
        answer.write_text("\n".join(["case,probability_MS,probability_NMOSD", *rows]))
        entry = take_entry(challenge, settings, answer, team, phase="open", at=DURING)
        assert score_entry(challenge, entry.entry_id).state == "scored"
    board = make_leaderboard(challenge, settings, "open", at=DURING)
    assert [mean.estimate for mean in board.standings[0].means] == [1.0, 0.5, 0.0]
    # by hand: 2 (0.1 + 0.2 ...)^2: the Brier score over both classes is twice that of one
    expected = np.mean([2 * (1 - p) ** 2 for p in (0.9, 0.8, 0.8, 0.9)])
    assert board.standings[1].means[0].estimate == pytest.approx(expected)
    assert board.standings[0].beats is None


def test_a_certificate_holds_until_a_digit_is_changed(entered, material, tmp_path):
    challenge, settings, enter = entered
    entry = enter("Team", material.CASES[:4], moved=1)
    board = make_leaderboard(challenge, settings, "open", at=DURING)
    (tmp_path / "keys").mkdir(mode=0o700)
    path = write_certificate(challenge, settings, board, entry.entry_id, keys=tmp_path / "keys")
    content = read_json(path)
    assert certificate_holds(path) and certificate_holds(path, content["public_key"])
    assert not certificate_holds(path, "00" * 32)
    assert content["statement"]["rank"] == 1 and content["statement"]["answer_sha256"] == entry.sha256
    content["statement"]["scores"]["dice"]["mean"] += 0.001
    write_json(path, content)
    assert not certificate_holds(path)
