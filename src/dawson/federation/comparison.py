"""A federated training beside each centre alone, all but one, and all in one place: for simulated centres, whose people may be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dawson.classification.device import choose
from dawson.classification.experiment import StudyPaths
from dawson.classification.images import label_indices, read_stack
from dawson.classification.study import prepare_images
from dawson.classification.training import class_weights, predict_logits, softmax
from dawson.cohort.dataset import read_cohort
from dawson.config import StudyConfig
from dawson.errors import CohortError, ConfigError
from dawson.federation.aggregates import weighted_log_loss
from dawson.federation.local_training import LocalWork, one_thread, train_locally
from dawson.federation.plan import FederatedPlan
from dawson.federation.shared_weights import build_network, get_shared, set_shared, shared_names
from dawson.federation.site_people import gather
from dawson.progress import progress
from dawson.statistics.delong import delong_interval, delong_paired_test

if TYPE_CHECKING:
    import pandas as pd

Weights = dict[str, NDArray[np.float32]]

FEDERATED, POOLED = "federated", "pooled"
_PERSON = ("centre", "participant_id", "label")


@dataclass(frozen=True)
class LabelledImages:
    """Channel images with labels.

    Parameters
    ----------
    pixels : ndarray of float32 (scans, channels, y, x)
    labels : ndarray of int (scans,)
    validates : ndarray of bool (scans,)
        Whether the person is kept back from training.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]
    validates: NDArray[np.bool_]


def refuse_real_people(studies: Mapping[str, Path]) -> None:
    """Only simulated people may be put together for a comparison.

    Raises
    ------
    ConfigError
        A study does not say that it is simulated.
    """
    real = [name for name, study in studies.items() if not read_cohort(study).simulated]
    if real:
        raise ConfigError(f"{real[0]} is not simulated, and a comparison puts all people in one place.", "Compare on simulated centres.")


def own_images(study: Path, plan: FederatedPlan, jobs: int = 1) -> LabelledImages:
    """A centre's images with the split that it makes for the training."""
    table = gather(StudyPaths(study, study), plan, jobs=jobs).table
    table = table[table["role"].isin(["train", "validation"])].sort_values(["participant_id", "session_id"])
    labels = label_indices(table["label"].tolist(), plan.classes)
    return LabelledImages(read_stack(table["path"].tolist()), labels, (table["role"] == "validation").to_numpy())


def new_people(studies: Mapping[str, Path], plan: FederatedPlan, jobs: int = 1) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Patients whom no centre trained with, by their first scan: table of centre, participant_id, label; images.

    Raises
    ------
    CohortError
        None of them can be used.
    """
    import pandas as pd

    tables, parts = [], []
    for name, study in studies.items():
        config = StudyConfig().updated(study={"classes": plan.classes, "positive": plan.positive}, preprocess=plan.preprocess.model_dump())
        _, usable = prepare_images(StudyPaths(study, study), config, jobs=jobs)
        first = usable.table.sort_values(["participant_id", "session_id"]).drop_duplicates("participant_id")
        if len(first):
            tables.append(first.assign(centre=name)[list(_PERSON)])
            parts.append(read_stack(first["path"].tolist()))
    if not tables:
        raise CohortError("No new patient can be used.", "Give studies with patients of the plan's classes.")
    return pd.concat(tables, ignore_index=True), np.concatenate(parts)


def joined(parts: list[LabelledImages]) -> LabelledImages:
    """Images of several centres in one place."""
    pixels, labels, validates = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pixels", "labels", "validates"))
    return LabelledImages(pixels, labels, validates)


def train_in_one_place(images: LabelledImages, plan: FederatedPlan, stream: int) -> Weights:
    """The plan's rounds on images in one place, by the same steps as at a site; the weights of least validation loss.

    Parameters
    ----------
    images : LabelledImages
    plan : FederatedPlan
    stream : int
        Tells the random numbers of this training from those of others.
    """
    computing, network = choose(plan.training), build_network(plan)
    names = shared_names(network, plan.normalisation)
    pixels, labels = images.pixels[~images.validates], images.labels[~images.validates]
    weights = class_weights(labels, len(plan.classes))
    best, kept = np.inf, get_shared(network, plan.normalisation)
    with one_thread(computing):
        for number in range(1, plan.rounds + 1):
            work = LocalWork(pixels, labels, weights, plan.local_epochs, 0.0, (plan.seed, stream, number))
            train_locally(network, work, plan.training, computing, names)
            told = softmax(predict_logits(network, images.pixels[images.validates]))
            loss = weighted_log_loss(told, images.labels[images.validates], weights)
            if loss < best:
                best, kept = loss, get_shared(network, plan.normalisation)
    return kept


def compare(plan: FederatedPlan, studies: Mapping[str, Path], tests: Mapping[str, Path], federated: Weights, jobs: int = 1) -> pd.DataFrame:
    """Train every alternative and read new patients with each.

    Parameters
    ----------
    plan : FederatedPlan
    studies : mapping of str to Path
        The centres of the training.
    tests : mapping of str to Path
        Studies of other patients.
    federated : dict of str to ndarray
        Weights that the network of centres learnt.
    jobs : int

    Returns
    -------
    DataFrame
        centre, participant_id, label, then the probability of the plan's positive class by each training.

    Raises
    ------
    CohortError
        See `new_people`.
    """
    own = {name: own_images(study, plan, jobs) for name, study in studies.items()}
    table, images = new_people(tests, plan, jobs)
    # each training has its own stream of random numbers, whatever else is trained
    parts = {POOLED: (1, list(own.values()))}
    parts |= {f"{name} alone": (2 + place, [part]) for place, (name, part) in enumerate(own.items())}
    if len(own) > 2:
        for place, name in enumerate(own):
            parts[f"without {name}"] = (max(10, 2 + len(own)) + place, [part for other, part in own.items() if other != name])
    arms = {FEDERATED: federated}
    with progress("Trainings", len(parts)) as advance:
        for arm, (stream, some) in parts.items():
            arms[arm] = train_in_one_place(joined(some), plan, stream)
            advance(arm)
    positive = plan.classes.index(plan.positive)
    for arm, weights in arms.items():
        network = build_network(plan)
        set_shared(network, weights)
        table[arm] = softmax(predict_logits(network.eval(), images))[:, positive]
    return table


def arms_of(scores: pd.DataFrame) -> list[str]:
    """Trainings of a table of `compare`."""
    return [name for name in scores.columns if name not in _PERSON]


def summarise(scores: pd.DataFrame, positive: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """AUC of each training, over all new patients and those of each centre, and how far the federated one is from each.

    Returns
    -------
    DataFrame
        training, centre (empty: all), patients, estimate, low, high; no interval where a class is absent.
    DataFrame
        against, estimate, low, high: AUC of the federated training less another's on the same patients (DeLong, 95 %).
    """
    import pandas as pd

    names = sorted(set(scores["centre"]))
    centres = ["", *names] if len(names) > 1 else [""]
    rows, differences = [], []
    truth = (scores["label"] == positive).to_numpy()
    for arm in arms_of(scores):
        for centre in centres:
            part = np.ones(len(scores), bool) if not centre else (scores["centre"] == centre).to_numpy()
            if len(set(truth[part])) < 2:
                continue
            found = delong_interval(truth[part], scores.loc[part, arm].to_numpy(float))
            rows.append((arm, centre, int(part.sum()), found.estimate, found.low, found.high))
        if arm != FEDERATED and len(set(truth)) == 2:
            apart = delong_paired_test(truth, scores[FEDERATED].to_numpy(float), scores[arm].to_numpy(float))
            differences.append((arm, apart.difference, apart.low, apart.high))
    return (
        pd.DataFrame(rows, columns=["training", "centre", "patients", "estimate", "low", "high"]),
        pd.DataFrame(differences, columns=["against", "estimate", "low", "high"]),
    )
