"""The site's memory of whose sums it told: questions of all projects together must not single anybody out.

People stand in it by keyed digests, so that one who withdrew leaves no name, and the difference between an answer with and one without
them stays guarded. The key lies with the site's other keys.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dawson.enclave.disclosure import History, Told
from dawson.errors import EnclaveError
from dawson.files import read_json, write_json
from dawson.governance.keys import read_or_make_secret
from dawson.governance.ledger import append_lines, complete_lines, governance_folder

FOLDER, ANSWERED, ADMITTED = "enclave", "answered.jsonl", "admitted.json"
_KEY = "enclave-history.key"


def enclave_folder(study: Path | str) -> Path:
    """Where a site keeps requests, answers and their history; it is never exported."""
    return governance_folder(study) / FOLDER


def hidden(people: Iterable[str]) -> tuple[str, ...]:
    """Keyed digests of participants, in their order."""
    key = read_or_make_secret(_KEY)
    return tuple(hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:24] for name in people)


def admitted(study: Path, people: Sequence[str], minimum: int, *, record: bool = True) -> list[bool]:
    """Who is counted in answers now.

    New people wait until there are as many of them as an answer needs: else the same question before and after one came would tell about
    that one.

    Parameters
    ----------
    study : Path
    people : sequence of str
        participant_id of everybody who may be asked about.
    minimum : int
    record : bool
        Remember who came in; False for a look that answers nothing.

    Returns
    -------
    list of bool
        In the order of `people`.
    """
    path = enclave_folder(study) / ADMITTED
    known = set(read_json(path)) if path.is_file() else set()
    digests = hidden(people)
    new = [digest for digest in digests if digest not in known]
    if len(new) >= minimum:
        known |= set(new)
        if record:
            write_json(path, sorted(known))
    return [digest in known for digest in digests]


def read_history(study: Path, people: Sequence[str]) -> History:
    """Whose sums are out, with the people of now in the first places.

    Raises
    ------
    EnclaveError
        A line of the history is damaged: then nothing is answered until it is restored.
    """
    path = enclave_folder(study) / ANSWERED
    records = []
    for number, line in enumerate(complete_lines(path), 1):
        try:
            record = json.loads(line)
            records.append((str(record["family"]), str(record["definition"]), set(record["people"])))
        except (ValueError, KeyError, TypeError):
            raise EnclaveError(f"{path} has a line {number} that is not what was written.", "Restore it from your backup.") from None
    present = hidden(people)
    everybody = tuple(dict.fromkeys([*present, *sorted(set().union(*(row for _, _, row in records)) - set(present))]))
    families: dict[str, list[list[bool]]] = {}
    definitions: dict[str, list[str]] = {}
    for family, definition, row in records:
        families.setdefault(family, []).append([digest in row for digest in everybody])
        definitions.setdefault(family, []).append(definition)
    return History(
        everybody,
        {family: np.array(rows, bool) for family, rows in families.items()},
        {family: tuple(names) for family, names in definitions.items()},
    )


def remember(study: Path, request: str, people: Sequence[str], told: Sequence[Told]) -> None:
    """Add what is about to be told, before it is; each set once.

    Parameters
    ----------
    study : Path
    request : str
        Its identifier.
    people : sequence of str
        participant_id in the order of the sets' members.
    told : sequence of Told
    """
    digests = np.array(hidden(people), str)
    known = set(complete_lines(enclave_folder(study) / ANSWERED))
    before = {_without_request(json.loads(line)) for line in known}
    lines = {}
    for row in told:
        # families are compared by their sets alone
        definition = "" if row.family else row.definition
        record = {"family": row.family, "definition": definition, "people": sorted(digests[row.members].tolist())}
        name = _without_request(record)
        if name not in before:
            lines[name] = json.dumps({"request": request, **record}, ensure_ascii=True).encode()
    if lines:
        append_lines(enclave_folder(study) / ANSWERED, list(lines.values()), mode=0o600)


def _without_request(record: Mapping[str, Any]) -> str:
    return json.dumps([record["family"], record["definition"], record["people"]])
