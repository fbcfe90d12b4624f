"""A study is done again without somebody: only the networks that learnt from the person are trained anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dawson.classification.experiment import FINAL_SPLITS, SPLITS, StudyPaths
from dawson.classification.images import UsableImages
from dawson.classification.plan import plan_of, recorded_splits
from dawson.classification.study import carry_out, prepare_images
from dawson.classification.withdrawal import people_in, take_out
from dawson.cohort.consent import with_governance
from dawson.config import read_config
from dawson.errors import CohortError, ExperimentError
from dawson.files import write_tsv
from dawson.governance.gate import is_withdrawn


@dataclass(frozen=True)
class Retraining:
    """What doing a study again takes.

    Parameters
    ----------
    left_out : tuple of str
        Who was in the experiment and takes part no longer: those named, those who withdrew, those whose consent ended.
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
        Participants to leave out. Whoever withdrew, or may no longer be used, is left out in any case.
    jobs, dask
        As for `run_study`.
    dry_run : bool
        Only say what would be done.

    Raises
    ------
    ExperimentError
        There is no such experiment, it was made before splits of the model were kept, or a scan that it used cannot be used now
        though its person may.
    CohortError
        A name is not in the experiment.
    DawsonError
        From the training.
    """
    folder = paths.experiment(name)
    splits, final = recorded_splits(folder)
    config = with_governance(read_config(folder / "config.toml"), paths.study)
    cohort, usable = prepare_images(paths, config, jobs=jobs, dask=dask, look_only=dry_run)
    inside, images = people_in(folder), _images(splits) | _images(final)
    if unknown := [person for person in without if person not in inside and not is_withdrawn(paths.study, person)]:
        raise CohortError(f"{', '.join(unknown)} is not in experiment {name}.", "Check the spelling of --without.")
    excluded = usable.exclusions
    refused = set(excluded.loc[excluded["stage"] == "consent", "participant_id"])
    left_out = tuple(sorted(person for person in inside if person in without or person in refused or is_withdrawn(paths.study, person)))
    present = _images(usable.table)
    if missing := sorted(key for key in images - present if key[0] not in left_out):
        reasons = dict(zip(_keys(excluded), excluded["reason"].astype(str), strict=True))
        said = [f"{' '.join(part for part in key if part)} ({reasons.get(key, 'no longer there')})" for key in missing[:3]]
        raise ExperimentError(
            f"{len(missing)} scans of experiment {name} cannot be used now: {', '.join(said)}{', ...' if len(missing) > 3 else ''}.",
            "Bring them back, or leave the people out by name with --without.",
        )
    own = usable.table[usable.table["participant_id"].isin(left_out)]
    rows = own[["participant_id", "session_id"]].assign(stage="left out", reason="left out when the study was done again")
    remaining = UsableImages(
        usable.table[[key in images and key[0] not in left_out for key in _keys(usable.table)]].reset_index(drop=True),
        pd.concat([excluded, rows], ignore_index=True),
    )
    splits, final = (table[~table["participant_id"].isin(left_out)].reset_index(drop=True) for table in (splits, final))
    plan = plan_of(paths, name, config, remaining, splits, final, keep_weights=(folder / "weights").is_dir())
    runs = [*plan.runs, *plan.final_runs]
    kept = sum(run.has_network() for run in runs)
    found = Retraining(left_out, len(runs) - kept, kept)
    if dry_run:
        return found
    for person in left_out:
        take_out(folder, person)
    for table, content in ((SPLITS, splits), (FINAL_SPLITS, final)):
        write_tsv(folder / table, content)
    carry_out(paths, name, config, cohort, plan, jobs=jobs, dask=dask)
    return found


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(table[["participant_id", "session_id"]].astype(str).itertuples(index=False, name=None))


def _images(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(_keys(table))
