"""How far a case lies from those that a model learnt from: Mahalanobis distance with a shrunken covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Share of the mean variance added to every direction, so that a feature that never moved in training has a finite, high price.
_RIDGE = 1e-4


@dataclass(frozen=True)
class FeatureCloud:
    """Where the training cases of each class lie.

    Attributes
    ----------
    means : ndarray, shape (classes, d)
        Mean features of each class that occurs.
    precision : ndarray, shape (d, d)
        Inverse of the covariance within classes.
    """

    means: NDArray[np.float64]
    precision: NDArray[np.float64]


def fit_cloud(features: ArrayLike, truth: ArrayLike) -> FeatureCloud:
    """Class means and the shrunken covariance that the classes share.

    Parameters
    ----------
    features : array_like, shape (n, d)
        There may be fewer cases than features.
    truth : array_like of int, shape (n,)
        Class of each case.

    Raises
    ------
    ValueError
        The shapes do not fit, or there are fewer than two cases.

    References
    ----------
    Ledoit O, Wolf M. A well-conditioned estimator for large-dimensional covariance matrices. J Multivar Anal 88 (2004) 365-411.
    Lee K et al. A simple unified framework for detecting out-of-distribution samples and adversarial attacks. NeurIPS 2018, eq. 1-2.
    """
    from sklearn.covariance import ledoit_wolf

    cases, true = np.asarray(features, dtype=np.float64), np.asarray(truth)
    if cases.ndim != 2 or true.shape != cases.shape[:1] or len(cases) < 2:
        raise ValueError(f"features of shape {cases.shape} with classes of shape {true.shape}: two or more cases are needed")
    levels, place = np.unique(true, return_inverse=True)
    means = np.stack([cases[place == index].mean(axis=0) for index in range(levels.size)])
    covariance, _ = ledoit_wolf(cases - means[place], assume_centered=True)
    scale = float(np.trace(covariance)) / cases.shape[1]
    ridge = _RIDGE * scale if scale > 0 else 1.0
    precision = np.linalg.inv(covariance + ridge * np.eye(cases.shape[1]))
    return FeatureCloud(means, (precision + precision.T) / 2)


def cloud_distance(cloud: FeatureCloud, features: ArrayLike) -> NDArray[np.float64]:
    """Mahalanobis distance of each case to the nearest class mean.

    Parameters
    ----------
    cloud : FeatureCloud
    features : array_like, shape (n, d)

    Returns
    -------
    ndarray, shape (n,)
    """
    offset = np.asarray(features, dtype=np.float64)[:, None, :] - cloud.means[None]
    squared = np.einsum("ncd,de,nce->nc", offset, cloud.precision, offset)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)).min(axis=1))


def share_as_far(
    distances: Sequence[ArrayLike], reference: Sequence[ArrayLike], weights: Sequence[ArrayLike] | None = None
) -> NDArray[np.float64]:
    """Share of the reference cases that lie at least as far as a case, the case itself counted among them.

    For a case from the same source as the reference cases this is a p value: it falls below u with a probability of about u.

    Parameters
    ----------
    distances : sequence of array_like, each of shape (n,)
        Distance of the n cases as each member of a model measures it.
    reference : sequence of array_like, each one-dimensional
        For each member, distances of cases that it was not fitted on; the members' reference cases are different people.
    weights : sequence of array_like, optional
        What each reference case counts; scans of a person with m of them 1/m. By default 1.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        The numbers of members differ, or there is none.

    Examples
    --------
    >>> share_as_far([[3.0, 0.5]], [[1.0, 2.0, 4.0]]).tolist()
    [0.5, 1.0]
    """
    if not reference or len(distances) != len(reference):
        raise ValueError(f"{len(distances)} members measured, {len(reference)} have reference cases")
    far, total = np.zeros(np.asarray(distances[0]).shape), 0.0
    for own, others, weight in zip(distances, reference, weights or [np.ones(len(np.asarray(part))) for part in reference], strict=True):
        as_far = np.asarray(others, dtype=np.float64) >= np.asarray(own, dtype=np.float64)[:, None]
        far += as_far @ np.asarray(weight, dtype=np.float64)
        total += float(np.sum(weight))
    return (far + 1) / (total + 1)
