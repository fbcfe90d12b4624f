"""The folder of an experiment: what it was asked, what is finished, what came out."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.images import UsableImages, guard_images, stack_of
from dawson.config import StudyConfig, dump_config, read_config
from dawson.errors import ConfigError, ExperimentError
from dawson.files import atomic_path, read_tsv, write_text, write_tsv
from dawson.parallel import cores

if TYPE_CHECKING:
    import pandas as pd

    from dawson.classification.runs import Run

SPLITS, FINAL_SPLITS = "splits.tsv", "final_splits.tsv"
_PACKAGES = (
    "dawson", "torch", "monai", "numpy", "scipy", "pandas", "scikit-learn", "nibabel", "nilearn", "deepbet", "SimpleITK",
    "picsl-greedy",
)  # fmt: skip


@dataclass(frozen=True)
class StudyPaths:
    """Where a study is read from and where its results go.

    Parameters
    ----------
    study : Path
        BIDS root, only read when `out` is another folder.
    out : Path
        Root of the results; usually the same.
    """

    study: Path
    out: Path

    @property
    def derivatives(self) -> Path:
        """Root of the derivatives."""
        return self.out / "derivatives" / "dawson"

    def experiment(self, name: str) -> Path:
        """Folder of an experiment."""
        return self.out / "experiments" / name

    def model(self, name: str) -> Path:
        """Folder of the model that is handed on."""
        return self.out / "models" / name

    def manifest(self, name: str) -> Path:
        """The list of who a model was trained on; it stays in the centre."""
        return self.out / "governance" / "training-manifests" / f"{name}.tsv"


def check_name(name: str) -> str:
    """Refuse a name that is no plain folder name.

    Raises
    ------
    ConfigError
    """
    if not name or name.startswith(".") or any(not (letter.isalnum() or letter in "-_.") for letter in name):
        raise ConfigError(f"{name!r} cannot name an experiment.", "Use letters, digits, '-', '_' and '.'.")
    return name


def open_experiment(folder: Path, config: StudyConfig, restart: bool = False) -> None:
    """Make the folder of an experiment, or take up an interrupted one.

    More repeats, another evaluation and other comparators may be asked of an old experiment: its finished runs are used again.
    Everything else must be as it was.

    Raises
    ------
    ExperimentError
        The folder holds an experiment with other settings.
    """
    recorded = folder / "config.toml"
    if restart and folder.exists():
        shutil.rmtree(folder)
    if recorded.exists() and (differing := _differences(read_config(recorded), config)):
        raise ExperimentError(
            f"Experiment {folder.name} was started with other settings: {'; '.join(differing)}.",
            "Give this one another --name, or --restart to throw the old results away.",
        )
    write_text(recorded, dump_config(config))


def _differences(old: StudyConfig, new: StudyConfig) -> list[str]:
    free = {("split", "repeats")} if new.split.scheme == "held-out-draw" else set()
    free |= {("training", "device"), ("study", "name")}
    # Features are harmonised for the comparators, which are made anew each time; brightness decides the network.
    free |= {("harmonisation", name) for name in ("features", "covariates", "reference_site", "unseen")}
    # What judges the results may change; consent is asked at every use, whatever an experiment was recorded with.
    free_sections = {"evaluation", "comparators", "governance"}
    before, after = old.model_dump(exclude=free_sections), new.model_dump(exclude=free_sections)
    return [
        f"{section}.{name} was {value!r} and is {after[section][name]!r}"
        for section, values in before.items()
        for name, value in values.items()
        if (section, name) not in free and after[section][name] != value
    ]


def collect_predictions(runs: Sequence[Run], splits: pd.DataFrame, images: UsableImages) -> pd.DataFrame:
    """The predictions of all runs as one table, once the guard has seen the splits and the images' hashes.

    Raises
    ------
    LeakageError
        From the guard.
    """
    import pandas as pd

    guard_images(splits, images)
    tables = [read_tsv(run.predictions, text=("label", "model", "role")) for run in runs]
    return pd.concat(tables, ignore_index=True)


def collect_explanations(runs: Sequence[Run], path: Path, probability: pd.DataFrame) -> None:
    """Average the explanations of one repeat's fold models and write them with the images they explain.

    Parameters
    ----------
    runs : sequence of Run
        The folds of one repeat, with explanations.
    path : Path
        The `.npz` to write; its arrays are listed in docs/reference/files.
    probability : DataFrame
        Ensemble test probabilities of that repeat: participant_id, session_id, probability_CLASS.
    """
    from dawson.classification.explain import upsample

    parts = [np.load(run.explanations) for run in runs]
    table = runs[0].table
    tested = table[table["role"] == "test"].sort_values(["participant_id", "session_id"]).reset_index(drop=True)
    images = stack_of(tested)
    grid = np.mean([part["gradcam_grid"] for part in parts], axis=0)
    columns = [f"probability_{name}" for name in runs[0].classes]
    merged = tested[["participant_id", "session_id"]].merge(probability, on=["participant_id", "session_id"], validate="1:1")
    chosen = np.arange(len(tested)), merged[columns].to_numpy().argmax(1)
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary,
            classes=np.array(runs[0].classes), participant_id=tested["participant_id"].to_numpy(dtype=str),
            session_id=tested["session_id"].to_numpy(dtype=str), label=tested["label"].to_numpy(dtype=str), images=images,
            probability=merged[columns].to_numpy(dtype=np.float32), gradcam_grid=grid, gradcam=upsample(grid, images.shape[-2:]),
            occlusion=np.mean([part["occlusion"] for part in parts], axis=0),
            attribution=np.mean([part["attribution"][chosen].astype(np.float32) for part in parts], axis=0).astype(np.float16),
        )  # fmt: skip


def environment() -> dict[str, Any]:
    """What the results were made with: versions, machine, time."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "packages": versions,
    }


def write_splits(path: Path, splits: pd.DataFrame, exclusions: pd.DataFrame | None = None) -> None:
    """Write the table of splits, or check that the one on disk begins the same.

    Parameters
    ----------
    path : Path
    splits : DataFrame
    exclusions : DataFrame, optional
        As in `UsableImages`, to say why somebody is missing.

    Raises
    ------
    ExperimentError
        Another table is there: the images changed since the experiment began.
    """
    if path.exists():
        old = read_tsv(path)
        common = splits[splits["repeat"].isin(old["repeat"].unique())].reset_index(drop=True)
        before = old[old["repeat"].isin(common["repeat"].unique())].reset_index(drop=True)
        same = len(common) == len(before) and all((common[name].astype(str) == before[name].astype(str)).all() for name in common)
        if not same:
            raise _other_images(path.parent.name, before, common, exclusions)
    write_tsv(path, splits)


def _other_images(name: str, before: pd.DataFrame, now: pd.DataFrame, exclusions: pd.DataFrame | None) -> ExperimentError:
    keys = ["participant_id", "session_id"]
    old, new = ({(str(person), str(session)) for person, session in table[keys].itertuples(index=False)} for table in (before, now))
    reasons = {}
    if exclusions is not None:
        reasons = {(str(row.participant_id), str(row.session_id)): str(row.reason) for row in exclusions.itertuples()}
    gone = sorted(old - new)
    said = [f"{' '.join(filter(None, key))} ({reasons.get(key, 'no longer there')})" for key in gone[:3]]
    parts = [f"{len(gone)} scans are not used any more: {', '.join(said)}{', ...' if len(gone) > 3 else ''}"] if gone else []
    parts += [f"{len(new - old)} are new"] if new - old else []
    told = f": {'; '.join(parts)}" if parts else ""
    again = (
        f"`dawson study retrain models/{name}` does it again without people who may no longer be used. Otherwise give" if gone else "Give"
    )
    return ExperimentError(
        f"The images of the study are not those with which experiment {name} began{told}.",
        f"{again}Or give this one another --name, or --restart to throw the old results away.",
    )
