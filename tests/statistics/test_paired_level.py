"""The paired tests under the paper's draw, small; `benchmarks/paired_tests.py` at full size is in docs/benchmarks.md."""

import importlib.util
from pathlib import Path

import pytest

from dawson.statistics.proportions import exact_binomial

_FILE = Path(__file__).parents[2] / "benchmarks" / "paired_tests.py"
HEADLINE = [
    ("AUC", "DeLong, mean probability"),
    ("accuracy", "McNemar mid-p, mean probability"),
    ("accuracy", "sign flip, mean correctness"),
]
STUDIES = 300


@pytest.fixture(scope="module")
def rates():
    spec = importlib.util.spec_from_file_location("paired_tests", _FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {noise: module.rejection_rates(1, STUDIES, 0.75, noise, 100, 500) for noise in (0.0, 0.75)}


@pytest.mark.parametrize("noise", [0.0, 0.75])
@pytest.mark.parametrize("test", HEADLINE)
def test_headline_tests_reject_five_per_cent_of_equal_models(rates, noise, test):
    rejected = round(rates[noise][test].estimate * STUDIES)
    # Six such checks of few studies: each by the interval that 99.8 % of right tests stay in.
    band = exact_binomial(rejected, STUDIES, 0.998)
    assert band.low <= 0.05 <= band.high, f"{rejected} of {STUDIES}"


@pytest.mark.parametrize("figure", ["AUC", "accuracy"])
def test_a_t_test_over_repeats_calls_most_equal_models_different(rates, figure):
    assert all(found[figure, "naive t, over repeats"].low > 0.3 for found in rates.values())


@pytest.mark.parametrize("figure", ["AUC", "accuracy"])
def test_nadeau_bengio_rejects_too_often_where_retraining_is_quiet(rates, figure):
    assert rates[0.0][figure, "Nadeau-Bengio, over repeats"].low > 0.05
