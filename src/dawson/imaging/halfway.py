"""One space in the middle of all scans of a person, to which each of them moves equally far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dawson.errors import PreprocessingError
from dawson.imaging.registration import register_rigid
from dawson.imaging.resample import grid_points
from dawson.imaging.transforms import Affine, Warp

# Beyond this the two directions of one registration contradict each other.
INCONSISTENT_MM = 2.0
# Room round the brains, for what interpolation and smoothing spread.
_MARGIN_MM = 4.0
_INVERSE_STEPS = 20
_INVERSE_MM = 0.01


@dataclass(frozen=True)
class RigidPair:
    """Rigid alignment of two scans of one person, the same whichever of them comes first.

    Parameters
    ----------
    transform : Affine
        From points of the first scan to points of the second.
    inconsistency_mm : float
        Mean distance over the brain between the two directions that were averaged.
    """

    transform: Affine
    inconsistency_mm: float


def register_sessions(first: Any, second: Any, method: str = "greedy", spacing_mm: float = 2.0, threads: int = 1) -> RigidPair:
    """Turn and shift two scans of one person onto each other, in both directions, and take the middle.

    A registration that treats one scan as the target resamples only the other, and the blur passes for change. Here both directions
    are computed and their logarithms averaged, so that exchanging the scans gives exactly the inverse (Reuter et al. 2012,
    doi:10.1016/j.neuroimage.2012.02.084, ask for this inverse consistency; Smith et al. 2002, SIENA, doi:10.1006/nimg.2002.1040, move
    both scans to the space halfway between them).

    Parameters
    ----------
    first, second : nibabel.Nifti1Image
        Brain-extracted, 0 outside the brain.
    method, spacing_mm, threads
        See `dawson.imaging.registration.register_rigid`.

    Raises
    ------
    PreprocessingError
        The two directions differ by more than `INCONSISTENT_MM`: they are not two scans of one brain, or one is damaged.
    """
    forward = register_rigid(first, second, method, spacing_mm, threads)
    backward = register_rigid(second, first, method, spacing_mm, threads).inverse()
    points = grid_points(first.shape, first.affine, np.asarray(first.dataobj) > 0)
    apart = distance_mm(forward, backward, points)
    if apart > INCONSISTENT_MM:
        raise PreprocessingError(
            f"Rigid registration of the two sessions gives results {apart:.1f} mm apart in its two directions.",
            "Check that both scans are of this person, and look at their brain masks.",
        )
    return RigidPair(rigid_mean([forward, backward]), apart)


def rigid_mean(transforms: Sequence[Affine]) -> Affine:
    """Log-Euclidean mean of rigid transforms: the one whose logarithm is the mean of theirs.

    Averages of logarithms of rigid and affine transforms, as Arsigny et al. 2009 fuse them (J Math Imaging Vis 33:222,
    doi:10.1007/s10851-008-0135-9); exchanging the directions gives the inverse.
    """
    return _exponential(np.mean([_logarithm(transform) for transform in transforms], axis=0))


def mean_space(from_first: Sequence[Affine]) -> tuple[Affine, ...]:
    """Transforms from the space in the middle of all sessions to each of them.

    With two sessions it is the space halfway between them: each is moved by the square root of the rigid transform. With more, the
    middle is the log-Euclidean mean of the transforms from the first session to every session; the first is the reference of the
    registrations, not of the space.

    Parameters
    ----------
    from_first : sequence of Affine
        Rigid, from points of the first session to points of each session; that of the first itself is the identity.

    Returns
    -------
    tuple of Affine
        From points of the middle to points of each session.
    """
    if len(from_first) == 2:
        # by the same root for both, so that exchanging them gives the same space to the last bit that the root allows
        half = _logarithm(from_first[1]) / 2
        return _exponential(-half), _exponential(half)
    to_first = rigid_mean(from_first).inverse()
    return tuple(Affine(transform.matrix @ to_first.matrix) for transform in from_first)


def grid_around(
    brains: Sequence[Any], from_middle: Sequence[Affine], spacing_mm: float = 1.0
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """A straight grid of cubes in the middle space that holds every brain.

    Parameters
    ----------
    brains : sequence of nibabel.Nifti1Image
        Brain masks in the sessions' own spaces.
    from_middle : sequence of Affine
        From points of the middle to each session's.
    spacing_mm : float

    Returns
    -------
    tuple of int, ndarray (4, 4)
        Shape and affine. Its voxels lie at whole multiples of the spacing, so that it does not depend on the order of the sessions.
    """
    lows, highs = [], []
    for brain, transform in zip(brains, from_middle, strict=True):
        inside = np.asarray(brain.dataobj) > 0
        if not inside.any():
            raise PreprocessingError("A brain mask is empty.", "Look at the scan and its brain mask.")
        points = transform.inverse().apply(grid_points(brain.shape, brain.affine, inside))
        lows.append(points.min(axis=0))
        highs.append(points.max(axis=0))
    low = np.floor((np.min(lows, axis=0) - _MARGIN_MM) / spacing_mm).astype(int)
    high = np.ceil((np.max(highs, axis=0) + _MARGIN_MM) / spacing_mm).astype(int)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = low * spacing_mm
    return tuple(int(size) for size in high - low + 1), affine


def distance_mm(one: Affine, other: Affine, points: NDArray[np.float64]) -> float:
    """Mean distance between where two transforms take points (n, 3)."""
    return float(np.linalg.norm(one.apply(points) - other.apply(points), axis=1).mean())


@dataclass(frozen=True)
class InverseWarp:
    """The way back through a displacement field, by fixed-point iteration (Chen et al. 2008, doi:10.1118/1.2816107).

    Parameters
    ----------
    warp : Warp
        Without folds.
    """

    warp: Warp

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) that the warp takes to the given ones, to a hundredth of a millimetre where it converges."""
        found = np.array(points, dtype=np.float64)
        for _ in range(_INVERSE_STEPS):
            missed = self.warp.apply(found) - points
            found -= missed
            if not missed.size or np.abs(missed).max() < _INVERSE_MM:
                break
        return found


def _logarithm(transform: Affine) -> NDArray[np.float64]:
    logarithm = linalg.logm(transform.matrix)
    # real for any turn below half a circle, which no head makes
    result: NDArray[np.float64] = np.real(logarithm)
    return result


def _exponential(logarithm: NDArray[np.float64]) -> Affine:
    return Affine(np.asarray(linalg.expm(logarithm), dtype=np.float64))
