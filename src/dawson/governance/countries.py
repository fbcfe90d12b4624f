"""To which countries data go without a consent of their own."""

from __future__ import annotations

from pathlib import Path

from dawson.config import STUDY_FILE, read_config
from dawson.governance.access import access_path, read_policy


def covered_countries(study: Path) -> frozenset[str]:
    """The country of the study, and those that its access policy names as alike in law; every other one is a third country.

    Raises
    ------
    GovernanceError
        The access policy cannot be read.
    """
    own = read_config(Path(study) / STUDY_FILE).governance.country.strip().upper()
    named = {own} if own else set()
    if access_path(study).is_file():
        countries = read_policy(study).countries
        named |= {countries.home, *countries.alike}
    return frozenset(named - {""})
