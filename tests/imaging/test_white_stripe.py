"""WhiteStripe on brains whose white matter is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dawson.errors import PreprocessingError
from dawson.imaging.template import template_image, template_mask, tissue_map
from dawson.imaging.white_stripe import white_matter_peak, white_stripe

T1W = {"csf": (20, 5, 0.15), "grey": (60, 6, 0.45), "white": (100, 5, 0.4)}
FLAIR = {"csf": (15, 6, 0.12), "white": (80, 5, 0.5), "grey": (105, 9, 0.38)}


def brain(tissues: dict[str, tuple[float, float, float]], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Brightness (20, 30, 30) and which tissue each voxel is."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(list(tissues), size=(20, 30, 30), p=[share for *_, share in tissues.values()])
    values = np.zeros(kind.shape)
    for name, (mean, spread, _) in tissues.items():
        values[kind == name] = rng.normal(mean, spread, (kind == name).sum())
    return values, kind


@pytest.mark.parametrize(("contrast", "tissues", "expected"), [("T1w", T1W, 100), ("FLAIR", FLAIR, 80)])
def test_the_peak_is_that_of_white_matter(contrast: Any, tissues: dict[str, tuple[float, float, float]], expected: float) -> None:
    values, _ = brain(tissues)
    assert abs(white_matter_peak(values, contrast) - expected) < 4


@pytest.mark.parametrize(("contrast", "tissues"), [("T1w", T1W), ("FLAIR", FLAIR)])
def test_the_stripe_is_white_matter_with_mean_0_and_deviation_1(contrast: Any, tissues: dict[str, tuple[float, float, float]]) -> None:
    values, kind = brain(tissues)
    done, stripe = white_stripe(values, np.ones(values.shape, bool), contrast)
    assert (kind[stripe] == "white").mean() > 0.9
    assert 0.06 < stripe.mean() < 0.11
    assert abs(done[stripe].mean()) < 1e-4 and abs(done[stripe].std() - 1) < 1e-4


def test_gain_and_offset_of_a_scanner_do_not_matter() -> None:
    values, _ = brain(FLAIR)
    everywhere = np.ones(values.shape, bool)
    assert np.allclose(white_stripe(values, everywhere, "FLAIR")[0], white_stripe(3 * values + 40, everywhere, "FLAIR")[0], atol=1e-3)


def test_bright_lesions_do_not_move_the_scale() -> None:
    values, _ = brain(FLAIR)
    sick = values.copy()
    sick[:1] = 160.0
    everywhere = np.ones(values.shape, bool)
    well, ill = (white_stripe(image, everywhere, "FLAIR")[0] for image in (values, sick))
    spread = well.std()
    assert np.abs(well - ill)[1:].max() < 0.35 * spread


def test_a_spike_does_not_move_the_peak() -> None:
    values, _ = brain(T1W)
    spiked = values.copy()
    spiked.flat[:3] = 10_000
    assert abs(white_matter_peak(spiked, "T1w") - white_matter_peak(values, "T1w")) < 1


def test_outside_the_brain_is_0_and_nothing_there_counts() -> None:
    values, _ = brain(T1W)
    mask = np.ones(values.shape, bool)
    mask[:5] = False
    other = values.copy()
    other[:5] = 5000
    assert (white_stripe(values, mask, "T1w")[0] == white_stripe(other, mask, "T1w")[0]).all()
    assert (white_stripe(values, mask, "T1w")[0][:5] == 0).all()


def test_what_has_no_stripe_is_refused() -> None:
    values, _ = brain(T1W)
    with pytest.raises(PreprocessingError, match="no brain voxel"):
        white_stripe(values, np.zeros(values.shape, bool), "T1w")
    with pytest.raises(PreprocessingError, match="one brightness"):
        white_stripe(np.ones(values.shape), np.ones(values.shape, bool), "FLAIR")
    with pytest.raises(ValueError, match="width"):
        white_stripe(values, np.ones(values.shape, bool), "T1w", width=0.6)


def test_on_the_template_the_stripe_is_the_white_matter_of_its_map() -> None:
    image, white, mask = template_image(3.0), tissue_map("wm", 3.0), template_mask(3.0)
    _, stripe = white_stripe(np.asarray(image.dataobj, dtype=np.float32), mask, "T1w")
    assert (white[stripe] > 0.5).mean() > 0.9
