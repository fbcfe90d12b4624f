"""Sites: whether they go with the diagnosis, what was done about differences between them, and whether they can still be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dawson.report.findings import NOT_TOLD, reason_of
from dawson.report.formatting import as_entry, counted, decimal, decimal_estimate, estimate, is_number, listed, p_value

_INTENSITY = {
    "nyul": "Brightness of the channel images was brought to a standard scale (Nyul), learnt from the training images of each fold.",
    "whitestripe": "Brightness of the channel images was expressed in units of each image's own white stripe (WhiteStripe); its unit "
    "was that of the training images of each fold.",
}


@dataclass(frozen=True)
class Harmonisation:
    """The section "Sites".

    Parameters
    ----------
    warning : str
        Where site and diagnosis are confounded.
    sentences : list of str
        What was done.
    counts : list of (site, list of str)
        People by site, one number a class; empty where counts may not be told.
    labels : list of str
        The classes of these numbers.
    rows : list of mapping
        what, state, auc, chance, p, accuracy, accuracy_chance: text.
    missing : list of str
        Why a part is missing.
    """

    warning: str
    sentences: list[str]
    counts: list[tuple[str, list[str]]]
    labels: list[str]
    rows: list[dict[str, str]]
    missing: list[str]


def harmonisation_section(content: Mapping[str, Any] | None, share: bool = False) -> Harmonisation | None:
    """What the page says of harmonisation.json; None where the run has none.

    Parameters
    ----------
    content : mapping or None
    share : bool
        Leave out numbers of people by site, and sites by name.
    """
    if content is None:
        return None
    sites = content.get("sites") or {}
    labels = sorted({str(label) for own in sites.values() for label in own})
    rows, missing = _rows(content, share)
    return Harmonisation(
        warning=_warning(content, share),
        sentences=_sentences(content, share),
        counts=[] if share else [(str(name), [str(own.get(label, 0)) for label in labels]) for name, own in sites.items()],
        labels=labels,
        rows=rows,
        missing=missing,
    )


def _warning(content: Mapping[str, Any], share: bool) -> str:
    warning = str(content.get("warning") or "")
    if not (warning and share):
        return warning
    alone = len(content.get("one_class_sites") or {})
    some = f"; at {counted(alone, 'site')} everybody has the same diagnosis" if alone else ""
    return f"Site and diagnosis are confounded: Cramer's V is {decimal(content.get('cramers_v'))}{some}."


def _sentences(content: Mapping[str, Any], share: bool) -> list[str]:
    settings, said = content.get("settings") or {}, []
    if is_number(content.get("cramers_v")):
        corrected = decimal(content.get("cramers_v_corrected"))
        said.append(
            f"Cramer's V between site and diagnosis: {decimal(content['cramers_v'])}, {corrected} once chance is taken off "
            "(0: independent, 1: a site for each diagnosis)."
        )
    if (intensity := str(settings.get("intensity"))) in _INTENSITY:
        said.append(_INTENSITY[intensity])
    if settings.get("features") == "combat":
        said += _combat(content.get("features") or {}, settings, share)
    if settings.get("intensity") == "none" and settings.get("features") == "none":
        said.append("Nothing was done about differences between sites.")
    return said


def _combat(done: Mapping[str, Any], settings: Mapping[str, Any], share: bool) -> list[str]:
    covariates = listed([str(name) for name in settings.get("covariates") or []])
    keeping = f", keeping what {covariates} explain" if covariates else ""
    reference = settings.get("reference_site")
    to = f" to the values of site {reference}" if reference and not share else " to those of one site" if reference else ""
    said = [
        f"Lesion features were brought{to or ' together'} by ComBat (parametric empirical Bayes), fitted on the training people of "
        f"each fold{keeping}."
    ]
    if reason_of(done):
        return said
    left = len(done.get("left_as_they_are") or [])
    if left:
        said.append(
            f"Of {done['features']} features, {left} were left as they are in some fold, since they do not vary among the training people "
            "of some site."
        )
    unseen = done.get("unseen_sites") or {}
    if unseen and done.get("unseen") == "refuse":
        said.append(f"{_sites(unseen, share)} had nobody in the training of some fold: lesion features were not harmonised, but refused.")
    elif unseen:
        said.append(
            f"{_sites(unseen, share)} had nobody in the training of some fold: its effect was estimated from its own people without their "
            "labels, drawn toward the effects of the training sites."
        )
    else:
        said.append("Every site had people in every training.")
    return said


def _sites(unseen: Mapping[str, Any], share: bool) -> str:
    return counted(len(unseen), "site").capitalize() if share else "Site " + listed([str(name) for name in unseen])


def _rows(content: Mapping[str, Any], share: bool) -> tuple[list[dict[str, str]], list[str]]:
    rows, missing = [], []
    parts = {"ComBat": content.get("features") or {}} | {str(part["what"]): part for part in content.get("predictability") or []}
    for name, part in parts.items():
        if reason := reason_of(part):
            missing.append(f"{name}: {NOT_TOLD if share else reason}")
    for part in content.get("predictability") or []:
        for state in ("before", "after"):
            if figures := part.get(state):
                rows.append(_row(str(part["what"]), state, figures))
    return rows, missing


def _row(what: str, state: str, figures: Mapping[str, Any]) -> dict[str, str]:
    chance, accuracy = figures["chance_auc"], figures["chance_accuracy"]
    return {
        "what": what,
        "state": state,
        "auc": decimal_estimate(as_entry(figures["auc"])),
        "chance": f"{chance['mean']:.2f} (95 % below {chance['p95']:.2f})",
        "p": p_value(figures["p_auc"]),
        "accuracy": estimate("accuracy", as_entry(figures["accuracy"])),
        "accuracy_chance": f"{100 * accuracy['mean']:.1f} (95 % below {100 * accuracy['p95']:.1f})",
    }
