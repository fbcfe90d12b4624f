"""Training speed of the paper's network: precision, and one run in two threads against two runs in one thread each.

    python benchmarks/training.py

Rounds take turns, so that a change of the machine's speed meets all; medians are printed as Markdown.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

BATCHES = 10
ROUNDS = 3


def images_per_second(precision: str, threads: int) -> float:
    """One training epoch, in images a second, once the libraries have warmed up."""
    import torch

    from dawson.classification.device import Computing
    from dawson.classification.training import train
    from dawson.config import TrainingSection

    torch.set_num_threads(threads)
    count = 10 * BATCHES
    images = np.random.default_rng(0).standard_normal((count, 5, 128, 128), dtype=np.float32)
    labels, rows = np.arange(count) % 2, np.arange(count)
    computing = Computing("cpu", precision == "bfloat16")
    seconds = []
    for epochs in (1, 2):
        started = time.perf_counter()
        train(images, labels, rows, rows[:2], classes=2, training=TrainingSection(epochs=epochs), computing=computing, seed=(0,))
        seconds.append(time.perf_counter() - started)
    return count / (seconds[1] - seconds[0])


def measure(settings: tuple[str, int, int]) -> float:
    """Images a second in all, of so many runs side by side."""
    precision, threads, runs = settings
    with ProcessPoolExecutor(runs) as pool:
        return sum(pool.map(images_per_second, [precision] * runs, [threads] * runs))


def main() -> None:
    settings = [("float32", 1, 1), ("bfloat16", 1, 1), ("bfloat16", 2, 1), ("bfloat16", 1, 2)]
    results: dict[tuple[str, int, int], list[float]] = {key: [] for key in settings}
    for _ in range(ROUNDS):
        for key in settings:
            results[key].append(measure(key))
    first = statistics.median(results[settings[0]])
    print("| precision | threads a run | runs side by side | images/s (min-max) | ratio |")
    print("|---|---|---|---|---|")
    for (precision, threads, runs), values in results.items():
        middle = statistics.median(values)
        print(f"| {precision} | {threads} | {runs} | {middle:.0f} ({min(values):.0f}-{max(values):.0f}) | {middle / first:.2f} |")


if __name__ == "__main__":
    main()
