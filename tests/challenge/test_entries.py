"""Entries are taken by the rules, kept as they came, and scored beside the hidden truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dawson.challenge.entries import answer_path, read_entries, take_entry
from dawson.challenge.scoring import score_entry
from dawson.errors import ChallengeError, ConfigError
from dawson.files import read_tsv

DURING = datetime(2026, 2, 1, 12, tzinfo=UTC)


def one_mask(material, path, number):
    """An answer of its own: another case is answered each time."""
    case = material.CASES[number]
    return material.answer_zip(path, {f"{case}.nii.gz": material.packed(material.truth_of(case))})


def test_an_entry_is_kept_byte_for_byte_under_a_name_of_ours(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    answer = material.true_answer(tmp_path / "..evil name.zip")
    entry = take_entry(challenge, settings, answer, "Team 1", method="U-Net", at=DURING)
    assert answer_path(challenge, entry).read_bytes() == answer.read_bytes()
    assert answer_path(challenge, entry).name == "answer.zip"
    assert read_entries(challenge) == [entry]


def test_a_late_and_an_early_entry_are_refused(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    answer = material.true_answer(tmp_path / "answer.zip")
    for moment in (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)):
        with pytest.raises(ChallengeError, match="takes no entries"):
            take_entry(challenge, settings, answer, "Team", phase="open", at=moment)
    with pytest.raises(ConfigError, match="No phase"):
        take_entry(challenge, settings, answer, "Team", at=datetime(2027, 1, 1, tzinfo=UTC))


def test_a_team_has_two_entries_a_day_and_three_in_all(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    answers = [one_mask(material, tmp_path / f"{number}.zip", number) for number in range(4)]
    for place in range(2):
        take_entry(challenge, settings, answers[place], "Team", phase="open", at=DURING + timedelta(hours=place))
    with pytest.raises(ChallengeError, match="within a day"):
        take_entry(challenge, settings, answers[2], "TEAM", phase="open", at=DURING + timedelta(hours=3))
    take_entry(challenge, settings, answers[2], "Team", phase="open", at=DURING + timedelta(hours=25))
    with pytest.raises(ChallengeError, match="All 3 entries"):
        take_entry(challenge, settings, answers[3], "Team", phase="open", at=DURING + timedelta(days=3))
    take_entry(challenge, settings, answers[3], "Others", phase="open", at=DURING + timedelta(days=3))


def test_refused_entries_count_against_no_quota(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    for number in range(3):
        broken = material.answer_zip(tmp_path / "broken.zip", {f"{number}.txt": b"x"})
        entry = take_entry(challenge, settings, broken, "Team", phase="open", at=DURING)
        assert score_entry(challenge, entry.entry_id).state == "refused"
    take_entry(challenge, settings, material.true_answer(tmp_path / "answer.zip"), "Team", phase="open", at=DURING)


def test_the_final_phase_takes_one_entry(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    take_entry(challenge, settings, one_mask(material, tmp_path / "1.zip", 4), "Team", phase="final", at=DURING)
    with pytest.raises(ChallengeError, match="All 1 entries"):
        take_entry(challenge, settings, one_mask(material, tmp_path / "2.zip", 5), "Team", phase="final", at=DURING + timedelta(days=2))


def test_the_same_file_again_is_refused(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    answer = material.true_answer(tmp_path / "answer.zip")
    take_entry(challenge, settings, answer, "Team", phase="open", at=DURING)
    with pytest.raises(ChallengeError, match="very same file"):
        take_entry(challenge, settings, answer, "Team", phase="open", at=DURING + timedelta(days=2))


@pytest.mark.parametrize("team", ["", " x", "../x", "a/b", "x" * 61, "<b>", "a\nb"])
def test_a_team_has_a_name_that_can_be_shown(mask_challenge, material, tmp_path, team):
    challenge, settings = mask_challenge
    with pytest.raises(ChallengeError, match="name of a team"):
        take_entry(challenge, settings, material.true_answer(tmp_path / "answer.zip"), team, phase="open", at=DURING)


def test_the_truth_scores_perfectly_and_nothing_found_scores_worst(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    import numpy as np

    entry = take_entry(challenge, settings, material.true_answer(tmp_path / "answer.zip"), "Truth", phase="open", at=DURING)
    assert score_entry(challenge, entry.entry_id).state == "scored"
    table = read_tsv(challenge / "entries" / entry.entry_id / "scores.tsv")
    higher = ["dice", "ndsc", "lesion_f1", "lesion_f1_iou25", "lesion_recall", "lesion_precision", "isbi_parts"]
    assert (table[higher] == 1).all(axis=None)
    assert (table[["hd95", "assd", "volume_error"]] == 0).all(axis=None)
    empty = {f"{case}.nii.gz": material.packed(np.zeros(material.SHAPE)) for case in material.CASES[:4]}
    entry = take_entry(challenge, settings, material.answer_zip(tmp_path / "empty.zip", empty), "Nothing", phase="open", at=DURING)
    score_entry(challenge, entry.entry_id)
    table = read_tsv(challenge / "entries" / entry.entry_id / "scores.tsv").set_index("case")
    has_lesions = [case for case in material.CASES[:4] if material.truth_of(case).any()]
    assert (table.loc[has_lesions, higher] == 0).all(axis=None)
    diagonal = float(np.linalg.norm(material.SHAPE))
    assert table.loc[has_lesions, "hd95"].between(diagonal - 2, diagonal).all()


def test_a_case_without_an_answer_is_missing_and_the_rest_is_scored(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    entry = take_entry(challenge, settings, one_mask(material, tmp_path / "1.zip", 1), "Team", phase="open", at=DURING)
    assert score_entry(challenge, entry.entry_id).state == "scored"
    table = read_tsv(challenge / "entries" / entry.entry_id / "scores.tsv").set_index("case")
    assert (table["status"] == "missing").sum() == 3
    assert table.loc[material.CASES[1], "dice"] == 1


def test_an_interrupted_copy_is_no_entry(mask_challenge, material, tmp_path, monkeypatch):
    challenge, settings = mask_challenge
    from dawson.challenge import entries

    def breaks(*_):
        raise OSError("disk full")

    monkeypatch.setattr(entries.shutil, "copyfile", breaks)
    with pytest.raises(OSError, match="disk full"):
        take_entry(challenge, settings, material.true_answer(tmp_path / "answer.zip"), "Team", phase="open", at=DURING)
    assert read_entries(challenge) == []
    assert [path.name for path in (challenge / "entries").iterdir()] == [".lock"]
