"""The standard data dictionary for MS, NMOSD and MOGAD: columns, levels, limits, names they are met under, codes of ontologies."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Table = Literal["participants", "sessions"]

# Where a code can be looked up; each is the identifier that its owner publishes.
ONTOLOGIES = {
    "MONDO": ("Mondo Disease Ontology", "http://purl.obolibrary.org/obo/MONDO_{}"),
    "NCIT": ("NCI Thesaurus", "http://purl.obolibrary.org/obo/NCIT_{}"),
    "HP": ("Human Phenotype Ontology", "http://purl.obolibrary.org/obo/HP_{}"),
    "SNOMED": ("SNOMED CT", "http://snomed.info/id/{}"),
    "LOINC": ("LOINC", "https://loinc.org/{}"),
    "OMOP": ("OMOP standard concept", "https://athena.ohdsi.org/search-terms/terms/{}"),
}
# Words at the end of a header that say in what the numbers are.
_UNIT_WORDS = {
    **dict.fromkeys(("year", "years", "yr", "yrs", "y"), "year"),
    **dict.fromkeys(("month", "months", "mo", "mths"), "month"),
    **dict.fromkeys(("week", "weeks", "wk", "wks"), "week"),
    **dict.fromkeys(("day", "days", "d"), "day"),
    **dict.fromkeys(("second", "seconds", "sec", "s"), "s"),
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Term(_Part):
    """A code of an ontology.

    Parameters
    ----------
    label : str
        The ontology's name for it.
    seen : str
        In which public sources the code and the name stood side by side.
    """

    label: str
    seen: str


class StandardLevel(_Part):
    """A value that a column may hold."""

    meaning: str
    synonyms: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()


class StandardColumn(_Part):
    """What the standard says of one column.

    Parameters
    ----------
    table : {"participants", "sessions", "both"}
        Where it belongs; "both": the person's value at the first scan, and that of each scan.
    kind : {"number", "integer", "boolean", "categorical", "text"}
    title, description, units : str
    minimum, maximum : float, optional
        Limits, both allowed.
    step : float, optional
        Values are whole multiples of it.
    not_allowed : tuple of float
        Values that are multiples of the step and yet cannot be.
    top_code : float, optional
        From this value on only "VALUE+" is kept, since so few people are so old.
    open : bool
        A study may have further levels.
    levels : dict of str to StandardLevel
    synonyms : tuple of str
        Other headers under which the column is met.
    terms : tuple of str
        Codes of the column itself.
    """

    table: Literal["participants", "sessions", "both"]
    kind: Literal["number", "integer", "boolean", "categorical", "text"]
    title: str
    description: str
    units: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = Field(default=None, gt=0)
    not_allowed: tuple[float, ...] = ()
    top_code: float | None = None
    open: bool = False
    levels: dict[str, StandardLevel] = {}
    synonyms: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()

    def belongs_to(self, table: Table) -> bool:
        """Whether the column may stand in this table."""
        return self.table in (table, "both")


class StandardDictionary(_Part):
    """All columns by name, and the codes that they point to."""

    version: str
    terms: dict[str, Term]
    columns: dict[str, StandardColumn]

    @model_validator(mode="after")
    def _points_to_what_is_there(self) -> StandardDictionary:
        names: dict[str, str] = {}
        used: set[str] = set()
        for name, column in self.columns.items():
            used.update(column.terms, *(level.terms for level in column.levels.values()))
            for known in {_plain(word) for word in (name, *column.synonyms)}:
                if names.setdefault(known, name) != name:
                    raise ValueError(f"{known} may mean {names[known]} or {name}")
            _check_levels(name, column)
        if used != set(self.terms):
            raise ValueError(f"codes without an entry or entries without a use: {', '.join(sorted(used ^ set(self.terms)))}")
        if unknown := {code.split(":")[0] for code in used} - set(ONTOLOGIES):
            raise ValueError(f"unknown ontology: {', '.join(sorted(unknown))}")
        return self

    def find(self, header: str) -> tuple[str, str] | None:
        """The column that a header of a clinic's table means, and the unit that the header names.

        Letter case, punctuation and a unit at the end ("Age (years)") do not matter.

        Returns
        -------
        (str, str) or None
            Name of the standard column, and the unit in the header or an empty string.
        """
        known = {_plain(word): name for name, column in self.columns.items() for word in (name, *column.synonyms)}
        plain, unit = _plain(header), ""
        if plain not in known:
            plain, unit = split_unit(plain)
        return (known[plain], unit) if plain in known else None

    def entries(self, names: Iterable[str], table: Table = "participants") -> dict[str, dict[str, Any]]:
        """The dictionary of these columns as BIDS writes it (participants.json, sessions.json); unknown names are left out."""
        return {name: self._entry(self.columns[name]) for name in names if name in self.columns and self.columns[name].belongs_to(table)}

    def _entry(self, column: StandardColumn) -> dict[str, Any]:
        entry: dict[str, Any] = {"LongName": column.title, "Description": column.description}
        if column.levels:
            entry["Levels"] = {name: level.meaning for name, level in column.levels.items()}
            coded = {name: [term_url(code) for code in level.terms] for name, level in column.levels.items() if level.terms}
            if coded:
                entry["LevelTermURLs"] = coded
        if column.units:
            entry["Units"] = column.units
        entry |= {name: value for name, value in (("Minimum", column.minimum), ("Maximum", column.maximum)) if value is not None}
        if column.kind in ("integer", "boolean"):
            entry["DataType"] = column.kind
        if column.terms:
            entry["TermURL"] = term_url(column.terms[0])
        return entry


def _check_levels(name: str, column: StandardColumn) -> None:
    if bool(column.levels) != (column.kind == "categorical"):
        raise ValueError(f"{name} has levels and is {column.kind}")
    meant: dict[str, str] = {}
    for level, entry in column.levels.items():
        for word in (level, *entry.synonyms):
            if meant.setdefault(word.strip().lower(), level) != level:
                raise ValueError(f"{name}: {word} may mean {meant[word.strip().lower()]} or {level}")


def term_url(code: str) -> str:
    """Address of a code such as ``MONDO:0005301``.

    Examples
    --------
    >>> term_url("LOINC:46098-0")
    'https://loinc.org/46098-0'
    """
    ontology, number = code.split(":", 1)
    return ONTOLOGIES[ontology][1].format(number)


def top_coded(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a column of numbers that holds a top code such as 90+.

    BIDS takes the column for numbers and refuses "90+", unless the entry says that it is text; DataType says to Dawson that it
    is numbers all the same.

    Examples
    --------
    >>> top_coded({"Units": "year"})
    {'Units': 'year', 'DataType': 'number', 'Format': 'string'}
    """
    return {**entry, "DataType": "number", "Format": "string"}


def split_unit(header: str) -> tuple[str, str]:
    """A header in plain letters without the unit at its end, and the unit.

    Examples
    --------
    >>> split_unit("disease_duration_months"), split_unit("edss")
    (('disease_duration', 'month'), ('edss', ''))
    """
    words = _plain(header).split("_")
    if len(words) > 1 and words[-1] in _UNIT_WORDS:
        rest = words[:-1]
        return "_".join(rest[:-1] if len(rest) > 1 and rest[-1] == "in" else rest), _UNIT_WORDS[words[-1]]
    return _plain(header), ""


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9äöüéèàçñß]+", "_", header.strip().lower()).strip("_")


@cache
def standard_dictionary() -> StandardDictionary:
    """The dictionary that ships with Dawson."""
    text = files("dawson.cohort").joinpath("standard_dictionary.toml").read_text(encoding="utf-8")
    return StandardDictionary.model_validate(tomllib.loads(text))


def merged_entry(name: str, given: Mapping[str, Any] | None, table: Table = "participants") -> dict[str, Any]:
    """A study's own entry of a column, completed by the standard.

    What the study says stands. Levels are only added where the study's are among the standard's, since otherwise it has a
    vocabulary of its own.

    Parameters
    ----------
    name : str
    given : mapping or None
        The entry in the study's participants.json or sessions.json.
    table : {"participants", "sessions"}

    Returns
    -------
    dict
        Empty where neither knows the column.
    """
    standard = standard_dictionary().entries([name], table).get(name, {})
    merged = {**standard, **(given or {})}
    own, shipped = (given or {}).get("Levels"), standard.get("Levels", {})
    if isinstance(own, dict) and shipped and set(own) <= set(shipped):
        merged["Levels"] = {**own, **{level: text for level, text in shipped.items() if level not in own}}
    elif own and "LevelTermURLs" not in (given or {}):
        merged.pop("LevelTermURLs", None)
    return merged
