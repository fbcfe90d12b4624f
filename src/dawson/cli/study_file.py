"""Which study file a command goes by."""

from __future__ import annotations

from pathlib import Path

from dawson.config import STUDY_FILE, StudyConfig, read_config
from dawson.errors import ConfigError


def find_config(study: Path, out: Path | None = None, named: Path | None = None) -> StudyConfig:
    """The study file that was named, else that of the results' folder, else that of the study, else every default.

    `[governance]` is always the study's own where it says that consent is managed.

    Raises
    ------
    ConfigError
        The named file is not there, or a setting is wrong.
    """
    if named is not None and not named.is_file():
        raise ConfigError(f"{named} is not there.", "Check the path of --config.")
    places = [named] if named is not None else [folder / STUDY_FILE for folder in (out, study) if folder is not None]
    from dawson.cohort.consent import with_governance

    return with_governance(read_config(next((place for place in places if place.exists()), places[-1])), study)
