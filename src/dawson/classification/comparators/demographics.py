"""Age and sex alone: what a model could know of a patient without looking at the brain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dawson.classification.comparators import Comparator
from dawson.classification.comparators.material import Material, by_fold
from dawson.classification.comparators.regression import fit_predict
from dawson.errors import ExperimentError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("age", "sex")
_STRENGTH = 1.0


def predict(material: Material) -> pd.DataFrame:
    """Logistic regression on age and sex, those of them that the tables have."""
    columns = [name for name in COLUMNS if name in material.images and material.images[name].notna().any()]
    if not columns:
        raise ExperimentError("Neither age nor sex is known of anybody.", "Add them to participants.tsv.")
    return by_fold(material, lambda training, wanted: fit_predict(material, material.images, columns, training, wanted, _STRENGTH))


COMPARATOR = Comparator(
    name="demographics",
    description="logistic regression on age and sex alone",
    needs_lesions=False,
    predict=predict,
)
