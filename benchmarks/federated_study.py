"""Three simulated centres: each alone, leave one out, federated over a real network, and pooled; on fresh simulated patients.

    python benchmarks/federated_study.py WORK --seeds 0 1 2 --jobs 2

Each seed has centres of its own with different scanners and case mixes, `--patients` new patients of the same scanners, and a network
of real processes over mutual TLS on the loopback. All arms take the same steps: the same network, rounds, passes and class weights rule,
the optimiser new in each round, the round of least validation loss. Over all seeds the difference is the mean of those of the seeds,
whose patients and models are independent. Writes scores.tsv (each patient, each arm) and arms.tsv, and prints
AUCs with DeLong intervals and paired differences; a seed that is in WORK is not computed again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.config import TrainingSection
from dawson.federation.comparison import arms_of, compare
from dawson.federation.local_network import local_network
from dawson.federation.plan import FederatedPlan
from dawson.federation.site_policy import policy_path, write_site_policy_template
from dawson.files import read_json, read_tsv, write_json, write_text, write_tsv
from dawson.parallel import cores
from dawson.simulation import plan_cohort, simulate_cohort
from dawson.statistics.delong import delong_interval, delong_paired_test

CENTRES: dict[str, tuple[str, str, dict[str, int]]] = {
    "seoul": ("A", "korea", {"MS": 22, "NMOSD": 40}),
    "taipei": ("B", "taiwan", {"MS": 30, "NMOSD": 30}),
    "oxford": ("C", "uk", {"MS": 44, "NMOSD": 18}),
}
"""Site to scanner, case mix and people."""
TRAINING = TrainingSection(network="resnet18-narrow", batch_size=8, learning_rate=1e-3, device="cpu")
FIRST_SEED = 80_000
_Z = 1.959964


def simulated(folder: Path, people: dict[str, int], site: str, profile: str, seed: int, jobs: int) -> Path:
    """One scan of each of some people of one centre."""
    none = dict.fromkeys(people, 0)
    plan = plan_cohort(people, followed_up=none, follow_up_scans=none, seed=seed, sites=(site,), profile=profile)
    return simulate_cohort(folder, plan, seed=seed, jobs=jobs)


def centres(work: Path, seed: int, jobs: int) -> dict[str, Path]:
    """The centres of a seed, each with a policy."""
    studies = {}
    for number, (name, (site, profile, people)) in enumerate(CENTRES.items()):
        study = studies[name] = simulated(work / name, people, site, profile, FIRST_SEED + 100 * seed + number, jobs)
        if not policy_path(study).exists():
            path = write_site_policy_template(study, name)
            # the validation people of one centre are a dozen
            write_text(path, path.read_text(encoding="utf-8").replace("minimum_cell = 10", "minimum_cell = 2"))
    return studies


def test_studies(work: Path, seed: int, patients: int, jobs: int) -> dict[str, Path]:
    """New patients of the same scanners and case mixes, half of either disease."""
    each = round(patients / 2 / len(CENTRES))
    people = {"MS": each, "NMOSD": each}
    return {
        name: simulated(work / f"test-{name}", people, site, profile, FIRST_SEED + 100 * seed + 50 + number, jobs)
        for number, (name, (site, profile, _)) in enumerate(CENTRES.items())
    }


def one_seed(work: Path, seed: int, patients: int, rounds: int, jobs: int) -> None:
    """All arms of a seed, and the scores of its new patients."""
    from safetensors.numpy import load_file

    plan = FederatedPlan(job=f"seed-{seed}", training=TRAINING, rounds=rounds, folds=4, seed=seed, minimum_sites=3)
    studies = centres(work, seed, jobs)
    tests = test_studies(work, seed, patients, jobs)
    with local_network({name: (study, study) for name, study in studies.items()}, work / "network", jobs=1) as network:
        fetched = network.run(plan, work / "training", timeout_s=7200)
    table = compare(plan, studies, tests, load_file(fetched / "model.safetensors"), jobs)
    told = read_json(fetched / "result.json")
    rows = [record["seconds"] for record in told["rounds"]]
    write_json(work / "network.json", {"seconds_per_round": float(np.mean(rows)), **told["bytes_per_round"], "rounds": len(rows)})
    write_tsv(work / "scores.tsv", table)


def summary(work: Path, seeds: list[int]) -> str:
    """Markdown: AUC of each arm and seed, and the differences that the network is judged by."""
    lines = ["| seed | patients | arm | AUC (DeLong 95 %) |", "|---|---|---|---|"]
    pairs = ["", "| seed | difference | AUC (DeLong 95 %, paired) |", "|---|---|---|"]
    network = ["", "| seed | rounds | seconds a round | MB to the sites a round | MB from them |", "|---|---|---|---|---|"]
    rows: list[dict[str, Any]] = []
    apart: dict[str, list[tuple[float, float]]] = {}
    drawn_means = []
    for seed in seeds:
        folder = work / f"seed-{seed}"
        table, told = read_tsv(folder / "scores.tsv"), read_json(folder / "network.json")
        truth = (table["label"] == "NMOSD").to_numpy()
        for arm in arms_of(table):
            found = delong_interval(truth, table[arm])
            rows.append({"seed": seed, "arm": arm, "auc": found.estimate, "low": found.low, "high": found.high})
            lines.append(f"| {seed} | {len(table)} | {arm} | {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f}) |")
        mean = {row["arm"]: row["auc"] for row in rows if row["seed"] == seed}
        for other in ["pooled", *(f"{name} alone" for name in CENTRES)]:
            found = delong_paired_test(truth, table["federated"], table[other])
            pairs.append(f"| {seed} | federated minus {other} | {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) |")
            apart.setdefault(other, []).append((found.difference, (found.high - found.low) / (2 * _Z)))
        estimate, drawn = _against_mean_alone(truth, table)
        drawn_means.append((estimate, drawn))
        low, high = np.percentile(drawn, (2.5, 97.5))
        pairs.append(f"| {seed} | federated minus the mean centre alone | {estimate:+.3f} ({low:+.3f} to {high:+.3f}), bootstrap |")
        assert abs(estimate - (mean["federated"] - np.mean([mean[f"{name} alone"] for name in CENTRES]))) < 1e-9
        sent = [told[name] / 1e6 for name in ("bytes_to_sites", "bytes_from_sites")]
        network.append(f"| {seed} | {told['rounds']} | {told['seconds_per_round']:.1f} | {sent[0]:.1f} | {sent[1]:.1f} |")
    for other, found_each in apart.items():
        differences, errors = (np.array(part) for part in zip(*found_each, strict=True))
        middle, reach = differences.mean(), _Z * np.sqrt((errors**2).sum()) / len(errors)
        told = f"{middle:+.3f} ({middle - reach:+.3f} to {middle + reach:+.3f}), seeds differ by {np.ptp(differences):.3f}"
        pairs.append(f"| all | federated minus {other} | {told} |")
    low, high = np.percentile(np.mean([drawn for _, drawn in drawn_means], axis=0), (2.5, 97.5))
    middle = np.mean([estimate for estimate, _ in drawn_means])
    pairs.append(f"| all | federated minus the mean centre alone | {middle:+.3f} ({low:+.3f} to {high:+.3f}), bootstrap |")
    write_tsv(work / "arms.tsv", pd.DataFrame(rows))
    return "\n".join([*lines, *pairs, *network])


def _against_mean_alone(truth: NDArray[np.bool_], table: pd.DataFrame) -> tuple[float, NDArray[np.float64]]:
    """Federated minus the mean AUC of centres alone, and the same in bootstraps over the patients of each class."""
    from dawson.statistics.figures import auc

    def difference(rows: NDArray[np.intp]) -> float:
        alone = [auc(truth[rows], table[f"{name} alone"].to_numpy()[rows]) for name in CENTRES]
        return float(auc(truth[rows], table["federated"].to_numpy()[rows]) - np.mean(alone))

    rng = np.random.default_rng(0)
    classes = [np.flatnonzero(truth == value) for value in (False, True)]
    drawn = [difference(np.concatenate([rng.choice(own, len(own)) for own in classes])) for _ in range(2000)]
    return difference(np.arange(len(truth))), np.array(drawn)


def main() -> None:
    """Compute what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--patients", type=int, default=402)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=cores())
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        folder = arguments.work / f"seed-{seed}"
        if not (folder / "scores.tsv").is_file():
            one_seed(folder, seed, arguments.patients, arguments.rounds, arguments.jobs)
    print(summary(arguments.work, arguments.seeds))


if __name__ == "__main__":
    main()
