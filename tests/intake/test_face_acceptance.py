"""A face removal that was doubted is taken on a person's word, and never without one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest

from dawson.errors import IntakeError
from dawson.files import read_json, read_tsv
from dawson.intake import deface
from dawson.intake.batch import Intake, Options, take_in
from dawson.intake.deface import Defaced
from dawson.intake.face_acceptance import FaceAcceptance

MakeSeries = Callable[..., list[Path]]
pytestmark = pytest.mark.usefixtures("keys")
DOUBT = "a face is still there: 27 % of its middle holds tissue."


def _take(source: Path, study: Path, *codes: str, by: str = "A. Neuroradiologist", reason: str = "only fat of the orbit is left") -> Intake:
    word = FaceAcceptance(codes, by, reason) if codes else FaceAcceptance()
    return take_in(source, study, Options(acceptance=word))


def _held(study: Path) -> dict[str, dict[str, Any]]:
    table = read_tsv(study / "derivatives" / "dawson" / "intake.tsv", text=("reason", "face_accepted_by", "face_accepted_reason"))
    return {str(row["series"]): {str(name): value for name, value in row.items()} for row in table.to_dict("records")}


@pytest.fixture
def source(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """One FLAIR of noise; its face removal is doubted, since no face can be found in so small a series."""

    def doubtful(images: Mapping[str, Path], out: Path, *, picture: Path, accepted: Any = (), **_: Any) -> Defaced:
        out.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"heads before and after")
        written = {}
        for path in images.values():
            nib.save(nib.load(path), out / path.name)
            written[path] = out / path.name
        first = next(iter(images.values()))
        if set(images) <= set(accepted):
            return Defaced(first, written, picture, 0, True, "", dict.fromkeys(written, DOUBT))
        return Defaced(first, {}, picture, 0, False, f"{first.name}: {DOUBT}")

    monkeypatch.setattr(deface, "deface_session", doubtful)
    make_series(tmp_path / "in", seed=1, **flair)
    return tmp_path / "in"


def test_a_doubted_head_waits_and_is_taken_once_somebody_has_looked(tmp_path: Path, source: Path) -> None:
    study = tmp_path / "study"
    assert _take(source, study).counts == {"taken": 0, "already": 0, "held": 1, "rejected": 0}
    assert not list(study.rglob("*.nii.gz"))
    (code,) = _held(study)
    assert _take(source, study).counts["held"] == 1

    done = _take(source, study, code)
    assert done.counts == {"taken": 1, "already": 0, "held": 0, "rejected": 0}
    (row,) = _held(study).values()
    assert (row["face_accepted_by"], row["face_accepted_reason"]) == ("A. Neuroradiologist", "only fat of the orbit is left")
    assert "accepted by A. Neuroradiologist: only fat of the orbit is left" in row["reason"] and "27 %" in row["reason"]
    (image,) = study.rglob("*_FLAIR.nii.gz")
    sidecar = read_json(image.with_name(image.name.replace(".nii.gz", ".json")))
    assert sidecar["Defaced"] is True and sidecar["DefacingDoubtOverruled"] == DOUBT
    assert "Neuroradiologist" not in json.dumps(sidecar)
    assert _take(source, study).counts["already"] == 1


def test_the_word_is_an_event_of_the_audit_log(tmp_path: Path, source: Path) -> None:
    study = tmp_path / "study"
    (study / "derivatives").mkdir(parents=True)
    (study / "study.toml").write_text("[governance]\nmanaged = true\n")
    _take(source, study)
    (code,) = _held(study)
    log = study / "governance" / "audit.jsonl"
    assert "accept face removal" not in log.read_text()
    _take(source, study, code)
    (event,) = [line for line in log.read_text().splitlines() if "accept face removal" in line]
    assert code in event and "A. Neuroradiologist" in event and "only fat of the orbit is left" in event


def test_nobody_accepts_what_nobody_has_seen(tmp_path: Path, source: Path) -> None:
    study = tmp_path / "study"
    with pytest.raises(IntakeError, match="no series that would be taken"):
        _take(source, study, "S-AAAAAAAA")
    _take(source, study)
    (code,) = _held(study)
    (picture,) = (tmp_path / "study-quarantine").rglob("*.png")
    picture.unlink()
    with pytest.raises(IntakeError, match="nobody has looked"):
        _take(source, study, code)
    other = tmp_path / "another"
    with pytest.raises(IntakeError, match="waits in the quarantine"):
        _take(source, other, code)
    assert not list(study.rglob("*.nii.gz")) and not list(other.rglob("*.nii.gz"))


@pytest.mark.parametrize(
    ("series", "by", "reason", "said"),
    [
        (("S-1",), " ", "looked", "--by NAME"),
        (("S-1",), "A", "", "--reason TEXT"),
        (("S-1",), "A", "two\nlines", "line breaks"),
        ((), "A", "looked", "--accept-face CODE"),
    ],
)
def test_a_word_has_a_name_and_a_reason(series: tuple[str, ...], by: str, reason: str, said: str) -> None:
    with pytest.raises(IntakeError, match=said):
        FaceAcceptance(series, by, reason)
