"""How well new lesions are found between two scans: on simulated courses, and on the real pair whose changes an expert outlined.

    python benchmarks/lesion_change.py simulated COHORT --part held-out --pairs 40
    python benchmarks/lesion_change.py real DATA/ljubljana-ms --picture pair.png

COHORT is a folder that `dawson simulate cohort` wrote in template space. Masks are those of two simulated experts, who err
independently at the two scans, or `--maker NAME` that lie in its derivatives. The settings were chosen on people whose number is even
(`development`); judge them on those whose number is odd (`held-out`). The real pair was looked at once, with the settings fixed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dawson.imaging.halfway import distance_mm, grid_around, mean_space, register_sessions
from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.resample import grid_points, resample
from dawson.imaging.subtraction import subtract
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.imaging.tissue import dice
from dawson.imaging.transforms import Affine
from dawson.imaging.volumes import read_volume
from dawson.lesions.change_detection import CODES, ChangeSettings, detect_changed_tissue, detect_changes
from dawson.lesions.change_picture import draw_change
from dawson.simulation.rater_masks import false_lesion_places
from dawson.simulation.raters import EXPERT, draw_mask
from dawson.simulation.streams import stream
from dawson.simulation.written_cohort import WrittenCohort, read_simulated

SMALLEST_MM3 = 3.0
DETECTORS = ("masks", "subtraction", "subtraction without masks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("simulated", "real"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("development", "held-out"), default="held-out")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--maker", default="", help="masks in the derivatives in place of simulated experts")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    if given.what == "real":
        real(given.folder, given.picture)
    else:
        simulated(given.folder, given.part, given.pairs, given.maker)


def simulated(folder: Path, part: str, number: int, maker: str) -> None:
    cohort = read_simulated(folder)
    totals: dict[str, Counter[str]] = {name: Counter() for name in DETECTORS}
    done = 0
    for who, first, second in pairs(cohort, part)[:number]:
        boxed = read_pair(cohort, who, (first, second), maker)
        if boxed is None:
            continue
        flairs, truth, masks = boxed
        brain = (flairs[0] > 0) & (flairs[1] > 0)
        scans = subtract(flairs[0], flairs[1], brain, 1.0, masks[0] | masks[1])
        blind = subtract(flairs[0], flairs[1], brain, 1.0)
        found = {
            "masks": detect_changes(masks[0], masks[1], 1.0, ChangeSettings(detector="masks"), scans),
            "subtraction": detect_changes(masks[0], masks[1], 1.0, ChangeSettings(), scans),
            "subtraction without masks": detect_changed_tissue(blind, 1.0, ChangeSettings()),
        }
        before, after = (set(np.unique(numbers)) - {0} for numbers in truth)
        new = {int(lesion) for lesion in after - before if (truth[1] == lesion).sum() >= SMALLEST_MM3}
        gone = {int(lesion) for lesion in before - after if (truth[0] == lesion).sum() >= SMALLEST_MM3}
        for name, changes in found.items():
            count(totals[name], changes, truth[1], new, "new")
            count(totals[name], changes, truth[0], gone, "resolved")
        done += 1
        print(
            f"{who} {first} {second}: {len(new)} new, " + ", ".join(f"{name} {found[name].count('new')}" for name in DETECTORS), flush=True
        )
    print(f"\n{done} pairs of simulated people ({part}), masks by {maker or 'two simulated experts'}")
    for name, total in totals.items():
        for change in ("new", "resolved"):
            hits, missed, false = (total[f"{change} {what}"] for what in ("hits", "missed", "false"))
            f1 = 2 * hits / (2 * hits + missed + false) if hits + missed + false else 1.0
            quiet = total[f"{change} quiet"]
            calm = total[f"{change} false in quiet"] / quiet if quiet else float("nan")
            print(
                f"{name}: {change} lesions {hits} of {hits + missed} found, {false} false, F1 {f1:.3f}; "
                f"{calm:.3f} false a case in {quiet} cases without"
            )


def count(total: Counter[str], changes: Any, truth: np.ndarray, true: set[int], change: str) -> None:
    """A lesion is found when one voxel is; a detection is false when it meets no true one."""
    map_ = changes.second if change == "new" else changes.first
    own = [lesion.second if change == "new" else lesion.first for lesion in changes.lesions if lesion.change == change]
    target = np.isin(truth, list(true))
    false = sum(not target[np.isin(map_, numbers)].any() for numbers in own)
    where = np.isin(map_, [number for numbers in own for number in numbers])
    hits = len(true & {int(lesion) for lesion in np.unique(truth[where])})
    total.update({f"{change} hits": hits, f"{change} missed": len(true) - hits, f"{change} false": false})
    if not true:
        total.update({f"{change} quiet": 1, f"{change} false in quiet": false})


def pairs(cohort: WrittenCohort, part: str) -> list[tuple[str, str, str]]:
    """One pair of consecutive scans after the other; first pairs of all people come first."""
    found = []
    for who, own in cohort.scans.groupby("participant_id"):
        if int(str(who).removeprefix("sub-")) % 2 == (part == "held-out"):
            names = own.sort_values("visit")["session_id"].tolist()
            found += [(place, str(who), *pair) for place, pair in enumerate(pairwise(names))]
    return [(who, first, second) for _, who, first, second in sorted(found)]


def read_pair(cohort: WrittenCohort, who: str, sessions: tuple[str, str], maker: str) -> Any:
    """Scans, true instances and masks in the brains' box; None where the maker made no mask."""
    flairs, truths, labels, given = [], [], [], []
    for session in sessions:
        raw = cohort.folder / who / session / "anat" / f"{who}_{session}_FLAIR.nii.gz"
        stem = cohort.mask_path(who, session).parent / f"{who}_{session}_space-{TEMPLATE_SPACE}"
        flairs.append(values(raw).astype(np.float32))
        truths.append(values(Path(f"{stem}_label-lesion_desc-sim_dseg.nii.gz")).astype(int))
        mask = Path(f"{stem}_label-lesion_desc-{maker}_mask.nii.gz")
        if maker and not mask.is_file():
            return None
        labels.append(values(Path(f"{stem}_desc-sim_dseg.nii.gz")) if not maker else None)
        given.append(values(mask) > 0 if maker else None)
    inside = np.nonzero((flairs[0] > 0) | (flairs[1] > 0))
    box = tuple(slice(max(0, int(axis.min()) - 3), int(axis.max()) + 4) for axis in inside)
    masks = [given[place][box] if maker else drawn(truths[place][box], labels[place][box], who, sessions[place]) for place in (0, 1)]
    return [image[box] for image in flairs], [image[box] for image in truths], masks


def drawn(instances: np.ndarray, labels: np.ndarray, who: str, session: str) -> np.ndarray:
    places = false_lesion_places(labels, (1.0, 1.0, 1.0))
    return draw_mask(instances, (1.0, 1.0, 1.0), EXPERT, stream(0, who, session, "rater", "1"), places) > 0


def values(path: Path) -> np.ndarray:
    image: Any = nib.load(path)
    return np.asarray(image.dataobj)


def real(folder: Path, picture: Path | None) -> None:
    """The pair sub-long01; the brain is the data set's mask, so that only change is judged."""
    expert = folder / "derivatives" / "expert" / "sub-long01"
    brain, truth = (nib.load(expert / f"sub-long01_space-common_{name}_mask.nii.gz") for name in ("desc-brain", "label-lesionchange"))
    images, given = [], []
    for session in ("ses-01", "ses-02"):
        images.append(read_volume(folder / "sub-long01" / session / "anat" / f"sub-long01_{session}_FLAIR.nii.gz"))
        given.append(Affine.load(expert / session / f"sub-long01_{session}_from-FLAIR_to-common_xfm.txt"))
    masks = [resample(brain, image.shape, image.affine, [to_session.inverse()], 0) for image, to_session in zip(images, given, strict=True)]
    own_brains = [nib.Nifti1Image(np.asarray(mask.dataobj), mask.affine) for mask in masks]
    from dawson.imaging.bias import correct_bias

    unbiased = [correct_bias(image, mask, 2)[0] for image, mask in zip(images, own_brains, strict=True)]
    extracted = [
        nib.Nifti1Image(np.where(np.asarray(mask.dataobj) > 0, np.asarray(image.dataobj), 0).astype(np.float32), image.affine)
        for image, mask in zip(unbiased, own_brains, strict=True)
    ]
    points = grid_points(images[0].shape, images[0].affine, np.asarray(own_brains[0].dataobj) > 0)
    theirs = Affine(given[1].matrix @ given[0].inverse().matrix)
    ours = register_sessions(extracted[0], extracted[1], threads=2)
    print(f"our rigid transform against theirs: mean {distance_mm(theirs, ours.transform, points):.3f} mm over the brain")
    apart = np.linalg.norm(theirs.apply(points) - ours.transform.apply(points), axis=1)
    print(f"  largest {apart.max():.3f} mm; our two directions differ by {ours.inconsistency_mm:.3f} mm")
    middle = mean_space([Affine(np.eye(4)), ours.transform])
    for name, transforms in (("their transforms", tuple(given)), ("our transforms", middle)):
        judge_real(name, transforms, given, unbiased, own_brains, truth, picture if name == "our transforms" else None)


def judge_real(name: str, transforms: Any, given: Any, images: Any, brains: Any, truth: Any, picture: Path | None) -> None:
    shape, affine = grid_around(brains, transforms)
    seen = [np.asarray(resample(mask, shape, affine, [to]).dataobj) > 0.5 for mask, to in zip(brains, transforms, strict=True)]
    inside = seen[0] & seen[1]
    flairs = [np.asarray(resample(image, shape, affine, [to], 3, inside).dataobj) for image, to in zip(images, transforms, strict=True)]
    scans = subtract(flairs[0], flairs[1], inside, 1.0)
    changes = detect_changed_tissue(scans, 1.0, ChangeSettings())
    # the truth lies in their common space: from a point here to the first scan, and from there to the common space
    chain = [transforms[0], given[0].inverse()]
    smooth = nib.Nifti1Image(np.asarray(truth.dataobj, dtype=np.float32), truth.affine)
    true = np.asarray(resample(smooth, shape, affine, chain).dataobj) > 0.5
    found = (changes.codes > 0) & (changes.codes != CODES["stable"])
    lesions, detected = lesion_instances(true), lesion_instances(found)
    hits = len(set(np.unique(lesions[found])) - {0})
    right = len(set(np.unique(detected[true])) - {0})
    precision, recall = right / max(1, detected.max()), hits / max(1, lesions.max())
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    print(
        f"{name}: {hits} of {lesions.max()} expert changes found, {right} of {detected.max()} detections right, F1 {f1:.2f}, "
        f"Dice of changed voxels {dice(found, true):.2f}; expert {true.sum() / 1000:.2f} mL, found {found.sum() / 1000:.2f} mL; "
        + ", ".join(f"{changes.count(change)} {change}" for change in CODES if changes.count(change))
    )
    outside = scans.z[lesions > 0]
    print(
        f"  |z| over the expert's changes: median {np.median(np.abs(outside)):.1f}; noise {scans.noise:.2f}, edges {scans.edge_mm:.2f} mm"
    )
    if picture is not None:
        draw_change(picture, "sub-long01 (found)", ("ses-01", "ses-02"), scans, changes, 1.0)
        expert = np.where(true & (scans.z > 0), CODES["new"], np.where(true, CODES["resolved"], 0)).astype(np.uint8)
        shown = type(changes)((), expert, changes.first, changes.second)
        draw_change(
            picture.with_stem(picture.stem + "-expert"), "sub-long01 (expert, by sign of z)", ("ses-01", "ses-02"), scans, shown, 1.0
        )


if __name__ == "__main__":
    main()
