"""Shrinkage of the location and scale of many features at one site, the empirical Bayes part of ComBat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# The rule of the published implementations, kept so that their results are met: relative steps below this end the iteration.
_CONVERGED = 1e-4
_MOST_ITERATIONS = 10_000
# A prior variance of exactly 0 (all scales alike) would divide by 0; this keeps it a point.
_LEAST_RELATIVE_VARIANCE = 1e-12


@dataclass(frozen=True)
class SitePrior:
    """What site effects on standardised features look like: location normal, squared scale inverse gamma.

    Parameters
    ----------
    mean, variance : float
        Of the locations.
    shape, rate : float
        Of the inverse gamma distribution of the squared scales.

    References
    ----------
    Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using empirical Bayes methods. Biostatistics 8
    (2007) 118-127, section 3.2.
    """

    mean: float
    variance: float
    shape: float
    rate: float


def prior_of(location: Values, scale: Values) -> SitePrior:
    """The prior that has the moments of some estimates, whatever their shape; at least two of each.

    Parameters
    ----------
    location, scale : ndarray
        Locations and squared scales of standardised features.
    """
    mean = float(scale.mean())
    variance = max(float(scale.var(ddof=1)), _LEAST_RELATIVE_VARIANCE * mean**2)
    return SitePrior(
        float(location.mean()),
        float(location.var(ddof=1)),
        (2 * variance + mean**2) / variance,
        (mean * variance + mean**3) / variance,
    )


def raw_effects(standardised: Values) -> tuple[Values, Values]:
    """Mean and variance (n - 1) of each feature over the known values of one site; a variance of 1 where there is one value.

    Parameters
    ----------
    standardised : ndarray, shape (rows, features)
        NaN where unknown; every feature has a known value.
    """
    known = (~np.isnan(standardised)).sum(axis=0)
    location = np.nansum(standardised, axis=0) / known
    squares = np.nansum((standardised - location) ** 2, axis=0)
    return location, np.where(known > 1, squares / np.maximum(known - 1, 1), 1.0)


def shrink_locations(location: Values, prior: SitePrior) -> Values:
    """Locations drawn toward the prior where scales are not adjusted.

    As in the published implementations each location counts as one observation of variance 1, however many people it comes from.
    """
    return np.asarray((prior.variance * location + prior.mean) / (prior.variance + 1), dtype=np.float64)


def shrink_parametric(standardised: Values, location: Values, scale: Values, prior: SitePrior) -> tuple[Values, Values]:
    """Posterior location and squared scale of each feature under a normal and inverse gamma prior.

    Parameters
    ----------
    standardised : ndarray, shape (rows, features)
        Of one site; NaN where unknown.
    location, scale : ndarray, shape (features,)
        From `raw_effects`.
    prior : SitePrior

    References
    ----------
    Johnson et al. 2007, equations in section 3.2; the conditional means are taken in turn until they stand.
    """
    known = (~np.isnan(standardised)).sum(axis=0)
    old_location, old_scale = location, scale
    for _ in range(_MOST_ITERATIONS):
        new_location = (prior.variance * known * location + old_scale * prior.mean) / (prior.variance * known + old_scale)
        squares = np.nansum((standardised - new_location) ** 2, axis=0)
        new_scale = (0.5 * squares + prior.rate) / (known / 2 + prior.shape - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Divided by the signed old value, as published: only growing steps count for locations below 0.
            steps = np.concatenate([np.abs(new_location - old_location) / old_location, np.abs(new_scale - old_scale) / old_scale])
        old_location, old_scale = new_location, new_scale
        if not (steps > _CONVERGED).any():
            break
    return old_location, old_scale


def shrink_nonparametric(
    standardised: Values, location: Values, scale: Values, others: tuple[Values, Values] | None = None
) -> tuple[Values, Values]:
    """Posterior location and squared scale of each feature where the prior is the other features themselves.

    Parameters
    ----------
    standardised : ndarray, shape (rows, features)
        Of one site; NaN where unknown.
    location, scale : ndarray, shape (features,)
        From `raw_effects`.
    others : pair of ndarray, shape (k,), optional
        Locations and squared scales to be the prior in place of the site's other features.
    """
    known = (~np.isnan(standardised)).sum(axis=0)[:, None]
    first, second = np.nansum(standardised, axis=0)[:, None], np.nansum(standardised**2, axis=0)[:, None]
    centre, spread = (location, scale) if others is None else others
    squares = second - 2 * centre * first + known * centre**2
    log_likelihood = -known / 2 * np.log(2 * np.pi * spread) - squares / (2 * spread)
    if others is None:
        np.fill_diagonal(log_likelihood, -np.inf)
    weight = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(weight @ centre), np.asarray(weight @ spread)
