"""The images and lesion masks of a scan in template space, wherever preprocessing or a simulated cohort left them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.scan import Scan
from dawson.errors import CohortError
from dawson.files import sha256, sidecar_path, write_sidecar
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.preprocess import names
from dawson.preprocess.cache import Steps
from dawson.preprocess.scan import in_template_space, is_simulated

REGIONS = f"space-{TEMPLATE_SPACE}_desc-sim_dseg.nii.gz"
RATERS = "raters"
"""Maker that stands for the mean of all masks of a scan by `rater...`."""


@dataclass(frozen=True)
class LesionMaps:
    """Lesions found in one scan.

    Parameters
    ----------
    probability : ndarray of float32 (x, y, z)
    mask : ndarray of bool (x, y, z)
    affine : ndarray (4, 4)
    figures : mapping
        What else is to be remembered; a `threshold` stands in the sidecars of all maps.
    """

    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanImages:
    """Where the images of one scan in template space are.

    Parameters
    ----------
    flair : Path
    t1w : Path or None
    brain : Path or None
        Brain mask; None where the brain is what is not 0.
    simulated : bool
    """

    flair: Path
    t1w: Path | None
    brain: Path | None
    simulated: bool

    @property
    def files(self) -> list[Path]:
        """Those that are there."""
        return [path for path in (self.flair, self.t1w, self.brain) if path is not None]


def find_images(scan: Scan, derivatives: Path) -> ScanImages:
    """The preprocessed images of a scan, or the raw ones where these are in template space already.

    Raises
    ------
    CohortError
        There is no FLAIR in template space.
    """
    simulated = is_simulated(scan.flair or scan.t1w)
    made = {contrast: scan.derivative(derivatives, names.preprocessed(contrast)) for contrast in ("FLAIR", "T1w")}
    if made["FLAIR"].is_file():
        brain = scan.derivative(derivatives, names.TEMPLATE_BRAIN)
        t1w = made["T1w"] if made["T1w"].is_file() else None
        return ScanImages(made["FLAIR"], t1w, brain if brain.is_file() else None, simulated)
    if scan.flair is not None and in_template_space(scan.flair):
        t1w = scan.t1w if scan.t1w is not None and in_template_space(scan.t1w) else None
        return ScanImages(scan.flair, t1w, None, simulated)
    raise CohortError(f"{scan.entities} has no FLAIR in template space.", "Run `dawson preprocess` first, and see why it failed there.")


def refuse_faces(scan: Scan, images: ScanImages, derivatives: Path) -> None:
    """Stop where images would be shown to others that are no preprocessed brains, nor simulated.

    Raises
    ------
    CohortError
        The scan has a raw image only.
    """
    if images.flair != scan.derivative(derivatives, names.preprocessed("FLAIR")) and not images.simulated:
        raise CohortError(f"{scan.entities} has a raw image only, which may show a face.", "Run `dawson preprocess` first.")


def load_images(images: ScanImages) -> tuple[Any, Any | None, NDArray[np.bool_]]:
    """FLAIR, T1w and brain of a scan: nibabel images on one grid and a mask (x, y, z)."""
    from dawson.imaging.volumes import read_volume

    flair = read_volume(images.flair)
    t1w = None if images.t1w is None else read_volume(images.t1w)
    if images.brain is None:
        return flair, t1w, np.asarray(flair.dataobj) > 0
    return flair, t1w, np.asarray(read_volume(images.brain).dataobj) > 0


def lesion_file(maker: str, kind: str) -> str:
    """Name of a lesion map of a scan; `kind` is mask, probseg or dseg."""
    return f"space-{TEMPLATE_SPACE}_label-lesion_desc-{maker}_{kind}.nii.gz"


def make_lesion_maps(
    steps: Steps,
    name: str,
    outputs: Sequence[Path],
    sources: Sequence[Path],
    parameters: Mapping[str, Any],
    find: Callable[[], LesionMaps],
    **more: Any,
) -> dict[str, Any]:
    """Write mask, probability and numbered lesions of a scan, or find them written of the same sources.

    Parameters
    ----------
    steps : Steps
        Of the scan.
    name : str
        Of the step.
    outputs : sequence of Path
        Mask, probability, numbered lesions.
    sources : sequence of Path
    parameters : mapping
        What else the result depends on.
    find : callable
        Finds the lesions.
    **more
        Further fields of the sidecars.

    Returns
    -------
    dict
        lesion_count, lesion_ml, and the figures of what was found.
    """

    def make(mask_path: Path, probability_path: Path, lesions_path: Path) -> dict[str, Any]:
        import nibabel as nib

        from dawson.imaging.lesion_instances import lesion_instances

        found = find()
        lesions = lesion_instances(found.mask)
        kind = np.int16 if lesions.max(initial=0) < 2**15 else np.int32
        # the header of the images carries nothing that a mask should: only the grid is taken
        nib.save(nib.Nifti1Image(found.mask.astype(np.uint8), found.affine), mask_path)
        nib.save(nib.Nifti1Image(found.probability.astype(np.float32), found.affine), probability_path)
        nib.save(nib.Nifti1Image(lesions.astype(kind), found.affine), lesions_path)
        voxel_mm3 = float(np.prod(np.linalg.norm(found.affine[:3, :3], axis=0)))
        volume = round(float(found.mask.sum() * voxel_mm3) / 1000, 4)
        return {"lesion_count": int(lesions.max(initial=0)), "lesion_ml": volume, **found.figures}

    figures = steps.run(name, outputs, sources, parameters, make, Type="Lesion", **more)
    said = {**parameters, **({"threshold": figures["threshold"]} if "threshold" in figures else {})}
    for path in outputs[1:]:
        if steps.redone or not sidecar_path(path).is_file():
            write_sidecar(path, {outputs[0].name: sha256(outputs[0])}, said, **more)
    return figures


def find_truth(scan: Scan, roots: Sequence[Path], makers: Sequence[str]) -> tuple[str, list[Path]]:
    """The lesion map to learn from: of the first maker that has one, a probability before a mask.

    Parameters
    ----------
    scan : Scan
    roots : sequence of Path
        Derivative datasets.
    makers : sequence of str
        `desc-` values, the best first; `raters` takes all masks by `rater...` together.

    Returns
    -------
    str, list of Path
        The maker, and its one map or the masks of all raters; an empty list where there is none.
    """
    for maker in makers:
        for root in roots:
            folder = root / scan.folder
            if maker == RATERS:
                pattern = f"{scan.entities}_{lesion_file('rater*', 'mask')}"
                found = sorted(folder.glob(pattern)) if folder.is_dir() else []
            else:
                both = [scan.derivative(root, lesion_file(maker, kind)) for kind in ("probseg", "mask")]
                found = [path for path in both if path.is_file()][:1]
            if found:
                return maker, found
    return "", []


def load_truth(paths: Sequence[Path], like: Any) -> NDArray[np.float32]:
    """Probability of lesion (x, y, z): the map itself, or the mean of the raters' masks.

    Raises
    ------
    CohortError
        A map is on another grid than the images.
    """
    import nibabel as nib

    maps = []
    for path in paths:
        image: Any = nib.load(path)
        if image.shape != like.shape or not np.allclose(image.affine, like.affine, atol=1e-3):
            raise CohortError(f"{path.name} is on another grid than the images of its scan.", "Bring the mask to their grid.")
        maps.append(np.clip(np.asarray(image.dataobj, np.float32), 0, 1))
    return np.asarray(np.mean(maps, axis=0), np.float32)
