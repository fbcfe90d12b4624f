"""The analyses that may be asked for: a new one is a file beside this and one line here."""

from __future__ import annotations

from importlib import import_module

from dawson.enclave.analysis import Analysis
from dawson.errors import EnclaveError

ANALYSES = {
    "counts": "dawson.enclave.tables:COUNTS",
    "summary": "dawson.enclave.tables:SUMMARY",
    "table-1": "dawson.enclave.tables:TABLE1",
    "lesion-volume": "dawson.enclave.tables:LESION_VOLUME",
    "quality": "dawson.enclave.tables:QUALITY",
    "linear": "dawson.enclave.regression:LINEAR",
    "logistic": "dawson.enclave.regression:LOGISTIC",
    "time-to-relapse": "dawson.enclave.relapse:TIME_TO_RELAPSE",
}


def analysis_named(name: str) -> Analysis:
    """An entry of the catalogue.

    Raises
    ------
    EnclaveError
        There is none of that name.
    """
    if name not in ANALYSES:
        raise EnclaveError(f"There is no analysis {name!r}.", f"Known: {', '.join(ANALYSES)}.")
    module, attribute = ANALYSES[name].split(":")
    found: Analysis = getattr(import_module(module), attribute)
    return found
