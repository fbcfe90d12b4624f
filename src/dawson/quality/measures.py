"""The measures of one scan, read from its raw images and the files that preprocessing wrote; done once, kept beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dawson.cohort.scan import Scan
from dawson.errors import DawsonError
from dawson.files import digest_of, read_json, sha256, write_json
from dawson.imaging.volumes import read_volume
from dawson.quality import places

# raised whenever the same files no longer give the same measures
VERSION = 5
_BEND_MM = 2.0


@dataclass(frozen=True)
class ScanMeasures:
    """What was measured of one scan.

    Parameters
    ----------
    participant_id, session_id : str
    measures : dict of str to float
        `T1w_*` and `FLAIR_*` for each image, other names for the scan as a whole.
    absent : dict of str to str
        Group of measures (`FLAIR_air`, `bends`) to the reason why there are none.
    problem : str
        Why nothing, or not all, could be measured; empty where all went well.
    sources : str
        Digest of all files that were read.
    bends : dict of str to list of float
        Place of air beside the brain to the displacement (x, y, z) in mm of FLAIR against T1w there, see `dawson.imaging.air_bend`.
    """

    participant_id: str
    session_id: str
    measures: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    sources: str = ""
    bends: dict[str, list[float]] = field(default_factory=dict)


def measure_scan(scan: Scan, derivatives: Path, masks: Sequence[str] = (), *, force: bool = False) -> ScanMeasures:
    """Measure a scan, or read what was measured of the same files before.

    Parameters
    ----------
    scan : Scan
    derivatives : Path
        Root of the derivatives that `dawson preprocess` wrote; results go beside them.
    masks : sequence of str
        Makers of lesion masks, the most trusted first.
    force : bool
        Measure again.

    Returns
    -------
    ScanMeasures
        With `problem` where the scan cannot be measured; nothing is raised for a bad scan.
    """
    path = scan.derivative(derivatives, places.MEASURES)
    digest = _digest(scan, derivatives, masks)
    if not force and (earlier := read_measures(path)) is not None and earlier.sources == digest:
        return earlier
    measures: dict[str, float] = {}
    absent: dict[str, str] = {}
    problems: list[str] = []
    for contrast, image in images_of(scan).items():
        try:
            found, missing = _contrast(scan, derivatives, contrast, image, masks)
        except (DawsonError, OSError, ValueError, MemoryError) as error:
            problems.append(f"{contrast}: {error or type(error).__name__}")
            continue
        measures |= {f"{contrast}_{name}": round(value, 5) for name, value in found.items()}
        absent |= {f"{contrast}_{name}": reason for name, reason in missing.items()}
    found_bends: dict[str, list[float]] = {}
    try:
        found_bends = _bends(scan, derivatives, absent)
    except (DawsonError, OSError, ValueError) as error:
        absent["bends"] = str(error)
    result = ScanMeasures(scan.participant_id, scan.session_id, measures, absent, " ".join(problems), digest, found_bends)
    write_json(path, {**asdict(result), "Version": VERSION})
    return result


def read_measures(path: Path) -> ScanMeasures | None:
    """Measures of an earlier run; None where there are none of this version."""
    try:
        content = read_json(path)
        if content.pop("Version") != VERSION:
            return None
        return ScanMeasures(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def images_of(scan: Scan) -> dict[str, Path]:
    """Contrast to raw image, for those that are there."""
    return {name: path for name, path in (("T1w", scan.t1w), ("FLAIR", scan.flair)) if path is not None}


def _digest(scan: Scan, derivatives: Path, masks: Sequence[str]) -> str:
    files = list(images_of(scan).values())
    for contrast in places.CONTRASTS:
        names = [places.brain_mask(contrast), places.unbiased(contrast), *places.to_template(contrast), places.preprocessed(contrast)]
        files += [scan.derivative(derivatives, name) for name in names]
    files += [scan.derivative(derivatives, places.RIGID)]
    lesion = places.lesion_mask(scan, derivatives, masks)
    files += [lesion] if lesion else []
    return digest_of({"version": VERSION, **{path.name: sha256(path) for path in files if path.is_file()}})


def _contrast(scan: Scan, derivatives: Path, contrast: str, path: Path, masks: Sequence[str]) -> tuple[dict[str, float], dict[str, str]]:
    import nibabel as nib

    from dawson.imaging.image_quality_scan import measure_contrast, tissue_points

    image = read_volume(path)
    lesion_path = places.lesion_mask(scan, derivatives, masks)
    lesion = read_volume(lesion_path) if lesion_path and _any(lesion_path) else None
    if places.in_template_space(path):
        return measure_contrast(image, tissue=tissue_points(image, [], lesion), raw=False)
    transforms = _from_template(scan, derivatives, contrast)
    tissue = None if transforms is None else tissue_points(image, transforms, lesion)
    brain, unbiased = (
        nib.load(file) if (file := scan.derivative(derivatives, name)).is_file() else None
        for name in (places.brain_mask(contrast), places.unbiased(contrast))
    )
    return measure_contrast(image, brain, unbiased, tissue)


def _any(path: Path) -> bool:
    import nibabel as nib

    image: Any = nib.load(path)
    return bool(np.any(np.asarray(image.dataobj)))


def _from_template(scan: Scan, derivatives: Path, contrast: str) -> list[Any] | None:
    """The transforms that bring points of the template to a raw image; None where preprocessing left none."""
    from dawson.imaging.transforms import Affine, Warp

    for registered in places.CONTRASTS:
        affine, warp = (scan.derivative(derivatives, name) for name in places.to_template(registered))
        if affine.is_file() and warp.is_file():
            break
    else:
        return None
    chain: list[Any] = [Warp.load(warp), Affine.load(affine)]
    if contrast == registered:
        return chain
    rigid = scan.derivative(derivatives, places.RIGID)
    return [*chain, Affine.load(rigid)] if contrast == "FLAIR" and rigid.is_file() else None


def _bends(scan: Scan, derivatives: Path, absent: dict[str, str]) -> dict[str, list[float]]:
    """Distortion: how far FLAIR lies beside T1w near air, after both went to the template by the same warp."""
    from dawson.imaging.air_bend import bends
    from dawson.imaging.resample import resample
    from dawson.imaging.template import template_image, template_mask

    paths = []
    for contrast, raw in images_of(scan).items():
        paths.append(raw if places.in_template_space(raw) else scan.derivative(derivatives, places.preprocessed(contrast)))
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        absent["bends"] = "distortion is seen between T1w and FLAIR in template space, and not both are there"
        return {}
    coarse, mask = template_image(_BEND_MM), template_mask(_BEND_MM)
    first, second = (np.asarray(resample(read_volume(path), coarse.shape, coarse.affine, order=1, mask=mask).dataobj) for path in paths)
    found = bends(first, second, (first != 0) & (second != 0), coarse.affine)
    return {name: [round(float(part), 3) for part in bend] for name, bend in found.items()}
