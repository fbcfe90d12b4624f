"""Consensus of simulated raters of differing skill against the truth that they saw, and how often the outlier rule is wrong.

    python benchmarks/rater_consensus.py COHORT --first 20 --people 10 --outliers EVVC EEVC EEVVC
    python benchmarks/rater_consensus.py --false-alarms 60

COHORT is a folder that `dawson simulate cohort` wrote in template space. Each scan is drawn by experts, volunteers and careless
raters of `dawson.simulation.raters`; panels are put together from them. Everything is simulated. The table holds means over patients;
differences are paired, with 95 % intervals of a bootstrap over patients. False alarms are counted on panels of equal raters, and hits
on the same panels with one careless rater in place of one of them, on small made-up scenes of thirty lesions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.files import write_tsv
from dawson.imaging.boxes import union_box
from dawson.imaging.lesion_metrics import compare_masks
from dawson.imaging.staple import CroppedMasks, crop_masks, margin_of, mask_consensus
from dawson.imaging.tissue import dice
from dawson.lesions.rater_outliers import judge_raters
from dawson.lesions.rater_scores import score_raters
from dawson.simulation.rater_masks import INSTANCES, false_lesion_places
from dawson.simulation.raters import CARELESS, EXPERT, VOLUNTEER, draw_mask
from dawson.simulation.streams import stream
from dawson.statistics.bootstrap import patient_bootstrap

SPACING = (1.0, 1.0, 1.0)
KINDS = {"E": EXPERT, "V": VOLUNTEER, "C": CARELESS}
POOL = {"E": 3, "V": 3, "C": 2}
PANELS = ("EEE", "VVV", "EVC", "EVVC", "EEVC", "EEVVC", "EVVCC", "EEVVCC")
AROUND: dict[str, int | None] = {"0": 0, "1": 1, "2": 2, "box": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path, nargs="?")
    parser.add_argument("--first", type=int, default=0, help="people to leave out at the start")
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--panels", nargs="+", default=list(PANELS), help="letters E, V, C")
    parser.add_argument("--around", nargs="+", default=["1"], choices=list(AROUND), help="voxels around marks that STAPLE sees")
    parser.add_argument("--outliers", nargs="+", default=[], metavar="PANEL", help="name the outliers of these panels")
    parser.add_argument("--rows", type=Path, help="write a row a scan and panel to this table")
    parser.add_argument("--false-alarms", type=int, default=0, metavar="PANELS", help="count those of the outlier rule instead")
    given = parser.parse_args()
    if given.false_alarms:
        for kind in ("E", "V"):
            for size in (4, 6):
                print(outlier_rates(kind, size, given.false_alarms, given.seed), flush=True)
        return
    if given.cohort is None:
        parser.error("give the folder of a simulated cohort")
    rows: list[dict[str, object]] = []
    scores: dict[str, list[dict[str, object]]] = {panel: [] for panel in given.panels}
    for person, truth, masks in drawn(given.cohort, given.first, given.people, given.seed):
        for panel in given.panels:
            chosen = members(panel)
            cropped = crop_masks([masks[name] for name in chosen], margin_of(SPACING))
            rows.append({"participant_id": person, "panel": panel, **judged(cropped, truth, given.around)})
            if panel in given.outliers:
                found = score_raters(cropped, chosen, SPACING)
                scores[panel] += [{"participant_id": person, "session_id": "", **vars(score)} for score in found]
        print(person, file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    if given.rows:
        write_tsv(given.rows, table)
    report(table, given.around)
    for panel, found in scores.items():
        if found:
            named = {rater: verdict for rater, verdict in judge_raters(pd.DataFrame(found)).items() if verdict.outlier}
            said = "; ".join(f"{rater} (z {verdict.z:.1f}: {verdict.reason})" for rater, verdict in named.items())
            print(f"outliers of {panel}: {said or 'none'}")


def members(panel: str) -> list[str]:
    """E1, E2, V1, ... of a panel's letters."""
    return [f"{kind}{panel[: place + 1].count(kind)}" for place, kind in enumerate(panel)]


def drawn(cohort: Path, first: int, people: int, seed: int) -> Iterator[tuple[str, NDArray[np.bool_], dict[str, NDArray[np.uint8]]]]:
    """Person, true mask and every rater's, of the first session of people with lesions."""
    paths: dict[str, Path] = {}
    for path in sorted((cohort / "derivatives" / "dawson").glob(f"sub-*/**/anat/*{INSTANCES}")):
        paths.setdefault(path.name.split("_")[0], path)
    done = 0
    for person, path in list(paths.items())[first:]:
        if done == people:
            return
        instances = np.asarray(nib.load(path).dataobj)
        if not instances.any():
            continue
        labels = np.asarray(nib.load(path.with_name(path.name.replace("_label-lesion", ""))).dataobj)
        places = false_lesion_places(labels, SPACING)
        box = union_box(instances > 0, places, margin=8)
        instances, places = instances[box], places[box]
        masks = {
            f"{kind}{number}": draw_mask(instances, SPACING, KINDS[kind], stream(seed, person, kind, str(number)), places)
            for kind, count in POOL.items()
            for number in range(1, count + 1)
        }
        done += 1
        yield person, instances > 0, masks


def outlier_rates(kind: str, size: int, panels: int, seed: int, scans: int = 5, pool: int = 16) -> str:
    """How often a rater of an equal panel is named, and how often a careless one in it is."""
    rng = np.random.default_rng(seed)
    scenes = [scene(number, seed) for number in range(scans)]
    half = {name: replace(rater, false_per_scan=rater.false_per_scan / 2) for name, rater in KINDS.items()}

    def draw(name: str, number: int) -> list[NDArray[np.uint8]]:
        return [
            draw_mask(one, SPACING, half[name], stream(seed, str(place), name, str(number)), np.ones(one.shape, bool))
            for place, one in enumerate(scenes)
        ]

    equals, careless = [draw(kind, number) for number in range(pool)], [draw("C", number) for number in range(pool // 2)]
    alarms, panel_alarms, hits, wrong = 0, 0, 0, 0
    for _ in range(panels):
        chosen = [equals[number] for number in rng.choice(pool, size, replace=False)]
        named = _named(chosen)
        alarms, panel_alarms = alarms + len(named), panel_alarms + bool(named)
        named = _named([careless[int(rng.integers(len(careless)))], *chosen[1:]])
        hits, wrong = hits + ("0" in named), wrong + bool(named - {"0"})
    return (
        f"{size} raters {kind}, {scans} scans, {panels} panels: {alarms} of {panels * size} equal raters named ({panel_alarms} panels); "
        f"with one careless: named in {hits}, an equal one named in {wrong}"
    )


def _named(panel: list[list[NDArray[np.uint8]]]) -> set[str]:
    rows = []
    for place in range(len(panel[0])):
        cropped = crop_masks([masks[place] for masks in panel], margin_of(SPACING))
        found = score_raters(cropped, [str(number) for number in range(len(panel))], SPACING)
        rows += [{"participant_id": str(place), "session_id": "", **vars(score)} for score in found]
    return {rater for rater, verdict in judge_raters(pd.DataFrame(rows)).items() if verdict.outlier}


def scene(number: int, seed: int) -> NDArray[np.int16]:
    """Thirty ovals, most of them small."""
    rng = stream(seed, "scene", str(number))
    volume = np.zeros((64, 76, 52), np.int16)
    axes = np.ogrid[tuple(slice(size) for size in volume.shape)]
    for lesion in range(1, 31):
        radii = np.clip(rng.lognormal(np.log(2.2), 0.4), 1.2, 7) * rng.uniform(0.75, 1.35, 3)
        centre = [rng.uniform(9, size - 9) for size in volume.shape]
        inside = sum(((axis - middle) / radius) ** 2 for axis, middle, radius in zip(axes, centre, radii, strict=True)) <= 1
        volume[inside & (volume == 0)] = lesion
    return volume


def judged(cropped: CroppedMasks, truth: NDArray[np.bool_], around: list[str]) -> dict[str, float]:
    """Dice and lesion F1 of each consensus, and Brier scores within the box of truth and marks."""
    own = [cropped.whole(mask) for mask in cropped.masks]
    box = union_box(truth, np.asarray(cropped.whole(cropped.masks.any(axis=0))))
    soft = mask_consensus(cropped, "soft")
    found = {
        "rater dice": float(np.mean([dice(mask, truth) for mask in own])),
        "best rater dice": float(max(dice(mask, truth) for mask in own)),
        "majority dice": dice(soft.mask, truth),
        "majority f1": compare_masks(soft.mask, truth, SPACING).lesion_f1,
        "soft brier": brier(soft.probability[box], truth[box]),
        "majority brier": brier(soft.mask[box], truth[box]),
        "rater brier": float(np.mean([brier(mask[box], truth[box]) for mask in own])),
    }
    for name in around:
        agreed = mask_consensus(cropped, "staple", AROUND[name])
        found[f"staple {name} dice"] = dice(agreed.mask, truth)
        found[f"staple {name} f1"] = compare_masks(agreed.mask, truth, SPACING).lesion_f1
        found[f"staple {name} brier"] = brier(agreed.probability[box], truth[box])
        found[f"staple {name} mask brier"] = brier(agreed.mask[box], truth[box])
    return found


def brier(probability: NDArray[np.generic], truth: NDArray[np.bool_]) -> float:
    return float(np.mean((probability.astype(np.float64) - truth) ** 2))


def report(table: pd.DataFrame, around: list[str]) -> None:
    people = table["participant_id"].nunique()
    print(f"{people} simulated patients; Dice to the truth, Brier score x 1000")
    for panel, own in table.groupby("panel", sort=False):
        means = own.drop(columns=["participant_id", "panel"]).mean()
        print(f"{panel}: " + ", ".join(f"{name} {1000 * value if 'brier' in name else value:.3f}" for name, value in means.items()))
        for name in around:
            pairs = [("dice", "rater dice"), ("dice", "majority dice"), ("f1", "majority f1")]
            for figure, other in pairs:
                print(f"   staple {name} {figure} - {other}: {paired(own, f'staple {name} {figure}', other)}")
            for figure in ("mask brier", "brier"):
                print(f"   soft brier - staple {name} {figure} (x 1000): {paired(own, 'soft brier', f'staple {name} {figure}', 1000)}")
        print(f"   soft brier - majority brier (x 1000): {paired(own, 'soft brier', 'majority brier', 1000)}")


def paired(own: pd.DataFrame, first: str, second: str, scale: float = 1.0) -> str:
    difference = scale * (own[first] - own[second]).to_numpy(float)
    found = patient_bootstrap(lambda rows: float(difference[rows].mean()), np.zeros(difference.size), seed=0)
    return f"{found.estimate:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


if __name__ == "__main__":
    main()
