"""How long a study will take and how much disk it needs, measured on this machine before it starts."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dawson.classification.device import choose
from dawson.classification.images import candidate_images, of_quality
from dawson.classification.networks import architecture
from dawson.classification.training import train
from dawson.cohort.dataset import read_cohort
from dawson.cohort.splits import make_splits
from dawson.files import read_tsv
from dawson.parallel import cores, resolve_jobs

if TYPE_CHECKING:
    from dawson.classification.experiment import StudyPaths
    from dawson.config import StudyConfig

SECONDS_A_SCAN = 45.0
"""Assumed for raw scans where no scan of the study has been preprocessed yet; docs/benchmarks has the measurements."""
_BYTES_A_RAW_SCAN = 45_000_000
_BYTES_A_TEMPLATE_SCAN = 400_000
_TIMED_BATCHES = 6


@dataclass(frozen=True)
class Estimate:
    """What a study will cost.

    Parameters
    ----------
    scans_to_preprocess, runs : int
    preprocess_seconds, training_seconds : float
        Wall-clock, with the workers asked for.
    images_per_second : float
        Measured: training images a second of one run.
    disk_bytes, free_bytes : int
    jobs : int
    device, precision : str
    """

    scans_to_preprocess: int
    runs: int
    preprocess_seconds: float
    training_seconds: float
    images_per_second: float
    disk_bytes: int
    free_bytes: int
    jobs: int
    device: str
    precision: str


def estimate_study(paths: StudyPaths, config: StudyConfig, *, jobs: int = 0, keep_weights: bool = False) -> Estimate:
    """Measure a few training steps and count what there is to do.

    Parameters
    ----------
    paths : StudyPaths
    config : StudyConfig
    jobs : int
        As for `run_study`.
    keep_weights : bool
        As for `run_study`.
    """
    cohort = read_cohort(paths.study, text=(config.study.diagnosis_column, config.study.site_column))
    images = of_quality(candidate_images(cohort, config, record=False), paths.derivatives, config.quality).table
    splits = make_splits(images, config.split, site_column=config.study.site_column)
    computing = choose(config.training)
    workers = resolve_jobs(jobs) if computing.on_cpu or jobs > 0 else 1
    side_by_side = min(workers, cores()) if computing.on_cpu else workers

    trained = int((splits["role"] == "train").sum())
    runs = len(splits.groupby(["repeat", "fold"])) + config.split.folds
    all_images = trained + len(images) * (config.split.folds - 1)
    speed = _images_per_second(config)

    known = paths.derivatives / "preprocess.tsv"
    done, typical = 0, SECONDS_A_SCAN
    if known.exists():
        rows = read_tsv(known)
        finished = rows[rows["status"] == "done"]
        done = len(finished)
        typical = float(finished["seconds"].median()) if done else SECONDS_A_SCAN
    left = max(0, len(images) - done)
    scan_bytes = _BYTES_A_TEMPLATE_SCAN if typical < 5 else _BYTES_A_RAW_SCAN
    network = architecture(config.training.network).build(len(config.preprocess.slices_mm), len(config.study.classes))
    weights = 4 * sum(parameter.numel() for parameter in network.parameters())
    kept = config.split.folds + (runs - config.split.folds if keep_weights else 0)
    return Estimate(
        scans_to_preprocess=left, runs=runs, preprocess_seconds=left * typical / max(1, workers // 2),
        training_seconds=all_images * config.training.epochs / speed / side_by_side, images_per_second=speed,
        disk_bytes=left * scan_bytes + kept * weights + runs * 60_000, free_bytes=shutil.disk_usage(_existing(paths)).free,
        jobs=workers, device=computing.device, precision=computing.precision,
    )  # fmt: skip


def _images_per_second(config: StudyConfig) -> float:
    """Train a few batches of noise, after one epoch to warm up, in one thread as a run does."""
    import torch

    batch, size = config.training.batch_size, config.preprocess.matrix
    count = batch * _TIMED_BATCHES
    generator = np.random.default_rng(0)
    images = generator.standard_normal((count, len(config.preprocess.slices_mm), size, size), dtype=np.float32)
    labels = np.arange(count) % len(config.study.classes)
    rows = np.arange(count)
    threads = torch.get_num_threads()
    computing = choose(config.training)
    if computing.on_cpu:
        torch.set_num_threads(1)
    try:
        seconds = []
        for epochs in (1, 1, 2):  # the first loads libraries and warms up
            started = time.monotonic()
            train(
                images, labels, rows, rows[:batch], classes=len(config.study.classes), computing=computing, seed=(0,),
                training=config.training.model_copy(update={"epochs": epochs}),
            )  # fmt: skip
            seconds.append(time.monotonic() - started)
    finally:
        torch.set_num_threads(threads)
    return count / max(seconds[2] - seconds[1], seconds[2] / 4)


def _existing(paths: StudyPaths) -> str:
    folder = paths.out.absolute()
    while not folder.exists():
        folder = folder.parent
    return str(folder)
