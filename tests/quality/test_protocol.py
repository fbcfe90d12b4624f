"""The protocol file: every limit has a source, and deviations are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawson.cohort.scan import Scan
from dawson.errors import QualityError
from dawson.quality.protocol import deviations, read_protocol, unknown_values

GEOMETRY = {"FLAIR_spacing_x": 1.0, "FLAIR_spacing_y": 1.0, "FLAIR_spacing_z": 1.0, "FLAIR_coverage_mm": 180.0}


def _scan(root: Path, sidecar: str, name: str = "sub-01_FLAIR") -> Scan:
    image = root / f"{name}.nii.gz"
    image.write_bytes(b"")
    (root / f"{name}.json").write_text(sidecar)
    return Scan("sub-01", "", None, image) if name.endswith("FLAIR") else Scan("sub-01", "", image, None)


def test_the_shipped_protocol_gives_a_source_for_every_limit(tmp_path: Path) -> None:
    protocol = read_protocol(tmp_path)
    checks = protocol.T1w + protocol.FLAIR
    assert len(checks) >= 14
    assert all(check.source.startswith(("MAGNIMS", "ours")) for check in checks)
    assert all(check.absent or check.minimum is not None or check.maximum is not None for check in checks)


def test_a_good_scan_deviates_in_nothing(tmp_path: Path) -> None:
    scan = _scan(tmp_path, '{"MagneticFieldStrength": 3, "RepetitionTime": 9.0, "EchoTime": 0.1, "InversionTime": 2.5}')
    assert deviations(scan, GEOMETRY, read_protocol(tmp_path)) == []
    assert unknown_values(scan, GEOMETRY, read_protocol(tmp_path)) == []


def test_each_deviation_is_named_with_its_number(tmp_path: Path) -> None:
    scan = _scan(tmp_path, '{"MagneticFieldStrength": 0.5, "RepetitionTime": 9000, "EchoTime": "short"}')
    found = deviations(scan, GEOMETRY | {"FLAIR_spacing_z": 5.0}, read_protocol(tmp_path))
    said = " ".join(found)
    assert all(word in said for word in ("field strength 0.5 T", "slice thickness 5 mm", "repetition time 9e+03 s", "'short' is no number"))
    assert unknown_values(scan, GEOMETRY, read_protocol(tmp_path)) == ["FLAIR InversionTime"]


def test_a_contrast_agent_is_told_from_sidecar_or_name(tmp_path: Path) -> None:
    protocol = read_protocol(tmp_path)
    by_name = _scan(tmp_path, "{}", "sub-01_ce-gadolinium_T1w")
    assert deviations(by_name, {}, protocol) == ["T1w: contrast agent gadolinium"]
    none = _scan(tmp_path, '{"ContrastBolusIngredient": "none"}', "sub-01_T1w")
    assert deviations(none, {}, protocol) == []


@pytest.mark.parametrize("text", ["[[T1w]\n", '[[T1w]]\nvalue = "EchoTime"\ntitle = "echo"\n', '[[T2w]]\nvalue = "x"\n'])
def test_a_wrong_protocol_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "protocol.toml").write_text(text)
    with pytest.raises(QualityError, match=r"protocol\.toml"):
        read_protocol(tmp_path)
