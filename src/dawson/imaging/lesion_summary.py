"""The lesions of one scan in one row: how many, how large, where, of what shape."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.imaging.lesion_features import LesionFeatures

if TYPE_CHECKING:
    import pandas as pd

FLAGS = tuple(field.name for field in fields(LesionFeatures) if field.type == "bool")
"""Names of the yes-or-no features of a lesion."""

REGIONS: dict[str, tuple[str, ...]] = {
    "white_matter": ("white matter",),
    "temporal": ("temporal white matter", "temporal cortex"),
    "cortex": ("cortex",),
    "callosum": ("corpus callosum",),
    "deep_grey": ("caudate", "putamen", "pallidum"),
    "diencephalon": ("thalamus", "hypothalamus"),
    "tracts": ("corticospinal tract", "optic radiation"),
    "brainstem": ("brainstem", "periaqueductal grey", "area postrema"),
    "cerebellum": ("cerebellar cortex", "cerebellar white matter"),
}
"""Regions of the summary, of the labels of `brain_regions`; a lesion counts in the one that most of it lies in."""

_SHAPES = ("volume_ml", "length_mm", "elongation", "sphericity", "solidity", "lining_share")


def features_table(lesions: Iterable[LesionFeatures]) -> pd.DataFrame:
    """Features of lesions as a table, one row a lesion, a column for each field; touched regions separated by commas."""
    import pandas as pd

    names = [field.name for field in fields(LesionFeatures)]
    rows = [{name: getattr(lesion, name) for name in names} | {"regions": ", ".join(lesion.regions)} for lesion in lesions]
    return pd.DataFrame(rows, columns=names)


def features_of_table(table: pd.DataFrame) -> tuple[LesionFeatures, ...]:
    """The lesions of a table that `features_table` made, also once it was written as TSV and read back.

    Raises
    ------
    KeyError
        A column is missing.
    """
    return tuple(
        LesionFeatures(**{field.name: _value(field.name, field.type, table[field.name].iloc[row]) for field in fields(LesionFeatures)})
        for row in range(len(table))
    )


def summary_of(lesions: Sequence[LesionFeatures]) -> dict[str, float]:
    """One scan in numbers, for a classifier or a table of patients.

    Parameters
    ----------
    lesions : sequence of LesionFeatures
        Of one scan; none is an answer too.

    Returns
    -------
    dict of str to float
        `lesions` (number) and `total_ml`; `n_FLAG` for each of `FLAGS`; `n_in_REGION` and `ml_in_REGION` for each of `REGIONS`;
        `mean_SHAPE`, NaN without lesions; `jagged` (mean of one less solidity over periventricular lesions, NaN without any). The
        names, and their order, are always the same.
    """
    summary = {"lesions": float(len(lesions)), "total_ml": math.fsum(lesion.volume_ml for lesion in lesions)}
    summary |= {f"n_{flag}": float(sum(getattr(lesion, flag) for lesion in lesions)) for flag in FLAGS}
    for name, labels in REGIONS.items():
        there = [lesion for lesion in lesions if lesion.region in labels]
        summary |= {f"n_in_{name}": float(len(there)), f"ml_in_{name}": math.fsum(lesion.volume_ml for lesion in there)}
    summary |= {f"mean_{name}": _mean([getattr(lesion, name) for lesion in lesions]) for name in _SHAPES}
    summary["jagged"] = _mean([1 - lesion.solidity for lesion in lesions if lesion.periventricular])
    return summary


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _value(name: str, kind: Any, cell: Any) -> Any:
    if name == "regions":
        return tuple(part for part in cell.split(", ") if part) if isinstance(cell, str) else ()
    if kind == "bool":
        return cell if isinstance(cell, bool) else str(cell).lower() == "true"
    return {"int": int, "float": float, "str": str}[kind](cell)
