"""Lesion change on the one real pair whose changes experts outlined, by subtraction alone: no lesion masks exist for it.

    python benchmarks/lesion_change_real.py DATA/ljubljana-ms --picture pair.png

Both scans are brought together by the transforms that come with the data, and by our own registration. Scores are those of
`lesion_change.py` (26 neighbours; found by one voxel; beside it by an intersection over union of 0.25), on the experts' grid, so that
their mask is not interpolated. The expert masks hold what appeared and what disappeared, as outlined on several contrasts; what each
change looks like on FLAIR is printed beside it. The limits of the detector were not chosen on this pair.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.imaging.bias import correct_bias
from dawson.imaging.brain import extracted
from dawson.imaging.halfway import distance_mm, grid_around, mean_space, register_sessions
from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.lesion_metrics import compare_masks, without_small
from dawson.imaging.resample import grid_points, resample
from dawson.imaging.subtraction import Subtraction, subtract
from dawson.imaging.transforms import Affine
from dawson.imaging.volumes import read_volume
from dawson.lesions.change_picture import draw_change
from dawson.lesions.changed_tissue import detect_changed_tissue
from dawson.lesions.changes import CODES, Changes, ChangeSettings, LesionChange

SESSIONS = ("ses-01", "ses-02")
SMALLEST_MM3 = 3.0


@dataclass(frozen=True)
class RealPair:
    """Both scans with their bias field removed, the data set's brain on their grids, and the experts' changes in the common space."""

    images: Sequence[Any]
    brains: Sequence[Any]
    given: Sequence[Affine]
    truth: Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    pair = read_pair(given.folder)
    for name, transforms in (("their transforms", tuple(pair.given)), ("our transforms", our_transforms(pair))):
        judge(name, pair, transforms, given.picture if name == "our transforms" else None)


def read_pair(folder: Path) -> RealPair:
    expert = folder / "derivatives" / "expert" / "sub-long01"
    brain, truth = (nib.load(expert / f"sub-long01_space-common_{name}_mask.nii.gz") for name in ("desc-brain", "label-lesionchange"))
    raw = [read_volume(folder / "sub-long01" / session / "anat" / f"sub-long01_{session}_FLAIR.nii.gz") for session in SESSIONS]
    given = [Affine.load(expert / session / f"sub-long01_{session}_from-FLAIR_to-common_xfm.txt") for session in SESSIONS]
    brains = [resample(brain, image.shape, image.affine, [to.inverse()], 0) for image, to in zip(raw, given, strict=True)]
    return RealPair([correct_bias(image, mask, 2)[0] for image, mask in zip(raw, brains, strict=True)], brains, given, truth)


def our_transforms(pair: RealPair) -> tuple[Affine, ...]:
    """Halfway transforms by our registration, with how far it is from the given one."""
    first, second = (extracted(image, brain) for image, brain in zip(pair.images, pair.brains, strict=True))
    ours = register_sessions(first, second, threads=2)
    theirs = Affine(pair.given[1].matrix @ pair.given[0].inverse().matrix)
    points = grid_points(first.shape, first.affine, np.asarray(pair.brains[0].dataobj) > 0)
    largest = np.linalg.norm(theirs.apply(points) - ours.transform.apply(points), axis=1).max()
    apart = distance_mm(theirs, ours.transform, points)
    print(f"our rigid transform against theirs: mean {apart:.3f} mm over the brain, largest {largest:.3f} mm;", end=" ")
    print(f"our two directions differ by {ours.inconsistency_mm:.3f} mm")
    return mean_space([Affine(np.eye(4)), ours.transform])


def judge(name: str, pair: RealPair, transforms: tuple[Affine, ...], picture: Path | None) -> None:
    """Detect, print the scores and every change of the experts, and draw both."""
    shape, affine = grid_around(pair.brains, transforms)
    both = list(zip(pair.images, pair.brains, transforms, strict=True))
    seen = [np.asarray(resample(brain, shape, affine, [to]).dataobj) > 0.5 for _, brain, to in both]
    inside = seen[0] & seen[1]
    flairs = [np.asarray(resample(image, shape, affine, [to], 3, inside).dataobj) for image, _, to in both]
    scans = subtract(flairs[0], flairs[1], inside, 1.0)
    changes = detect_changed_tissue(scans, 1.0, ChangeSettings())

    # from a point of the experts' grid to the first scan, and from there to ours
    chain = [pair.given[0], transforms[0].inverse()]

    def there(values: NDArray[Any]) -> NDArray[Any]:
        image = nib.Nifti1Image(values.astype(np.float32), affine)
        return np.asarray(resample(image, pair.truth.shape, pair.truth.affine, chain).dataobj)

    spacing = pair.truth.header.get_zooms()[:3]
    true = without_small(np.asarray(pair.truth.dataobj), spacing, SMALLEST_MM3)
    found = without_small(there((changes.codes > 0) & (changes.codes != CODES["stable"])) > 0.5, spacing, SMALLEST_MM3)
    score = compare_masks(found, true, spacing)
    print(
        f"{name}: {score.n_found} of {score.n_truth} expert changes found, {score.n_false} of {score.n_predicted} detections false, "
        f"F1 {score.lesion_f1:.2f}, by IoU {score.lesion_f1_iou25:.2f}; Dice {score.dice:.2f}; expert {score.truth_ml:.2f} mL, "
        f"found {score.predicted_ml:.2f} mL; noise {scans.noise:.2f}, edges {scans.edge_mm:.2f} mm"
    )
    show_each(lesion_instances(true), found, [there(part) for part in (scans.z, scans.first, scans.second)], float(np.prod(spacing)))
    if picture is not None:
        draw_both(picture, pair, (shape, affine), [transforms[0], pair.given[0].inverse()], scans, changes)


def show_each(numbers: NDArray[np.int32], found: NDArray[np.bool_], maps: Sequence[NDArray[Any]], voxel_mm3: float) -> None:
    """One line for each change of the experts, the largest first."""
    sizes = np.bincount(numbers.ravel())
    for number in np.argsort(-sizes[1:], kind="stable") + 1:
        own = numbers == number
        z, first, second = (values[own] for values in maps)
        slices = len(np.unique(np.nonzero(own)[2]))
        print(
            f"  {sizes[number] * voxel_mm3:7.0f} mm3 in {slices:2d} slices: {'found ' if found[own].any() else 'missed'}; mean z "
            f"{z.mean():+.1f}, strongest {z[np.abs(z).argmax()]:+.1f}; brightness {first.mean():+.1f} before, {second.mean():+.1f} after"
        )


def draw_both(
    picture: Path, pair: RealPair, grid: tuple[Any, NDArray[np.float64]], chain: list[Affine], scans: Subtraction, changes: Changes
) -> None:
    """What was found, and beside it what the experts outlined, as new or resolved by the sign of the subtraction."""
    draw_change(picture, "sub-long01, found", SESSIONS, scans, changes, 1.0)
    smooth = nib.Nifti1Image(np.asarray(pair.truth.dataobj, dtype=np.float32), pair.truth.affine)
    outlined = np.asarray(resample(smooth, *grid, chain).dataobj) > 0.5
    numbers, codes, lesions = lesion_instances(outlined), np.zeros(outlined.shape, np.uint8), []
    for number in range(1, int(numbers.max(initial=0)) + 1):
        own = numbers == number
        became = "new" if scans.z[own].mean() > 0 else "resolved"
        codes[own] = CODES[became]
        volume = float(own.sum())
        lesions.append(LesionChange(became, (), (), 0.0 if became == "new" else volume, volume if became == "new" else 0.0))
    shown = Changes(tuple(lesions), codes, changes.first, changes.second)
    draw_change(picture.with_stem(picture.stem + "-expert"), "sub-long01, experts, by the sign of z", SESSIONS, scans, shown, 1.0)


if __name__ == "__main__":
    main()
