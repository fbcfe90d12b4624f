"""A study is done again without somebody: only the networks that learnt from the person are trained anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dawson.classification.experiment import FINAL_SPLITS, SPLITS, StudyPaths
from dawson.classification.plan import plan_of
from dawson.classification.study import carry_out, prepare_images
from dawson.classification.withdrawal import RETRAIN, ModelsAndExperiments
from dawson.config import read_config
from dawson.errors import CohortError, ExperimentError
from dawson.files import read_tsv, write_tsv

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ["participant_id", "session_id"]


@dataclass(frozen=True)
class Retraining:
    """What doing a study again takes.

    Parameters
    ----------
    left_out : tuple of str
        Who is in the splits and takes part no longer: those named, and those whose images or consent are gone.
    trained, kept : int
        Runs (repeats, folds and members of the model) to train anew, and those that stay as they are.
    """

    left_out: tuple[str, ...]
    trained: int
    kept: int


def retrain(
    paths: StudyPaths, name: str, without: Sequence[str] = (), *, jobs: int = 0, dask: str | None = None, dry_run: bool = False
) -> Retraining:
    """Do an experiment again on its own splits, less the people who are to be left out; its model is replaced.

    Nobody changes sides: the others keep the repeat, fold and role that they had. A run in which a person was only tested keeps
    its network, and loses the person's predictions. Stopped at any moment, the same command goes on.

    Parameters
    ----------
    paths : StudyPaths
    name : str
        Of the experiment and its model.
    without : sequence of str
        Participants to leave out. Whoever has withdrawn, or whose images or consent are gone, is left out in any case.
    jobs, dask
        As for `run_study`.
    dry_run : bool
        Only say what would be done.

    Raises
    ------
    ExperimentError
        There is no such experiment, or it was made before splits of the model were kept.
    CohortError
        A name is not in the experiment, and never was a reason to retrain it.
    DawsonError
        From the training.
    """
    folder = paths.experiment(name)
    for needed in ("config.toml", SPLITS, FINAL_SPLITS):
        if not (folder / needed).is_file():
            raise ExperimentError(f"{folder} has no {needed}: it cannot be taken up again.", "Run the study anew with `dawson study run`.")
    config = read_config(folder / "config.toml")
    splits, final = (read_tsv(folder / table, text=("role",)) for table in (SPLITS, FINAL_SPLITS))
    known = set(splits["participant_id"]) | set(final["participant_id"])
    if (unknown := sorted(set(without) - known)) and not (folder / RETRAIN).is_file():
        raise CohortError(f"{', '.join(unknown)} is not in experiment {name}.", "Check the spelling of --without.")
    cohort, usable = prepare_images(paths, config, jobs=jobs, dask=dask)
    present = set(zip(usable.table["participant_id"], usable.table["session_id"], strict=True))
    gone = {who for who, session in _images(splits, final) if (who, session) not in present}
    left_out = tuple(sorted((set(without) & known) | gone))
    remaining = replace(usable, table=usable.table[~usable.table["participant_id"].isin(left_out)].reset_index(drop=True))
    splits, final = (table[~table["participant_id"].isin(left_out)].reset_index(drop=True) for table in (splits, final))
    if not dry_run:
        for person in left_out:
            ModelsAndExperiments().remove(paths.out, person)
    plan = plan_of(paths, name, config, remaining, splits, final, keep_weights=(folder / "weights").is_dir())
    runs = [*plan.runs, *plan.final_runs]
    kept = sum(run.has_network() for run in runs)
    found = Retraining(left_out, len(runs) - kept, kept)
    if dry_run:
        return found
    for table, content in ((SPLITS, splits), (FINAL_SPLITS, final)):
        write_tsv(folder / table, content)
    carry_out(paths, name, config, cohort, plan, jobs=jobs, dask=dask)
    for place in (folder, paths.model(name)):
        (place / RETRAIN).unlink(missing_ok=True)
    return found


def _images(*tables: pd.DataFrame) -> set[tuple[str, str]]:
    return {key for table in tables for key in table[_KEYS].itertuples(index=False, name=None)}
