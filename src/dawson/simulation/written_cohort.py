"""A simulated cohort as it lies on disk, read back: people, scans, and the true lesions of every scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dawson.cohort.scan import Scan
from dawson.errors import CohortError
from dawson.files import read_json, read_tsv
from dawson.simulation.profile_schema import Profile
from dawson.simulation.profiles import DEFAULT_PROFILE, load_profile
from dawson.simulation.tables import DERIVATIVES, PARAMETERS
from dawson.simulation.visits import SPACES, VisitFiles


@dataclass(frozen=True)
class WrittenCohort:
    """What a simulated cohort's tables say.

    Parameters
    ----------
    folder : Path
    name : str
    profile : Profile
        The one it was drawn from.
    space : {"template", "native"}
        Of the images.
    people : DataFrame
        One row a person: participant_id, diagnosis.
    scans : DataFrame
        One row a scan, in order of time: participant_id, session_id, diagnosis, visit (from 0), years (since the first
        scan), clinical_status.
    lesions : DataFrame
        One row a lesion and scan: participant_id, session_id, diagnosis, visit, and the columns of the lesion tables, of
        which findings is a frozenset.
    """

    folder: Path
    name: str
    profile: Profile
    space: str
    people: pd.DataFrame
    scans: pd.DataFrame
    lesions: pd.DataFrame

    @property
    def classes(self) -> list[str]:
        """Diagnoses in the cohort, in the profile's order, then the others."""
        there = set(self.people["diagnosis"])
        return [name for name in self.profile.classes if name in there] + sorted(there - set(self.profile.classes))

    @property
    def baseline(self) -> pd.DataFrame:
        """First scans."""
        return self.scans[self.scans["visit"] == 0]

    @property
    def present(self) -> pd.DataFrame:
        """Lesions that are there at their scan; those that have gone are left out."""
        return self.lesions[self.lesions["change"] != "resolved"]

    def mask_path(self, participant_id: str, session_id: str) -> Path:
        """The true lesion mask of a scan."""
        scan = Scan(participant_id, session_id, None, None)
        return VisitFiles(self.folder, scan, self.space).truth()["lesion"]


def read_simulated(folder: Path) -> WrittenCohort:
    """Read the tables of a simulated cohort.

    Parameters
    ----------
    folder : Path
        Which `simulate_cohort` wrote.

    Raises
    ------
    CohortError
        It is no simulated cohort, or a scan has no table of lesions.
    """
    folder = Path(folder)
    if not (folder / PARAMETERS).is_file() or not (folder / "participants.tsv").is_file():
        raise CohortError(f"{folder} is no simulated cohort: {PARAMETERS} is missing.", "Give a folder of `dawson simulate cohort`.")
    parameters = read_json(folder / PARAMETERS).get("parameters", {})
    people = read_tsv(folder / "participants.tsv", text=("diagnosis",))
    pairs = zip(people["participant_id"], people["diagnosis"], strict=True)
    scans: pd.DataFrame = pd.concat([_scans_of(folder, str(who), str(diagnosis)) for who, diagnosis in pairs], ignore_index=True)
    tables = [_lesions_of(folder, row) for row in scans.to_dict("records")]
    description = folder / "dataset_description.json"
    space = str(parameters.get("space", ""))
    return WrittenCohort(
        folder=folder,
        name=str(read_json(description).get("Name", folder.name)) if description.is_file() else folder.name,
        profile=_profile(parameters),
        space=space if space in SPACES else _space(folder),
        people=people[["participant_id", "diagnosis"]],
        scans=scans,
        lesions=pd.concat(tables, ignore_index=True),
    )


def _profile(parameters: dict[str, Any]) -> Profile:
    said = {**parameters.get("plan", {}), **parameters}
    hardness = said.get("hardness")
    return load_profile(str(said.get("profile") or DEFAULT_PROFILE), None if hardness is None else float(hardness))


def _space(folder: Path) -> str:
    """From the files, where the parameters do not say."""
    return "template" if any((folder / DERIVATIVES).glob(f"sub-*/**/*_{SPACES['template']}_label-lesion*")) else "native"


def _scans_of(folder: Path, participant_id: str, diagnosis: str) -> pd.DataFrame:
    path = folder / participant_id / f"{participant_id}_sessions.tsv"
    if not path.is_file():
        raise CohortError(f"{path} is missing.", "Finish the cohort with `dawson simulate cohort` and the same settings.")
    table = read_tsv(path, text=("clinical_status",)).sort_values("days_from_baseline", kind="stable")
    return pd.DataFrame(
        {
            "participant_id": participant_id,
            "session_id": table["session_id"],
            "diagnosis": diagnosis,
            "visit": range(len(table)),
            "years": table["days_from_baseline"].astype(float) / 365.25,
            "clinical_status": table.get("clinical_status", ""),
        }
    )


def _lesions_of(folder: Path, scan: dict[Any, Any]) -> pd.DataFrame:
    path = VisitFiles(folder, Scan(scan["participant_id"], scan["session_id"], None, None), "template").lesions()
    if not path.is_file():
        raise CohortError(f"{path} is missing.", "Finish the cohort with `dawson simulate cohort` and the same settings.")
    table = read_tsv(path, text=("kind", "findings", "change"))
    # A table without rows has columns without a type, which would turn those of all others into objects.
    table = table.astype({"volume_ml": float})
    table["findings"] = table["findings"].map(lambda names: frozenset(names.split(",")) if isinstance(names, str) else frozenset())
    for name in ("visit", "diagnosis", "session_id", "participant_id"):
        table.insert(0, name, scan[name])
    return table
