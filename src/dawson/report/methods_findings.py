"""The parts of the methods section about what was done beyond training and the figures of merit; each only where it was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dawson.report.comparators import TESTS, spelled
from dawson.report.experiment import Experiment
from dawson.report.findings import part_of, reason_of
from dawson.report.formatting import as_entry, counted, decimal, is_number, listed, percent
from dawson.report.lesion_masks import masks_sentence


def finding_texts(experiment: Experiment) -> list[tuple[str, str]]:
    """Title and text of each part that was run."""
    findings = experiment.findings
    told = [
        ("Calibration and abstention", _trust(findings.trust)),
        ("Comparators", _comparators(findings.comparison, experiment.metrics["confidence"])),
        ("Subgroups", _subgroups(findings.subgroups)),
        ("Tests of the maps", _saliency(findings.saliency)),
        ("Learning curve", _learning(findings.learning_curve)),
    ]
    return [(title, text) for title, text in told if text]


def _trust(trust: Mapping[str, Any] | None) -> str:
    said = []
    if calibration := part_of(trust, "calibration"):
        temperature = as_entry(calibration.get("temperature"))
        low, high = temperature.get("min"), temperature.get("max")
        between = f" (from {decimal(low)} to {decimal(high)})" if is_number(low) and is_number(high) else ""
        said.append(
            "Logits of test patients were divided by a temperature fitted on the validation patients of the same repeat (Guo 2017)"
            f"{between}. Before and after, calibration was judged on out-of-sample probabilities by log loss, Brier score, expected "
            "calibration error, and the slope and intercept of a logistic recalibration, with bootstrap intervals over patients."
        )
    if abstention := part_of(trust, "abstention"):
        alpha = abstention.get("alpha")
        promise = f" at an error of at most {percent(alpha)} in each class" if is_number(alpha) else ""
        said.append(
            f"Prediction sets were made by class-conditional cross-conformal prediction{promise}, with all scans of a person on one side; "
            "a set of more than one class is the answer “cannot tell”. Coverage is given by class and site, with intervals over patients."
        )
    if part_of(trust, "uncertainty"):
        said.append("Uncertainty was divided into the entropy that is left in each network and the disagreement of the networks.")
    return " ".join(said)


def _comparators(comparison: Mapping[str, Any] | None, confidence: float) -> str:
    if not comparison or reason_of(comparison):
        return ""
    models = [spelled(str(name)) for name in comparison.get("models") or {}]
    pairs = comparison.get("pairs") or []
    tests = list(dict.fromkeys(TESTS.get(str(test), str(test)) for pair in pairs for test in pair.get("p") or {}))
    text = f"On the same splits these models were compared: {listed(models)}."
    if pairs:
        text += (
            f" Differences are over the patients whom both tested, each with the mean of the out-of-sample results, with "
            f"{percent(confidence)} intervals; tests: {listed(tests)}. Nadeau–Bengio and the naive t test over repeats stand beside."
        )
    if any("p_holm" in pair for pair in pairs):
        text += " The p values of DeLong’s and McNemar’s test were also adjusted over all pairs of a figure by Holm."
    prevalence = part_of(comparison, "net_benefit").get("prevalence")
    if is_number(prevalence):
        text += f" Net benefit (Vickers 2006) is at a prevalence of {percent(round(prevalence, 3))}."
    return f"{text} {masks_sentence(comparison)}".rstrip()


def _subgroups(rows: Any) -> str:
    if not rows or reason_of(rows):
        return ""
    variables = list(dict.fromkeys(str(row["variable"]).replace("_", " ") for row in rows))
    return (
        f"Test patients were divided by {listed(variables)}; figures of each group are over its patients, without a correction for number."
    )


def _saliency(saliency: Mapping[str, Any] | None) -> str:
    if not saliency or reason_of(saliency):
        return ""
    number = len(saliency.get("methods") or {})
    text = (
        f"{counted(number, 'kind')} of map were put to three tests (Arun 2021): whether the map changes when weights are randomised, "
        "whether networks trained again give the same map, and whether it lies on the patient’s own lesions more than on those of others."
    )
    return f"{text} {masks_sentence(saliency)}".rstrip()


def _learning(curve: Mapping[str, Any] | None) -> str:
    if not curve or reason_of(curve) or not curve.get("points"):
        return ""
    sizes = sorted(float(point["n_train"]) for point in curve["points"])
    trained = listed([f"{n:g}" for n in sizes])
    return f"For the learning curve networks were trained on {trained} patients and tested on the same test patients."
