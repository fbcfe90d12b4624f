"""The page of the documentation that shows the standard dictionary."""

from __future__ import annotations

from dawson.cohort.standard_dictionary import ONTOLOGIES, StandardColumn, StandardDictionary, term_url

_TABLES = {"participants": "participants.tsv", "sessions": "sessions.tsv", "both": "participants.tsv and sessions.tsv"}
_INTRODUCTION = """# Data dictionary

The standard dictionary for MS, NMOSD and MOGAD, version {version}: {columns} columns, {levels} levels. `dawson cohort import-clinical`
checks a clinic's table against it, see [clinical data](../how-to/clinical-data.md). A study's own participants.json and sessions.json
come first: their levels and limits stand, and the standard fills in what they leave out. Further columns are declared there.

Dates are nowhere: time is counted in days from the person's first scan. Ages above 89 are written 90+. What is not known is `n/a`.

This page is made from `src/dawson/cohort/standard_dictionary.toml`.
"""
_CODES = """## Codes

A code is here only where its number and its name were found side by side in public sources, named in the last column. They were not
checked against a licensed release of SNOMED CT, LOINC or the OMOP vocabularies; do that before you rely on them. A column or level
without a code is one where none could be confirmed (MOG-IgG, EDSS outside SNOMED CT, CIS, RIS, MOGAD outside Mondo, diagnostic
criteria, drugs).

| code | name | found in |
|---|---|---|
"""


def dictionary_page(dictionary: StandardDictionary) -> str:
    """The dictionary as a page in markdown: a table of all columns, the levels of each, and the codes."""
    levels = sum(len(column.levels) for column in dictionary.columns.values())
    lines = [_INTRODUCTION.format(version=dictionary.version, columns=len(dictionary.columns), levels=levels)]
    lines += ["## Columns\n", "| column | what | where | values | code |", "|---|---|---|---|---|"]
    lines += [_row(name, column) for name, column in dictionary.columns.items()]
    lines += ["\n## Levels"]
    lines += [_levels(name, column) for name, column in dictionary.columns.items() if column.levels]
    rows = [f"| [{code}]({term_url(code)}) | {term.label} | {term.seen} |" for code, term in dictionary.terms.items()]
    names = "; ".join(f"{prefix}: {name}" for prefix, (name, _) in ONTOLOGIES.items())
    return "\n".join([*lines, "", _CODES + "\n".join(rows), "", f"{names}.", ""])


def allowed(column: StandardColumn) -> str:
    """In words, what a column may hold.

    Examples
    --------
    >>> from dawson.cohort.standard_dictionary import standard_dictionary
    >>> allowed(standard_dictionary().columns["edss"])
    '0 to 10 in steps of 0.5, not 0.5'
    """
    if column.levels:
        return "a level, see below" + (", or the study's own" if column.open else "")
    if column.kind in ("boolean", "text"):
        return {"boolean": "true, false", "text": "text"}[column.kind]
    text = "whole number" if column.kind == "integer" else ""
    if column.minimum is not None and column.maximum is not None:
        text = f"{text + ', ' if text else ''}{column.minimum:g} to {column.maximum:g}"
    text += f" in steps of {column.step:g}" if column.step else ""
    text += "".join(f", not {value:g}" for value in column.not_allowed)
    text += f", from {column.top_code:g} on {column.top_code:g}+" if column.top_code else ""
    units = "" if column.units in ("", "arbitrary") else f" ({column.units})"
    return text + units


def _codes(terms: tuple[str, ...]) -> str:
    return ", ".join(f"[{code}]({term_url(code)})" for code in terms)


def _row(name: str, column: StandardColumn) -> str:
    return f"| `{name}` | {column.description} | {_TABLES[column.table]} | {allowed(column)} | {_codes(column.terms)} |"


def _levels(name: str, column: StandardColumn) -> str:
    rows = [
        f"| `{level}` | {entry.meaning} | {', '.join(entry.synonyms)} | {_codes(entry.terms)} |" for level, entry in column.levels.items()
    ]
    return "\n".join([f"\n### {name}\n", "| level | meaning | also read | code |", "|---|---|---|---|", *rows])
