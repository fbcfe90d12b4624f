"""The page about one patient's scan: what the model says, how far its members agree, how good the scan is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from dawson.errors import ModelError
from dawson.files import read_json
from dawson.report.banners import banners
from dawson.report.formatting import UNDEFINED, as_entry, is_number, limits, listed, percent, seconds, with_unit
from dawson.report.gallery import toward
from dawson.report.images import attribution_strip, flair_strip, gradcam_strip, slice_bars, slice_names
from dawson.report.methods import versions
from dawson.report.rendering import write_page
from dawson.report.style import INK, MUTED, RULE, class_colours, open_svg

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPORT = "report.html"


@dataclass(frozen=True)
class QualityFigure:
    """One figure of the scan's quality.

    Parameters
    ----------
    name, value, expected : str
    good : bool or None
        Whether the value is as expected; None where there is nothing to compare.
    """

    name: str
    value: str
    expected: str
    good: bool | None


# Lower ends of what good registrations of real T1w + FLAIR pairs reach (five thick-slice MS sessions, greedy at 2 mm:
# white-matter Dice 0.68 to 0.74, correlation 0.76 to 0.81); overlap of the brain masks of one head; no fold where the
# Jacobian is above 0.
_EXPECTED = {
    "wm_dice": ("White-matter Dice with the template", 0.67),
    "template_correlation": ("Correlation with the template", 0.75),
    "flair_t1w_overlap": ("Overlap of FLAIR and T1w brains (Dice)", 0.90),
    "min_jacobian": ("Smallest Jacobian of the warp", 0.0),
}
_SOURCES = {
    "T1w+FLAIR": "T1w and FLAIR",
    "FLAIR": "FLAIR alone (no T1w: registered by the FLAIR itself)",
    "template-space": "already in template space",
}


def write_prediction_report(folder: Path) -> Path:
    """Write the page of one prediction.

    Parameters
    ----------
    folder : Path
        Holds prediction.json and explanation.npz; the page goes there.

    Returns
    -------
    Path
        Of `report.html`.

    Raises
    ------
    ModelError
        One of the two files is missing.
    """
    for name in ("prediction.json", "explanation.npz"):
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name} is missing, so there is nothing to report.", "Run `dawson predict` again.")
    said = read_json(folder / "prediction.json")
    with np.load(folder / "explanation.npz", allow_pickle=False) as arrays:
        page = prediction_context(said, {name: arrays[name] for name in arrays.files})
    return write_page(folder / REPORT, "prediction.html", page)


def prediction_context(said: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """All that the template shows."""
    model = said["model"]
    classes = [str(name) for name in model["classes"]]
    image = np.asarray(arrays["image"], np.float32)
    slices_mm = [float(z) for z in arrays["slices_mm"]]
    # Calibrated where the model carries a temperature; a withheld prediction has neither.
    certainty, familiarity = said.get("certainty") or {}, said.get("familiarity") or {}
    probability, called = certainty.get("probability") or said.get("probability"), said.get("predicted")
    learnt = model.get("trained_on") or {}
    simulated_scan = bool(said.get("simulated_scan", False))
    page: dict[str, Any] = {
        "banners": banners(simulated=simulated_scan, managed=None, learnt_from_simulated=bool(learnt.get("simulated"))),
        "simulated": simulated_scan,
        "said": said,
        "model": model,
        "classes": classes,
        "learnt": learnt,
        "performance": model.get("performance"),
        "called": called,
        "probability": probability,
        "members": len(probability[classes[0]]["members"]) if probability else 0,
        "spread": member_spread(probability, classes) if probability else None,
        "disagree": disagreement(probability, classes) if probability else "",
        "temperature": certainty.get("temperature"),
        "answer": answer_sentence(certainty.get("set"), classes) if certainty else "",
        "uncertainty": uncertainty_sentence(certainty.get("uncertainty")),
        "raw": said.get("probability") if certainty else None,
        "familiarity": familiarity,
        "unusual": unusual_sentence(familiarity),
        "withheld": said.get("withheld") or "No reason was recorded.",
        "inputs": _inputs(said.get("inputs") or {}),
        "quality": quality_figures(said.get("quality") or {}, familiarity.get("quality") or {}),
        "source": _SOURCES.get(str((said.get("quality") or {}).get("source")), (said.get("quality") or {}).get("source")),
        "took": seconds((said.get("quality") or {}).get("seconds")),
        "flair": flair_strip(image),
        "slice_names": slice_names(slices_mm),
        "software": versions(said.get("software") or {}),
        "grid": int(arrays["gradcam_grid"].shape[-1]) if "gradcam_grid" in arrays else 4,
        "gradcam": None,
        "bars": None,
        "attribution": None,
    }
    if called in classes and probability:
        index = classes.index(str(called))
        if "gradcam" in arrays:
            page["gradcam"] = gradcam_strip(image, np.asarray(arrays["gradcam"][index], np.float32), page["grid"])
        if "occlusion" in arrays:
            page["bars"] = slice_bars(
                np.asarray(arrays["occlusion"][index], float).tolist(),
                slices_mm,
                colour=class_colours(classes)[str(called)],
            )
        if "attribution" in arrays:
            page["attribution"] = attribution_strip(image, toward(np.asarray(arrays["attribution"], np.float32), index))
    return page


def _inputs(inputs: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Kind, file name and digest of each input image."""
    rows = []
    for kind, entry in inputs.items():
        if isinstance(entry, Mapping):
            rows.append((kind, str(entry.get("file", "")), str(entry.get("sha256", ""))))
        elif entry:
            rows.append((kind, Path(str(entry)).name, ""))
    return rows


def quality_figures(quality: Mapping[str, Any], usual: Mapping[str, Any] | None = None) -> list[QualityFigure]:
    """The scan's figures beside what good scans reach, or where the model knows that, what those it learnt from reach.

    Parameters
    ----------
    quality : mapping
        Figure to value.
    usual : mapping, optional
        Figure to its `lowest_usual` value among the training participants.
    """
    rows = []
    for key, (name, good_scans) in _EXPECTED.items():
        value, known = quality.get(key), (usual or {}).get(key)
        least = float(known["lowest_usual"]) if known else good_scans
        expected = f"above {least:g}" if key == "min_jacobian" else f"at least {least:.2f}"
        if is_number(value):
            good = value > least if key == "min_jacobian" else value >= least
            rows.append(QualityFigure(name, f"{value:.2f}", expected, bool(good)))
        else:
            rows.append(QualityFigure(name, UNDEFINED, expected, None))
    return rows


def answer_sentence(said: Mapping[str, Any] | None, classes: Sequence[str]) -> str:
    """What the model answers if it may keep silent, and with which error.

    Parameters
    ----------
    said : mapping or None
        alpha, classes (those that cannot be excluded), answer, measured_error_when_single; None where the model was calibrated
        on too few people.
    classes : sequence of str
    """
    if not said:
        return "It was calibrated on too few people to know when to keep silent."
    promise = f"promised is that the true class is left out for at most {percent(float(said['alpha']))} of the patients of each class"
    measured = as_entry(said.get("measured_error_when_single"))
    error = ""
    if is_number(measured.get("estimate")):
        ends = limits("accuracy", measured)
        known = f" ({ends})" if ends else ""
        error = f"; in its study it was wrong for {with_unit('accuracy', measured['estimate'])}{known} of those for whom it named one class"
    if len(said["classes"]) == 1:
        return f"Allowed to keep silent, it answers {said['answer']}: {promise}{error}."
    if said["classes"]:
        left = listed([str(name) for name in said["classes"]])
        return f"Allowed to keep silent, it cannot tell: {left} remain possible; {promise}{error}."
    return f"Allowed to keep silent, it cannot tell: the scan is unusual for each of {listed(list(classes))}; {promise}{error}."


def uncertainty_sentence(said: Mapping[str, Any] | None) -> str:
    """What the uncertainty of the prediction is made of; empty where it is unknown."""
    if not said:
        return ""
    total = float(said["data"]) + float(said["members"])
    return (
        f"Uncertainty: {total:.2f} nats, of which {percent(round(float(said['share_of_members']), 2))} is disagreement of the members, "
        "which more training patients could lessen; the rest each member leaves open by itself."
    )


def unusual_sentence(said: Mapping[str, Any]) -> str:
    """Whether the scan is unlike those that the model learnt from; empty where the model does not know."""
    if not said:
        return ""
    if not said["unusual"]:
        return (
            f"The scan is like those that the model learnt from: {percent(round(float(said['share_as_far']), 2))} of the people it "
            "learnt from lie as far from the middle or further."
        )
    chance = said.get("by_chance_at_most")
    often = f" Of ordinary scans up to {percent(chance)} are called so by chance." if chance else ""
    why = "; ".join(said["reasons"])
    return f"The scan is unlike those that the model learnt from: {why}. What the model says of it may mean nothing.{often}"


def disagreement(probability: Mapping[str, Any], classes: Sequence[str]) -> str:
    """In words, whether the members call the same class."""
    members = np.array([probability[name]["members"] for name in classes], float)
    votes = np.bincount(members.argmax(axis=0), minlength=len(classes))
    total = int(votes.sum())
    if votes.max() == total:
        return (
            f"All {total} members call {classes[int(votes.argmax())]}." if total > 1 else "The model has one member: its spread is unknown."
        )
    return "The members disagree: " + ", ".join(f"{n} of {total} call {name}" for name, n in zip(classes, votes, strict=True) if n) + "."


def member_spread(probability: Mapping[str, Any], classes: Sequence[str]) -> Markup:
    """Each member's probability as a dot, the mean as a bar, one line a class."""
    colours = class_colours(classes)
    left, width, row = 120.0, 440.0, 46.0
    height = 26 + row * len(classes)
    parts = [open_svg(left + width + 80, height, "Probability of each class, mean and each member", "spread")]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + width * tick
        dashed = ' stroke-dasharray="4 3"' if tick == 0.5 and len(classes) == 2 else ""
        parts.append(f'<path d="M{x:.1f} 4V{height - 20:.1f}" stroke="{MUTED if dashed else RULE}"{dashed}/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 4:.1f}" text-anchor="middle" font-size="12" fill="{MUTED}">{tick:g}</text>')
    for index, name in enumerate(classes):
        entry, y = probability[name], 4 + row * (index + 0.5)
        colour = colours[name]
        parts.append(f'<text x="0" y="{y + 5:.1f}" font-size="15" font-weight="700">{escape(name)}</text>')
        parts.append(
            f'<path d="M{left + width * entry["min"]:.1f} {y:.1f}H{left + width * entry["max"]:.1f}" '
            f'stroke="{colour}" stroke-width="3" opacity=".35"/>'
        )
        parts += [
            f'<circle cx="{left + width * value:.1f}" cy="{y:.1f}" r="5" fill="{colour}" fill-opacity=".55"/>' for value in entry["members"]
        ]
        mean = left + width * entry["mean"]
        parts.append(f'<path d="M{mean:.1f} {y - 13:.1f}V{y + 13:.1f}" stroke="{INK}" stroke-width="3"/>')
        parts.append(f'<text x="{left + width + 14:.1f}" y="{y + 5:.1f}" font-size="15">{entry["mean"]:.2f}</text>')
    return Markup("".join(parts) + "</svg>")
