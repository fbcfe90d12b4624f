"""An inverse power law through a learning curve: performance = a - b n^-c."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# From the slowest growth that a few points could tell from a straight line to the fastest that they could tell from a step.
EXPONENTS = np.geomspace(0.05, 3.0, 240)


@dataclass(frozen=True)
class PowerLaws:
    """One law a row, or one law where the arrays have one element.

    Attributes
    ----------
    a : ndarray, shape (laws,)
        Where the curve ends, never above `ceiling`.
    b : ndarray, shape (laws,)
        How far below that it would be with one patient; not negative, so that no curve falls.
    c : ndarray, shape (laws,)
        How fast it rises; one of `EXPONENTS`.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    c: NDArray[np.float64]

    def at(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Performance at sizes (m,), shape (laws, m)."""
        n = np.asarray(sizes, dtype=np.float64)
        return np.asarray(self.a[:, None] - self.b[:, None] * n[None, :] ** -self.c[:, None], dtype=np.float64)


def fit_power_laws(sizes: ArrayLike, values: ArrayLike, weights: ArrayLike | None = None, ceiling: float = 1.0) -> PowerLaws:
    """Weighted least squares with b >= 0 and a <= ceiling, for many curves at once.

    For each exponent of a fine grid the law is a straight line in n^-c, whose best a and b are known; the exponent with the least
    squared error is taken. No start value, nothing that fails to converge.

    Parameters
    ----------
    sizes : array_like, shape (m,)
        Three or more different numbers of patients, above 0.
    values : array_like, shape (laws, m)
        Performance at each size.
    weights : array_like, shape (m,), optional
        Of the squared errors, such as one over the variance; all 1 by default.
    ceiling : float
        The best possible performance.

    Raises
    ------
    ValueError
        Fewer than three different sizes, or shapes that do not fit.

    References
    ----------
    Figueroa RL et al. Predicting sample size required for classification performance. BMC Med Inform Decis Mak 12 (2012) 8.

    Examples
    --------
    >>> law = fit_power_laws([10, 20, 40], [[0.9 - 0.3 * 10**-1.0, 0.9 - 0.3 * 20**-1.0, 0.9 - 0.3 * 40**-1.0]])
    >>> round(float(law.at([80])[0, 0]), 3)
    0.896
    """
    n, y = np.asarray(sizes, dtype=np.float64), np.atleast_2d(np.asarray(values, dtype=np.float64))
    w = np.ones(n.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if np.unique(n).size < 3 or (n <= 0).any():
        raise ValueError("a power law needs three or more different sizes above 0")
    if y.shape[1] != n.size or w.shape != n.shape:
        raise ValueError(f"values have shape {y.shape} and weights {w.shape} for {n.size} sizes")
    w = w / w.sum()
    best = np.full(len(y), np.inf)
    a, b, c = (np.zeros(len(y)) for _ in range(3))
    middle = y @ w
    for exponent in EXPONENTS:
        x = n**-exponent
        centre = float(w @ x)
        slope = -((y - middle[:, None]) @ (w * (x - centre))) / float(w @ (x - centre) ** 2)
        one_b = np.maximum(slope, 0)
        one_a = middle + one_b * centre
        # over the ceiling the best law goes through it, with what slope is left to choose
        over = one_a > ceiling
        one_b = np.where(over, np.maximum(((ceiling - y) @ (w * x)) / float(w @ x**2), 0), one_b)
        one_a = np.where(over, ceiling, one_a)
        error = ((y - one_a[:, None] + one_b[:, None] * x[None, :]) ** 2) @ w
        better = error < best
        best, a, b, c = (np.where(better, new, old) for new, old in ((error, best), (one_a, a), (one_b, b), (exponent, c)))
    return PowerLaws(a, b, c)
