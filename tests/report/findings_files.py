"""Constructed trust.json, subgroups.json, comparison.json, saliency.json and learning_curve.json; figures are easy to find again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dawson.files import write_json

MODELS = {"network": 0.81, "demographics": 0.62, "lesion-features": 0.77, "matthews": 0.7, "cacciaguerra": 0.68, "fusion": 0.86}


def interval(estimate: float | None, half: float = 0.08, method: str = "made up") -> dict[str, Any]:
    """An estimate with an interval kept in [0, 1]."""
    if estimate is None:
        return {"estimate": None, "low": None, "high": None, "method": "undefined"}
    return {"estimate": estimate, "low": max(0.0, estimate - half), "high": min(1.0, estimate + half), "method": method}


def difference(estimate: float, half: float) -> dict[str, Any]:
    """A difference with its interval."""
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half, "method": "made up"}


def bins(shift: float) -> list[dict[str, Any]]:
    """Five groups of patients; the first has 3 of 12 with the class, the second 10 of 20, the last all of 5."""
    rows = [(0.1, 3 / 12, 12), (0.3, 0.5, 20), (0.5, 0.5, 14), (0.7, 0.5, 16), (0.95, 1.0, 5)]
    return [{"mean_probability": p + shift, "observed": o, "low": max(0.0, o - 0.2), "high": min(1.0, o + 0.2), "n": n} for p, o, n in rows]


def scores(ece: float, slope: float) -> dict[str, Any]:
    """The five scores of calibration."""
    return {
        "nll": interval(0.55, 0.1), "brier": interval(0.19, 0.03), "ece": interval(ece, 0.04), "slope": difference(slope, 0.3),
        "intercept": difference(-0.1, 0.4),
    }  # fmt: skip


def trust() -> dict[str, Any]:
    """Site B lost coverage; site C has 4 people."""
    return {
        "calibration": {
            "method": "temperature",
            "temperature": {"median": 1.83, "min": 1.21, "max": 2.6},
            "before": scores(0.137, 0.55),
            "after": scores(0.061, 0.97),
            "reliability": {"before": bins(0.02), "after": bins(0.0)},
            "nll_improved_repeats": {"improved": 93, "of": 100},
        },
        "abstention": {
            "alpha": 0.1,
            "promised": 0.9,
            "coverage": {"MS": interval(0.93, 0.05), "NMOSD": interval(0.75, 0.1)},
            "sets": {"single": 0.62, "cannot_tell": 0.36, "empty": 0.02},
            "error_when_single": interval(0.123, 0.06),
            "by_site": [
                {"site": "A", "n": 40, "coverage": interval(0.85), "error_when_single": interval(0.15), "warning": None},
                {
                    "site": "B", "n": 30, "coverage": interval(0.6), "error_when_single": interval(0.3),
                    "warning": "At site B the sets hold the true class in 60 % of the patients: the promise does not hold there.",
                },
                {"site": "C", "n": 4, "coverage": interval(0.75), "error_when_single": interval(None), "warning": None},
            ],
            "risk_coverage": {"coverage": [k / 40 for k in range(1, 41)], "risk": [0.01 * (k // 4) for k in range(1, 41)]},
        },
        "uncertainty": {"data": 0.42, "members": 0.08, "share_of_members": 0.16},
    }  # fmt: skip


def subgroups() -> list[dict[str, Any]]:
    """Site C has 2 people with MS, so that others may not see it; the AUC of site B misses that of everybody, 0.8123."""

    def row(variable: str, level: str, n: tuple[int, int], auc: float | None) -> dict[str, Any]:
        rates = {"accuracy": interval(0.7), "sensitivity": interval(0.7), "specificity": interval(0.71)}
        return {"variable": variable, "level": level, "n": {"MS": n[0], "NMOSD": n[1]}, "auc": interval(auc)} | rates

    return [
        row("site", "A", (20, 20), 0.85), row("site", "B", (17, 13), 0.66), row("site", "C", (2, 9), None),
        row("clinical_status", "relapse", (14, 17), 0.84), row("clinical_status", "remission", (25, 25), 0.79),
    ]  # fmt: skip


def comparison() -> dict[str, Any]:
    """The network beats demographics, cannot be told from the features and rules, and loses to fusion."""
    names = list(MODELS)
    pairs = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            gap = MODELS[first] - MODELS[second]
            for figure, test in (("auc", "delong"), ("accuracy", "mcnemar")):
                pairs.append(
                    {
                        "first": first, "second": second, "figure": figure,
                        "difference": difference(gap, 0.04 if second in ("demographics", "fusion") else 0.15),
                        "p": {test: 0.0321, "bootstrap": 0.0004}, "p_holm": 0.006,
                        "nadeau_bengio": {"difference": difference(gap, 0.1), "p": 0.071}, "naive_t": {"p": 1e-9}, "n_patients": 80,
                    }
                )  # fmt: skip
    thresholds = [t / 100 for t in range(1, 91)]
    return {
        "models": {
            name: {"description": f"What {name} is.", "auc": interval(auc), "accuracy": interval(auc - 0.1), "n": 80}
            for name, auc in MODELS.items()
        },
        "pairs": pairs,
        "net_benefit": {
            "prevalence": 0.5,
            "thresholds": thresholds,
            "models": {name: [0.5 * auc - 0.4 * t for t in thresholds] for name, auc in MODELS.items()},
            "all": [0.5 - 0.5 * t / (1 - t) for t in thresholds],
            "none": [0.0] * len(thresholds),
        },
    }


def saliency() -> dict[str, Any]:
    """Grad-CAM passes, integrated gradients fail one test; localisation of occlusion was not tested."""

    def tests(second: bool, third: bool | None) -> dict[str, Any]:
        return {
            "randomisation": {"difference": difference(0.31, 0.1), "passed": True},
            "repeatability": {"similarity_between_members": interval(0.44), "passed": second},
            "localisation": {"n_patients": 3, "mass_inside_own": interval(0.21), "mass_p": 0.0004, "passed": third},
        }

    return {
        "methods": {"gradcam": tests(True, True), "attribution": tests(False, True), "occlusion": tests(True, None)},
        "n_patients": 24,
        "passed": False,
        "verdict": "The maps did not pass all their tests: those of integrated gradients failed repeatability (24 test patients; 3 drawn).",
    }


def learning_curve() -> dict[str, Any]:
    """Three sizes of the training set."""
    points = [(20, 0.68, 0.63), (40, 0.76, 0.7), (80, 0.81, 0.74)]
    return {
        "points": [{"n_train": n, "auc": interval(a), "accuracy": interval(b)} for n, a, b in points],
        "curve": None,
        "extrapolation": None,
        "note": "One repeat only.",
    }


def write_findings(experiment: Path) -> None:
    """Write all five beside metrics.json."""
    for name, made in (
        ("trust", trust), ("subgroups", subgroups), ("comparison", comparison), ("saliency", saliency), ("learning_curve", learning_curve),
    ):  # fmt: skip
        write_json(experiment / f"{name}.json", made())
