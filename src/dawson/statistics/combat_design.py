"""Covariates as columns of a design, and least squares where some values are unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# A feature whose variance is below this share of its mean square does not vary, rounding apart.
_NO_VARIANCE = 1e-12


@dataclass(frozen=True)
class Covariate:
    """One covariate of a fit.

    Parameters
    ----------
    name : str
    levels : tuple of str
        In alphabetical order, the first is the baseline; empty for a covariate of numbers.
    """

    name: str
    levels: tuple[str, ...]


def read_covariates(covariates: Mapping[str, Any] | None, rows: int) -> tuple[Covariate, ...]:
    """What the covariates of a fit are: numbers, or levels of anything else.

    Raises
    ------
    ValueError
        A covariate is unknown for somebody, or has another length.
    """
    found = []
    for name in covariates if covariates is not None else ():
        values = _column(covariates, name, rows)
        numeric = np.issubdtype(values.dtype, np.number)
        found.append(Covariate(str(name), () if numeric else tuple(sorted({str(value) for value in values}))))
    return tuple(found)


def covariate_columns(described: Sequence[Covariate], covariates: Mapping[str, Any] | None, rows: int) -> Values:
    """The covariates as columns, one a level but the first, shape (rows, columns).

    Raises
    ------
    ValueError
        A covariate is missing, unknown for somebody, or has a level that the fit did not know.
    """
    columns = [np.zeros((rows, 0))]
    for item in described:
        if covariates is None or item.name not in covariates:
            raise ValueError(f"the covariate {item.name} of the fit is not given")
        values = _column(covariates, item.name, rows)
        if not item.levels:
            columns.append(values.astype(np.float64)[:, None])
            continue
        text = np.array([str(value) for value in values], dtype=object)
        if strange := sorted(set(text) - set(item.levels)):
            raise ValueError(f"the covariate {item.name} has the value {strange[0]}, which the fit did not know ({', '.join(item.levels)})")
        columns.append(np.stack([text == level for level in item.levels[1:]], axis=1) if len(item.levels) > 1 else columns[0])
    return np.hstack(columns).astype(np.float64)


def least_squares(design: Values, values: Values, wanted: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Coefficients and residuals of each wanted feature over the rows where it is known; 0 for the others.

    Parameters
    ----------
    design : ndarray, shape (rows, columns)
    values : ndarray, shape (rows, features)
    wanted : ndarray of bool, shape (features,)

    Returns
    -------
    coefficients : ndarray, shape (columns, features)
    residuals : ndarray, shape (rows, features)
        NaN where a value is unknown.
    """
    coefficients = np.zeros((design.shape[1], values.shape[1]))
    patterns, which = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        rows = patterns[:, number]
        own = (which.ravel() == number) & wanted
        if own.any():
            coefficients[:, own] = np.linalg.lstsq(design[rows], values[np.ix_(rows, own)], rcond=None)[0]
    return coefficients, values - design @ coefficients


def adjustable(values: Values, members: Sequence[NDArray[np.intp]], mean_only: bool) -> NDArray[np.bool_]:
    """Which features can be adjusted, shape (features,).

    Those that vary at every site of two people or more; with `mean_only` those that vary within the sites together. They must be known
    of two people at each site, or of one where that is all that is needed.

    Parameters
    ----------
    values : ndarray, shape (rows, features)
        NaN where unknown.
    members : sequence of ndarray of int
        Rows of each site.
    mean_only : bool
    """
    good = np.ones(values.shape[1], dtype=bool)
    within = np.zeros(values.shape[1])
    size = np.nan_to_num(values**2).mean(axis=0)
    for rows in members:
        own = values[rows]
        known = (~np.isnan(own)).sum(axis=0)
        squares = np.nansum((own - np.nansum(own, axis=0) / np.maximum(known, 1)) ** 2, axis=0)
        within += squares
        good &= known >= (1 if mean_only or len(rows) == 1 else 2)
        if not (mean_only or len(rows) == 1):
            good &= squares / np.maximum(known - 1, 1) > _NO_VARIANCE * size
    return np.asarray(good & (within / len(values) > _NO_VARIANCE * size), dtype=bool)


def _column(covariates: Mapping[str, Any] | None, name: Any, rows: int) -> NDArray[Any]:
    values = np.asarray(covariates[name]) if covariates is not None else np.zeros(0)
    if values.dtype == object and all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values):
        values = values.astype(np.float64)
    if len(values) != rows:
        raise ValueError(f"the covariate {name} has {len(values)} values for {rows} rows")
    numeric = np.issubdtype(values.dtype, np.number)
    unknown = np.isnan(values) if numeric else np.array([value is None or value != value for value in values], dtype=bool)
    if unknown.any():
        raise ValueError(f"the covariate {name} is unknown in row {int(np.flatnonzero(unknown)[0])}")
    return values
