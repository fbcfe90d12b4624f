"""What raters can be asked, one narrow task each; found by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from dawson.errors import ConfigError

Shows = Literal["scan", "lesion", "pair"]
Kind = Literal["choice", "mask"]


@dataclass(frozen=True)
class Choice:
    """One answer.

    Parameters
    ----------
    key : str
        As it is written into tables.
    title : str
        As raters read it.
    counts : bool
        False for "cannot tell": the answer is kept, and says nothing of the item.
    """

    key: str
    title: str
    counts: bool = True


@dataclass(frozen=True)
class Task:
    """A kind of campaign.

    Parameters
    ----------
    name, title : str
    question : str
        What a rater is asked, unless the campaign asks it in other words.
    shows : {"scan", "lesion", "pair"}
        One scan, one marked lesion of a scan, or two visits of a person side by side.
    choices : tuple of Choice
        Of tasks whose answer is a choice; a campaign may have choices of its own.
    contrasts : tuple of str
        What is shown, the first by default; a campaign may show less.
    gold : str
        Where answers that are known may come from, besides a table: a column of participants.tsv after "column:", or "mask" for the
        masks of a maker.
    """

    name: str
    title: str
    question: str
    shows: Shows
    choices: tuple[Choice, ...] = ()
    contrasts: tuple[str, ...] = ("FLAIR", "T1w")
    gold: str = ""

    @property
    def kind(self) -> Kind:
        """How it is answered: by a choice, or by a mask that is drawn."""
        return "choice" if self.choices else "mask"


CANNOT_TELL = Choice("cannot-tell", "Cannot tell", counts=False)

_ALL = (
    Task(
        "image-quality",
        "Image quality",
        "How far does the artefact disturb the reading of this scan?",
        "scan",
        (Choice("none", "Not at all"), Choice("mild", "Visible, still readable"), Choice("severe", "Not readable")),
    ),
    Task(
        "lesion-accept",
        "Accept or reject a lesion",
        "Is the marked place a lesion of the white matter?",
        "lesion",
        (Choice("accept", "Lesion"), Choice("reject", "No lesion"), CANNOT_TELL),
        gold="mask",
    ),
    Task("lesion-draw", "Draw lesions", "Mark every lesion voxel by voxel.", "scan", gold="mask"),
    Task(
        "new-lesion",
        "New lesion",
        "Is there a lesion at the later visit where there was none at the earlier one?",
        "pair",
        (Choice("yes", "Yes"), Choice("no", "No"), CANNOT_TELL),
        contrasts=("FLAIR",),
    ),
    Task(
        "diagnosis",
        "Diagnosis from images alone",
        "Which disease do these images suggest?",
        "scan",
        (Choice("MS", "MS"), Choice("NMOSD", "NMOSD"), Choice("other", "Another"), CANNOT_TELL),
        gold="column:diagnosis",
    ),
    Task(
        "central-vein",
        "Central vein sign",
        "Does a vein run through the middle of the marked lesion?",
        "lesion",
        (Choice("yes", "Yes"), Choice("no", "No"), Choice("not-assessable", "Not assessable", counts=False)),
        contrasts=("T2starw", "FLAIR"),
    ),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})


def task_named(name: str) -> Task:
    """The task of that name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in TASKS:
        raise ConfigError(f"There is no annotation task {name!r}.", f"There are {', '.join(TASKS)}.")
    return TASKS[name]
