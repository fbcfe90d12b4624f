"""The report of a study run: one self-contained page from the experiment folder and the study's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.soft_labels import labelled
from dawson.config import dump_config
from dawson.files import read_tsv, write_text
from dawson.report import figures, gallery
from dawson.report.banners import banners
from dawson.report.checklist_facts import Known, facts_of
from dawson.report.checklists import as_markdown, fill, guard_statement, read_checklists
from dawson.report.disclosure import Secrets, masked_matrix, secrets_of
from dawson.report.experiment import Experiment, read_experiment
from dawson.report.figure_files import figure_files, write_figures
from dawson.report.findings import without_reasons
from dawson.report.flow import Flow, analysed_text, count_flow, draw_flow, flow_steps
from dawson.report.formatting import FIGURES
from dawson.report.headline import PUBLISHED_LEVEL, headline, interval_rows, why_headline_differs
from dawson.report.images import slice_names
from dawson.report.limitations import limitations
from dawson.report.methods import Part, methods_parts, methods_text, versions
from dawson.report.numbering import Numbering
from dawson.report.people import table_of_people
from dawson.report.rendering import render
from dawson.report.sections import sections_of
from dawson.report.sharing import SMALLEST_COUNT, as_named, hidden_count, refuse_individuals, without_private
from dawson.report.soft_labels import soft_sentence
from dawson.report.split_picture import TEST_COLOUR, fold_colours, split_picture, split_sizes
from dawson.report.style import class_colours

REPORT, SHARED_REPORT, METHODS, CHECKLISTS = "report.html", "report-shared.html", "methods.md", "checklists.md"
NOT_SHOWN = "(not shown)"


def write_study_report(experiment: Path, study: Path, *, share: bool = False) -> Path:
    """Write the report of a finished run.

    Parameters
    ----------
    experiment : Path
        The experiment folder; the report goes there.
    study : Path
        The BIDS dataset that the run used.
    share : bool
        Leave out every individual: no image, no identifier, no row about one person, no count from 1 to 4 in the
        tables of people.

    Returns
    -------
    Path
        `report.html` (with `methods.md`, `checklists.md` and `figures/` beside it), or `report-shared.html` (with `figures-shared/`).

    Raises
    ------
    ExperimentError
        The folder is incomplete.
    LeakageError
        Somebody is in two partitions.
    CohortError
        The dataset cannot be read.
    """
    run = read_experiment(experiment)
    if share:
        run = replace(run, findings=without_reasons(run.findings))
    cohort = labelled(read_cohort(study), run.config.study)
    preprocessing = _preprocessing(run, study)
    flow = _flow(run, cohort)
    secrets = secrets_of(flow) if share else None
    parts = methods_parts(run, cohort.simulated, preprocessing, secrets)
    context = study_context(run, cohort, parts, flow, secrets)
    page = render("study.html", context)
    if share:
        refuse_individuals(page, _identifiers(run, cohort))
    else:
        write_text(experiment / METHODS, methods_text(parts, cohort.simulated))
        write_text(experiment / CHECKLISTS, as_markdown(context["checklists"], cohort.simulated))
    path = experiment / (SHARED_REPORT if share else REPORT)
    write_text(path, page)
    files = figure_files(run, context, flow_steps(flow, share))
    write_figures(experiment, files, context["number"].figures, cohort.simulated, share, _identifiers(run, cohort))
    return path


def _preprocessing(run: Experiment, study: Path) -> pd.DataFrame | None:
    """Rows of preprocess.tsv whose scans are in the splits; it stands with the results, perhaps outside the study."""
    keys = ["participant_id", "session_id"]
    for root in (run.folder.resolve().parent.parent, study):
        path = root / "derivatives" / "dawson" / "preprocess.tsv"
        if path.is_file():
            return read_tsv(path).merge(run.splits[keys].drop_duplicates(), on=keys)
    return None


def _identifiers(run: Experiment, cohort: Cohort) -> set[str]:
    tables = (run.splits, run.predictions, run.exclusions, cohort.participants, cohort.sessions)
    return as_named(who for table in tables for who in table["participant_id"])


def _flow(run: Experiment, cohort: Cohort) -> Flow:
    on_disk = (len(cohort.participants), len(cohort.sessions))
    return count_flow(on_disk, run.exclusions, run.splits, run.labels(), run.classes, run.config.split.scheme)


def study_context(run: Experiment, cohort: Cohort, parts: list[Part], flow: Flow, secrets: Secrets | None) -> dict[str, Any]:
    """All that the template shows; `secrets` is None where the report stays in the house."""
    share = secrets is not None
    count_shown = secrets is None or not secrets.tested_total
    scheme = run.config.split.scheme
    metrics, classes, labels = run.metrics, run.classes, run.labels()
    colours, simulated = class_colours(classes), cohort.simulated
    note, short = ("Simulated patients", "simulated") if simulated else ("", "")
    analysed = analysed_cohort(cohort, run)
    told = analysed_text(flow, secrets, "simulated " if simulated else "")
    means = patient_means(run)
    found = sections_of(run, note, share, count_shown)
    guarded = guard_statement(run.splits)
    site = run.config.study.site_column
    sites = analysed.participants[site].dropna().nunique() if site in analysed.participants else 0
    facts = facts_of(Known(run, simulated, cohort.name, told, int(sites), guarded, run.config.governance.managed, secrets))
    arrays = run.explanations
    slices_mm = run.config.preprocess.slices_mm
    config = run.config
    environment = versions(run.environment)
    if share:
        # Expressions may name people, and the folders of a machine are nobody's business.
        config = config.updated(
            study={"where": config.study.where and NOT_SHOWN},
            split={"external_where": config.split.external_where and NOT_SHOWN},
        )
        environment = without_private(environment)
    return {
        "title": config.study.name if config.study.name != "study" else cohort.name or config.study.name,
        "experiment": run.folder.name,
        "banners": banners(simulated=simulated, managed=config.governance.managed, share=share),
        "simulated": simulated,
        "share": share,
        "metrics": metrics,
        "classes": classes,
        "positive": run.positive,
        "colours": colours,
        "config": config,
        "config_text": dump_config(config),
        "headline": headline(metrics, simulated, count_shown),
        "count_shown": count_shown,
        "soft_labels": soft_sentence(metrics, share, count_shown),
        "intervals": interval_rows(metrics, scheme, count_shown),
        "why": why_headline_differs(metrics, scheme),
        "published_level": PUBLISHED_LEVEL,
        "confusion": masked_matrix(metrics["confusion"]["matrix"], bool(secrets.tested)) if secrets else metrics["confusion"]["matrix"],
        "prevalences": _prevalences(metrics, secrets),
        "flow": draw_flow(flow_steps(flow, share), simulated),
        "analysed": told,
        "people": table_of_people(analysed, config.study.diagnosis_column, classes, share),
        "roc": figures.roc_figure(metrics, note),
        "distributions": [svg for name in FIGURES if (svg := figures.repeats_figure(metrics, name, short))],
        "patients": None if share else figures.patients_figure(means, classes, run.positive, colours, note),
        "patient_means": means,
        "training": figures.training_figures(run.runs, short),
        "runs": _run_summary(run),
        "splits_picture": None if share else split_picture(run.splits, labels, classes),
        "split_sizes": split_sizes(
            run.splits, labels, classes, share, secrets.scans | secrets.followed | secrets.tested if secrets else ()
        ),
        "split_colours": {"test": TEST_COLOUR, "folds": fold_colours(metrics["n_folds"])},
        "examples": gallery.examples(arrays, classes) if arrays and not share else [],
        "cases": gallery.cases(arrays, classes, slices_mm) if arrays and not share else {},
        "contributions": gallery.contributions(arrays, classes, slices_mm, colours, SMALLEST_COUNT if share else 1) if arrays else [],
        "slice_names": slice_names(slices_mm),
        "grid": int(arrays["gradcam_grid"].shape[-1]) if arrays and "gradcam_grid" in arrays else 4,
        "exclusions": [] if share else run.exclusions.to_dict("records"),
        "exclusion_counts": {stage: hidden_count(n) if share else n for stage, n in flow.excluded.items()},
        "methods": parts,
        "limits_list": limitations(run, analysed.participants, simulated, count_shown),
        "environment": environment,
        "number": Numbering(),
        "guard": guarded,
        "checklists": [fill(checklist, facts) for checklist in read_checklists()],
        "trust": found.trust,
        "comparators": found.comparators,
        "subgroups": found.subgroups,
        "saliency": found.saliency,
        "learning": found.learning,
        "harmonisation": found.harmonisation,
        "figures": found.figures,
        "figure_tables": found.tables,
    }


def _prevalences(metrics: Mapping[str, Any], secrets: Secrets | None) -> list[Mapping[str, Any]]:
    """Rows of Table 4; the prevalence among the test patients would give hidden numbers of them away."""
    rows: list[Mapping[str, Any]] = metrics["at_prevalence"]
    return rows if secrets is None or not secrets.tested else [row for row in rows if row["name"] == "given"]


def analysed_cohort(cohort: Cohort, run: Experiment) -> Cohort:
    """The part of the cohort that is in the splits."""
    used = {(str(who), str(when)) for who, when in run.splits[["participant_id", "session_id"]].drop_duplicates().itertuples(index=False)}
    sessions = list(zip(cohort.sessions["participant_id"].astype(str), cohort.sessions["session_id"].astype(str), strict=True))
    kept = np.array([key in used for key in sessions], dtype=bool)
    people = {who for who, _ in used}
    return replace(
        cohort,
        participants=cohort.participants[cohort.participants["participant_id"].astype(str).isin(people)].reset_index(drop=True),
        sessions=cohort.sessions[kept].reset_index(drop=True),
        scans=tuple(scan for scan in cohort.scans if (scan.participant_id, scan.session_id) in used),
    )


def patient_means(run: Experiment) -> pd.DataFrame:
    """Mean out-of-sample probability of the positive class of each test patient: over folds, images, then repeats.

    Returns
    -------
    DataFrame
        participant_id, label, probability.
    """
    tested = run.predictions[run.predictions["role"] == "test"]
    column = f"probability_{run.positive}"
    by_repeat = tested.groupby(["participant_id", "label", "repeat"], as_index=False)[column].mean()
    means: pd.DataFrame = by_repeat.groupby(["participant_id", "label"], as_index=False)[column].mean()
    return means.rename(columns={column: "probability"})


def _run_summary(run: Experiment) -> dict[str, Any]:
    durations = [float(item["seconds"]) for item in run.runs if item.get("seconds") is not None]
    return {
        "count": len(run.runs),
        "total": sum(durations) if durations else None,
        "each": float(np.median(durations)) if durations else None,
    }
