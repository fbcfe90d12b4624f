"""How often the three intervals of a study hold the truth, under the seed paper's draw (simulated scores, no images).

A study has 34 + 46 patients that may be tested; each repeat draws 15 + 15 of them. A patient's logit is

    sign * effect + N(0, 1) of the patient, the same in all repeats + N(0, retraining) of the patient and the repeat.

Two truths can be meant, and they part as retraining grows noisier: the figure of **one repeat's model** on new
patients, and that of the **average over repeats**, whose retraining noise is gone. Naive and Nadeau-Bengio intervals
estimate the first; the headline, from probabilities averaged over repeats, estimates the second. `patients, mean
correctness` averages each patient's correctness instead (for the area: how often each pair was in the right
order), and estimates the first.

    python benchmarks/interval_coverage.py --studies 300 --repeats 100
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.special import expit
from scipy.stats import norm, rankdata

from dawson.statistics.bootstrap import draw_counts, percentile_interval
from dawson.statistics.delong import delong_interval
from dawson.statistics.patient_intervals import binary_intervals
from dawson.statistics.repeats import nadeau_bengio_interval, naive_interval

NEGATIVES, POSITIVES, PER_CLASS, TRAINED = 34, 46, 15, 126
KINDS = ("naive over repeats", "Nadeau-Bengio", "headline (mean probability)", "patients, mean correctness")


def one_study(rng, effect, retraining, repeats, bootstraps):
    """The four intervals of accuracy and area of one simulated study."""
    truth = np.arange(NEGATIVES + POSITIVES) >= NEGATIVES
    sign = np.where(truth, 1.0, -1.0)
    patient = sign * effect + rng.normal(size=truth.size)
    logits = patient + retraining * rng.normal(size=(repeats, truth.size))
    tested = np.zeros((repeats, truth.size), dtype=bool)
    for row in tested:
        row[rng.choice(NEGATIVES, PER_CLASS, replace=False)] = True
        row[NEGATIVES + rng.choice(POSITIVES, PER_CLASS, replace=False)] = True
    right = (logits >= 0) == truth
    accuracy = np.array([row[drawn].mean() for row, drawn in zip(right, tested, strict=True)])
    area, order, pairs = np.empty(repeats), np.zeros((POSITIVES, NEGATIVES)), np.zeros((POSITIVES, NEGATIVES))
    for index, drawn in enumerate(tested):
        positive, negative = drawn[NEGATIVES:], drawn[:NEGATIVES]
        both = np.outer(positive, negative)
        above = logits[index, NEGATIVES:][:, None] > logits[index, :NEGATIVES][None, :]
        order += above & both
        pairs += both
        ranks = rankdata(logits[index, drawn])[PER_CLASS:]
        area[index] = (ranks.sum() - PER_CLASS * (PER_CLASS + 1) / 2) / PER_CLASS**2
    seen = tested.any(axis=0)
    times = np.maximum(tested.sum(axis=0), 1)
    probability = ((expit(logits) * tested).sum(axis=0) / times)[seen]
    counts = draw_counts(truth[seen], bootstraps, rng)
    headline = binary_intervals(truth[seen], probability, probability >= 0.5, counts)
    correctness = ((right * tested).sum(axis=0) / times)[seen]
    mean_accuracy = percentile_interval(correctness.mean(), counts @ correctness / correctness.size)
    # Pairs that no repeat tested together weigh nothing.
    share = np.divide(order, pairs, out=np.zeros_like(order), where=pairs > 0)
    known = (pairs > 0).astype(float)
    full = np.zeros((bootstraps, truth.size))
    full[:, seen] = counts
    up, down = full[:, NEGATIVES:], full[:, :NEGATIVES]
    resampled = np.einsum("bn,bn->b", up @ share, down) / np.einsum("bn,bn->b", up @ known, down)
    mean_area = percentile_interval(share.sum() / known.sum(), resampled)
    test = 2 * PER_CLASS
    return {
        "accuracy": (
            naive_interval(accuracy),
            nadeau_bengio_interval(accuracy, TRAINED, test),
            headline["accuracy"],
            mean_accuracy,
        ),
        "AUC": (
            naive_interval(area),
            nadeau_bengio_interval(area, TRAINED, test),
            delong_interval(truth[seen], probability),
            mean_area,
        ),
    }


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--bootstraps", type=int, default=500)
    parser.add_argument("--effect", type=float, default=0.75)
    parser.add_argument("--retraining", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{options.studies} simulated studies of {options.repeats} repeats; effect {options.effect}; nominal 95 %")
    for retraining in options.retraining:
        rng = np.random.default_rng(options.seed)
        spread = math.hypot(1, retraining)
        effect = options.effect
        one = {"accuracy": norm.cdf(effect / spread), "AUC": norm.cdf(math.sqrt(2) * effect / spread)}
        average = {"accuracy": norm.cdf(effect), "AUC": norm.cdf(math.sqrt(2) * effect)}
        studies = [one_study(rng, effect, retraining, options.repeats, options.bootstraps) for _ in range(options.studies)]
        for figure in ("accuracy", "AUC"):
            print(f"\nretraining noise {retraining}: {figure}, one model {one[figure]:.3f}, average of repeats {average[figure]:.3f}")
            print(f"{'interval':30s} {'mean':>6s} {'width':>6s} {'holds one model':>16s} {'holds the average':>18s}")
            for index, kind in enumerate(KINDS):
                found = [study[figure][index] for study in studies]
                width = np.mean([interval.high - interval.low for interval in found])
                holds = [
                    100 * np.mean([interval.low <= target <= interval.high for interval in found])
                    for target in (one[figure], average[figure])
                ]
                mean = np.mean([interval.estimate for interval in found])
                print(f"{kind:30s} {mean:6.3f} {width:6.3f} {holds[0]:14.1f} % {holds[1]:16.1f} %")


if __name__ == "__main__":
    main()
