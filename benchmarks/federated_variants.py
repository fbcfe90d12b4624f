"""What a federated training loses and gains by its settings, on the centres and new patients of `federated_study.py`.

    python benchmarks/federated_study.py WORK --seeds 0
    python benchmarks/federated_variants.py WORK --seed 0

The same plan as there with one setting changed: how batch normalisation is handled, FedProx, and differential privacy at several
epsilon (at delta = 1e-2 for the centre with fewest people). Centres are nodes in this process and exchange the very messages that the
network carries. FedBN leaves every centre its own normalisation: its new patients are read with that of their own centre, as it
stands after the last round. Prints AUCs with DeLong intervals, and the paired difference from the plan as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from federated_study import CENTRES, TRAINING, test_studies
from numpy.typing import NDArray

from dawson.classification.experiment import StudyPaths
from dawson.classification.training import predict_logits, softmax
from dawson.federation.comparison import new_people
from dawson.federation.coordinator import coordinate
from dawson.federation.plan import FederatedPlan, PrivacyPart
from dawson.federation.privacy_budget import noise_for
from dawson.federation.private_training import private_settings
from dawson.federation.site_people import gather
from dawson.federation.site_policy import PrivacyBudget, policy_path, read_site_policy
from dawson.federation.site_trainer import SiteTrainer
from dawson.parallel import cores
from dawson.statistics.delong import delong_interval, delong_paired_test

DELTA, PEOPLE_PER_STEP, BOUND = 1e-2, 16.0, 1.0
EPSILONS = (1.0, 3.0, 10.0, 30.0)


def variants() -> dict[str, dict[str, Any]]:
    """Name to what is changed of the plan."""
    return {
        "as it is: group normalisation, FedAvg": {},
        "batch normalisation, averaged": {"normalisation": "average"},
        "batch normalisation of each centre (FedBN)": {"normalisation": "fedbn"},
        "FedProx, mu 0.01": {"proximal": 0.01},
        "FedProx, mu 0.1": {"proximal": 0.1},
        **{f"private, epsilon {epsilon:g}": {"epsilon": epsilon} for epsilon in EPSILONS},
    }


def private(plan: FederatedPlan, epsilon: float, people: int) -> PrivacyPart:
    """Noise with which a centre of so many training people spends just that epsilon on the whole training."""
    rate = min(1.0, PEOPLE_PER_STEP / people)
    part = PrivacyPart(noise_multiplier=1.0, bound=BOUND, people_per_step=PEOPLE_PER_STEP)
    steps = plan.rounds * private_settings(plan.model_copy(update={"privacy": part}), people).steps
    return part.model_copy(update={"noise_multiplier": noise_for(epsilon, DELTA, rate, steps)})


def scores_of(plan: FederatedPlan, work: Path, folder: Path, change: dict[str, Any], jobs: int) -> tuple[Any, NDArray[np.float64]]:
    """The new patients and what a changed plan says of them."""
    studies = {name: work / name for name in CENTRES}
    change = dict(change)
    epsilon = change.pop("epsilon", None)
    plan = plan.model_copy(update=change)
    if epsilon is not None:
        smallest = min(
            int(table.loc[table["role"] == "train", "participant_id"].nunique())
            for table in (gather(StudyPaths(study, study), plan, jobs=jobs).table for study in studies.values())
        )
        plan = plan.model_copy(update={"privacy": private(plan, epsilon, smallest)})
    nodes = {}
    for name, study in studies.items():
        policy = read_site_policy(policy_path(study))
        policy = policy.model_copy(update={"budget": PrivacyBudget(epsilon=1000.0, delta=DELTA)})
        nodes[name] = SiteTrainer(StudyPaths(study, folder / name), policy)
    done = coordinate(plan, {name: node.answer for name, node in nodes.items()}, folder / "job")
    table, images = new_people(test_studies(work, plan.seed, 402, jobs), plan, jobs)
    told = np.empty(len(table))
    for name, node in nodes.items():
        network = node.local_network(plan.job, done.weights)
        rows = (table["centre"] == name).to_numpy()
        told[rows] = softmax(predict_logits(network.eval(), images[rows]))[:, plan.classes.index(plan.positive)]
    return table, told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=cores())
    given = parser.parse_args()
    torch.set_num_threads(1)
    work = given.work / f"seed-{given.seed}"
    usual: NDArray[np.float64] | None = None
    print("| plan | AUC (DeLong 95 %) | less the plan as it is (paired) |\n|---|---|---|")
    for name, change in variants().items():
        plan = FederatedPlan(job="variant", training=TRAINING, rounds=given.rounds, folds=4, seed=given.seed, minimum_sites=3)
        with TemporaryDirectory() as folder:
            table, told = scores_of(plan, work, Path(folder), change, given.jobs)
        truth = (table["label"] == plan.positive).to_numpy()
        usual = told if usual is None else usual
        found, apart = delong_interval(truth, told), delong_paired_test(truth, told, usual)
        less = f"{apart.difference:+.3f} ({apart.low:+.3f} to {apart.high:+.3f})" if told is not usual else ""
        print(f"| {name} | {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f}) | {less} |", flush=True)


if __name__ == "__main__":
    main()
