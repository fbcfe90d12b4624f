"""The methods section, written from what was really run: settings, counts, versions and seeds, nothing from memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dawson import __version__
from dawson.imaging.intensity import CLIP_PERCENTILES
from dawson.report.disclosure import Secrets
from dawson.report.experiment import Experiment
from dawson.report.formatting import counted, interval_methods, is_number, listed, percent
from dawson.report.methods_findings import finding_texts
from dawson.report.sharing import is_small
from dawson.report.soft_labels import soft_sentence

if TYPE_CHECKING:
    import pandas as pd

_NAMED = (
    "python",
    "torch",
    "monai",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "nibabel",
    "nilearn",
    "deepbet",
    "simpleitk",
    "picsl-greedy",
)
_WHO = {
    "deepbet": "deepbet",
    "greedy": "greedy (picsl-greedy)",
    "ants": "ANTs",
    "hd-bet": "HD-BET",
    "synthstrip": "SynthStrip",
}


@dataclass(frozen=True)
class Part:
    """A headed part of the methods section."""

    title: str
    text: str


def methods_text(parts: list[Part], simulated: bool) -> str:
    """The methods section as Markdown.

    Parameters
    ----------
    parts : list of Part
        From `methods_parts`.
    simulated : bool
        Put in front that no real patient is in it.
    """
    warning = ["> **Simulated data.** Every patient and scan in this study was made by a computer program.", ""] if simulated else []
    body = [line for part in parts for line in (f"### {part.title}", "", part.text, "")]
    return "\n".join(["## Methods", "", *warning, *body])


def methods_parts(
    experiment: Experiment, simulated: bool, preprocessing: pd.DataFrame | None = None, secrets: Secrets | None = None
) -> list[Part]:
    """What was done, in sentences.

    Parameters
    ----------
    experiment : Experiment
    simulated : bool
    preprocessing : DataFrame, optional
        preprocess.tsv of the study, for how the scans went through it.
    secrets : Secrets, optional
        For others: which counts to hide; the selection expression (it may name people) is hidden too.
    """
    return [
        Part("Participants and images", _participants(experiment, simulated, secrets)),
        Part("Preprocessing", _preprocessing(experiment, preprocessing, secrets is not None)),
        Part("Splits", _splits(experiment)),
        Part("Network and training", _training(experiment)),
        Part("Evaluation", _evaluation(experiment, secrets)),
        Part("Explanation", _explanation(experiment)),
        *[Part(title, text) for title, text in finding_texts(experiment)],
        Part("Software", _software(experiment)),
    ]


def _participants(experiment: Experiment, simulated: bool, secrets: Secrets | None) -> str:
    labels, config = experiment.labels(), experiment.config.study
    images = experiment.splits[["participant_id", "session_id"]].drop_duplicates()
    named = images.assign(label=images["participant_id"].map(lambda who: labels.get(str(who), "")))
    groups = []
    for name in experiment.classes:
        part = named[named["label"] == name]
        people, scans = part["participant_id"].nunique(), len(part)
        if secrets and name in secrets.people:
            groups.append(name)
        else:
            groups.append(f"{people} with {name}" + ("" if secrets and name in secrets.scans else f" ({counted(scans, 'scan')})"))
    text = f"{'Simulated patients' if simulated else 'Patients'} were grouped by the column {config.diagnosis_column}: {listed(groups)}. "
    if config.where:
        text += "A selection by the study file was applied. " if secrets else f"Only rows with {config.where} were used. "
    count = len(experiment.exclusions)
    if count and secrets and secrets.stages:
        text += "Scans were excluded, each with a recorded reason."
    elif count:
        text += f"{count} {'scan was' if count == 1 else 'scans were'} excluded, each with a recorded reason."
    else:
        text += "No scan was excluded."
    return text


def _preprocessing(experiment: Experiment, table: pd.DataFrame | None, share: bool) -> str:
    config = experiment.config.preprocess
    done = table[table["status"] == "done"] if table is not None and "status" in table else None
    known = done is not None and "source" in done
    sources = {str(name): int(n) for name, n in done["source"].value_counts().items() if name} if done is not None and known else {}
    said = []
    if not sources:
        said.append("How the scans were brought to the template is not recorded.")
    if len(sources) > 1:
        counts_shown = not (share and any(map(is_small, sources.values())))
        told = [f"{n if counts_shown else 'some'} {_SOURCES.get(name, name)}" for name, n in sources.items()]
        said.append(f"Of the scans, {listed(told)}.")
    method = f"{_WHO.get(config.registration, config.registration)} at {config.registration_mm:g} mm"
    extractor = _WHO.get(config.brain_extractor, config.brain_extractor)
    if "T1w+FLAIR" in sources:
        said.append(
            f"{_start('T1w+FLAIR', sources)}the brain was extracted with {extractor} on T1w and on FLAIR, the bias field corrected "
            "with N4, FLAIR aligned rigidly to T1w, and T1w registered to the MNI152 2009a symmetric template (affine and "
            f"deformable, {method}); FLAIR went to template space in one interpolation through both transforms."
        )
    if "FLAIR" in sources:
        said.append(
            f"{_start('FLAIR', sources)}the brain was extracted with {extractor} on FLAIR, the bias field corrected with N4, and "
            f"the FLAIR itself registered (affine and deformable, {method}) to a template of FLAIR contrast made from the tissue "
            "maps of the MNI152 2009a symmetric template, and resampled once."
        )
    if "template-space" in sources:
        said.append(
            f"{_start('template-space', sources)}images came brain-extracted and in the space of the MNI152 2009a template: neither "
            "extraction nor registration was run."
        )
    if done is not None and "wm_dice" in done and done["wm_dice"].notna().any():
        said.append(
            f"Median white-matter Dice with the template was {done['wm_dice'].median():.2f}, measured on the T1w at "
            f"{config.registration_mm:g} mm, the resolution of the registration."
        )
    low, high = CLIP_PERCENTILES
    levels = ", ".join(f"{z:g}" for z in config.slices_mm)
    said.append(
        f"Intensities inside the brain were clipped at its percentiles {low:g} and {high:g} and z-scored. Axial slices at z = {levels} "
        f"mm, {config.field_of_view_mm:g} mm field of view, {config.matrix} × {config.matrix} pixels, are the channels of one image."
    )
    return " ".join(text[0].upper() + text[1:] for text in said)


_SOURCES = {
    "T1w+FLAIR": "used T1w and FLAIR",
    "FLAIR": "had no T1w and were registered by the FLAIR itself",
    "template-space": "came in template space",
}
_WITH = {"T1w+FLAIR": "With T1w and FLAIR, ", "FLAIR": "With FLAIR alone, ", "template-space": "In template space, "}


def _start(source: str, sources: Mapping[str, int]) -> str:
    """Which scans a sentence is about, where there is more than one kind; for one kind it is about all of them."""
    if len(sources) > 1:
        return _WITH[source]
    return "all " if source == "template-space" else ""


def _splits(experiment: Experiment) -> str:
    split = experiment.config.split
    repeats, folds = experiment.metrics["n_repeats"], experiment.metrics["n_folds"]
    rest = f"went into a stratified {folds}-fold cross-validation grouped by participant"
    first = "the earliest by days from baseline, then by name of the session"
    said = {
        "held-out-draw": f"In each of {repeats} repeats, {split.test_per_class} participants of each class were drawn at random from "
        "those with exactly one scan, which is a baseline scan where the days from baseline are known, and tested on that scan "
        f"(seed {split.seed} plus the number of the repeat); all others {rest}.",
        "nested-k-fold": "Participants were split by nested cross-validation, stratified and grouped by participant, into "
        f"{counted(repeats, 'test set')} with {folds} inner folds (seed {split.seed}). A tested person was tested on the first image "
        f"({first}); the other images of that person were not used in that repeat.",
        "leave-one-site-out": f"Each of {repeats} sites was the test set in turn; everybody with an image at that site was tested on "
        f"the first image there ({first}), and the other images of these people were not used in that repeat. All others {rest} "
        f"(seed {split.seed}).",
        "external": "The external test set was fixed beforehand by the study file: every image that its selection matches was tested, "
        f"and other images of these people were not used. All others {rest} (seed {split.seed}). The model that is handed on was "
        "trained without the external people.",
    }[split.scheme]
    return (
        f"{said} In each fold of a repeat one part validates and the others train, with all scans of a person on one side; nobody "
        "who is tested in a repeat trains or validates in it. A guard that checks this, by person and by image content, was run on "
        "the table of splits before training and again before evaluation."
    )


def _training(experiment: Experiment) -> str:
    training, networks = experiment.config.training, len(experiment.runs)
    text = (
        f"The network was {training.network} with one input channel a slice and one output a class, trained from "
        "scratch for "
        f"{training.epochs} epochs with Adam (learning rate {training.learning_rate:g}), batches of "
        f"{training.batch_size}, and "
        f"{'class-weighted ' if training.class_weights else ''}cross-entropy. Training images alone were flipped "
        "left to right with "
        f"probability {training.flip_probability:g} and given Gaussian noise of standard deviation "
        f"{training.noise_sd[0]:g} to "
        f"{training.noise_sd[1]:g}. The epoch with the lowest validation loss was kept."
    )
    if networks:
        best = [run["best_epoch"] for run in experiment.runs if is_number(run.get("best_epoch"))]
        text += f" {counted(networks, 'network was', 'networks were')} trained"
        if best:
            text += f"; the best epoch ranged from {min(best)} to {max(best)}"
        devices = sorted(
            {f"{run['device']} in {run['precision']}" for run in experiment.runs if run.get("device") and run.get("precision")}
        )
        text += f", on {listed(devices)}." if devices else "."
    return text


def _evaluation(experiment: Experiment, secrets: Secrets | None) -> str:
    evaluation, metrics = experiment.config.evaluation, experiment.metrics
    people = "" if secrets and secrets.tested_total else f"{sum(metrics['n_test_participants'].values())} "
    rule = (
        f"sensitivity and PPV are about {experiment.positive}"
        if len(experiment.classes) == 2
        else "AUC, sensitivity, specificity, PPV and NPV are macro averages: means over classes, each against the rest"
    )
    text = (
        f"The test probability of a scan is the mean over the {metrics['n_folds']} fold models of its repeat; {rule}. "
        f"Headline figures are over the {people}distinct test patients, each with the mean of their out-of-sample probabilities"
        f"{' over all repeats' if metrics['n_repeats'] > 1 else ''}, with {percent(metrics['confidence'])} intervals over patients "
        f"({interval_methods(metrics) or f'{evaluation.bootstraps} bootstraps'})."
    )
    if metrics["n_repeats"] > 1:
        text += " Beside them stand the mean and interval over repeats, as Seok et al. 2023 report them, and the Nadeau–Bengio correction."
    said = soft_sentence(metrics, secrets is not None, secrets is None or not secrets.tested_total)
    return f"{text} {said}".rstrip()


def _explanation(experiment: Experiment) -> str:
    if experiment.explanations is None:
        return "No explanation was computed."
    return (
        "Grad-CAM (Selvaraju 2017) on the last convolution gives one coarse map a scan; as the slices are "
        "channels, it is the same "
        "for all of them. What each slice contributes is the fall of the class logit when that slice is replaced "
        "by zero. "
        "Integrated gradients (Sundararajan 2017) give the pixel attribution. All three are of the test images "
        "of the first repeat."
    )


def versions(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every value of environment.json with the names on the way to it, in its order."""
    return list(_flat(environment, ""))


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix} · {key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(item) for item in value)
    elif value is not None and value != "":
        yield prefix, str(value)


def _software(experiment: Experiment) -> str:
    found = {key.split(" · ")[-1].lower().replace("_", "-"): value for key, value in versions(experiment.environment)}
    named = [f"{name} {found[name]}" for name in _NAMED if name in found]
    version = found.get("dawson", __version__)
    return f"Dawson {version}" + (f" with {listed(named)}" if named else "") + f". Seed of the study: {experiment.config.split.seed}."
