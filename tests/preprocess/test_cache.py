"""A step is done once, and half a file is never trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dawson.files import read_json, sidecar_path
from dawson.preprocess.cache import Steps, remove_unfinished


class Step:
    """Copies a text in capitals and counts how often it was asked to."""

    def __init__(self, root: Path) -> None:
        self.source, self.output, self.other = root / "in.txt", root / "out" / "x.txt", root / "out" / "y.txt"
        self.source.write_text("abc")
        self.calls, self.root = 0, root

    def __call__(self, **parameters: Any) -> dict[str, Any]:
        def make(first: Path, second: Path) -> dict[str, float]:
            self.calls += 1
            first.write_text(self.source.read_text().upper())
            second.write_text("second")
            return {"figure": 0.5}

        return Steps(self.root).run("capitals", [self.output, self.other], [self.source], parameters, make)


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


def test_a_finished_step_is_not_done_again_and_keeps_its_figures(step: Step) -> None:
    assert step() == step() == {"figure": 0.5}
    assert step.calls == 1
    sidecar = read_json(sidecar_path(step.output))
    assert sidecar["Sources"] == ["in.txt"]
    assert len(sidecar["SourceSHA256"]["in.txt"]) == 64


def test_changed_input_parameter_or_output_means_again(step: Step) -> None:
    step(size=1)
    step.source.write_text("abd")
    step(size=1)
    assert step.output.read_text() == "ABD"
    step(size=2)
    step.output.write_text("AB")
    step(size=2)
    assert step.output.read_text() == "ABD"
    step.other.unlink()
    step(size=2)
    sidecar_path(step.output).write_text('{"Sources": [')
    step(size=2)
    assert step.calls == 6


def test_a_touched_file_with_the_same_content_is_the_same(step: Step) -> None:
    step()
    step.source.write_text("abc")
    step()
    assert step.calls == 1


def test_a_step_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def make(output: Path) -> None:
        output.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Steps(tmp_path).run("x", [tmp_path / "x.txt"], [], {}, make)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".part-abc-x.nii.gz").write_text("half")
    (tmp_path / "x.json").write_text("{}")
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_results_that_were_moved_are_found_done(tmp_path: Path) -> None:
    def work(derivatives: Path) -> list[str]:
        first, second = derivatives / "sub-1" / "a.txt", derivatives / "sub-1" / "b.txt"
        steps = Steps(tmp_path / "study", derivatives)
        steps.run("first", [first], [], {}, lambda output: output.write_text("a") and None)
        steps.run("second", [second], [first], {}, lambda output: output.write_text("b") and None)
        return steps.redone

    assert work(tmp_path / "here") == ["first", "second"]
    (tmp_path / "here").rename(tmp_path / "there")
    assert work(tmp_path / "there") == []
