"""MindGlide where it is installed: its `mindglide` command, run on the FLAIR alone.

Goebl P, et al. Enabling new insights from old scans by repurposing clinical MRI archives for multiple sclerosis research. Nat Commun 16
(2025) 3149. Interface: https://github.com/MS-PINPOINT/mindGlide (`mindglide -i IMAGE -o LABELS --device cpu`); it labels the whole brain,
18 being lesion. The first run loads its weights from the network unless the environment variable MODEL_PATH names a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.lesions.external_program import find_program, read_answer, run_program, save_brain
from dawson.lesions.segmenters import Segmentation

LESION_LABEL = 18
"""Of MindGlide's 20 labels."""

_TITLE = "MindGlide"
_INSTALL = "pip install git+https://github.com/MS-PINPOINT/mindGlide.git, best in an environment of its own, and put `mindglide` on PATH."


@dataclass(frozen=True)
class MindGlide:
    """The `mindglide` command as a segmenter; labels only, so that its probability is 0 or 1.

    Parameters
    ----------
    device : str
        As `mindglide --device` takes it: auto, cpu, cuda or mps.
    maker : str
    """

    device: str = "cpu"
    maker: str = "mindglide"

    def segment(self, flair: Any, t1w: Any | None, brain: NDArray[np.bool_], threads: int = 1) -> Segmentation:
        """Run MindGlide on the FLAIR of a scan; T1w is not used, and threads are MindGlide's own choice.

        Raises
        ------
        MissingDependencyError
            It is not installed.
        ModelError
            It ended with an error or without its result.
        """
        program = find_program("mindglide", _TITLE, _INSTALL)
        with TemporaryDirectory(prefix="dawson-mindglide-") as name:
            folder = Path(name)
            image, labels = save_brain(flair, brain, folder / "FLAIR.nii.gz"), folder / "labels.nii.gz"
            run_program([program, "-i", str(image), "-o", str(labels), "--device", self.device], _TITLE, folder)
            found = np.rint(read_answer(labels, _TITLE, flair)) == LESION_LABEL
        return Segmentation((found & brain).astype(np.float32), None, 0.5, self.maker)

    def identity(self) -> Mapping[str, Any]:
        """The device; a missing program is told here, before the first scan."""
        find_program("mindglide", _TITLE, _INSTALL)
        return {"program": "mindglide", "device": self.device}


MINDGLIDE = MindGlide()
