"""The items of a campaign: which images each shows, which place of them, and what is known of the answer. items.tsv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dawson.annotation.settings import CampaignSettings
from dawson.errors import ConfigError
from dawson.files import read_tsv, write_tsv

ITEMS_FILE = "items.tsv"
Role = Literal["item", "gold", "tutorial"]
Place = tuple[float, float, float]


@dataclass(frozen=True)
class Item:
    """One thing to be rated.

    Parameters
    ----------
    number : int
        From 1, within the campaign.
    role : {"item", "gold", "tutorial"}
        To be rated; a hidden check; shown at first, with what is right.
    participant_id, session_id : str
    images : tuple of str
        Of each contrast that the campaign shows, relative to the study; the first is what is drawn on.
    earlier : tuple of str
        The same of the earlier visit, of pairs.
    place : (float, float, float) or None
        World coordinates in mm of the marked lesion.
    mask : str
        Mask that is shown to begin with: the lesion that is asked about, or a drawing to be corrected.
    lesion : int
        Number of the lesion in `mask`; 0 for all of it.
    gold : str
        The answer where it is known: key of a choice, or path of a mask.
    explanation : str
        Why, told after a tutorial item.
    """

    number: int
    role: Role
    participant_id: str
    session_id: str
    images: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    place: Place | None = None
    mask: str = ""
    lesion: int = 0
    gold: str = ""
    explanation: str = ""


def write_items(folder: Path, items: Sequence[Item]) -> Path:
    """Write items.tsv of a campaign."""
    import pandas as pd

    rows = [
        {
            "item": one.number, "role": one.role, "participant_id": one.participant_id, "session_id": one.session_id or None,
            "images": ";".join(one.images), "earlier": ";".join(one.earlier) or None,
            "x": one.place and one.place[0], "y": one.place and one.place[1], "z": one.place and one.place[2],
            "mask": one.mask or None, "lesion": one.lesion, "gold": one.gold or None, "explanation": one.explanation or None,
        }
        for one in items
    ]  # fmt: skip
    path = folder / ITEMS_FILE
    write_tsv(path, pd.DataFrame(rows))
    return path


def read_items(folder: Path, settings: CampaignSettings, study: Path) -> tuple[Item, ...]:
    """Read and check items.tsv, which an organiser may also have written.

    Raises
    ------
    ConfigError
        The table is missing, or a row cannot be used: names the row and what is wrong.
    """
    path = folder / ITEMS_FILE
    if not path.is_file():
        raise ConfigError(f"{path} does not exist.", "Make a campaign with dawson annotate new.")
    table = read_tsv(path, text=("role", "participant_id", "session_id", "images", "earlier", "mask", "gold", "explanation"))
    if missing := {"item", "participant_id", "images"} - set(table.columns):
        raise ConfigError(f"{path} has no column {', '.join(sorted(missing))}.", "docs/reference/campaign lists the columns.")
    items = tuple(_item(row, path) for row in table.to_dict("records"))
    if len({one.number for one in items}) != len(items):
        raise ConfigError(f"{path} has a number of an item twice.", "Number them from 1.")
    for one in items:
        if problem := _problem(one, settings, study):
            raise ConfigError(f"{path}, item {one.number}: {problem}.", "Correct the row.")
    return items


def _item(row: dict[Any, Any], path: Path) -> Item:
    try:
        place = tuple(float(row.get(axis, "nan")) for axis in "xyz")
        return Item(
            number=int(row["item"]),
            role=_text(row, "role") or "item",  # type: ignore[arg-type]
            participant_id=_text(row, "participant_id"),
            session_id=_text(row, "session_id"),
            images=_paths(row, "images"),
            earlier=_paths(row, "earlier"),
            place=None if any(value != value for value in place) else place,  # type: ignore[arg-type]
            mask=_text(row, "mask"),
            lesion=int(row.get("lesion") or 0),
            gold=_text(row, "gold"),
            explanation=_text(row, "explanation"),
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path} has a row that is no item: {error}.", "docs/reference/campaign lists the columns.") from None


def _problem(item: Item, settings: CampaignSettings, study: Path) -> str:
    shows, keys = settings.task.shows, {choice.key for choice in settings.answers}
    files = [*item.images, *item.earlier, *([item.mask] if item.mask else [])]
    if settings.task.kind == "mask" and item.gold:
        files.append(item.gold)
    if item.role not in get_args(Role):
        return f"its role {item.role!r} is none of {', '.join(get_args(Role))}"
    if item.role != "item" and not item.gold:
        return "a check needs its known answer in the column gold"
    if settings.task.kind == "choice" and item.gold and item.gold not in keys:
        return f"its answer {item.gold!r} is none of {', '.join(sorted(keys))}"
    if not item.images:
        return "it has no image"
    if shows == "pair" and not item.earlier:
        return "a pair needs the image of the earlier visit"
    if shows == "lesion" and item.place is None:
        return "a lesion needs its place in x, y and z"
    if absent := [name for name in files if not (study / name).is_file()]:
        return f"{absent[0]} does not exist"
    return ""


def _text(row: dict[Any, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _paths(row: dict[Any, Any], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _text(row, name).split(";") if part.strip())
