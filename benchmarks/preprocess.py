"""Seconds of every preprocessing step on the real sessions of the reference data.

Usage: python benchmarks/preprocess.py [FOLDER OF ljubljana-ms] [THREADS]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.files import read_json
from dawson.parallel import cores
from dawson.preprocess.scan import preprocess_scan


def main() -> None:
    data = Path(os.environ.get("DAWSON_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else data / "ljubljana-ms"
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else cores()
    for flair in sorted(root.glob("sub-*/ses-*/anat/*_FLAIR.nii.gz")):
        t1w = flair.with_name(flair.name.replace("_FLAIR", "_T1w"))
        scan = Scan(flair.parts[-4], flair.parts[-3], t1w if t1w.exists() else None, flair)
        with tempfile.TemporaryDirectory() as folder:
            row = preprocess_scan(scan, Path(folder), PreprocessSection(), root, threads=threads)
            print(
                f"{scan.entities}: {row.status} {row.reason} {row.seconds:.1f} s, WM Dice {row.wm_dice:.3f}, "
                f"correlation {row.template_correlation:.3f}, smallest Jacobian {row.min_jacobian:.3f}"
            )
            for sidecar in sorted(Path(folder).rglob("sub-*.json"), key=lambda path: path.stat().st_mtime):
                content = read_json(sidecar)
                print(f"    {content['Seconds']:6.1f} s  {content['Parameters']['Step']} -> {sidecar.stem}")


if __name__ == "__main__":
    main()
