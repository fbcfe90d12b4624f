"""Simulated raw heads, whose anatomy is known, go through the whole preprocessing."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.dataset import read_cohort
from dawson.config import PreprocessSection
from dawson.imaging.resample import resample
from dawson.imaging.template import template_image, tissue_map
from dawson.imaging.transforms import Affine, Warp
from dawson.preprocess import names
from dawson.preprocess.scan import preprocess_scan
from dawson.simulation import plan_cohort, simulate_cohort

WHITE = 3


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.slow
@pytest.mark.parametrize("site", ["A", "B"])
def test_a_simulated_head_comes_to_the_template(site: str, tmp_path: Path) -> None:
    plan = plan_cohort({"MS": 1}, followed_up={"MS": 0}, seed=11, sites=(site,))
    study = simulate_cohort(tmp_path / "study", plan, seed=11, space="native")
    scan = read_cohort(study).scans[0]
    out, truth = tmp_path / "out", study / "derivatives" / "dawson"
    row = preprocess_scan(scan, out, PreprocessSection(), study)
    assert row.status == "done", row.reason
    assert row.min_jacobian > 0

    brain = nib.load(scan.derivative(truth, "space-T1w_label-brain_desc-sim_mask.nii.gz"))
    known = nib.Nifti1Image(np.asarray(brain.dataobj, dtype=np.float32), brain.affine)
    for contrast in ("T1w", "FLAIR"):
        found = nib.load(scan.derivative(out, names.brain_mask(contrast)))
        there = np.asarray(resample(known, found.shape, found.affine, (), 1).dataobj) > 0.5
        assert _dice(np.asarray(found.dataobj) > 0, there) >= 0.95, contrast

    tissues = nib.load(scan.derivative(truth, "space-T1w_desc-tissue_dseg.nii.gz"))
    white = nib.Nifti1Image((np.asarray(tissues.dataobj) == WHITE).astype(np.float32), tissues.affine)
    affine, warp = (scan.derivative(out, name) for name in names.to_template("T1w"))
    template = template_image(1.0)
    moved = np.asarray(resample(white, template.shape, template.affine, (Warp.load(warp), Affine.load(affine)), 1).dataobj) > 0.5
    assert _dice(moved, tissue_map("wm", 1.0) > 0.5) >= 0.75
