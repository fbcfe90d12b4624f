"""How sure is it? Calibration, the answer "cannot tell" and what the uncertainty is made of, in sentences and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dawson.report.disclosure import tells_few, with_next_smallest
from dawson.report.findings import part_of, reason_of
from dawson.report.formatting import as_entry, decimal, decimal_estimate, estimate, is_number, listed, percent, with_unit
from dawson.report.sharing import HIDDEN, is_small

SCORES = {
    "nll": ("Log loss", "nats; lower is better"),
    "brier": ("Brier score", "lower is better"),
    "ece": ("Expected calibration error", "0: what is said comes true as often"),
    "slope": ("Calibration slope", "1 is right; below 1 too sure"),
    "intercept": ("Calibration intercept", "0 is right"),
}
_METHODS = {"temperature": "temperature scaling"}


@dataclass(frozen=True)
class Trust:
    """The section "How sure is it?".

    Parameters
    ----------
    reasons : list of str
        Why a part is missing.
    calibration, abstention, uncertainty : str
        A sentence each, empty where there is nothing to say.
    warnings : list of str
        Promises that were not kept, over all patients or at a site.
    scores : list of mapping
        name, about, before, after.
    answers : list of (class, promised error, measured error)
    sites : list of mapping
        site, n, promised, measured, single: all text.
    """

    reasons: list[str]
    calibration: str
    abstention: str
    uncertainty: str
    warnings: list[str]
    scores: list[dict[str, str]]
    answers: list[tuple[str, str, str]]
    sites: list[dict[str, str]]


def trust_section(trust: Mapping[str, Any] | None, share: bool = False, people: int = 0) -> Trust | None:
    """What the page says of trust.json; None where the run has none.

    Parameters
    ----------
    trust : mapping or None
    share : bool
        Hide the rows of sites, and the shares, from which a count of 1 to 4 people could be worked out.
    people : int
        Test patients, for `share`.
    """
    if trust is None:
        return None
    calibration, abstention = part_of(trust, "calibration"), part_of(trust, "abstention")
    hidden = hidden_sites(abstention.get("by_site") or []) if share else frozenset()
    return Trust(
        reasons=[
            f"{name}: {reason}"
            for name, reason in (("Not done", reason_of(trust)), *((part.capitalize(), reason_of(trust.get(part))) for part in _PARTS))
            if reason
        ],
        calibration=_calibration(calibration),
        abstention=_abstention(abstention, people if share else None),
        uncertainty=_uncertainty(part_of(trust, "uncertainty")),
        warnings=_warnings(abstention, hidden),
        scores=_scores(calibration),
        answers=_answers(abstention),
        sites=[_site(row, abstention, str(row["site"]) in hidden) for row in abstention.get("by_site") or []],
    )


_PARTS = ("calibration", "abstention", "uncertainty")


def _calibration(part: Mapping[str, Any]) -> str:
    if not part:
        return ""
    before, after = part.get("before") or {}, part.get("after") or {}
    temperature = as_entry(part.get("temperature")).get("median")
    if not is_number(temperature):
        temperature = as_entry(part.get("temperature")).get("estimate")
    name = _METHODS.get(str(part.get("method")), str(part.get("method") or "calibration"))
    # Above 1 the outputs are drawn toward one half.
    was = ""
    if is_number(temperature):
        was = f" (median temperature {decimal(temperature)}: as trained it was too {'sure' if temperature > 1 else 'timid'})"
    text = (
        f"After {name}{was}, what the model says differs from what comes true by {decimal_estimate(after.get('ece'))} on average, before "
        f"by {decimal_estimate(before.get('ece'))} (expected calibration error)"
    )
    improved = part.get("nll_improved_repeats") or {}
    if is_number(improved.get("of")) and improved["of"]:
        text += f", and the log loss out of sample fell in {improved['improved']} of {improved['of']} test sets"
    text += "."
    alone = as_entry(part.get("single_networks")).get("nll_improved_repeats") or {}
    if is_number(alone.get("of")) and alone["of"]:
        text += f" Of the single networks, for which the temperature is fitted, it fell in {alone['improved']} of {alone['of']}"
        fewer = bool(improved.get("of")) and improved["improved"] < alone["improved"]
        text += "; averaging them takes overconfidence away by itself." if fewer else "."
    return text


def _abstention(part: Mapping[str, Any], people: int | None) -> str:
    """In a sentence or two; with a number of people, shares that would tell of a few of them are left out."""
    if not part:
        return ""
    sets = part.get("sets") or {}
    measured = listed([f"{name} {error}" for name, _, error in _answers(part)])
    single, error = sets.get("single"), part.get("error_when_single")
    wrong = as_entry(error).get("estimate")
    answered = round(people * single) if people is not None and is_number(single) else None
    named = "a share that is hidden" if people is not None and tells_few(single, people) else _share(single)
    text = f"Allowed to say “cannot tell”, the model named one class for {named} of the patients"
    if is_number(wrong) and (answered is None or not (is_small(answered) or tells_few(wrong, answered))):
        text += f", and was wrong in {_rate(error)} of these"
    return (
        f"{text}. It promised to leave the true class out of its answer in at most {_share(_promised_error(part))} of each class; "
        f"measured: {measured}."
    )


def _share(value: Any) -> str:
    return percent(round(value, 3)) if is_number(value) else "an unknown share"


def _rate(value: Any) -> str:
    """A rate with its interval: `12.3 % (5.0–20.0)`."""
    entry = as_entry(value)
    text = estimate("accuracy", entry)
    return text.replace(" (", "\u00a0% (", 1) if " (" in text else with_unit("accuracy", entry.get("estimate"))


def _promised_error(part: Mapping[str, Any]) -> float | None:
    if is_number(part.get("alpha")):
        return float(part["alpha"])
    return 1 - float(part["promised"]) if is_number(part.get("promised")) else None


def error_of(coverage: Any) -> dict[str, Any]:
    """The other side of a coverage: how often the true class was left out, with the interval turned round.

    Examples
    --------
    >>> error_of({"estimate": 0.75, "low": 0.5, "high": 1.0})
    {'estimate': 0.25, 'low': 0.0, 'high': 0.5}
    """
    entry = as_entry(coverage)
    turned = {"estimate": entry.get("estimate"), "low": entry.get("high"), "high": entry.get("low")}
    return {name: 1 - value if is_number(value) else None for name, value in turned.items()}


def _answers(part: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    promised = f"at most {_share(_promised_error(part))}"
    return [(str(name), promised, _rate(error_of(coverage))) for name, coverage in (part.get("coverage") or {}).items()]


def _scores(part: Mapping[str, Any]) -> list[dict[str, str]]:
    before, after = part.get("before") or {}, part.get("after") or {}
    return [
        {"name": name, "about": about, "before": decimal_estimate(before.get(key)), "after": decimal_estimate(after.get(key))}
        for key, (name, about) in SCORES.items()
        if key in before or key in after
    ]


def _warnings(part: Mapping[str, Any], hidden: frozenset[str]) -> list[str]:
    """Promises broken beyond chance for a class, and what the run warns of at a site."""
    promised = part.get("promised")
    said = [
        f"The promise was not kept for {name}: the true class was left out for {_rate(error_of(coverage))} instead of at most "
        f"{_share(_promised_error(part))}."
        for name, coverage in (part.get("coverage") or {}).items()
        if is_number(promised) and is_number(as_entry(coverage).get("high")) and as_entry(coverage)["high"] < promised
    ]
    sites = [row for row in part.get("by_site") or [] if row.get("warning")]
    said += [str(row["warning"]) for row in sites if str(row["site"]) not in hidden]
    if any(str(row["site"]) in hidden for row in sites):
        said.append("At a site whose numbers are hidden, less was covered than promised.")
    return said


def hidden_sites(rows: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Sites whose row would tell of 1 to 4 people; never one alone, which the total would give away."""
    few = [str(row["site"]) for row in rows if _tells(row)]
    return with_next_smallest(few, {str(row["site"]): int(row.get("n") or 0) for row in rows})


def _tells(row: Mapping[str, Any]) -> bool:
    n = row.get("n")
    shares = [as_entry(row.get(name)).get("estimate") for name in ("coverage", "error_when_single")]
    return not is_number(n) or is_small(int(n)) or any(tells_few(share, n) for share in shares)


def _site(row: Mapping[str, Any], part: Mapping[str, Any], hide: bool) -> dict[str, str]:
    shown = {
        "n": str(row.get("n", "")),
        "measured": _rate(error_of(row.get("coverage"))),
        "single": _rate(row.get("error_when_single")),
    }
    return {"site": str(row["site"]), "promised": f"at most {_share(_promised_error(part))}"} | (
        dict.fromkeys(shown, HIDDEN) if hide else shown
    )


def _uncertainty(part: Mapping[str, Any]) -> str:
    if not is_number(part.get("share_of_members")):
        return ""
    return (
        f"Of a patient's uncertainty (on average {decimal(_sum(part))} nats), {_share(part['share_of_members'])} is disagreement of the "
        "networks, which more training patients could lessen; the rest is in the images as they are."
    )


def _sum(part: Mapping[str, Any]) -> float | None:
    data, members = part.get("data"), part.get("members")
    return data + members if is_number(data) and is_number(members) else None
