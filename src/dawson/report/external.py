"""The page about a model on another study: what it reaches outside beside what it reached inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawson.errors import ModelError
from dawson.files import read_json
from dawson.report.banners import banners
from dawson.report.findings import part_of, reason_of
from dawson.report.formatting import FIGURES, as_entry, decimal_estimate, estimate, is_number, listed, percent, with_unit
from dawson.report.methods import versions
from dawson.report.rendering import write_page
from dawson.report.subgroups import subgroups_section
from dawson.report.trust import SCORES, error_of
from dawson.report.trust_figures import reliability_figure, reliability_table

REPORT = "report.html"


def write_external_report(folder: Path) -> Path:
    """Write the page of an external validation.

    Parameters
    ----------
    folder : Path
        Holds external.json; the page goes there.

    Returns
    -------
    Path
        Of `report.html`.

    Raises
    ------
    ModelError
        external.json is missing.
    """
    path = folder / "external.json"
    if not path.is_file():
        raise ModelError(f"{path} is missing, so there is nothing to report.", "Run `dawson study external` again.")
    return write_page(folder / REPORT, "external.html", external_context(read_json(path)))


def external_context(said: Mapping[str, Any]) -> dict[str, Any]:
    """All that the template shows."""
    simulated, model = bool(said["simulated"]), said["model"]
    learnt = model.get("trained_on") or {}
    inside, outside = said["figures"]["inside"], said["figures"]["outside"]
    calibration, abstention = part_of(said, "calibration"), part_of(said, "abstention")
    points = {"calibration": {"reliability": calibration.get("reliability") or {}}}
    return {
        "banners": banners(simulated=simulated, managed=said["managed"], learnt_from_simulated=bool(learnt.get("simulated"))),
        "simulated": simulated,
        "said": said,
        "model": model,
        "learnt": learnt,
        "people": listed([f"{n} {label}" for label, n in said["n"].items()]),
        "sentence": _sentence(said),
        "figures": [(figure, inside.get(figure), outside.get(figure)) for figure in FIGURES],
        "undefined": said["figures"].get("reason") or "",
        "reasons": [reason for part in ("calibration", "abstention") if (reason := reason_of(said.get(part)))],
        "scores": _scores(calibration),
        "reliability": reliability_figure(reliability_table(points), said["positive"], "Simulated patients" if simulated else ""),
        "answers": _answers(abstention),
        "promised": percent(float(abstention["alpha"])) if abstention else "",
        "sites": [
            (site["site"], site["n"], _rate(error_of(site["coverage"])), _rate(site["error_when_single"]))
            for site in part_of(abstention, "outside").get("by_site") or []
        ],
        "subgroups": subgroups_section(said["subgroups"], said["figures"].get("outside_positive_auc")),
        "software": versions(said.get("software") or {}),
    }


def _sentence(said: Mapping[str, Any]) -> str:
    inside, outside = as_entry(said["figures"]["inside"].get("auc")), as_entry(said["figures"]["outside"].get("auc"))
    if not is_number(outside.get("estimate")):
        return "The other study does not hold people of every class: there is no AUC outside."
    return f"Outside, the model reaches an AUC of {estimate('auc', outside)}; in its own study it reached {estimate('auc', inside)}."


def _scores(part: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the calibration table: inside and outside at the model's temperature, and outside without it."""
    inside, outside = part_of(part, "inside"), part_of(part, "outside")
    return [
        {
            "name": name,
            "about": about,
            "inside": decimal_estimate(part_of(inside, "after").get(key)),
            "outside": decimal_estimate(part_of(outside, "after").get(key)),
            "untempered": decimal_estimate(part_of(outside, "before").get(key)),
        }
        for key, (name, about) in SCORES.items()
        if outside
    ]


def _answers(part: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Of each class, how often the sets left it out inside and outside; then how often one class was named, and wrongly."""
    inside, outside = part_of(part, "inside"), part_of(part, "outside")
    rows = [
        (f"Left out, of the participants with {label}", _rate(error_of(part_of(inside, "coverage").get(label))), _rate(error_of(held)))
        for label, held in part_of(outside, "coverage").items()
    ]
    if outside:
        single = [with_unit("accuracy", part_of(where, "sets").get("single")) for where in (inside, outside)]
        rows.append(("One class named", single[0], single[1]))
        rows.append(("Wrong where one class is named", _rate(inside.get("error_when_single")), _rate(outside.get("error_when_single"))))
    return rows


def _rate(value: Any) -> str:
    return estimate("accuracy", as_entry(value))
