"""Kinds of lesion labels and what may be said of single lesions: one vocabulary for files, scores, annotation and challenges.

The vocabulary is `label_types.toml`. Masks of a type are `*_label-LABEL_desc-MAKER_mask.nii.gz`, numbered ones `..._dseg.nii.gz`; what is
said of each number is `*_desc-MAKER_lesions.tsv`: a column `number`, and one for each attribute.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError
from dawson.files import read_tsv, sha256, write_sidecar, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE

if TYPE_CHECKING:
    import pandas as pd

NUMBER = "number"
_FILE = Path(__file__).with_name("label_types.toml")


class LabelType(BaseModel):
    """One kind of label.

    Parameters
    ----------
    key : str
        Its name in tables and programs.
    title : str
        Its name for people.
    label : str
        BIDS entity `label-`: letters and digits.
    kind : {"mask", "attribute"}
        A map of its own, or something said of each lesion of another type's map.
    contrast : str
        Images that it is seen on.
    definition, source : str
    of : str
        An attribute's mask type.
    levels : tuple of str
        What may be said; attributes only.
    not_assessed : tuple of str
        Those of `levels` that say nothing about the lesion: left out of shares and agreement.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    title: str = Field(min_length=1)
    label: str = Field(pattern=r"^[A-Za-z0-9]+$")
    kind: Literal["mask", "attribute"]
    contrast: str = Field(min_length=1)
    definition: str = Field(min_length=1)
    source: str = Field(min_length=1)
    of: str = ""
    levels: tuple[str, ...] = ()
    not_assessed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> LabelType:
        if self.kind == "mask" and (self.of or self.levels or self.not_assessed):
            raise ValueError("a mask has no levels and is not of another mask")
        if self.kind == "attribute" and (not self.of or len(self.levels) < 2):
            raise ValueError("an attribute says of which mask it is (of) and has two levels or more")
        if len(set(self.levels)) != len(self.levels) or not set(self.not_assessed) <= set(self.levels):
            raise ValueError("levels are said once each, and not_assessed is among them")
        return self

    def file(self, maker: str, kind: str = "mask") -> str:
        """Name of a map of this type after the entities of a scan; `kind` is mask, probseg or dseg."""
        return f"space-{TEMPLATE_SPACE}_label-{self.label}_desc-{maker}_{kind}.nii.gz"


def read_label_types(path: Path | None = None) -> Mapping[str, LabelType]:
    """Read and check a vocabulary.

    Parameters
    ----------
    path : Path, optional
        TOML with a table for each type; by default that of Dawson.

    Raises
    ------
    ConfigError
        A type is not complete, two share a label, or an attribute is of a mask that is not there.
    """
    path = path or _FILE
    try:
        found = {key: LabelType(key=key, **values) for key, values in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", "Check the file.") from None
    except TypeError:
        raise ConfigError(f"{path} has a value outside of a table.", "Every label type is a table such as [white_matter_lesion].") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (error.title, *first["loc"]))
        raise ConfigError(f"{path} is not a list of label types ({where}: {first['msg']}).", "Compare it with Dawson's own.") from None
    for entry in found.values():
        if entry.of and (entry.of not in found or found[entry.of].kind != "mask"):
            raise ConfigError(f"{path}: {entry.key} is said of {entry.of}, which is no mask there.", "Name a mask type of the same file.")
    labels = [entry.label.lower() for entry in found.values()]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"{path} has two label types with one label.", "Give each its own `label`.")
    return found


@lru_cache(maxsize=1)
def label_types() -> Mapping[str, LabelType]:
    """Dawson's own vocabulary."""
    return read_label_types()


def label_type(name: str) -> LabelType:
    """The type of that name, or of that BIDS label.

    Raises
    ------
    ConfigError
        There is none.
    """
    known = label_types()
    for entry in known.values():
        if name in (entry.key, entry.label):
            return entry
    raise ConfigError(f"There is no label type {name!r}.", f"Choose one of {', '.join(known)}.")


def attributes_file(maker: str) -> str:
    """Name of the table of what a maker says of each lesion, after the entities of a scan."""
    return f"desc-{maker}_lesions.tsv"


def check_attributes(table: pd.DataFrame, numbers: Sequence[int] | None = None) -> None:
    """Check a table of attributes of lesions.

    Parameters
    ----------
    table : DataFrame
        A column `number`, and one for each attribute; columns of other names are anybody's own and are not looked at.
    numbers : sequence of int, optional
        Those of the instance map that the table belongs to.

    Raises
    ------
    CohortError
        There is no number, one comes twice or is not in the map, or a value is none of the attribute's.
    """
    if NUMBER not in table:
        raise CohortError("A table of lesions has no column `number`.", "Number the lesions as in the instance map (dseg).")
    own = list(table[NUMBER])
    if any(value != value or int(value) != value or value < 1 for value in own):
        raise CohortError("A lesion's number is no whole number from 1.", "Number the lesions as in the instance map (dseg).")
    if len(set(own)) < len(own):
        twice = next(value for value in own if own.count(value) > 1)
        raise CohortError(f"Lesion {twice} has two rows.", "One row a lesion.")
    if numbers is not None and (stray := sorted(set(map(int, own)) - set(map(int, numbers)))):
        raise CohortError(f"The instance map has no lesion {stray[0]}.", "Number the lesions as in the instance map (dseg).")
    for entry in label_types().values():
        if entry.kind == "attribute" and entry.key in table:
            for number, value in zip(own, table[entry.key], strict=True):
                said = _text(value)
                if said and said not in entry.levels:
                    raise CohortError(
                        f"Lesion {int(number)}: {entry.key} is {said!r}.",
                        f"Say one of {', '.join(entry.levels)}, or n/a where nobody looked.",
                    )


def write_attributes(
    scan: Scan, derivatives: Path, maker: str, table: pd.DataFrame, instances: Path | None = None, *, simulated: bool = False
) -> Path:
    """Write what a maker says of each lesion, with the meaning of every attribute beside it.

    Parameters
    ----------
    scan : Scan
    derivatives : Path
    maker : str
    table : DataFrame
        See `check_attributes`.
    instances : Path, optional
        The instance map (dseg) whose numbers these are.
    simulated : bool

    Returns
    -------
    Path
        The table.

    Raises
    ------
    CohortError
        The table is not right.
    """
    import nibabel as nib
    import numpy as np

    numbers = None
    if instances is not None:
        image: Any = nib.load(instances)
        numbers = [int(value) for value in np.unique(np.asarray(image.dataobj)) if value > 0]
    check_attributes(table, numbers)
    path = scan.derivative(derivatives, attributes_file(maker))
    write_tsv(path, table)
    columns = {entry.key: _description(entry) for entry in label_types().values() if entry.kind == "attribute" and entry.key in table}
    sources = {instances.name: sha256(instances)} if instances is not None else {}
    more: dict[str, Any] = {"SimulatedData": True} if simulated else {}
    write_sidecar(path, sources, {"maker": maker}, **columns, **more)
    return path


def read_attributes(path: Path) -> pd.DataFrame:
    """Read and check a table of attributes; a missing value stands where nobody looked.

    Parameters
    ----------
    path : Path

    Raises
    ------
    CohortError
        It is not there or not right.
    """
    if not path.is_file():
        raise CohortError(f"{path} is not there.", "Check the path.")
    table = read_tsv(path, text=[entry.key for entry in label_types().values() if entry.kind == "attribute"])
    for entry in label_types().values():
        if entry.key in table:
            # tables of before this vocabulary wrote yes and no as BIDS writes booleans
            table[entry.key] = table[entry.key].replace({"true": "yes", "false": "no"})
    try:
        check_attributes(table)
    except CohortError as error:
        raise CohortError(f"{path}: {error.message}", error.fix) from None
    return table


def share_of_lesions(table: pd.DataFrame, attribute: str, value: str = "yes") -> float:
    """Share of the assessed lesions of which a value is said, such as the share with a central vein; NaN where none was assessed.

    Parameters
    ----------
    table : DataFrame
    attribute : str
    value : str

    Raises
    ------
    ConfigError
        There is no such attribute, or it has no such value.
    """
    entry = label_type(attribute)
    if entry.kind != "attribute" or value not in entry.levels:
        raise ConfigError(f"{attribute} cannot be {value!r}.", f"Attributes and their values are in {_FILE.name}.")
    said = [_text(cell) for cell in table[entry.key]] if entry.key in table else []
    assessed = [cell for cell in said if cell and cell not in entry.not_assessed]
    return assessed.count(value) / len(assessed) if assessed else float("nan")


def _description(entry: LabelType) -> dict[str, Any]:
    return {"LongName": entry.title, "Description": entry.definition, "Levels": {value: value.replace("_", " ") for value in entry.levels}}


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)
