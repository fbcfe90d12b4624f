"""Whether a scan was acquired as the protocol asks; every deviation is named."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dawson.cohort.scan import Scan
from dawson.errors import QualityError
from dawson.quality.measures import images_of
from dawson.quality.places import sidecar

PROTOCOL_FILE = "protocol.toml"


class Check(BaseModel):
    """One value of one contrast and its limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str
    title: str
    source: str = Field(min_length=1)
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    absent: bool = False

    def deviation(self, known: Mapping[str, Any]) -> str | None:
        """What is wrong, as the end of the sentence "T1w: ..."; None where it is right or not known."""
        value = known.get(self.value)
        if value is None or value == "":
            return None
        if self.absent:
            return None if str(value).strip().lower() in ("none", "no", "n/a") else f"{self.title} {value}"
        try:
            number = float(value)
        except (TypeError, ValueError):
            return f"{self.title} {value!r} is no number"
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and number < self.minimum:
            return f"{self.title} {number:.3g}{unit}, at least {self.minimum:g} asked"
        if self.maximum is not None and number > self.maximum:
            return f"{self.title} {number:.3g}{unit}, at most {self.maximum:g} asked"
        return None


class Protocol(BaseModel):
    """The checks of each contrast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    T1w: tuple[Check, ...] = ()
    FLAIR: tuple[Check, ...] = ()

    def checks(self, contrast: Literal["T1w", "FLAIR"]) -> tuple[Check, ...]:
        """Those of a contrast."""
        return self.T1w if contrast == "T1w" else self.FLAIR


def read_protocol(study: Path) -> Protocol:
    """The study's own `protocol.toml`, or the one that ships.

    Raises
    ------
    QualityError
        The file is no TOML or a check in it is wrong; names the file and the place.
    """
    path = study / PROTOCOL_FILE
    origin = str(path) if path.is_file() else "the protocol that ships with Dawson"
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else files("dawson.quality").joinpath(PROTOCOL_FILE).read_text("utf-8")
        return Protocol.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QualityError(f"{origin} is not valid TOML: {error}.", "Correct it; docs/how-to/quality shows one.") from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
        raise QualityError(f"{origin}: {said}.", "Correct it; docs/how-to/quality shows one.") from None


def deviations(scan: Scan, measures: Mapping[str, float], protocol: Protocol) -> list[str]:
    """Every deviation of a scan from the protocol, `T1w: slice thickness 5 mm, at most 3.05 asked`.

    Parameters
    ----------
    scan : Scan
    measures : mapping
        Of the scan: the sizes of its images are taken from there.
    protocol : Protocol
    """
    found = []
    for contrast, path in images_of(scan).items():
        known = {**sidecar(path), **_geometry(contrast, measures)}
        if "_ce-" in path.name:
            known.setdefault("ContrastBolusIngredient", path.name.split("_ce-")[1].split("_")[0])
        checks = protocol.checks("T1w" if contrast == "T1w" else "FLAIR")
        found += [f"{contrast}: {said}" for check in checks if (said := check.deviation(known)) is not None]
    return found


def unknown_values(scan: Scan, measures: Mapping[str, float], protocol: Protocol) -> list[str]:
    """Values that the protocol asks for and nobody states, `T1w RepetitionTime`."""
    found = []
    for contrast, path in images_of(scan).items():
        known = {**sidecar(path), **_geometry(contrast, measures)}
        checks = protocol.checks("T1w" if contrast == "T1w" else "FLAIR")
        found += [f"{contrast} {check.value}" for check in checks if not check.absent and known.get(check.value) in (None, "")]
    return found


def _geometry(contrast: str, measures: Mapping[str, float]) -> dict[str, float]:
    """Voxel and coverage of the raw image: the largest side of a voxel is the slice, the next in the plane."""
    sizes = sorted(measures[name] for axis in "xyz" if (name := f"{contrast}_spacing_{axis}") in measures)
    known = {"in_plane_mm": sizes[1], "slice_mm": sizes[2]} if len(sizes) == 3 else {}
    if f"{contrast}_coverage_mm" in measures:
        known["coverage_mm"] = measures[f"{contrast}_coverage_mm"]
    return known
