"""What a run found beyond its figures of merit: the JSON files beside metrics.json, each of which may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.files import read_json

FILES = {
    "trust": "trust.json",
    "subgroups": "subgroups.json",
    "comparison": "comparison.json",
    "saliency": "saliency.json",
    "learning_curve": "learning_curve.json",
    "harmonisation": "harmonisation.json",
}
NOT_TOLD = "too few people, or files missing; see the in-house report."


@dataclass(frozen=True)
class Findings:
    """Further results of a run, None where it made none.

    Parameters
    ----------
    trust : mapping, optional
        Calibration, abstention and the parts of the uncertainty (trust.json).
    subgroups : sequence of mapping or mapping, optional
        One row a group (subgroups.json); a mapping where there is only the reason why there are none.
    comparison : mapping, optional
        The network beside its comparators (comparison.json).
    saliency : mapping, optional
        Whether the maps passed their tests (saliency.json).
    learning_curve : mapping, optional
        Performance by number of training patients (learning_curve.json).
    harmonisation : mapping, optional
        Sites, and what was done about them (harmonisation.json).
    """

    trust: Mapping[str, Any] | None = None
    subgroups: Any = None
    comparison: Mapping[str, Any] | None = None
    saliency: Mapping[str, Any] | None = None
    learning_curve: Mapping[str, Any] | None = None
    harmonisation: Mapping[str, Any] | None = None


def read_findings(folder: Path) -> Findings:
    """Read what there is in an experiment folder."""
    return Findings(**{name: read_json(folder / file) for name, file in FILES.items() if (folder / file).is_file()})


def without_reasons(findings: Findings) -> Findings:
    """The findings for others: reasons are free text, which may count people or name files, and become one fixed phrase."""
    return Findings(**{name: _masked(getattr(findings, name)) for name in FILES})


def _masked(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {name: NOT_TOLD if name == "reason" and value else _masked(value) for name, value in content.items()}
    return [_masked(item) for item in content] if isinstance(content, list) else content


def reason_of(content: Any) -> str:
    """Why a result is missing, where the file says so; else empty.

    Examples
    --------
    >>> reason_of({"reason": "one class has 5 patients"}), reason_of({"points": []}), reason_of(None)
    ('one class has 5 patients', '', '')
    """
    return str(content["reason"]) if isinstance(content, Mapping) and content.get("reason") else ""


def part_of(content: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """A part of a file, empty where it is missing, null or only has a reason."""
    part = (content or {}).get(name)
    return part if isinstance(part, Mapping) and not reason_of(part) else {}
