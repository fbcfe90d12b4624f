"""A classifier on what can be counted and measured of a patient's lesions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dawson.classification.comparators import Comparator
from dawson.classification.comparators.feature_harmonisation import harmonised_features
from dawson.classification.comparators.material import Material, Probability, Rows, by_fold
from dawson.classification.comparators.regression import fit_predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dawson.imaging.lesion_features import LesionFeatures

# Some fifty columns, many of them alike, of about a hundred patients: a strong penalty.
_STRENGTH = 0.1
# Volumes are compared on a logarithmic scale, on which no lesion is one of this size.
_NOTHING_ML = 0.01


def summary_table(lesions: Sequence[tuple[LesionFeatures, ...]]) -> pd.DataFrame:
    """One row a scan with `lesion_summary.summary_of`, counts and volumes on a logarithmic scale: both are skewed."""
    from dawson.imaging.lesion_summary import summary_of

    table = pd.DataFrame([summary_of(own) for own in lesions])
    for name in table:
        if str(name).startswith(("n_", "lesions")):
            table[name] = np.log1p(table[name])
        elif str(name).startswith(("ml_", "total_ml")):
            table[name] = np.log(table[name] + _NOTHING_ML)
    return table


def predict(material: Material) -> pd.DataFrame:
    """Logistic regression with a strong quadratic penalty on the summary of each scan's lesions, without site effects where asked."""
    table = summary_table(material.lesions_of_images())

    def learned(training: Rows, wanted: Rows) -> Probability:
        own = harmonised_features(material, table, training, wanted)
        return fit_predict(material, own, list(own.columns), training, wanted, _STRENGTH)

    return by_fold(material, learned)


COMPARATOR = Comparator(
    name="lesion-features",
    description="logistic regression (L2) on numbers, volumes, places and shapes of the lesions of a mask",
    needs_lesions=True,
    predict=predict,
)
