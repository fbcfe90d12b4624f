"""What a lesion model is, for people: the card beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lesion_card(description: Mapping[str, Any]) -> str:
    """Markdown of a model's card, from its `model.json`."""
    learnt, network = description["trained_on"], description["recipe"]["network"]
    looks = {"plain": "as they are", "changed": "with the look of other scanners"}
    figures = [
        f"| {looks[look]} | {own['scans']} | {own['dice']:.3f} | {own['lesion_f1']:.3f} |"
        for look, own in description["validation"].items()
    ]
    data = f"{learnt['scans']} scans of {learnt['people']} people ({learnt['simulated_scans']} of them simulated scans)"
    steps = ", ".join(str(member["steps"]) for member in description["members"])
    warning = (
        ["It learnt from **simulated patients**: look at its masks of real scans before anything is made of them.", ""]
        if description["SimulatedData"]
        else []
    )
    return "\n".join(
        [
            f"# Lesion model {description['name']}",
            "",
            "Research use only: no medical device, not for decisions about patients.",
            "",
            *warning,
            "- **Task**: probability of white-matter lesion at each voxel of FLAIR, with T1w where there is one, brain-extracted, 1 mm.",
            f"- **Network**: {len(description['members'])} residual 3D U-Nets with {', '.join(map(str, network['widths']))} channels.",
            f"- **Learnt from**: {data}; truth by {', '.join(learnt['makers'])}.",
            f"- **Decides**: lesion from a probability of {description['threshold']:g}; those below {description['minimum_mm3']:g} mm3 are",
            f"  dropped, logits are divided by {description['temperature']:g}; all chosen on validation people.",
            f"- **Seed** {description['seed']}; steps of the members: {steps}.",
            "",
            "## On validation people",
            "",
            "Single members, each on people it did not learn from. The operating point was chosen on the same people: figures of other",
            "people will be lower.",
            "",
            "| scans | n | Dice | lesion F1 |",
            "|---|---|---|---|",
            *figures,
            "",
            *_intervals(description),
            "## Known limits",
            "",
            "- Cortical and spinal lesions, and central veins, are not its task.",
            "- Uncertainty: members agree too easily on scans unlike those they learnt from.",
            "",
        ]
    )


def _intervals(description: Mapping[str, Any]) -> list[str]:
    """How far count and volume may be off, in words; nothing for a model without intervals."""
    content = description.get("intervals")
    if content is None:
        return []
    from dawson.lesions.measure_intervals import MeasureIntervals

    known = MeasureIntervals.from_json(content)
    shown = []
    for volume, count in ((1.0, 5), (10.0, 40)):
        found = known.of(volume, count)
        low, high = (_bound(found[f"lesion_ml_{side}"], 1) for side in ("low", "high"))
        fewest, most = (_bound(found[f"lesion_count_{side}"], 0) for side in ("low", "high"))
        shown.append(
            f"- measured {volume:g} mL and {count} lesions: the truth lies between {low} and {high} mL, {fewest} and {most} lesions."
        )
    return [
        "## How sure count and volume are",
        "",
        f"Intervals that hold for {100 * known.volume_ml.level:.0f} % of people like the {known.volume_ml.people} of the validation:",
        "",
        *shown,
        "",
    ]


def _bound(value: float | None, digits: int) -> str:
    return "any number of" if value is None else f"{value:.{digits}f}"
