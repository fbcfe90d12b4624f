"""Settings that no scan could be preprocessed with are told when the study file is read."""

from __future__ import annotations

import pytest

from dawson.config import parse_config
from dawson.errors import ConfigError
from dawson.imaging.template import template_image


@pytest.mark.parametrize("spacing", [1, 2.0, 3, 4])
def test_whole_millimetres_are_a_template(spacing: float) -> None:
    found = parse_config({"preprocess": {"registration_mm": spacing}}, "study.toml").preprocess.registration_mm
    assert template_image(found).header.get_zooms() == (spacing,) * 3


@pytest.mark.parametrize("spacing", [1.5, 0, -1, 5, 0.5, float("nan"), float("inf")])
def test_other_spacings_are_refused_with_those_that_are_allowed(spacing: float) -> None:
    with pytest.raises(ConfigError, match=r"registration_mm.*must be 1, 2, 3 or 4"):
        parse_config({"preprocess": {"registration_mm": spacing}}, "study.toml")
