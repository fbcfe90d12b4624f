"""Pseudonyms, UIDs and shifts that depend on the secret and the patient, and on nothing else."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawson.errors import IntakeError
from dawson.intake.pseudonyms import SHIFT_DAYS_LEAST, SHIFT_DAYS_MOST, Pseudonymiser, is_nobody

KEY = Pseudonymiser(b"a secret for the tests, 32 bytes")


def test_known_answers_hold_for_ever():
    # Worked out apart from the code, with hmac and hashlib alone. The layout of the message is part of the format:
    # a change would give every patient a second name.
    assert KEY.participant("PAT-77123") == "D0A13J1VSFP"
    assert KEY.shift_days("PAT-77123") == -1685
    assert KEY.uid("1.2.3.4") == "2.25.52795256829817120130291081020217650164"


@given(st.text(min_size=1, max_size=40).filter(lambda text: not is_nobody(text)))
def test_labels_are_fit_for_bids_and_shifts_are_in_range(number):
    label = KEY.participant(number)
    assert label.isascii() and label.isalnum() and label[0] == "D" and label[1].isdigit() and len(label) == 11
    assert SHIFT_DAYS_LEAST <= -KEY.shift_days(number) <= SHIFT_DAYS_MOST


@given(st.text(max_size=70))
def test_uids_are_valid(uid):
    made = KEY.uid(uid)
    assert len(made) <= 64 and made.startswith("2.25.")
    number = uuid.UUID(int=int(made[5:]))
    assert (number.version, number.variant) == (8, uuid.RFC_4122)


@pytest.mark.parametrize("other", ["pat-77123", " PAT-77123 ", "ＰＡＴ-77123", "PAT-77123\0"])
def test_case_width_and_padding_make_no_other_person(other):
    assert KEY.participant(other) == KEY.participant("PAT-77123")


def test_numbers_and_issuers_do_not_run_into_each_other():
    assert KEY.participant("12", "3") != KEY.participant("1", "23")
    assert KEY.participant("0123") != KEY.participant("123")


def test_ten_thousand_patients_have_ten_thousand_names():
    assert len({KEY.participant(f"P{number}") for number in range(10_000)}) == 10_000


def test_another_secret_gives_another_name():
    assert Pseudonymiser(b"x" * 32).participant("P1234") != KEY.participant("P1234")


def test_a_short_secret_is_refused_and_a_secret_is_never_shown():
    with pytest.raises(IntakeError, match="16"):
        Pseudonymiser(b"short")
    assert "secret for the tests" not in repr(KEY)


def test_nobody_has_no_name():
    with pytest.raises(IntakeError):
        KEY.participant("anonymous")
    with pytest.raises(IntakeError):
        KEY.shift_days("")
