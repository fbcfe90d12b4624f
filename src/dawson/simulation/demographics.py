"""Who has each diagnosis: age, sex, antibodies, disability; in MS and NMOSD those of the seed paper's Table 1.

Source: Seok, Cho et al., Sci Rep 2023, doi:10.1038/s41598-023-38271-x. Shares of phenotypes and treatments are ours, where the paper is
silent; MOGAD and healthy people have sources of their own, and what their comments do not name is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Demographics:
    """How the people of one diagnosis are distributed.

    Parameters
    ----------
    age : tuple of float
        Mean and standard deviation, years.
    women, aqp4_positive, relapse : float
        Shares; `relapse` is that of scans made in a relapse.
    duration : tuple of float
        Disease duration at the first scan, mean and standard deviation, years (gamma distributed).
    edss : tuple of float
        Lower quartile, median and upper quartile. None, as the duration, in healthy people.
    phenotypes, treatments : mapping of str to float
        Shares, adding up to 1; treatments from the one given for mild disease to the one given for severe.
    without_follow_up : float
        Share of people with one scan only, where the caller gives no number.
    follow_ups : float
        Follow-up scans of a person who has any, mean.
    mog_positive : float
        Share.
    """

    age: tuple[float, float]
    women: float
    aqp4_positive: float
    relapse: float
    duration: tuple[float, float] | None
    edss: tuple[float, float, float] | None
    phenotypes: Mapping[str, float]
    treatments: Mapping[str, float]
    without_follow_up: float
    follow_ups: float
    mog_positive: float = 0.0


DEMOGRAPHICS: dict[str, Demographics] = {
    "MS": Demographics(
        (35.0, 9.9),
        0.721,
        0.0,
        0.221,
        (5.8, 5.3),
        (0.0, 1.0, 2.5),
        {"RRMS": 0.85, "SPMS": 0.10, "PPMS": 0.05},
        {"none": 0.15, "platform": 0.60, "high efficacy": 0.25},
        0.50,
        113 / 52,
    ),
    "NMOSD": Demographics(
        (43.9, 12.6),
        0.857,
        0.943,
        0.312,
        (4.8, 5.4),
        (1.5, 2.5, 4.0),
        {"relapsing": 0.85, "monophasic": 0.15},
        {"none": 0.10, "oral immunosuppressant": 0.45, "antibody": 0.45},
        0.65,
        39 / 24,
    ),
    # Age, sex: MAGNIMS 2020 (91 people); EDSS: Duan et al. 2021 (35 people).
    "MOGAD": Demographics(
        (41.0, 15.0),
        0.55,
        0.0,
        0.30,
        (3.0, 3.5),
        (2.0, 3.0, 4.0),
        {"relapsing": 0.45, "monophasic": 0.55},
        {"none": 0.45, "oral immunosuppressant": 0.35, "antibody": 0.20},
        0.65,
        1.6,
        mog_positive=1.0,
    ),
    # Age: MAGNIMS 2020 (87 people).
    "healthy": Demographics(
        (36.0, 12.0),
        0.65,
        0.0,
        0.0,
        None,
        None,
        {"none": 1.0},
        {"none": 1.0},
        0.80,
        1.2,
    ),
}
