"""One record, one use, one moment: every limit by a hand-worked answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from dawson.governance.consent import ConsentRecord
from dawson.governance.permission import Use, refusal

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
COVERED = frozenset({"SI", "DE"})


def record(*scope: str, **fields: Any) -> ConsentRecord:
    whole = {"participant_id": "sub-01", "form": "v1", "scope": scope or ("GRU",), "given": date(2025, 1, 1), **fields}
    return ConsentRecord.model_validate(whole)


@pytest.mark.parametrize(
    ("at", "permitted"),
    [
        (datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), False),
        (datetime(2025, 1, 1, tzinfo=UTC), True),
        (datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), True),
        (datetime(2026, 1, 1, tzinfo=UTC), False),
        # Half past midnight in Seoul is still the last day in UTC.
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=9))), True),
    ],
)
def test_consent_holds_on_its_first_and_on_its_last_day_in_utc(at: datetime, permitted: bool) -> None:
    held = record(expires=date(2025, 12, 31))
    assert (refusal(held, Use("train"), COVERED, at) == "") == permitted


@pytest.mark.parametrize(
    ("held", "use", "part"),
    [
        (record(), Use("train"), ""),
        (record(), Use("train", commercial=True), "does not name commercial use"),
        (record(commercial=True), Use("train", commercial=True), ""),
        (record("GRU", "NCU"), Use("train", commercial=True), "NCU"),
        (record("GRU", "NPU"), Use("train", commercial=True), "NPU"),
        (record("GRU", "NPUNCU"), Use("train", commercial=True), "NPUNCU"),
        (record("GRU", "NPUNCU"), Use("train"), ""),
        (record("GRU", "GS", countries=("SI",)), Use("train", country="SI"), ""),
        (record("GRU", "GS", countries=("SI",)), Use("train", country="DE"), "limited to use in SI"),
        (record("GRU", "GS", countries=("SI",)), Use("train"), "does not say where"),
        (record(), Use("export", country="DE"), ""),
        (record(), Use("export", country="KR"), "third countries, and KR is one"),
        (record("GRU", "third-countries"), Use("export", country="KR"), ""),
        (record(), Use("export"), "does not say to which country"),
        (record(), Use("analyse", country="KR"), "third countries"),
        (record(), Use("annotate", public=True), "annotation by the public"),
        (record("GRU", "public-annotation"), Use("annotate", public=True), ""),
        (record("GRU", "public-annotation", "third-countries"), Use("export", public=True), "release to everybody"),
        (record("GRU", "public-release"), Use("export", public=True), "third countries"),
        (record("GRU", "public-release", "third-countries"), Use("export", public=True), ""),
        (record("GRU", "project specific restriction"), Use("train"), "cleared by a person"),
        (record("GRU", "GSO"), Use("train"), "genetic studies only"),
        (None, Use("train"), "no consent is on record"),
        (ConsentRecord(participant_id="sub-01", status="withdrawn"), Use("train"), "withdrawn"),
    ],
)
def test_limits_and_grants(held: ConsentRecord | None, use: Use, part: str) -> None:
    reason = refusal(held, use, COVERED, NOON)
    assert part in reason
    assert bool(reason) == bool(part)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"scope": ()}, "exactly one permission"),
        ({"scope": ("GRU", "HMB")}, "exactly one permission"),
        ({"scope": ("NCU",)}, "exactly one permission"),
        ({"scope": ("DS",)}, "diseases go together"),
        ({"scope": ("GRU",), "diseases": ("MS",)}, "diseases go together"),
        ({"scope": ("GRU", "GS")}, "countries go together"),
        ({"scope": ("GRU", "TS")}, "needs the date"),
        ({"scope": ("GRU", "NCU"), "commercial": True}, "at once"),
        ({"expires": date(2024, 1, 1)}, "before given"),
        ({"given": None}, "given, the date"),
        ({"form": " "}, "version of the form"),
        ({"participant_id": "01"}, "sub- and letters or digits"),
        ({"participant_id": "sub-../x"}, "sub- and letters or digits"),
        ({"scope": ("GRU", "XX")}, "not known"),
        ({"scope": ("GRU", "GS"), "countries": ("Slovenia",)}, "two letters"),
        ({"evidence_sha256": "abc"}, "SHA-256"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        record(**{"scope": ("GRU",), **fields})
