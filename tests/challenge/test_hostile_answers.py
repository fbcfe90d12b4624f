"""Answers that mean ill, or are merely wrong: always explained, never scored, never a crash."""

from __future__ import annotations

import gzip
import random
import struct
import zipfile

import nibabel as nib
import numpy as np
import pytest

from dawson.challenge.entries import take_entry
from dawson.challenge.scoring import check_answer, score_entry

CASE = "sub-0001_ses-01"


def nan_mask(truth):
    mask = truth.astype(np.float32)
    mask[0, 0, 0] = np.nan
    return mask


def header_says(mask, offset, kind, value):
    content = bytearray(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4)).to_bytes())
    struct.pack_into(kind, content, offset, value)
    return gzip.compress(bytes(content))


def shifted(millimetres):
    affine = np.eye(4)
    affine[0, 3] = millimetres
    return affine


# What a packed mask of a case becomes; `pack` packs voxels.
WRONG = {
    "shifted": lambda pack, mask: pack(mask, shifted(0.5)),
    "mirrored": lambda pack, mask: pack(mask, np.diag([-1.0, 1, 1, 1])),
    "other shape": lambda pack, mask: pack(mask[..., :15]),
    "4D": lambda pack, mask: pack(np.stack([mask, mask], axis=-1)),
    "labels": lambda pack, mask: pack(mask * 3),
    "halves": lambda pack, mask: pack(mask * 0.5, dtype=np.float32),
    "negative": lambda pack, mask: pack(mask * -1.0, dtype=np.float32),
    "NaN": lambda pack, mask: pack(nan_mask(mask), dtype=np.float32),
    "infinite": lambda pack, mask: pack(np.full(mask.shape, np.inf), dtype=np.float32),
    "complex": lambda pack, mask: pack(mask, dtype=np.complex64),
    "truncated": lambda pack, mask: pack(mask)[:-40],
    "no gzip": lambda pack, mask: gzip.decompress(pack(mask)),
    "no NIfTI": lambda pack, mask: gzip.compress(b"hello" * 100),
    "nothing": lambda pack, mask: gzip.compress(b""),
    "huge dimensions": lambda pack, mask: header_says(mask, 42, "<h", 32000),
    "negative dimensions": lambda pack, mask: header_says(mask, 42, "<h", -16),
    "unknown type": lambda pack, mask: header_says(mask, 70, "<h", 9999),
    "slope": lambda pack, mask: header_says(mask, 112, "<f", 7.0),
    "bomb": lambda pack, mask: gzip.compress(bytes(200 << 20)),
    "random": lambda pack, mask: random.Random(1).randbytes(5000),
}


@pytest.fixture
def good(material):
    """A right answer of the four open cases, by name of file."""
    return {f"{case}.nii.gz": material.packed(material.truth_of(case)) for case in material.CASES[:4]}


@pytest.mark.parametrize("kind", list(WRONG))
def test_a_mask_that_is_wrong_is_named_with_the_reason_and_nothing_is_scored(mask_challenge, material, good, tmp_path, kind):
    challenge, settings = mask_challenge
    answer = material.answer_zip(tmp_path / "answer.zip", good | {f"{CASE}.nii.gz": WRONG[kind](material.packed, material.truth_of(CASE))})
    check = check_answer(challenge, settings, "open", answer)
    assert list(check.problems) == [CASE]
    assert check.problems[CASE]
    assert not check.is_valid


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.nii.gz",
        "/etc/passwd.nii.gz",
        "C:\\x.nii.gz",
        "sub-9999_ses-01.nii.gz",
        "truth.txt",
        "more.zip",
        "\x1b[2J.nii",
        "a/" * 20 + "b.nii",
    ],
)
def test_a_name_that_leads_elsewhere_or_is_no_case_is_refused(mask_challenge, material, good, tmp_path, name):
    challenge, settings = mask_challenge
    answer = material.answer_zip(tmp_path / "answer.zip", good | {name: good[f"{CASE}.nii.gz"]})
    check = check_answer(challenge, settings, "open", answer)
    assert len(check.problems) == 1
    assert all(text.isprintable() for text in check.problems)


def test_a_symbolic_link_in_the_zip_is_refused(mask_challenge, material, good, tmp_path):
    challenge, settings = mask_challenge
    del good[f"{CASE}.nii.gz"]
    answer = material.answer_zip(tmp_path / "answer.zip", good)
    with zipfile.ZipFile(answer, "a") as archive:
        link = zipfile.ZipInfo(f"{CASE}.nii.gz")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../../hidden/truth/" + f"{CASE}.nii.gz")
    assert "link" in check_answer(challenge, settings, "open", answer).problems[f"{CASE}.nii.gz"]


def test_a_case_with_two_masks_is_refused(mask_challenge, material, good, tmp_path):
    challenge, settings = mask_challenge
    answer = material.answer_zip(tmp_path / "answer.zip", good | {f"again/{CASE}.nii": gzip.decompress(good[f"{CASE}.nii.gz"])})
    assert "two masks" in check_answer(challenge, settings, "open", answer).problems[CASE]


def test_what_packing_programs_add_is_left_aside(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    answer = material.true_answer(tmp_path / "answer.zip")
    with zipfile.ZipFile(answer, "a") as archive:
        archive.writestr(f"__MACOSX/._{CASE}.nii.gz", b"x")
        archive.writestr("masks/.DS_Store", b"x")
    check = check_answer(challenge, settings, "open", answer)
    assert check.is_valid
    assert len(check.notes) == 2


def test_a_thousand_damaged_answers_never_crash_and_are_scored_only_where_nothing_is_wrong(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    good = material.true_answer(tmp_path / "good.zip").read_bytes()
    chance = random.Random(7)
    answer = tmp_path / "answer.zip"
    refused = 0
    for _ in range(1000):
        content = bytearray(good)
        for _ in range(chance.choice([1, 1, 3, 20])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.2:
            content = content[: chance.randrange(len(content))]
        answer.write_bytes(bytes(content))
        check = check_answer(challenge, settings, "open", answer)
        assert set(check.present) | set(check.missing) | set(check.problems) >= set(material.CASES[:4]) or check.problems
        refused += not check.is_valid
    assert refused > 500


def test_a_refused_entry_is_kept_with_its_reason_and_has_no_scores(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    answer = material.answer_zip(tmp_path / "answer.zip", {f"{CASE}.nii.gz": b"no mask"})
    entry = take_entry(challenge, settings, answer, "Team", phase="open", at=_during())
    scored = score_entry(challenge, entry.entry_id)
    assert scored.state == "refused"
    assert CASE in scored.reason
    folder = challenge / "entries" / entry.entry_id
    assert not (folder / "scores.tsv").exists()
    assert (folder / "answer.zip").read_bytes() == answer.read_bytes()


def test_scoring_ends_where_memory_or_time_run_out(mask_challenge, material, tmp_path):
    challenge, settings = mask_challenge
    from dawson.challenge.settings import write_challenge

    small = settings.model_copy(update={"limits": settings.limits.model_copy(update={"scoring_memory_mb": 256})})
    write_challenge(challenge, small)
    entry = take_entry(challenge, small, material.true_answer(tmp_path / "answer.zip"), "Team", phase="open", at=_during())
    scored = score_entry(challenge, entry.entry_id)
    assert scored.state == "failed"
    assert "hidden" not in scored.reason
    write_challenge(challenge, settings)
    assert score_entry(challenge, entry.entry_id).state == "scored"


def test_a_table_with_anything_but_numbers_says_which_cell(table_challenge, material, tmp_path):
    challenge, settings = table_challenge("diagnosis", {"diagnosis": ["MS", "NMOSD"] * 4}, ("MS", "NMOSD"))
    answer = tmp_path / "answer.csv"
    first, second, third, fourth = material.CASES[:4]
    rows = [f"{first},0.5,0.6", f"{second},nan,0", f"{third},=1+1,0", f"{fourth},1.5,-0.5", "sub-0007_ses-01,1,0", f"{first},1,0", "x,1"]
    answer.write_text("\n".join(["case,probability_MS,probability_NMOSD", *rows]))
    problems = check_answer(challenge, settings, "open", answer).problems
    assert problems[first] == "has two rows"
    assert "nan" in problems[second]
    assert "=1+1" in problems[third]
    assert "between 0 and 1" in problems[fourth]
    assert "no case of this phase" in problems["line 6"]
    assert "2 cells" in problems["line 8"]


def test_probabilities_that_do_not_add_up_are_refused(table_challenge, material, tmp_path):
    challenge, settings = table_challenge("diagnosis", {"diagnosis": ["MS", "NMOSD"] * 4}, ("MS", "NMOSD"))
    answer = tmp_path / "answer.csv"
    answer.write_text(f"case;probability_MS;probability_NMOSD\n{material.CASES[0]};0.5;0.6\n")
    assert check_answer(challenge, settings, "open", answer).problems == {material.CASES[0]: "its probabilities add up to 1.100, not to 1"}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\n\n", b'case,"probability_MS\n', b"case\n" + b"x" * 100, b"PK\x03\x04"])
def test_a_table_that_is_none_is_refused(table_challenge, tmp_path, content):
    challenge, settings = table_challenge("diagnosis", {"diagnosis": ["MS", "NMOSD"] * 4}, ("MS", "NMOSD"))
    answer = tmp_path / "answer.csv"
    answer.write_bytes(content)
    check = check_answer(challenge, settings, "open", answer)
    assert "table" in check.problems
    assert not check.is_valid


def _during():
    from datetime import UTC, datetime

    return datetime(2026, 2, 1, tzinfo=UTC)
