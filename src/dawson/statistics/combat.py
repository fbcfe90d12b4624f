"""ComBat: what a site adds to a table of features, estimated on some people and taken away from others.

A value is modelled as the feature's mean, what covariates add, and what the site adds to location and scale. Site effects are estimated
for all features together, each drawn toward what the others say (empirical Bayes), then taken away; what covariates add stays.

References
----------
Johnson WE, Li C, Rabinovic A. Biostatistics 8 (2007) 118-127. Fortin JP et al. Harmonization of cortical thickness measurements across
scanners and sites. NeuroImage 167 (2018) 104-120.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.combat_design import Covariate, adjustable, covariate_columns, least_squares, read_covariates
from dawson.statistics.empirical_bayes import prior_of, raw_effects, shrink_locations, shrink_nonparametric, shrink_parametric

Method = Literal["parametric", "nonparametric", "none"]
Values = NDArray[np.float64]

LEAST_UNSEEN = 5
"""People of an unseen site from whom its location and scale may be estimated."""


@dataclass(frozen=True, eq=False)
class CombatModel:
    """ComBat, fitted.

    Parameters
    ----------
    sites : tuple of str
        In alphabetical order.
    sizes : tuple of int
        Rows of each site in the fit.
    method : {"parametric", "nonparametric", "none"}
        Of shrinkage.
    mean_only : bool
        Scales are left as they are.
    reference : str
        The site to whose values the others were brought; empty for the mean of all.
    covariates : tuple of Covariate
    coefficients : ndarray, shape (covariate columns, features)
    grand_mean, pooled_sd : ndarray, shape (features,)
    raw_location, raw_scale : ndarray, shape (sites, features)
        Before shrinkage; scales squared, both in units of `pooled_sd`. NaN for sites that were added later.
    location, scale : ndarray, shape (sites, features)
        What is taken away.
    adjusted : ndarray of bool, shape (features,)
        False for features that are left as they are: constant at some site, or unknown there.
    """

    sites: tuple[str, ...]
    sizes: tuple[int, ...]
    method: Method
    mean_only: bool
    reference: str
    covariates: tuple[Covariate, ...]
    coefficients: Values
    grand_mean: Values
    pooled_sd: Values
    raw_location: Values
    raw_scale: Values
    location: Values
    scale: Values
    adjusted: NDArray[np.bool_]

    def transform(
        self, table: ArrayLike, site: Iterable[Any], covariates: Mapping[str, Any] | None = None, *, estimate_unseen: bool = False
    ) -> Values:
        """Take the site effects away.

        Parameters
        ----------
        table : array_like, shape (rows, features)
            NaN where unknown, and stays so.
        site : sequence, shape (rows,)
        covariates : mapping of str to sequence
            Those of the fit.
        estimate_unseen : bool
            Estimate location and scale of a site that the fit did not know from these rows of it, `LEAST_UNSEEN` or more. They are drawn
            toward what the known sites' effects look like over all features. No label is used; the rows should be one a person.

        Returns
        -------
        ndarray, shape (rows, features)

        Raises
        ------
        ValueError
            A site is unknown and may not be estimated, or has too few rows; shapes or covariates do not fit.
        """
        names = _names(site, len(np.asarray(table)))
        model = self.with_unseen(table, site, covariates) if estimate_unseen else self
        values, standardised, added = model._standardised(table, covariates)
        result = values.copy()
        for name in sorted(set(names)):
            rows = np.flatnonzero(names == name)
            if name == model.reference:
                continue
            if name not in model.sites:
                raise ValueError(
                    f"site {name} was not among those that ComBat was fitted on ({', '.join(model.sites)}); fit it with that site, or let "
                    "its effect be estimated from its own people"
                )
            location, scale = model.location[model.sites.index(name)], model.scale[model.sites.index(name)]
            without = (standardised[rows] - location) / np.sqrt(scale) * model.pooled_sd + model.grand_mean + added[rows]
            result[rows] = np.where(model.adjusted, without, values[rows])
        return result

    def with_unseen(self, table: ArrayLike, site: Iterable[Any], covariates: Mapping[str, Any] | None = None) -> CombatModel:
        """The model with the sites of some rows that it does not know, their effects estimated from these rows.

        Parameters
        ----------
        table : array_like, shape (rows, features)
            One row a person.
        site, covariates
            As for `transform`; rows of known sites change nothing.

        Raises
        ------
        ValueError
            A site has fewer than `LEAST_UNSEEN` rows.
        """
        names = _names(site, len(np.asarray(table)))
        _, standardised, _ = self._standardised(table, covariates)
        new = [name for name in sorted(set(names)) if name not in self.sites]
        found = [self._unseen(standardised[names == name], name) for name in new]
        if not new:
            return self
        return replace(
            self,
            sites=(*self.sites, *new),
            sizes=(*self.sizes, *(int((names == name).sum()) for name in new)),
            location=np.vstack([self.location, *(location for location, _ in found)]),
            scale=np.vstack([self.scale, *(scale for _, scale in found)]),
            # What was estimated by a prior is no part of it.
            raw_location=np.vstack([self.raw_location, np.full((len(new), len(self.adjusted)), np.nan)]),
            raw_scale=np.vstack([self.raw_scale, np.full((len(new), len(self.adjusted)), np.nan)]),
        )

    def _standardised(self, table: ArrayLike, covariates: Mapping[str, Any] | None) -> tuple[Values, Values, Values]:
        """The table, its standardised values, and what the covariates add."""
        values = _table(table, len(self.grand_mean))
        added = covariate_columns(self.covariates, covariates, len(values)) @ self.coefficients
        return values, (values - self.grand_mean - added) / self.pooled_sd, added

    def _unseen(self, standardised: Values, name: str) -> tuple[Values, Values]:
        """Location and squared scale of a new site, drawn toward the effects of the known ones."""
        if len(standardised) < LEAST_UNSEEN:
            raise ValueError(f"site {name} has {len(standardised)} people here; its effect is estimated from {LEAST_UNSEEN} or more")
        location, scale = np.zeros(len(self.adjusted)), np.ones(len(self.adjusted))
        # A feature that nobody of the new site has stays unknown there whatever is taken away.
        use = self.adjusted & (~np.isnan(standardised)).any(axis=0)
        if not use.any():
            return location, scale
        own_location, own_scale = raw_effects(standardised[:, use])
        fitted = ~np.isnan(self.raw_location).any(axis=1) & np.array([site != self.reference for site in self.sites])
        before = self.raw_location[fitted][:, self.adjusted].ravel(), self.raw_scale[fitted][:, self.adjusted].ravel()
        if self.mean_only:
            location[use] = shrink_locations(own_location, prior_of(*before))
        elif self.method == "nonparametric":
            location[use], scale[use] = shrink_nonparametric(standardised[:, use], own_location, own_scale, before)
        else:
            location[use], scale[use] = shrink_parametric(standardised[:, use], own_location, own_scale, prior_of(*before))
        return location, scale

    def to_json(self) -> dict[str, Any]:
        """The model as plain lists, numbers and text, None for NaN; `from_json` reads it back without loss."""
        return {name: _plain(value) if isinstance(value, np.ndarray) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CombatModel:
        """Read what `to_json` wrote, also after a way through a file.

        Raises
        ------
        ValueError
            A field is missing or there is one too many.
        """
        names = {field.name: str(field.type) for field in fields(cls)}
        if set(names) != set(content):
            raise ValueError(f"not a ComBat model: {', '.join(sorted(set(names) ^ set(content)))} missing or unknown")
        read: dict[str, Any] = dict(content)
        for name, kind in names.items():
            if kind == "Values":
                read[name] = np.asarray(content[name], dtype=np.float64)
        features = len(read["grand_mean"])
        read["coefficients"] = read["coefficients"].reshape(-1, features)
        read["adjusted"] = np.asarray(content["adjusted"], dtype=bool)
        read["sites"], read["sizes"] = tuple(content["sites"]), tuple(content["sizes"])
        read["covariates"] = tuple(Covariate(item["name"], tuple(item["levels"])) for item in content["covariates"])
        return cls(**read)


def fit_combat(
    table: ArrayLike,
    site: Iterable[Any],
    covariates: Mapping[str, Any] | None = None,
    *,
    method: Method = "parametric",
    mean_only: bool = False,
    reference: str = "",
    single: Literal["refuse", "mean-only"] = "refuse",
) -> CombatModel:
    """Estimate site effects.

    Parameters
    ----------
    table : array_like, shape (rows, features)
        One row a person: rows count as independent. NaN where unknown.
    site : sequence, shape (rows,)
        Two sites or more.
    covariates : mapping of str to sequence
        What may differ between the sites' people and must stay: numbers, or text for levels. Never the label that is to be predicted.
    method : {"parametric", "nonparametric", "none"}
        Of shrinkage; "none" takes each feature by itself.
    mean_only : bool
        Adjust locations only.
    reference : str
        A site to be left as it is, and to which the others are brought.
    single : {"refuse", "mean-only"}
        What to do about a site with one person, whose scale cannot be known: refuse, or adjust its location only.

    Returns
    -------
    CombatModel
        A feature that is constant at some site of two or more, or unknown for all (but one) of its people, is not adjusted: its scale there
        is unknown. With `mean_only` it suffices that it varies within the sites together.

    Raises
    ------
    ValueError
        There are fewer than two sites, a site has one person (see `single`), sites and covariates cannot be told apart, a covariate is
        missing for somebody, the reference is no site, or fewer than two features are left to shrink toward each other.
    """
    values = _table(table, None)
    names = _names(site, len(values))
    sites = tuple(str(name) for name in np.unique(names))
    members = [np.flatnonzero(names == name) for name in sites]
    _check(sites, members, mean_only, reference, single)
    described = read_covariates(covariates, len(values))
    added = covariate_columns(described, covariates, len(values))
    indicator = np.stack([names == name for name in sites], axis=1).astype(np.float64)
    if reference:
        # The others are then differences from it.
        indicator[:, sites.index(reference)] = 1.0
    design = np.hstack([indicator, added])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("sites and covariates cannot be told apart: a covariate is constant, or the same at everybody of a site")
    adjusted = adjustable(values, members, mean_only)
    if method != "none" and adjusted.sum() < 2:
        raise ValueError(f"{int(adjusted.sum())} of {values.shape[1]} features vary at every site: shrinkage needs two; use method none")
    everybody = members[sites.index(reference)] if reference else np.arange(len(values))
    coefficients, residual = least_squares(design, values, adjusted)
    share = np.array([len(rows) for rows in members]) / len(values)
    grand_mean = coefficients[sites.index(reference)] if reference else share @ coefficients[: len(sites)]
    spread = np.ones(values.shape[1])
    spread[adjusted] = np.sqrt(np.nanmean(residual[everybody][:, adjusted] ** 2, axis=0))
    kept = coefficients[len(sites) :]
    standardised = (values - grand_mean - added @ kept) / spread
    effects = _effects(standardised, members, adjusted, sites.index(reference) if reference else -1, method, mean_only)
    return CombatModel(
        sites, tuple(len(rows) for rows in members), method, mean_only, reference, described, kept, grand_mean, spread, *effects, adjusted
    )


def _effects(
    standardised: Values, members: Sequence[NDArray[np.intp]], adjusted: NDArray[np.bool_], reference: int, method: Method, mean_only: bool
) -> tuple[Values, Values, Values, Values]:
    """Raw location and squared scale of every site, and both after shrinkage; 0 and 1 for what is not adjusted."""
    shape = (len(members), len(adjusted))
    raw_location, raw_scale, location, scale = np.zeros(shape), np.ones(shape), np.zeros(shape), np.ones(shape)
    for row, people in enumerate(members):
        if row == reference:
            continue
        own = standardised[people][:, adjusted]
        centre, spread = raw_effects(own)
        only_mean = mean_only or len(people) == 1
        if only_mean:
            spread = np.ones_like(centre)
        raw_location[row, adjusted], raw_scale[row, adjusted] = centre, spread
        if method == "parametric" and only_mean:
            centre = shrink_locations(centre, prior_of(centre, spread))
        elif method == "parametric":
            centre, spread = shrink_parametric(own, centre, spread, prior_of(centre, spread))
        elif method == "nonparametric":
            centre, spread = shrink_nonparametric(own, centre, spread)
        location[row, adjusted], scale[row, adjusted] = centre, spread
    return raw_location, raw_scale, location, scale


def _check(sites: tuple[str, ...], members: Sequence[NDArray[np.intp]], mean_only: bool, reference: str, single: str) -> None:
    if len(sites) < 2:
        raise ValueError(f"ComBat needs two sites or more, and there is {', '.join(sites) or 'nobody'}")
    if reference and reference not in sites:
        raise ValueError(f"the reference site {reference} is not among {', '.join(sites)}")
    alone = [name for name, rows in zip(sites, members, strict=True) if len(rows) == 1]
    if reference in alone:
        raise ValueError(f"the reference site {reference} has one person: its scale is unknown")
    if alone and not mean_only and single == "refuse":
        raise ValueError(f"site {alone[0]} has one person, whose scale is unknown; adjust means only, or leave the site out")


def _table(table: ArrayLike, features: int | None) -> Values:
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or (features is not None and values.shape[1] != features):
        raise ValueError(f"a table of rows and {features if features is not None else 'some'} features is needed, not shape {values.shape}")
    if np.isinf(values).any():
        raise ValueError("a value is infinite")
    return values


def _plain(values: NDArray[Any]) -> Any:
    listed = values.tolist()
    if values.ndim == 1:
        return [None if value != value else value for value in listed]
    return [[None if value != value else value for value in row] for row in listed]


def _names(site: Iterable[Any], rows: int) -> NDArray[Any]:
    names = np.array([str(name) for name in site], dtype=object)
    if len(names) != rows:
        raise ValueError(f"{len(names)} sites for {rows} rows")
    return names
