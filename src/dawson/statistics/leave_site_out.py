"""Does what was learnt at some sites hold at another one? Each site in turn is left out of the learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.delong import delong_interval
from dawson.statistics.interval import Interval

Rows = NDArray[np.intp]
Harmonised = Callable[[Rows, Rows], NDArray[np.float64]]
"""`harmonise(training, left_out)` returns the whole table, fitted on the training rows; it knows which rows are whose and no label."""


def leave_site_out(
    table: ArrayLike,
    label: Sequence[Any],
    site: Sequence[Any],
    positive: Any,
    *,
    harmonise: Harmonised | None = None,
    confidence: float = 0.95,
) -> dict[str, Interval]:
    """AUC of the positive class at each site by a linear classifier that learnt at the others.

    Linear discriminants with a shrunken covariance, all classes taken for equally frequent.

    Parameters
    ----------
    table : array_like, shape (people, features)
        One row a person; NaN becomes the median of the training rows.
    label, site : sequence, shape (people,)
    positive : object
        One of the labels; the area is that of it against the rest.
    harmonise : callable, optional
        See `Harmonised`; without it the table as it is.
    confidence : float

    Returns
    -------
    dict of str to Interval
        By site, DeLong; NaN where the site has only the positive class or none of it. Under the empty name: the pairs within sites
        together, that is the mean over sites weighted by their numbers of pairs; its interval is normal, sites independent.

    Raises
    ------
    ValueError
        There are fewer than two sites, or two sites without the positive class or without the rest.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    values = np.asarray(table, dtype=np.float64)
    truth = np.array([one == positive for one in label])
    names = np.array([str(name) for name in site])
    levels = sorted(set(names))
    if len(levels) < 2:
        raise ValueError("two sites or more are needed to leave one out")
    found: dict[str, Interval] = {}
    pairs = []
    for name in levels:
        training, out = np.flatnonzero(names != name), np.flatnonzero(names == name)
        if truth[training].all() or not truth[training].any():
            raise ValueError(f"without site {name} everybody is of one class")
        own = values if harmonise is None else harmonise(training, out)
        x = _scaled(own, training)
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5]).fit(x[training], truth[training])
        both = truth[out].any() and not truth[out].all()
        nothing = Interval(np.nan, np.nan, np.nan, "one class only", confidence)
        found[name] = delong_interval(truth[out], model.decision_function(x[out]), confidence) if both else nothing
        pairs.append(int(truth[out].sum() * (~truth[out]).sum()))
    found[""] = _together([found[name] for name in levels], pairs, confidence)
    return found


def _scaled(values: NDArray[np.float64], training: Rows) -> NDArray[np.float64]:
    """Features that are known and vary in training, filled with their median and scaled by mean and deviation there."""
    own = values[training]
    use = np.nanmax(own, axis=0, initial=-np.inf) > np.nanmin(own, axis=0, initial=np.inf)
    filled = np.where(np.isnan(values[:, use]), np.nanmedian(own[:, use], axis=0), values[:, use])
    mean, spread = filled[training].mean(axis=0), filled[training].std(axis=0)
    return np.asarray((filled - mean) / np.where(spread > 0, spread, 1.0))


def _together(areas: Sequence[Interval], pairs: Sequence[int], confidence: float) -> Interval:
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    known = [(area, n) for area, n in zip(areas, pairs, strict=True) if n > 0 and not np.isnan(area.low)]
    method = "mean over sites weighted by pairs, DeLong variances"
    if not known:
        return Interval(np.nan, np.nan, np.nan, method, confidence)
    weight = np.array([n for _, n in known], dtype=np.float64)
    weight /= weight.sum()
    estimate = float(weight @ np.array([area.estimate for area, _ in known]))
    spread = np.array([(area.high - area.low) / (2 * z) for area, _ in known])
    half = z * float(np.sqrt(((weight * spread) ** 2).sum()))
    return Interval(estimate, estimate - half, estimate + half, method, confidence).clipped()
