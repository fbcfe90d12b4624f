"""The page of a request's result: what was asked, who answered, the tables, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from dawson.enclave.analysis import ResultTable
from dawson.enclave.asking import Gathered
from dawson.enclave.catalogue import analysis_named
from dawson.files import write_json, write_tsv
from dawson.report.banners import banners
from dawson.report.rendering import write_page
from dawson.report.style import PALETTE, RULE, drawing, to_svg


def write_result(gathered: Gathered, out: Path) -> Path:
    """Write the result of a request: result.json, a TSV for each table, and the page.

    Parameters
    ----------
    gathered : Gathered
        With its result.
    out : Path
        Folder.

    Returns
    -------
    Path
        Of the page.
    """
    import pandas as pd

    assert gathered.result is not None
    request, result = gathered.request, gathered.result
    for number, table in enumerate(result.tables, 1):
        write_tsv(out / f"table-{number}.tsv", pd.DataFrame(table.rows, columns=list(table.columns)))
    write_json(out / "result.json", result_json(gathered))
    context: dict[str, Any] = {
        "banners": banners(simulated=gathered.simulated, managed=None),
        "simulated": gathered.simulated,
        "title": analysis_named(request.analysis).title,
        "request": request,
        "asked": _asked(gathered),
        "answers": [
            (site, answer.round, answer.status, answer.audit_events, answer.audit_link[:16]) for site, answer in gathered.answers.items()
        ],
        "tables": [as_read(table) for table in result.tables],
        "notes": result.notes,
        "curves": _curves(result.curves, "Simulated data" if gathered.simulated else "") if result.curves else None,
    }
    return write_page(out / "report.html", "request.html", context)


def result_json(gathered: Gathered) -> dict[str, Any]:
    """The result for other programs."""
    assert gathered.result is not None
    return {
        "request": gathered.request.identifier,
        "asked": gathered.request.content(),
        "sites": {site: {"audit_events": said.audit_events, "audit_link": said.audit_link} for site, said in gathered.answers.items()},
        "rounds": gathered.round,
        "tables": [
            {"title": table.title, "columns": list(table.columns), "rows": [list(row) for row in table.rows]}
            for table in gathered.result.tables
        ],
        "notes": gathered.result.notes,
        "SimulatedData": gathered.simulated,
        "research_use_only": True,
    }


def as_read(table: ResultTable) -> ResultTable:
    """A table of a result as people read it: texts, and a summary with a column for each group."""
    texts = [tuple(_text(name, value) for name, value in zip(table.columns, row, strict=True)) for row in table.rows]
    if table.columns[:2] != ("variable", "level"):
        return ResultTable(table.title, table.columns, texts)
    names = table.columns[2:-4]
    rows = [dict(zip(table.columns, row, strict=True)) for row in texts]
    groups = list(dict.fromkeys(tuple(row[name] for name in names) for row in rows))
    lines: dict[tuple[str, str], dict[tuple[str, ...], str]] = {}
    for row in rows:
        lines.setdefault((row["variable"], row["level"]), {})[tuple(row[name] for name in names)] = _entry(row)
    # levels stand below their variable, in whatever order cells were released
    order = list(dict.fromkeys(variable for variable, _ in lines))
    places = sorted(lines, key=lambda line: (order.index(line[0]), line[1] != ""))
    head = ("variable", "level", *(", ".join(value for value in group if value != "all") or "all" for group in groups))
    return ResultTable(table.title, head, [(*line, *(lines[line].get(group, "withheld") for group in groups)) for line in places])


def _entry(row: dict[str, str]) -> str:
    if row["mean"]:
        return f"{row['mean']} ± {row['sd']} (n = {row['people']})"
    if row["level"]:
        return f"{row['people']} ({row['share']})" if row["share"] else row["people"]
    return f"n = {row['people']}"


def _text(column: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if not isinstance(value, float):
        return str(value)
    if column == "share" or column == "free of relapse":
        return f"{100 * value:.1f} %"
    if column == "p":
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    if column == "people":
        return f"{value:g}"
    return f"{value:.4g}"


def _asked(gathered: Gathered) -> list[tuple[str, str]]:
    request = gathered.request
    lines = [
        ("Analysis", analysis_named(request.analysis).title),
        ("Who", request.where or "everybody"),
        ("Groups", ", ".join(request.group_by)),
        ("Outcome", f"{request.outcome} = {request.outcome_level}" if request.outcome_level else request.outcome),
        ("Variables", ", ".join(request.variables)),
        ("Levels", "; ".join(f"{name}: {', '.join(levels)}" for name, levels in request.levels.items())),
        ("Project", request.project),
        ("Asked by", request.researcher),
        ("Purpose", request.purpose),
        ("Made", request.made),
    ]
    return [(name, value) for name, value in lines if value]


def _curves(curves: dict[str, dict[str, list[float]]], note: str) -> Markup:
    """Life tables as steps, with their intervals."""
    with drawing(6.4, 3.4) as figure:
        axes = figure.add_subplot()
        for number, (name, line) in enumerate(curves.items()):
            colour = PALETTE[number % len(PALETTE)]
            axes.plot(line["x"], [100 * value for value in line["y"]], marker="o", markersize=3, color=colour, label=name)
            low, high = ([100 * value for value in line[side]] for side in ("low", "high"))
            axes.fill_between(line["x"], low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_ylim(0, 101)
        axes.set_xlim(left=0)
        axes.grid(color=RULE, linewidth=0.6)
        axes.set_ylabel("free of relapse (%)")
        axes.set_xlabel(f"years since the first scan{f'. {note}' if note else ''}")
        axes.legend(frameon=False, fontsize=8)
        return to_svg(figure, "relapse", "Share of people without a relapse over time")
