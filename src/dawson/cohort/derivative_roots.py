"""Which derivative datasets a study has: Dawson's own first, then those by others."""

from __future__ import annotations

from pathlib import Path


def derivative_roots(study: Path, results: Path) -> tuple[Path, ...]:
    """Folders in which masks and other derivatives of a study are looked for.

    Parameters
    ----------
    study : Path
        The BIDS dataset.
    results : Path
        Dawson's own derivatives, usually `STUDY/derivatives/dawson`; they may lie elsewhere (`--out`).

    Returns
    -------
    tuple of Path
        `results`, then its neighbours, then the derivatives of the study, each by name.
    """
    roots = [results]
    for parent in (results.parent, study / "derivatives"):
        found = sorted(item for item in parent.iterdir() if item.is_dir()) if parent.is_dir() else []
        roots += [item for item in found if item.resolve() not in {known.resolve() for known in roots}]
    return tuple(roots)
