"""What Dawson knows of a run, in a sentence for each thing that a reporting checklist asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dawson.report.disclosure import Secrets
from dawson.report.experiment import Experiment
from dawson.report.findings import part_of, reason_of
from dawson.report.formatting import counted, estimate, interval_methods, is_number, listed, percent
from dawson.report.headline import headline

_GOALS = {
    "held-out-draw": "Development of a diagnostic model with internal evaluation by repeated held-out draws.",
    "nested-k-fold": "Development of a diagnostic model with internal evaluation by nested cross-validation.",
    "leave-one-site-out": "Development of a diagnostic model, evaluated at each site with a model that had not seen the site.",
    "external": "Development of a diagnostic model and its evaluation on a test set fixed beforehand.",
}
# Comparators that are regressions on columns, which may be missing.
FILLING = {"demographics", "lesion-features", "fusion"}
_OUTSIDE = ("leave-one-site-out", "external")


@dataclass(frozen=True)
class Known:
    """What the facts are told from.

    Parameters
    ----------
    run : Experiment
    simulated : bool
    cohort_name : str
    analysed : str
        How many people and scans were analysed, as far as it may be told.
    sites : int
        Number of sites among those analysed, 0 where none is recorded.
    guard : str
        The guard's statement.
    managed : bool
        Whether consent is managed.
    secrets : Secrets, optional
        For others: which counts to hide.
    """

    run: Experiment
    simulated: bool
    cohort_name: str
    analysed: str
    sites: int
    guard: str
    managed: bool
    secrets: Secrets | None = None


def facts_of(known: Known) -> dict[str, str]:
    """Every fact by its name in the checklists' data files; an unknown one is empty."""
    return _study_facts(known) | _model_facts(known) | _evaluation_facts(known) | _finding_facts(known)


def _study_facts(known: Known) -> dict[str, str]:
    run, config = known.run, known.run.config
    people = "simulated patients" if known.simulated else "patients"
    classes, name = listed(run.classes), known.cohort_name or "without a name"
    lost = len(run.exclusions)
    hide_lost = known.secrets is not None and known.secrets.stages
    count_shown = known.secrets is None or not known.secrets.tested_total
    compared = part_of(run.findings.comparison, "models").keys() & FILLING
    imputed = (
        "No image was imputed; comparators fill missing columns with medians of the training people and flag them."
        if compared
        else "Nothing was imputed."
    )
    where = ""
    if config.study.where:
        where = " A selection by the study file was applied." if known.secrets else f" Only rows with {config.study.where}."
    return {
        "kind": _GOALS[config.split.scheme],
        "diagnostic": f"Diagnosis: {classes} are told apart from one brain MRI of {people}.",
        "research_only": "Research use only: not a medical device, not for any decision about a patient.",
        "source": f"Dataset {name}, a BIDS folder: {known.analysed}."
        + (" Every patient was made by a computer program." if known.simulated else ""),
        "retrospective": "Simulated data: no patients." if known.simulated else "Existing images were analysed.",
        "sites": f"{counted(known.sites, 'site')} by the column {config.study.site_column}." if known.sites else "",
        "eligibility": f"Rows whose {config.study.diagnosis_column} is {listed(run.classes, 'or')}, with a FLAIR image.{where}",
        "outcome": _outcome(run),
        "same_standard": f"The same {'columns' if config.study.soft_labels else 'column'} for training and test patients.",
        "missing": (
            f"{imputed} Scans that could not be used were left out, each with its reason."
            if hide_lost
            else f"{imputed} {counted(lost, 'scan was', 'scans were')} left out, each with its reason."
            if lost
            else f"{imputed} No scan was left out."
        ),
        "sample_size": "Everybody in the dataset who was eligible; no calculation was made."
        + (
            f" Test patients: {sum(run.metrics['n_test_participants'].values())}, the width of the intervals says what they can show."
            if count_shown
            else ""
        ),
        "deidentification": "Dawson's results name people by the dataset's pseudonyms; a report for sharing names nobody.",
        "consent": (
            "Consent is managed by Dawson: people without valid consent were left out."
            if known.managed
            else "Dawson did not manage consent in this study."
        ),
        "flow": f"{known.analysed[0].upper()}{known.analysed[1:]} were analysed; the diagram is in the report under Patients.",
        "table_one": "Table of the people analysed by class, with missing values and tests, in the report under Patients.",
        "data_availability": "Data stay where they are; Dawson uploads nothing.",
        "settings": "Every setting as it was used: config.toml of the experiment, and the methods text.",
        "code": "Dawson is open source (Apache-2.0); version, packages and seeds are in environment.json.",
        "limitations": "Derived from the study, in the report under Limits.",
    }


def _outcome(run: Experiment) -> str:
    study, classes = run.config.study, listed(run.classes)
    if not study.soft_labels:
        return f"The column {study.diagnosis_column} of participants.tsv, one value a person: {classes}."
    return (
        f"The columns {study.soft_label_prefix}CLASS of participants.tsv, a probability of each class ({classes}); where a person "
        f"has none, the column {study.diagnosis_column}. Networks learn from the probabilities; figures that need a true class take the "
        "most probable one, above one half."
    )


def _model_facts(known: Known) -> dict[str, str]:
    run, config = known.run, known.run.config
    training, preprocess = config.training, config.preprocess
    levels = ", ".join(f"{z:g}" for z in preprocess.slices_mm)
    folds = run.metrics["n_folds"]
    weighted = training.class_weights
    return {
        "technology": f"Deep learning: a convolutional network ({training.network}) on MRI.",
        "preprocessing": "The same program for every scan, without knowledge of class or group; in the methods text under Preprocessing, "
        "each scan's figures of quality in preprocess.tsv.",
        "slices": f"{len(preprocess.slices_mm)} axial slices at fixed places of the template (z = {levels} mm), the same for everybody.",
        "predictor_choice": f"Every pixel of {len(preprocess.slices_mm)} FLAIR slices; nothing was selected, no clinical column is used.",
        "predictors": f"Intensities of FLAIR at z = {levels} mm in template space, {preprocess.matrix} × {preprocess.matrix} pixels of "
        f"{preprocess.field_of_view_mm / preprocess.matrix:.2g} mm; made by a program that does not know the diagnosis.",
        "no_raters": "No judgement: the image goes to the network as the program made it.",
        "intensities": "Clipped at percentiles of the brain and z-scored within it, each scan for itself.",
        "network": f"{training.network}: {len(preprocess.slices_mm)} input channels, {len(run.classes)} outputs; source in Dawson.",
        "initialisation": "Trained from scratch, without transfer learning; random start by the seeds in the table of runs.",
        "training": f"{training.network}, {training.epochs} epochs, Adam at {training.learning_rate:g}, batches of {training.batch_size}; "
        "training images flipped and with noise; nothing was tuned. In the methods text under Network and training.",
        "selection": "Of each network the epoch with the lowest loss on its validation patients; no model was chosen by test results.",
        "ensemble": f"The mean probability of the {folds} fold models of a repeat.",
        "software": "In the report under Environment, and in the methods text under Software.",
        "imbalance": ("The loss weighs classes by the inverse of their numbers." if weighted else "No method against imbalance was used.")
        + (" Probabilities were calibrated afterwards." if _calibrated(run) else ""),
        "output": f"A probability for each class. {_threshold(run)}"
        + (" Beside it the answer “cannot tell”, from conformal sets." if part_of(run.findings.trust, "abstention") else ""),
        "prediction": "`dawson predict MODEL T1W FLAIR`: mean probability of the members.",
        "model": f"models/{run.folder.name}/: weights of every member, settings, digests and a model card; read by `dawson predict`.",
        "poor_input": "`dawson predict` shows the figures of registration and warns of a scan unlike those it learnt from; a scan without "
        "FLAIR is refused.",
        "users": "Two image files have to be given; no hand-drawn input. Reading the result needs somebody who knows the disease and the "
        "limits printed with it.",
    }


def _threshold(run: Experiment) -> str:
    if len(run.classes) > 2:
        return "The most probable class is called."
    return f"{run.positive} is called at a probability of one half and above; the threshold was not tuned."


def _evaluation_facts(known: Known) -> dict[str, str]:
    run, scheme = known.run, known.run.config.split.scheme
    metrics, level = run.metrics, percent(run.metrics["confidence"])
    count_shown = known.secrets is None or not known.secrets.tested_total
    sizes = metrics.get("sizes") or {}
    summary = headline(metrics, known.simulated, count_shown)
    outside = {
        "leave-one-site-out": "Each site was tested with models that had seen no scan of it.",
        "external": "The test set was fixed beforehand and no model saw anybody in it.",
    }.get(
        scheme, "None in this run: training and test patients come from the same places. `dawson study external` tests a model elsewhere."
    )
    return {
        "partitions": f"{_GOALS[scheme]} {counted(metrics['n_repeats'], 'test set')} with {metrics['n_folds']} folds each. {known.guard}",
        "disjoint": known.guard,
        "sizes": f"On average {sizes['n_train']:g} people trained or chose a model and {sizes['n_test']:g} tested it; by class in "
        "the report, Splits."
        if is_number(sizes.get("n_train")) and count_shown
        else "By class in the report under Splits.",
        "differences": "The same tables, criteria and preprocessing." + (f" {outside}" if scheme in _OUTSIDE else ""),
        "development_beside": outside if scheme in _OUTSIDE else "Training and test patients are draws from the same people.",
        "intervals": f"{level} intervals over patients: {interval_methods(metrics)}. Those over repeats stand beside them, named.",
        "performance": f"{summary.sentence} All figures with intervals in the report under Results.",
        "verdict": summary.verdict,
        "failures": "Confusion matrix, and the surest wrong calls with their maps, in the report."
        if known.secrets is None
        else "Confusion matrix in the report.",
        "internal": f"AUC {estimate('auc', metrics['headline'].get('auc'))} over test patients whom no counted model had seen.",
        "external": outside,
    }


def _finding_facts(known: Known) -> dict[str, str]:
    run, findings = known.run, known.run.findings
    calibrated = _calibrated(run)
    groups = bool(findings.subgroups) and not reason_of(findings.subgroups)
    compared = bool(findings.comparison) and not reason_of(findings.comparison)
    by_site = groups and any(row.get("variable") == run.config.study.site_column for row in findings.subgroups)
    measures = ["discrimination (AUC, ROC curve)", "accuracy, sensitivity, specificity, predictive values"]
    measures += ["calibration (log loss, Brier score, calibration error, slope and intercept, reliability plot)"] if calibrated else []
    measures += ["coverage and error of conformal sets"] if part_of(findings.trust, "abstention") else []
    measures += ["net benefit"] if compared and (findings.comparison or {}).get("net_benefit") else []
    against = " Models are compared by paired tests over the same patients." if compared else " No other model was compared."
    tests: dict[Any, str] = {True: "They passed the tests of trust.", False: "They did not pass every test of trust."}
    verdict = (findings.saliency or {}).get("passed")
    return {
        "measures": f"{listed(measures)[0].upper()}{listed(measures)[1:]}.{against}",
        "updating": "Temperature scaling, fitted out of fold; the ranking of patients is untouched." if calibrated else "None.",
        "updating_results": "Scores before and after in the report, “How sure is it?”." if calibrated else "None.",
        "fairness": f"Figures by {listed(_variables(findings.subgroups))} in the report, “For whom?”; training was the same for all."
        if groups
        else "Nothing was done for fairness, and no group was looked at.",
        "clusters": _clusters(run, by_site),
        "cluster_results": "By site in the report, “For whom?”." if by_site else "Not examined in this run.",
        "robustness": _robustness(run),
        "explanation": (
            "None was computed."
            if run.explanations is None
            else "Grad-CAM, occlusion of slices and integrated gradients. " + tests.get(verdict, "The maps were not put to the test.")
        ),
    }


def _calibrated(run: Experiment) -> bool:
    return bool(part_of(run.findings.trust, "calibration"))


def _variables(rows: Any) -> list[str]:
    return list(dict.fromkeys(str(row["variable"]).replace("_", " ") for row in rows))


def _clusters(run: Experiment, by_site: bool) -> str:
    if run.config.split.scheme == "leave-one-site-out":
        return "Each site is a test set in turn; the network itself knows no site."
    return "The network knows no site" + ("; figures are given by site." if by_site else ", and figures were not divided by site.")


def _robustness(run: Experiment) -> str:
    curve: Mapping[str, Any] | None = run.findings.learning_curve
    said = ["The spread over test sets and over single fold models stands beside the headline."]
    if curve and not reason_of(curve):
        said.append("A learning curve shows performance by number of training patients.")
    return " ".join(said)
