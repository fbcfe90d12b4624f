"""Did the maps pass their tests? The verdict as it stands beside the gallery, and what each test gave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dawson.report.findings import reason_of
from dawson.report.formatting import as_entry, decimal_estimate, is_number, p_value
from dawson.report.lesion_masks import masks_sentence
from dawson.report.sharing import HIDDEN, is_small

METHODS = {"gradcam": "Grad-CAM, coarse", "attribution": "Integrated gradients", "occlusion": "Occlusion of slices"}
TESTS = {"randomisation": "Randomised weights", "repeatability": "Repeatability", "localisation": "Localisation"}
_PEOPLE = re.compile(r"(^|_)(n|people|patients|participants|scans|images)($|_)")
_NUMBERS = re.compile(r"\s*\([^()]*\)")


@dataclass(frozen=True)
class Saliency:
    """What stands beside the gallery.

    Parameters
    ----------
    reason, verdict : str
        One of them is empty.
    passed : bool or None
        None where that cannot be said.
    failed : bool
        A map failed a test, which is more than not to have passed all of them.
    rows : list of mapping
        method, test, passed ("passed", "failed" or "not tested") and figures (text).
    masks : str
        Whose lesion masks the test of localisation used.
    """

    reason: str
    verdict: str
    passed: bool | None
    failed: bool
    rows: list[dict[str, str]]
    masks: str = ""


def saliency_section(saliency: Mapping[str, Any] | None, share: bool = False) -> Saliency | None:
    """What the page says of saliency.json; None where the maps were not tested.

    Parameters
    ----------
    saliency : mapping or None
    share : bool
        Hide counts of people from 1 to 4, and the brackets of the verdict, which have such counts.
    """
    if saliency is None:
        return None
    if reason := reason_of(saliency):
        return Saliency(reason, "", None, False, [])
    passed, verdict = saliency.get("passed"), str(saliency.get("verdict") or "")
    return Saliency(
        reason="",
        verdict=_NUMBERS.sub("", verdict) if share else verdict,
        passed=passed if isinstance(passed, bool) else None,
        failed=bool(tests_with(saliency, False)),
        rows=[
            _row(str(method), str(test), result, share)
            for method, tests in (saliency.get("methods") or {}).items()
            for test, result in tests.items()
            if isinstance(result, Mapping) and test in TESTS
        ],
        masks=masks_sentence(saliency),
    )


def tests_with(saliency: Mapping[str, Any] | None, outcome: bool | None) -> list[str]:
    """Names of the tests that some map passed (True), failed (False) or was not put to (None)."""
    methods = ((saliency or {}).get("methods") or {}).values()
    return [name for test, name in TESTS.items() if any(test in tests and tests[test].get("passed") is outcome for tests in methods)]


def _row(method: str, test: str, result: Mapping[str, Any], share: bool) -> dict[str, str]:
    passed = result.get("passed")
    figures = [f"{name.replace('_', ' ')} {value}" for name, value in _figures(result, share)]
    return {
        "method": METHODS.get(method, method.replace("_", " ")),
        "test": TESTS[test],
        "passed": {True: "passed", False: "failed"}.get(passed, "not tested") if isinstance(passed, bool) else "not tested",
        "figures": "; ".join([*figures, *filter(None, [reason_of(result)])]),
    }


def _figures(result: Mapping[str, Any], share: bool) -> Iterator[tuple[str, str]]:
    """The numbers of a test, with their intervals; long lists and nested tables stay in the file."""
    for name, value in result.items():
        entry = as_entry(value)
        if isinstance(value, bool) or not is_number(entry.get("estimate")):
            continue
        if name == "p" or name.endswith("_p"):
            yield name, p_value(value)
        elif isinstance(value, int):
            yield name, HIDDEN if share and _PEOPLE.search(name) and is_small(value) else str(value)
        else:
            yield name, decimal_estimate(value)
