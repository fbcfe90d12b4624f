from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.scan import Scan
from dawson.errors import CohortError
from dawson.files import read_json, read_tsv
from dawson.imaging.region_atlas import region_atlas
from dawson.imaging.template import TEMPLATE_SPACE, template_image, template_mask
from dawson.imaging.transforms import Affine, Warp
from dawson.lesions.measure import measure_study, read_measures
from dawson.lesions.measure_columns import COLUMNS, DICTIONARY, TABLE
from dawson.lesions.scan_images import lesion_file
from dawson.preprocess import names

PREFERENCE = ("expert", "dawson", "sim")


@pytest.fixture(scope="module")
def brain() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1w, mask and affine of the template's tissues at 3 mm."""
    image, mask = template_image(3.0), template_mask(3.0)
    affine = np.asarray(image.affine, dtype=float)
    voxels, inside = region_atlas().voxels(np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3])
    shares = np.stack([part[tuple(voxels.T)] * inside for part in (region_atlas().csf, region_atlas().gm, region_atlas().wm)])
    values = np.zeros(mask.shape, dtype=np.float32)
    values[mask] = 70 * (1 - shares[1] - shares[2]) + 150 * shares[1] + 220 * shares[2]
    values[mask] += np.random.default_rng(0).normal(0, 4, int(mask.sum()))
    return np.maximum(values, mask * np.float32(1)), mask, affine


def put_scan(root: Path, brain: tuple, session: str = "ses-01") -> Scan:
    """A scan that is in template space already, as simulated ones are."""
    values, _, affine = brain
    folder = root / "sub-01" / session / "anat"
    folder.mkdir(parents=True)
    paths = [folder / f"sub-01_{session}_{contrast}.nii.gz" for contrast in ("T1w", "FLAIR")]
    for path in paths:
        nib.save(nib.Nifti1Image(values, affine), path)
        told = {"SkullStripped": True, "Space": TEMPLATE_SPACE, "SimulatedData": True}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(told))
    return Scan("sub-01", session, *paths)


def put_mask(derivatives: Path, scan: Scan, maker: str, brain: tuple, centres: tuple[tuple[float, float, float], ...]) -> Path:
    _, mask, affine = brain
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in mask.shape), indexing="ij"), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    lesions = np.zeros(mask.shape, dtype=np.uint8)
    for centre in centres:
        lesions[np.linalg.norm(grid - centre, axis=-1) <= 4.5] = 1
    path = scan.derivative(derivatives, lesion_file(maker, "mask"))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(lesions, affine), path)
    return path


DEEP, SIDE, STEM = (-30.0, -22.0, 33.0), (30.0, -22.0, 33.0), (0.0, -26.0, -34.0)


def test_a_row_for_each_scan_and_maker(tmp_path: Path, brain: tuple) -> None:
    derivatives = tmp_path / "derivatives" / "dawson"
    scan = put_scan(tmp_path, brain)
    put_mask(derivatives, scan, "sim", brain, (DEEP, SIDE, STEM))
    put_mask(derivatives, scan, "dawson", brain, (DEEP,))
    table = measure_study([scan], [derivatives], derivatives, PREFERENCE).set_index("maker")
    assert table["status"].tolist() == ["done", "done"]
    assert table["lesions"].to_dict() == {"dawson": 1, "sim": 3}
    assert table["preferred"].to_dict() == {"dawson": True, "sim": False}
    assert table.loc["sim", "n_infratentorial"] == 1
    assert table.loc["sim", "total_ml"] == pytest.approx(3 * table.loc["dawson", "total_ml"], rel=0.2)
    assert table.loc["sim", "own_ml"] == pytest.approx(table.loc["sim", "total_ml"], rel=1e-3)
    assert table["simulated"].all()
    assert table["head_scaling"].isna().all()
    assert table.loc["sim", "brain_ml"] == pytest.approx(table.loc["sim", "gm_ml"] + table.loc["sim", "wm_ml"], abs=0.01)


def test_the_table_on_disk_is_described_and_keeps_others(tmp_path: Path, brain: tuple) -> None:
    derivatives = tmp_path / "derivatives" / "dawson"
    scan = put_scan(tmp_path, brain)
    put_mask(derivatives, scan, "sim", brain, (DEEP,))
    put_mask(derivatives, scan, "expert", brain, (DEEP, SIDE))
    measure_study([scan], [derivatives], derivatives, PREFERENCE, makers=("sim",))
    measure_study([scan], [derivatives], derivatives, PREFERENCE, makers=("expert",))
    table = read_measures(derivatives)
    assert table["maker"].tolist() == ["expert", "sim"]
    assert table["lesions"].astype(int).tolist() == [2, 1]
    assert list(read_json(derivatives / DICTIONARY)) == list(COLUMNS) == list(read_tsv(derivatives / TABLE).columns)
    assert "\tTrue\t" not in (derivatives / TABLE).read_text()


def test_what_was_measured_is_kept_until_the_mask_changes(tmp_path: Path, brain: tuple) -> None:
    derivatives = tmp_path / "derivatives" / "dawson"
    scan = put_scan(tmp_path, brain)
    put_mask(derivatives, scan, "sim", brain, (DEEP,))
    kept = scan.derivative(derivatives, f"space-{TEMPLATE_SPACE}_label-lesion_desc-sim_measures.json")
    first = measure_study([scan], [derivatives], derivatives, PREFERENCE)
    before = kept.stat().st_mtime_ns
    again = measure_study([scan], [derivatives], derivatives, PREFERENCE)
    assert kept.stat().st_mtime_ns == before
    assert again.astype(str).equals(first.astype(str))
    put_mask(derivatives, scan, "sim", brain, (DEEP, SIDE))
    assert measure_study([scan], [derivatives], derivatives, PREFERENCE)["lesions"].tolist() == [2]


def test_volumes_are_those_of_the_head_as_scanned(tmp_path: Path, brain: tuple) -> None:
    derivatives = tmp_path / "derivatives" / "dawson"
    values, mask, affine = brain
    scan = Scan("sub-01", "ses-01", None, None)
    mask_path = put_mask(derivatives, scan, "expert", brain, (DEEP,))
    for name, content in (
        (names.preprocessed("FLAIR"), values),
        (names.preprocessed("T1w"), values),
        (names.TEMPLATE_BRAIN, mask.astype(np.uint8)),
    ):
        nib.save(nib.Nifti1Image(content, affine), scan.derivative(derivatives, name))
    linear, warp = (scan.derivative(derivatives, name) for name in names.to_template("T1w"))
    Affine(np.diag([1.1, 1.0, 1.0, 1.0])).save(linear)
    Warp(np.zeros((*mask.shape, 3), dtype=np.float32), affine).save(warp)
    row = measure_study([scan], [derivatives], derivatives, PREFERENCE).iloc[0]
    inside = np.asarray(nib.load(mask_path).dataobj).sum() * 0.027
    assert row["own_ml"] == pytest.approx(1.1 * inside, rel=1e-3)
    assert row["head_scaling"] == pytest.approx(1 / 1.1, rel=1e-3)
    assert row["brain_normalised_ml"] == pytest.approx(row["brain_ml"] / 1.1, rel=1e-3)
    assert row["csf_ml"] + row["brain_ml"] == pytest.approx(1.1 * mask.sum() * 0.027, rel=1e-3)


def test_sessions_are_compared_with_the_one_before(tmp_path: Path, brain: tuple) -> None:
    derivatives = tmp_path / "derivatives" / "dawson"
    values, mask, affine = brain
    wider = values.copy()
    x = np.argwhere(mask)[:, 0] * affine[0, 0] + affine[0, 3]
    wider[tuple(np.argwhere(mask)[np.abs(x) > 55].T)] = 70
    scans = [put_scan(tmp_path, brain), put_scan(tmp_path, (wider, mask, affine), "ses-02")]
    for scan in scans:
        put_mask(derivatives, scan, "sim", brain, (DEEP,))
    first, second = measure_study(scans, [derivatives], derivatives, PREFERENCE).to_dict("records")
    assert first["since_session_id"] == ""
    assert second["since_session_id"] == "ses-01"
    assert second["bpf_change_percent"] == pytest.approx(100 * (second["bpf"] / first["bpf"] - 1), abs=0.01)
    assert second["bpf_change_percent"] < -2


def test_a_bad_mask_and_a_scan_without_one_stop_nobody(tmp_path: Path, brain: tuple) -> None:
    derivatives = tmp_path / "derivatives" / "dawson"
    good = Scan("sub-02", "", None, None)
    put_mask(derivatives, good, "expert", brain, (DEEP,))
    bad = put_mask(derivatives, Scan("sub-03", "", None, None), "expert", brain, (DEEP,))
    bad.write_bytes(bad.read_bytes()[:200])
    scans = [good, Scan("sub-03", "", None, None), Scan("sub-04", "", None, None)]
    table = measure_study(scans, [derivatives], derivatives, PREFERENCE)
    assert table["status"].tolist() == ["done", "failed", "failed"]
    assert "no tissue volumes" in table["reason"][0]
    assert "cannot be measured" in table["reason"][1]
    assert "no such lesion mask" in table["reason"][2]
    with pytest.raises(CohortError, match="No scan has a lesion mask"):
        measure_study(scans[2:], [derivatives], derivatives, PREFERENCE)
