"""Take the faces off the heads of one session, and prove that the brains are as they were."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.errors import ImageError, PreprocessingError
from dawson.files import read_json, sidecar_path
from dawson.imaging.brain import brain_mask, extracted
from dawson.imaging.deface_file import as_in_file, stored_values, write_values
from dawson.imaging.deface_fill import air_values, fill, head_mask
from dawson.imaging.face import (
    BRAIN_MARGIN_MM,
    FACE_IS_THERE,
    PlacedHead,
    brain_distance,
    carried_brain,
    core_mask,
    face_share,
    place_head,
    removal_mask,
    spacing_mm,
)
from dawson.imaging.registration import overlap_dice, register_rigid, shared_information
from dawson.imaging.transforms import Affine
from dawson.imaging.volumes import read_volume

# Voxels up to this size in every direction make a scan 3D rather than one of thick slices.
_THIN_MM = 1.6
_CONTRASTS = ("T1w", "FLAIR", "T2w")
_SAME_HEAD_DICE = 0.85
# T1w and FLAIR of one head share an information of 0.26 to 0.30, those of two heads at most 0.14. T1w and T2w of one head share
# 0.13 only: for other pairs the figure tells nothing.
_SAME_HEAD_INFORMATION = 0.18
_COMPARABLE = {"T1w", "FLAIR"}
_CORE_LEFT = 0.05


@dataclass(frozen=True)
class Defaced:
    """What face removal made of one session.

    Parameters
    ----------
    reference : Path
        The scan whose brain placed the face.
    written : dict of Path to Path
        Source to its defaced copy; empty where `passed` is False.
    picture : Path
        Before and after. It shows the face: it belongs with the raw data, never into the study.
    changed_brain_voxels : int
        Voxels of all scans together within 6 mm of their brains that differ between source and copy.
    passed : bool
    reason : str
        Why not; empty where it passed.
    accepted : dict of Path to str
        Source to the doubts that a person's word overruled.
    """

    reference: Path
    written: dict[Path, Path]
    picture: Path
    changed_brain_voxels: int
    passed: bool
    reason: str
    accepted: dict[Path, str] = field(default_factory=dict)


@dataclass
class DefacedScan:
    """One scan on its way through face removal.

    Parameters
    ----------
    name : str
    source, output : Path
    head : PlacedHead
        In RAS order, as `removed`.
    removed : ndarray of bool
    problems : list of str
        Ends of the sentence "FILE: ..."; empty where all is well.
    doubts : list of str
        As `problems`, of what a person can judge by the picture: whether the face is gone.
    changed : int
        Voxels changed in the brain and its margin.
    """

    name: str
    source: Path
    output: Path
    head: PlacedHead
    removed: NDArray[np.bool_]
    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    changed: int = 0


def deface_session(
    images: Mapping[str, Path],
    out: Path,
    *,
    picture: Path,
    reference: str | None = None,
    threads: int = 1,
    seed: int = 0,
    accepted: Collection[str] = (),
) -> Defaced:
    """Write copies of a session's scans without face and ears.

    Parameters
    ----------
    images : mapping of str to Path
        Name of each scan (its contrast, such as `T1w` or `acq-3D_FLAIR`) to its NIfTI file.
    out : Path
        Folder of the copies, which keep their file names.
    picture : Path
        PNG to write: every head before and after.
    reference : str, optional
        Name of the scan that places the face; by default a 3D T1w, else the best there is.
    threads : int
    seed : int
        Of the noise that the removed parts are filled with.
    accepted : collection of str
        Names of scans whose face a person has seen to be gone: doubts about that do not keep them out, all other faults do.

    Returns
    -------
    Defaced
        Not passed, and no copy left in `out`, where a brain would have been touched, a face remains, or the scans are not
        of one head.

    Raises
    ------
    ImageError
        A file cannot be read, no brain is found in it, two files have one name, or a copy would overwrite its source.
    """
    _check(images, out)
    chosen = reference if reference is not None else choose_reference(images)
    if chosen not in images:
        raise ImageError(out, f"cannot be filled: the reference {chosen!r} is not among the scans.", f"Choose one of {', '.join(images)}.")
    rng = np.random.default_rng(seed)
    scans: list[DefacedScan] = []
    try:
        placed = _reference(images[chosen], threads)
        scans.append(DefacedScan(chosen, images[chosen], out / images[chosen].name, placed, removal_mask(placed)))
        for name in [other for other in images if other != chosen]:
            comparable = {_contrast(name), _contrast(chosen)} <= _COMPARABLE
            head, also_brain, problems = _follow(images[name], placed, comparable, threads)
            scans.append(DefacedScan(name, images[name], out / images[name].name, head, removal_mask(head, also_brain), problems))
        for scan in scans:
            _write(scan, rng)
            examine(scan)
        faults = [(scan, [*scan.problems, *([] if scan.name in accepted else scan.doubts)]) for scan in scans]
        reason = " ".join(f"{scan.source.name}: {fault}" for scan, found in faults for fault in found)
        _draw(picture, scans, reason)
    except BaseException:
        _discard(images, out)
        raise
    if reason:
        _discard(images, out)
    written = {} if reason else {scan.source: scan.output for scan in scans}
    overruled = {scan.source: " ".join(scan.doubts) for scan in scans if scan.doubts and not reason}
    return Defaced(images[chosen], written, picture, sum(scan.changed for scan in scans), not reason, reason, overruled)


def choose_reference(images: Mapping[str, Path]) -> str:
    """Name of the scan that shows the head best: 3D before thick slices, then T1w, FLAIR, T2w, others; then the finest.

    Parameters
    ----------
    images : mapping of str to Path
    """

    def rank(name: str) -> tuple[bool, int, float, str]:
        sizes = spacing_mm(np.asarray(_header(images[name]).affine))
        contrast = next((number for number, suffix in enumerate(_CONTRASTS) if _contrast(name) == suffix), len(_CONTRASTS))
        return (bool(sizes.max() > _THIN_MM), contrast, float(sizes.max()), name)

    return min(images, key=rank)


def _header(path: Path) -> Any:
    if not path.is_file():
        raise ImageError(path, "does not exist.", "Check the path.")
    try:
        return nib.load(path)
    except Exception:
        raise ImageError(path, "is no image file that can be read (not NIfTI).", "Put the NIfTI image there.") from None


def _check(images: Mapping[str, Path], out: Path) -> None:
    if not images:
        raise ImageError(out, "cannot be filled: no scan was given.")
    names = [path.name for path in images.values()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ImageError(out, f"cannot hold two scans of the name {twice[0]}.", "Rename one of them.")
    for path in images.values():
        if out.resolve() in (path.resolve().parent, path.parent.resolve()):
            raise ImageError(path, "would be overwritten by its defaced copy.", "Choose another folder.")


def _contrast(name: str) -> str:
    return name.split("_")[-1]


def _reference(path: Path, threads: int) -> PlacedHead:
    try:
        return place_head(read_volume(path), threads)
    except PreprocessingError as error:
        raise ImageError(path, f"cannot be defaced: {error.message}", error.fix) from None


def _follow(path: Path, reference: PlacedHead, comparable: bool, threads: int) -> tuple[PlacedHead, NDArray[np.bool_], list[str]]:
    """Another scan's head, placed through the session's reference; the reference's brain on its grid; what speaks against it."""
    image = read_volume(path)
    try:
        brain = brain_mask(image, threads=threads)
        fixed, moving = extracted(reference.image, reference.brain), extracted(image, brain)
        rigid = register_rigid(fixed, moving, threads=threads)
    except PreprocessingError as error:
        raise ImageError(path, f"cannot be defaced: {error.message}", error.fix) from None
    problems = []
    overlap = overlap_dice(reference.brain, brain, rigid)
    if overlap < _SAME_HEAD_DICE:
        problems.append(f"its brain does not lie on the reference's (overlap {overlap:.2f}, due {_SAME_HEAD_DICE:g}).")
    elif comparable and (shared := shared_information(fixed, moving, rigid)) < _SAME_HEAD_INFORMATION:
        problems.append(f"it looks like another head than the reference's (information {shared:.2f}, due {_SAME_HEAD_INFORMATION:g}).")
    head = PlacedHead(image, brain, Affine(rigid.matrix @ reference.to_scan.matrix), overlap)
    return head, carried_brain(reference.brain, image, rigid), problems


def _write(scan: DefacedScan, rng: np.random.Generator) -> None:
    values, brain = np.asarray(scan.head.image.dataobj), np.asarray(scan.head.brain.dataobj) > 0
    spacing = spacing_mm(scan.head.image.affine)
    head = head_mask(values, brain, spacing)
    affine = np.asarray(_header(scan.source).affine)
    _, stored = stored_values(scan.source)
    sizes = spacing_mm(affine)
    removed = as_in_file(scan.removed, affine)
    air = air_values(stored, as_in_file(head, affine), removed, sizes)
    write_values(scan.source, fill(stored, removed, air, rng), scan.output)


def examine(scan: DefacedScan) -> None:
    """The guard: what was written is read again and compared with the source; what is wrong is noted in the scan's problems and doubts.

    Parameters
    ----------
    scan : DefacedScan
        With its copy written.
    """
    before, after = stored_values(scan.source)[1], stored_values(scan.output)[1]
    affine = np.asarray(_header(scan.source).affine)
    if before.shape != after.shape or before.dtype != after.dtype or not np.array_equal(affine, _header(scan.output).affine):
        scan.problems.append("the copy has another geometry or type than the source.")
        return
    brain = as_in_file(np.asarray(scan.head.brain.dataobj) > 0, affine)
    guarded = brain_distance(brain, spacing_mm(affine), BRAIN_MARGIN_MM) <= BRAIN_MARGIN_MM
    scan.changed = int((guarded & (before != after)).sum())
    if scan.changed:
        scan.problems.append(f"{scan.changed} voxels of the brain or its margin were changed.")
    core = core_mask(scan.head)
    left = float((core & ~scan.removed).sum()) / max(1, int(core.sum()))
    if left > _CORE_LEFT:
        scan.doubts.append(f"the brain mask reaches into the face: {100 * left:.0f} % of eyes, nose and mouth would stay.")
    rest = face_share(PlacedHead(read_volume(scan.output), scan.head.brain, scan.head.to_scan, scan.head.overlap))
    if rest >= FACE_IS_THERE:
        scan.doubts.append(f"a face is still there: {100 * rest:.0f} % of its middle holds tissue.")


def _discard(images: Mapping[str, Path], out: Path) -> None:
    for path in images.values():
        (out / path.name).unlink(missing_ok=True)


def _draw(picture: Path, scans: list[DefacedScan], reason: str) -> None:
    from dawson.intake.deface_picture import Shown, draw_defacing

    shown = [Shown(scan.name, scan.head, read_volume(scan.output), scan.removed) for scan in scans]
    draw_defacing(picture, shown, reason, simulated=any(_is_simulated(scan.source) for scan in scans))


def _is_simulated(image: Path) -> bool:
    try:
        content = read_json(sidecar_path(image))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("SimulatedData") is True
