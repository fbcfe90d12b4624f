"""Diseases by name or Mondo identifier, and which of them lies within which."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from dawson.errors import GovernanceError

_MONDO = re.compile(r"MONDO:\d{7}")


@cache
def _table() -> dict[str, dict[str, str]]:
    """Mondo identifier to its name and the disease it lies within; names and abbreviations lead to the identifier."""
    content = tomllib.loads(files("dawson.governance").joinpath("diseases.toml").read_text(encoding="utf-8"))
    names = {_plain(word): code for code, entry in content.items() for word in (entry["name"], *entry["also"])}
    return {
        "code": names,
        "name": {code: str(entry["name"]) for code, entry in content.items()},
        "within": {code: str(entry["within"]) for code, entry in content.items() if "within" in entry},
    }


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "", word).casefold()


def disease_code(word: str) -> str:
    """The Mondo identifier of a disease.

    Raises
    ------
    GovernanceError
        The name is not known and is no Mondo identifier.

    Examples
    --------
    >>> disease_code("MS"), disease_code("Multiple Sclerosis"), disease_code("MONDO:0005301")
    ('MONDO:0005301', 'MONDO:0005301', 'MONDO:0005301')
    """
    if _MONDO.fullmatch(word.strip()):
        return word.strip()
    code = _table()["code"].get(_plain(word))
    if code is None:
        known = ", ".join(_table()["name"].values())
        raise GovernanceError(f"The disease {word!r} is not known.", f"Give its Mondo identifier (MONDO:0000000), or one of: {known}.")
    return code


def disease_name(code: str) -> str:
    """What a Mondo identifier is called; the identifier itself where it is not in the table."""
    return _table()["name"].get(code, code)


def covers(consented: Iterable[str], disease: str) -> bool:
    """Whether consent to research on some diseases covers research on one: it is one of them or lies within one.

    Parameters
    ----------
    consented : iterable of str
        Mondo identifiers.
    disease : str
        Mondo identifier.
    """
    wide = set(consented)
    place: str | None = disease
    while place is not None:
        if place in wide:
            return True
        place = _table()["within"].get(place)
    return False
