"""Lesion segmenters beside each other, by patient, on simulated scanners that no model has seen or on scans with expert masks.

    python benchmarks/lesion_segmentation.py simulated WORK --segmenter dawson --segmenter classical --jobs 2
    python benchmarks/lesion_segmentation.py folder PAIRS.tsv WORK --segmenter dawson --segmenter classical

`simulated` makes cohorts of the sites C and noisy, with seeds of their own, in WORK. `folder` reads a table with the columns scan,
flair, t1w (may be empty), mask and brain (may be empty: then the brain is extracted). Both write scores.tsv, print means with 95 %
bootstrap intervals over patients and the paired difference to the last segmenter, and draw overlays of every `folder` scan.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from dawson.files import read_tsv, write_tsv
from dawson.imaging.lesion_metrics import compare_masks, without_small
from dawson.imaging.retention import retention
from dawson.imaging.voxel_uncertainty import binary_entropy
from dawson.lesions.network_segmenter import NetworkSegmenter
from dawson.lesions.scan_images import find_images, find_truth, load_images, load_truth
from dawson.lesions.segmenters import Segmenter, segmenter_named
from dawson.lesions.training_data import training_study
from dawson.parallel import cores
from dawson.simulation import plan_cohort, simulate_cohort
from dawson.statistics.proportions import exact_binomial

COUNTS = {"MS": 8, "NMOSD": 4}
SITES = ("C", "noisy")
COHORTS = {"uk": 60201, "korea": 60202, "taiwan": 60203}
"""Population to seed; none of them trained a model (see make_lesion_model.py)."""
SHOWN = ("dice", "lesion_f1", "lesion_f1_iou25", "ppv", "tpr", "hd95_mm", "assd_mm")
_BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Scored:
    """One scan with its truth."""

    name: str
    group: str
    flair: Any
    t1w: Any | None
    brain: np.ndarray
    truth: np.ndarray


def simulated_scans(work: Path, jobs: int) -> Iterator[Scored]:
    """Scans of held-out scanners and people, one a person."""
    for profile, seed in COHORTS.items():
        none = dict.fromkeys(COUNTS, 0)
        plan = plan_cohort(COUNTS, followed_up=none, follow_up_scans=none, seed=seed, sites=SITES, profile=profile)
        study = training_study(simulate_cohort(work / profile, plan, seed=seed, jobs=jobs))
        for scan in study.scans:
            flair, t1w, brain = load_images(find_images(scan, study.roots[0]))
            truth = load_truth(find_truth(scan, study.roots, ("sim",))[1], flair)
            yield Scored(f"{profile} {scan.entities}", profile, flair, t1w, brain, truth > 0.5)


def table_scans(table: Path, threads: int) -> Iterator[Scored]:
    """Scans of a table of files; paths are relative to the table."""
    from dawson.imaging.brain import brain_mask

    for row in read_tsv(table, text=("scan",)).to_dict("records"):
        path = {name: table.parent / row[name] for name in ("flair", "t1w", "mask", "brain") if isinstance(row.get(name), str)}
        flair: Any = nib.load(path["flair"])
        t1w = nib.load(path["t1w"]) if "t1w" in path else None
        brain: Any = nib.load(path["brain"]) if "brain" in path else brain_mask(flair, threads=threads)
        truth = load_truth([path["mask"]], flair)
        yield Scored(str(row["scan"]), "real", flair, t1w, np.asarray(brain.dataobj) > 0, truth > 0.5)


def score(scan: Scored, segmenter: Segmenter, threads: int) -> tuple[dict[str, Any], np.ndarray]:
    """Scores of one segmenter on one scan, and its mask."""
    spacing = tuple(float(size) for size in np.linalg.norm(scan.flair.affine[:3, :3], axis=0))
    began = time.perf_counter()
    segmentation = segmenter.segment(scan.flair, scan.t1w, scan.brain, threads)
    mask = segmentation.mask((spacing[0], spacing[1], spacing[2]))
    seconds = time.perf_counter() - began
    found = compare_masks(mask, scan.truth, spacing)
    row = {"scan": scan.name, "group": scan.group, "segmenter": segmenter.maker, "seconds": round(seconds, 1)}
    row |= {name: getattr(found, name) for name in (*SHOWN, "truth_ml", "predicted_ml", "n_truth", "n_predicted")}
    unsure = binary_entropy(segmentation.probability)
    row["raac"] = retention(mask, scan.truth, unsure, scan.brain).aac
    if segmentation.intervals is not None:
        # lesions below the smallest that the model reports count in neither
        true = compare_masks(mask, without_small(scan.truth, spacing, segmentation.minimum_mm3), spacing)
        bounds = segmentation.intervals.of(found.predicted_ml, found.n_predicted)
        row |= {**bounds, "counted_ml": true.truth_ml, "counted": true.n_truth}
    return row, mask


def draw(scan: Scored, masks: dict[str, np.ndarray], path: Path) -> None:
    """Outlines of truth (green) and of each segmenter (red) on the slices with the most lesion."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    flair = np.asarray(scan.flair.dataobj, np.float32)
    top = np.percentile(flair[scan.brain], 99.8)
    slices = np.sort(np.argsort(scan.truth.sum((0, 1)))[::-1][:40:10])
    figure, axes = plt.subplots(len(masks), len(slices), figsize=(4 * len(slices), 4.6 * len(masks)), squeeze=False)
    for line, (name, mask) in zip(axes, masks.items(), strict=True):
        for axis, at in zip(line, slices, strict=True):
            axis.imshow(np.rot90(flair[:, :, at]), cmap="gray", vmin=0, vmax=top)
            for shown, colour in ((scan.truth, "lime"), (mask, "red")):
                if shown[:, :, at].any():
                    axis.contour(np.rot90(shown[:, :, at]), [0.5], colors=colour, linewidths=0.7)
            axis.set_title(f"{scan.name}: {name}", fontsize=9)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def summary(table: pd.DataFrame) -> str:
    """Markdown: means with intervals, then the paired difference of each segmenter to the last."""
    makers = list(dict.fromkeys(table["segmenter"]))
    lines = ["| segmenter | scans | Dice | lesion F1 | F1 at IoU 0.25 | PPV | TPR | HD95 mm | R-AAC | seconds |", "|---" * 10 + "|"]
    for maker in makers:
        own = table[table["segmenter"] == maker]
        shown = [_interval(own[name].to_numpy(float)) for name in (*SHOWN[:6], "raac")]
        lines.append(f"| {maker} | {len(own)} | " + " | ".join(shown) + f" | {own['seconds'].mean():.0f} |")
    for maker in makers[:-1]:
        for name in ("dice", "lesion_f1"):
            wide = table.pivot_table(index="scan", columns="segmenter", values=name)
            lines.append(f"\n{maker} minus {makers[-1]}, {name}: {_interval((wide[maker] - wide[makers[-1]]).to_numpy(float))}")
    return "\n".join(lines)


def false_alarms(table: pd.DataFrame) -> str:
    """What each segmenter marks in people without any lesion, for whom Dice is 1 or 0."""
    free = table[table["truth_ml"] == 0]
    return "\n".join(
        f"Without lesions, {maker}: {int((own['n_predicted'] == 0).sum())} of {len(own)} scans left empty, "
        f"{own['n_predicted'].mean():.1f} false lesions and {own['predicted_ml'].mean():.2f} mL a scan"
        for maker, own in free.groupby("segmenter")
    )


def coverage(table: pd.DataFrame) -> str:
    """Markdown: how often the intervals hold the truth, exact (Clopper-Pearson) 95 % intervals, and how wide they are."""
    if "counted" not in table:
        return ""
    own = table[table["counted"].notna()]
    lines = ["", "| interval | scans | holds the truth | median width |", "|---" * 4 + "|"]
    for name, truth in (("lesion_ml", "counted_ml"), ("lesion_count", "counted")):
        low, high = own[f"{name}_low"].fillna(0), own[f"{name}_high"].fillna(np.inf)
        inside = int(((low <= own[truth]) & (own[truth] <= high)).sum())
        found = exact_binomial(inside, len(own))
        lines.append(f"| {name} | {len(own)} | {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f}) | {(high - low).median():.1f} |")
    return "\n".join(lines)


def _interval(values: np.ndarray) -> str:
    rng = np.random.default_rng(0)
    means = rng.choice(values, (_BOOTSTRAPS, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def _segmenters(names: Sequence[str], model: Path | None) -> list[Segmenter]:
    return [NetworkSegmenter(model) if name == "dawson" and model is not None else segmenter_named(name) for name in names]


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("simulated", "folder"))
    parser.add_argument("paths", type=Path, nargs="+", help="WORK, or PAIRS.tsv WORK")
    parser.add_argument("--segmenter", action="append")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--jobs", type=int, default=cores())
    arguments = parser.parse_args()
    work = arguments.paths[-1]
    work.mkdir(parents=True, exist_ok=True)
    real = arguments.kind == "folder"
    scans = table_scans(arguments.paths[0], arguments.jobs) if real else simulated_scans(work, arguments.jobs)
    segmenters = _segmenters(arguments.segmenter or ["dawson", "classical"], arguments.model)
    rows = []
    for scan in scans:
        found = [score(scan, segmenter, arguments.jobs) for segmenter in segmenters]
        rows += [row for row, _ in found]
        if real:
            draw(scan, {segmenter.maker: mask for segmenter, (_, mask) in zip(segmenters, found, strict=True)}, work / f"{scan.name}.png")
        write_tsv(work / "scores.tsv", pd.DataFrame(rows))
    table = pd.DataFrame(rows)
    for title, part in (("With lesions", table[table["truth_ml"] > 0]), ("All", table)):
        if title == "With lesions" or len(part) > len(table[table["truth_ml"] > 0]):
            print(f"{title}:\n\n{summary(part)}\n")
    print(false_alarms(table))
    print(coverage(table))


if __name__ == "__main__":
    main()
