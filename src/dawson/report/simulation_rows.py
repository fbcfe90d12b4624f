"""The tables of a simulated cohort's description, as text for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dawson.report.formatting import UNDEFINED, counted, is_number
from dawson.report.simulation_figures import row_name, spoken
from dawson.simulation.describe import CohortDescription, real_loads

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = {
    "lesions": "Lesions (true number)",
    "components": "Connected parts of the lesion mask",
    "volume_ml": "Lesion volume, mL",
}
_CHANGES = {
    "new": "new lesions a year",
    "enlarging": "lesions enlarging a year",
    "shrinking": "lesions shrinking a year",
    "resolved": "lesions gone a year",
    "volume_ml": "lesion volume, mL a year",
}
_BASES = {"published": "", "derived": "derived from", "assumed": "assumed:"}


def frequency_row(row: dict[Any, Any]) -> dict[str, Any]:
    source = f"{_BASES[row['basis']]} {row['source']}".strip()
    return {
        "name": row_name(row),
        "within": spoken(row["within"]) if row["within"] else "",
        "published": _percent(row["published"]),
        "published_ends": ends(row["published_low"], row["published_high"], 100),
        "published_n": f"n = {row['published_n']:g}" if is_number(row["published_n"]) else "",
        "source": source,
        "count": f"{row['count']}/{row['n']}",
        "share": _percent(row["share"]),
        "ends": ends(row["low"], row["high"], 100),
        "p": _p_value(row["p_holm"]),
        "fits": row["fits"],
    }


def load_rows(found: CohortDescription) -> list[dict[str, Any]]:
    rows = [{**row, "simulated": True} for row in rows_of(found.loads)]
    if found.real is not None:
        name = f"real {found.real.diagnosis}".strip()
        rows += [{**row, "diagnosis": name, "simulated": False, "published_mean": None} for row in rows_of(real_loads(found.real))]
    order = {quantity: place for place, quantity in enumerate(QUANTITIES)}
    rows.sort(key=lambda row: order[row["quantity"]])
    shown = []
    for row in rows:
        digits = 1 if row["quantity"] == "volume_ml" else 0
        shown.append(
            {
                "quantity": QUANTITIES[row["quantity"]],
                "order": order[row["quantity"]],
                "name": row["diagnosis"],
                "simulated": row["simulated"],
                "n": row["n"],
                "median": f"{row['median']:.{digits}f}",
                "quartiles": f"{row['q1']:.{digits}f}–{row['q3']:.{digits}f}",
                "range": f"{row['min']:.{digits}f}–{row['max']:.{digits}f}",
                "mean": f"{row['mean']:.1f}",
                "published": f"{row['published_mean']:g}" if is_number(row["published_mean"]) else "",
            }
        )
    return shown


def change_row(row: dict[Any, Any]) -> dict[str, Any]:
    change = row["change"]
    if change == "volume_ml":
        rate, between, published = f"{row['rate']:+.2f}", f"quartiles {row['low']:+.2f} to {row['high']:+.2f}", ""
        events, exposure = "", counted(int(row["exposure"]), "patient")
    else:
        share = change != "new"
        rate = _percent(row["rate"]) + " %" if share else f"{row['rate']:.2f}"
        between = ends(row["low"], row["high"], 100 if share else 1)
        published = (
            UNDEFINED if not is_number(row["published"]) else (_percent(row["published"]) + " %" if share else f"{row['published']:.2f}")
        )
        events, exposure = f"{row['events']:.0f}", f"{row['exposure']:.0f} {'lesion years' if share else 'patient years'}"
    return {
        "diagnosis": row["diagnosis"],
        "change": _CHANGES[change],
        "events": events,
        "exposure": exposure,
        "rate": rate.replace("-", "−"),
        "ends": between.replace("-", "−"),
        "published": published,
    }


def status_row(row: dict[Any, Any]) -> dict[str, Any]:
    known = is_number(row["share"])
    return {
        "diagnosis": row["diagnosis"],
        "status": row["status"],
        "scans": f"{row['n']} ({row['people']})",
        "lesions": f"{row['median_lesions']:g}",
        "name": spoken(row["name"]) if row["name"] else "",
        "share": f"{_percent(row['share'])} % ({row['count']:.0f})" if known else "",
        "published": f"{_percent(row['published'])} %" if known else "",
    }


def rows_of(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows with None where a truth value is missing, so that `is False` can be asked."""
    import pandas as pd

    return [{key: None if value is pd.NA else value for key, value in row.items()} for row in table.to_dict("records")]


def number_of(table: pd.DataFrame, diagnosis: str) -> int:
    return int((table["diagnosis"] == diagnosis).sum())


def _percent(share: Any) -> str:
    return f"{100 * share:.1f}" if is_number(share) else UNDEFINED


def ends(low: Any, high: Any, scale: float = 1.0) -> str:
    if not is_number(low) or not is_number(high):
        return ""
    return f"{scale * low:.1f}–{scale * high:.1f}" if scale != 1 else f"{low:.2f}–{high:.2f}"


def _p_value(value: Any) -> str:
    return UNDEFINED if not is_number(value) else "< 0.001" if value < 0.001 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def correlation_text(one: Any) -> str:
    if not is_number(one.estimate):
        return "not defined"
    between = f" (95 % interval {one.low:.2f} to {one.high:.2f})" if is_number(one.low) and is_number(one.high) else ""
    return f"{one.estimate:.2f}{between}".replace("-", "−")
