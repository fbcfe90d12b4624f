"""Logistic regression on a table of columns: all that is learned (medians, levels, scales, coefficients) comes from training people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.classification.comparators.material import Material, Probability, Rows

Matrix = NDArray[np.float64]


def encoder(
    table: pd.DataFrame, columns: Sequence[str], people: pd.Series, rows: Rows, weight: NDArray[np.float64]
) -> Callable[[Rows], Matrix]:
    """Learn from some rows of a table how to write its columns as numbers.

    A column of numbers is filled with the median over training people where it is missing, and scaled to mean 0 and standard
    deviation 1; any other column becomes one column for each level that training people have. Where a value is missing among the
    training people, a further column says for whom.

    Parameters
    ----------
    table : DataFrame
        One row an image.
    columns : sequence of str
        Those to be used.
    people : Series
        The person of each row.
    rows : ndarray of int
        Training rows.
    weight : ndarray, shape (rows,)
        Of the training rows in means and deviations.

    Returns
    -------
    callable
        From rows of the table to a matrix (rows, features).
    """
    parts: list[NDArray[np.float64]] = []
    for name in columns:
        column = table[name]
        missing = column.isna().to_numpy()
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            known = pd.Series(values[rows]).groupby(people.iloc[rows].to_numpy()).median().dropna()
            filled = np.where(missing, known.median() if len(known) else 0.0, values)
            parts.append(filled)
        else:
            text = column.astype(str).to_numpy()
            levels = sorted(set(text[rows][~missing[rows]]))
            parts += [((text == level) & ~missing).astype(np.float64) for level in levels]
        if missing[rows].any():
            parts.append(missing.astype(np.float64))
    everything = np.stack(parts, axis=1) if parts else np.zeros((len(table), 0))
    mean = np.average(everything[rows], axis=0, weights=weight)
    spread = np.sqrt(np.average((everything[rows] - mean) ** 2, axis=0, weights=weight))
    scaled = (everything - mean) / np.where(spread > 1e-9, spread, 1.0)
    # What does not vary among training people says nothing, whatever it does in others.
    scaled[:, spread <= 1e-9] = 0.0
    return lambda wanted: scaled[wanted]


def logistic(x: Matrix, labels: NDArray[np.intp], weight: NDArray[np.float64], strength: float) -> Callable[[Matrix], Probability]:
    """Fit a logistic regression with a quadratic penalty, multinomial for more than two classes.

    Parameters
    ----------
    x : ndarray (n, features)
        On one scale.
    labels : ndarray of int (n,)
        Every class occurs.
    weight : ndarray (n,)
    strength : float
        Inverse of the penalty, scikit-learn's C.

    Returns
    -------
    callable
        From a matrix (m, features) to probabilities (m, classes).
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=2000).fit(x, labels, sample_weight=weight)
    return lambda wanted: np.asarray(model.predict_proba(wanted), dtype=np.float64)


def fit_predict(
    material: Material, table: pd.DataFrame, columns: Sequence[str], training: Rows, wanted: Rows, strength: float
) -> Probability:
    """Encode, fit on the training images and give the probabilities of the wanted ones, shape (wanted, classes).

    Parameters
    ----------
    material : Material
        Gives labels, people and their weights.
    table : DataFrame
        One row an image of the material.
    columns : sequence of str
        What is used of it.
    training, wanted : ndarray of int
        Rows.
    strength : float
        As for `logistic`.
    """
    weight = material.weights(training)
    encode = encoder(table, list(columns), material.images["participant_id"], training, weight)
    return logistic(encode(training), material.labels[training], weight, strength)(encode(wanted))
