"""LST-AI and MindGlide are not installed where tests run: small programs stand in for them on PATH.

They take the options that the real ones document and write the files that the real ones write (LST-AI 1.0 to 1.2 and the later layout with
`--probability_map`; MindGlide `-i -o --device`): what is tested is the calling and the reading back, not the segmentation.
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.errors import CohortError, MissingDependencyError, ModelError
from dawson.lesions.lst_ai import LST_AI
from dawson.lesions.mindglide import MINDGLIDE
from dawson.lesions.segmenters import segmenter_named

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])

_LST = """
import argparse, os
import nibabel as nib, numpy as np
parser = argparse.ArgumentParser()
for name in ("--t1", "--flair", "--output", "--temp", "--device", "--threads"):
    parser.add_argument(name, required=True)
for name in ("--segment_only", "--stripped", {more}):
    parser.add_argument(name, action="store_true")
args = parser.parse_args()
assert args.t1.endswith(".nii.gz") and args.flair.endswith(".nii.gz") and args.stripped and args.segment_only and args.device == "cpu"
image = nib.load(args.flair)
values = np.asarray(image.dataobj)
os.makedirs(args.output)
os.makedirs(args.temp)
nib.save(nib.Nifti1Image((values > 100).astype(np.uint8), image.affine), os.path.join(args.output, "{mask}"))
if getattr(args, "probability_map", False):
    soft = nib.Nifti1Image((values / 200).astype(np.float32), image.affine)
    nib.save(soft, os.path.join(args.temp, "sub-X_ses-Y_space-FLAIR_seg-lst_prob.nii.gz"))
"""

_MINDGLIDE = """
import argparse
import nibabel as nib, numpy as np
parser = argparse.ArgumentParser()
parser.add_argument("-i", required=True)
parser.add_argument("-o", required=True)
parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"])
args = parser.parse_args()
image = nib.load(args.i)
values = np.asarray(image.dataobj)
labels = np.where(values > 100, 18, np.where(values > 0, 13, 0)).astype(np.uint8)
{change}
nib.save(nib.Nifti1Image(labels, affine), args.o)
"""


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def scan() -> tuple[nib.Nifti1Image, nib.Nifti1Image, np.ndarray]:
    values = np.full((12, 13, 14), 50, dtype=np.float32)
    values[4:6, 4:6, 4:6] = 150
    values[9, 9, 9] = 120
    brain = np.ones(values.shape, dtype=bool)
    brain[9, 9, 9] = False
    return nib.Nifti1Image(values, AFFINE), nib.Nifti1Image(values, AFFINE), brain


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.mark.parametrize("name", ["lstai", "mindglide"])
def test_a_program_that_is_not_there_says_how_to_get_it(path: Path, scan: tuple, name: str) -> None:
    segmenter = segmenter_named(name)
    for ask in (lambda: segmenter.segment(*scan), segmenter.identity):  # type: ignore[attr-defined]
        with pytest.raises(MissingDependencyError, match=r"not installed.*github\.com"):
            ask()


@pytest.mark.parametrize(("mask", "more"), [("space-orig_seg-lst.nii.gz", ""), ("space-flair_seg-lst.nii.gz", '"--probability_map"')])
def test_lst_ai_of_either_layout_is_read(path: Path, scan: tuple, mask: str, more: str) -> None:
    program(path, "lst", _LST.format(mask=mask, more=more))
    found = LST_AI.segment(*scan, threads=2)
    lesion = (np.asarray(scan[0].dataobj) > 100) & scan[2]
    assert np.array_equal(found.mask((2.0, 2.0, 2.0)), lesion)
    assert found.maker == "lstai"
    assert found.probability[lesion] == pytest.approx(0.75 if more else 1.0)
    assert found.probability[0, 0, 0] == pytest.approx(0.25 if more else 0.0)


def test_lst_ai_needs_a_t1w(path: Path, scan: tuple) -> None:
    program(path, "lst", "")
    with pytest.raises(CohortError, match="no T1w"):
        LST_AI.segment(scan[0], None, scan[2])


def test_a_program_that_fails_or_writes_nothing_is_told(path: Path, scan: tuple) -> None:
    program(path, "lst", "import sys; sys.exit('no weights here')")
    with pytest.raises(ModelError, match="no weights here"):
        LST_AI.segment(*scan)
    program(path, "lst", "")
    with pytest.raises(ModelError, match="without its result"):
        LST_AI.segment(*scan)


_SAME = "affine = image.affine"
_MIRRORED = "labels, affine = labels[::-1], image.affine @ np.array([[-1, 0, 0, 11], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])"


@pytest.mark.parametrize("change", [_SAME, _MIRRORED])
def test_mindglides_lesion_label_is_read_on_our_grid(path: Path, scan: tuple, change: str) -> None:
    program(path, "mindglide", _MINDGLIDE.format(change=change))
    found = MINDGLIDE.segment(scan[0], None, scan[2])
    assert np.array_equal(found.mask((2.0, 2.0, 2.0)), (np.asarray(scan[0].dataobj) > 100) & scan[2])
    assert found.maker == "mindglide"


def test_nothing_of_a_run_stays_behind(path: Path, scan: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program(path, "mindglide", _MINDGLIDE.format(change=_SAME))
    MINDGLIDE.segment(scan[0], None, scan[2])
    assert [item.name for item in tmp_path.iterdir()] == ["bin"]
