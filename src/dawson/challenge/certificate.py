"""A signed statement of how an entry did, which anybody can check with the public key that stands in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dawson.challenge.leaderboard import Leaderboard
from dawson.challenge.settings import ChallengeSettings
from dawson.errors import ChallengeError
from dawson.files import read_json, write_json
from dawson.governance.signing import read_or_make_signer, signature_fits

CERTIFICATES = "certificates"


def write_certificate(challenge: Path, settings: ChallengeSettings, board: Leaderboard, entry_id: str, keys: Path | None = None) -> Path:
    """Write the certificate of an entry below `certificates/`.

    Parameters
    ----------
    challenge : Path
    settings : ChallengeSettings
    board : Leaderboard
        Of the entry's phase.
    entry_id : str
    keys : Path, optional
        Folder of the signing key; the centre's own by default.

    Raises
    ------
    ChallengeError
        The entry is not the one that counts for its team.
    """
    places = [place for place, entry in enumerate(board.board.entries) if entry.entry_id == entry_id]
    if not places:
        raise ChallengeError(
            f"Entry {entry_id} is not on the leaderboard of phase {board.phase}.", "The last scored entry of a team counts."
        )
    place, entry = places[0], board.board.entries[places[0]]
    digits = settings.ranking.digits
    ranks = board.overall.ranks[board.scheme]
    rank = sum(ranks[other] < ranks[place] for other in board.competitors) + 1
    statement: dict[str, Any] = {
        "challenge": settings.challenge.title,
        "task": settings.task.name,
        "organiser": settings.challenge.organiser,
        "phase": board.phase,
        "entry": entry.entry_id,
        "answer_sha256": entry.sha256,
        "team": entry.team,
        "method": entry.method,
        "received": entry.received,
        "rank": None if entry.reference else int(rank),
        "of": len(board.competitors),
        "scheme": board.scheme,
        "cases": len(board.board.cases),
        "scores": {
            one.metric.name: {"mean": _finite(one.means[place].estimate, digits), "low": _finite(one.means[place].low, digits),
                              "high": _finite(one.means[place].high, digits)}
            for one in board.standings if one.metric is not None
        },
        "SimulatedData": settings.challenge.simulated,
        "research_use_only": True,
    }  # fmt: skip
    signer = read_or_make_signer(keys)
    path = challenge / CERTIFICATES / f"{entry_id}.json"
    write_json(path, {"statement": statement, "public_key": signer.public, "signature": signer.sign(_bytes(statement))})
    return path


def certificate_holds(path: Path, public_key: str | None = None) -> bool:
    """Whether a certificate is as it was signed.

    Parameters
    ----------
    path : Path
    public_key : str, optional
        The organiser's, hexadecimal; without it only that nothing was changed is known, and not by whom it was signed.
    """
    try:
        content = read_json(path)
        statement, key, signature = content["statement"], content["public_key"], content["signature"]
    except (ValueError, KeyError, TypeError, OSError):
        return False
    return (public_key is None or key == public_key) and signature_fits(str(key), str(signature), _bytes(statement))


def _bytes(statement: dict[str, Any]) -> bytes:
    return json.dumps(statement, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _finite(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
