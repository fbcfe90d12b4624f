"""The brain items of the Cacciaguerra criteria."""

from __future__ import annotations

from functools import partial

from dawson.classification.comparators import Comparator
from dawson.classification.comparators.rules import predict_by_rule

COMPARATOR = Comparator(
    name="cacciaguerra",
    description="the brain items of the Cacciaguerra criteria read off the lesion mask (Cacciaguerra et al. 2019), with the "
    "frequencies of its answer among training people as probabilities",
    needs_lesions=True,
    predict=partial(predict_by_rule, rule="cacciaguerra"),
)
