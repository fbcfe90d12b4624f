"""Net benefit: what a model is worth to somebody who would act at a given probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.figures import checked_scores


def net_benefit(truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike, prevalence: float | None = None) -> NDArray[np.float64]:
    """Net benefit of acting on everybody whose probability reaches a threshold, TP/n - FP/n * t/(1 - t).

    The threshold says how one weighs the two errors: acting at t means that one missed positive is as bad as
    (1 - t)/t needless actions. Binary by nature: with more than two classes give the positive one against the rest.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each patient is positive.
    probability : array_like, shape (n,)
        Probability of the positive class.
    thresholds : array_like, shape (t,)
        From 0 up to but not including 1.
    prevalence : float, optional
        Share of positives among those who would be tested, where it is not that of the sample (a draw of equal
        numbers, say): then TP/n = sensitivity * prevalence, FP/n = (1 - specificity) * (1 - prevalence).

    Returns
    -------
    ndarray, shape (t,)
        In true positives per patient; NaN where a prevalence is given and a class is absent.

    Raises
    ------
    ValueError
        The lengths differ, there are no rows, a threshold is not in [0, 1), or the prevalence not in [0, 1].

    References
    ----------
    Vickers AJ, Elkin EB. Decision curve analysis: a novel method for evaluating prediction models. Med Decis Making 26
    (2006) 565-574.

    Examples
    --------
    >>> net_benefit([True, True, False, False], [0.9, 0.4, 0.6, 0.1], [0.5]).tolist()
    [0.0]
    """
    true, value = checked_scores(truth, probability)
    if not true.size:
        raise ValueError("net benefit needs at least one patient")
    odds = _odds(thresholds)
    called = value[None, :] >= np.asarray(thresholds, dtype=np.float64)[:, None]
    hits, alarms = called[:, true].sum(axis=1), called[:, ~true].sum(axis=1)
    if prevalence is None:
        return np.asarray((hits - alarms * odds) / true.size, dtype=np.float64)
    _check_prevalence(prevalence)
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, false_alarms = hits / true.sum(), alarms / (~true).sum()
    return np.asarray(sensitivity * prevalence - false_alarms * (1 - prevalence) * odds, dtype=np.float64)


def treat_all(prevalence: float, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Net benefit of acting on everybody; acting on nobody has 0.

    Parameters
    ----------
    prevalence : float
        Share of positives.
    thresholds : array_like, shape (t,)
        From 0 up to but not including 1.

    Raises
    ------
    ValueError
        A threshold is not in [0, 1), or the prevalence not in [0, 1].

    Examples
    --------
    >>> treat_all(0.5, [0.0, 0.5, 0.75]).tolist()
    [0.5, 0.0, -1.0]
    """
    _check_prevalence(prevalence)
    return np.asarray(prevalence - (1 - prevalence) * _odds(thresholds), dtype=np.float64)


def _odds(thresholds: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(thresholds, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values < 1)).all():
        raise ValueError("thresholds must lie in [0, 1)")
    return np.asarray(values / (1 - values), dtype=np.float64)


def _check_prevalence(prevalence: float) -> None:
    if not 0 <= prevalence <= 1:
        raise ValueError(f"prevalence must lie between 0 and 1, not {prevalence}")
