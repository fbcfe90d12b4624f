"""A session loses its faces and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from dawson.errors import ImageError
from dawson.imaging.face import FACE_IS_THERE, PlacedHead, face_present
from dawson.imaging.face_surface import solid_head
from dawson.imaging.transforms import Affine
from dawson.imaging.volumes import read_volume
from dawson.intake.deface import Defaced, DefacedScan, choose_reference, deface_session, examine

_FILE = Path(__file__).parents[2] / "benchmarks" / "face_removal.py"


@pytest.fixture(scope="module")
def benchmark_script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("face_removal", _FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # its dataclasses look their module up by name
    sys.modules["face_removal"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["face_removal"]


@dataclass(frozen=True)
class Session:
    """A simulated session before and after."""

    images: dict[str, Path]
    truth: dict[str, np.ndarray]
    done: Defaced

    def before(self, contrast: str) -> np.ndarray:
        return np.asarray(nib.load(self.images[contrast]).dataobj)

    def after(self, contrast: str) -> np.ndarray:
        return np.asarray(nib.load(self.done.written[self.images[contrast]]).dataobj)


@pytest.fixture(scope="module")
def session(benchmark_script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """T1w of slices of 1.5 mm with a FLAIR of slices of 5 mm, of an old scanner."""
    folder = tmp_path_factory.mktemp("a session with spaces")
    head = benchmark_script.simulate_head("old", 40, folder)
    done = deface_session(head.images, folder / "out", picture=folder / "picture.png")
    return Session(head.images, {name: np.asarray(nib.load(path).dataobj) for name, path in head.truth.items()}, done)


def test_a_session_passes_and_no_true_brain_voxel_changes(session: Session, benchmark_script: ModuleType) -> None:
    assert session.done.passed and session.done.reason == "" and session.done.changed_brain_voxels == 0
    assert session.done.reference == session.images["T1w"]
    for contrast, truth in session.truth.items():
        brain = truth == benchmark_script.BRAIN
        assert brain.sum() > 1000
        np.testing.assert_array_equal(session.before(contrast)[brain], session.after(contrast)[brain])


@pytest.mark.parametrize("contrast", ["T1w", "FLAIR"])
def test_the_true_face_and_ears_are_gone(session: Session, benchmark_script: ModuleType, contrast: str) -> None:
    paths = session.images[contrast], session.done.written[session.images[contrast]]
    for part in (benchmark_script.FACE, benchmark_script.EARS):
        there = session.truth[contrast] == part
        assert there.any()
        assert benchmark_script.changed_share(*paths, there)[1] >= 0.99


def test_no_outline_is_left_where_the_face_was(session: Session, benchmark_script: ModuleType) -> None:
    """In what was filled, the values under the face are those of the air before it."""
    values, truth = session.after("T1w").astype(float), session.truth["T1w"]
    face = truth == benchmark_script.FACE
    changed = values != session.before("T1w")
    before_it = changed & (truth == 0)
    assert abs(values[face & changed].mean() - values[before_it].mean()) < 0.1 * values[before_it].mean()
    assert values[face & changed].max() < np.median(session.before("T1w")[truth == benchmark_script.BRAIN])


def test_geometry_and_type_stay(session: Session) -> None:
    for contrast, path in session.images.items():
        source, copy = nib.load(path), nib.load(session.done.written[path])
        np.testing.assert_array_equal(copy.affine, source.affine)
        assert copy.get_data_dtype() == source.get_data_dtype() and copy.shape == source.shape, contrast
        assert bytes(copy.header["descrip"]).strip(b"\0") == b""


def test_the_picture_is_written(session: Session) -> None:
    assert session.done.picture.read_bytes().startswith(b"\x89PNG")
    assert session.done.picture.stat().st_size > 100_000


def test_the_head_is_shorter_in_front_of_the_ears(session: Session) -> None:
    """Seen from the side, nose and chin stand out before and no longer."""
    image = nib.load(session.images["T1w"])
    level = 0.25 * float(np.median(session.before("T1w")[session.truth["T1w"] == 3]))
    lower = [
        solid_head(read_volume(path), level)[:, :, :60].any(axis=(0, 2))
        for path in (session.images["T1w"], session.done.written[session.images["T1w"]])
    ]
    assert image.shape[2] > 60
    reach = [int(np.flatnonzero(part)[-1]) for part in lower]
    assert reach[1] < reach[0] - 40


@pytest.mark.slow
def test_heads_with_faces_are_told_from_those_without(session: Session) -> None:
    for path in session.images.values():
        assert face_present(read_volume(path)) >= 2 * FACE_IS_THERE
        assert face_present(read_volume(session.done.written[path])) < FACE_IS_THERE / 2
    image, truth = read_volume(session.images["T1w"]), session.truth["T1w"]
    brain = nib.Nifti1Image(np.where(truth == 3, np.asarray(image.dataobj), np.float32(0)), image.affine)
    assert face_present(brain) < FACE_IS_THERE / 2


@pytest.mark.slow
def test_preprocessing_sees_no_difference(session: Session, benchmark_script: ModuleType, tmp_path: Path) -> None:
    after = {contrast: session.done.written[path] for contrast, path in session.images.items()}
    (raw_row, raw), (row, new) = (
        benchmark_script.channels(session.images, tmp_path / "raw"),
        benchmark_script.channels(after, tmp_path / "new"),
    )
    alike = benchmark_script.correlations(raw, new)
    assert min(alike.whole, alike.both, alike.either) >= 0.995
    assert benchmark_script.brain_in_one(raw, new) < 0.01
    assert abs(row.wm_dice - raw_row.wm_dice) < 0.01


@pytest.mark.slow
def test_a_persons_word_overrules_a_doubt_about_the_face_and_nothing_else(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flair = session.images["FLAIR"]

    def deface(accepted: tuple[str, ...], name: str) -> Defaced:
        return deface_session({"FLAIR": flair}, tmp_path / name, picture=tmp_path / f"{name}.png", accepted=accepted)

    monkeypatch.setattr("dawson.intake.deface.FACE_IS_THERE", -1.0)
    doubted = deface((), "doubted")
    assert not doubted.passed and "a face is still there" in doubted.reason and not list((tmp_path / "doubted").glob("*"))
    taken = deface(("FLAIR",), "taken")
    assert taken.passed and "a face is still there" in taken.accepted[flair] and taken.written[flair].is_file()
    monkeypatch.setattr("dawson.intake.deface.BRAIN_MARGIN_MM", 40.0)
    touched = deface(("FLAIR",), "touched")
    assert not touched.passed and "of the brain or its margin were changed" in touched.reason and touched.accepted == {}


@pytest.mark.slow
def test_two_heads_are_not_one_session(session: Session, benchmark_script: ModuleType, tmp_path: Path) -> None:
    other = benchmark_script.simulate_head("old", 41, tmp_path)
    done = deface_session(
        {"T1w": session.images["T1w"], "FLAIR": other.images["FLAIR"]}, tmp_path / "out", picture=tmp_path / "picture.png", reference="T1w"
    )
    assert not done.passed and "another head" in done.reason and done.written == {}
    assert not list((tmp_path / "out").glob("*.nii*")) and done.picture.exists()


@pytest.mark.slow
@pytest.mark.data
def test_a_real_head_loses_its_face(reference_data: Path, tmp_path: Path) -> None:
    source = reference_data / "heads" / "whole-head_FLAIR.nii.gz"
    done = deface_session({"FLAIR": source}, tmp_path / "out", picture=tmp_path / "picture.png")
    assert done.passed and done.changed_brain_voxels == 0
    assert face_present(read_volume(source)) >= FACE_IS_THERE > 2 * face_present(read_volume(done.written[source]))


@pytest.fixture
def scan(tmp_path: Path) -> DefacedScan:
    """A block of tissue, in the template's place, whose upper half is brain; the copy is the source with the lower front filled."""
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-98, -130, -150]
    shape = (50, 62, 60)
    values = np.random.default_rng(0).integers(90, 110, shape).astype(np.int16)
    brain = np.zeros(shape, dtype=np.uint8)
    brain[10:40, 10:45, 35:55] = 1
    removed = np.zeros(shape, dtype=bool)
    removed[:, 33:, :32] = True
    source, output = tmp_path / "head.nii.gz", tmp_path / "out.nii.gz"
    nib.save(nib.Nifti1Image(values, affine), source)
    nib.save(nib.Nifti1Image(np.where(removed, np.int16(1), values), affine), output)
    head = PlacedHead(read_volume(source), nib.Nifti1Image(brain, affine), Affine(np.eye(4)), 1.0)
    return DefacedScan("T1w", source, output, head, removed)


def test_the_guard_is_content_with_an_untouched_brain(scan: DefacedScan) -> None:
    examine(scan)
    assert scan.problems == [] and scan.doubts == [] and scan.changed == 0


def test_the_guard_sees_one_changed_voxel_beside_the_brain(scan: DefacedScan) -> None:
    values = np.asarray(nib.load(scan.output).dataobj).copy()
    values[20, 20, 34] = 1
    nib.save(nib.Nifti1Image(values, scan.head.image.affine), scan.output)
    examine(scan)
    assert scan.changed == 1 and "1 voxels of the brain" in scan.problems[0]


def test_the_guard_sees_a_face_that_stays(scan: DefacedScan) -> None:
    scan.removed[:] = False
    nib.save(nib.load(scan.source), scan.output)
    examine(scan)
    assert any("reaches into the face" in doubt for doubt in scan.doubts)
    assert any("face is still there" in doubt for doubt in scan.doubts)
    assert scan.problems == []


def test_the_guard_sees_another_geometry(scan: DefacedScan) -> None:
    image = nib.load(scan.output)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine + 0.01 * np.eye(4)), scan.output)
    examine(scan)
    assert "geometry" in scan.problems[0]


def _empty(path: Path, spacing: tuple[float, float, float]) -> Path:
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), dtype=np.uint8), np.diag([*spacing, 1.0])), path)
    return path


def test_the_reference_is_a_3d_t1w_then_the_best_there_is(tmp_path: Path) -> None:
    thick, thin = (0.5, 0.5, 5.0), (1.0, 1.0, 1.2)
    images = {
        "T2w": _empty(tmp_path / "a.nii.gz", thin),
        "FLAIR": _empty(tmp_path / "b.nii.gz", thin),
        "acq-2D_T1w": _empty(tmp_path / "c.nii.gz", thick),
        "acq-3D_T1w": _empty(tmp_path / "d.nii.gz", thin),
    }
    assert choose_reference(images) == "acq-3D_T1w"
    images.pop("acq-3D_T1w")
    assert choose_reference(images) == "FLAIR"
    assert choose_reference({name: images[name] for name in ("acq-2D_T1w", "T2w")}) == "T2w"
    thick_ones = {"FLAIR": _empty(tmp_path / "e.nii.gz", thick), "acq-2D_T1w": images["acq-2D_T1w"]}
    assert choose_reference(thick_ones) == "acq-2D_T1w"


def test_a_source_is_never_overwritten_and_names_never_collide(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    first, second = _empty(tmp_path / "a.nii.gz", (1, 1, 1)), _empty(tmp_path / "b" / "a.nii.gz", (1, 1, 1))
    picture = tmp_path / "p.png"
    with pytest.raises(ImageError, match="overwritten"):
        deface_session({"T1w": first}, tmp_path, picture=picture)
    with pytest.raises(ImageError, match="two scans"):
        deface_session({"T1w": first, "FLAIR": second}, tmp_path / "out", picture=picture)
    with pytest.raises(ImageError, match="no scan"):
        deface_session({}, tmp_path / "out", picture=picture)
    with pytest.raises(ImageError, match="reference 'T2w'"):
        deface_session({"T1w": first}, tmp_path / "out", picture=picture, reference="T2w")
    with pytest.raises(ImageError, match="does not exist"):
        deface_session({"T1w": tmp_path / "none.nii.gz"}, tmp_path / "out", picture=picture)
    assert not (tmp_path / "out").exists() and not picture.exists()


@pytest.mark.slow
def test_an_image_without_a_head_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.nii.gz"
    nib.save(nib.Nifti1Image(rng.integers(0, 50, (60, 60, 60)).astype(np.int16), np.diag([3.0, 3.0, 3.0, 1.0])), path)
    with pytest.raises(ImageError, match=r"noise\.nii\.gz"):
        deface_session({"T1w": path}, tmp_path / "out", picture=tmp_path / "p.png")
    assert not list(tmp_path.glob("out/*"))
