"""How sure lesion count and volume of a network are: intervals from the people that its members did not learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.files import read_json, sidecar_path
from dawson.statistics.residual_intervals import ResidualInterval, fit_residuals

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.9
# a tenth of a millilitre is what two raters differ by where there is little; 3/8 makes the root of small counts even (Anscombe 1948)
_VOLUME_OFFSET_ML, _COUNT_OFFSET = 0.1, 0.375


@dataclass(frozen=True)
class MeasureIntervals:
    """Intervals of one model's lesion volume and count.

    They hold for people and scanners like those of the validation, whose scans are taken as they are and with the look of other
    scanners. Count means lesions of the smallest volume that the model reports, or larger.

    Parameters
    ----------
    volume_ml, count : ResidualInterval
    """

    volume_ml: ResidualInterval
    count: ResidualInterval

    def of(self, lesion_ml: float, lesion_count: int) -> dict[str, float | None]:
        """`lesion_ml_low`, `lesion_ml_high`, `lesion_count_low`, `lesion_count_high`; None where a bound cannot be given."""
        volume, count = self.volume_ml.around(lesion_ml), self.count.around(float(lesion_count))
        # the truth is a whole number: the interval holds those inside
        named = {
            "lesion_ml_low": volume[0], "lesion_ml_high": volume[1],
            "lesion_count_low": -(-count[0] // 1), "lesion_count_high": count[1] // 1,
        }  # fmt: skip
        return {name: (round(value, 4) if value < float("inf") else None) for name, value in named.items()}

    def to_json(self) -> dict[str, Any]:
        """For `model.json`."""
        return {"volume_ml": self.volume_ml.to_json(), "count": self.count.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> MeasureIntervals:
        """What `to_json` gave."""
        return cls(ResidualInterval.from_json(content["volume_ml"]), ResidualInterval.from_json(content["count"]))


def fit_intervals(table: pd.DataFrame) -> MeasureIntervals:
    """Intervals from validation scans at the operating point.

    Parameters
    ----------
    table : DataFrame
        person, predicted_ml, truth_ml, predicted_count, truth_count of every scan and look. A prediction is that of the one
        member that had not seen the person: the ensemble errs less, so the intervals are rather too wide than too narrow.
    """
    people = table["person"].to_numpy()
    volume = fit_residuals(table["predicted_ml"], table["truth_ml"], people, "log", _VOLUME_OFFSET_ML, LEVEL)
    count = fit_residuals(table["predicted_count"], table["truth_count"], people, "root", _COUNT_OFFSET, LEVEL)
    return MeasureIntervals(volume, count)


def intervals_beside(mask: Path) -> dict[str, float]:
    """What the sidecar of a mask says of its count and volume, under the names of lesions.tsv; empty for masks without intervals."""
    try:
        figures = read_json(sidecar_path(mask)).get("Figures", {})
    except (OSError, ValueError):
        return {}
    renamed = {"lesion_count_low": "lesions_low", "lesion_count_high": "lesions_high", "lesion_ml_low": "total_ml_low"}
    renamed["lesion_ml_high"] = "total_ml_high"
    return {column: float(figures[name]) for name, column in renamed.items() if isinstance(figures.get(name), int | float)}
