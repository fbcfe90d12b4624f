"""Time to an event in intervals of time: the life table, from counts that centres can add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LifeTable:
    """Share without the event at the end of each interval.

    Parameters
    ----------
    survival, low, high : ndarray (k,)
        With 95 % intervals on the complementary log-log scale; the intervals are NaN while nobody had the event.
    """

    survival: Floats
    low: Floats
    high: Floats


def life_table(entering: ArrayLike, events: ArrayLike, censored: ArrayLike) -> LifeTable:
    """Actuarial life table: whoever leaves in an interval counts as half in it (Cutler and Ederer, J Chronic Dis 8 (1958) 699).

    Parameters
    ----------
    entering, events, censored : array-like, shape (k,)
        How many people begin each interval, have the event in it, and were last seen in it without.

    Examples
    --------
    >>> life_table([100, 80], [10, 8], [10, 0]).survival.round(4).tolist()
    [0.8947, 0.8053]
    """
    from scipy.stats import norm

    entering, events, censored = (np.asarray(values, float) for values in (entering, events, censored))
    exposed = entering - censored / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        risk = np.where(exposed > 0, events / exposed, 0.0)
        survival = np.cumprod(1 - risk)
        # Greenwood's variance
        spread = np.sqrt(np.cumsum(np.where(exposed > events, risk / np.maximum(exposed - events, 1e-300), 0.0)))
        at = np.log(-np.log(survival))
        half = float(norm.ppf(0.975)) * spread / np.abs(np.log(survival))
        low, high = np.exp(-np.exp(at + half)), np.exp(-np.exp(at - half))
    nothing = (survival >= 1) | (survival <= 0)
    return LifeTable(survival, np.where(nothing, np.nan, low), np.where(nothing, np.nan, high))
