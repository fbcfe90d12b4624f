"""What it means for the figures that the truth of some patients is a probability, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dawson.report.formatting import decimal_estimate
from dawson.report.sharing import is_small


def soft_sentence(metrics: Mapping[str, Any], share: bool = False, count_shown: bool = True) -> str:
    """Who is left out of the figures for want of a likely class, and the scores over everybody; empty where labels are hard.

    Parameters
    ----------
    metrics : mapping
        metrics.json; `soft_labels` is there where some label is soft.
    share : bool
        Leave out numbers of people from which one from 1 to 4 could be worked out.
    count_shown : bool
        Whether the number of test patients may be told.
    """
    soft = metrics.get("soft_labels")
    if not soft:
        return ""
    n, unsure, undecided = int(soft["n"]), int(soft["soft"]), int(soft["undecided"])
    telling = (unsure, n - unsure, undecided, n - undecided, unsure - undecided)
    if count_shown and not (share and any(map(is_small, telling))):
        who = f"{unsure} of {n} test patients have a class probability in place of a diagnosis"
        left = f"{undecided} of them, with no class above one half, are left out of all figures that need a true class"
    else:
        who = "Some test patients have a class probability in place of a diagnosis"
        left = "those with no class above one half are left out of all figures that need a true class"
    return (
        f"{who}: the most probable class counts as true, and {left}. Over everybody, against these probabilities, the Brier score is "
        f"{decimal_estimate(soft.get('brier'))} and the negative log likelihood {decimal_estimate(soft.get('nll'))}."
    )


def soft_limit(metrics: Mapping[str, Any]) -> str:
    """The limit that comes with it; empty where labels are hard."""
    if not metrics.get("soft_labels"):
        return ""
    return (
        "The truth of some patients is itself a probability: figures that need a true class take the most probable one and leave out "
        "patients who have none above one half, who are the hardest."
    )
