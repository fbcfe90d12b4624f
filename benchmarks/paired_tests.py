"""How often paired tests call two equally good models different, under the seed paper's draw (simulated scores, no images).

A study has 34 + 46 patients that may be tested; each repeat draws 15 + 15 of them, the same for both models. A model's
logit of a patient is

    sign * effect + N(0, 1) of the patient, the same in all repeats + N(0, retraining) of the patient and the repeat.

Half of the variance of the patient's part is common to both models, the other half the model's own: on one patient they
differ, on average over patients they do not. So every rejection is an error, and 5 % of the studies should have one.

    nice -n 10 python benchmarks/paired_tests.py --studies 2000
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.special import expit

from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.delong import delong_paired_test
from dawson.statistics.exchange import auc_exchange_test, sign_flip_test
from dawson.statistics.paired import mcnemar, naive_t, paired_bootstrap
from dawson.statistics.proportions import exact_binomial
from dawson.statistics.repeats import nadeau_bengio_test

NEGATIVES, POSITIVES, PER_CLASS, TRAINED = 34, 46, 15, 126
LEVEL = 0.05


def two_models(rng, effect, retraining, repeats, shared=0.5):
    """Truth (n,), logits of both models (2, repeats, n), and who was tested (repeats, n)."""
    truth = np.arange(NEGATIVES + POSITIVES) >= NEGATIVES
    patient = math.sqrt(shared) * rng.normal(size=truth.size) + math.sqrt(1 - shared) * rng.normal(size=(2, truth.size))
    centre = np.where(truth, effect, -effect) + patient
    logits = centre[:, None] + retraining * rng.normal(size=(2, repeats, truth.size))
    tested = np.zeros((repeats, truth.size), dtype=bool)
    for row in tested:
        row[rng.choice(NEGATIVES, PER_CLASS, replace=False)] = True
        row[NEGATIVES + rng.choice(POSITIVES, PER_CLASS, replace=False)] = True
    return truth, logits, tested


def p_values(rng, truth, logits, tested, resamples):
    """The p value of every test of the two models of one study, by figure and name."""
    right = (logits >= 0) == truth
    accuracy = np.array([[row[drawn].mean() for row, drawn in zip(model, tested, strict=True)] for model in right])
    drawn = np.array([np.flatnonzero(row) for row in tested])
    score = np.take_along_axis(logits, np.broadcast_to(drawn, (2, *drawn.shape)), axis=2)
    area = (score[..., PER_CLASS:, None] > score[..., None, :PER_CLASS]).mean(axis=(2, 3))
    seen = tested.any(axis=0)
    times = tested.sum(axis=0)[seen]
    probability = (expit(logits) * tested).sum(axis=1)[:, seen] / times
    correctness = (right & tested).sum(axis=1)[:, seen] / times
    true = truth[seen]
    called_right = (probability >= 0.5) == true
    counts = draw_counts(true, resamples, rng)
    over_repeats = {"AUC": area, "accuracy": accuracy}
    found = {
        ("AUC", "DeLong, mean probability"): delong_paired_test(true, *probability),
        ("AUC", "exchange of ranks, mean probability"): auc_exchange_test(true, *probability, n_flips=resamples, seed=rng),
        ("AUC", "paired bootstrap, mean probability"): paired_bootstrap(true, *probability, "auc", counts),
        ("accuracy", "sign flip, mean correctness"): sign_flip_test(*correctness, n_flips=resamples, seed=rng),
        ("accuracy", "paired bootstrap, mean correctness"): paired_bootstrap(true, *correctness, "mean", counts),
        ("accuracy", "McNemar mid-p, mean probability"): mcnemar(*called_right, mid_p=True),
        ("accuracy", "McNemar exact, mean probability"): mcnemar(*called_right),
        ("accuracy", "paired bootstrap, mean probability"): paired_bootstrap(true, *probability, "accuracy", counts),
    }
    for figure, values in over_repeats.items():
        found[figure, "Nadeau-Bengio, over repeats"] = nadeau_bengio_test(*values, TRAINED, 2 * PER_CLASS)
        found[figure, "naive t, over repeats"] = naive_t(*values)
    return {name: comparison.p_value for name, comparison in found.items()}


def rejection_rates(seed, studies, effect, retraining, repeats, resamples):
    """Interval of the share of studies with p <= 0.05, by figure and name; a p value that is undefined rejects nothing."""
    rng = np.random.default_rng(seed)
    studied = [p_values(rng, *two_models(rng, effect, retraining, repeats), resamples) for _ in range(studies)]
    return {name: exact_binomial(sum(p[name] <= LEVEL for p in studied), studies) for name in studied[0]}


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--effect", type=float, default=0.75)
    parser.add_argument("--retraining", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rates = [
        rejection_rates(options.seed, options.studies, options.effect, retraining, options.repeats, options.resamples)
        for retraining in options.retraining
    ]
    print(f"{options.studies} simulated studies of {options.repeats} repeats, seed {options.seed}; rejected at 5 %, with the exact")
    print("95 % interval of the rate; bold where the interval holds 5 %\n")
    print("| figure | test | " + " | ".join(f"retraining noise {value}" for value in options.retraining) + " |")
    print("|---|---|" + "---|" * len(options.retraining))
    for figure, name in sorted(rates[0], key=lambda key: key[0] != "AUC"):
        cells = []
        for found in rates:
            rate = found[figure, name]
            text = f"{100 * rate.estimate:.1f} ({100 * rate.low:.1f}-{100 * rate.high:.1f})"
            cells.append(f"**{text}**" if rate.low <= LEVEL <= rate.high else text)
        print(f"| {figure} | {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
