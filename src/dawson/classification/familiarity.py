"""Whether a scan is like those that the model learnt from: distance between features, and figures of image quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.images import label_indices
from dawson.classification.networks import architecture
from dawson.classification.runs import seen_images
from dawson.statistics.familiarity import FeatureCloud, cloud_distance, fit_cloud, share_as_far

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from dawson.classification.runs import Run

# Higher is better in each; names of columns of preprocess.tsv.
QUALITY_FIGURES = ("template_correlation", "wm_dice", "flair_t1w_overlap")
# A scan is called unusual where fewer than this share of the training participants lie as far out, or have as bad a figure.
UNUSUAL_SHARE = 0.05
_BATCH = 32


def features_of(network: torch.nn.Module, images: NDArray[np.float32], layer: str) -> NDArray[np.float64]:
    """What the last layer of a network decides on: its last convolutional maps, averaged over the image.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    images : ndarray of float32, shape (images, channels, rows, columns)
    layer : str
        Module whose output is the last convolutional map.

    Returns
    -------
    ndarray, shape (images, features)
    """
    import torch

    kept: list[NDArray[np.float64]] = []
    handle = network.get_submodule(layer).register_forward_hook(
        lambda module, given, maps: kept.append(maps.detach().float().mean(dim=(-2, -1)).cpu().numpy().astype(np.float64))
    )
    device = next(network.parameters()).device
    network.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                network(torch.from_numpy(np.array(images[start : start + _BATCH], dtype=np.float32)).to(device))
    finally:
        handle.remove()
    return np.concatenate(kept)


def learn_familiarity(
    members: Sequence[Run], networks: Sequence[torch.nn.Module], preprocessed: pd.DataFrame
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
    """What a model must carry to tell a scan that is unlike those it learnt from.

    Each member's features of its own training images give class means and a covariance; the images of its validation participants,
    which it did not learn from, give the distances to expect.

    Parameters
    ----------
    members : sequence of Run
        Of the model that is handed on.
    networks : sequence of torch.nn.Module
        Their networks, trained.
    preprocessed : DataFrame
        Rows of preprocess.tsv.

    Returns
    -------
    arrays : dict
        means-K and precision-K of each member K.
    summary : dict
        distances: for each member the sorted distances of its validation participants' scans, by the number of scans that the
        participant has (each counts for one over it); quality: for each
        figure of `QUALITY_FIGURES` that was measured, the sorted worst value of each participant. No identifier.
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    distances = []
    for number, (run, network) in enumerate(zip(members, networks, strict=True)):
        table = run.table.sort_values(["participant_id", "session_id"]).reset_index(drop=True)
        features = features_of(network, seen_images(run, table)[0], architecture(run.training.network).gradcam_layer)
        train = (table["role"] == "train").to_numpy()
        cloud = fit_cloud(features[train], label_indices(table.loc[train, "label"].tolist(), run.classes))
        held = (table["role"] == "validation").to_numpy()
        away = cloud_distance(cloud, features[held])
        scans = table[held].groupby("participant_id")["session_id"].transform("size").to_numpy()
        distances.append({str(n): np.sort(away[scans == n]).round(4).tolist() for n in np.unique(scans)})
        arrays |= {f"means-{number}": cloud.means.astype(np.float32), f"precision-{number}": cloud.precision.astype(np.float32)}
    return arrays, {"distances": distances, "quality": _quality(members[0].table, preprocessed)}


def _quality(learnt: pd.DataFrame, preprocessed: pd.DataFrame) -> dict[str, list[float]]:
    keys = ["participant_id", "session_id"]
    rows = learnt[keys].drop_duplicates().merge(preprocessed, on=keys)
    result = {}
    for name in QUALITY_FIGURES:
        if name in rows and len(worst := rows.groupby("participant_id")[name].min().dropna()):
            result[name] = sorted(round(float(value), 4) for value in worst)
    return result


def judge_familiarity(
    arrays: Mapping[str, NDArray[np.float32]],
    summary: Mapping[str, Any],
    features: Sequence[NDArray[np.float64]],
    quality: Mapping[str, Any],
) -> dict[str, Any]:
    """Whether one scan is unusual for a model.

    Parameters
    ----------
    arrays, summary
        From `learn_familiarity`.
    features : sequence of ndarray, each of shape (1, features)
        Of the scan, by each member.
    quality : mapping
        Figures of the scan as in preprocess.tsv.

    Returns
    -------
    dict
        unusual (bool), reasons (list of str), share_as_far (of the training participants), by_chance_at_most (the share
        of ordinary scans that are called unusual, 5 % for each thing looked at), and quality: for each figure its value,
        the lowest usual one and whether it is lower.
    """
    clouds = [
        FeatureCloud(arrays[f"means-{number}"].astype(np.float64), arrays[f"precision-{number}"].astype(np.float64))
        for number in range(len(features))
    ]
    away = [cloud_distance(cloud, own) for cloud, own in zip(clouds, features, strict=True)]
    reference = [np.concatenate([np.asarray(values) for values in member.values()]) for member in summary["distances"]]
    weights = [np.concatenate([np.full(len(values), 1 / int(n)) for n, values in member.items()]) for member in summary["distances"]]
    share = float(share_as_far(away, reference, weights)[0])
    known = ((name, quality.get(name)) for name in summary["quality"])
    measured = {name: float(value) for name, value in known if isinstance(value, int | float) and np.isfinite(value)}
    reasons = []
    if share <= UNUSUAL_SHARE:
        reasons.append(f"its features lie further out than those of {100 * (1 - share):.0f} % of the participants the model learnt from")
    figures = {}
    for name, value in measured.items():
        lowest = float(np.quantile(summary["quality"][name], UNUSUAL_SHARE))
        low = bool(value < lowest)
        figures[name] = {"value": value, "lowest_usual": lowest, "low": low}
        if low:
            reasons.append(f"{name.replace('_', ' ')} is {value:.2f}, lower than in 95 % of the participants the model learnt from")
    return {
        "unusual": bool(reasons), "reasons": reasons, "share_as_far": share, "quality": figures,
        "by_chance_at_most": UNUSUAL_SHARE * (1 + len(measured)),
    }  # fmt: skip
