"""Consensus and comparison of raters over a small study of simulated masks on the template's grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError
from dawson.files import read_json, read_tsv, sidecar_path, write_json
from dawson.imaging.tissue import dice
from dawson.lesions.consensus import MASK, PROBABILITY, consensus_of_study
from dawson.lesions.rater_masks import find_rater_masks
from dawson.lesions.rater_picture import draw_raters, rated_slice
from dawson.lesions.raters import rate_raters
from dawson.simulation.raters import CARELESS, EXPERT, VOLUNTEER, Rater, draw_mask

SHAPE = (64, 76, 52)
AFFINE = np.array([[1.0, 0, 0, -30], [0, 1, 0, -40], [0, 0, 1, -20], [0, 0, 0, 1]])
PANEL = {"e1": EXPERT, "e2": EXPERT, "v1": VOLUNTEER, "v2": VOLUNTEER, "c1": CARELESS}


def lesions(seed: int) -> NDArray[np.int16]:
    """Thirty ovals as of a patient with MS."""
    rng = np.random.default_rng(seed)
    volume = np.zeros(SHAPE, np.int16)
    axes = np.ogrid[tuple(slice(size) for size in SHAPE)]
    for number in range(1, 31):
        radii = np.clip(rng.lognormal(np.log(2.2), 0.4), 1.2, 7) * rng.uniform(0.75, 1.35, 3)
        centre = [rng.uniform(9, size - 9) for size in SHAPE]
        inside = sum(((axis - middle) / radius) ** 2 for axis, middle, radius in zip(axes, centre, radii, strict=True)) <= 1
        volume[inside & (volume == 0)] = number
    return volume


def write_mask(derivatives: Path, scan: Scan, maker: str, mask: NDArray[np.generic], affine: NDArray[np.float64] = AFFINE) -> Path:
    path = scan.derivative(derivatives, MASK.replace("consensus", maker))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), path)
    write_json(sidecar_path(path), {"SimulatedData": True})
    return path


def write_rater(derivatives: Path, scans: list[Scan], label: str, rater: Rater, seed: int) -> None:
    for number, scan in enumerate(scans):
        rng = np.random.default_rng([seed, number])
        write_mask(derivatives, scan, f"rater{label}", draw_mask(lesions(number), (1, 1, 1), rater, rng, np.ones(SHAPE, bool)))


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Scan]]:
    """Four people, five raters of three skills; one expert and the careless one draw everything twice."""
    derivatives = tmp_path_factory.mktemp("raters") / "derivatives" / "dawson"
    scans = [Scan(f"sub-{number}", "ses-1", None, None) for number in range(4)]
    # false lesions in proportion to the small volume
    panel = {label: replace(rater, false_per_scan=rater.false_per_scan / 2) for label, rater in PANEL.items()}
    for seed, (label, rater) in enumerate(panel.items()):
        write_rater(derivatives, scans, label, rater, seed)
    for seed, label in enumerate(("e1", "c1"), start=100):
        write_rater(derivatives, scans, f"{label}run2", panel[label], seed)
    return derivatives, scans


@pytest.fixture(scope="module")
def table(rated: tuple[Path, list[Scan]]) -> pd.DataFrame:
    derivatives, scans = rated
    return rate_raters(scans, [derivatives], derivatives).set_index("rater")


def test_raters_are_found_by_their_label_and_run(tmp_path: Path) -> None:
    scan, other = Scan("sub-1", "ses-1", None, None), Scan("sub-1", "ses-10", None, None)
    empty = np.zeros((3, 3, 3))
    for maker in ("raterA", "raterArun2", "raterBrun1", "expert", "expert2", "sim", "consensus", "dawson"):
        write_mask(tmp_path, scan, maker, empty)
    write_mask(tmp_path, other, "raterZ", empty)
    found = find_rater_masks(scan, [tmp_path])
    assert list(found.first) == ["A", "B", "expert", "expert2"]
    assert found.again == {"A": scan.derivative(tmp_path, MASK.replace("consensus", "raterArun2"))}


@pytest.mark.parametrize("method", ["staple", "majority", "soft"])
def test_a_consensus_is_written_with_where_it_comes_from(rated: tuple[Path, list[Scan]], tmp_path: Path, method: str) -> None:
    derivatives, scans = rated
    found = consensus_of_study(scans[:1], [derivatives], tmp_path, method)
    assert list(found["status"]) == ["done"] and found["raters"][0] == "c1, e1, e2, v1, v2"
    mask, probability = (nib.load(scans[0].derivative(tmp_path, name)) for name in (MASK, PROBABILITY))
    assert (mask.get_data_dtype(), probability.get_data_dtype()) == (np.uint8, np.float32)
    np.testing.assert_array_equal(np.asarray(mask.dataobj) > 0, np.asarray(probability.dataobj) > 0.5)
    np.testing.assert_allclose(mask.affine, AFFINE)
    assert found["consensus_ml"][0] == pytest.approx(np.asarray(mask.dataobj).sum() / 1000)
    said = read_json(sidecar_path(scans[0].derivative(tmp_path, MASK)))
    assert said["SimulatedData"] is True and len(said["SourceSHA256"]) == 5
    assert said["Parameters"]["method"] == method and set(said["Raters"]) == set(PANEL)


def test_the_consensus_is_nearer_to_the_truth_than_its_raters(rated: tuple[Path, list[Scan]], tmp_path: Path) -> None:
    derivatives, scans = rated
    consensus_of_study(scans, [derivatives], tmp_path)
    single, together = [], []
    for number, scan in enumerate(scans):
        truth = lesions(number) > 0
        masks = [np.asarray(nib.load(path).dataobj) > 0 for path in find_rater_masks(scan, [derivatives]).first.values()]
        single.append(np.mean([dice(mask, truth) for mask in masks]))
        together.append(dice(np.asarray(nib.load(scan.derivative(tmp_path, MASK)).dataobj) > 0, truth))
    assert np.all(np.subtract(together, single) > 0.05)


def test_a_second_run_keeps_what_is_there_until_a_mask_changes(rated: tuple[Path, list[Scan]], tmp_path: Path) -> None:
    scan = rated[1][0]
    for label, rater in (("A", EXPERT), ("B", VOLUNTEER)):
        write_rater(tmp_path, [scan], label, rater, 1)
    first = consensus_of_study([scan], [tmp_path], tmp_path)
    again = consensus_of_study([scan], [tmp_path], tmp_path)
    assert (first["status"][0], again["status"][0]) == ("done", "kept")
    assert again["consensus_ml"][0] == first["consensus_ml"][0]
    write_rater(tmp_path, [scan], "B", VOLUNTEER, 2)
    assert consensus_of_study([scan], [tmp_path], tmp_path)["status"][0] == "done"
    assert consensus_of_study([scan], [tmp_path], tmp_path, "majority")["status"][0] == "done"


def test_a_bad_mask_is_a_row_and_stops_nobody(rated: tuple[Path, list[Scan]], tmp_path: Path) -> None:
    good, torn, moved, alone = (Scan(f"sub-{number}", "ses-1", None, None) for number in range(4))
    for scan in (good, torn, moved):
        for label in ("A", "B"):
            write_rater(tmp_path, [scan], label, EXPERT, 1)
    write_rater(tmp_path, [alone], "A", EXPERT, 1)
    find_rater_masks(torn, [tmp_path]).first["B"].write_bytes(b"no image")
    shifted = AFFINE.copy()
    shifted[0, 3] += 2
    write_mask(tmp_path, moved, "raterB", lesions(0) > 0, shifted)
    found = consensus_of_study([good, torn, moved, alone], [tmp_path], tmp_path)
    assert list(found["status"]) == ["done", "failed", "failed", "skipped"]
    assert "raterB" in found["reason"][1] and "another grid" in found["reason"][2] and "only one rater" in found["reason"][3]
    assert len(rate_raters([good, torn, moved, alone], [tmp_path], tmp_path).attrs["failed"]) == 2


def test_a_study_without_raters_says_what_to_do(tmp_path: Path) -> None:
    scan = Scan("sub-1", "ses-1", None, None)
    with pytest.raises(CohortError, match="desc-raterLABEL"):
        consensus_of_study([scan], [tmp_path], tmp_path)
    with pytest.raises(CohortError, match="two raters"):
        rate_raters([scan], [tmp_path], tmp_path)
    with pytest.raises(ConfigError, match="staple, majority, soft"):
        consensus_of_study([scan], [tmp_path], tmp_path, "average")


def test_the_table_ranks_raters_by_their_skill(table: pd.DataFrame) -> None:
    assert table["dice"].idxmin() == "c1"
    assert table.loc[["e1", "e2"], "dice"].min() > table.loc["c1", "dice"] + 0.1
    assert table.loc["c1", "missed_small_share"] > table.loc[["e1", "e2"], "missed_small_share"].max()
    assert table.loc["v1", "outline_bias_mm"] > table.loc["e1", "outline_bias_mm"] > table.loc["c1", "outline_bias_mm"]
    assert np.all(table["dice_low"] <= table["dice"]) and np.all(table["dice"] <= table["dice_high"])


def test_who_draws_twice_is_held_against_himself(table: pd.DataFrame) -> None:
    assert list(table.index[table["n_repeated"] > 0].sort_values()) == ["c1", "e1"]
    assert table.loc["e1", "repeat_dice"] > table.loc["c1", "repeat_dice"] + 0.1
    assert np.isnan(table.loc["v1", "repeat_dice"])


def test_the_careless_rater_is_named_with_reasons(table: pd.DataFrame) -> None:
    assert list(table.index[table["outlier"]]) == ["c1"]
    assert "agrees little" in table.loc["c1", "reason"]


def test_every_column_on_disk_is_described(table: pd.DataFrame, rated: tuple[Path, list[Scan]]) -> None:
    for name in ("raters", "rater_scans", "rater_agreement"):
        written, described = read_tsv(rated[0] / f"{name}.tsv"), read_json(rated[0] / f"{name}.json")
        assert set(described) == {*written.columns, "Parameters"}
    panel = read_tsv(rated[0] / "rater_agreement.tsv").set_index("figure")
    assert 0 < panel.loc["icc_2_1_volume", "estimate"] < 1
    assert panel.loc["krippendorff_alpha_lesions", "low"] <= panel.loc["krippendorff_alpha_lesions", "estimate"]


def test_the_picture_shows_the_scan_of_least_agreement_first(table: pd.DataFrame, rated: tuple[Path, list[Scan]]) -> None:
    from PIL import Image

    derivatives, scans = rated
    consensus_of_study(scans, [derivatives], derivatives)
    with Image.open(draw_raters(scans, [derivatives], derivatives, most=2)) as picture:
        assert picture.size == (1120, 680) and np.asarray(picture.convert("RGB")).std() > 10
    scored = read_tsv(derivatives / "rater_scans.tsv").groupby("participant_id")["dice"].mean()
    shown = rated_slice(next(scan for scan in scans if scan.participant_id == scored.idxmin()), [derivatives], derivatives, scored.min())
    assert list(shown.masks) == ["c1", "e1", "e2", "v1", "v2"] and shown.consensus is not None and shown.flair is None


def test_without_a_table_there_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"rater_scans\.tsv"):
        draw_raters([], [tmp_path], tmp_path)
