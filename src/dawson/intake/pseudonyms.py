"""Names, UIDs and date shifts that stand for the real ones: the same on every run and machine that has the secret.

Everything is an HMAC-SHA256 (RFC 2104) of what it replaces, so that nothing needs a table of who is who, and nothing can be
turned round or guessed by trying all patient numbers without the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid

from dawson.errors import IntakeError
from dawson.intake.header_values import plain_number

SHORTEST_SECRET = 16
SHIFT_DAYS_LEAST = 366
SHIFT_DAYS_MOST = 3653
# Crockford's alphabet: no I, L, O, U, which are misread or make words.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LABEL_LETTERS = 9
# What devices and earlier tools write where nobody was named: many people would share it.
_NOBODY = frozenset(
    [
        "anon",
        "anonym",
        "anonymous",
        "anonymised",
        "anonymized",
        "deidentified",
        "na",
        "n/a",
        "nil",
        "no",
        "noid",
        "noname",
        "none",
        "null",
        "patient",
        "patientid",
        "removed",
        "subject",
        "test",
        "unknown",
    ]
)


def is_nobody(patient_id: str) -> bool:
    """Whether a patient number names no one: empty, a placeholder, or one character repeated (`0000`, `XXXX`)."""
    plain = plain_number(patient_id)
    word = "".join(character for character in plain if character.isalnum() or character == "/")
    return not word.strip("/") or word in _NOBODY or (len(set(word)) == 1 and len(word) > 1) or word == "0"


class Pseudonymiser:
    """Pseudonyms keyed by a secret.

    Parameters
    ----------
    secret : bytes
        The key (`dawson.governance.keys` keeps it); at least 16 bytes.

    Raises
    ------
    IntakeError
        When the secret is too short to protect anything.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise IntakeError(
                f"The secret of the pseudonyms has {len(secret)} bytes.", f"Use at least {SHORTEST_SECRET}, best 32 random ones."
            )
        self._secret = bytes(secret)

    def __repr__(self) -> str:
        return "Pseudonymiser(<secret>)"

    def participant(self, patient_id: str, issuer: str = "") -> str:
        """The label that stands for a patient, without `sub-`: a D, a digit, and nine letters or digits (48 bits).

        Upper and lower case, width, blanks around the number and characters that do not print make no difference.

        Raises
        ------
        IntakeError
            When the number is empty or a placeholder that several people share.
        """
        number = int.from_bytes(self._digest("participant", *_patient(patient_id, issuer)), "big")
        # A digit in front: nobody takes it for a name.
        number, digit = divmod(number, 10)
        return f"D{digit}" + "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_LABEL_LETTERS))

    def uid(self, uid: str) -> str:
        """The UID that stands for another one: `2.25.` and a UUID (version 8 of RFC 9562) as a decimal number."""
        digest = bytearray(self._digest("uid", uid.strip(" \0"))[:16])
        digest[6] = digest[6] & 0x0F | 0x80
        digest[8] = digest[8] & 0x3F | 0x80
        return f"2.25.{uuid.UUID(bytes=bytes(digest)).int}"

    def shift_days(self, patient_id: str, issuer: str = "") -> int:
        """Days that every date of a patient is moved by: between one and ten years back, the same for all their visits.

        Raises
        ------
        IntakeError
            As `participant`.
        """
        number = int.from_bytes(self._digest("shift", *_patient(patient_id, issuer)), "big")
        return -(SHIFT_DAYS_LEAST + number % (SHIFT_DAYS_MOST - SHIFT_DAYS_LEAST + 1))

    def _digest(self, purpose: str, *parts: str) -> bytes:
        # Lengths before the parts, so that ("1", "23") and ("12", "3") differ.
        message = b"".join(
            len(part).to_bytes(4, "big") + part for part in (text.encode("utf-8", "surrogatepass") for text in (purpose, *parts))
        )
        return hmac.new(self._secret, message, hashlib.sha256).digest()


def _patient(patient_id: str, issuer: str) -> tuple[str, str]:
    if is_nobody(patient_id):
        raise IntakeError(
            "The patient number (0010,0020) is empty or a placeholder that several people could share.",
            "Give the patient's number for these files, or hold them for a person.",
        )
    return plain_number(patient_id), plain_number(issuer)
