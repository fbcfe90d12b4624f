"""Containers, with a program in place of docker that writes down how it was called and does what a container would."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dawson.challenge.containers import container_answer
from dawson.challenge.entries import read_entries
from dawson.cli.challenge import app
from dawson.errors import ChallengeError, MissingDependencyError

DOCKER = """#!/usr/bin/env python3
import json, os, pathlib, sys, time
log = pathlib.Path(os.environ["DOCKER_LOG"])
log.write_text(log.read_text() + json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "run":
    mounts = [dict(part.split("=", 1) for part in value.split(",") if "=" in part)
              for option, value in zip(sys.argv, sys.argv[1:]) if option == "--mount"]
    place = {one["target"]: pathlib.Path(one["source"]) for one in mounts}
    image = sys.argv[-1]
    if image == "slow":
        time.sleep(60)
    if image == "broken":
        sys.exit("no such weights")
    for answer in pathlib.Path(os.environ["ANSWERS"]).iterdir():
        (place["/output"] / answer.name).write_bytes(answer.read_bytes())
    if image == "links":
        (place["/output"] / "x.nii.gz").symlink_to("/etc/passwd")
    assert len(list(place["/input"].glob("sub-*"))) == 8
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, material):
    """docker, and masks that its containers write."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    answers, log = tmp_path / "answers", tmp_path / "log"
    answers.mkdir()
    log.write_text("")
    for case in material.CASES[:4]:
        (answers / f"{case}.nii.gz").write_bytes(material.packed(material.truth_of(case)))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_LOG", str(log))
    monkeypatch.setenv("ANSWERS", str(answers))
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


def test_a_container_is_shut_in_and_its_masks_are_handed_in_and_scored(docker, mask_challenge):
    folder, _ = mask_challenge
    settings_file = folder / "challenge.toml"
    settings_file.write_text(settings_file.read_text().replace("2026-03-01", "2126-03-01"))
    result = CliRunner().invoke(app, ["run", str(folder), "team/method:1", "--team", "Team", "--phase", "open"])
    assert result.exit_code == 0, result.output
    (entry,) = read_entries(folder)
    assert entry.state == "scored" and entry.team == "Team"
    run, removed = docker()
    told = " ".join(run)
    assert run[-1] == "team/method:1" and removed[:2] == ["rm", "--force"] and removed[2] in run
    for part in ("--network none", "--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "target=/input,readonly"):
        assert part in told
    assert "hidden" not in told and "--gpus" not in told


@pytest.mark.parametrize(("image", "message"), [("broken", "no such weights"), ("slow", "longer than 1 s"), ("--privileged", "no name")])
def test_what_fails_is_told_and_nothing_is_handed_in(docker, mask_challenge, image, message):
    folder, settings = mask_challenge
    short = settings.model_copy(update={"limits": settings.limits.model_copy(update={"scoring_seconds": 1 if image == "slow" else 60})})
    with pytest.raises(ChallengeError, match=message), container_answer(folder, short, image):
        pass
    assert read_entries(folder) == []


def test_links_in_the_output_are_not_followed(docker, mask_challenge):
    import zipfile

    with container_answer(*mask_challenge, "links") as answer:
        assert sorted(zipfile.ZipFile(answer).namelist()) == [f"sub-{number:04d}_ses-01.nii.gz" for number in range(1, 5)]


def test_a_table_is_answer_csv(docker, table_challenge):
    folder, settings = table_challenge("outcome", {"edss": [1.0] * 8}, ("edss",))
    for number in range(8):
        (folder / "public" / "test" / f"sub-{number}").mkdir(parents=True)
    with pytest.raises(ChallengeError, match=r"wrote no /output/answer.csv"), container_answer(folder, settings, "x"):
        pass
    (Path(os.environ["ANSWERS"]) / "answer.csv").write_text("case,edss\n")
    with container_answer(folder, settings, "x", gpus=True) as answer:
        assert answer.read_text() == "case,edss\n"
    assert "--gpus" in docker()[-2]


def test_without_a_program_it_says_which_to_install(mask_challenge, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingDependencyError, match="docker or podman"), container_answer(*mask_challenge, "x"):
        pass
