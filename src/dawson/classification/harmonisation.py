"""What a study says of its sites: whether they go with the diagnosis, what harmonisation did, and whether sites can still be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.cases import entry
from dawson.classification.comparators.feature_harmonisation import fit_fold, harmonised_features, sites_of
from dawson.classification.comparators.lesion_features import summary_table
from dawson.classification.image_harmonisation import fit_intensity, harmonised
from dawson.classification.images import stack_of
from dawson.errors import DawsonError, ExperimentError
from dawson.statistics.site_predictability import SitePredictability, confounding, site_predictability

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dawson.classification.comparators.material import Material
    from dawson.config import HarmonisationSection, StudyConfig

PERMUTATIONS = 99
_SUMMARY = (5, 25, 50, 75, 95)


def site_findings(images: pd.DataFrame, config: StudyConfig, material: Callable[[], Material]) -> dict[str, Any] | None:
    """What harmonisation.json holds.

    Parameters
    ----------
    images : DataFrame
        One row an image of the study, with label, site, path and hash.
    config : StudyConfig
    material : callable
        Gives images, splits and lesions as the comparators saw them; only called where features are harmonised.

    Returns
    -------
    dict or None
        None where nothing is to be said: a single site, or nothing harmonised and sites that do not go with the diagnosis.
    """
    column, section = config.study.site_column, config.harmonisation
    done = section.intensity != "none" or section.features != "none"
    people = images.drop_duplicates("participant_id")
    known = people[people[column].notna() & (people[column].astype(str) != "")] if column in people else people.iloc[:0]
    found = confounding(known[column].tolist(), known["label"].tolist()) if len(known) else None
    several = found is not None and len(found.counts) > 1
    if not done and not (several and found and found.warning):
        return None
    content: dict[str, Any] = {
        "site_column": column,
        "settings": section.model_dump(mode="json"),
        "sites": found.counts if found else {},
        "cramers_v": found.cramers_v if several and found else None,
        "cramers_v_corrected": found.corrected_v if several and found else None,
        "one_class_sites": found.one_class_sites if found else {},
        "warning": found.warning if found else "",
    }
    if section.features != "none":
        content["features"] = _or_reason(lambda: _features_done(material(), section))
    if done:
        content["predictability"] = _predictability(images, config, material)
    return content


def _or_reason(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return make()
    except (DawsonError, ValueError) as error:
        return {"reason": str(error)}


def _features_done(material: Material, section: HarmonisationSection) -> dict[str, Any]:
    """What ComBat did in all folds together."""
    if not material.lesions:
        raise ExperimentError("No image has a lesion mask, so there are no features to harmonise.")
    material = material.with_lesions()
    table = summary_table(material.lesions_of_images())
    site, person = sites_of(material), material.images["participant_id"].to_numpy()
    fits, least = 0, len(table.columns)
    left: set[str] = set()
    unseen: dict[str, int] = {}
    for fold in material.folds():
        model = fit_fold(material, table, fold.train)
        fits += 1
        least = min(least, int(model.adjusted.sum()))
        left |= {str(name) for name in table.columns[~model.adjusted]}
        wanted = np.concatenate([fold.validation, fold.test])
        for name in sorted(set(site[wanted]) - set(model.sites)):
            unseen[str(name)] = max(unseen.get(str(name), 0), len(set(person[wanted[site[wanted] == name]])))
    return {
        "fits": fits,
        "features": len(table.columns),
        "fewest_adjusted": least,
        "left_as_they_are": sorted(left),
        "unseen_sites": unseen,
        "unseen": section.unseen,
    }


def _predictability(images: pd.DataFrame, config: StudyConfig, material: Callable[[], Material]) -> list[dict[str, Any]]:
    """How well the site is told, before and after, of what was harmonised."""
    section, rows = config.harmonisation, []
    if section.intensity != "none":
        rows.append({"what": "channel images"} | _or_reason(lambda: _of_images(images, config)))
    if section.features != "none":
        rows.append({"what": "lesion features"} | _or_reason(lambda: _of_features(material(), config)))
    return rows


def _of_images(images: pd.DataFrame, config: StudyConfig) -> dict[str, Any]:
    stack = stack_of(images)
    site, person = images[config.study.site_column].astype(str).tolist(), images["participant_id"].tolist()
    # No site is used in fitting the scale, so that all images may teach it here.
    tables = {"before": stack, "after": harmonised(fit_intensity(config.harmonisation.intensity, stack), stack)}
    return {state: _told(site_predictability(channel_summary(own), site, person, **_settings(config))) for state, own in tables.items()}


def _of_features(material: Material, config: StudyConfig) -> dict[str, Any]:
    if not material.lesions:
        raise ExperimentError("No image has a lesion mask.")
    material = material.with_lesions()
    table, column = summary_table(material.lesions_of_images()), config.study.site_column

    def combat(site: NDArray[Any], training: NDArray[np.intp]) -> NDArray[np.float64]:
        own = replace(material, images=material.images.assign(**{column: site}))
        rest = np.setdiff1d(np.arange(len(table)), training)
        return harmonised_features(own, table, training, rest).to_numpy(dtype=np.float64)

    site, person = sites_of(material).tolist(), material.images["participant_id"].tolist()
    values, settings = table.to_numpy(dtype=np.float64), _settings(config)
    return {
        "before": _told(site_predictability(values, site, person, **settings)),
        "after": _told(site_predictability(values, site, person, harmonise=combat, **settings)),
    }


def channel_summary(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Brightness of each channel's brain in seven numbers: percentiles 5, 25, 50, 75 and 95, mean and standard deviation.

    Parameters
    ----------
    images : ndarray, shape (images, channels, rows, columns)
        0 outside the brain.

    Returns
    -------
    ndarray, shape (images, 7 * channels)
    """
    rows = []
    for image in images:
        row: list[float] = []
        for channel in image:
            inside = channel[channel != 0].astype(np.float64)
            row += [*np.percentile(inside, _SUMMARY), inside.mean(), inside.std()] if inside.size else [np.nan] * (len(_SUMMARY) + 2)
        rows.append(row)
    return np.array(rows)


def _settings(config: StudyConfig) -> dict[str, Any]:
    return {"permutations": PERMUTATIONS, "seed": config.split.seed, "confidence": config.evaluation.confidence}


def _told(found: SitePredictability) -> dict[str, Any]:
    return {
        "auc": entry(found.auc),
        "accuracy": entry(found.accuracy),
        "chance_auc": {"mean": found.chance_auc[0], "p95": found.chance_auc[1]},
        "chance_accuracy": {"mean": found.chance_accuracy[0], "p95": found.chance_accuracy[1]},
        "p_auc": found.p_auc,
        "p_accuracy": found.p_accuracy,
        "permutations": found.permutations,
        "n": found.people,
        "sites": list(found.sites),
    }
