"""A step is done once: again only when its inputs, its parameters or its results have changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dawson.errors import ImageError
from dawson.files import atomic_path, read_json, sha256, sidecar_path, write_sidecar

# part of every step's parameters; raised when what a step computes changes
VERSION = 4


@dataclass
class Steps:
    """The steps of one scan.

    Parameters
    ----------
    root : Path
        Sources below it are named relative to it.
    derivatives : Path, optional
        Root of the derivatives, wherever it lies; sources below it are named `derivatives/dawson/...`.
    force : bool
        Do everything again.
    seconds : float
        What all steps took together, those of an earlier run included.
    redone : list of str
        Steps that were really run this time.
    """

    root: Path
    derivatives: Path | None = None
    force: bool = False
    seconds: float = 0.0
    redone: list[str] = field(default_factory=list)
    _digests: dict[Path, str] = field(default_factory=dict)

    def run(
        self,
        name: str,
        outputs: Sequence[Path],
        sources: Sequence[Path],
        parameters: Mapping[str, Any],
        make: Callable[..., Mapping[str, Any] | None],
        **more: Any,
    ) -> dict[str, Any]:
        """Do a step, or find it done.

        Parameters
        ----------
        name : str
        outputs : sequence of Path
            Files the step makes; the sidecar of the first says how they were made and what their SHA-256 is.
        sources : sequence of Path
            Files the step reads.
        parameters : mapping
            JSON-like; everything besides the sources that changes the result.
        make : callable
            Called with one temporary path for each output, which it must write; returns figures to keep (JSON-like) or
            None. Outputs appear under their own names only when all are complete.
        **more
            Further fields of the sidecar.

        Returns
        -------
        dict
            The figures, of this run or of the one that did the step.

        Raises
        ------
        ImageError
            A source does not exist or may not be read.
        """
        try:
            digests = {self._named(path): self._digest(path) for path in sources}
        except FileNotFoundError as error:
            raise ImageError(error.filename, "does not exist.", "Check the path, or that the link it is points to a file.") from None
        except PermissionError as error:
            raise ImageError(error.filename, "may not be read (permission denied).", "Ask its owner for read access.") from None
        wanted = json.loads(json.dumps({"Step": name, "StepVersion": VERSION, **parameters}))
        if not self.force:
            done = self._finished(outputs, digests, wanted)
            if done is not None:
                self.seconds += float(done.get("Seconds", 0.0))
                return dict(done.get("Figures", {}))
        started = time.perf_counter()
        with ExitStack() as stack:
            temporary = [stack.enter_context(atomic_path(path)) for path in outputs]
            figures = dict(make(*temporary) or {})
            # from here on the old results count for nothing, however the run ends
            sidecar_path(outputs[0]).unlink(missing_ok=True)
        seconds = time.perf_counter() - started
        for path in outputs:
            self._digests.pop(path, None)
        write_sidecar(
            outputs[0],
            digests,
            wanted,
            OutputSHA256={path.name: self._digest(path) for path in outputs},
            Figures=figures,
            Seconds=round(seconds, 2),
            **more,
        )
        self.seconds += seconds
        self.redone.append(name)
        return figures

    def _finished(self, outputs: Sequence[Path], digests: Mapping[str, str], wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            sidecar: dict[str, Any] = read_json(sidecar_path(outputs[0]))
            same = sidecar["SourceSHA256"] == digests and sidecar["Parameters"] == wanted
            whole = same and sidecar["OutputSHA256"] == {path.name: self._digest(path) for path in outputs}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return sidecar if whole else None

    def _named(self, path: Path) -> str:
        """A name that stays when results lie outside the study or are moved, and that tells nothing of this machine."""
        if self.derivatives is not None and path.is_relative_to(self.derivatives):
            return (Path("derivatives", "dawson") / path.relative_to(self.derivatives)).as_posix()
        if path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return f"{path.parent.name}/{path.name}"

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = sha256(path)
        return self._digests[path]


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed run left half written in a scan's folder."""
    if folder.is_dir():
        for path in folder.glob(".part-*"):
            path.unlink(missing_ok=True)
