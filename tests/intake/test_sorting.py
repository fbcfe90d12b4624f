"""The rule file: headers of real protocols are sorted right, doubtful ones wait for a person, bad files are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawson.errors import IntakeError
from dawson.intake.headers import Header
from dawson.intake.series import Series, SeriesFile
from dawson.intake.sorting import SHIPPED, Sorted, read_rules, sort_series
from dawson.intake.sources import Entry

CODES = ("S-00000000", "W-00000000")


def _series(slices: int = 44, step: float = 3.0, **values: Any) -> Series:
    usual: dict[str, Any] = {
        "patient_id": "1", "issuer": "", "birth_date": "", "sex": "", "study_uid": "1", "series_uid": "1", "instance_uid": "1",
        "sop_class": "", "modality": "MR", "date": "20150101", "time": "", "series_number": 1, "instance_number": 1, "description": "",
        "protocol": "", "sequence_name": "", "study_description": "", "manufacturer": "", "image_type": ("ORIGINAL", "PRIMARY", "M"),
        "scanning_sequence": (), "sequence_variant": (), "scan_options": (), "acquisition": "2D", "tr_ms": None, "te_ms": None,
        "ti_ms": None, "flip_deg": None, "field_tesla": 3.0, "echo": None, "component": "magnitude", "contrast_agent": False, "rows": 256,
        "columns": 256, "frames": 1, "orientation": (1.0, 0, 0, 0, 1, 0), "positions": (), "thickness_mm": step, "spacing_mm": step,
        "pixel_mm": (1.0, 1.0),
    }  # fmt: skip
    header = Header(**{**usual, **values})
    return Series(header, tuple(SeriesFile(Entry(str(n), 1), str(n), ((0.0, 0.0, n * step),)) for n in range(slices)))


def _mr(kind: str, tr: float, te: float, ti: float | None = None, flip: float = 90, thin: bool = False, **more: Any) -> Series:
    values = {"scanning_sequence": tuple(kind.split()), "tr_ms": tr, "te_ms": te, "ti_ms": ti, "flip_deg": flip, **more}
    return _series(slices=170, step=1.0, acquisition="3D", **values) if thin else _series(**values)


def _sorted(series: Series, take: dict[str, str] | None = None) -> Sorted:
    return sort_series(series, read_rules(take=take), CODES)


# Typical header values of the vendors' standard protocols.
TAKEN = {
    "Siemens MPRAGE": (_mr("GR IR", 2300, 2.98, 900, 9, thin=True, description="t1_mprage_sag_p2_iso"), "T1w"),
    "GE IR-SPGR": (_mr("GR", 7, 2.8, 400, 11, thin=True, description="Accelerated SAG IR-SPGR"), "T1w"),
    "Philips 3D TFE": (_mr("GR", 7.0, 3.2, None, 8, thin=True, sequence_variant=("SK", "SP", "MP"), description="3D_T1_TFE"), "T1w"),
    "GE SPGR": (_mr("GR", 8.2, 3.2, None, 12, thin=True, description="Ax T1 FSPGR"), "T1w"),
    "Siemens FLASH": (_mr("GR", 20, 5, None, 25, thin=True, description="t1_fl3d"), "T1w"),
    "spin echo": (_mr("SE", 550, 12, description="AX T1 SE"), "T1w"),
    "T1 FLAIR": (_mr("SE IR", 2100, 10, 860, description="AX T1 FLAIR"), "T1w"),
    "2D FLAIR 1.5 T": (_mr("SE IR", 9000, 119, 2500, description="t2_tirm_tra_dark-fluid"), "FLAIR"),
    "GE T2 FLAIR": (_mr("SE IR", 8000, 140, 2250, description="AX T2 FLAIR"), "FLAIR"),
    "SPACE FLAIR": (_mr("SE IR", 5000, 388, 1800, 120, thin=True, description="t2_spc_da-fl_sag"), "FLAIR"),
    "Philips VISTA FLAIR": (_mr("SE", 4800, 340, 1650, thin=True, description="3D FLAIR"), "FLAIR"),
    "TSE": (_mr("SE", 5200, 95, description="t2_tse_tra"), "T2w"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_standard_protocols_are_taken_as_what_they_are(name: str) -> None:
    series, contrast = TAKEN[name]
    done = _sorted(series)
    assert (done.decision, done.contrast, done.entities) == ("take", contrast, "")


REJECTED = {
    "localizer": _series(slices=3, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")),
    "MPR": _mr("GR IR", 2300, 3, 900, 9, thin=True, image_type=("DERIVED", "SECONDARY", "MPR")),
    "phase": _mr("SE IR", 9000, 119, 2500, component="phase"),
    "diffusion": _mr("EP SE", 6000, 90, description="ep2d_diff"),
    "angiography": _mr("GR", 21, 3.4, None, 18, thin=True, description="TOF 3D"),
    "spine": _mr("SE", 3000, 90, description="T2 TSE sag C-Spine"),
    "double inversion": _mr("SE IR", 7500, 318, 3000, thin=True, description="3D_DIR"),
    "double inversion in words": _mr("SE IR", 7500, 318, 3000, thin=True, description="DoubleIR FLAIR"),
    "dual inversion": _mr("SE IR", 7500, 318, 3000, thin=True, protocol="dual-ir"),
    "subtraction": _mr("SE", 550, 12, image_type=("DERIVED", "PRIMARY", "SUBTRACT")),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_no_head_as_measured_is_rejected_with_a_reason(name: str) -> None:
    done = _sorted(REJECTED[name])
    assert done.decision == "reject" and done.reason


HELD = {
    "FLAIR without TI": _mr("SE IR", 9000, 119),
    "proton density": _mr("SE", 3000, 15),
    "MP2RAGE second inversion": _mr("GR IR", 5000, 3, 700, 4, thin=True, description="mp2rage_INV1"),
    "derived, unknown how": _mr("SE IR", 9000, 119, 2500, image_type=("DERIVED", "SECONDARY")),
    "part of a head": _series(slices=20, step=3.0, scanning_sequence=("SE", "IR"), tr_ms=9000.0, te_ms=119.0, ti_ms=2500.0),
    "nothing in the header": _series(),
    "agent named and denied": _mr("SE", 550, 12, description="T1 pre and post Gd"),
    "agent denied by the header": _mr("SE", 550, 12, description="T1 post Gd", agent_denied=True),
    "head and neck": _mr("SE", 5200, 95, description="T2 brain and neck"),
    "spine by its protocol only": _mr("SE", 5200, 95, description="T2 tra", protocol="c-spine"),
    "agent denied": _mr("SE", 550, 12, description="T1 pre Gd", contrast_agent=True),
}


@pytest.mark.parametrize("name", HELD)
def test_nothing_is_guessed(name: str) -> None:
    done = _sorted(HELD[name])
    assert (done.decision, done.contrast) == ("hold", "") and done.reason


def test_a_suggestion_says_what_speaks_against_it_without_words_of_the_header() -> None:
    (first, *_) = _sorted(_mr("SE IR", 9000, 119, description="dark fluid of Mr Miller")).suggestions
    assert first == "FLAIR: but ti_ms is missing"


@pytest.mark.parametrize(
    ("values", "entities"),
    [
        ({"contrast_agent": True}, "ce-gadolinium"),
        ({"description": "AX T1 +C"}, "ce-gadolinium"),
        ({"description": "t1_se_tra_KM"}, "ce-gadolinium"),
        ({"description": "T1 post gad"}, "ce-gadolinium"),
        *[
            ({"description": text}, "ce-gadolinium")
            for text in (
                "AX T1 POST",
                "T1 C+",
                "t1 +c",
                "T1 post-Gd",
                "T1 nach KM",
                "T1 Gadovist",
                "T1_Dotarem",
                "T1 mdc",
                "T1 W/ CONTRAST",
                "T1 Kontrast",
                "T1 enhanced",
                "T1_CE",
                "T1CE",
            )
        ],
        *[({"description": text}, "") for text in ("T1 w/o", "T1 without contrast", "T1 ohne KM", "T1 posterior fossa", "T1 post-op")],
        ({"description": "AX T1 pre contrast"}, ""),
        ({"description": "T1 nativ"}, ""),
    ],
)
def test_a_contrast_agent_stands_in_the_name(values: dict[str, Any], entities: str) -> None:
    done = _sorted(_mr("SE", 550, 12, **values))
    assert (done.decision, done.contrast, done.entities) == ("take", "T1w", entities)


def test_rules_that_disagree_hold_a_series(tmp_path: Path) -> None:
    text = '[[rule]]\nname = "a"\nbecomes = "T1w"\nte_ms = [1, 50]\n[[rule]]\nname = "b"\nbecomes = "T2w"\nte_ms = [40, 90]\n'
    (tmp_path / "rules.toml").write_text(text)
    rules = read_rules(tmp_path / "rules.toml")
    done = sort_series(_mr("SE", 1, 45), rules, CODES)
    assert done.decision == "hold" and done.reason == "the rules disagree (a, b)"
    assert sort_series(_mr("SE", 1, 30), rules, CODES).contrast == "T1w"


def test_a_person_decides_by_series_or_by_description() -> None:
    unclear = HELD["FLAIR without TI"]
    for code in CODES:
        done = _sorted(unclear, {code: "FLAIR"})
        assert (done.decision, done.contrast, done.rule) == ("take", "FLAIR", "a person")
    done = _sorted(unclear, {CODES[0]: "T1w_ce-gadolinium"})
    assert (done.contrast, done.entities) == ("T1w", "ce-gadolinium")
    assert _sorted(TAKEN["TSE"][0], {CODES[1]: "reject"}).decision == "reject"


def test_a_line_for_a_description_does_not_override_the_header() -> None:
    line = {CODES[1]: "FLAIR"}
    phase = _mr("SE IR", 9000, 119, 2500, component="phase")
    assert _sorted(phase, line).decision == "reject"
    assert sort_series(phase, read_rules(take=line).model_copy(update={"rule": ()}), CODES).decision == "hold"
    assert _sorted(_mr("SE IR", 9000, 119, contrast_agent=True), line).decision == "hold"
    assert _sorted(_mr("SE IR", 9000, 119, contrast_agent=True), {CODES[1]: "FLAIR_ce-gadolinium"}).decision == "take"
    assert _sorted(REJECTED["spine"], line).decision == "reject"
    assert _sorted(phase, {CODES[0]: "FLAIR"}).decision == "take", "a person looked at this one"


def test_a_missing_value_never_fulfils_a_range() -> None:
    for series, _ in TAKEN.values():
        done = _sorted(Series(replace(series.header, te_ms=None), series.files))
        assert done.decision != "take"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rule = 3", "rule"),
        ('[[rule]]\nname = "x"\nbecomes = "T1w"\ntr = [1, 2]', "'x', tr"),
        ('[[rule]]\nname = "x"\nbecomes = "T9w"\ntr_ms = [1, 2]', "T9w"),
        ('[[rule]]\nname = "x"\nbecomes = "T1w"\ntr_ms = [2, 1]', "least"),
        ('[[rule]]\nname = "x"\nbecomes = "T1w"\nsays = "("', "regular expression"),
        ('[[rule]]\nname = "x"\nbecomes = "T1w"', "no condition"),
        ('[[rule]]\nname = "x"\nbecomes = "hold"\nsays = "a"\n' * 2, "two rules"),
        ('[take]\n"Mr Miller" = "T1w"', "no code"),
        ("[[rule", "no TOML"),
    ],
)
def test_a_bad_rule_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(IntakeError, match=told):
        read_rules(tmp_path / "rules.toml")


def test_every_condition_of_the_shipped_file_is_explained_in_it() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    explained = text[: text.index("\n[take]")]
    used = {name for rule in read_rules().rule for name in rule.model_fields_set} - {"name", "becomes", "why"}
    assert used and all(name in explained for name in used)


def test_the_real_phantom_is_taken_as_the_t1w_that_it_is(reference_data: Path) -> None:
    from dawson.intake.series import find_series
    from dawson.intake.sources import open_source

    with open_source(reference_data / "dicom" / "phantom-mr") as source:
        (series,) = find_series(source).series
    done = _sorted(series)
    assert (done.decision, done.contrast) == ("take", "T1w") and series.slices == 196 and series.fault == ""
