"""How hard a simulated cohort is for the seed paper's method: one fold of each of many held-out draws.

    python benchmarks/simulator_difficulty.py FOLDER --profile korea --seed 101 --repeats 20

Simulates a cohort of the paper's size and shape in FOLDER, trains fold 0 of every repeat, and prints one row of Markdown. Stopped at any
moment, the same command goes on. `--no-lesions`, `--no-atrophy` and `--matched` show what else tells the classes apart.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from dawson.classification.experiment import StudyPaths, collect_predictions
from dawson.classification.out_of_sample import checked_test_rows, patient_means, repeat_means
from dawson.classification.plan import plan_study, train_pending
from dawson.classification.study import prepare_images
from dawson.config import StudyConfig
from dawson.files import write_json
from dawson.parallel import resolve_jobs
from dawson.simulation import seok2023_plan, simulate_cohort
from dawson.statistics.delong import delong_interval


def main() -> None:
    """Run one cohort."""
    arguments = _arguments()
    plan = seok2023_plan(
        arguments.seed,
        profile=arguments.profile,
        hardness=arguments.hardness,
        lesions=arguments.lesions,
        atrophy=arguments.atrophy,
        matched=arguments.matched,
    )
    study = simulate_cohort(arguments.folder, plan, seed=arguments.seed, jobs=arguments.jobs)
    config = StudyConfig().updated(split={"repeats": arguments.repeats}, training={"network": arguments.network})
    paths = StudyPaths(study, study)
    _, usable = prepare_images(paths, config, jobs=arguments.jobs)
    whole = plan_study(paths, arguments.network, config, usable)
    chosen = replace(whole, runs=tuple(run for run in whole.runs if run.fold == 0), final_runs=())
    train_pending(chosen, resolve_jobs(arguments.jobs))
    splits = whole.splits[whole.splits["fold"] == 0]
    classes, positive = config.study.classes, config.study.positive
    test = checked_test_rows(collect_predictions(chosen.runs, splits, usable), splits, classes)
    column = f"probability_{positive}"
    repeats = [roc_auc_score(part["label"] == positive, part[column]) for _, part in repeat_means(test).groupby("repeat")]
    patients = patient_means(test)
    pooled = delong_interval(patients["label"] == positive, patients[column])
    found = {
        "profile": arguments.profile if arguments.hardness is None else f"hardness {arguments.hardness:g}",
        "seed": arguments.seed,
        "network": arguments.network,
        "repeats": len(repeats),
        "mean_auc": float(np.mean(repeats)),
        "sd": float(np.std(repeats, ddof=1)),
        "patients_auc": [pooled.estimate, pooled.low, pooled.high],
    }
    write_json(study / f"difficulty_{arguments.network}.json", found)
    print(
        f"| {found['profile']} | {arguments.seed} | {arguments.network} | {len(repeats)} | {found['mean_auc']:.3f} | {found['sd']:.3f} "
        f"| {pooled.estimate:.3f} ({pooled.low:.3f}-{pooled.high:.3f}) |"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default="korea")
    parser.add_argument("--hardness", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--no-lesions", dest="lesions", action="store_false")
    parser.add_argument("--no-atrophy", dest="atrophy", action="store_false")
    parser.add_argument("--matched", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
