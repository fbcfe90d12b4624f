"""An estimate with its interval, as every function of this room returns it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate, its bounds, and the name of the way they were found.

    Attributes
    ----------
    estimate, low, high : float
        NaN where undefined.
    method : str
        How the bounds were found, as a reader of the report should see it.
    confidence : float
        Two-sided level, e.g. 0.95.
    """

    estimate: float
    low: float
    high: float
    method: str
    confidence: float = 0.95

    def clipped(self) -> Interval:
        """The same interval kept within [0, 1], where a symmetric one may leave it."""
        return Interval(
            self.estimate,
            max(0.0, self.low) if not math.isnan(self.low) else self.low,
            min(1.0, self.high) if not math.isnan(self.high) else self.high,
            self.method,
            self.confidence,
        )


@dataclass(frozen=True)
class Comparison:
    """A difference of two estimates with its interval and test.

    Attributes
    ----------
    difference, low, high : float
        First minus second; NaN where undefined.
    statistic : float
        The z or t value; NaN where the difference has no estimable variance.
    p_value : float
        Two-sided.
    method : str
        The name of the test.
    """

    difference: float
    low: float
    high: float
    statistic: float
    p_value: float
    method: str


def check_confidence(confidence: float) -> float:
    """The confidence level, if it is one.

    Raises
    ------
    ValueError
        It is not strictly between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie strictly between 0 and 1, not {confidence}")
    return confidence
