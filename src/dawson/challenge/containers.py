"""Answers of programs that are handed in as container images: run shut in, beside the test images, without the truth or a network."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dawson.challenge.build import PUBLIC
from dawson.challenge.settings import ChallengeSettings
from dawson.errors import ChallengeError, MissingDependencyError

PROGRAMS = ("docker", "podman")
INPUT, OUTPUT, TABLE = "/input", "/output", "answer.csv"
_PROCESSES = 512
_SHOWN = 2000


@contextmanager
def container_answer(challenge: Path, settings: ChallengeSettings, image: str, *, program: str = "", gpus: bool = False) -> Iterator[Path]:
    """Run a container image on the test images, and give what it wrote as an answer.

    The container sees `public/test` at /input, read only, and an empty /output. It has no network, no privileges, its own root file
    system read only, and the memory and time of the challenge's limits.

    Parameters
    ----------
    challenge : Path
    settings : ChallengeSettings
    image : str
        Name or digest, as the program knows it; it is not fetched.
    program : str
        One of `PROGRAMS`; the first that is installed by default.
    gpus : bool
        Let it use all GPUs.

    Yields
    ------
    Path
        A zip of the masks in /output, or its answer.csv; gone after the block.

    Raises
    ------
    MissingDependencyError
        Neither docker nor podman is there.
    ChallengeError
        The container failed, ran out of time, or wrote nothing.
    """
    command = _program(program)
    if image.startswith("-"):
        raise ChallengeError(f"{image} is no name of an image.", "Give it as the program lists it.")
    data = (challenge / PUBLIC / "test").resolve()
    if "," in str(data):
        raise ChallengeError(f"{data} has a comma in its name, which {Path(command).name} cannot mount.", "Rename the folder.")
    name = f"dawson-challenge-{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory(prefix="dawson-container-") as folder:
        output = Path(folder) / "output"
        output.mkdir()
        options = [
            "run", "--rm", "--name", name, "--pull", "never", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", "--pids-limit", str(_PROCESSES), "--memory", f"{settings.limits.scoring_memory_mb}m",
            "--user", f"{os.getuid()}:{os.getgid()}",
            "--mount", f"type=bind,source={data},target={INPUT},readonly",
            "--mount", f"type=bind,source={output},target={OUTPUT}",
        ]  # fmt: skip
        options += ["--gpus", "all"] if gpus else []
        try:
            done = subprocess.run(
                [command, *options, image], capture_output=True, text=True, errors="replace", timeout=settings.limits.scoring_seconds
            )
        except subprocess.TimeoutExpired:
            raise ChallengeError(f"The container ran longer than {settings.limits.scoring_seconds} s.", "Make it faster.") from None
        finally:
            subprocess.run([command, "rm", "--force", name], capture_output=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-_SHOWN:]
            raise ChallengeError(f"The container ended with {done.returncode}: {said}", "Run it by hand on the test images.")
        yield _answer(output, settings, Path(folder))


def _program(wanted: str) -> str:
    for name in (wanted,) if wanted else PROGRAMS:
        if found := shutil.which(name):
            return found
    raise MissingDependencyError(f"{wanted or ' or '.join(PROGRAMS)} is not installed.", "Install it, or take answers as files.")


def _answer(output: Path, settings: ChallengeSettings, folder: Path) -> Path:
    """What lies in the output as a file to hand in; links are not followed out of it."""
    if settings.task.answer == "table":
        table = output / TABLE
        if table.is_symlink() or not table.is_file():
            raise ChallengeError(f"The container wrote no {OUTPUT}/{TABLE}.", "It has to write one row for every case there.")
        return table
    masks = [path for path in sorted(output.iterdir()) if path.is_file() and not path.is_symlink()]
    if not masks:
        raise ChallengeError(f"The container wrote nothing to {OUTPUT}.", "It has to write CASE.nii.gz there for every case.")
    packed = folder / "answer.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as out:
        for path in masks:
            out.write(path, path.name)
    return packed
