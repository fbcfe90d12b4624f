"""What would more patients give? The study again with fewer training patients, on the same test sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dawson.classification.cases import Cases, entry
from dawson.classification.device import choose
from dawson.classification.evaluation import evaluate
from dawson.classification.experiment import (
    FINAL_SPLITS,
    SPLITS,
    StudyPaths,
    check_name,
    collect_predictions,
    open_experiment,
    write_splits,
)
from dawson.classification.images import UsableImages, guard_images
from dawson.classification.out_of_sample import patient_means
from dawson.classification.plan import Plan, make_runs, plan_of, plan_study, recorded_splits, train_pending
from dawson.classification.soft_targets import decisive_rows
from dawson.classification.study import prepare_images
from dawson.cohort.consent import with_governance
from dawson.cohort.splits import COLUMNS, final_splits
from dawson.errors import ConfigError, TooFewParticipantsError
from dawson.files import write_json, write_tsv
from dawson.parallel import resolve_jobs
from dawson.statistics.bootstrap import draw_counts, percentile_interval, replicate_figures
from dawson.statistics.figures import auc
from dawson.statistics.power_law import fit_power_laws

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.classification.runs import Run
    from dawson.config import EvaluationSection, StudyConfig

CURVE, CURVE_TABLE = "learning_curve.json", "learning_curve.tsv"
SHARES = (0.25, 0.5, 0.75)
EXTRAPOLATION = 2.0
_GRID = 60
_TAG = 0xC0


def run_learning_curve(
    paths: StudyPaths,
    name: str,
    config: StudyConfig,
    *,
    sizes: Sequence[int] = (),
    repeats: int = 3,
    jobs: int = 0,
    dask: str | None = None,
) -> Path:
    """Train with fewer patients and write learning_curve.json and learning_curve.tsv.

    Can be stopped and taken up again like the study. Networks that the study trained on all patients are used for the last point.

    Parameters
    ----------
    paths : StudyPaths
    name : str
        Of the experiment: its settings, splits and folder.
    config : StudyConfig
    sizes : sequence of int
        Numbers of patients to train with (training and validation together); a quarter, a half and three quarters by default. All
        of them are always added.
    repeats : int
        Test sets, the first of the study's.
    jobs, dask
        As for `run_study`.

    Returns
    -------
    Path
        Of learning_curve.json.

    Raises
    ------
    DawsonError
        Each kind names the file or person and the fix; what is finished stays and is used by the next attempt.
    """
    folder = paths.experiment(check_name(name))
    config = with_governance(config, paths.study)
    cohort, usable = prepare_images(paths, config, jobs=jobs, dask=dask)
    whole = _whole(paths, name, config, usable)
    open_experiment(folder, config)
    write_splits(folder / SPLITS, whole.splits, usable.exclusions)
    plans = curve_plans(whole, folder / "curve", config, sizes, repeats)
    workers = resolve_jobs(jobs) if choose(config.training).on_cpu or jobs > 0 else 1
    for plan in plans.values():
        train_pending(plan, workers, dask)
    predictions = {size: collect_predictions(plan.runs, plan.splits, usable) for size, plan in plans.items()}
    curve = learning_curve(predictions, {size: plan.splits for size, plan in plans.items()}, config, seed=config.split.seed)
    curve |= {"experiment": name, "simulated": cohort.simulated}
    write_json(folder / CURVE, curve)
    write_tsv(folder / CURVE_TABLE, curve_table(curve))
    return folder / CURVE


def _whole(paths: StudyPaths, name: str, config: StudyConfig, usable: UsableImages) -> Plan:
    """The plan of the experiment: on its own splits where it has them, since people may have been taken out of them."""
    folder, keys = paths.experiment(name), ["participant_id", "session_id"]
    if not (folder / FINAL_SPLITS).is_file():
        return plan_study(paths, name, config, usable)
    splits, final = (recorded.merge(usable.table[keys], on=keys) for recorded in recorded_splits(folder))
    images = usable.table.merge(pd.concat([splits, final])[keys].drop_duplicates(), on=keys)
    return plan_of(paths, name, config, replace(usable, table=images), splits, final)


def curve_plans(whole: Plan, folder: Path, config: StudyConfig, sizes: Sequence[int], repeats: int) -> dict[float, Plan]:
    """The runs of each size, by the mean number of patients who train; the last plan has everybody and the study's own runs.

    Raises
    ------
    ConfigError
        A size is not smaller than what there is.
    TooFewParticipantsError
        A size leaves a class fewer people than there are folds.
    LeakageError
        From the guard.
    """
    images, chosen = whole.usable.table, [repeat for repeat in sorted(whole.splits["repeat"].unique()) if repeat < repeats]
    splits = whole.splits[whole.splits["repeat"].isin(chosen)].reset_index(drop=True)
    orders = {int(repeat): training_order(images, splits, int(repeat), config.split.seed) for repeat in chosen}
    fewest = min(len(order) for order in orders.values())
    wanted = sorted(set(sizes or (round(share * fewest) for share in SHARES)))
    if wanted[-1] >= fewest or wanted[0] < 1:
        raise ConfigError(
            f"--sizes {wanted[-1]} cannot be: {fewest} patients train in the study.", f"Give numbers below {fewest}; all are added."
        )
    plans: dict[float, Plan] = {}
    for size in wanted:
        table = pd.concat([_smaller(images, splits, repeat, order[:size], config) for repeat, order in orders.items()], ignore_index=True)
        guard_images(table, whole.usable)
        runs = make_runs(table, images, config, folder / f"size-{size:04d}", None, explained=False)
        plans[float(size)] = _plan(whole.usable, table, runs)
    # A run that the study finished has its explanations already; one that it did not leaves them for the study to make.
    runs = [replace(run, explain=False, weights=None) for run in whole.runs if run.repeat in chosen]
    plans[float(np.mean([len(order) for order in orders.values()]))] = _plan(whole.usable, splits, runs)
    return plans


def _plan(usable: UsableImages, splits: pd.DataFrame, runs: Sequence[Run]) -> Plan:
    return Plan(usable, splits, splits.iloc[:0], tuple(runs), ())


def training_order(images: pd.DataFrame, splits: pd.DataFrame, repeat: int, seed: int) -> list[str]:
    """The people who train or validate in a repeat, so ordered that any first n of them are a stratified sample.

    Within a class the order is random; the classes are dealt out evenly, so that each has its share among the first n, give or
    take one. Smaller subsets are parts of the larger ones.

    Parameters
    ----------
    images : DataFrame
        participant_id, session_id, label.
    splits : DataFrame
    repeat, seed : int

    Returns
    -------
    list of str
    """
    learning = splits[(splits["repeat"] == repeat) & splits["role"].isin(["train", "validation"])]
    ids = np.unique(learning["participant_id"].astype(str))
    label_of = dict(zip(images["participant_id"].astype(str), images["label"].astype(str), strict=True))
    labels = np.array([label_of[person] for person in ids])
    rng = np.random.default_rng([seed, repeat, _TAG])
    place = np.empty(len(ids))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return [str(person) for person in ids[np.lexsort((rng.permutation(len(ids)), place))]]


def _smaller(images: pd.DataFrame, splits: pd.DataFrame, repeat: int, chosen: Sequence[str], config: StudyConfig) -> pd.DataFrame:
    """The splits of one repeat with the chosen people in new folds and everybody else who is not tested unused."""
    part = splits[splits["repeat"] == repeat]
    learning = part.loc[part["role"].isin(["train", "validation"]), ["participant_id", "session_id"]].drop_duplicates()
    mine = images.merge(learning[learning["participant_id"].isin(chosen)], on=["participant_id", "session_id"])
    try:
        folds = final_splits(mine, config.split.folds, config.split.seed + repeat)
    except TooFewParticipantsError as error:
        raise TooFewParticipantsError(f"With {len(chosen)} training patients: {error.message}", "Leave out the smallest --sizes.") from None
    rest = part[~part["role"].isin(["train", "validation"])]
    used = pd.concat([folds.assign(repeat=repeat), rest], ignore_index=True)
    return used.sort_values(list(COLUMNS[:4]), kind="stable")[list(COLUMNS)].reset_index(drop=True)


def learning_curve(
    predictions: dict[float, pd.DataFrame], splits: dict[float, pd.DataFrame], config: StudyConfig, seed: int = 0
) -> dict[str, Any]:
    """Performance by number of training patients, with the power law through it.

    Parameters
    ----------
    predictions, splits : dict
        Number of training patients to the tables of that size; the test patients are the same for all.
    config : StudyConfig
    seed : int
        Of the bootstrap over patients.

    Returns
    -------
    dict
        As in docs/reference/files, learning_curve.json: `points`, `curve`, `extrapolation`, `note`.
    """
    classes, positive, section = config.study.classes, config.study.positive, config.evaluation
    points = []
    for size in sorted(predictions):
        metrics = evaluate(predictions[size], splits[size], classes=classes, positive=positive, section=section, seed=seed)
        points.append(
            {"n_train": int(size) if size == int(size) else size}
            | {figure: metrics["headline"][figure] for figure in ("auc", "accuracy")}
            | {"n_test_participants": sum(metrics["n_test_participants"].values()), "n_repeats": metrics["n_repeats"]}
        )
    result = {"points": points, "curve": None, "extrapolation": None}
    if len(points) >= 3:
        result |= _extrapolated(predictions, classes, positive, section, seed)
    return result | {"note": _note(points, bool(result["curve"]), section)}


def _extrapolated(
    predictions: dict[float, pd.DataFrame], classes: Sequence[str], positive: str, section: EvaluationSection, seed: int
) -> dict[str, Any]:
    """The law through the areas, its band from resampled patients (the same ones at every size), and where it leads."""
    sizes = np.array(sorted(predictions))
    tables = [patient_means(decisive_rows(predictions[size][predictions[size]["role"] == "test"], classes)) for size in sizes]
    cases = [Cases(table.sort_values("participant_id"), classes, positive) for table in tables]
    counts = draw_counts(cases[0].truth, section.bootstraps, seed)
    areas = np.array([_area(one) for one in cases])
    resampled = np.stack([_areas(one, counts) for one in cases], axis=1)
    weights = 1 / np.maximum(resampled.var(axis=0), 1e-6)
    law, laws = fit_power_laws(sizes, areas[None], weights), fit_power_laws(sizes, resampled, weights)
    grid = np.unique(np.append(np.geomspace(sizes[0], EXTRAPOLATION * sizes[-1], _GRID), sizes))
    middle, replicates = law.at(grid)[0], laws.at(grid)
    band = [entry(percentile_interval(float(value), replicates[:, place], section.confidence)) for place, value in enumerate(middle)]
    method = f"inverse power law, {section.bootstraps} resamples of the test patients"
    return {
        "curve": {
            "a": float(law.a[0]), "b": float(law.b[0]), "c": float(law.c[0]), "method": method, "extrapolated_above": float(sizes[-1]),
            "n_train": grid.tolist(), "auc": middle.tolist(), "low": [row["low"] for row in band], "high": [row["high"] for row in band],
        },
        "extrapolation": {"n_train": EXTRAPOLATION * float(sizes[-1]), "extrapolated": True, "auc": band[-1] | {"method": method}},
    }  # fmt: skip


def _area(cases: Cases) -> float:
    """The area under the curve of the headline: of the positive class, or the mean over more than two classes."""
    if len(cases.classes) == 2:
        return float(auc(*cases.against(cases.positive)[:2]))
    return float(np.mean([auc(*cases.against(k)[:2]) for k in range(len(cases.classes))]))


def _areas(cases: Cases, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """`_area` of every resample."""
    wanted = [cases.positive] if len(cases.classes) == 2 else range(len(cases.classes))
    return np.asarray(np.mean([replicate_figures(*cases.against(k), counts)["auc"] for k in wanted], axis=0), dtype=np.float64)


def _note(points: Sequence[dict[str, Any]], fitted: bool, section: EvaluationSection) -> str:
    test, repeats = points[-1]["n_test_participants"], points[-1]["n_repeats"]
    text = (
        f"Each point is the mean over {repeats} test set{'s' if repeats != 1 else ''} of the study, {test} different test patients, with "
        f"a {100 * section.confidence:g} % interval over these patients; training patients are drawn once a test set, each smaller "
        "sample part of the larger ones. How the points would move with other training patients is not in the intervals."
    )
    if not fitted:
        return text + " Fewer than three sizes: no curve is fitted."
    return text + " Beyond the last point the curve is extrapolated: it holds only if a power law does."


def curve_table(curve: dict[str, Any]) -> pd.DataFrame:
    """The points and the extrapolated one as a table: n_train, auc, auc_low, auc_high, accuracy, ..., extrapolated."""
    rows = []
    for point in [*curve["points"], *([curve["extrapolation"]] if curve["extrapolation"] else [])]:
        row: dict[str, Any] = {"n_train": point["n_train"]}
        for name in ("auc", "accuracy"):
            values = point.get(name) or {}
            row |= {name + end: values.get(key) for end, key in (("", "estimate"), ("_low", "low"), ("_high", "high"))}
        rows.append(row | {"extrapolated": bool(point.get("extrapolated", False))})
    return pd.DataFrame(rows)
