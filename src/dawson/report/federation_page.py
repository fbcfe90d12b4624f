"""The page of a federated training: who took part, how it went, what the sites told of the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dawson.files import read_json
from dawson.report.banners import banners
from dawson.report.rendering import write_page
from dawson.report.style import PALETTE, RULE, drawing, to_svg

_METHODS = {
    "groupnorm": "group normalisation",
    "fedbn": "batch normalisation that stays at each site (FedBN)",
    "average": "averaged batch normalisation",
}
_MEGA = 1e6


def write_federation_page(folder: Path, beside: Mapping[str, str] | None = None) -> Path:
    """Write the page of a fetched training.

    Parameters
    ----------
    folder : Path
        With result.json.
    beside : mapping of str to str, optional
        Other pages to point to: text and relative address.

    Returns
    -------
    Path
    """
    result = read_json(folder / "result.json")
    simulated, rounds = bool(result["SimulatedData"]), result["rounds"]
    context: dict[str, Any] = {
        "banners": banners(simulated=simulated, managed=None),
        "simulated": simulated,
        "result": result,
        "classes": list(result["plan"]["classes"]),
        "sites": [_site(name, told, rounds) for name, told in result["sites"].items()],
        "figures": [(name, _text(value)) for name, value in _told(result)],
        "losses": _losses(rounds, result["best_round"], "Simulated data" if simulated else ""),
        "curve": _curve(result["validation"]["curve"], "Simulated data" if simulated else "") if _has_curve(result) else None,
        "dropped": [(record["round"], site, why) for record in rounds for site, why in record["dropped"].items()],
        "plan": _plan(result),
        "beside": dict(beside or {}),
    }
    return write_page(folder / "report.html", "federation.html", context)


def _site(name: str, told: dict[str, Any], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    took = [record for record in rounds if name in record["took_part"]]
    share = sum(record["share"][name] for record in took) / len(rounds)
    return {
        "name": name, "people": told["people"], "rounds": f"{len(took)} of {len(rounds)}", "share": f"{100 * share:.0f} %",
        "manifest": told["manifest_sha256"][:16], "audit": told["audit_head"][:16],
    }  # fmt: skip


def _told(result: dict[str, Any]) -> list[tuple[str, Any]]:
    said = result["validation"]
    if said is None:
        return []
    auc = said["auc"]
    certain = f"{auc['estimate']:.3f}, and between {auc['least']:.3f} and {auc['most']:.3f} for certain" if auc else None
    return [
        ("Validation people, as told", said["people"]), ("AUC, from binned probabilities", certain), ("Accuracy", said["accuracy"]),
        ("Sensitivity", said["sensitivity"]), ("Specificity", said["specificity"]), ("Class-weighted cross-entropy", said["loss"]),
    ]  # fmt: skip


def _text(value: Any) -> str:
    if value is None:
        return "withheld: too few people in a cell"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _has_curve(result: dict[str, Any]) -> bool:
    return bool(result["validation"] and result["validation"]["curve"])


def _losses(rounds: list[dict[str, Any]], best: int, note: str) -> Markup:
    """Loss of every round, on those trained with and on those held back."""
    numbers = [record["round"] for record in rounds]
    with drawing(6.4, 3.0) as figure:
        axes = figure.add_subplot()
        if rounds[0]["loss"] is not None:
            axes.plot(numbers, [record["loss"] for record in rounds], color=PALETTE[0], marker="o", markersize=3, label="training people")
        judged = [(record["round"], record["validation_loss"]) for record in rounds if record["validation_loss"] is not None]
        if judged:
            axes.plot(*zip(*judged, strict=True), color=PALETTE[1], marker="o", markersize=3, label="validation people")
        axes.axvline(best, color=RULE, zorder=0)
        axes.set(xlabel="round", ylabel="cross-entropy", title=note)
        axes.locator_params(axis="x", integer=True)
        if axes.lines[:-1]:
            axes.legend()
        return to_svg(figure, "losses", "Cross-entropy by round, over all sites; a line marks the round that was taken.")


def _curve(curve: dict[str, list[float]], note: str) -> Markup:
    with drawing(3.6, 3.4) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=RULE)
        axes.plot(curve["fpr"], curve["tpr"], color=PALETTE[0], marker="o", markersize=3)
        axes.set(xlabel="1 - specificity", ylabel="sensitivity", title=note, aspect="equal")
        return to_svg(
            figure, "roc", "ROC curve over the sites that told all classes; known only at the points, between them it may lie higher."
        )


def _plan(result: dict[str, Any]) -> list[tuple[str, str]]:
    plan = result["plan"]
    training = plan["training"]
    method = f"FedProx, mu {plan['proximal']:g}" if plan["proximal"] else "FedAvg"
    per_round = result["bytes_per_round"]
    return [
        ("Training", result["job"]),
        ("Method", f"{method}, {_METHODS[plan['normalisation']]}"),
        ("Network", training["network"]),
        ("Rounds", f"{plan['rounds']}, of {plan['local_epochs']} local epochs each; round {result['best_round']} was taken"),
        ("Learning rate, batch", f"{training['learning_rate']:g}, {training['batch_size']}"),
        ("Differential privacy", _privacy(plan["privacy"])),
        ("Purpose", plan["purpose"]),
        ("Sites that must stay", str(plan["minimum_sites"])),
        ("Time in rounds", f"{result['seconds']:.0f} s"),
        (
            "Carried per round",
            f"{per_round['bytes_to_sites'] / _MEGA:.1f} MB to the sites, {per_round['bytes_from_sites'] / _MEGA:.1f} MB from them",
        ),
        ("SHA-256 of the plan", result["plan_sha256"]),
    ]


def _privacy(part: dict[str, float] | None) -> str:
    if part is None:
        return "none"
    steps = f"noise {part['noise_multiplier']:g} times the bound of {part['bound']:g}, {part['people_per_step']:g} people in a step"
    return f"{steps}; the budget is each site's"
