"""All comparators of a study, run on the network's own splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dawson.classification.comparators import Comparator, comparator
from dawson.classification.comparators.material import KEYS, Material
from dawson.classification.images import UsableImages, guard_images
from dawson.classification.lesion_tables import LesionTables, read_lesions
from dawson.classification.out_of_sample import checked_test_rows
from dawson.errors import ExperimentError

if TYPE_CHECKING:
    import pandas as pd

    from dawson.cohort.dataset import Cohort
    from dawson.config import StudyConfig

MASKS = "lesion masks"
"""Key of the reasons under which it stands whose lesion masks are missing where some are there."""


def run_comparators(
    cohort: Cohort,
    usable: UsableImages,
    splits: pd.DataFrame,
    predictions: pd.DataFrame,
    config: StudyConfig,
    derivatives_roots: Sequence[Path],
    *,
    jobs: int = 1,
    dask: str | None = None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Train and apply every comparator that the study file enables.

    Parameters
    ----------
    cohort : Cohort
        Gives the scans.
    usable : UsableImages
        The images that the network worked on, with their content hashes.
    splits : DataFrame
        As in splits.tsv.
    predictions : DataFrame
        The network's, as in predictions.tsv; comparators are run on the repeats that are there.
    config : StudyConfig
    derivatives_roots : sequence of Path
        Derivative datasets with lesion masks; lesion tables are written below the first.
    jobs, dask
        See `dawson.parallel.each`; for reading masks.

    Returns
    -------
    table : DataFrame
        comparators.tsv: model, repeat, fold, participant_id, session_id, role, label, probability_CLASS.
    reasons : dict of str to str
        Why a comparator was left out, by its name; under `lesion masks` how many images have none where others do.

    Raises
    ------
    LeakageError
        From the guard, which sees the splits and every content hash first.
    ConfigError
        A comparator is unknown.
    ExperimentError
        The network's predictions do not fit the splits.
    """
    import pandas as pd

    chosen = [comparator(name) for name in config.comparators.enabled]
    material, lesions = study_material(
        cohort, usable, splits, predictions, config, derivatives_roots, lesions=_wants_lesions(chosen), jobs=jobs, dask=dask
    )
    tables, reasons = [], _missing_masks(lesions)
    for entry in chosen:
        try:
            table = _run(entry, material, lesions)
        except ExperimentError as error:
            reasons[entry.name] = str(error)
        else:
            table.insert(0, "model", entry.name)
            tables.append(table)
    columns = ["model", "repeat", "fold", *KEYS, "role", "label", *(f"probability_{name}" for name in config.study.classes)]
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)), reasons


def study_material(
    cohort: Cohort,
    usable: UsableImages,
    splits: pd.DataFrame,
    predictions: pd.DataFrame,
    config: StudyConfig,
    derivatives_roots: Sequence[Path],
    *,
    lesions: bool = True,
    jobs: int = 1,
    dask: str | None = None,
) -> tuple[Material, LesionTables]:
    """What comparators work on, once the guard has seen it; parameters and errors as of `run_comparators`.

    `lesions` says whether lesion masks are read.
    """
    guard_images(splits, usable)
    checked_test_rows(predictions, splits, config.study.classes)
    network, plan = _text_keys(predictions), _text_keys(splits)
    images = usable.table.merge(plan[KEYS].drop_duplicates(), on=KEYS, how="inner").reset_index(drop=True)
    plan = plan[plan["repeat"].isin(network["repeat"].unique())].reset_index(drop=True)
    tables = _lesions(cohort, images, config, derivatives_roots, jobs, dask) if lesions else LesionTables({}, {})
    material = Material(
        images,
        plan,
        network,
        tables.lesions,
        tuple(config.study.classes),
        config.training.class_weights,
        tuple(config.comparators.clinical),
        config.harmonisation,
        config.study.site_column,
    )
    return material, tables


def _run(entry: Comparator, material: Material, lesions: LesionTables) -> pd.DataFrame:
    if entry.needs_lesions:
        if not material.lesions:
            raise ExperimentError(_no_masks(lesions))
        material = material.with_lesions()
    table = entry.predict(material)
    tested = set(table.loc[table["role"] == "test", "label"])
    if absent := [name for name in material.classes if name not in tested]:
        raise ExperimentError(f"Nobody of class {', '.join(absent)} who is tested has a lesion mask.")
    return table


def _wants_lesions(chosen: Sequence[Comparator]) -> bool:
    return any(entry.needs_lesions or entry.name == "fusion" for entry in chosen)


def _lesions(cohort: Cohort, images: pd.DataFrame, config: StudyConfig, roots: Sequence[Path], jobs: int, dask: str | None) -> LesionTables:
    wanted = set(zip(images["participant_id"], images["session_id"], strict=True))
    scans = [scan for scan in cohort.scans if (scan.participant_id, scan.session_id) in wanted]
    return read_lesions(scans, roots, config.comparators.masks, jobs, dask)


def _no_masks(lesions: LesionTables) -> str:
    text = f"None of {len(lesions.missing)} images has a lesion mask that can be used"
    first = next(iter(lesions.missing.items()), None)
    return f"{text}; of {first[0][0]} {first[0][1]}: {first[1]}.".replace(" :", ":") if first else f"{text}."


def _missing_masks(lesions: LesionTables) -> dict[str, str]:
    if not (lesions.lesions and lesions.missing):
        return {}
    (person, session), why = next(iter(lesions.missing.items()))
    total = len(lesions.lesions) + len(lesions.missing)
    who = " ".join(part for part in (person, session) if part)
    return {
        MASKS: f"{len(lesions.missing)} of {total} images have no usable lesion mask and are left out of comparators that need one "
        f"(the first is {who}: {why})."
    }


def _text_keys(table: pd.DataFrame) -> pd.DataFrame:
    # A study without sessions reads back from its file with missing session names.
    session = table["session_id"].astype(object)
    return table.assign(
        participant_id=table["participant_id"].astype(str).astype(object),
        session_id=np.where(session.notna(), session, "").astype(object),
    )
