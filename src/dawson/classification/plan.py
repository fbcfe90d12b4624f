"""The runs of a study, planned from its images before anything is trained, and trained where they are not yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dawson.classification.experiment import FINAL_SPLITS, SPLITS
from dawson.classification.images import guard_images
from dawson.classification.runs import Run, execute
from dawson.classification.soft_targets import target_columns
from dawson.cohort.splits import final_splits, make_splits
from dawson.errors import ExperimentError, TooFewParticipantsError
from dawson.files import read_tsv
from dawson.parallel import each
from dawson.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from dawson.classification.experiment import StudyPaths
    from dawson.classification.images import UsableImages
    from dawson.config import StudyConfig

EXPLAINED_REPEAT = 0


@dataclass(frozen=True)
class Plan:
    """A study that is ready to be run.

    Parameters
    ----------
    usable : UsableImages
    splits : DataFrame
        Of the repeats.
    final : DataFrame
        Of the model that is handed on.
    runs : tuple of Run
        Every repeat and fold.
    final_runs : tuple of Run
        The members of the model.
    """

    usable: UsableImages
    splits: pd.DataFrame
    final: pd.DataFrame
    runs: tuple[Run, ...]
    final_runs: tuple[Run, ...]

    @property
    def pending(self) -> list[Run]:
        """Runs that no earlier attempt finished."""
        return [run for run in (*self.runs, *self.final_runs) if not run.is_done()]


def plan_study(paths: StudyPaths, name: str, config: StudyConfig, usable: UsableImages, *, keep_weights: bool = False) -> Plan:
    """Make the splits and the runs, before anything is trained.

    Raises
    ------
    LeakageError
        Two people share an image and would stand on both sides of a split.
    TooFewParticipantsError
        The test sets ask for more people than there are.
    """
    _require_classes(usable.table, config, "take part")
    splits = make_splits(usable.table, config.split, site_column=config.study.site_column)
    tested = splits.loc[splits["role"] == "test", "participant_id"].unique()
    # An external test set stays external; elsewhere the model that is handed on learns from everybody.
    learning = usable.table[~usable.table["participant_id"].isin(tested)] if config.split.scheme == "external" else usable.table
    final = final_splits(learning, config.split.folds, config.split.seed)
    return plan_of(paths, name, config, usable, splits, final, keep_weights=keep_weights)


def plan_of(
    paths: StudyPaths,
    name: str,
    config: StudyConfig,
    usable: UsableImages,
    splits: pd.DataFrame,
    final: pd.DataFrame,
    *,
    keep_weights: bool = False,
) -> Plan:
    """The runs of given splits, once the guard has seen them.

    Raises
    ------
    LeakageError
        From the guard.
    TooFewParticipantsError
        A class has nobody, or nobody who is tested.
    """
    _require_classes(usable.table, config, "take part")
    tested = splits.loc[splits["role"] == "test", "participant_id"].unique()
    _require_classes(usable.table[usable.table["participant_id"].isin(tested)], config, "are in a test set")
    for table in (splits, final):
        guard_images(table, usable)
    experiment, model = paths.experiment(name), paths.model(name)
    runs = make_runs(splits, usable.table, config, experiment / "runs", experiment / "weights" if keep_weights else None, explained=True)
    members = make_runs(final, usable.table, config, experiment / "final", model, explained=False)
    return Plan(usable, splits, final, tuple(runs), tuple(members))


def recorded_splits(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The splits of an experiment and those of the model's members, as they were drawn.

    Raises
    ------
    ExperimentError
        The experiment has none, or was made before those of the members were kept.
    """
    for needed in (SPLITS, FINAL_SPLITS):
        if not (folder / needed).is_file():
            raise ExperimentError(f"{folder} has no {needed}: it cannot be taken up again.", "Run the study anew with `dawson study run`.")
    splits, final = (read_tsv(folder / name, text=("role",)) for name in (SPLITS, FINAL_SPLITS))
    return splits, final


def make_runs(
    splits: pd.DataFrame, images: pd.DataFrame, config: StudyConfig, folder: Path, weights: Path | None, explained: bool
) -> list[Run]:
    """The runs of a table of splits, in order.

    Parameters
    ----------
    splits : DataFrame
    images : DataFrame
        As in `UsableImages`.
    config : StudyConfig
    folder : Path
        Where the results go.
    weights : Path or None
        Folder of the weights; None forgets them.
    explained : bool
        Whether these are repeats of the study, the first of which is explained, or members of a model.
    """
    columns = ["participant_id", "session_id", "label", "path", "hash", *target_columns(images, config.study.classes)]
    used = splits[splits["role"] != "unused"].merge(images[columns], on=["participant_id", "session_id"], validate="m:1")
    runs = []
    for (repeat, fold), table in _by_run(used):
        member = f"member-{fold}" if not explained else f"repeat-{repeat:03d}_fold-{fold}"
        runs.append(
            Run(
                repeat=repeat,
                fold=fold,
                table=table[[*columns, "role"]].reset_index(drop=True),
                classes=config.study.classes,
                training=config.training,
                seed=config.split.seed,
                folder=folder,
                explain=explained and repeat == EXPLAINED_REPEAT,
                weights=weights / f"{member}.safetensors" if weights is not None else None,
                intensity=config.harmonisation.intensity,
            )
        )
    return runs


def _require_classes(images: pd.DataFrame, config: StudyConfig, what: str) -> None:
    absent = [name for name in config.study.classes if name not in set(images["label"])]
    if absent:
        raise TooFewParticipantsError(
            f"No participants with {config.study.diagnosis_column} {', '.join(absent)} {what}.",
            "Correct [study] classes, --where or the scheme; the test sets together need people of every class.",
        )


def _by_run(used: pd.DataFrame) -> Iterator[tuple[tuple[int, int], pd.DataFrame]]:
    for repeat in sorted(used["repeat"].unique()):
        of_repeat = used[used["repeat"] == repeat]
        for fold in sorted(of_repeat["fold"].unique()):
            yield (int(repeat), int(fold)), of_repeat[of_repeat["fold"] == fold]


def train_pending(plan: Plan, jobs: int, dask: str | None = None) -> None:
    """Train every run that no earlier attempt finished."""
    pending = plan.pending
    total = len(plan.runs) + len(plan.final_runs)
    with progress("Training", total, done=total - len(pending)) as advance:
        for record in each(execute, pending, jobs, dask):
            advance(f"repeat {record['repeat']} fold {record['fold']}")
