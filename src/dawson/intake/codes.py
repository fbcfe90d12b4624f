"""Keyed codes for series, descriptions, contents and images: the same for the same thing, saying nothing without the key."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable

import numpy as np

# Crockford's alphabet, as in the labels of participants: no I, L, O, U, which are misread or make words.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = 8
_CONTENT_HEX = 32


class Codes:
    """Codes keyed by the secret of the pseudonyms.

    A plain hash of a description or a UID could be turned round by trying likely ones; these cannot.

    Parameters
    ----------
    secret : bytes
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = bytes(secret)

    def __repr__(self) -> str:
        return "Codes(<secret>)"

    def series(self, *identity: str) -> str:
        """Code of a series (or of a part of one), `S-` and eight letters or digits: what a person writes into a rule file."""
        return f"S-{self._short('series', identity)}"

    def words(self, description: str) -> str:
        """Code of a series description, `W-` and eight letters or digits; case, width and blanks make no difference.

        An empty description has none: it would put together series that have nothing in common.
        """
        plain = " ".join(unicodedata.normalize("NFKC", description).casefold().split())
        return f"W-{self._short('words', [plain])}" if plain else ""

    def files(self, reason: str) -> str:
        """Code of the files that one reason keeps out."""
        return f"F-{self._short('files', [reason])}"

    def check(self) -> str:
        """What a study keeps to know its key again; it says nothing about the key."""
        return self._digest("check", []).hex()

    def content(self, instance_uids: Iterable[str]) -> str:
        """Code of what a series holds: its instances by their UIDs, in any order."""
        return self._digest("content", sorted(instance_uids)).hex()[:_CONTENT_HEX]

    def image(self, voxels: np.ndarray) -> str:
        """Code of an image by its voxels alone, so that one scan under two identities is noticed."""
        plain = hashlib.sha256(np.ascontiguousarray(voxels, dtype="<f4").tobytes()).hexdigest()
        return self._digest("image", [str(voxels.shape), plain]).hex()[:_CONTENT_HEX]

    def _short(self, purpose: str, parts: Iterable[str]) -> str:
        number = int.from_bytes(self._digest(purpose, parts), "big")
        return "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_LETTERS))

    def _digest(self, purpose: str, parts: Iterable[str]) -> bytes:
        code = hmac.new(self._secret, f"dawson intake {purpose}".encode(), hashlib.sha256)
        for part in parts:
            text = part.encode("utf-8", "surrogatepass")
            code.update(len(text).to_bytes(8, "big") + text)
        return code.digest()
