import numpy as np
import pytest
from scipy.optimize import curve_fit

from dawson.statistics.power_law import fit_power_laws

SIZES = np.array([20.0, 40, 80, 120])


def law(n: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return a - b * n**-c


def test_a_law_is_found_again() -> None:
    fitted = fit_power_laws(SIZES, law(SIZES, 0.88, 1.2, 0.6)[None])
    np.testing.assert_allclose(fitted.at([10, 240])[0], law(np.array([10.0, 240]), 0.88, 1.2, 0.6), atol=2e-3)


def test_with_noise_and_weights_it_is_the_least_squares_of_scipy() -> None:
    rng = np.random.default_rng(0)
    sizes, weights = np.array([10.0, 20, 40, 80, 160, 320]), np.array([1.0, 1, 2, 2, 4, 4])
    values = law(sizes, 0.85, 1.5, 0.7) + rng.normal(0, 0.01, 6)
    expected, _ = curve_fit(law, sizes, values, p0=(0.8, 1, 0.5), sigma=weights**-0.5, bounds=([0, 0, 0.05], [1, 20, 3]))
    fitted = fit_power_laws(sizes, values[None], weights)
    np.testing.assert_allclose(fitted.at(sizes)[0], law(sizes, *expected), atol=1e-3)
    ours, scipys = (float(weights @ (values - curve) ** 2) for curve in (fitted.at(sizes)[0], law(sizes, *expected)))
    assert ours == pytest.approx(scipys, rel=0.01)


def test_no_curve_falls_or_passes_the_ceiling() -> None:
    falling = fit_power_laws(SIZES, [[0.8, 0.75, 0.7, 0.65]])
    np.testing.assert_allclose(falling.at([20, 1000]), 0.725)
    steep = fit_power_laws(SIZES, [[0.5, 0.7, 0.9, 0.999]])
    assert steep.a[0] <= 1 and (steep.at([1e3, 1e6]) <= 1).all() and np.diff(steep.at(SIZES)[0]).min() > 0


def test_many_curves_at_once_are_those_one_by_one() -> None:
    values = 0.7 + 0.1 * np.random.default_rng(1).random((5, 4))
    together = fit_power_laws(SIZES, values)
    for row in range(5):
        np.testing.assert_allclose(together.at([200])[row], fit_power_laws(SIZES, values[row : row + 1]).at([200])[0], rtol=1e-9)


def test_two_sizes_are_no_curve() -> None:
    with pytest.raises(ValueError, match="three"):
        fit_power_laws([10, 20, 20], [[0.5, 0.6, 0.6]])
