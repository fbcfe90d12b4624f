from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.scan import Scan
from dawson.errors import ConfigError
from dawson.files import read_json, sidecar_path, write_sidecar
from dawson.lesions.scan_images import lesion_file
from dawson.lesions.segmenter_consensus import combine, combine_study

SCAN = Scan("sub-01", "ses-01", None, None)


def put(root: Path, maker: str, mask: np.ndarray, probability: np.ndarray | None = None, threshold: float = 0.5) -> None:
    path = SCAN.derivative(root, lesion_file(maker, "mask"))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4)), path)
    write_sidecar(path, {}, {}, SimulatedData=True)
    if probability is not None:
        soft = SCAN.derivative(root, lesion_file(maker, "probseg"))
        nib.save(nib.Nifti1Image(probability.astype(np.float32), np.eye(4)), soft)
        write_sidecar(soft, {}, {"threshold": threshold})


def line(*places: int) -> np.ndarray:
    values = np.zeros((8, 4, 4), dtype=bool)
    values[list(places), 1, 1] = True
    return values


def test_majority_asks_for_more_than_half() -> None:
    masks = [line(1, 2), line(2, 3), line(2, 5)]
    probability, mask = combine(masks, [], "majority", (1.0, 1.0, 1.0))
    assert np.array_equal(mask, line(2))
    assert probability[1, 1, 1] == pytest.approx(1 / 3)
    assert not combine(masks[:2], [], "majority", (1.0, 1.0, 1.0))[1][1, 1, 1]


def test_mean_weighs_how_sure_each_is() -> None:
    soft = [line(1).astype(np.float32), 0.3 * line(1, 2).astype(np.float32)]
    probability, mask = combine([line(1), line()], soft, "mean", (1.0, 1.0, 1.0))
    assert probability[1, 1, 1] == pytest.approx(0.65)
    assert np.array_equal(mask, line(1))


def test_staple_believes_the_two_that_agree() -> None:
    masks = [line(1, 2, 3), line(1, 2, 3), line(6)]
    assert np.array_equal(combine(masks, [], "staple", (1.0, 1.0, 1.0))[1], line(1, 2, 3))


def test_each_maker_is_held_to_its_own_threshold(tmp_path: Path) -> None:
    put(tmp_path, "dawson", line(1), 0.3 * line(1), threshold=0.2)
    put(tmp_path, "classical", line(1), 0.55 * line(1))
    row = combine_study([SCAN], tmp_path, root=tmp_path).iloc[0]
    assert (row["status"], row["makers"], row["lesion_count"]) == ("done", "dawson,classical", 1)
    soft = nib.load(SCAN.derivative(tmp_path, lesion_file("consensus", "probseg")))
    assert np.asarray(soft.dataobj)[1, 1, 1] == pytest.approx((0.5 + 0.1 / 0.8 * 0.5 + 0.55) / 2)


def test_a_consensus_says_what_it_is_made_of_and_is_made_once(tmp_path: Path) -> None:
    put(tmp_path, "dawson", line(1, 2))
    put(tmp_path, "lstai", line(1, 2))
    put(tmp_path, "sim", line(5))
    assert combine_study([SCAN], tmp_path, method="majority", root=tmp_path)["simulated"].all()
    mask = SCAN.derivative(tmp_path, lesion_file("consensus", "mask"))
    said = read_json(sidecar_path(mask))
    assert len(said["Sources"]) == 2
    assert not any("sim" in source for source in said["Sources"])
    assert said["SimulatedData"] is True
    before = mask.stat().st_mtime_ns
    combine_study([SCAN], tmp_path, method="majority", root=tmp_path)
    assert mask.stat().st_mtime_ns == before
    put(tmp_path, "lstai", line(1))
    combine_study([SCAN], tmp_path, method="majority", root=tmp_path)
    assert np.array_equal(np.asarray(nib.load(mask).dataobj) > 0, line(1))


def test_one_mask_is_no_consensus_and_stops_nobody(tmp_path: Path) -> None:
    put(tmp_path, "dawson", line(1))
    row = combine_study([SCAN], tmp_path, root=tmp_path).iloc[0]
    assert row["status"] == "failed"
    assert "has 1 of the masks" in row["reason"]
    with pytest.raises(ConfigError, match="made of"):
        combine_study([SCAN], tmp_path, ("dawson", "consensus"))
