"""The lesions of every scan of a study, measured from whatever lesion mask its derivatives hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dawson.cohort.lesion_masks import features_of_mask, find_lesion_mask, lesion_masks, mask_makers
from dawson.cohort.scan import Scan
from dawson.parallel import each
from dawson.progress import progress

if TYPE_CHECKING:
    from dawson.imaging.lesion_features import LesionFeatures

__all__ = ["FEATURES_NAME", "LesionTables", "find_lesion_mask", "mask_makers", "read_lesions"]

FEATURES_NAME = "desc-lesions_features.tsv"

Key = tuple[str, str]


@dataclass(frozen=True)
class LesionTables:
    """Lesions by participant and session.

    Parameters
    ----------
    lesions : dict of (str, str) to tuple of LesionFeatures
        Of the scans that have a lesion mask in template space; an empty tuple where the mask is empty.
    missing : dict of (str, str) to str
        Why the other scans have none.
    """

    lesions: dict[Key, tuple[LesionFeatures, ...]]
    missing: dict[Key, str]


def read_lesions(
    scans: Sequence[Scan], roots: Sequence[Path], preference: Sequence[str], jobs: int = 1, dask: str | None = None
) -> LesionTables:
    """Measure the lesions of scans, or read what was measured of the same masks before.

    Each scan's lesions are written as `desc-lesions_features.tsv` below the first root, with the mask's SHA-256 beside it.

    Parameters
    ----------
    scans : sequence of Scan
    roots : sequence of Path
        Derivative datasets; the first is that of the results.
    preference : sequence of str
        See `dawson.cohort.lesion_masks.find_lesion_mask`.
    jobs, dask
        See `dawson.parallel.each`.
    """
    lesions: dict[Key, tuple[LesionFeatures, ...]] = {}
    missing: dict[Key, str] = {}
    with progress("Lesion tables", len(scans)) as advance:
        for key, found, reason in each(partial(_lesions_of, roots=tuple(roots), preference=tuple(preference)), scans, jobs, dask):
            if found is None:
                missing[key] = reason
            else:
                lesions[key] = found
            advance(key[0])
    return LesionTables(lesions, missing)


def _lesions_of(scan: Scan, roots: tuple[Path, ...], preference: tuple[str, ...]) -> tuple[Key, tuple[LesionFeatures, ...] | None, str]:
    """Key, lesions (None where there are none to be had) and why not."""
    key = (scan.participant_id, scan.session_id)
    mask = find_lesion_mask(scan, roots, preference)
    if mask is None:
        elsewhere = lesion_masks(scan, roots)
        return key, None, f"its lesion mask {elsewhere[0].name} is not in template space" if elsewhere else "it has no lesion mask"
    try:
        return key, features_of_mask(mask, scan.derivative(roots[0], FEATURES_NAME)), ""
    except Exception as error:
        # One bad mask never stops a study; nibabel and zlib raise many kinds for a damaged file.
        return key, None, f"its lesion mask {mask.name} cannot be used ({error})"
