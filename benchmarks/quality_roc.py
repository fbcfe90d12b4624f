"""How well quality control tells scans with a fault from clean ones, on simulated raw heads of several sites.

    python benchmarks/quality_roc.py --heads 24 --levels moderate

Every head is scanned clean at its site (with the site's usual noise, bias, distortion and slices, without its occasional motion and
ghosts). Then one fault at a time is put into one of its images, T1w and FLAIR in turn, and the scan is judged among the clean
scans of the same site, itself left out. Printed is the AUC of the decision score with its 95 % interval (DeLong, logit scale,
paired heads counted once in each class), and how many scans are sent to a person or rejected.

To save time voxels are 1.5 mm or larger; brain mask, tissues and transforms are the simulator's truth instead of
preprocessing's result, and the bias field is
estimated anew (N4) for clean scans and for those with bias alone; the figures of registration (Dice, correlation) are not used, nor
the rule on the volume of the brain mask: simulated heads are as large as the template's, larger than people's.
The levels are set by what they mean physically, below, and were not adjusted to the result.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dawson.config import QualitySection
from dawson.imaging.air_bend import AIR_PLACES, bends
from dawson.imaging.bias import correct_bias
from dawson.imaging.image_quality_scan import TissuePoints, measure_contrast, points_at
from dawson.imaging.resample import grid_points, resample
from dawson.imaging.template import template_image, template_mask
from dawson.imaging.transforms import Affine
from dawson.quality.decisions import decide
from dawson.quality.outliers import directed_z
from dawson.quality.plausibility import implausible
from dawson.quality.usual_bend import unusual_bends
from dawson.simulation import artefacts, k_space, plan_cohort
from dawson.simulation.anatomy import atlas
from dawson.simulation.brain import make_brain, make_scene
from dawson.simulation.course import draw_atrophy, draw_course, place_lesions
from dawson.simulation.native import NativeScan, native_scan
from dawson.simulation.people import Person
from dawson.simulation.profiles import load_profile
from dawson.simulation.scanner import (
    CONTRASTS,
    PHASE_AXIS,
    READOUT_AXIS,
    SLICE_PLANE,
    WHITE,
    Contrast,
    Protocol,
    ScannerState,
    draw_scanner,
    relative_signals,
    site_named,
    tissues_at,
)
from dawson.simulation.streams import stream
from dawson.statistics.delong import delong_interval

LEAST_MM = 1.5
LEVELS = ("mild", "moderate", "severe")
# kind: (what the numbers are, one for each level)
FAULTS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "motion": ("the head jumps twice during the scan, by this standard deviation of mm and degrees about each axis", (0.75, 1.5, 3.0)),
    "ghosting": ("height of each ghost as a share of the image", (0.04, 0.08, 0.16)),
    "distortion": ("largest displacement of the brain, at its place nearest to the frontal sinuses, mm", (2.0, 4.0, 8.0)),
    "noise": ("noise as a multiple of the scanner's usual noise", (1.5, 2.5, 4.0)),
    "bias": ("standard deviation of the logarithm of additional coil sensitivity over the head", (0.15, 0.30, 0.45)),
    "crop": ("brain missing at the top of the field of view, mm", (5.0, 15.0, 30.0)),
    "low resolution": ("true voxel as a multiple of the stored one, in the slice's plane (filled up by zeros in k-space)", (1.5, 2.0, 3.0)),
    "wrong contrast": (
        "sequence set wrongly: T1w with flip angle and inversion time off by this share, FLAIR with an inversion time too short by "
        "half of it; severe: the other contrast's file in its place",
        (0.2, 0.4, 1.0),
    ),
}


@dataclass
class Head:
    """A simulated person in a scanner: the clean scan, its measures, and how to scan again."""

    person: Person
    state: ScannerState
    scan: NativeScan
    again: Callable[[ScannerState], NativeScan]
    from_template: Affine
    to_flair: Affine
    fields: dict[str, np.ndarray]
    brains: dict[str, Any]
    tissues: dict[str, TissuePoints]
    measures: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=24)
    parser.add_argument("--sites", nargs="+", default=["A", "B", "C"])
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=["moderate"])
    parser.add_argument("--kinds", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--halved", action="store_true", help="half of the kinds in each head, in turn: half the time, half the cases")
    parser.add_argument("--save", help="write all measures to this TSV")
    parser.add_argument("--judge", help="measure nothing: judge again what was saved")
    given = parser.parse_args()
    if given.judge:
        saved = pd.read_csv(given.judge, sep="\t")
        faulty_rows = saved["kind"].notna()
        report(saved[~faulty_rows].dropna(axis=1, how="all").reset_index(drop=True), saved[faulty_rows])
        return
    started = time.process_time()
    half = given.heads // 2
    plan = plan_cohort(
        {"MS": given.heads - half, "NMOSD": half}, followed_up={"MS": 0, "NMOSD": 0}, seed=given.seed, sites=tuple(given.sites)
    )
    clean: list[dict[str, Any]] = []
    faulty: list[dict[str, Any]] = []
    turn: Counter[tuple[str, str]] = Counter()
    # site by site, so that a run that is stopped leaves whole groups
    for number, person in enumerate(sorted(plan.people, key=lambda one: given.sites.index(one.site))):
        head = simulate(person, plan, given.seed)
        clean.append({"site": person.site, **head.measures})
        # every other fault in every other head of a site, so that each kind is seen in both images of all sites
        for kind in given.kinds[number % 2 :: 2] if given.halved else given.kinds:
            for level in given.levels:
                contrast = CONTRASTS[turn[kind, level] % 2]
                turn[kind, level] += 1
                rng = stream(given.seed, person.participant_id, "fault", kind, level)
                found = head.measures | faulted(head, kind, level, contrast, rng)
                faulty.append({"site": person.site, "place": number, "kind": kind, "level": level, "contrast": contrast, **found})
        if given.save:
            pd.concat([pd.DataFrame(clean), pd.DataFrame(faulty)]).to_csv(given.save, sep="\t", index=False)
        print(f"<!-- {number + 1}/{given.heads}: {time.process_time() - started:.0f} s of CPU -->", flush=True)
    report(pd.DataFrame(clean), pd.DataFrame(faulty))
    print(f"\n{time.process_time() - started:.0f} s of CPU.")


def simulate(person: Person, plan: Any, seed: int) -> Head:
    """A clean scan of a person and its measures."""
    profile, brain = load_profile(plan.profile, plan.hardness), atlas()
    known = profile.classes[person.diagnosis]
    course = draw_course(person, known, seed)
    own = make_brain(person, brain, seed, place_lesions(person, course, known, brain, seed), draw_atrophy(person, known, seed))
    session = person.visits[0].session_id
    drawn = draw_scanner(person.site, seed, person.participant_id, session)
    occasional = {f"{contrast}_{fault}": 0.0 for contrast in CONTRASTS for fault in ("motion", "ghosting")}
    state = replace(drawn, artefacts=drawn.artefacts | occasional)

    state = replace(state, protocols={name: replace(protocol, voxel=coarse(protocol.voxel)) for name, protocol in state.protocols.items()})
    moves: list[tuple[Affine, Affine]] = []

    def again(with_state: ScannerState) -> NativeScan:
        rng = stream(seed, person.participant_id, session, "scan")
        scene = make_scene(person, 0, brain, own, with_state, rng)
        moves.append(moves_of(person, seed, deepcopy(rng)))
        return native_scan(scene, person, brain, with_state, rng, seed)

    head = Head(person, state, again(state), again, *moves[0], {}, {}, {}, {})
    for contrast in CONTRASTS:
        image, mask = as_image(head, contrast), brain_on(head, contrast)
        head.brains[contrast], head.tissues[contrast] = mask, tissues_on(head, image, contrast)
        head.fields[contrast] = bias_field(image, mask)
        corrected = as_image(head, contrast, head.scan.images[contrast] / head.fields[contrast])
        head.measures |= named(contrast, measure_contrast(image, mask, corrected, head.tissues[contrast])[0])
    head.measures |= bends_of(head, {})
    return head


def coarse(voxel: tuple[float, float, float]) -> tuple[float, float, float]:
    """Voxels of 1.5 mm at least: a third of the time of 1 mm."""
    return max(voxel[0], LEAST_MM), max(voxel[1], LEAST_MM), max(voxel[2], LEAST_MM)


def moves_of(person: Person, seed: int, rng: np.random.Generator) -> tuple[Affine, Affine]:
    """From the template to the simulated T1w, and on to FLAIR, which preprocessing finds by registration: the simulator's own draws."""

    def rigid(rotation_deg: np.ndarray, shift_mm: np.ndarray) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
        matrix[:3, 3] = shift_mm
        return matrix

    who = person.participant_id
    size = stream(seed, who, "head size").normal(1.0, 0.03) * stream(seed, who, "head shape").normal(1.0, 0.015, 3)
    pose = rigid(rng.normal(0, (6, 3, 4)), rng.normal(0, (4, 8, 12))) @ np.diag([*size, 1.0])
    return Affine(pose), Affine(rigid(rng.normal(0, 1.0, 3), rng.normal(0, 1.0, 3)))


def bias_field(image: Any, mask: Any) -> np.ndarray:
    """N4 as preprocessing has it, in the box around the brain alone; 1 outside the box."""
    inside = np.asarray(mask.dataobj) > 0
    box = tuple(slice(max(0, int(at.min()) - 6), int(at.max()) + 7) for at in np.nonzero(inside))
    part = [nib.Nifti1Image(np.asarray(one.dataobj)[box], image.affine) for one in (image, mask)]
    field = np.ones(inside.shape, dtype=np.float32)
    field[box] = np.asarray(correct_bias(part[0], part[1])[1].dataobj)
    return field


def as_image(head: Head, contrast: Contrast, values: np.ndarray | None = None) -> Any:
    """An image of the clean scan, or other values on its grid."""
    shown = head.scan.images[contrast] if values is None else values
    return nib.Nifti1Image(shown.astype(np.float32), head.scan.grids[contrast].affine)


def truth(head: Head, values: np.ndarray) -> Any:
    """A truth image, on the grid of T1w."""
    return nib.Nifti1Image(values.astype(np.float32), head.scan.grids["T1w"].affine)


def brain_on(head: Head, contrast: Contrast) -> Any:
    """The true brain on an image's grid."""
    grid = head.scan.grids[contrast]
    back = [head.to_flair.inverse()] if contrast == "FLAIR" else []
    found = resample(truth(head, head.scan.brain_mask), grid.shape, grid.affine, back, order=0)
    return nib.Nifti1Image((np.asarray(found.dataobj) > 0).astype(np.uint8), grid.affine)


def tissues_on(head: Head, image: Any, contrast: Contrast) -> TissuePoints:
    """True tissues, blurred by 2 mm as registration would leave them, at the voxels of T1w's grid."""
    inside = head.scan.brain_mask > 0
    maps = [ndimage.gaussian_filter((head.scan.tissues == label).astype(np.float32), 2.0 / LEAST_MM) for label in (1, 2, 3)]
    every = inside
    affine = head.scan.grids["T1w"].affine
    lesion = (head.scan.instances > 0)[every]
    points = grid_points(every.shape, affine, every)
    points = head.to_flair.apply(points) if contrast == "FLAIR" else points
    return points_at(image, points, np.stack([one[every] for one in maps], axis=1), lesion)


def bends_of(head: Head, other: dict[str, np.ndarray]) -> dict[str, Any]:
    """Displacements of FLAIR against T1w near air, in template space, as JSON."""
    grid, where = template_image(2.0), template_mask(2.0)
    images, brain = [], where
    for contrast in CONTRASTS:
        values = other.get(contrast, head.scan.images[contrast]) / head.fields[contrast]
        chain = [head.from_template, *([head.to_flair] if contrast == "FLAIR" else [])]
        images.append(np.asarray(resample(as_image(head, contrast, values), grid.shape, grid.affine, chain, order=1, mask=where).dataobj))
        inside = np.asarray(resample(head.brains[contrast], grid.shape, grid.affine, chain, order=0, mask=where).dataobj)
        brain = brain & (inside > 0)
    found = bends(images[0], images[1], brain, grid.affine)
    return {"bends": json.dumps({name: [round(float(part), 3) for part in bend] for name, bend in found.items()})}


def named(contrast: str, measures: dict[str, float]) -> dict[str, float]:
    return {f"{contrast}_{name}": value for name, value in measures.items()}


def faulted(head: Head, kind: str, level: str, contrast: Contrast, rng: np.random.Generator) -> dict[str, Any]:
    """Measures that change when one image has a fault."""
    amount = FAULTS[kind][1][LEVELS.index(level)]
    values = damaged(head, kind, level, amount, contrast, rng)
    affine, field, mask = head.scan.grids[contrast].affine, head.fields[contrast], np.asarray(head.brains[contrast].dataobj)
    tissue = head.tissues[contrast]
    if kind == "crop":
        top = int(np.flatnonzero(mask.any(axis=(0, 1)))[-1])
        stop = top + 1 - round(amount / float(np.linalg.norm(affine[:3, 2])))
        (values, affine), field, mask = artefacts.crop(values, affine, 2, 0, stop), field[:, :, :stop], mask[:, :, :stop]
        tissue = tissues_on(head, nib.Nifti1Image(values.astype(np.float32), affine), contrast)
    image, brain = nib.Nifti1Image(values.astype(np.float32), affine), nib.Nifti1Image(mask, affine)
    if kind == "bias":
        field = bias_field(image, brain)
    unbiased = nib.Nifti1Image((values / field).astype(np.float32), affine)
    found = named(contrast, measure_contrast(image, brain, unbiased, tissue)[0])
    return found | bends_of(head, {contrast: values}) if kind == "distortion" else found


def damaged(head: Head, kind: str, level: str, amount: float, contrast: Contrast, rng: np.random.Generator) -> np.ndarray:
    """One image with a fault in it."""
    clean = head.scan.images[contrast].astype(np.float32)
    affine = head.scan.grids[contrast].affine
    x, y, z = (float(np.linalg.norm(column)) for column in affine[:3, :3].T)
    if kind == "motion":
        return k_space.move(clean, k_space.draw_motion(rng, amount, PHASE_AXIS[contrast]), (x, y, z))
    if kind == "ghosting":
        return k_space.add_ghosts(clean, k_space.draw_ghosting(rng, amount, PHASE_AXIS[contrast]))
    if kind == "distortion":
        chain = [head.from_template, *([head.to_flair] if contrast == "FLAIR" else [])]
        place = brain_near_sinuses()
        for transform in chain:
            place = transform.apply(place)
        centre = np.linalg.inv(affine)[:3] @ [*place[0], 1.0]
        return artefacts.distort(clean, artefacts.draw_distortion(rng, amount, READOUT_AXIS[contrast], tuple(centre)), (x, y, z))
    if kind == "noise":
        usual = head.state.severity(contrast, "noise") * WHITE * head.state.gain[contrast]
        return artefacts.add_noise(clean, artefacts.draw_noise(rng, usual * float(np.sqrt(amount**2 - 1))))
    if kind == "bias":
        return artefacts.add_bias(clean, artefacts.draw_bias(rng, amount))
    if kind == "low resolution":
        return k_space.truncate(clean, 1 - 1 / amount, SLICE_PLANE[contrast])
    if kind == "wrong contrast":
        return wrong_contrast(head, level, amount, contrast)
    return clean


@cache
def brain_near_sinuses() -> np.ndarray:
    """The point of the template's brain that is nearest to the frontal sinuses, mm, shape (1, 3)."""
    affine = template_image(2.0).affine
    points = np.argwhere(template_mask(2.0)) @ affine[:3, :3].T + affine[:3, 3]
    return points[np.argmin(np.linalg.norm(points - AIR_PLACES["frontal"].mm, axis=1))][None]


def wrong_contrast(head: Head, level: str, amount: float, contrast: Contrast) -> np.ndarray:
    """The head scanned again with a sequence that is set wrongly, or the other image on this one's grid."""
    grid = head.scan.grids[contrast]
    if level == "severe":
        other = CONTRASTS[1 - CONTRASTS.index(contrast)]
        return np.asarray(resample(as_image(head, other), grid.shape, grid.affine, order=1).dataobj)
    usual = head.state.protocols[contrast]
    if contrast == "FLAIR":
        wrong = replace(usual, ti=usual.ti * (1 - amount / 2))
    else:
        wrong = replace(usual, flip=usual.flip * (1 - amount), ti=usual.ti * (1 + amount))
    return head.again(with_protocol(head.state, contrast, usual, wrong)).images[contrast]


def with_protocol(state: ScannerState, contrast: Contrast, usual: Protocol, wrong: Protocol) -> ScannerState:
    """The scanner's state with the signals of another protocol."""
    tissues = tissues_at(site_named(state.site).field_tesla)
    before, after = relative_signals(tissues, usual), relative_signals(tissues, wrong)
    ratio = {name: after[name] / before[name] for name in before if before[name] > 0}
    signals = state.signals[contrast]
    changed = replace(signals, **{name: getattr(signals, name) * ratio.get(name, 1.0) for name in ("csf", "gm", "lesion", "deep_grey")})
    head = {name: value * ratio.get(name, 1.0) for name, value in state.head[contrast].items()}
    return replace(
        state,
        signals={**state.signals, contrast: changed},
        head={**state.head, contrast: head},
        protocols={**state.protocols, contrast: wrong},
    )


def judge(clean: pd.DataFrame, place: int, row: dict[str, Any]) -> tuple[float, str, str]:
    """Score, decision and gravest reason of one scan among the clean scans of its site."""
    table = clean.astype(object)
    table.loc[place] = pd.Series({name: row.get(name, np.nan) for name in table.columns})
    table = table.infer_objects().copy()
    measured = [json.loads(text) for text in table.pop("bends")]
    minimum = QualitySection().minimum_group
    for air in AIR_PLACES:
        table[f"bend_{air}_mm"] = unusual_bends(measured, list(table["site"]), minimum, air)
    values = {str(name): value for name, value in table.loc[place].items()}
    settings = QualitySection()
    z = directed_z(table, table["site"], settings.minimum_group).loc[place].to_dict()
    usual = table[table["site"] == row["site"]].median(numeric_only=True).to_dict()
    measures = {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and value == value and not name.endswith("_brain_ml")
    }
    decided = decide(
        implausible(measures, {}), {str(k): float(v) for k, v in z.items()}, values, usual, settings.review_z, settings.reject_z
    )
    return decided.score, decided.decision, decided.reasons[0] if decided.reasons else ""


def report(clean: pd.DataFrame, faulty: pd.DataFrame) -> None:
    """Print the tables."""
    own = [judge(clean, place, clean.loc[place].to_dict()) for place in clean.index]
    negative = np.array([score for score, *_ in own])
    counts = pd.Series([decision for _, decision, _ in own]).value_counts().to_dict()
    print(f"\n{len(clean)} clean simulated scans of sites {', '.join(sorted(clean['site'].unique()))}: {counts}\n")
    for place, (score, decision, reason) in enumerate(own):
        if decision != "accept":
            print(f"- clean scan {place} of site {clean.loc[place, 'site']}: {decision}, {score:.1f}, {reason}")
    print("\n| fault | level | amount | n | AUC (95 % interval) | T1w | FLAIR | review or reject | reject | most frequent reason |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (kind, level), part in faulty.groupby(["kind", "level"], sort=False):
        judged = [judge(clean, int(row["place"]), row) for row in part.to_dict("records")]
        positive = np.array([score for score, *_ in judged])
        whole = auc(negative, positive)
        each = [auc(negative, positive[(part["contrast"] == contrast).to_numpy()]) for contrast in CONTRASTS]
        flagged = np.mean([decision != "accept" for _, decision, _ in judged])
        rejected = np.mean([decision == "reject" for _, decision, _ in judged])
        reason = pd.Series([text.split(" (")[0] for *_, text in judged]).mode()[0]
        amount = FAULTS[kind][1][LEVELS.index(level)]
        print(
            f"| {kind} | {level} | {amount:g} | {len(part)} | {whole} | {each[0].split(' ')[0]} | {each[1].split(' ')[0]} | "
            f"{100 * flagged:.0f} % | {100 * rejected:.0f} % | {reason} |"
        )


def auc(negative: np.ndarray, positive: np.ndarray) -> str:
    truth_of = np.r_[np.zeros(negative.size, bool), np.ones(positive.size, bool)]
    found = delong_interval(truth_of, np.r_[negative, positive])
    return f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"


if __name__ == "__main__":
    main()
