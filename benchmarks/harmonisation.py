"""Whether harmonisation helps, on a simulated cohort of several scanners.

    python benchmarks/harmonisation.py FOLDER --ms 48 --nmosd 48 --seed 11

Simulates a cohort in FOLDER (three scanners), or goes on with the one that is there, and prints Markdown: how well the site is told
before and after, and the AUC of MS against NMOSD with mixed folds and with each site left out, each with its paired difference to no
harmonisation over the same patients. Two tables are harmonised:

- lesion features of masks that see what a scanner shows: voxels of the true lesions that are brighter than the brain's mean by a fixed
  number of its standard deviations. The true masks know no scanner, and would have nothing to harmonise;
- a summary of the channel images (percentiles of each slice), before and after Nyul and WhiteStripe, and by ComBat.

With `--site-bias B` people are dropped at random until each of the first two sites has this much more of one diagnosis.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from dawson.classification.comparators.lesion_features import summary_table
from dawson.classification.harmonisation import channel_summary
from dawson.classification.image_harmonisation import fit_intensity, harmonised
from dawson.classification.images import read_stack
from dawson.cohort.dataset import read_cohort
from dawson.config import PreprocessSection
from dawson.files import read_tsv, write_tsv
from dawson.imaging.lesion_features import measure_lesions
from dawson.imaging.lesion_summary import features_of_table, features_table
from dawson.preprocess.batch import preprocess_cohort
from dawson.simulation import simulate_cohort
from dawson.simulation.people import plan_cohort
from dawson.statistics.combat import fit_combat
from dawson.statistics.delong import delong_interval, delong_paired_test
from dawson.statistics.site_predictability import confounding, site_predictability

THRESHOLD_SD = 1.5
LEAST_VOXELS = 3
Harmonise = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class People:
    """One row a person: diagnosis, site, age, sex; and the tables that are harmonised."""

    table: pd.DataFrame
    features: np.ndarray
    images: np.ndarray

    def only(self, rows: np.ndarray) -> People:
        return People(self.table.iloc[rows].reset_index(drop=True), self.features[rows], self.images[rows])

    @property
    def site(self) -> np.ndarray:
        return self.table["site"].to_numpy(dtype=str)

    @property
    def sick(self) -> np.ndarray:
        return (self.table["diagnosis"] == "NMOSD").to_numpy()


def main() -> None:
    """Run and print."""
    arguments = _arguments()
    people = _people(arguments)
    if arguments.site_bias:
        people = people.only(_biased(people, arguments.site_bias, arguments.seed))
    found = confounding(people.site, people.table["diagnosis"])
    print(f"{len(people.table)} simulated people, {found.counts}, Cramer's V {found.cramers_v:.2f}; {found.warning or 'no warning'}\n")
    print(
        "| table | harmonisation | site told: AUC | chance (95 % below) | AUC, mixed folds | difference | AUC, site left out | difference |"
    )
    print("|---|---|---|---|---|---|---|---|")
    covariates = {"age": people.table["age"].to_numpy(dtype=float), "sex": people.table["sex"].to_numpy(dtype=str)}
    _rows("lesion features", people, {"none": None, "ComBat": _combat(people, people.features, covariates)}, people.features, arguments)
    stacks = {"none": people.images} | {
        method: harmonised(fit_intensity(method, people.images), people.images) for method in ("nyul", "whitestripe")
    }
    tables = {method: channel_summary(stack) for method, stack in stacks.items()}
    ways = {method: (lambda training, wanted, table=table: table) for method, table in tables.items()}
    _rows("channel summary", people, ways | {"ComBat": _combat(people, tables["none"], covariates)}, tables["none"], arguments)


def _rows(name: str, people: People, ways: dict[str, Harmonise | None], plain: np.ndarray, arguments: argparse.Namespace) -> None:
    base: dict[str, np.ndarray] = {}
    for way, harmonise in ways.items():
        given = harmonise or (lambda training, wanted: plain)
        told = _told(people, way, given, plain, arguments)
        cells = []
        for scheme, folds in (("mixed", _mixed(people, arguments.seed)), ("left out", people.site)):
            score = _scores(people, given, folds)
            area = delong_interval(people.sick, score)
            base.setdefault(scheme, score)
            change = delong_paired_test(people.sick, score, base[scheme])
            cells += [
                f"{area.estimate:.3f} ({area.low:.3f}-{area.high:.3f})",
                "" if score is base[scheme] else f"{change.difference:+.3f} ({change.low:+.3f} to {change.high:+.3f})",
            ]
        print(f"| {name} | {way} | {told} | {' | '.join(cells)} |", flush=True)


def _told(people: People, way: str, harmonise: Harmonise, plain: np.ndarray, arguments: argparse.Namespace) -> str:
    everybody = np.arange(len(people.table))
    inner = None
    values = plain
    if way == "ComBat":
        covariates = {"age": people.table["age"].to_numpy(dtype=float), "sex": people.table["sex"].to_numpy(dtype=str)}

        def inner(site: np.ndarray, training: np.ndarray) -> np.ndarray:
            own = {name: column[training] for name, column in covariates.items()}
            return fit_combat(plain[training], site[training], own, single="mean-only").transform(plain, site, covariates)

    else:
        values = harmonise(everybody, everybody)
    found = site_predictability(values, people.site, everybody, harmonise=inner, permutations=arguments.permutations, seed=arguments.seed)
    return f"{found.auc.estimate:.3f} ({found.auc.low:.3f}-{found.auc.high:.3f}) | {found.chance_auc[0]:.2f} ({found.chance_auc[1]:.2f})"


def _combat(people: People, table: np.ndarray, covariates: dict[str, np.ndarray]) -> Harmonise:
    def harmonise(training: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        own = {name: column[training] for name, column in covariates.items()}
        model = fit_combat(table[training], people.site[training], own, single="mean-only")
        rows = np.concatenate([training, wanted])
        result = np.full(table.shape, np.nan)
        given = {name: column[rows] for name, column in covariates.items()}
        result[rows] = model.transform(table[rows], people.site[rows], given, estimate_unseen=True)
        return result

    return harmonise


def _scores(people: People, harmonise: Harmonise, folds: np.ndarray) -> np.ndarray:
    """Out-of-fold log-odds of NMOSD of everybody, pooled over folds as they are: a site with an offset of its own is not forgiven."""
    score = np.zeros(len(folds))
    for fold in np.unique(folds):
        training, out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        values = harmonise(training, out)
        use = np.nanstd(values[training], axis=0) > 1e-9
        own = values[:, use]
        own = np.where(np.isnan(own), np.nanmedian(own[training], axis=0), own)
        own = (own - own[training].mean(axis=0)) / own[training].std(axis=0)
        model = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced").fit(own[training], people.sick[training])
        score[out] = model.decision_function(own[out])
    return score


def _mixed(people: People, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(people.table), dtype=int)
    for sick in (True, False):
        own = rng.permutation(np.flatnonzero(people.sick == sick))
        fold[own] = np.arange(len(own)) % 5
    return fold


def _biased(people: People, bias: float, seed: int) -> np.ndarray:
    """Rows that stay when the first site loses this share of NMOSD and the second of MS."""
    rng = np.random.default_rng([seed, 1])
    keep = np.ones(len(people.table), dtype=bool)
    for site, sick in zip(sorted(set(people.site))[:2], (True, False), strict=True):
        own = np.flatnonzero((people.site == site) & (people.sick == sick))
        keep[rng.permutation(own)[: round(bias * len(own))]] = False
    return np.flatnonzero(keep)


def _people(arguments: argparse.Namespace) -> People:
    nobody = {"MS": 0, "NMOSD": 0}
    counts = {"MS": arguments.ms, "NMOSD": arguments.nmosd}
    plan = plan_cohort(counts, followed_up=nobody, follow_up_scans=nobody, seed=arguments.seed, profile=arguments.profile)
    study = simulate_cohort(arguments.folder, plan, seed=arguments.seed)
    cohort, derivatives = read_cohort(study), study / "derivatives" / "dawson"
    preprocess_cohort(list(cohort.scans), cohort.root, derivatives, PreprocessSection(), jobs=1)
    table = cohort.participants.set_index("participant_id")
    rows, lesions, paths = [], [], []
    for scan in cohort.scans:
        features = scan.derivative(study / "scanner_lesions", "desc-lesions_features.tsv")
        if not features.exists():
            truth = next((derivatives / scan.folder).glob("*_label-lesion_desc-sim_mask.nii.gz"))
            write_tsv(features, features_table(measure_lesions(_seen(scan.flair, truth))))
        lesions.append(features_of_table(read_tsv(features, text=("region", "regions"))))
        paths.append(scan.derivative(derivatives, "desc-channels_FLAIR.npy"))
        rows.append(table.loc[scan.participant_id])
    return People(pd.DataFrame(rows).reset_index(drop=True), summary_table(lesions).to_numpy(dtype=float), read_stack(paths))


def _seen(flair: Path, truth: Path) -> nib.Nifti1Image:
    """What of the true lesions stands out on this scanner's image."""
    image, mask = nib.load(flair), nib.load(truth)
    values, true = np.asarray(image.dataobj, dtype=np.float32), np.asarray(mask.dataobj) > 0
    inside = values[values > 0]
    return nib.Nifti1Image((true & (values > inside.mean() + THRESHOLD_SD * inside.std())).astype(np.uint8), mask.affine)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ms", type=int, default=48)
    parser.add_argument("--nmosd", type=int, default=48)
    parser.add_argument("--profile", default="taiwan")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--site-bias", type=float, default=0.0)
    parser.add_argument("--permutations", type=int, default=99)
    return parser.parse_args()


if __name__ == "__main__":
    main()
