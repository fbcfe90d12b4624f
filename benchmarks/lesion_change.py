"""How well lesion change is found between two scans of simulated people whose lesions' course is known.

    python benchmarks/lesion_change.py --seed 21 --scans A A 14 8 --scans A B 10 6 --scans noisy noisy 8 4 --out pairs.tsv

One pair for each person, the first two sessions, made in memory by the simulator. `--scans FIRST LATER WITH WITHOUT` names the
scanners of the two sessions and how many pairs with and without new lesions there are to be; it may be given many times, and nobody
is in two of its groups. Masks are those of a simulated expert, who errs independently at the two scans, or of `--segmenter NAME`.

Scores: a lesion is a connected part (26 neighbours) of 3 mm3 or more; a true one is found, and a found one is right, when they share
one voxel; in a second column when their intersection over union is 0.25 or more, one to one. F1 counts over all pairs; its interval
is from 1000 bootstraps over people.

The limits of the detectors were chosen on seed 0 (people of even number) and looked at again, and left as they were, on seed 11: judge
them on others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.files import write_tsv
from dawson.imaging.boxes import union_box
from dawson.imaging.lesion_metrics import compare_masks, without_small
from dawson.imaging.subtraction import Subtraction, subtract
from dawson.lesions.change_detection import detect_changes, enlargement_needed
from dawson.lesions.change_table import pair_figures
from dawson.lesions.changed_tissue import detect_changed_tissue
from dawson.lesions.changes import CODES, Changes, ChangeSettings
from dawson.lesions.segmenters import segmenter_named
from dawson.simulation.anatomy import atlas
from dawson.simulation.brain import Brain, make_brain, make_scene
from dawson.simulation.course import PatientCourse, draw_atrophy, draw_course, place_lesions
from dawson.simulation.people import Person, seok2023_plan
from dawson.simulation.profiles import load_profile
from dawson.simulation.rater_masks import false_lesion_places
from dawson.simulation.raters import EXPERT, draw_mask
from dawson.simulation.scanner import draw_scanner
from dawson.simulation.streams import stream
from dawson.simulation.template_space import SHAPE_LEFT, template_scan

SMALLEST_MM3 = 3.0
SPACING = (1.0, 1.0, 1.0)
DETECTORS = ("masks", "subtraction", "subtraction without masks")
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Pair:
    """Two scans of one person in the box round both brains.

    Parameters
    ----------
    who : str
    flairs, truth, masks : pair of ndarray
        FLAIR; true lesions by number; what a rater or a program drew.
    course : dict of int to str
        What became of each lesion.
    """

    who: str
    flairs: tuple[NDArray[np.float32], NDArray[np.float32]]
    truth: tuple[NDArray[np.int16], NDArray[np.int16]]
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    course: dict[int, str]

    @property
    def brain(self) -> NDArray[np.bool_]:
        return (self.flairs[0] > 0) & (self.flairs[1] > 0)

    def true(self, change: str) -> NDArray[np.bool_]:
        """True lesions of one change, at the scan at which they are there."""
        numbers = [number for number, became in self.course.items() if became == change]
        return without_small(np.isin(self.truth[0 if change == "resolved" else 1], numbers), SPACING, SMALLEST_MM3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--profile", default="korea")
    parser.add_argument("--scans", nargs=4, action="append", required=True, metavar=("FIRST", "LATER", "WITH", "WITHOUT"))
    parser.add_argument("--segmenter", default="", help="masks by a program in place of a simulated expert")
    parser.add_argument("--out", type=Path, help="table of all pairs")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    used: set[str] = set()
    for first, later, some, none in given.scans:
        wanted = {True: int(some), False: int(none)}
        for pair in pairs(given.seed, given.profile, (first, later), wanted, used, given.segmenter):
            scans, found = detect(pair)
            rows += [{"scanners": f"{first} to {later}", **score(pair, name, changes)} for name, changes in found.items()]
            tell = ", ".join(f"{name} {found[name].count('new')}" for name in DETECTORS)
            print(f"{pair.who} {first} to {later}: {rows[-1]['new truth']} new; {tell}; noise {scans.noise:.2f}", flush=True)
            if given.out:
                write_tsv(given.out, pd.DataFrame(rows))
    report(pd.DataFrame(rows), given.segmenter or "a simulated expert")


def pairs(seed: int, profile: str, sites: tuple[str, str], wanted: dict[bool, int], used: set[str], segmenter: str) -> Iterator[Pair]:
    """Pairs of people who were not used before; whoever is taken is added to them."""
    left = dict(wanted)
    for person in seok2023_plan(seed, profile=profile).people:
        if len(person.visits) < 2 or person.participant_id in used:
            continue
        course = draw_course(person, load_profile(profile).classes[person.diagnosis], seed)
        news = any(lesion.change(1) == "new" for lesion in course.lesions)
        if left[news]:
            left[news] -= 1
            used.add(person.participant_id)
            yield make_pair(person, course, seed, profile, sites, segmenter)


def make_pair(person: Person, course: PatientCourse, seed: int, profile: str, sites: tuple[str, str], segmenter: str) -> Pair:
    """Simulate the first two sessions of a person."""
    known, brain = load_profile(profile).classes[person.diagnosis], atlas()
    own = make_brain(person, brain, seed, place_lesions(person, course, known, brain, seed), draw_atrophy(person, known, seed))
    sessions = [make_session(person, number, own, sites[number], seed) for number in (0, 1)]
    boxed = union_box(*(images["FLAIR"] > 0 for images, _, _ in sessions), margin=3)
    masks = []
    for number, (images, instances, labels) in enumerate(sessions):
        if segmenter:
            affine = brain.affine.copy()
            affine[:3, 3] -= affine[:3, :3] @ [part.start for part in brain.box]
            flair, t1w = (nib.Nifti1Image(images[name], affine) for name in ("FLAIR", "T1w"))
            seen = segmenter_named(segmenter).segment(flair, t1w, images["FLAIR"] > 0)
            masks.append((seen.probability > seen.threshold)[boxed])
        else:
            rng = stream(seed, person.participant_id, person.visits[number].session_id, "rater", "1")
            masks.append(draw_mask(instances[boxed], SPACING, EXPERT, rng, false_lesion_places(labels[boxed], SPACING)) > 0)
    return Pair(
        person.participant_id,
        (sessions[0][0]["FLAIR"][boxed].astype(np.float32), sessions[1][0]["FLAIR"][boxed].astype(np.float32)),
        (sessions[0][1][boxed], sessions[1][1][boxed]),
        (masks[0], masks[1]),
        {number: lesion.change(1) for number, lesion in enumerate(course.lesions, start=1)},
    )


def make_session(
    person: Person, number: int, own: Brain, site: str, seed: int
) -> tuple[dict[str, NDArray[np.int16]], NDArray[np.int16], NDArray[np.uint8]]:
    """Both contrasts, true lesions and label map of one session on the template's grid, seen by a scanner."""
    session, brain = person.visits[number].session_id, atlas()
    rng = stream(seed, person.participant_id, session, "scan")
    state = draw_scanner(site, seed, person.participant_id, session)
    scene = make_scene(person, number, brain, own, state, rng, shape=SHAPE_LEFT)
    images: dict[str, NDArray[np.int16]] = {str(name): image for name, image in template_scan(scene, brain, state, rng).items()}
    instances, labels = np.zeros(brain.grid_shape, np.int16), np.zeros(brain.grid_shape, np.uint8)
    assert scene.labels is not None
    instances[brain.box] = scene.instances
    labels[brain.box] = scene.labels
    return images, instances, labels


def detect(pair: Pair, settings: ChangeSettings | None = None) -> tuple[Subtraction, dict[str, Changes]]:
    """What each detector finds."""
    settings = settings or ChangeSettings()
    first, second = pair.masks
    scans = subtract(*pair.flairs, pair.brain, 1.0, first | second)
    blind = subtract(*pair.flairs, pair.brain, 1.0)
    return scans, {
        "masks": detect_changes(first, second, 1.0, ChangeSettings(detector="masks"), scans),
        "subtraction": detect_changes(first, second, 1.0, settings, scans),
        "subtraction without masks": detect_changed_tissue(blind, 1.0, settings),
    }


def score(pair: Pair, detector: str, changes: Changes) -> dict[str, Any]:
    """Counts of one detector on one pair."""
    row: dict[str, Any] = {"participant_id": pair.who, "detector": detector}
    for change in ("new", "resolved"):
        compared = compare_masks(without_small(changes.codes == CODES[change], SPACING, SMALLEST_MM3), pair.true(change), SPACING)
        row |= {
            f"{change} truth": compared.n_truth,
            f"{change} detections": compared.n_predicted,
            f"{change} found": compared.n_found,
            f"{change} false": compared.n_false,
            f"{change} pairs": compared.n_matched_iou25,
            f"{change} dice": round(compared.dice, 4),
            f"{change} true ml": compared.truth_ml,
            f"{change} ml": compared.predicted_ml,
        }
    for number, became in pair.course.items():
        places = [truth == number for truth in pair.truth]
        volumes = [int(place.sum()) for place in places]
        if max(volumes) >= SMALLEST_MM3 and became not in ("absent", "baseline"):
            said = f"{became}, said {called(changes.codes[places[0] | places[1]])}"
            row[said] = row.get(said, 0) + 1
            if became in ("enlarging", "shrinking") and min(volumes) and max(volumes) >= min(volumes) * enlargement_needed(min(volumes)):
                said = said.replace(became, f"{became} beyond the limits", 1)
                row[said] = row.get(said, 0) + 1
    row["true change ml"] = (int((pair.truth[1] > 0).sum()) - int((pair.truth[0] > 0).sum())) / 1000
    row["change ml"] = pair_figures(changes, detector != DETECTORS[2], float("nan"))["change_ml"]
    return row


def called(codes: NDArray[np.uint8]) -> str:
    """What most voxels of a lesion that were called anything were called."""
    counts = np.bincount(codes[codes > 0], minlength=max(CODES.values()) + 1)
    return {code: name for name, code in CODES.items()}[int(np.argmax(counts))] if counts.any() else "nothing"


def report(table: pd.DataFrame, maker: str) -> None:
    """Print the figures of every detector, over all pairs and by scanners."""
    rng = np.random.default_rng(0)
    print(f"\n{table['participant_id'].nunique()} pairs of simulated people, masks by {maker}")
    for detector in DETECTORS:
        own = table[table["detector"] == detector].fillna(0)
        for change in ("new", "resolved"):
            for name, part in [("all", own), *own.groupby("scanners")]:
                print(f"{detector}, {change}, {name}: {summary(part, change, rng)}")
        for said in sorted(name for name in map(str, own.columns) if ", said " in name and own[name].any()):
            print(f"  {said}: {int(own[said].sum())}")
        if detector != DETECTORS[2]:  # without masks the volume of all lesions is not known
            error = own["change ml"] - own["true change ml"]
            size = own["true change ml"].abs().median()
            print(
                f"{detector}, volume change: error mean {error.mean():+.3f} mL, SD {error.std():.3f}, "
                f"median size {error.abs().median():.3f}, of true changes {size:.3f}"
            )


def summary(part: pd.DataFrame, change: str, rng: np.random.Generator) -> str:
    """Scores of some pairs in words."""
    counts = part[[f"{change} {name}" for name in ("truth", "detections", "found", "false", "pairs")]].to_numpy(float)
    truth, detections, found, false, matched = counts.sum(axis=0).astype(int)
    draws = [f1(counts[rng.integers(len(counts), size=len(counts))].sum(axis=0)) for _ in range(BOOTSTRAPS)]
    low, high = np.quantile(draws, (0.025, 0.975))
    quiet = part[part[f"{change} truth"] == 0]
    calm = f"{quiet[f'{change} false'].mean():.3f} false ({quiet[f'{change} ml'].mean():.3f} mL) a pair without" if len(quiet) else ""
    return (
        f"{len(part)} pairs, {len(part) - len(quiet)} with; {found} of {truth} found, {false} of {detections} false, "
        f"F1 {f1(counts.sum(axis=0)):.3f} ({low:.3f} to {high:.3f}), by IoU {2 * matched / max(1, truth + detections):.3f}; {calm}"
    )


def f1(counts: NDArray[np.float64]) -> float:
    """Of lesions found by a voxel, from sums of truth, detections, found, false and pairs."""
    truth, detections, found, false, _ = counts
    recall, precision = found / max(1, truth), (detections - false) / max(1, detections)
    return 2 * recall * precision / (recall + precision) if recall + precision else float(truth + detections == 0)


if __name__ == "__main__":
    main()
