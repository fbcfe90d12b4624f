"""Registration by greedy (Yushkevich et al. 2016), in memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dawson.errors import PreprocessingError
from dawson.imaging.itk import field_to_ras, to_itk
from dawson.imaging.rigid import align_rigidly
from dawson.imaging.silence import silent_library
from dawson.imaging.transforms import Affine, Warp

ITERATIONS = "100x50x20"
METRIC = "NCC 2x2x2"
NOISE = 0.01
"""Noise that greedy adds before it takes local correlations, as a share of the brightness range: what is flat then counts as flat. With
its usual 0.001 the correlation of a flat place is that of the scan's noise, and one grey level of other noise moved the warp of a simulated
head by 0.3 to 0.4 mm in places."""
SEED = 1
"""Of that noise; without one it is another in every run, and so is the warp."""


class Greedy:
    """Local correlation in 5 x 5 x 5 voxels, from coarse to fine in three levels; mutual information where the alignment is rigid.

    Rigid pairs are two contrasts of one head, which local correlation of extracted brains lays upon each other by their outlines: on
    simulated heads with known motion it was wrong by 1 to 2.4 mm in the mean, where `dawson.imaging.rigid` is by 0.1 to 0.3 mm.
    """

    def linear(self, fixed: Any, moving: Any, start: Affine, degrees_of_freedom: int, threads: int, within: Any | None = None) -> Affine:
        """Rigid (6) or affine (12) alignment from a starting transform; the affine one by what lies in a mask of the fixed image."""
        if degrees_of_freedom == 6:
            return align_rigidly(fixed, moving, start, threads)
        # -jitter 0: by default the sampling points are shaken by chance, and no two runs give the same matrix
        result = self._run(f"-a -dof {degrees_of_freedom} -ia {{start}} -jitter 0", fixed, moving, start, threads, within)
        matrix = np.asarray(result, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.linalg.det(matrix[:3, :3]) <= 0:
            raise PreprocessingError("greedy found no linear alignment.", "Look at the scan and its brain mask.")
        return Affine(matrix)

    def deformable(self, fixed: Any, moving: Any, linear: Affine, smoothing: tuple[float, float], threads: int) -> Warp:
        """Warp of the fixed space to be applied before the linear transform."""
        update, total = smoothing
        result = self._run(f"-it {{start}} -s {update}vox {total}vox", fixed, moving, linear, threads)
        displacement, affine = field_to_ras(result)
        if not np.isfinite(displacement).all():
            raise PreprocessingError("greedy found no deformable alignment.", "Look at the scan and its brain mask.")
        return Warp(displacement, affine)

    @staticmethod
    def _run(options: str, fixed: Any, moving: Any, start: Affine, threads: int, within: Any | None = None) -> Any:
        from picsl_greedy import Greedy3D

        reason = "no result"
        # images stay in memory; a matrix can reach greedy only as a file (RAS, as ours)
        with tempfile.TemporaryDirectory(prefix="dawson-") as folder:
            path = Path(folder) / "start.mat"
            np.savetxt(path, start.matrix, fmt="%.17g")
            quoted = '"' + str(path) + '"'
            command = f"-d 3 -i fixed moving -o result -n {ITERATIONS} -m {METRIC} -noise {NOISE} -seed {SEED} -V 0 -threads {threads} "
            command += options.format(start=quoted) + (" -gm within" if within is not None else "")
            masks = {} if within is None else {"within": to_itk(within)}
            greedy = Greedy3D()
            # even with -V 0 its optimiser writes on the terminal
            with silent_library():
                try:
                    greedy.execute(command, fixed=to_itk(fixed), moving=to_itk(moving), result=None, **masks)
                    return greedy["result"]
                except RuntimeError as error:
                    reason = (str(error).strip().splitlines() or [reason])[-1]
        raise PreprocessingError(f"greedy failed: {reason}")
