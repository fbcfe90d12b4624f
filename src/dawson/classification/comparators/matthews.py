"""The Matthews rule: ventricle and inferior temporal lobe, U-fibre, or Dawson's finger."""

from __future__ import annotations

from functools import partial

from dawson.classification.comparators import Comparator
from dawson.classification.comparators.rules import predict_by_rule

COMPARATOR = Comparator(
    name="matthews",
    description="the Matthews rule read off the lesion mask (Matthews et al. 2013), with the frequencies of its "
    "answer among training people as probabilities",
    needs_lesions=True,
    predict=partial(predict_by_rule, rule="matthews"),
)
