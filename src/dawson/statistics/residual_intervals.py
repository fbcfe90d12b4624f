"""Intervals of a measured quantity from how far the measurement was off in people who are alike (split conformal prediction)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = Literal["log", "root"]
"""On which scale errors are alike for small and large values: logarithm for volumes, square root for counts."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ResidualInterval:
    """How far the truth lies from a measurement, on a scale where that is alike for small and large values.

    Parameters
    ----------
    scale : {"log", "root"}
    offset : float
        Added before the scale is taken, so that 0 has a place.
    low, high : float
        What is added to the measurement on the scale; infinite where too few people were measured for the level.
    level : float
        Share of new people whose truth lies in the interval, at least, if they are like those measured.
    people : int
    """

    scale: Scale
    offset: float
    low: float
    high: float
    level: float
    people: int

    def around(self, measured: float) -> tuple[float, float]:
        """Interval of the truth; never below 0.

        Examples
        --------
        >>> ResidualInterval("root", 0.0, -1.0, 1.0, 0.9, 40).around(16.0)
        (9.0, 25.0)
        """
        at = float(_scaled(measured, self.scale, self.offset))
        low, high = (float(_unscaled(at + part, self.scale, self.offset)) for part in (self.low, self.high))
        return max(0.0, low), max(0.0, high)

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite bound is None."""
        bounds = {name: (value if np.isfinite(value) else None) for name, value in (("low", self.low), ("high", self.high))}
        return {"scale": self.scale, "offset": self.offset, **bounds, "level": self.level, "people": self.people}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ResidualInterval:
        """What `to_json` gave."""
        low = -np.inf if content["low"] is None else float(content["low"])
        high = np.inf if content["high"] is None else float(content["high"])
        return cls(content["scale"], float(content["offset"]), low, high, float(content["level"]), int(content["people"]))


def fit_residuals(
    measured: ArrayLike, truth: ArrayLike, people: ArrayLike, scale: Scale, offset: float, level: float = 0.9
) -> ResidualInterval:
    """Bounds that hold for a new person with at least the given chance, half of the rest on either side.

    A person counts once, however many rows there are: each row with an equal part of the person's weight. One person more, whose
    truth may be anywhere, is counted besides: that makes the chance hold for any number of people (with fewer than 2 / (1 - level) - 1
    people the bounds are infinite).

    Parameters
    ----------
    measured, truth : array_like of float (n,)
        Not below 0.
    people : array_like (n,)
        The person of each row.
    scale, offset
        See `ResidualInterval`.
    level : float

    Raises
    ------
    ValueError
        The lengths differ, there is no row, or a value is negative.

    References
    ----------
    Lei J et al. Distribution-free predictive inference for regression. J Am Stat Assoc 113 (2018) 1094-1111.
    """
    given, true, who = np.asarray(measured, np.float64), np.asarray(truth, np.float64), np.asarray(people)
    if not given.size or not given.shape == true.shape == who.shape:
        raise ValueError(f"measured, truth and people have shapes {given.shape}, {true.shape} and {who.shape}")
    if (given < 0).any() or (true < 0).any() or not np.isfinite([given, true]).all():
        raise ValueError("volumes and counts are finite and not below 0")
    residuals = _scaled(true, scale, offset) - _scaled(given, scale, offset)
    names, place, rows = np.unique(who, return_inverse=True, return_counts=True)
    weights = (1.0 / rows)[place]
    tail = (1 - level) / 2
    high = _upper(residuals, weights, names.size, 1 - tail)
    low = -_upper(-residuals, weights, names.size, 1 - tail)
    return ResidualInterval(scale, offset, low, high, level, int(names.size))


def _upper(residuals: Floats, weights: Floats, people: int, share: float) -> float:
    """The least residual that so large a share of the people, and of one unknown more, do not exceed."""
    order = np.argsort(residuals)
    reached = np.cumsum(weights[order]) / (people + 1)
    found = np.flatnonzero(reached >= share - 1e-12)
    return float(residuals[order][found[0]]) if found.size else float("inf")


def _scaled(values: ArrayLike, scale: Scale, offset: float) -> Floats:
    shifted = np.asarray(values, np.float64) + offset
    return np.log(shifted) if scale == "log" else np.sqrt(shifted)


def _unscaled(values: float, scale: Scale, offset: float) -> float:
    return float(np.exp(values) if scale == "log" else np.square(max(values, 0.0))) - offset
