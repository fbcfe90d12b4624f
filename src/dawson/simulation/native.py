"""Simulated raw scans: a whole head in a scanner, each contrast on its own oblique grid, with the scanner's faults and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from dawson.simulation import artefacts, k_space
from dawson.simulation.anatomy import Atlas, Volume
from dawson.simulation.brain import Scene
from dawson.simulation.head import ORIGIN_MM, make_head
from dawson.simulation.head_shape import Face, draw_face
from dawson.simulation.people import Person
from dawson.simulation.resampling import resample
from dawson.simulation.scanner import PHASE_AXIS, READOUT_AXIS, SLICE_PLANE, WHITE, Contrast, ScannerState
from dawson.simulation.streams import stream

_SUBSLICE_MM = 1.0
# Size of the field of view (mm), and the template point at its middle: T1w has the whole head, FLAIR the brain with margin.
_FIELD_OF_VIEW: dict[Contrast, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "T1w": ((192.0, 256.0, 256.0), (0.0, -6.0, -12.0)),
    "FLAIR": ((200.0, 252.0, 192.0), (0.0, -10.0, 14.0)),
}
_SINUSES_MM = np.array([0.0, 68.0, -40.0, 1.0])


@dataclass(frozen=True)
class Grid:
    """Where a volume's voxels lie: shape and the affine to the scanner's world (mm, RAS)."""

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]


@dataclass(frozen=True)
class NativeScan:
    """A raw scan and its truth.

    Parameters
    ----------
    images : dict of str to ndarray of int16
    grids : dict of str to Grid
        Of T1w and FLAIR; the truth lies on that of T1w.
    instances : ndarray of int16
        Number of the lesion, 0 outside.
    brain_mask : ndarray of uint8
    tissues : ndarray of uint8
        1 fluid, 2 grey, 3 white matter.
    labels : ndarray of uint8 or None
        Keys of `LABELS`, where the scene has them.
    """

    images: dict[Contrast, np.ndarray]
    grids: dict[Contrast, Grid]
    instances: np.ndarray
    brain_mask: np.ndarray
    tissues: np.ndarray
    labels: np.ndarray | None


def native_scan(
    scene: Scene,
    person: Person,
    brain: Atlas,
    state: ScannerState,
    rng: np.random.Generator,
    seed: int,
) -> NativeScan:
    """Put the brain into a head and the head into a scanner.

    Parameters
    ----------
    scene : Scene
        With tissues.
    person : Person
        Face and size of the head are the person's, its position the scan's.
    brain : Atlas
    state : ScannerState
    rng : Generator
        Of this scan.
    seed : int
        Of the cohort.
    """
    face = draw_face(seed, person.participant_id)
    head = make_head(scene.images, scene.brain_mask, brain.origin_mm, state.head, face, stream(seed, person.participant_id, "scalp"))
    size = stream(seed, person.participant_id, "head size").normal(1.0, 0.03) * stream(seed, person.participant_id, "head shape").normal(
        1.0, 0.015, 3
    )
    pose = _rigid(rng.normal(0, (6, 3, 4)), rng.normal(0, (4, 8, 12))) @ np.diag([*size, 1.0])
    # A patient moves a little between two acquisitions of one session.
    poses: dict[Contrast, NDArray[np.float64]] = {"T1w": pose, "FLAIR": _rigid(rng.normal(0, 1.0, 3), rng.normal(0, 1.0, 3)) @ pose}
    images: dict[Contrast, np.ndarray] = {}
    grids: dict[Contrast, Grid] = {}
    for contrast, volume in head.items():
        grid = _grid(rng, contrast, state, poses["T1w"])
        to_template = np.linalg.inv(poses[contrast]) @ grid.affine
        signal = _slabs(volume, _to_voxel(ORIGIN_MM) @ to_template, grid)
        images[contrast] = _faults(signal, grid, contrast, state, np.linalg.inv(to_template) @ _SINUSES_MM, rng)
        grids[contrast] = grid
        cropped = state.severity(contrast, "cropped")
        if cropped > 0:
            stop = _last_slice(scene, brain, face, np.linalg.inv(to_template), cropped, grid)
            images[contrast], affine = artefacts.crop(images[contrast], grid.affine, 2, 0, stop)
            grids[contrast] = Grid((*grid.shape[:2], stop), affine)
    to_box = _to_voxel(brain.origin_mm) @ np.linalg.inv(pose) @ grids["T1w"].affine
    return NativeScan(images, grids, *_truth(scene, to_box, grids["T1w"].shape))


def _rigid(rotation_deg: NDArray[np.float64], shift_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


def _to_voxel(origin_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """From template mm to voxels of a 1 mm grid that begins there."""
    matrix = np.eye(4)
    matrix[:3, 3] = -origin_mm
    return matrix


def _grid(rng: np.random.Generator, contrast: Contrast, state: ScannerState, pose: NDArray[np.float64]) -> Grid:
    """A field of view planned on the patient; FLAIR is tilted as technicians tilt slices to the brain."""
    extent, middle = _FIELD_OF_VIEW[contrast]
    spacing = np.array(state.protocols[contrast].voxel)
    x, y, z = (int(np.ceil(mm / step)) for mm, step in zip(extent, spacing, strict=True))
    angles = np.zeros(3) if contrast == "T1w" else rng.normal(0, (6, 1.5, 1.5))
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    # The room around the head is not used up by a patient's place in the coil, so the plan follows it roughly.
    planned = (pose @ np.array([*middle, 1.0]))[:3] + rng.normal(0, 2, 3)
    affine[:3, 3] = planned - affine[:3, :3] @ ((np.array([x, y, z]) - 1) / 2)
    return Grid((x, y, z), affine)


def _slabs(volume: Volume, to_voxel: NDArray[np.float64], grid: Grid) -> Volume:
    """Sample a volume with slices as thick as they are: the mean of thinner ones."""
    parts = max(1, round(float(np.linalg.norm(grid.affine[:3, 2])) / _SUBSLICE_MM))
    total = np.zeros(grid.shape, dtype=np.float32)
    for offset in (np.arange(parts) + 0.5) / parts - 0.5:
        shift = np.eye(4)
        shift[2, 3] = offset
        total += resample([volume], to_voxel @ shift, grid.shape)[0]
    total /= parts
    return total


def _faults(
    signal: Volume, grid: Grid, contrast: Contrast, state: ScannerState, sinuses: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int16]:
    """What the scanner makes of the signal, in the order of physics: field, coil, k-space, noise."""
    x, y, z = (float(np.linalg.norm(column)) for column in grid.affine[:3, :3].T)
    spacing, phase = (x, y, z), PHASE_AXIS[contrast]
    centre = (float(sinuses[0]), float(sinuses[1]), float(sinuses[2]))
    distortion = artefacts.draw_distortion(rng, state.severity(contrast, "distortion"), READOUT_AXIS[contrast], centre)
    bias = artefacts.draw_bias(rng, state.severity(contrast, "bias"))
    motion = k_space.draw_motion(rng, state.severity(contrast, "motion"), phase)
    ghosting = k_space.draw_ghosting(rng, state.severity(contrast, "ghosting"), phase)
    noise = artefacts.draw_noise(rng, state.severity(contrast, "noise"))
    image = artefacts.distort(signal, distortion, spacing)
    image = artefacts.add_bias(image, bias)
    image = k_space.move(image, motion, spacing)
    image = k_space.add_ghosts(image, ghosting)
    image = k_space.truncate(image, state.severity(contrast, "gibbs"), SLICE_PLANE[contrast])
    image = artefacts.add_noise(image, noise)
    image *= np.float32(WHITE * state.gain[contrast])
    return np.rint(image, out=image).astype(np.int16)


def _last_slice(scene: Scene, brain: Atlas, face: Face, to_voxel: NDArray[np.floating[Any]], cropped_mm: float, grid: Grid) -> int:
    """First slice above a field of view that ends `cropped_mm` below the top of the head."""
    top = brain.origin_mm[2] + np.flatnonzero(scene.brain_mask.any(axis=(0, 1)))[-1] + face.scalp
    vertex = to_voxel @ np.array([0.0, -20.0, top - cropped_mm, 1.0])
    return int(np.clip(vertex[2], grid.shape[2] // 3, grid.shape[2]))


def _truth(
    scene: Scene, to_box: NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Instances, brain mask, tissues and labels on the grid of T1w; worked out where the brain is, as most of a scan is not brain."""
    part = _around(scene.brain_mask, np.linalg.inv(to_box), shape)
    shift = np.eye(4)
    shift[:3, 3] = [piece.start for piece in part]
    small = tuple(piece.stop - piece.start for piece in part)
    _, gm, wm = scene.tissues
    mask, gm, wm = resample([scene.brain_mask.astype(np.float32), gm, wm], to_box @ shift, small)
    inside = mask > 0.5
    grey, white = gm[inside], wm[inside]
    tissue = np.where(white > np.maximum(grey, 1 - grey - white), 3, np.where(grey > 1 - grey - white, 2, 1))
    # Numbers are taken from the nearest voxel.
    matrix = (to_box @ shift)[:3].astype(np.float32)
    voxels = np.argwhere(inside).astype(np.float32)
    nearest = np.rint(voxels @ matrix[:, :3].T + matrix[:, 3]).astype(np.intp)
    nearest = np.clip(nearest, 0, np.array(scene.brain_mask.shape) - 1)
    index = tuple(nearest.T)

    def spread(values: np.ndarray, kind: type[np.generic]) -> np.ndarray:
        whole = np.zeros(shape, dtype=kind)
        whole[part][inside] = values
        return whole

    labels = None if scene.labels is None else spread(scene.labels[index], np.uint8)
    return spread(scene.instances[index], np.int16), spread(np.ones_like(tissue), np.uint8), spread(tissue, np.uint8), labels


def _around(mask: np.ndarray, to_voxel: NDArray[np.floating[Any]], shape: tuple[int, int, int]) -> tuple[slice, ...]:
    """Box of a grid that holds the turned mask."""
    ends = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))[[0, -1]] for axis in range(3)]
    corners = np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1)
    there = to_voxel[:3, :3] @ corners + to_voxel[:3, 3:]
    low, high = np.floor(there.min(axis=1)).astype(int) - 1, np.ceil(there.max(axis=1)).astype(int) + 2
    return tuple(slice(max(0, a), min(size, b)) for a, b, size in zip(low, high, shape, strict=True))
