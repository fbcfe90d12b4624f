"""Published figures to stand beside a study's own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedResult:
    """What a paper reports for one comparison of classes.

    Attributes
    ----------
    citation : str
    classes : frozenset of str
        The diagnoses that were compared.
    positive : str
        The class whose detection is the sensitivity.
    figures : dict
        For each figure of merit its estimate and the bounds of its 95 % interval, as fractions of 1.
    """

    citation: str
    classes: frozenset[str]
    positive: str
    figures: dict[str, tuple[float, float, float]]


# Table 2: mean and 95 % interval over 100 repeats of the held-out draw. The interval treats repeats as independent.
SEOK_2023 = PublishedResult(
    citation="Seok, Cho et al. Sci Rep 2023, Table 2. doi:10.1038/s41598-023-38271-x",
    classes=frozenset({"MS", "NMOSD"}),
    positive="NMOSD",
    figures={
        "accuracy": (0.761, 0.748, 0.774),
        "sensitivity": (0.773, 0.744, 0.803),
        "specificity": (0.748, 0.721, 0.775),
        "ppv": (0.769, 0.752, 0.787),
        "npv": (0.786, 0.767, 0.806),
        "auc": (0.85, 0.84, 0.86),
    },
)

PUBLISHED = (SEOK_2023,)


def published_for(classes: tuple[str, ...], positive: str) -> PublishedResult | None:
    """The published result on the same comparison; None where there is none."""
    for result in PUBLISHED:
        if result.classes == frozenset(classes) and result.positive == positive:
            return result
    return None
