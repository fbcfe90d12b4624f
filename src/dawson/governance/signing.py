"""The signing key of a centre (Ed25519), and keys that it used before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dawson.errors import GovernanceError
from dawson.governance.keys import key_folder, read_secret
from dawson.governance.ledger import create_exclusively, sync_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = "audit-ed25519.pem"


class Signer:
    """A private key that signs, with its public half in hexadecimal as `public`."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw().hex()

    def sign(self, content: bytes) -> str:
        """Signature of 64 bytes, hexadecimal."""
        return self._private.sign(content).hex()


def signature_fits(public: str, signature: str, content: bytes) -> bool:
    """Whether a signature was made over this content by the key with this public half; both hexadecimal, in small letters only."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key, made = bytes.fromhex(public), bytes.fromhex(signature)
        if (key.hex(), made.hex()) != (public, signature):
            return False
        Ed25519PublicKey.from_public_bytes(key).verify(made, content)
    except (ValueError, InvalidSignature):
        return False
    return True


def read_or_make_signer(folder: Path | None = None) -> Signer:
    """The key that signs now; the first time it is made.

    Raises
    ------
    GovernanceError
        The file can be read by others, lies inside a study, or is no Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = (folder or key_folder()) / KEY
    if not path.exists():
        create_exclusively(path, _pem(Ed25519PrivateKey.generate()))
    return _read(path)


def signer_of(public: str, folder: Path | None = None) -> Signer:
    """The key with this public half: the present one, or one that was retired by `rotate`.

    Raises
    ------
    GovernanceError
        It is not here.
    """
    folder = folder or key_folder()
    for path in sorted(folder.glob("audit-ed25519*.pem")):
        signer = _read(path)
        if signer.public == public:
            return signer
    raise GovernanceError(
        f"The key that signs this study's audit log ({public[:16]}) is not in {folder}.",
        "Copy it from the machine that began the log, or name its folder by DAWSON_KEYS.",
    )


def rotate(folder: Path | None = None) -> tuple[str, str]:
    """Retire the signing key and make a new one; each log names the new key at its next event, signed by the old one.

    The retired key stays in the folder, named by its fingerprint, until every log has gone over.

    Returns
    -------
    str, str
        Public halves of the old and the new key.
    """
    folder = folder or key_folder()
    old = read_or_make_signer(folder)
    path = folder / KEY
    retired = folder / f"audit-ed25519-{old.public[:16]}.pem"
    retired.unlink(missing_ok=True)
    path.rename(retired)
    sync_folder(folder)
    return old.public, read_or_make_signer(folder).public


def _pem(private: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read(path: Path) -> Signer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(read_secret(path), None)
    except ValueError:
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise GovernanceError(f"{path} is no Ed25519 key in PEM.", "Restore it from your backup, or move it away to begin anew.")
    return Signer(private)
