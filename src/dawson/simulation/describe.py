"""A simulated cohort compared with the profile it was drawn from, and with real lesions: what was published, what came out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dawson.parallel import resolve_jobs
from dawson.simulation.course_rates import yearly_changes
from dawson.simulation.frequencies import frequency_table, status_table
from dawson.simulation.lesion_maps import FWHM_MM, LEAST_LESION_MM3, Agreement, LesionMap, agreement, lesion_map, measure_masks
from dawson.simulation.real_lesions import RealLesions, read_real
from dawson.simulation.written_cohort import WrittenCohort, read_simulated


@dataclass(frozen=True)
class CohortDescription:
    """A simulated cohort in numbers.

    Parameters
    ----------
    cohort : WrittenCohort
    frequencies : DataFrame
        One row for each published share: see `frequency_table`.
    patients : DataFrame
        One row a patient at the first scan: diagnosis, lesions (true ones), volume_ml, components (connected parts of the
        mask that are counted as lesions).
    loads : DataFrame
        These by class: diagnosis, quantity, n, mean, q1, median, q3, min, max, and the published mean where there is one.
    changes : DataFrame
        Change a year by class: see `yearly_changes`.
    status : DataFrame
        Share of all scans with the finding that follows the clinical state, by state.
    maps : dict of str to LesionMap
        By class; empty for cohorts in native space.
    real : RealLesions or None
    agreements : dict of str to Agreement
        Correlation of each class's map with that of the real lesions.
    """

    cohort: WrittenCohort
    frequencies: pd.DataFrame
    patients: pd.DataFrame
    loads: pd.DataFrame
    changes: pd.DataFrame
    status: pd.DataFrame
    maps: dict[str, LesionMap]
    real: RealLesions | None
    agreements: dict[str, Agreement]

    def summary(self) -> dict[str, Any]:
        """Everything but the maps and the rows about single patients, for JSON."""
        real = None
        if self.real is not None:
            real = {
                "name": self.real.name,
                "diagnosis": self.real.diagnosis,
                "n": self.real.map.n,
                "loads": _records(real_loads(self.real)),
                "split_half_correlation": _plain(self.real.reliability),
                "best_possible_correlation": _plain(self.real.ceiling),
                "correlation": {
                    name: {key: _plain(value) for key, value in vars(found).items()} for name, found in self.agreements.items()
                },
            }
        tested = self.frequencies["p_holm"].notna()
        return {
            "SimulatedData": True,
            "name": self.cohort.name,
            "profile": self.cohort.profile.name,
            "hardness": self.cohort.profile.hardness,
            "space": self.cohort.space,
            "patients": {name: int((self.cohort.people["diagnosis"] == name).sum()) for name in self.cohort.classes},
            "scans": {name: int((self.cohort.scans["diagnosis"] == name).sum()) for name in self.cohort.classes},
            "frequencies_tested": int(tested.sum()),
            "frequencies_met": int(self.frequencies.loc[tested, "fits"].sum()),
            "frequencies": _records(self.frequencies),
            "loads": _records(self.loads),
            "changes_per_year": _records(self.changes),
            "status": _records(self.status),
            "maps": {"smoothing_fwhm_mm": FWHM_MM, "patients": {name: found.n for name, found in self.maps.items()}},
            "least_lesion_mm3": LEAST_LESION_MM3,
            "real": real,
        }


def describe_cohort(folder: Path, real: Path | None = None, jobs: int = 1) -> CohortDescription:
    """Read a simulated cohort and compare it with its profile.

    Parameters
    ----------
    folder : Path
        Which `simulate_cohort` wrote.
    real : Path, optional
        Lesion masks of real patients in MNI space, see `read_real`. They are summed up, never copied.
    jobs : int
        Processes; 0 is one a core.

    Raises
    ------
    CohortError
        The folder holds no simulated cohort, or `real` no masks.
    """
    cohort = read_simulated(folder)
    jobs = resolve_jobs(jobs)
    first = cohort.baseline.reset_index(drop=True)
    in_template = cohort.space == "template"
    paths = [cohort.mask_path(*names) for names in zip(first["participant_id"], first["session_id"], strict=True)]
    measured = measure_masks(paths, in_template, jobs, "Simulated lesion masks")
    number = cohort.present[cohort.present["visit"] == 0].groupby("participant_id").size()
    patients = pd.DataFrame(
        {
            "diagnosis": first["diagnosis"],
            "lesions": first["participant_id"].map(number).fillna(0).astype(int),
            "volume_ml": [mask.volume_ml for mask in measured],
            "components": [mask.components for mask in measured],
        }
    )
    maps = {}
    if in_template:
        for name in cohort.classes:
            maps[name] = lesion_map([measured[index] for index in np.flatnonzero(first["diagnosis"] == name)])
    known = read_real(Path(real), jobs) if real is not None else None
    return CohortDescription(
        cohort=cohort,
        frequencies=frequency_table(cohort),
        patients=patients,
        loads=_loads(cohort, patients),
        changes=yearly_changes(cohort),
        status=status_table(cohort),
        maps=maps,
        real=known,
        agreements={name: agreement(found, known.map) for name, found in maps.items()} if known is not None else {},
    )


def real_loads(real: RealLesions) -> pd.DataFrame:
    """Volumes and counts of the real patients as `CohortDescription.loads` gives the simulated ones."""
    return pd.DataFrame(
        [{"quantity": "volume_ml", **_spread(real.volumes_ml)}, {"quantity": "components", **_spread(real.components.astype(float))}]
    )


def _loads(cohort: WrittenCohort, patients: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for diagnosis in cohort.classes:
        own = patients[patients["diagnosis"] == diagnosis]
        profile = cohort.profile.classes.get(diagnosis)
        for quantity in ("lesions", "components", "volume_ml"):
            said = profile.lesions if profile is not None and quantity == "lesions" else None
            rows.append(
                {
                    "diagnosis": diagnosis,
                    "quantity": quantity,
                    **_spread(own[quantity].to_numpy(dtype=float)),
                    "published_mean": said.mean if said else math.nan,
                    "source": cohort.profile.sources[said.source] if said else "",
                }
            )
    return pd.DataFrame(rows)


def _spread(values: np.ndarray) -> dict[str, Any]:
    low, q1, median, q3, high = (float(value) for value in np.percentile(values, [0, 25, 50, 75, 100]))
    return {"n": len(values), "mean": float(values.mean()), "q1": q1, "median": median, "q3": q3, "min": low, "max": high}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): _plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    """A value as JSON has it: what is missing or not finite becomes null."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
