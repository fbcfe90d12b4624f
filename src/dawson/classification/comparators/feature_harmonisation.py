"""Site effects taken out of a table of features, estimated on the training people of a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dawson.errors import ExperimentError
from dawson.statistics.combat import CombatModel, fit_combat
from dawson.statistics.site_predictability import confounding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.classification.comparators.material import Material, Rows

TELLS_DIAGNOSIS = 0.9
"""Cramer's V from which a covariate is the diagnosis under another name."""

_FIX = "Change [harmonisation] in the study file."


def harmonised_features(material: Material, table: pd.DataFrame, training: Rows, wanted: Rows) -> pd.DataFrame:
    """The table without what sites add, as ComBat estimates it on the training people.

    Parameters
    ----------
    material : Material
        Its `harmonisation` says how; where that is None or leaves features alone, the table is returned as it is.
    table : DataFrame
        Numbers, one row an image of the material.
    training, wanted : ndarray of int
        Rows. The effect of a site that nobody trains from is estimated, where the study file says so, from the wanted rows of it,
        one a person, without their labels.

    Returns
    -------
    DataFrame
        Rows that are neither are unknown.

    Raises
    ------
    ExperimentError
        A covariate or the site is in no table, a covariate tells the diagnosis, a site is unseen and refused, or ComBat cannot be fitted.
    """
    section = material.harmonisation
    if section is None or section.features == "none":
        return table
    site = sites_of(material)
    covariates = _covariates(material, training)
    try:
        model = fit_fold(material, table, training)
        if section.unseen == "estimate":
            first = first_scans(material, wanted)
            model = model.with_unseen(table.to_numpy()[first], site[first], _rows(covariates, first))
        rows = np.concatenate([training, wanted])
        done = model.transform(table.to_numpy()[rows], site[rows], _rows(covariates, rows))
    except ValueError as error:
        raise ExperimentError(f"ComBat of the lesion features: {error}.", _FIX) from None
    result = np.full(table.shape, np.nan)
    result[rows] = done
    return pd.DataFrame(result, columns=table.columns, index=table.index)


def fit_fold(material: Material, table: pd.DataFrame, training: Rows) -> CombatModel:
    """ComBat on the first scan of each training person, since it takes rows for independent.

    Raises
    ------
    ValueError
        From `fit_combat`.
    ExperimentError
        From the covariates.
    """
    section = material.harmonisation
    assert section is not None
    first = first_scans(material, training)
    covariates = _rows(_covariates(material, training), first)
    varying = {name: values for name, values in covariates.items() if len(set(values.tolist())) > 1}
    site = sites_of(material)[first]
    return fit_combat(table.to_numpy()[first], site, varying, reference=section.reference_site, single="mean-only")


def sites_of(material: Material) -> NDArray[Any]:
    """Site of each image (n,).

    Raises
    ------
    ExperimentError
        There is no such column, or it is unknown for somebody.
    """
    column = material.site_column
    if column not in material.images:
        raise ExperimentError(f"ComBat needs the site of everybody, and no table has a column {column!r}.", "Set [study] site_column.")
    known = material.images[column]
    if (lacking := known.isna() | (known.astype(str) == "")).any():
        raise ExperimentError(
            f"ComBat needs the site of everybody, and {material.images.loc[lacking, 'participant_id'].iloc[0]} has none.",
            "Fill the column, or leave these people out with [study] where.",
        )
    return known.astype(str).to_numpy(dtype=object)


def first_scans(material: Material, rows: Rows) -> Rows:
    """Of some rows the first of each person: of the earliest session by its name."""
    part = material.images.iloc[rows][["participant_id", "session_id"]].assign(row=rows)
    return np.sort(part.sort_values(["participant_id", "session_id"]).drop_duplicates("participant_id")["row"].to_numpy(dtype=np.intp))


def _covariates(material: Material, training: Rows) -> dict[str, NDArray[Any]]:
    """Covariates of every image: unknown numbers are the median of the training people, unknown or new levels their most frequent one."""
    assert material.harmonisation is not None
    found: dict[str, NDArray[Any]] = {}
    first = first_scans(material, training)
    for name in material.harmonisation.covariates:
        if name not in material.images:
            raise ExperimentError(f"[harmonisation] covariates names {name!r}, which is in no table.", "Name columns that there are.")
        column = material.images[name]
        known = column.iloc[first].dropna()
        if known.empty:
            raise ExperimentError(f"[harmonisation] covariates names {name!r}, which is unknown for all training people.", _FIX)
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            found[name] = column.fillna(float(known.median())).to_numpy(dtype=np.float64)
            continue
        labels = material.images["label"].iloc[first][column.iloc[first].notna()]
        if confounding(known.astype(str).tolist(), labels.tolist()).cramers_v >= TELLS_DIAGNOSIS:
            raise ExperimentError(
                f"[harmonisation] covariates names {name!r}, which tells the diagnosis: what it explains would stay in the features "
                "of test patients as their label.",
                "Name covariates such as age and sex.",
            )
        text = known.astype(str)
        usual = sorted(text.mode())[0]
        found[name] = column.astype(str).where(column.notna() & column.astype(str).isin(set(text)), usual).to_numpy(dtype=object)
    return found


def _rows(covariates: dict[str, NDArray[Any]], rows: Rows) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in covariates.items()}
