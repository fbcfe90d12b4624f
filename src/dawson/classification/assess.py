"""What follows the figures of merit in a study: trust, subgroups, comparators, saliency tests, each in a file of its own.

None of it may lose a finished study: a part that cannot be made says why in its file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.classification.comparator_runs import run_comparators, study_material
from dawson.classification.comparators import comparator
from dawson.classification.comparison import compare_models, comparison_tables
from dawson.classification.harmonisation import site_findings
from dawson.classification.lesion_tables import find_lesion_mask, mask_makers
from dawson.classification.saliency_tests import run_saliency_tests
from dawson.classification.soft_targets import decisive_rows
from dawson.classification.subgroups import subgroup_figures
from dawson.classification.trust import trust_figures
from dawson.errors import DawsonError
from dawson.files import write_json, write_tsv

if TYPE_CHECKING:
    import pandas as pd

    from dawson.classification.comparators.material import Material
    from dawson.classification.plan import Plan
    from dawson.cohort.dataset import Cohort
    from dawson.config import StudyConfig


def written(path: Path, make: Callable[[], Any]) -> Any:
    """Compute a part and write it; where that is impossible, write the reason in its place.

    Parameters
    ----------
    path : Path
        The JSON file.
    make : callable
        Returns its content.

    Returns
    -------
    object
        What was written.
    """
    try:
        content = make()
    except DawsonError as error:
        content = {"reason": str(error)}
    write_json(path, content)
    return content


def site_of(images: pd.DataFrame, site_column: str) -> dict[str, str]:
    """Site of each participant, that of the first image; empty where there is no such column or no value in it."""
    if site_column not in images:
        return {}
    known = images[images[site_column].notna() & (images[site_column].astype(str) != "")].drop_duplicates("participant_id")
    return dict(zip(known["participant_id"].astype(str), known[site_column].astype(str), strict=True))


def assess_predictions(folder: Path, predictions: pd.DataFrame, images: pd.DataFrame, config: StudyConfig) -> dict[str, Any]:
    """Write trust.json and subgroups.json.

    Parameters
    ----------
    folder : Path
        Of the experiment.
    predictions : DataFrame
        As in predictions.tsv.
    images : DataFrame
        One row an image, with the columns of the participants and sessions tables.
    config : StudyConfig

    Returns
    -------
    dict
        trust.json.
    """
    study, section = config.study, config.evaluation
    predictions = decisive_rows(predictions, study.classes)
    sites = site_of(images, study.site_column)
    trust: dict[str, Any] = written(
        folder / "trust.json",
        lambda: trust_figures(predictions, classes=study.classes, positive=study.positive, section=section, sites=sites),
    )
    written(
        folder / "subgroups.json",
        lambda: subgroup_figures(
            predictions, images, classes=study.classes, positive=study.positive, section=section, site_column=study.site_column
        ),
    )
    return trust


def assess_comparators(
    folder: Path,
    predictions: pd.DataFrame,
    plan: Plan,
    cohort: Cohort,
    config: StudyConfig,
    roots: Sequence[Path],
    *,
    jobs: int = 1,
    dask: str | None = None,
) -> dict[str, Any]:
    """Write comparators.tsv and comparison.json: simple models and rules on the same splits, and paired tests against them.

    Parameters
    ----------
    folder : Path
        Of the experiment.
    predictions : DataFrame
        As in predictions.tsv.
    plan : Plan
    cohort : Cohort
    config : StudyConfig
    roots : sequence of Path
        Derivative datasets with lesion masks.
    jobs, dask
        See `dawson.parallel.each`.

    Returns
    -------
    dict
        comparison.json; `left_out` has the reason for each comparator that could not be made.
    """

    def compared() -> dict[str, Any]:
        table, reasons = run_comparators(cohort, plan.usable, plan.splits, predictions, config, roots, jobs=jobs, dask=dask)
        write_tsv(folder / "comparators.tsv", table)
        models = comparison_tables(decisive_rows(predictions, config.study.classes), table)
        said = {}
        if config.harmonisation.features != "none":
            said["lesion-features"] = f"{comparator('lesion-features').description}, without site effects (ComBat)"
        result = compare_models(models, plan.splits, config.study.classes, config.study.positive, config.evaluation, descriptions=said)
        reads = any(comparator(name).needs_lesions or name == "fusion" for name in table["model"].unique())
        masks = _masks(cohort, config, roots, plan.splits) if reads else {}
        return result | {"left_out": reasons, "lesion_masks": mask_makers(masks.values())}

    content: dict[str, Any] = written(folder / "comparison.json", compared)
    return content


def assess_sites(
    folder: Path,
    predictions: pd.DataFrame,
    plan: Plan,
    cohort: Cohort,
    config: StudyConfig,
    roots: Sequence[Path],
    *,
    jobs: int = 1,
    dask: str | None = None,
) -> dict[str, Any] | None:
    """Write harmonisation.json where there is something to say of sites; parameters as of `assess_comparators`.

    Returns
    -------
    dict or None
        Its content; None where no file is written, and one of an earlier attempt is removed.
    """
    path = folder / "harmonisation.json"

    @cache
    def material() -> Material:
        return study_material(cohort, plan.usable, plan.splits, predictions, config, roots, jobs=jobs, dask=dask)[0]

    content = site_findings(plan.usable.table, config, material)
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_json(path, content)
    return content


def assess_saliency(folder: Path, plan: Plan, cohort: Cohort, config: StudyConfig, roots: Sequence[Path]) -> dict[str, Any]:
    """Write saliency.json: whether the maps of the explained repeat pass their tests.

    Parameters
    ----------
    folder : Path
        Of the experiment.
    plan : Plan
        Its explained runs are finished.
    cohort : Cohort
    config : StudyConfig
    roots : sequence of Path
        Derivative datasets with lesion masks.

    Returns
    -------
    dict
        saliency.json.
    """

    def tested() -> dict[str, Any]:
        runs = [run for run in plan.runs if run.explain]
        splits = plan.splits[plan.splits["repeat"].isin({run.repeat for run in runs}) & (plan.splits["role"] == "test")]
        masks = _masks(cohort, config, roots, splits)
        result = run_saliency_tests(runs, masks, config.split.seed, preprocess=config.preprocess, confidence=config.evaluation.confidence)
        return result | {"lesion_masks": mask_makers(masks.values())}

    content: dict[str, Any] = written(folder / "saliency.json", tested)
    return content


def _masks(cohort: Cohort, config: StudyConfig, roots: Sequence[Path], splits: pd.DataFrame) -> dict[tuple[str, str], Path]:
    """The preferred lesion mask of each image in some rows of splits that has one."""
    sessions = splits["session_id"].astype(object).where(splits["session_id"].notna(), "")
    wanted = set(zip(splits["participant_id"].astype(str), sessions.astype(str), strict=True))
    scans = [scan for scan in cohort.scans if (scan.participant_id, scan.session_id) in wanted]
    found = {(scan.participant_id, scan.session_id): find_lesion_mask(scan, roots, config.comparators.masks) for scan in scans}
    return {key: path for key, path in found.items() if path is not None}
