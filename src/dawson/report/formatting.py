"""How numbers are written in a report: one place, so that a figure reads the same in a sentence, a table and a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

FIGURES = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "auc")
NAMES = {
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "auc": "AUC",
}
UNDEFINED = "–"


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number (metrics.json holds null where a figure is undefined)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def plain(figure: str, value: Any) -> str:
    """A figure of merit without its unit: per cent with one decimal, AUC with two.

    Examples
    --------
    >>> plain("accuracy", 0.7612), plain("auc", 0.851), plain("ppv", None)
    ('76.1', '0.85', '–')
    """
    if not is_number(value):
        return UNDEFINED
    return f"{value:.2f}" if figure == "auc" else f"{100 * value:.1f}"


def with_unit(figure: str, value: Any) -> str:
    """A figure of merit with its unit, for sentences."""
    text = plain(figure, value)
    return text if figure == "auc" or text == UNDEFINED else f"{text}\u00a0%"


def limits(figure: str, entry: Mapping[str, Any] | None) -> str:
    """The two ends of an interval, empty where it has none."""
    if not entry or not is_number(entry.get("low")) or not is_number(entry.get("high")):
        return ""
    return f"{plain(figure, entry['low'])}–{plain(figure, entry['high'])}"


def estimate(figure: str, entry: Mapping[str, Any] | None) -> str:
    """Estimate with its interval, or with its standard deviation where only that is known.

    Examples
    --------
    >>> estimate("accuracy", {"estimate": 0.761, "low": 0.748, "high": 0.774})
    '76.1 (74.8–77.4)'
    """
    if not entry:
        return UNDEFINED
    text = plain(figure, entry.get("estimate"))
    if ends := limits(figure, entry):
        return f"{text} ({ends})"
    if text != UNDEFINED and is_number(entry.get("sd")):
        return f"{text} ± {plain(figure, entry['sd'])}"
    return text


def point(figure: str, entry: Mapping[str, Any] | None) -> str:
    """The estimate alone, the first line of a table's cell."""
    return plain(figure, entry.get("estimate")) if entry else UNDEFINED


def between(figure: str, entry: Mapping[str, Any] | None) -> str:
    """Interval in brackets, or the standard deviation where only that is known: the second line of a table's cell.

    Examples
    --------
    >>> between("auc", {"estimate": 0.85, "low": 0.84, "high": 0.86}), between("auc", {"estimate": 0.85, "sd": 0.05})
    ('(0.84–0.86)', '± 0.05')
    """
    if ends := limits(figure, entry):
        return f"({ends})"
    return f"± {plain(figure, entry['sd'])}" if entry and is_number(entry.get("sd")) and is_number(entry.get("estimate")) else ""


def interval_methods(metrics: Mapping[str, Any]) -> str:
    """How the headline intervals were made, figure by figure, as metrics.json says.

    Examples
    --------
    >>> entry = {"estimate": 0.8, "method": "bootstrap"}
    >>> interval_methods({"headline": {"ppv": entry, "npv": entry, "auc": {"estimate": 0.9, "method": "DeLong"}}})
    'PPV and NPV: bootstrap; AUC: DeLong'
    """
    by_method: dict[str, list[str]] = {}
    for figure in FIGURES:
        if method := (metrics["headline"].get(figure) or {}).get("method"):
            name = NAMES[figure]
            by_method.setdefault(str(method), []).append(name if name.isupper() else name.lower())
    return "; ".join(f"{listed(names)}: {method}" for method, names in by_method.items())


def percent(value: float) -> str:
    r"""A fraction as per cent, without decimals where it has none.

    Examples
    --------
    >>> percent(0.95), percent(0.125)
    ('95\xa0%', '12.5\xa0%')
    """
    return f"{100 * value:.4g}\u00a0%"


def counted(number: int | str, singular: str, plural: str = "") -> str:
    """A number with its noun.

    Examples
    --------
    >>> counted(1, "scan"), counted(3, "scan")
    ('1 scan', '3 scans')
    """
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def listed(items: list[str], last: str = "and") -> str:
    """Names as they stand in a sentence.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def seconds(value: Any) -> str:
    """A duration as a person says it."""
    if not is_number(value):
        return UNDEFINED
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def as_entry(value: Any) -> Mapping[str, Any]:
    """An estimate with or without its interval in one form: a bare number becomes an entry without bounds."""
    return value if isinstance(value, Mapping) else {"estimate": value}


def decimal(value: Any, places: int = 2, signed: bool = False) -> str:
    """A number that is no share of anything, such as a Brier score or a slope.

    Examples
    --------
    >>> decimal(0.0512, 3), decimal(-0.2, signed=True), decimal(None)
    ('0.051', '−0.20', '–')
    """
    if not is_number(value):
        return UNDEFINED
    text = f"{abs(value):.{places}f}"
    nothing = float(text) == 0
    return f"{'−' if value < 0 and not nothing else '+' if signed and not nothing else ''}{text}"


def decimal_estimate(value: Any, places: int = 2, signed: bool = False) -> str:
    """As `decimal`, with the interval behind it where there is one.

    Examples
    --------
    >>> decimal_estimate({"estimate": 0.05, "low": -0.02, "high": 0.12}, signed=True)
    '+0.05 (−0.02 to +0.12)'
    """
    entry = as_entry(value)
    text = decimal(entry.get("estimate"), places, signed)
    low, high = entry.get("low"), entry.get("high")
    if not is_number(low) or not is_number(high):
        return text
    # A dash between signs is hard to read.
    between_them = " to " if signed or low < 0 else "–"
    return f"{text} ({decimal(low, places, signed)}{between_them}{decimal(high, places, signed)})"


def p_value(value: Any) -> str:
    """A p value as journals print it.

    Examples
    --------
    >>> p_value(0.0004), p_value(0.0321), p_value(None)
    ('<0.001', '0.032', '–')
    """
    if not is_number(value):
        return UNDEFINED
    return "<0.001" if value < 0.001 else f"{value:.3f}"
