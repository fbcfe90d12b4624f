"""The card of a model: what it is for, what it learnt from, how well it does, and what it must not be used for.

Markdown with the front matter of a Hugging Face model card (huggingface.co/docs/hub/model-cards), so that the file can be read by
the tools that know those; Dawson uploads nothing. Sections after Mitchell et al. 2019, "Model cards for model reporting".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dawson.classification.certainty import CALIBRATION
from dawson.classification.model import Model, read_model
from dawson.files import read_json, read_tsv, write_text
from dawson.report.findings import part_of
from dawson.report.formatting import NAMES, as_entry, decimal_estimate, estimate, is_number, listed, percent
from dawson.report.limitations import ANYTHING_ELSE
from dawson.report.sharing import as_named, hidden_count, refuse_individuals
from dawson.report.trust import SCORES, error_of

CARD = "card.md"
FIGURES = ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv")


def write_model_card(folder: Path | str) -> Path:
    """Write `card.md` into the folder of a model.

    Returns
    -------
    Path
        Of the card.

    Raises
    ------
    ModelError
        The folder is no model.
    DawsonError
        A name in the model holds the identifier of somebody it was trained on.
    """
    model = read_model(folder)
    path = model.folder / CARD
    write_text(path, model_card(model))
    return path


def model_card(model: Model) -> str:
    """The card as text.

    Parameters
    ----------
    model : Model

    Raises
    ------
    DawsonError
        As `write_model_card`; it is looked for where the model lies in the study that made it.
    """
    carried = read_json(model.folder / CALIBRATION) if (model.folder / CALIBRATION).is_file() else {}
    parts = [front_matter(model), _head(model), _use(model), _training(model), _performance(model), _certainty(carried), _limits(model)]
    text = "\n".join([*parts, _how_to(model), _digests(model)])
    if model.manifest.is_file():
        refuse_individuals(text, as_named(read_tsv(model.manifest)["participant_id"]), "The model card")
    return text


def front_matter(model: Model) -> str:
    """The YAML at the top. Every value is written as JSON, which YAML reads, so that no name can break it."""
    said = model.description
    tags = ["mri", "brain", "classification", "research-only", *[name.lower() for name in model.classes]]
    metrics = [
        {"type": name, "name": f"{NAMES[name]}, one model, out of sample", "value": round(entry["estimate"], 4)}
        for name in FIGURES
        if is_number((entry := as_entry(said["performance"]["figures"].get(name))).get("estimate"))
    ]
    content: dict[str, Any] = {
        "language": "en",
        # The terms of the weights are the study's to give; Dawson's own licence does not cover them.
        "license": "other",
        "license_name": "set-by-the-study",
        "library_name": "dawson",
        "pipeline_tag": "image-classification",
        "tags": [*tags, *(["simulated-data"] if model.simulated else [])],
        "model-index": [
            {
                "name": model.name,
                "results": [
                    {
                        "task": {"type": "image-classification", "name": f"{listed(list(model.classes), 'or')} from brain MRI"},
                        "dataset": {
                            "type": "simulated" if model.simulated else "private",
                            "name": str(said["trained_on"]["study"] or "unnamed"),
                        },
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }
    return "\n".join(["---", *[f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in content.items()], "---", ""])


def _head(model: Model) -> str:
    said = model.description
    warning = ["> **Simulated data.** This model learnt from patients made by a computer program. Its probability means nothing for a real "
               "patient.", ""] if model.simulated else []  # fmt: skip
    return "\n".join(
        [
            f"# {model.name}: {listed(list(model.classes), 'or')} from brain MRI",
            "",
            *warning,
            "> **Research use only.** Not a medical device; not for diagnosis, treatment or any decision about a patient.",
            "",
            f"{len(said['members'])} networks ({said['training']['network']}) whose probabilities are averaged. Input: {said['channels']} "
            f"axial FLAIR slices of one scan in template space. Output: a probability for each of {listed(list(model.classes))}.",
            "",
        ]
    )


def _use(model: Model) -> str:
    return "\n".join(
        [
            "## Intended use",
            "",
            "Research on telling these diseases apart by MRI: as a comparator, for external validation, for teaching.",
            "",
            f"Out of scope: care of patients; scans of anything else ({ANYTHING_ELSE}), since the model answers one of its classes "
            "whatever it is shown; images that were not prepared by the same preprocessing.",
            "",
        ]
    )


def _training(model: Model) -> str:
    trained, training = model.description["trained_on"], model.description["training"]
    kind = "Simulated participants" if trained["simulated"] else "Participants"
    rows = [f"| {name} | {hidden_count(int(count))} |" for name, count in trained["participants"].items()]
    return "\n".join(
        [
            "## Training data",
            "",
            f"Study: {trained['study'] or 'unnamed'}. {'Every patient is simulated.' if trained['simulated'] else 'Real patients.'} "
            f"{hidden_count(int(trained['scans']))} scans; each member trained on all participants but its own validation part.",
            *(["", trained["note"]] if trained.get("note") else []),
            "",
            f"| Class | {kind} |",
            "|---|---|",
            *rows,
            "",
            f"Trained from scratch for {training['epochs']} epochs (Adam, learning rate {training['learning_rate']:g}, batches of "
            f"{training['batch_size']}); the epoch with the lowest validation loss was kept. Seed {model.description['seed']}.",
            "",
        ]
    )


def _performance(model: Model) -> str:
    performance = model.description["performance"]
    if not performance["figures"]:
        lines = ["## Performance", "", "Tested on nobody out of sample: what it is worth is not known before an external study."]
        return "\n".join([*lines, *([performance["note"]] if performance.get("note") else []), ""])
    figures = {name: as_entry(performance["figures"][name]) for name in FIGURES if performance["figures"].get(name)}
    rows = [
        f"| {NAMES[name]}{'' if name == 'auc' else ', %'} | {estimate(name, entry)} | {entry.get('method', '')} |"
        for name, entry in figures.items()
    ]
    tested = listed([f"{hidden_count(int(n))} {name}" for name, n in performance["test_participants"].items()])
    about = (
        f"Sensitivity and PPV are about {model.description['positive']}."
        if len(model.classes) == 2
        else "All but accuracy are macro averages over the classes."
    )
    return "\n".join(
        [
            "## Performance",
            "",
            f"Of models trained in the same way, out of sample: {performance['scheme']}, {performance['repeats']} test sets × "
            f"{performance['folds']} folds; test patients{' (simulated)' if model.simulated else ''}: {tested}. {about} These members "
            "themselves were tested on nobody.",
            "",
            "| Figure | Estimate (interval) | Interval by |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _certainty(carried: Mapping[str, Any]) -> str:
    lines = ["## Calibration and abstention", ""]
    if not carried:
        return "\n".join([*lines, "Not calibrated: a probability is the mean of network outputs. The model never says “cannot tell”.", ""])
    temperature = carried.get("temperature")
    lines.append(
        f"Temperature of the logits, fitted out of fold: {temperature:.2f}."
        if is_number(temperature)
        else "No temperature: too few participants were held out."
    )
    inside = part_of(carried, "inside")
    scores, abstention = part_of(inside, "calibration"), part_of(inside, "abstention")
    if scores:
        lines += ["", "| Score | As trained | Calibrated |", "|---|---|---|"]
        before, after = scores.get("before") or {}, scores.get("after") or {}
        lines += [
            f"| {name} | {decimal_estimate(before.get(key))} | {decimal_estimate(after.get(key))} |" for key, (name, _) in SCORES.items()
        ]
    lines.append("")
    alpha = percent(carried["alpha"]) if is_number(carried.get("alpha")) else "an unknown share"
    if not carried.get("scores"):
        lines.append("The model never says “cannot tell”: too few participants were held out to calibrate that answer.")
    else:
        lines.append(
            f"It answers “cannot tell” where it cannot exclude a class; the true class is to be missed for at most {alpha} of each."
        )
    coverage = abstention.get("coverage") or {}
    if coverage:
        lines += ["", "| Class | True class missed, %: promised | measured |", "|---|---|---|"]
        lines += [f"| {name} | at most {alpha} | {estimate('accuracy', error_of(value))} |" for name, value in coverage.items()]
    return "\n".join([*lines, ""])


def _limits(model: Model) -> str:
    limits: Sequence[str] = [
        "It was evaluated where it was made; elsewhere it may do worse. `dawson study external` measures that.",
        "Predictive values hold at one prevalence only.",
        "Grad-CAM of this network is one coarse map for all slices; maps show what the network reacts to, not why a disease looks so.",
        "Weights can remember: treat the model as data about the people it was trained on.",
    ]
    return "\n".join(["## Limits", "", *[f"- {text}" for text in limits], ""])


def _how_to(model: Model) -> str:
    allow = " --allow-simulated" if model.simulated else ""
    return "\n".join(
        [
            "## How to use",
            "",
            "```",
            f"dawson predict models/{model.name} T1W.nii.gz FLAIR.nii.gz{allow}",
            "```",
            "",
            "The scan is prepared as the training scans were, and every prediction says how sure it is and what it may not be used for.",
            "",
        ]
    )


def _digests(model: Model) -> str:
    software = model.description["software"]
    packages = software.get("packages") or {}
    named = [f"{name} {packages[name]}" for name in ("dawson", "torch", "monai", "numpy") if name in packages]
    return "\n".join(
        [
            "## Software and digests",
            "",
            f"Made {software.get('created', 'at an unknown time')} with Python {software.get('python', '?')}, {listed(named)}.",
            "",
            "| What | SHA-256 |",
            "|---|---|",
            f"| model.json | `{model.digest}` |",
            *[f"| {member['file']} | `{member['sha256']}` |" for member in model.description["members"]],
            f"| training manifest (stays in the centre) | `{model.description['manifest_sha256']}` |",
            "",
        ]
    )
