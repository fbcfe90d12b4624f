"""The steps that bring the images of one scan to the template, each with its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.errors import PreprocessingError
from dawson.imaging.bias import correct_bias
from dawson.imaging.brain import brain_mask, extracted
from dawson.imaging.intensity import CLIP_PERCENTILES, normalise
from dawson.imaging.registration import overlap_dice, register_rigid, register_to_template, shared_information
from dawson.imaging.resample import PointTransform, isotropic, resample
from dawson.imaging.slices import CENTRE_MM, EDGE_MM, channel_image, edge_weight
from dawson.imaging.template import TEMPLATE_SPACE, template_image, template_mask
from dawson.imaging.tissue import (
    brain_dice,
    flair_template,
    template_correlation,
    template_mutual_information,
    wm_dice,
)
from dawson.imaging.transforms import Affine, Warp
from dawson.imaging.volumes import read_volume
from dawson.preprocess import names
from dawson.preprocess.cache import Steps

# Of 12 pairs of real scans registered to each other, those of one head had Dice 0.976 to 0.983 and information 0.26 to
# 0.30, those of two heads 0.905 to 0.965 and 0.066 to 0.135: the overlap alone shows only gross mistakes.
SAME_HEAD_DICE = 0.8
SAME_HEAD_INFORMATION = 0.18
ON_TEMPLATE_DICE = 0.8
_MARGIN_MM = 10.0
# the affine alignment compares what lies deeper than its metric reaches, 4 mm at 2 mm: the outline is the brain extraction's, which
# sees a head without a face a little larger
_AFFINE_DEPTH_MM = 4.0
_STEP_OF_WARP_MM = 2.0**-10


def from_template_space(scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, simulated: bool) -> dict[str, Any]:
    """Channel image and contact sheet of a brain-extracted FLAIR on the template: no step but normalisation and slices."""
    assert scan.flair is not None
    figures = _channels(scan, derivatives, config, steps, scan.flair, None)
    # drawn again even so: a sheet of the raw scan that was here before would be shown as this one's
    _contact_sheet(scan, derivatives, steps, {"FLAIR": scan.flair}, {}, simulated, registered=False)
    return {"source": "template-space", "measured_on": "FLAIR", "flair_voxel_mm": figures.pop("voxel_mm"), **figures}


def from_native_space(
    scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, threads: int, simulated: bool
) -> dict[str, Any]:
    """All steps for raw images: T1w and FLAIR, or FLAIR alone, which then is registered itself."""
    assert scan.flair is not None
    raw = {"FLAIR": scan.flair} if scan.t1w is None else {"T1w": scan.t1w, "FLAIR": scan.flair}
    row: dict[str, Any] = {}
    for contrast, path in raw.items():
        found = _brain(scan, derivatives, config, steps, contrast, path, threads)
        row[f"{contrast.lower()}_voxel_mm"] = found["voxel_mm"]
        row["brain_ml"] = row.get("brain_ml", found["brain_ml"])
        _unbias(scan, derivatives, steps, contrast, path, threads)
    registered = next(iter(raw))
    chains: dict[str, list[Path]] = {registered: []}
    if "T1w" in raw:
        row |= _rigid(scan, derivatives, config, steps, threads)
        if row["flair_t1w_overlap"] < SAME_HEAD_DICE or row["flair_t1w_information"] < SAME_HEAD_INFORMATION:
            raise PreprocessingError(
                f"T1w and FLAIR look like different heads: after registration their brains overlap by {row['flair_t1w_overlap']:.2f} "
                f"(due: {SAME_HEAD_DICE:g}) and share an information of {row['flair_t1w_information']:.2f} "
                f"(due: {SAME_HEAD_INFORMATION:g}).",
                "Check that both images are of this person and session.",
            )
        chains["FLAIR"] = [scan.derivative(derivatives, names.rigid())]
    row |= _to_template(scan, derivatives, config, steps, registered, threads)
    for contrast, rigid in chains.items():
        row |= _resample(scan, derivatives, config, steps, contrast, registered, rigid)
    if row["template_brain_dice"] < ON_TEMPLATE_DICE:
        raise PreprocessingError(
            f"The brain does not lie on the template after registration (overlap {row['template_brain_dice']:.2f}).",
            "Look at the scan: its orientation may be wrong, or much of the brain be missing.",
        )
    flair = scan.derivative(derivatives, names.preprocessed("FLAIR"))
    mask = scan.derivative(derivatives, names.TEMPLATE_BRAIN)
    _channels(scan, derivatives, config, steps, flair, mask)
    shown: dict[str, Path] = {
        contrast: scan.derivative(derivatives, names.preprocessed(contrast)) for contrast in ("FLAIR", "T1w") if contrast in chains
    }
    _contact_sheet(scan, derivatives, steps, shown, row, simulated, registered=True)
    return {"source": "+".join(raw), "measured_on": registered, **row}


def _brain(
    scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, contrast: str, raw: Path, threads: int
) -> dict[str, Any]:
    def make(output: Path) -> dict[str, Any]:
        image = read_volume(raw)
        mask = brain_mask(image, config.brain_extractor, threads)
        nib.save(mask, output)
        spacing = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
        return {
            "voxel_mm": "x".join(f"{size:.3g}" for size in spacing),
            "brain_ml": round(float(np.asarray(mask.dataobj).sum() * np.prod(spacing)) / 1000.0, 1),
        }

    output = scan.derivative(derivatives, names.brain_mask(contrast))
    return steps.run("brain extraction", [output], [raw], {"brain_extractor": config.brain_extractor}, make, Type="Brain")


def _unbias(scan: Scan, derivatives: Path, steps: Steps, contrast: str, raw: Path, threads: int) -> None:
    mask_path = scan.derivative(derivatives, names.brain_mask(contrast))

    def make(output: Path) -> None:
        image, mask = read_volume(raw), _load(mask_path)
        corrected, _ = correct_bias(image, mask, threads)
        # a margin for the interpolation at the brain's edge; the face is not carried into the derivatives
        spacing = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
        near = ndimage.distance_transform_edt(np.asarray(mask.dataobj) == 0, sampling=spacing) <= _MARGIN_MM
        nib.save(nib.Nifti1Image(np.where(near, np.asarray(corrected.dataobj), np.float32(0)), image.affine), output)

    output = scan.derivative(derivatives, names.unbiased(contrast))
    steps.run("bias correction", [output], [raw, mask_path], {"method": "N4", "shrink_to_mm": 4.0}, make, SkullStripped=True)


def _rigid(scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, threads: int) -> dict[str, Any]:
    paths = [scan.derivative(derivatives, name(contrast)) for contrast in ("T1w", "FLAIR") for name in (names.unbiased, names.brain_mask)]

    def make(output: Path) -> dict[str, Any]:
        t1w_mask, flair_mask = _load(paths[1]), _load(paths[3])
        fixed, moving = extracted(_load(paths[0]), t1w_mask), extracted(_load(paths[2]), flair_mask)
        rigid = register_rigid(fixed, moving, config.registration, config.registration_mm, threads)
        rigid.save(output)
        return {
            "flair_t1w_overlap": round(overlap_dice(t1w_mask, flair_mask, rigid), 4),
            "flair_t1w_information": round(shared_information(fixed, moving, rigid), 4),
        }

    parameters = {"method": config.registration, "spacing_mm": config.registration_mm, "kind": "rigid"}
    output = scan.derivative(derivatives, names.rigid())
    return steps.run("rigid registration", [output], paths, parameters, make)


def _to_template(scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, contrast: str, threads: int) -> dict[str, Any]:
    image_path = scan.derivative(derivatives, names.unbiased(contrast))
    mask_path = scan.derivative(derivatives, names.brain_mask(contrast))
    spacing = config.registration_mm

    def make(affine_path: Path, warp_path: Path) -> dict[str, Any]:
        template = template_image(spacing) if contrast == "T1w" else flair_template(spacing)
        mask = nib.Nifti1Image(template_mask(spacing).astype(np.uint8), template.affine)
        moving = extracted(_load(image_path), _load(mask_path))
        found = register_to_template(template, mask, moving, config.registration, spacing, threads, _AFFINE_DEPTH_MM)
        found.affine.save(affine_path)
        # a thousandth of a millimetre is enough, and makes the file half as large
        rounded = np.round(found.warp.displacement / _STEP_OF_WARP_MM) * np.float32(_STEP_OF_WARP_MM)
        Warp(rounded, found.warp.affine).save(warp_path)
        return {"min_jacobian": round(found.min_jacobian, 4), "warp_attempts": found.attempts}

    parameters = {
        "method": config.registration,
        "spacing_mm": spacing,
        "kind": "affine and deformable",
        "affine_depth_mm": _AFFINE_DEPTH_MM,
        "template": TEMPLATE_SPACE if contrast == "T1w" else f"FLAIR contrast made from the tissue maps of {TEMPLATE_SPACE}",
    }
    outputs = [scan.derivative(derivatives, name) for name in names.to_template(contrast)]
    return steps.run("registration to the template", outputs, [image_path, mask_path], parameters, make)


def _resample(
    scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, contrast: str, registered: str, rigid: list[Path]
) -> dict[str, Any]:
    """One interpolation through all transforms; figures of fit for the image that was registered."""
    image_path, mask_path = (scan.derivative(derivatives, name(contrast)) for name in (names.unbiased, names.brain_mask))
    affine_path, warp_path = (scan.derivative(derivatives, name) for name in names.to_template(registered))
    spacing = config.registration_mm
    outputs = [scan.derivative(derivatives, names.preprocessed(contrast))]
    if contrast == "FLAIR":
        outputs.append(scan.derivative(derivatives, names.TEMPLATE_BRAIN))

    def make(image_output: Path, mask_output: Path | None = None) -> dict[str, Any]:
        image, mask = _load(image_path), _load(mask_path)
        transforms: list[PointTransform] = [Warp.load(warp_path), Affine.load(affine_path), *[Affine.load(path) for path in rigid]]
        template = template_image()
        inside = template_mask()
        brain = np.asarray(resample(mask, template.shape, template.affine, transforms, 0, inside).dataobj) > 0.5
        if not brain.any():
            raise PreprocessingError("After registration no brain lies on the template.", "Look at the scan and its orientation.")
        result = resample(image, template.shape, template.affine, transforms, 3, brain)
        nib.save(result, image_output)
        if mask_output is not None:
            nib.save(nib.Nifti1Image(brain.astype(np.uint8), template.affine), mask_output)
        return _fit(image, mask, transforms, contrast, spacing) if contrast == registered else {}

    parameters = {"interpolation": "cubic B-spline", "measured_at_mm": spacing}
    sources = [image_path, mask_path, affine_path, warp_path, *rigid]
    return steps.run(f"{contrast} to the template", outputs, sources, parameters, make, SkullStripped=True, Space=TEMPLATE_SPACE)


def _fit(image: Any, mask: Any, transforms: list[PointTransform], contrast: str, spacing: float) -> dict[str, Any]:
    """Figures of fit at the resolution of the registration: finer detail was not what it aligned."""
    coarse = template_image(spacing)
    small = resample(isotropic(extracted(image, mask), spacing), coarse.shape, coarse.affine, transforms, 1, template_mask(spacing))
    brain = resample(mask, coarse.shape, coarse.affine, transforms, 0)
    figures = {
        "template_mutual_information": template_mutual_information(small, spacing),
        "template_brain_dice": brain_dice(brain, spacing),
    }
    if contrast == "T1w":
        figures |= {"wm_dice": wm_dice(small, spacing), "template_correlation": template_correlation(small, spacing)}
    return {name: round(value, 4) for name, value in figures.items()}


def _channels(scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, flair: Path, mask: Path | None) -> dict[str, Any]:
    """Normalise inside the brain and cut the slices; without a mask the brain is where the image is not 0, with the edge that it has."""

    def make(output: Path) -> dict[str, Any]:
        image = read_volume(flair)
        values = np.asarray(image.dataobj, dtype=np.float32)
        brain = values != 0 if mask is None else np.asarray(_load(mask).dataobj) > 0
        weight = None if mask is None else edge_weight(nib.Nifti1Image(brain.astype(np.uint8), image.affine))
        channels = _slices(normalise(values, brain), brain, weight, image.affine, config)
        empty = [f"{z:g}" for z, channel in zip(config.slices_mm, channels, strict=True) if not channel.any()]
        if empty:
            raise PreprocessingError(f"There is no brain in the slice at z = {', '.join(empty)} mm.", "Look at the scan's coverage.")
        with output.open("wb") as stream:
            np.save(stream, channels, allow_pickle=False)
        return {"voxel_mm": "x".join(f"{size:.3g}" for size in np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0)))}

    parameters = {
        "slices_mm": list(config.slices_mm),
        "field_of_view_mm": config.field_of_view_mm,
        "matrix": config.matrix,
        "centre_mm": list(CENTRE_MM),
        "normalisation": "z-score inside the brain",
        "clip_percentiles": list(CLIP_PERCENTILES),
        "axes": "slice, row (anterior first), column (patient's right first)",
    } | ({} if mask is None else {"edge_mm": EDGE_MM})
    output = scan.derivative(derivatives, names.CHANNELS)
    sources = [flair] if mask is None else [flair, mask]
    return steps.run("channel image", [output], sources, parameters, make, SkullStripped=True, Space=TEMPLATE_SPACE)


def _slices(
    values: NDArray[np.float32],
    brain: NDArray[np.bool_],
    weight: NDArray[np.float32] | None,
    affine: NDArray[np.float64],
    config: PreprocessSection,
) -> NDArray[np.float32]:
    grid = (config.slices_mm, config.field_of_view_mm, config.matrix)
    channels = channel_image(nib.Nifti1Image(values if weight is None else values * weight, affine), *grid)
    inside = channel_image(nib.Nifti1Image(brain.astype(np.uint8), affine), *grid, order=0)
    return np.where(inside > 0.5, channels, np.float32(0.0)).astype(np.float32)


def _contact_sheet(
    scan: Scan, derivatives: Path, steps: Steps, images: dict[str, Path], row: dict[str, Any], simulated: bool, *, registered: bool
) -> None:
    from dawson.preprocess.contact_sheet import draw_contact_sheet

    output = scan.derivative(derivatives, names.CONTACT_SHEET)
    shown = {name: row[name] for name in sorted(row)}

    def make(path: Path) -> None:
        draw_contact_sheet(path, scan.entities, images, shown, simulated=simulated, registered=registered)

    parameters = {"figures": shown, "simulated": simulated, "registered": registered}
    steps.run("contact sheet", [output], list(images.values()), parameters, make)


def _load(path: Path) -> Any:
    return nib.load(path)
