"""A batch: one row a scan, whatever happens to single scans; stopped and resumed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.errors import ConfigError, DawsonError, MissingDependencyError
from dawson.files import read_json, read_tsv, sidecar_path, write_json, write_tsv
from dawson.preprocess import steps as work
from dawson.preprocess.batch import preprocess_cohort, read_preprocess_table
from dawson.preprocess.names import CHANNELS

CONFIG = PreprocessSection()


def _derivatives(study: Path) -> Path:
    return study / "derivatives" / "dawson"


def test_template_space_scans_need_normalisation_and_slices_only(study: Path, scans: list[Scan]) -> None:
    table = preprocess_cohort(scans, study, _derivatives(study), CONFIG)
    assert table["status"].tolist() == ["done", "done"]
    assert table["source"].tolist() == ["template-space"] * 2
    channels = np.load(scans[0].derivative(_derivatives(study), CHANNELS))
    assert channels.shape == (5, 128, 128)
    assert channels.dtype == np.float32
    assert not channels[:, 0].any()
    assert 0.5 < channels[channels != 0].std() < 1.5
    assert not list(_derivatives(study).rglob("*.nii.gz"))
    sidecar = read_json(sidecar_path(scans[0].derivative(_derivatives(study), CHANNELS)))
    assert sidecar["Sources"] == ["sub-01/anat/sub-01_FLAIR.nii.gz"]
    assert read_json(_derivatives(study) / "dataset_description.json")["DatasetType"] == "derivative"


def test_each_bad_scan_is_a_row_with_its_reason_and_stops_no_other(study: Path, scans: list[Scan]) -> None:
    folder = study / "sub-03" / "anat"
    folder.mkdir(parents=True)
    (folder / "text.nii.gz").write_text("not an image")
    whole = scans[0].flair.read_bytes()
    (folder / "truncated.nii.gz").write_bytes(whole[: len(whole) // 2])
    bad = [
        Scan("sub-03", "", None, folder / "text.nii.gz"),
        Scan("sub-04", "", None, folder / "truncated.nii.gz"),
        Scan("sub-05", "", None, folder / "none.nii.gz"),
        Scan("sub-06", "", scans[0].flair, None),
        Scan("sub-07", "", None, None),
    ]
    table = preprocess_cohort([*bad, *scans], study, _derivatives(study), CONFIG)
    assert table["status"].tolist() == ["failed"] * 5 + ["done"] * 2
    for reason, part in zip(table["reason"], ["no image file", "truncated", "does not exist", "only a T1w", "neither"], strict=False):
        assert part in reason
    again = read_preprocess_table(_derivatives(study))
    assert again["participant_id"].tolist() == [f"sub-{number:02d}" for number in range(1, 8)]
    assert again["session_id"].tolist() == [""] * 7


def test_a_scan_that_fails_after_it_was_done_leaves_no_channel_image(study: Path, scans: list[Scan]) -> None:
    preprocess_cohort(scans, study, _derivatives(study), CONFIG)
    scans[0].flair.write_text("not an image")
    preprocess_cohort(scans, study, _derivatives(study), CONFIG)
    assert not scans[0].derivative(_derivatives(study), CHANNELS).exists()
    assert scans[1].derivative(_derivatives(study), CHANNELS).exists()


def test_a_second_run_changes_no_file_and_some_scans_alone_keep_the_rows_of_others(study: Path, scans: list[Scan]) -> None:
    first = preprocess_cohort(scans, study, _derivatives(study), CONFIG)
    path = scans[0].derivative(_derivatives(study), CHANNELS)
    before = path.stat().st_mtime_ns
    second = preprocess_cohort(scans[:1], study, _derivatives(study), CONFIG)
    assert path.stat().st_mtime_ns == before
    assert second["seconds"].tolist() == first["seconds"].tolist()[:1]
    assert read_preprocess_table(_derivatives(study))["participant_id"].tolist() == ["sub-01", "sub-02"]


def test_other_slices_make_another_channel_image(study: Path, scans: list[Scan]) -> None:
    preprocess_cohort(scans[:1], study, _derivatives(study), CONFIG)
    preprocess_cohort(scans[:1], study, _derivatives(study), PreprocessSection(slices_mm=(10.0, 0.0)))
    assert np.load(scans[0].derivative(_derivatives(study), CHANNELS)).shape == (2, 128, 128)


def test_two_processes_give_the_same_rows(study: Path, scans: list[Scan]) -> None:
    table = preprocess_cohort(scans, study, _derivatives(study), CONFIG, jobs=2)
    assert table["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert table["status"].tolist() == ["done", "done"]


def test_a_full_disk_stops_the_batch_with_a_clear_error(study: Path, scans: list[Scan], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(work, "from_template_space", full)
    with pytest.raises(DawsonError, match=r"disk is full.*next run goes on"):
        preprocess_cohort(scans, study, _derivatives(study), CONFIG)


def test_a_missing_program_is_told_before_the_first_scan(study: Path, scans: list[Scan]) -> None:
    with pytest.raises(ConfigError, match="bet2"):
        preprocess_cohort(scans, study, _derivatives(study), PreprocessSection(brain_extractor="bet2"))
    try:
        import ants  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match="antspyx"):
            preprocess_cohort(scans, study, _derivatives(study), PreprocessSection(registration="ants"))


def test_a_killed_run_is_resumed(study: Path, scans: list[Scan]) -> None:
    derivatives = _derivatives(study)
    program = (
        "import sys; from pathlib import Path; from dawson.cohort.scan import Scan; from dawson.config import PreprocessSection\n"
        "from dawson.preprocess.batch import preprocess_cohort\n"
        "root = Path(sys.argv[1]); flairs = sorted(root.glob('sub-*/anat/*.nii.gz'))\n"
        "scans = [Scan(f.parts[-3], '', None, f) for f in flairs]\n"
        "preprocess_cohort(scans, root, root / 'derivatives' / 'dawson', PreprocessSection())\n"
    )
    running = subprocess.Popen([sys.executable, "-c", program, str(study)], stderr=subprocess.DEVNULL)
    first = scans[0].derivative(derivatives, CHANNELS)
    deadline = time.monotonic() + 60
    while not sidecar_path(first).exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert sidecar_path(first).exists()
    before = first.stat().st_mtime_ns
    table = preprocess_cohort(scans, study, derivatives, CONFIG)
    assert table["status"].tolist() == ["done", "done"]
    assert first.stat().st_mtime_ns == before
    assert not list(derivatives.rglob(".part-*"))


def _mark_simulated(scan: Scan) -> None:
    path = sidecar_path(scan.flair)
    write_json(path, read_json(path) | {"SimulatedData": True})


def test_each_row_says_whether_its_scan_is_simulated_wherever_it_is_written(study: Path, scans: list[Scan], tmp_path: Path) -> None:
    _mark_simulated(scans[0])
    folder = study / "sub-03" / "anat"
    folder.mkdir(parents=True)
    (folder / "sub-03_FLAIR.nii.gz").write_text("not an image")
    write_json(folder / "sub-03_FLAIR.json", {"SimulatedData": True})
    bad = Scan("sub-03", "", None, folder / "sub-03_FLAIR.nii.gz")
    table = preprocess_cohort([*scans, bad], study, tmp_path / "out", CONFIG)
    assert table["simulated"].tolist() == [True, False, True]
    assert table["status"].tolist()[2] == "failed"
    lines = (tmp_path / "out" / "preprocess.tsv").read_text().splitlines()
    assert [line.split("\t")[-1] for line in lines] == ["simulated", "true", "false", "true"]


def test_rows_of_a_table_without_the_column_simulated_are_kept_and_filled(study: Path, scans: list[Scan]) -> None:
    derivatives = _derivatives(study)
    preprocess_cohort(scans, study, derivatives, CONFIG)
    path = derivatives / "preprocess.tsv"
    write_tsv(path, read_tsv(path).drop(columns="simulated"))
    assert read_preprocess_table(derivatives)["status"].tolist() == ["done", "done"]
    _mark_simulated(scans[1])
    preprocess_cohort(scans[:1], study, derivatives, CONFIG)
    again = read_preprocess_table(derivatives)
    assert again["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert again["simulated"].tolist() == [False, True]
    assert pd.api.types.is_bool_dtype(again["simulated"])
