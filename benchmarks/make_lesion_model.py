"""The lesion model that comes with Dawson, from nothing: simulated cohorts, then the members and their operating point.

    python benchmarks/make_lesion_model.py WORK --out src/dawson/lesions/models/shipped --jobs 2

Simulates the cohorts of `COHORTS` in WORK (template space, so nothing has to be preprocessed) and trains by the recipe of
`dawson.lesions.recipe`. Stopped at any moment, the same command goes on. `--minutes` ends the training early with a model of what
there is. The seeds here are for training only: `lesion_segmentation.py` evaluates on others, and on scanners that are not here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dawson.lesions.model_training import train_lesion_model
from dawson.lesions.recipe import read_recipe
from dawson.lesions.training_data import training_study
from dawson.parallel import resolve_jobs
from dawson.simulation import plan_cohort, simulate_cohort

# One scan a person: another scan of the same brain teaches less than another brain.
COUNTS = {"MS": 26, "NMOSD": 10, "healthy": 6}
SITES = ("A", "B", "old")
COHORTS = {"uk": 60101, "korea": 60102, "taiwan": 60103}
"""Population to seed."""
MODEL_SEED = 60100


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--jobs", type=int, default=0)
    arguments = parser.parse_args()
    jobs = resolve_jobs(arguments.jobs)
    studies = []
    for profile, seed in COHORTS.items():
        plan = plan_cohort(
            COUNTS,
            followed_up=dict.fromkeys(COUNTS, 0),
            follow_up_scans=dict.fromkeys(COUNTS, 0),
            seed=seed,
            sites=SITES,
            profile=profile,
            name=f"Simulated training cohort {profile}",
        )
        studies.append(training_study(simulate_cohort(arguments.work / profile, plan, seed=seed, jobs=jobs)))
    recipe = read_recipe(arguments.recipe)
    train_lesion_model(studies, arguments.out, recipe, seed=MODEL_SEED, minutes=arguments.minutes, jobs=jobs, work=arguments.work / "model")
    print((arguments.out / "card.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
