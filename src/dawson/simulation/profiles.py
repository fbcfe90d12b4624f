"""What is known of the lesions of each disease, read from `lesion_profiles.toml`.

A profile is one population as it was published: `korea` (the default), `uk` (easy), `taiwan` (hard). A hardness between 0
and 1 lies between `uk` and `taiwan`. What does not depend on the population stands once, under `classes`.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dawson.errors import ConfigError
from dawson.simulation.profile_schema import Profile

DEFAULT_PROFILE = "korea"
EASY, HARD = "uk", "taiwan"
_FILE = Path(__file__).with_name("lesion_profiles.toml")


def profile_names() -> tuple[str, ...]:
    """Names of the populations in the file."""
    return tuple(_content()["profiles"])


@lru_cache(maxsize=8)
def load_profile(name: str = DEFAULT_PROFILE, hardness: float | None = None) -> Profile:
    """A population of the file, or one between its easy and its hard one.

    Parameters
    ----------
    name : str
        `korea`, `uk` or `taiwan`; without meaning where a hardness is given.
    hardness : float, optional
        0 is `uk`, 1 is `taiwan`; frequencies, counts and looks in between are interpolated.

    Raises
    ------
    ConfigError
        The name is not known, or the hardness is outside 0 to 1.
    """
    if hardness is not None:
        if not 0 <= hardness <= 1:
            raise ConfigError(f"hardness = {hardness} is not between 0 and 1.", "0 is the easy end (uk), 1 the hard one (taiwan).")
        blend = _blend(_tree(EASY), _tree(HARD), hardness)
        # Rules are not linear in the findings, and were published for the ends only.
        for known in blend["classes"].values():
            known.pop("rules", None)
        return _checked({**blend, "name": "between", "title": f"Between {EASY} and {HARD}, hardness {hardness:g}", "hardness": hardness})
    if name not in profile_names():
        raise ConfigError(f"There is no profile {name!r}.", f"Known: {', '.join(profile_names())}.")
    return _checked({**_tree(name), "name": name})


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def _tree(name: str) -> dict[str, Any]:
    """A profile with what all profiles share filled in; what the profile says itself goes first."""
    content = _content()
    own = content["profiles"][name]
    classes = {key: {**common, **own.get(key, {})} for key, common in content["classes"].items()}
    return {"title": own["title"], "classes": classes, "sources": content["sources"]}


def _checked(tree: dict[str, Any]) -> Profile:
    try:
        return Profile.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{_FILE.name}, {tree['name']}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def _blend(easy: Any, hard: Any, share: float) -> Any:
    """Numbers in between; a finding that one side lacks counts as never seen there, and so does a kind of lesion."""
    if isinstance(easy, dict) and isinstance(hard, dict):
        keys = [*easy, *(key for key in hard if key not in easy)]
        parts = {key: _blend(easy.get(key, _never(hard.get(key))), hard.get(key, _never(easy.get(key))), share) for key in keys}
        if "kinds" in parts and "kinds" in easy and "kinds" in hard:
            one, other = easy["kinds"], hard["kinds"]
            parts["kinds"] = {kind: _blend(one.get(kind, 0.0), other.get(kind, 0.0), share) for kind in parts["kinds"]}
        if "share" not in parts:
            return parts
        if easy == hard:
            return {**parts, "n": easy.get("n"), "basis": easy.get("basis", "published")}
        # Nobody was counted in between, and what one side assumes is no more than assumed.
        assumed = "assumed" in (easy.get("basis"), hard.get("basis"))
        return {**parts, "n": None, "basis": "assumed" if assumed else "derived"}
    if isinstance(easy, bool) or isinstance(hard, bool) or isinstance(easy, str) or isinstance(hard, str):
        return easy if share < 0.5 else hard
    if easy is None or hard is None:
        return None
    return (1 - share) * easy + share * hard


def _never(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: 0.0 if key in ("share", "relapse", "remission") else _never(part) for key, part in value.items()}
    return value
