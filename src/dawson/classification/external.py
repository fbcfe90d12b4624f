"""A fixed model on another study: what it reaches there beside what it reached at home, and whether its promises travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.abstain import lost_coverage, set_figures, with_sets
from dawson.classification.assess import site_of
from dawson.classification.calibrate import calibration_figures, with_temperature
from dawson.classification.cases import Cases, entry, headline_intervals
from dawson.classification.certainty import Certainty, member_features, read_certainty
from dawson.classification.experiment import StudyPaths, check_name, environment
from dawson.classification.images import candidate_images, of_quality, stack_of, with_channels
from dawson.classification.out_of_sample import patient_means, repeat_means
from dawson.classification.predict import refuse_training_people
from dawson.classification.subgroups import check_subgroups, level_figures, subgroup_figures
from dawson.cohort.consent import remember_results, with_governance
from dawson.errors import ModelError
from dawson.files import write_json, write_tsv
from dawson.parallel import resolve_jobs
from dawson.preprocess.batch import preprocess_cohort
from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.delong import delong_interval
from dawson.statistics.figures import FIGURES
from dawson.statistics.interval import Interval

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dawson.classification.images import UsableImages
    from dawson.classification.model import Model
    from dawson.cohort.dataset import Cohort
    from dawson.config import EvaluationSection, StudyConfig


def run_external(
    model: Model,
    cohort: Cohort,
    paths: StudyPaths,
    config: StudyConfig,
    *,
    name: str = "",
    allow_simulated: bool = False,
    jobs: int = 0,
    dask: str | None = None,
) -> Path:
    """Read everybody of another study with a model as it is, and judge it there.

    Parameters
    ----------
    model : Model
    cohort : Cohort
        Of the other study.
    paths : StudyPaths
        Of the other study.
    config : StudyConfig
        Of the other study: who takes part, columns, intervals. Classes and preprocessing are the model's.
    name : str
        Of the folder; the model's by default.
    allow_simulated : bool
        Let a model of simulated patients speak about real ones.
    jobs, dask
        For the preprocessing.

    Returns
    -------
    Path
        `external/NAME` with predictions.tsv, external.json, exclusions.tsv.

    Raises
    ------
    LeakageError
        Somebody was in the training of the model, as far as its manifest is at hand.
    ModelError
        A model of simulated patients meets real ones.
    CohortError
        Nobody has a diagnosis that the model knows, or no scan can be used.
    """
    if model.simulated and not cohort.simulated and not allow_simulated:
        raise ModelError(
            f"Model {model.name} learnt from simulated patients, and {cohort.root} does not say that it is simulated.",
            "--allow-simulated shows what it says all the same, under a red banner.",
        )
    config = with_governance(config, cohort.root)
    remember_results(cohort.root, paths.out, config.governance)
    folder = paths.out / "external" / check_name(name or model.name)
    config = config.updated(
        study={"classes": list(model.classes), "positive": model.description["positive"]}, preprocess=model.preprocess.model_dump()
    )
    check_subgroups(list(cohort.scan_table().columns), config.evaluation)
    usable, quality = _usable(model, cohort, paths, config, folder, resolve_jobs(jobs), dask)
    networks, certainty = model.networks(), read_certainty(model)
    images = np.array(stack_of(usable.table))  # its own: the kept stack is read-only, which torch warns of
    logits = model.member_logits(networks, images).astype(np.float64)
    predictions = _predictions(model, usable.table, logits)
    write_tsv(folder / "predictions.tsv", predictions)
    write_tsv(folder / "exclusions.tsv", usable.exclusions)
    features = member_features(model, networks, images) if certainty else []
    unusual = _unusual(certainty, usable.table, features, quality) if certainty else None
    write_json(
        folder / "external.json",
        {
            "name": folder.name,
            "model": {"name": model.name, "digest": model.digest, "trained_on": model.description["trained_on"]},
            "study": cohort.name,
            "simulated": cohort.simulated,
            "managed": config.governance.managed,
            "training_people_refused": model.manifest.exists(),
            "excluded_scans": len(usable.exclusions),
            "unusual": unusual,
            **judge_outside(Reading(model, certainty, predictions, logits, usable.table), config),
            "software": environment(),
            "research_use_only": True,
        },
    )
    return folder


@dataclass(frozen=True)
class Reading:
    """What a model said about the images of another study.

    Parameters
    ----------
    model : Model
    certainty : Certainty or None
        None for a model that carries no calibration.
    predictions : DataFrame
        As in predictions.tsv: repeat 0, one fold for each member, every row a test.
    logits : ndarray, shape (members, images, classes)
    images : DataFrame
        One row an image, in the order of `logits`.
    """

    model: Model
    certainty: Certainty | None
    predictions: pd.DataFrame
    logits: NDArray[np.float64]
    images: pd.DataFrame


def judge_outside(reading: Reading, config: StudyConfig) -> dict[str, Any]:
    """Discrimination, calibration, coverage and subgroups outside, each beside what the model's study measured inside.

    Parameters
    ----------
    reading : Reading
    config : StudyConfig
        Of the other study, with the classes of the model.

    Returns
    -------
    dict
        As described in docs/reference/files under external.json; `losses` has a sentence for every promise that did not travel.
    """
    study, section, model = config.study, config.evaluation, reading.model
    patients = Cases(patient_means(reading.predictions), study.classes, study.positive)
    inside = model.description["performance"]
    outside = outside_figures(patients, section)
    calibration, abstention = _calibration(reading, config), _abstention(reading, config)
    losses = [_worse(outside["auc"], inside["figures"].get("auc")), *calibration.get("losses", ()), *abstention.get("losses", ())]
    return {
        "classes": list(study.classes),
        "positive": study.positive,
        "confidence": section.confidence,
        "n": {label: int((patients.truth == k).sum()) for k, label in enumerate(study.classes)},
        "n_scans": len(reading.images),
        "figures": {
            "outside": outside,
            "outside_positive_auc": positive_area(patients, section),
            "reason": why_undefined(patients),
            "inside": {figure: inside["figures"].get(figure) for figure in FIGURES},
        },
        "inside_participants": inside.get("test_participants"),
        "calibration": calibration,
        "abstention": abstention,
        "subgroups": subgroup_figures(
            reading.predictions,
            reading.images,
            classes=study.classes,
            positive=study.positive,
            section=section,
            site_column=study.site_column,
        ),
        "losses": [sentence for sentence in losses if sentence],
    }


def outside_figures(patients: Cases, section: EvaluationSection) -> dict[str, Any]:
    """The six figures over patients; those that need every class are None where one is absent.

    With more than two classes all but accuracy are macro averages over the classes.
    """
    if len(set(patients.truth)) == len(patients.classes):
        counts = draw_counts(patients.truth, section.bootstraps, 0)
        intervals, _ = headline_intervals(patients, counts, section.confidence)
        return {figure: entry(intervals[figure]) for figure in FIGURES}
    known = level_figures(patients, section)
    if len(patients.classes) > 2:
        # Of the positive class against the rest; inside they are macro averages, beside which these may not stand.
        known |= dict.fromkeys(("auc", "sensitivity", "specificity"))
    return {figure: known.get(figure) for figure in FIGURES}


def positive_area(patients: Cases, section: EvaluationSection) -> dict[str, Any] | None:
    """Area of the positive class against the rest, which figures of subgroups are about; None where a side has nobody."""
    truth, score, _ = patients.against(patients.positive)
    return entry(delong_interval(truth, score, section.confidence)) if truth.any() and not truth.all() else None


def why_undefined(patients: Cases) -> str | None:
    """Why some figures outside are None; None where every class has somebody."""
    absent = [name for k, name in enumerate(patients.classes) if not (patients.truth == k).any()]
    if not absent:
        return None
    what = "macro averages" if len(patients.classes) > 2 else "figures that need both classes"
    return f"Nobody of class {', '.join(absent)} is in the other study: {what} are not defined there."


def _usable(
    model: Model, cohort: Cohort, paths: StudyPaths, config: StudyConfig, folder: Path, jobs: int, dask: str | None
) -> tuple[UsableImages, pd.DataFrame]:
    """The images, made as the model's were, and the rows of preprocess.tsv; refused where somebody was in training."""
    candidates = of_quality(candidate_images(cohort, config, "predict"), paths.derivatives, config.quality)
    wanted = set(zip(candidates.table["participant_id"], candidates.table["session_id"], strict=True))
    scans = [scan for scan in cohort.scans if (scan.participant_id, scan.session_id) in wanted]
    refuse_training_people(model, scans, folder / "derivatives" / "dawson", jobs)
    rows = preprocess_cohort(scans, cohort.root, folder / "derivatives" / "dawson", model.preprocess, jobs=jobs, dask=dask)
    return with_channels(candidates, cohort, folder / "derivatives" / "dawson", rows, jobs), rows


def _predictions(model: Model, images: pd.DataFrame, logits: NDArray[np.float64]) -> pd.DataFrame:
    import pandas as pd

    base = images[["participant_id", "session_id", "label"]]
    parts = []
    for member, values in enumerate(logits):
        part = base.assign(model=model.training.network, repeat=0, fold=member, role="test")
        parts.append(part.assign(**{f"logit_{name}": values[:, k].round(6) for k, name in enumerate(model.classes)}))
    table = pd.concat(parts, ignore_index=True)
    table = with_temperature(table, {0: 1.0}, model.classes)
    first = ["model", "repeat", "fold", "participant_id", "session_id", "role", "label"]
    return table[[*first, *[name for name in table if name not in first]]]


def _unusual(certainty: Certainty, images: pd.DataFrame, features: list[NDArray[np.float64]], quality: pd.DataFrame) -> dict[str, int]:
    """How many scans the model would call unlike those that it learnt from."""
    keys = ["participant_id", "session_id"]
    rows = images[keys].merge(quality, on=keys, how="left").to_dict("records")
    flags = [
        certainty.judge([own[index : index + 1] for own in features], {str(name): value for name, value in row.items()})["unusual"]
        for index, row in enumerate(rows)
    ]
    return {"scans": int(sum(flags)), "of": len(flags)}


def _calibration(reading: Reading, config: StudyConfig) -> dict[str, Any]:
    certainty, study, section = reading.certainty, config.study, config.evaluation
    if certainty is None or certainty.temperature is None:
        return {"reason": "The model carries no temperature."}
    tempered = with_temperature(reading.predictions, {0: certainty.temperature}, study.classes)
    found = {
        kind: calibration_figures(repeat_means(table), study.classes, study.positive, section)
        for kind, table in (("before", reading.predictions), ("after", tempered))
    }
    inside = certainty.content["inside"]["calibration"]
    reliability = {kind: figures.pop("reliability") for kind, figures in found.items()}
    return {
        "temperature": certainty.temperature,
        "outside": found,
        "reliability": reliability,
        "inside": inside,
        "losses": lost_calibration(found["after"], inside.get("after") or {}),
    }


def lost_calibration(outside: Mapping[str, Any], inside: Mapping[str, Any]) -> list[str]:
    """Sentences on probabilities that no longer mean what they say; empty where the intervals allow that they do.

    Parameters
    ----------
    outside, inside : mapping
        Intervals of nll, slope and intercept, after temperature.
    """
    said = []
    slope, intercept = outside["slope"], outside["intercept"]
    if _known(slope) and not slope["low"] <= 1 <= slope["high"]:
        tendency = "too sure" if slope["estimate"] < 1 else "too modest"
        said.append(f"Outside the probabilities are {tendency}: calibration slope {_shown(slope)}, where 1 is right.")
    if _known(intercept) and not intercept["low"] <= 0 <= intercept["high"]:
        tendency = "more" if intercept["estimate"] > 0 else "less"
        said.append(f"Outside the positive class is {tendency} frequent than was said: calibration intercept {_shown(intercept)}, not 0.")
    nll, home = outside["nll"], inside.get("nll") or {}
    if _known(nll) and _known(home) and nll["low"] > home["high"]:
        said.append(f"The negative log likelihood is higher outside, {_shown(nll)}, than inside, {_shown(home)}.")
    return said


def _abstention(reading: Reading, config: StudyConfig) -> dict[str, Any]:
    certainty, study = reading.certainty, config.study
    sets = certainty.sets(reading.logits) if certainty else None
    if certainty is None or sets is None:
        return {"reason": "The model was calibrated on too few participants of a class to make sets."}
    section = config.evaluation.model_copy(update={"abstain_alpha": certainty.alpha})
    table = with_sets(reading.images[["participant_id", "session_id", "label"]].assign(repeat=0), sets, study.classes)
    figures = set_figures(table, site_of(reading.images, study.site_column), study.classes, section)
    kept = {label: _interval(held, section.confidence) for label, held in figures["coverage"].items()}
    by_class = [lost_coverage(f"Outside, among participants with {label},", held, section) for label, held in kept.items()]
    return {
        "alpha": figures["alpha"],
        "promised": figures["promised"],
        "outside": {name: figures[name] for name in ("coverage", "sets", "error_when_single", "by_site")},
        "inside": certainty.content["inside"]["abstention"],
        "losses": [sentence for sentence in [*by_class, *[site["warning"] for site in figures["by_site"]]] if sentence],
    }


def _worse(outside: Mapping[str, Any] | None, inside: Mapping[str, Any] | None) -> str | None:
    """A sentence where the area outside lies below that inside, beyond both intervals."""
    if not (outside and inside and _known(outside) and _known(inside) and outside["high"] < inside["low"]):
        return None
    return f"The model tells the classes apart less well outside: AUC {_shown(outside)}, inside {_shown(inside)}."


def _known(entry: Mapping[str, Any]) -> bool:
    return all(entry.get(name) is not None for name in ("estimate", "low", "high"))


def _shown(entry: Mapping[str, Any]) -> str:
    return f"{entry['estimate']:.2f} ({entry['low']:.2f} to {entry['high']:.2f})"


def _interval(held: Mapping[str, Any], confidence: float) -> Interval:
    low, estimate, high = (np.nan if held[name] is None else float(held[name]) for name in ("low", "estimate", "high"))
    return Interval(estimate, low, high, str(held["method"]), confidence)
