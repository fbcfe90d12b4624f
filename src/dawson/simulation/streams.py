"""Random streams that belong to one person or one scan, whoever draws them and in whatever order."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and the names only.

    Parameters
    ----------
    seed : int
        Seed of the cohort, not negative.
    *names : str
        What it is for, such as ``"sub-001", "anatomy"``.

    Examples
    --------
    >>> bool(stream(1, "sub-001").random() == stream(1, "sub-001").random())
    True
    """
    return np.random.default_rng(np.random.SeedSequence([seed, *(zlib.crc32(name.encode()) for name in names)]))
