"""One simulated scan on disk: the raw images, and the truth as derivatives."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from dawson.cohort.scan import Scan
from dawson.files import atomic_path, read_tsv, sidecar_path, write_json, write_tsv
from dawson.imaging.brain_regions import LABELS
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.simulation.anatomy import atlas
from dawson.simulation.brain import Brain, Scene, make_scene
from dawson.simulation.course import PatientCourse
from dawson.simulation.native import native_scan
from dawson.simulation.people import Person
from dawson.simulation.scanner import Contrast, ScannerState, draw_scanner, site_named, with_thickness
from dawson.simulation.streams import stream
from dawson.simulation.tables import DERIVATIVES
from dawson.simulation.template_space import SHAPE_LEFT, template_scan

SPACES = {"template": f"space-{TEMPLATE_SPACE}", "native": "space-T1w"}
"""What stands in the names of the truth's images."""

TISSUES = {"1": "cerebrospinal fluid", "2": "grey matter", "3": "white matter"}
"""Labels of the tissue map."""

LESION_COLUMNS = (
    "number", "kind", "findings", "x_mm", "y_mm", "z_mm", "volume_ml", "previous_volume_ml", "change", "brightness", "black_hole",
)  # fmt: skip
"""Columns of the table of true lesions."""


@dataclass(frozen=True)
class VisitFiles:
    """Where the files of one scan lie.

    Parameters
    ----------
    out : Path
        The dataset.
    scan : Scan
        Participant and session.
    space : {"template", "native"}
    """

    out: Path
    scan: Scan
    space: str

    def raw(self, contrast: Contrast) -> Path:
        """The image of a contrast."""
        return self.out / self.scan.folder / f"{self.scan.entities}_{contrast}.nii.gz"

    def truth(self) -> dict[str, Path]:
        """Images of the truth by what they show."""
        space = SPACES[self.space]
        names = {
            "lesion": f"{space}_label-lesion_desc-sim_mask.nii.gz",
            "instances": f"{space}_label-lesion_desc-sim_dseg.nii.gz",
            "labels": f"{space}_desc-sim_dseg.nii.gz",
        }
        if self.space == "native":
            names |= {"brain": f"{space}_label-brain_desc-sim_mask.nii.gz", "tissues": f"{space}_desc-tissue_dseg.nii.gz"}
        return {name: self.scan.derivative(self.out / DERIVATIVES, file) for name, file in names.items()}

    def lesions(self) -> Path:
        """The table of true lesions."""
        return self.scan.derivative(self.out / DERIVATIVES, "desc-sim_lesions.tsv")

    def finished(self) -> bool:
        """Whether everything is there."""
        images = [*self.truth().values(), self.raw("T1w"), self.raw("FLAIR")]
        return self.lesions().is_file() and all(path.is_file() and sidecar_path(path).is_file() for path in images)


def write_visit(
    files: VisitFiles,
    before: VisitFiles | None,
    person: Person,
    number: int,
    course: PatientCourse,
    own: Brain,
    seed: int,
    thickness_mm: float | None = None,
) -> None:
    """Simulate one scan of a person and write it.

    Parameters
    ----------
    files : VisitFiles
    before : VisitFiles, optional
        Those of the scan before, to tell what changed.
    person : Person
    number : int
        Of the visit, from 0.
    course : PatientCourse
    own : Brain
        The person's, with lesions placed.
    seed : int
        Of the cohort.
    thickness_mm : float, optional
        Of FLAIR slices, in template space the blur that they leave; by default the site's.
    """
    session = person.visits[number].session_id
    rng = stream(seed, person.participant_id, session, "scan")
    state = draw_scanner(person.site, seed, person.participant_id, session)
    if thickness_mm is not None:
        state = with_thickness(state, thickness_mm)
    left = SHAPE_LEFT if files.space == "template" else 1.0
    scene = make_scene(person, number, atlas(), own, state, rng, shape=left)
    if files.space == "template":
        images, truth, grids = _template(scene, state, rng)
    else:
        images, truth, grids = _native(scene, person, state, rng, seed)
    table = lesion_table(course, own, number, truth["instances"], grids["T1w"], _volumes(before))
    write_tsv(files.lesions(), table)
    raw = [f"bids:raw:{files.raw(contrast).relative_to(files.out)}" for contrast in images]
    about: dict[str, Any] = {"SimulatedData": True}
    where = {**about, "Sources": raw}
    where |= {"Space": TEMPLATE_SPACE} if files.space == "template" else {"SpatialReference": raw[0]}
    more: dict[str, dict[str, Any]] = {
        "lesion": {"Type": "Lesion"},
        "instances": {"Type": "Lesion", "Description": f"Lesions by number, as in {files.lesions().name}"},
        "labels": {"LabelMap": {str(label): name for label, name in LABELS.items()}},
        "brain": {"Type": "Brain"},
        "tissues": {"LabelMap": TISSUES},
    }
    for name, path in files.truth().items():
        write_image(path, truth[name], grids["T1w"], {**where, **more[name]})
    for contrast, data in images.items():
        sidecar = {**about, "SimulatedScanner": state.site, "SimulatedArtefacts": state.artefacts}
        if files.space == "template":
            sidecar |= {"SkullStripped": True, "Space": TEMPLATE_SPACE}
        else:
            sidecar["SliceThickness"] = round(float(np.linalg.norm(grids[contrast][:3, 2])), 4)
            sidecar["MagneticFieldStrength"] = site_named(state.site).field_tesla
        write_image(files.raw(contrast), data, grids[contrast], sidecar)


def lesion_table(
    course: PatientCourse, own: Brain, number: int, instances: np.ndarray, affine: np.ndarray, before: dict[int, float]
) -> pd.DataFrame:
    """The true lesions of a scan, one row each; one that has gone since the scan before has a last row with volume 0.

    Parameters
    ----------
    course : PatientCourse
    own : Brain
        Gives looks.
    number : int
        Of the visit, from 0.
    instances : ndarray of int
        Lesions by number.
    affine : ndarray (4, 4)
        Of `instances`; a lesion's place is its centre of mass in these coordinates, none where it cannot be seen.
    before : dict of int to float
        Volume at the scan before, mL.
    """
    voxel_ml = float(abs(np.linalg.det(affine[:3, :3]))) / 1000
    places = np.argwhere(instances > 0)
    numbers = instances[tuple(places.T)].astype(int)
    counts = np.bincount(numbers, minlength=len(course.lesions) + 1)
    sums = np.stack([np.bincount(numbers, weights=axis, minlength=len(counts)) for axis in places.T], axis=1)
    rows = []
    for lesion, entry in zip(own.lesions, course.lesions, strict=True):
        change = entry.change(number)
        if change == "absent":
            continue
        count = int(counts[lesion.number])
        centre = affine[:3, :3] @ (sums[lesion.number] / count) + affine[:3, 3] if count else [None] * 3
        rows.append(
            {
                "number": lesion.number,
                "kind": lesion.kind,
                "findings": ",".join(entry.lesion.findings) or "n/a",
                **{f"{axis}_mm": None if value is None else round(float(value), 1) for axis, value in zip("xyz", centre, strict=True)},
                "volume_ml": round(count * voxel_ml, 4),
                "previous_volume_ml": before.get(lesion.number, 0.0) if number else None,
                "change": change,
                "brightness": round(lesion.brightness, 2),
                "black_hole": entry.lesion.black_hole,
            }
        )
    return pd.DataFrame(rows, columns=list(LESION_COLUMNS))


def write_image(path: Path, data: np.ndarray, affine: np.ndarray, sidecar: dict[str, Any]) -> None:
    """Write an image and what is said of it; the image last, so that it stands for a finished one.

    Parameters
    ----------
    path : Path
        Ends in `.nii.gz`.
    data : ndarray (x, y, z)
    affine : ndarray (4, 4)
    sidecar : dict
    """
    write_json(sidecar_path(path), sidecar)
    image: Any = nib.Nifti1Image(data, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm")
    # Level 1 is several times as fast as 9 and noise hardly compresses; no time stamp: equal images are equal files.
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as stream_,
        gzip.GzipFile(filename="", fileobj=stream_, mode="wb", compresslevel=1, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())


def _volumes(before: VisitFiles | None) -> dict[int, float]:
    if before is None:
        return {}
    table = read_tsv(before.lesions())
    return dict(zip(table["number"], table["volume_ml"], strict=True))


_Made = tuple[dict[Contrast, np.ndarray], dict[str, np.ndarray], dict[Contrast, np.ndarray]]


def _template(scene: Scene, state: ScannerState, rng: np.random.Generator) -> _Made:
    brain = atlas()
    assert scene.labels is not None
    affine = brain.affine.copy()
    affine[:3, 3] -= [part.start for part in brain.box]

    def whole(part: np.ndarray, kind: type) -> np.ndarray:
        full: np.ndarray = np.zeros(brain.grid_shape, dtype=kind)
        full[brain.box] = part
        return full

    truth = {
        "lesion": whole(scene.lesion_mask, np.uint8),
        "instances": whole(scene.instances, np.int16),
        "labels": whole(scene.labels, np.uint8),
    }
    return template_scan(scene, brain, state, rng), truth, {"T1w": affine, "FLAIR": affine}


def _native(scene: Scene, person: Person, state: ScannerState, rng: np.random.Generator, seed: int) -> _Made:
    scan = native_scan(scene, person, atlas(), state, rng, seed)
    assert scan.labels is not None
    truth = {
        "lesion": (scan.instances > 0).astype(np.uint8),
        "instances": scan.instances,
        "labels": scan.labels,
        "brain": scan.brain_mask,
        "tissues": scan.tissues,
    }
    return scan.images, truth, {contrast: grid.affine for contrast, grid in scan.grids.items()}
