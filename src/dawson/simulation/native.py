"""Simulated raw scans: a whole head, each contrast on its own oblique grid, thick slices possible.

The head is shells around the brain: 3 mm of fluid, 6 mm of dark skull, 6 mm of bright scalp, which is what brain
extraction needs to see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dawson.simulation.anatomy import Atlas, Volume
from dawson.simulation.brain import Scene
from dawson.simulation.deformation import sample, smooth_noise, upsample
from dawson.simulation.people import Person
from dawson.simulation.scanner import Contrast, ScannerState, add_scanner
from dawson.simulation.streams import stream

_PAD = 24
_SHELLS_MM = (3.0, 9.0, 15.0)
_RAW_BIAS = 0.12
_SUBSLICE_MM = 1.0

# Skull and scalp relative to white matter.
_HEAD: dict[Contrast, tuple[float, float]] = {"T1w": (0.08, 1.15), "FLAIR": (0.06, 0.95)}


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
        Of T1w and FLAIR; the masks lie on that of T1w.
    lesion_mask, brain_mask : ndarray of uint8
    tissues : ndarray of uint8
        1 fluid, 2 grey, 3 white matter.
    """

    images: dict[Contrast, np.ndarray]
    grids: dict[Contrast, Grid]
    lesion_mask: np.ndarray
    brain_mask: np.ndarray
    tissues: np.ndarray


def native_scan(
    scene: Scene,
    person: Person,
    brain: Atlas,
    state: ScannerState,
    rng: np.random.Generator,
    seed: int,
    thickness_mm: float,
) -> NativeScan:
    """Put the brain into a head and the head into a scanner.

    Parameters
    ----------
    scene : Scene
        With tissues.
    person : Person
        Size of the head is the person's, its position the scan's.
    brain : Atlas
    state : ScannerState
    rng : Generator
        Of this scan.
    seed : int
        Of the cohort.
    thickness_mm : float
        Slice thickness of FLAIR; T1w has voxels of 1 mm.
    """
    size = stream(seed, person.participant_id, "head size").normal(1.0, 0.03) * stream(seed, person.participant_id, "head shape").normal(
        1.0, 0.015, 3
    )
    head = _head(scene, stream(seed, person.participant_id, "scalp"))
    to_box = np.eye(4)
    to_box[:3, 3] = -(brain.origin_mm - _PAD)
    centre = np.array([0.0, -17.0, 12.0])
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", rng.normal(0, (6, 3, 4)), degrees=True).as_matrix() @ np.diag(size)
    pose[:3, 3] = rng.normal(0, (4, 8, 12)) - pose[:3, :3] @ centre
    grids: dict[Contrast, Grid] = {
        "T1w": _grid(rng, (1.0, 1.0, 1.0), (192, 248, 224), still=True),
        "FLAIR": _grid(rng, (0.9375, 0.9375, thickness_mm), (256, 256, int(np.ceil(200 / thickness_mm)))),
    }
    # A patient moves a little between two acquisitions of one session.
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", rng.normal(0, 1.0, 3), degrees=True).as_matrix()
    turn[:3, 3] = rng.normal(0, 1.0, 3)
    signals: dict[Contrast, Volume] = {}
    signals["FLAIR"] = _slabs(head["FLAIR"], to_box @ np.linalg.inv(turn @ pose) @ grids["FLAIR"].affine, grids["FLAIR"])
    # T1w has no thick slices; its truth is sampled along with it.
    truth = [np.pad(part.astype(np.float32), _PAD) for part in (scene.lesion_mask, scene.brain_mask, *scene.tissues)]
    signals["T1w"], lesion, mask, csf, gm, wm = sample(
        [head["T1w"], *truth], to_box @ np.linalg.inv(pose) @ grids["T1w"].affine, grids["T1w"].shape
    )
    images = {
        contrast: add_scanner(signals[contrast], np.ones(grid.shape, dtype=bool), state, contrast, rng, _RAW_BIAS)
        for contrast, grid in grids.items()
    }
    inside = mask > 0.5
    tissues = np.where(wm > np.maximum(gm, csf), 3, np.where(gm > csf, 2, 1)) * inside
    return NativeScan(images, grids, ((lesion > 0.5) & inside).astype(np.uint8), inside.astype(np.uint8), tissues.astype(np.uint8))


def _head(scene: Scene, rng: np.random.Generator) -> dict[Contrast, Volume]:
    """Both contrasts of the padded box with shells around the brain."""
    mask = np.pad(scene.brain_mask, _PAD)
    # The shells are smooth, so their distance is measured at 2 mm, eight times as fast.
    coarse = 2.0 * ndimage.distance_transform_edt(~mask[::2, ::2, ::2])
    coarse = ndimage.gaussian_filter(coarse, 1.5) + 0.8 * smooth_noise(rng, coarse.shape, 4.0)
    distance, texture = upsample(np.stack([coarse, smooth_noise(rng, coarse.shape, 1.0)]).astype(np.float32), 2)
    fluid, skull, scalp = (1 / (1 + np.exp(np.clip((distance - edge) / 0.4, -30, 30))) for edge in _SHELLS_MM)
    images: dict[Contrast, Volume] = {}
    for contrast, signal in scene.images.items():
        bone, skin = _HEAD[contrast]
        csf = 0.25
        around = skin * (1 + 0.15 * texture) * (scalp - skull) + bone * (skull - fluid) + csf * fluid
        images[contrast] = np.where(mask, np.pad(signal, _PAD), around).astype(np.float32)
    return images


def _grid(rng: np.random.Generator, spacing: tuple[float, float, float], shape: tuple[int, int, int], still: bool = False) -> Grid:
    """A grid around the scanner's centre; unless still, tilted as technicians tilt slices to the brain."""
    affine = np.eye(4)
    angles = np.zeros(3) if still else rng.normal(0, (6, 1.5, 1.5))
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    # Half a head's length up, as the brain's centre lies above the centre of brain and neck.
    affine[:3, 3] = rng.normal(0, 2, 3) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def _slabs(volume: Volume, to_voxel: NDArray[np.float64], grid: Grid) -> Volume:
    """Sample a volume with slices as thick as they are: the mean of thinner ones."""
    thickness = float(np.linalg.norm(grid.affine[:3, 2]))
    parts = max(1, round(thickness / _SUBSLICE_MM))
    total = np.zeros(grid.shape, dtype=np.float32)
    for offset in (np.arange(parts) + 0.5) / parts - 0.5:
        shift = np.eye(4)
        shift[2, 3] = offset
        total += sample([volume], to_voxel @ shift, grid.shape)[0]
    return np.asarray(total / parts, dtype=np.float32)
