"""What a model carries so that it can say how sure it is: calibration.json and familiarity.safetensors in its folder.

All of it comes from people whom the member in question did not train on, and none of it names anybody: a temperature, sorted scores,
sorted distances, means and covariances of features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.abstain import probabilities
from dawson.classification.calibrate import held_out
from dawson.classification.familiarity import features_of, judge_familiarity, learn_familiarity
from dawson.classification.model import load_member
from dawson.classification.networks import architecture
from dawson.classification.soft_targets import decisive_rows
from dawson.errors import ModelError
from dawson.files import atomic_path, read_json, sha256, write_json
from dawson.statistics.calibration import apply_temperature
from dawson.statistics.conformal import answers, cross_conformal_p_values, prediction_sets, smallest_calibration
from dawson.statistics.uncertainty import split_uncertainty

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from dawson.classification.model import Model
    from dawson.classification.plan import Plan
    from dawson.config import StudyConfig

CALIBRATION, FAMILIARITY = "calibration.json", "familiarity.safetensors"
FORMAT = 1
CANNOT_TELL = "cannot tell"


def write_certainty(
    folder: Path, plan: Plan, config: StudyConfig, out_of_fold: pd.DataFrame, trust: Mapping[str, Any], preprocessed: pd.DataFrame
) -> dict[str, Any]:
    """Write calibration.json and familiarity.safetensors beside the weights of a model.

    Parameters
    ----------
    folder : Path
        Of the model; the weights of every member are there.
    plan : Plan
    config : StudyConfig
    out_of_fold : DataFrame
        Predictions of the members for their validation participants, as in final_out_of_fold.tsv.
    trust : mapping
        trust.json of the study: what was measured inside it.
    preprocessed : DataFrame
        Rows of preprocess.tsv.

    Returns
    -------
    dict
        For model.json: name and SHA-256 of both files.
    """
    from safetensors.numpy import save_file

    classes = config.study.classes
    people = held_out(out_of_fold, classes)[0]
    sizes = people.counts(len(classes))
    least = smallest_calibration(config.evaluation.abstain_alpha)
    networks = [
        load_member(run.weights, run.training, len(config.preprocess.slices_mm), len(classes)) for run in plan.final_runs if run.weights
    ]
    arrays, familiarity = learn_familiarity(plan.final_runs, networks, preprocessed)
    with atomic_path(folder / FAMILIARITY) as temporary:
        save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, temporary)
    write_json(
        folder / CALIBRATION,
        {
            "format": FORMAT,
            "classes": list(classes),
            "participants": {name: int(n) for name, n in zip(classes, sizes, strict=True)},
            "temperature": people.temperature() if sizes.min() else None,
            "alpha": config.evaluation.abstain_alpha,
            "smallest_calibration": least,
            "scores": scores_by_scans(decisive_rows(out_of_fold, classes), classes, len(plan.final_runs)) if sizes.min() >= least else None,
            "inside": _inside(trust),
            "familiarity": familiarity,
        },
    )
    return {
        kind: {"file": name, "sha256": sha256(folder / name)} for kind, name in (("calibration", CALIBRATION), ("familiarity", FAMILIARITY))
    }


def scores_by_scans(out_of_fold: pd.DataFrame, classes: Sequence[str], members: int) -> list[dict[str, dict[str, list[float]]]]:
    """For each member and class, the sorted probabilities of that class for scans of people who have it, by their number of scans.

    A scan of somebody with m scans counts 1/m; that number is all that must be known of who is behind a score.
    """
    rows = out_of_fold.assign(_scans=out_of_fold.groupby("participant_id")["session_id"].transform("size"))
    result = []
    for member in range(members):
        by_class: dict[str, dict[str, list[float]]] = {}
        for k, name in enumerate(classes):
            part = rows[(rows["fold"] == member) & (rows["label"] == name)]
            score = probabilities(part, classes)[:, k]
            by_class[name] = {
                str(scans): np.sort(score[(part["_scans"] == scans).to_numpy()]).round(12).tolist() for scans in sorted(set(part["_scans"]))
            }
        result.append(by_class)
    return result


def _inside(trust: Mapping[str, Any]) -> dict[str, Any]:
    """What the study itself measured, to set a new study beside."""
    calibration, abstention = trust.get("calibration") or {}, trust.get("abstention") or {}
    return {
        "calibration": {name: calibration[name] for name in ("before", "after") if name in calibration},
        "abstention": {name: abstention[name] for name in ("coverage", "sets", "error_when_single") if name in abstention},
    }


@dataclass(frozen=True)
class Certainty:
    """What a model carries, read.

    Parameters
    ----------
    content : mapping
        calibration.json.
    arrays : mapping of str to ndarray
        familiarity.safetensors.
    """

    content: Mapping[str, Any]
    arrays: Mapping[str, NDArray[np.float32]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes in the order of the logits."""
        return tuple(self.content["classes"])

    @property
    def temperature(self) -> float | None:
        """Of the members' logits; None where too few people were held out to fit one."""
        value = self.content["temperature"]
        return None if value is None else float(value)

    @property
    def alpha(self) -> float:
        """Share of the patients of each class whose class a set may miss."""
        return float(self.content["alpha"])

    def p_values(self, logits: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The p value of each class for new scans; None where the model has too few calibration participants.

        Parameters
        ----------
        logits : ndarray, shape (members, n, classes)

        Returns
        -------
        ndarray, shape (n, classes), or None
        """
        if self.content["scores"] is None:
            return None
        rows, truth, fold, person = [], [], [], []
        for member, by_class in enumerate(self.content["scores"]):
            for k, name in enumerate(self.classes):
                for scans, scores in by_class[name].items():
                    for place, score in enumerate(scores):
                        # Only the true class's probability of a calibration scan is ever looked at. Who it was does not matter, only
                        # that this many scans are one person.
                        row = np.full(len(self.classes), 0.0)
                        row[k] = score
                        rows.append(row)
                        truth.append(k)
                        fold.append(member)
                        person.append(f"{member}-{k}-{scans}-{place // int(scans)}")
        return cross_conformal_p_values(np.array(rows), truth, fold, person, apply_temperature(logits, 1.0))

    def sets(self, logits: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """The classes that cannot be excluded, shape (n, classes); None as in `p_values`."""
        p_values = self.p_values(logits)
        return None if p_values is None else prediction_sets(p_values, self.alpha)

    def of_scan(self, logits: NDArray[np.float64]) -> dict[str, Any]:
        """How sure the model is about one scan.

        Parameters
        ----------
        logits : ndarray, shape (members, classes)

        Returns
        -------
        dict
            temperature, probability (of each class: mean, sd, min, max, members; calibrated, or as they are where there is no
            temperature), uncertainty (data, members, share_of_members), set (or None).
        """
        probability = apply_temperature(logits, self.temperature or 1.0)
        divided = split_uncertainty(probability[:, None, :])
        total = float(divided.total[0])
        return {
            "temperature": self.temperature,
            "probability": member_figures(probability, self.classes),
            "uncertainty": {
                "data": float(divided.data[0]),
                "members": float(divided.members[0]),
                "share_of_members": float(divided.members[0]) / total if total > 0 else 0.0,
            },
            "set": self._set(logits),
        }

    def _set(self, logits: NDArray[np.float64]) -> dict[str, Any] | None:
        p_values = self.p_values(logits[:, None, :])
        if p_values is None:
            return None
        member = prediction_sets(p_values, self.alpha)
        named = int(answers(member)[0])
        held = [name for name, inside in zip(self.classes, member[0], strict=True) if inside]
        return {
            "alpha": self.alpha,
            "classes": held,
            "answer": self.classes[named] if named >= 0 else CANNOT_TELL,
            "p_values": {name: float(p) for name, p in zip(self.classes, p_values[0], strict=True)},
            "measured_error_when_single": self.content["inside"]["abstention"].get("error_when_single"),
        }

    def judge(self, features: Sequence[NDArray[np.float64]], quality: Mapping[str, Any]) -> dict[str, Any]:
        """Whether a scan is unlike those that the model learnt from; see `familiarity.judge_familiarity`."""
        return judge_familiarity(self.arrays, self.content["familiarity"], features, quality)


def member_figures(probability: NDArray[np.float64], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation, range and members of each class's probability.

    Parameters
    ----------
    probability : ndarray, shape (members, classes)
    classes : sequence of str
    """
    return {
        label: {
            "mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
            "min": float(values.min()), "max": float(values.max()), "members": values.tolist(),
        }
        for label, values in zip(classes, probability.T, strict=True)
    }  # fmt: skip


def member_features(model: Model, networks: Sequence[torch.nn.Module], images: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Features of images by each member, each of shape (images, features)."""
    layer = architecture(model.training.network).gradcam_layer
    return [features_of(network, seen, layer) for network, seen in zip(networks, model.member_images(images), strict=True)]


def read_certainty(model: Model) -> Certainty | None:
    """What a model carries to say how sure it is; None for a model that was made without.

    Raises
    ------
    ModelError
        A file that model.json names is missing or another one.
    """
    from safetensors.numpy import load_file

    paths = {}
    for kind in ("calibration", "familiarity"):
        named = model.description.get(kind)
        if named is None:
            return None
        path = model.folder / named["file"]
        if not path.is_file() or sha256(path) != named["sha256"]:
            raise ModelError(f"{path} is not the file that model.json names.", "Copy the whole model folder again.")
        paths[kind] = path
    content = read_json(paths["calibration"])
    if content.get("format") != FORMAT:
        raise ModelError(f"{paths['calibration']} has format {content.get('format')}; this version reads {FORMAT}.", "Update Dawson.")
    return Certainty(content, load_file(paths["familiarity"]))
