"""Face removal on simulated raw heads, whose faces, ears and brains are known, and on a real head: a table in Markdown.

For each scan: voxels of the true brain that were changed, share of the face's and the ears' voxels that are gone, correlation of
the channel image made before with the one made after, read in three ways (the whole image with its background of 0; where both are
brain; where either is), share of brain pixels that are brain in one only, the same for the raw scans with noise of one grey level,
white-matter Dice before and after, seconds.

Usage: python benchmarks/face_removal.py [--sites A B C old noisy moving] [--seed 30] [--real HEAD.nii.gz] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.imaging.face import face_present
from dawson.imaging.volumes import read_volume
from dawson.intake.deface import Defaced, deface_session
from dawson.preprocess.names import CHANNELS
from dawson.preprocess.scan import PreprocessRow, preprocess_scan
from dawson.simulation import head as painting
from dawson.simulation import native, plan_cohort, simulate_cohort
from dawson.simulation.deformation import smooth_noise, upsample
from dawson.simulation.head_shape import Face, capsule, ear, ellipsoid, eye, features, trunk
from dawson.simulation.resampling import resample

SITES = ("A", "B", "C", "old", "noisy", "moving")
CONTRASTS = ("T1w", "FLAIR")
FACE, EARS, BRAIN = 1, 2, 3
_COARSE = 4
_BEHIND_Y_MM = -10.0


@dataclass(frozen=True)
class SimulatedHead:
    """A raw session with its truth.

    Parameters
    ----------
    images, truth : dict of str to Path
        By contrast; the truth holds `FACE`, `EARS` and `BRAIN` on the image's own grid.
    """

    images: dict[str, Path]
    truth: dict[str, Path]


@dataclass
class _Recorded:
    """What the simulator did with one head, noted while it worked."""

    labels: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(painting.SHAPE, np.uint8))
    grids: list[tuple[NDArray[np.float64], native.Grid]] = field(default_factory=list)


def face_labels(brain_mask: NDArray[np.bool_], origin_mm: NDArray[np.float64], face: Face, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The true face and ears of a simulated head, on the grid on which the simulator paints it.

    The face is everything inside the skin, in front of the spine, that is neither the shell of skull and scalp around the brain nor
    the neck, and the whole eyeballs; the ears are what the simulator adds at the sides.

    Parameters
    ----------
    brain_mask, origin_mm, face, rng
        As `dawson.simulation.head.make_head` is given them.
    """
    start = np.rint(origin_mm - painting.ORIGIN_MM).astype(int)
    mask = np.zeros(painting.SHAPE, dtype=bool)
    mask[tuple(slice(s, s + size) for s, size in zip(start, brain_mask.shape, strict=True))] = brain_mask
    coarse = tuple(size // _COARSE for size in painting.SHAPE)
    points = painting._points(coarse, _COARSE)
    near = painting._brain_distance(mask).reshape(coarse[0], 2, coarse[1], 2, coarse[2], 2).mean(axis=(1, 3, 5))
    shell = ndimage.gaussian_filter(near, 1.5) + 0.5 * smooth_noise(rng, coarse, 5.0)
    neck = capsule(points, (0, -40, -75), (0, -34, -190), 53.0, 57.0, flat=1.04)
    fields = np.stack([trunk(points, shell, face), shell - np.float32(face.scalp), neck]).astype(np.float32)
    skin, cranium, neck = upsample(fields, _COARSE)
    without_ears = skin < 0
    for side in (-1.0, 1.0):
        edges = tuple(tuple(sorted(side * edge for edge in pair)) if axis == 0 else pair for axis, pair in enumerate(painting._EARS))
        part = painting.box_of(edges)  # type: ignore[arg-type]
        skin[part] = ear(painting.points_of(part), skin[part], face, side)
    ears = (skin < 0) & ~without_ears
    part = painting.box_of(painting._FACE)
    skin[part] = features(painting.points_of(part), skin[part], face)
    everywhere = painting.points_of(tuple(slice(0, size) for size in painting.SHAPE))
    found = (skin < 0) & (cranium > 0) & (neck > 0) & (everywhere[1] > _BEHIND_Y_MM) & ~ears
    for side in (-1.0, 1.0):
        found |= ellipsoid(everywhere, eye(face, side), (12.6, 12.4, 12.4)) < 0
    labels = np.where(found, FACE, np.where(ears, EARS, 0))
    return np.where(mask, BRAIN, labels).astype(np.uint8)


@contextmanager
def recording() -> Iterator[_Recorded]:
    """Note the face and the place in the scanner of the head that is simulated meanwhile; its images are as always."""
    recorded = _Recorded()
    make_head, slabs = native.make_head, native._slabs

    def make(images: Any, mask: Any, origin_mm: Any, signals: Any, face: Face, rng: np.random.Generator) -> Any:
        recorded.labels = face_labels(mask, origin_mm, face, copy.deepcopy(rng))
        return make_head(images, mask, origin_mm, signals, face, rng)

    def cut(volume: Any, to_voxel: NDArray[np.float64], grid: native.Grid) -> Any:
        recorded.grids.append((to_voxel, grid))
        return slabs(volume, to_voxel, grid)

    native.make_head, native._slabs = make, cut
    try:
        yield recorded
    finally:
        native.make_head, native._slabs = make_head, slabs


def simulate_head(site: str, seed: int, folder: Path) -> SimulatedHead:
    """One raw session of a person of that site, with the truth of each contrast.

    Parameters
    ----------
    site : str
    seed : int
    folder : Path
        An empty folder to fill.
    """
    plan = plan_cohort({"MS": 1}, followed_up={"MS": 0}, seed=seed, sites=(site,))
    with recording() as recorded:
        study = simulate_cohort(folder / "study", plan, seed=seed, space="native")
    images = {contrast: next(study.glob(f"sub-*/ses-*/anat/*_{contrast}.nii.gz")) for contrast in CONTRASTS}
    truth = {}
    for contrast, (to_voxel, grid) in zip(CONTRASTS, recorded.grids, strict=True):
        labels = np.zeros(grid.shape, dtype=np.uint8)
        for value in (FACE, EARS, BRAIN):
            labels[resample([(recorded.labels == value).astype(np.float32)], to_voxel, grid.shape)[0] > 0.5] = value
        # a cropped field of view lost its last slices after the cut
        labels = labels[:, :, : nib.load(images[contrast]).shape[2]]
        truth[contrast] = folder / f"truth_{contrast}.nii.gz"
        nib.save(nib.Nifti1Image(labels, grid.affine), truth[contrast])
    return SimulatedHead(images, truth)


def changed_share(before: Path, after: Path, where: NDArray[np.bool_]) -> tuple[int, float]:
    """Number and share of a region's voxels that were replaced.

    Noise drawn from the air can be the very value that a dark voxel had: for the share, single unchanged voxels among changed ones
    are closed; the number is that of voxels that differ.
    """
    different = np.asarray(nib.load(before).dataobj) != np.asarray(nib.load(after).dataobj)
    closed = ndimage.binary_erosion(ndimage.binary_dilation(different, iterations=2), iterations=2, border_value=1)
    return int((different & where).sum()), float(closed[where].mean()) if where.any() else float("nan")


def channels(images: dict[str, Path], folder: Path) -> tuple[PreprocessRow, NDArray[np.float32]]:
    """Preprocess a session with one thread; its row and channel image."""
    flair = images["FLAIR"]
    scan = Scan("sub-01", "ses-01", images.get("T1w"), flair)
    row = preprocess_scan(scan, folder, PreprocessSection(), flair.parent, threads=1)
    if row.status != "done":
        raise SystemExit(f"{flair}: {row.reason}")
    return row, np.load(scan.derivative(folder, CHANNELS))


@dataclass(frozen=True)
class Correlations:
    """Pearson correlation of two channel images, over three sets of pixels.

    Parameters
    ----------
    whole : float
        All pixels, the background of 0 with them.
    both, either : float
        Pixels that are brain in both, or in at least one (0 in the other).
    """

    whole: float
    both: float
    either: float


def correlations(first: NDArray[np.float32], second: NDArray[np.float32]) -> Correlations:
    """How alike two channel images are; a brain's mean is 0, so that the whole image and the brain in either say nearly the same."""
    sets = np.ones(first.shape, dtype=bool), (first != 0) & (second != 0), (first != 0) | (second != 0)
    return Correlations(*[float(np.corrcoef(first[pixels], second[pixels])[0, 1]) for pixels in sets])


def brain_in_one(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Share of two channel images' brain pixels that are brain in only one of them: how far the outline moved."""
    return 1.0 - float(((first != 0) & (second != 0)).sum() / ((first != 0) | (second != 0)).sum())


def shaken(images: dict[str, Path], folder: Path, rng: np.random.Generator) -> dict[str, Path]:
    """Copies of whole heads with -1, 0 or 1 added to each voxel: what preprocessing makes of the smallest difference there can be."""
    folder.mkdir()
    for path in images.values():
        image = nib.load(path)
        values = np.asarray(image.dataobj)
        noisy = np.maximum(values + rng.integers(-1, 2, values.shape), 0).astype(values.dtype)
        nib.save(nib.Nifti1Image(noisy, image.affine, image.header), folder / path.name)
    return {contrast: folder / path.name for contrast, path in images.items()}


def report(name: str, images: dict[str, Path], truth: dict[str, Path], folder: Path) -> None:
    """Deface a session, preprocess it before and after, print its rows."""
    started = time.perf_counter()
    done: Defaced = deface_session(images, folder / "defaced", picture=folder / "picture.png")
    seconds = time.perf_counter() - started
    if not done.passed:
        print(f"| {name} | | not passed: {done.reason} | | | | | | | | {seconds:.0f} |", flush=True)
        return
    after = {contrast: done.written[path] for contrast, path in images.items()}
    (raw_row, raw), (new_row, new) = channels(images, folder / "raw"), channels(after, folder / "new")
    _, control = channels(shaken(images, folder / "shaken", np.random.default_rng(0)), folder / "control")
    for contrast, path in images.items():
        brain, face, ears = "n/a", "n/a", "n/a"
        if contrast in truth:
            labels = np.asarray(nib.load(truth[contrast]).dataobj)
            brain = str(changed_share(path, after[contrast], labels == BRAIN)[0])
            face = f"{100 * changed_share(path, after[contrast], labels == FACE)[1]:.2f} %"
            ears = f"{100 * changed_share(path, after[contrast], labels == EARS)[1]:.2f} %"
        there = f"{face_present(read_volume(path)):.2f} -> {face_present(read_volume(after[contrast])):.2f}"
        first = contrast == next(iter(images))
        dice = f"{raw_row.wm_dice:.4f} -> {new_row.wm_dice:.4f}" if first and "T1w" in images else ""
        both = " | ".join(
            f"{alike.whole:.4f}, {alike.both:.4f}, {alike.either:.4f}; {100 * brain_in_one(raw, other):.2f} %"
            for other in (new, control)
            for alike in (correlations(raw, other),)
        )
        both = both if contrast == "FLAIR" else " | "
        cost = f"{seconds:.0f}" if first else ""
        print(
            f"| {name} | {contrast} | {brain} | {done.changed_brain_voxels} | {face} | {ears} | {there} | {both} | {dice} | {cost} |",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", nargs="*", default=list(SITES))
    parser.add_argument("--seed", type=int, default=30)
    parser.add_argument("--real", type=Path, help="a real FLAIR of a whole head")
    parser.add_argument("--keep", type=Path, help="where images and pictures stay")
    options = parser.parse_args(arguments)
    print(
        "| head | contrast | true brain voxels changed | changed within 6 mm | face gone | ears gone | face share |"
        " channel correlation: whole image, brain in both, in either; brain in one |"
        " the same for noise of one grey level | WM Dice | seconds |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        for number, site in enumerate(options.sites):
            place = folder / site
            place.mkdir(parents=True)
            head = simulate_head(site, options.seed + number, place)
            report(f"site {site}", head.images, head.truth, place)
        if options.real is not None:
            place = folder / "real"
            place.mkdir(parents=True)
            report("real FLAIR", {"FLAIR": options.real}, {}, place)


if __name__ == "__main__":
    main()
