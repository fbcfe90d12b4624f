"""Reasons not to take a series whatever its rules say: pixels that may show a name, and doubts about whose it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from dawson.cohort.layout import folders
from dawson.files import read_json, read_tsv
from dawson.governance.gate import is_withdrawn
from dawson.intake.header_values import plain_number
from dawson.intake.pseudonyms import Pseudonymiser, is_nobody
from dawson.intake.record import Record
from dawson.intake.series import Series
from dawson.intake.session_names import session_name

Doubt = tuple[Literal["hold", "reject"], str]
RETURNED = "it is a scan of somebody who has withdrawn from this study, under another number"
# Zeros in front of a number, in a text whose signs are gone.
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_LAST_DIGITS = re.compile(r"(.*?)(\d+)", re.ASCII)
_MOST_DIGITS = 14


def identity_of(series: Series, names: Pseudonymiser, use_issuer: bool) -> tuple[str, str]:
    """Participant and session of a series; empty where the header does not say."""
    header = series.header
    if is_nobody(header.patient_id):
        return "", ""
    issuer = header.issuer if use_issuer else ""
    person = f"sub-{names.participant(header.patient_id, issuer)}"
    if not header.date:
        return person, ""
    day = date(int(header.date[:4]), int(header.date[4:6]), int(header.date[6:]))
    return person, session_name(day + timedelta(days=names.shift_days(header.patient_id, issuer)))


def unsafe_pixels(series: Series) -> Doubt | None:
    if not series.unsafe:
        return None
    no_image = "is no MR image" in series.unsafe or "no image" in series.unsafe
    return ("reject", f"it {series.unsafe}") if no_image else ("hold", f"in quarantine: it {series.unsafe}")


def no_identity(series: Series, person: str, session: str) -> Doubt | None:
    if not person:
        return "hold", "the header names no patient, or a placeholder that several people could share"
    if not session:
        return "hold", "the header has no date, so its place among the visits is unknown"
    return None


def withdrawn(study: Path, person: str, content: str, gone: Collection[str]) -> Doubt | None:
    """Somebody who withdrew, or a scan of such a person under another number: `gone` has the codes of what was theirs."""
    if is_withdrawn(study, person):
        return "reject", "the person has withdrawn from this study"
    return ("reject", RETURNED) if content in gone else None


def alike_people(series: Sequence[Series], names: Pseudonymiser, use_issuer: bool, study: Path) -> dict[str, str]:
    """People whose patient number is spelt almost as that of another person, of this source or of the study, and whom it resembles.

    Zeros in front and signs between are what two systems write differently. Of people in the study only the pseudonym is known, so
    that other numbers of zeros are tried.
    """
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    known = {folder.name for folder in folders(study, "sub-")} if study.is_dir() else set()
    for one in series:
        person, _ = identity_of(one, names, use_issuer)
        if person:
            issuer = one.header.issuer if use_issuer else ""
            found[_spelling(one.header.patient_id), plain_number(issuer)][person] = one.header.patient_id
    said = {}
    for (_, issuer), people in found.items():
        for person, number in people.items():
            others = {*people, *(known & _with_other_zeros(number, issuer, names))} - {person}
            if others:
                said[person] = (
                    f"its patient number is spelt almost as that of {', '.join(sorted(others))}: look whether they are one person"
                )
    return said


def _spelling(number: str) -> str:
    """A patient number without signs between, and without zeros in front of its numbers."""
    bare = "".join(character for character in plain_number(number) if character.isalnum())
    return _ZEROS.sub("", bare)


def _with_other_zeros(number: str, issuer: str, names: Pseudonymiser) -> set[str]:
    """Pseudonyms of the same number with more or fewer zeros in front of its last digits."""
    parts = _LAST_DIGITS.fullmatch(plain_number(number))
    if parts is None:
        return set()
    start, digits = parts[1], parts[2].lstrip("0") or "0"
    spellings = {f"{start}{digits.zfill(width)}" for width in range(len(digits), _MOST_DIGITS + 1)}
    return {f"sub-{names.participant(spelling, issuer)}" for spelling in spellings if not is_nobody(spelling)}


def stranger(series: Series, person: str, known_sex: dict[str, str], disputed: dict[str, str], simulated: bool | None) -> Doubt | None:
    """Signs that a series is not of the person, or not for the study, that it says."""
    if person in disputed:
        return "hold", disputed[person]
    if person in known_sex and series.header.sex in ("F", "M") and series.header.sex != known_sex[person]:
        return "hold", "the sex in the header is not that of the participants table"
    if simulated is not None and series.header.synthetic != simulated:
        said = ("simulated", "real") if series.header.synthetic else ("real", "simulated")
        return "hold", f"a {said[0]} scan for a study of {said[1]} people"
    return None


def disputed_people(series: Sequence[Series], names: Pseudonymiser, use_issuer: bool) -> dict[str, str]:
    """People whose headers speak of more than one person, and how."""
    births: dict[str, set[str]] = defaultdict(set)
    sexes: dict[str, set[str]] = defaultdict(set)
    owners: dict[str, set[str]] = defaultdict(set)
    issuers: dict[str, set[str]] = defaultdict(set)
    for one in series:
        person, _ = identity_of(one, names, use_issuer)
        if not person:
            continue
        births[person] |= {one.header.birth_date} - {""}
        sexes[person] |= {one.header.sex} & {"F", "M"}
        owners[one.header.series_uid].add(person)
        issuers[identity_of(one, names, False)[0]].add(one.header.issuer)
    found = {
        person: "the headers give this patient number two birth dates: two people may be mixed"
        for person in births
        if len(births[person]) > 1
    }
    found |= {
        person: "the headers give this patient number two sexes: two people may be mixed" for person in sexes if len(sexes[person]) > 1
    }
    for people in owners.values():
        if len(people) > 1:
            found |= dict.fromkeys(people, "one series claims to be of two patients")
    for one in series if use_issuer else ():
        number = identity_of(one, names, False)[0]
        if number and "" in issuers[number] and len(issuers[number]) > 1:
            found[identity_of(one, names, True)[0]] = (
                "only some files name the issuer of this patient number; --ignore-issuer takes them as one person"
            )
    return found


def known_sexes(study: Path) -> dict[str, str]:
    path = study / "participants.tsv"
    if not path.is_file():
        return {}
    table = read_tsv(path, text=("sex",))
    if not {"participant_id", "sex"} <= set(table.columns):
        return {}
    return {str(person): str(sex) for person, sex in zip(table["participant_id"], table["sex"], strict=True) if sex in ("F", "M")}


def study_kind(study: Path, record: Record) -> bool | None:
    """Whether a study is of simulated people; None for one without any."""
    taken = {row.get("simulated") for row in record.rows() if row["status"] == "taken"}
    if taken:
        return "true" in {str(value).lower() for value in taken}
    if not study.is_dir() or not folders(study, "sub-"):
        return None
    description = study / "dataset_description.json"
    makers = read_json(description).get("GeneratedBy", []) if description.is_file() else []
    return any(str(maker.get("Name", "")).startswith("dawson simulate") for maker in makers)
