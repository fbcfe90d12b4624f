"""LST-AI where it is installed: its `lst` command, run on brain-extracted images in template space.

Wiltgen T, et al. LST-AI: a deep learning ensemble for accurate MS lesion segmentation. NeuroImage Clin 42 (2024) 103611.
Interface: https://github.com/CompImg/LST-AI, versions 1.0 to 1.2 (`space-orig_seg-lst.nii.gz`) and later ones (`space-flair_seg-lst.nii.gz`
and the ensemble's probability, which `--probability_map` leaves in the `--temp` folder).
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.errors import CohortError
from dawson.lesions.external_program import find_program, read_answer, run_program, save_brain, threads_given
from dawson.lesions.segmenters import Segmentation

_TITLE = "LST-AI"
_INSTALL = "Install it as https://github.com/CompImg/LST-AI says (it needs greedy and HD-BET), so that `lst --help` runs."
_MASKS = ("space-flair_seg-lst.nii.gz", "space-orig_seg-lst.nii.gz")
_PROBABILITY = "sub-X_ses-Y_space-FLAIR_seg-lst_prob.nii.gz"


@dataclass(frozen=True)
class LstAi:
    """The `lst` command as a segmenter; it needs T1w and FLAIR.

    Parameters
    ----------
    device : str
        As `lst --device` takes it: `cpu`, or the number of a GPU.
    maker : str
    """

    device: str = "cpu"
    maker: str = "lstai"

    def segment(self, flair: Any, t1w: Any | None, brain: NDArray[np.bool_], threads: int = 1) -> Segmentation:
        """Run LST-AI on a scan.

        Raises
        ------
        MissingDependencyError
            It is not installed.
        CohortError
            There is no T1w.
        ModelError
            It ended with an error or without its result.
        """
        program = find_program("lst", _TITLE, _INSTALL)
        if t1w is None:
            raise CohortError("LST-AI needs T1w and FLAIR, and there is no T1w.", "Use another segmenter for this scan.")
        with TemporaryDirectory(prefix="dawson-lst-") as name:
            folder = Path(name)
            output, work = folder / "output", folder / "work"
            command = [
                program, "--t1", str(save_brain(t1w, brain, folder / "T1w.nii.gz")),
                "--flair", str(save_brain(flair, brain, folder / "FLAIR.nii.gz")),
                "--output", str(output), "--temp", str(work), "--segment_only", "--stripped",
                "--device", self.device, "--threads", str(threads_given(threads)),
            ]  # fmt: skip
            if _knows_probabilities(program):
                command.append("--probability_map")
            run_program(command, _TITLE, folder)
            found = [output / mask for mask in _MASKS if (output / mask).is_file()]
            mask = read_answer(found[0] if found else output / _MASKS[0], _TITLE, flair) > 0.5
            probability = mask.astype(np.float32)
            if (work / _PROBABILITY).is_file():
                soft = np.clip(read_answer(work / _PROBABILITY, _TITLE, flair, order=1), 0, 1)
                # its own mask decides: the way back from its space rounds mask and probability differently
                probability = np.where(mask, np.maximum(soft, np.float32(0.5)), np.minimum(soft, np.float32(0.49)))
        return Segmentation((probability * brain).astype(np.float32), None, 0.5, self.maker)

    def identity(self) -> Mapping[str, Any]:
        """The device; a missing program is told here, before the first scan."""
        find_program("lst", _TITLE, _INSTALL)
        return {"program": "lst", "device": self.device}


def _knows_probabilities(program: str) -> bool:
    """Whether this version has `--probability_map`: older ones end with an error at an option that they do not know."""
    try:
        told = subprocess.run([program, "--help"], capture_output=True, text=True, errors="replace", timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "--probability_map" in told.stdout


LST_AI = LstAi()
