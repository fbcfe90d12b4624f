"""Content hashes of raw images: what tells that two people share one, whatever its name, compression or later processing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dawson.errors import ImageError
from dawson.files import read_tsv, sha256, write_tsv
from dawson.imaging.volumes import content_hash
from dawson.parallel import each

if TYPE_CHECKING:
    from dawson.cohort.scan import Scan

CONTENTS = "contents.tsv"
CONTRASTS = ("flair", "t1w")


def scan_contents(scans: Sequence[Scan], derivatives: Path, jobs: int) -> dict[tuple[str, str], dict[str, str]]:
    """Hash of the voxels of each scan's FLAIR and T1w, by participant and session.

    Voxels are read once: `contents.tsv` beside the derivatives remembers the content of each file by the hash of its bytes.

    Parameters
    ----------
    scans : sequence of Scan
    derivatives : Path
        Where `contents.tsv` is kept.
    jobs : int
        Processes.

    Returns
    -------
    dict
        (participant_id, session_id) to {"flair": hash, "t1w": hash}; empty text where there is no readable image.
    """
    import pandas as pd

    memory = derivatives / CONTENTS
    table = read_tsv(memory) if memory.exists() else pd.DataFrame(columns=["file_sha256", "content_sha256"])
    known = dict(zip(table["file_sha256"], table["content_sha256"].fillna(""), strict=True))
    files = {path: sha256(path) for scan in scans for path in (scan.flair, scan.t1w) if path is not None}
    unread = [path for path, digest in files.items() if digest not in known]
    if unread:
        for path, content in each(_content, unread, jobs=min(jobs, len(unread))):
            known[files[path]] = content
        write_tsv(memory, pd.DataFrame({"file_sha256": list(known), "content_sha256": list(known.values())}))
    return {
        (scan.participant_id, scan.session_id): {
            "flair": known[files[scan.flair]] if scan.flair is not None else "",
            "t1w": known[files[scan.t1w]] if scan.t1w is not None else "",
        }
        for scan in scans
    }


def _content(path: Path) -> tuple[Path, str]:
    try:
        return path, content_hash(path)
    except ImageError:
        return path, ""
