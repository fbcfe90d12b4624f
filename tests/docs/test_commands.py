"""Every `dawson` line of the README and the documentation is a command that exists; the tutorial is run as written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith(("dawson ", "make "))]


@pytest.mark.parametrize(("page", "line"), [(page, line) for page in PAGES for line in commands(page)], ids=lambda value: str(value)[-60:])
def test_a_documented_command_exists_with_these_options(page: Path, line: str) -> None:
    if line.startswith("make "):
        assert re.search(rf"^{line.split()[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        return
    from dawson.cli import app
    from dawson.cli.register import register

    register(app)
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    context = typer.Context(command)
    while isinstance(command, TyperGroup):
        command = command.get_command(context, words[0])
        assert command is not None, f"{page.name}: {line}"
        words = words[1:]
    command.make_context(command.name, words)


def follow(tutorial: str, folder: Path) -> None:
    """Run the commands of a tutorial, one after the other, in a folder."""
    for line in commands(ROOT / "docs" / "tutorial" / tutorial):
        if line.startswith("make "):
            continue
        words = [sys.executable, "-c", "from dawson.cli import main; main()", *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_the_tutorial_runs_as_written(tmp_path: Path) -> None:
    follow("first-study.md", tmp_path)
    assert (tmp_path / "my-study" / "experiments" / "first" / "report.html").exists()
    assert list((tmp_path / "readings").rglob("report.html"))


def test_the_tutorial_from_dicom_runs_as_written(tmp_path: Path) -> None:
    follow("from-dicom.md", tmp_path)
    assert (tmp_path / "my-study-quarantine" / "intake.html").exists()
    assert list((tmp_path / "my-study").rglob("*desc-channels_FLAIR.npy"))
