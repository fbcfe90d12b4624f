"""Write a proposed study into a new folder, all of it or nothing; the originals are only read."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

from dawson.cohort.bids import (
    write_bidsignore,
    write_dataset_description,
    write_participants,
    write_readme,
    write_sessions,
)
from dawson.cohort.initialise import Proposal
from dawson.config import STUDY_FILE
from dawson.errors import CohortError
from dawson.files import read_json, sidecar_path, write_json, write_text
from dawson.progress import progress

Link = Literal["copy", "hardlink", "symlink"]
# Sidecar fields that name a person, a day or a place; conversion programs write them unless told not to.
_PRIVATE_FIELDS = (
    "Patient",
    "AccessionNumber",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyID",
    "Date",
    "DateTime",
    "ReferringPhysician",
    "Operator",
    "InstitutionAddress",
    "ProcedureStepDescription",
)


def write_proposal(proposal: Proposal, out: Path | str, link: Link = "copy") -> Path:
    """Write the study file, and unless the source is BIDS already the whole dataset.

    Parameters
    ----------
    proposal : Proposal
    out : Path or str
        A new or empty folder outside the source. For a BIDS source, the folder of the study file: that of the dataset
        itself, or another one; a study file that is there is not replaced.
    link : {"copy", "hardlink", "symlink"}
        How images come there. Sidecars are always copied, without the fields that name a person or a day.

    Returns
    -------
    Path
        The study folder.

    Raises
    ------
    CohortError
        The folder is not empty, lies in the source, is on another disk than hard links can reach, or nothing could be
        resolved.
    """
    out = Path(out).resolve()
    if proposal.is_bids:
        if (out / STUDY_FILE).exists():
            raise CohortError(f"{out / STUDY_FILE} exists already.", "Change it by hand, or remove it first.")
        write_text(out / STUDY_FILE, proposal.config_text)
        return out
    if out.is_relative_to(proposal.source):
        raise CohortError(f"{out} lies in {proposal.source}, which is not to be changed.", "Give a folder elsewhere with --out.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CohortError(f"{out} is not empty.", "Give a new folder with --out.")
    if proposal.mapping.empty:
        raise CohortError("No image could be assigned to anybody.", "Name the files in columns T1w and FLAIR of the table.")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that an interrupted copy leaves no half study.
    with tempfile.TemporaryDirectory(prefix=".part-", dir=out.parent) as scratch:
        staging = Path(scratch) / out.name
        staging.mkdir()
        _images(proposal, staging, link)
        _tables(proposal, staging)
        if out.exists():
            out.rmdir()
        staging.rename(out)
    return out


def _images(proposal: Proposal, root: Path, link: Link) -> None:
    with progress("Writing images", len(proposal.mapping)) as advance:
        for source, target in zip(proposal.mapping["source"], proposal.mapping["target"], strict=True):
            path = root / target
            path.parent.mkdir(parents=True, exist_ok=True)
            if link == "copy":
                shutil.copyfile(source, path)
            elif link == "symlink":
                path.symlink_to(Path(source).resolve())
            else:
                try:
                    os.link(Path(source).resolve(), path)
                except OSError as error:
                    raise CohortError(
                        f"{source} cannot be hard-linked to {root.parent.parent}: {error.strerror}.",
                        "Use copies or symbolic links (--link copy, --link symlink).",
                    ) from None
            _sidecar(Path(source), path)
            advance(path.name)


def _sidecar(source: Path, target: Path) -> None:
    origin = sidecar_path(source)
    content: Any = {}
    if origin.is_file():
        try:
            content = read_json(origin)
        except (json.JSONDecodeError, UnicodeDecodeError):
            content = {}
    if isinstance(content, dict) and content:
        kept = {
            name: value
            for name, value in content.items()
            if not name.startswith(_PRIVATE_FIELDS) and not name.endswith(("Date", "DateTime", "Time of Birth"))
        }
        write_json(sidecar_path(target), kept)


def _tables(proposal: Proposal, root: Path) -> None:
    with_scan = set(proposal.mapping["participant_id"])
    write_dataset_description(root, proposal.name)
    write_participants(root, proposal.participants[proposal.participants["participant_id"].isin(with_scan)], proposal.dictionary)
    there = set(zip(proposal.mapping["participant_id"], proposal.mapping["session_id"], strict=True))
    for person, sessions in proposal.sessions.groupby("participant_id", sort=False):
        present = [(person, name) in there for name in sessions["session_id"]]
        if any(present):
            write_sessions(root, str(person), sessions[present])
    text = "BIDS dataset made by `dawson study init` from a folder of NIfTI files and a table of people."
    write_readme(root, f"{proposal.name}\n\n{text}")
    write_bidsignore(root)
    write_text(root / STUDY_FILE, proposal.config_text)
