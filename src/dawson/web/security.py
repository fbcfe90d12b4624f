"""Passwords, cookies, invitations and tokens; everything secret is kept as a digest."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dawson.errors import AnnotationError
from dawson.storage.models import ROLES, Account, FailedLogin, Ticket

SESSION, INVITATION, TOKEN = "session", "invitation", "token"
SESSION_LASTS, INVITATION_LASTS, TOKEN_LASTS = timedelta(hours=12), timedelta(days=14), timedelta(days=365)
SHORTEST_PASSWORD = 10
FAILURES, FAILURES_WITHIN = 5, timedelta(minutes=15)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,78}[A-Za-z0-9])?")
_FIRST = ("Amber", "Azure", "Brisk", "Calm", "Clear", "Copper", "Coral", "Early", "Fern", "Flint", "Gentle", "Golden", "Green", "Hazel",
          "Ivory", "Keen", "Lilac", "Maple", "Mossy", "Nimble", "Olive", "Opal", "Patient", "Pearl", "Quiet", "Rapid", "Rosy", "Sandy",
          "Silver", "Steady", "Sunny", "Velvet")  # fmt: skip
_SECOND = ("Badger", "Bee", "Bison", "Crane", "Deer", "Dove", "Eagle", "Falcon", "Finch", "Fox", "Gecko", "Hare", "Heron", "Ibis", "Jay",
           "Kite", "Lark", "Lynx", "Magpie", "Marten", "Newt", "Otter", "Owl", "Panda", "Puffin", "Raven", "Robin", "Seal", "Stork",
           "Swift", "Tern", "Wren")  # fmt: skip
_hasher = PasswordHasher()
# verified where there is no such account, so that the answer takes as long
_NOBODY = _hasher.hash(secrets.token_hex(16))


def make_account(session: Session, name: str, password: str, role: str, now: datetime) -> Account:
    """A new account with a pseudonym that nobody has.

    Raises
    ------
    AnnotationError
        The name is taken or has strange signs, or the password is too short.
    """
    if not _NAME.fullmatch(name):
        raise AnnotationError("A name has letters, digits and . _ @ + - only.", "Take another.")
    if session.scalar(select(Account.id).where(func.lower(Account.name) == name.lower())) is not None:
        raise AnnotationError("This name is taken.", "Take another.")
    assert role in ROLES
    account = Account(name=name, pseudonym=_pseudonym(session), password=hash_password(password, name), role=role, agreed_at=now)
    session.add(account)
    session.flush()
    return account


def hash_password(password: str, name: str) -> str:
    """Argon2id of a password.

    Raises
    ------
    AnnotationError
        It is too short, too long, or the name itself.
    """
    if not SHORTEST_PASSWORD <= len(password) <= 200 or password.lower() == name.lower():
        raise AnnotationError(f"A password has {SHORTEST_PASSWORD} characters at least, and is not the name.", "Take another.")
    return _hasher.hash(password)


def check_login(session: Session, name: str, password: str, address: str, now: datetime) -> Account | None:
    """The account, or None where name or password are wrong; every failure counts against both name and address.

    Raises
    ------
    AnnotationError
        There were too many failures within a quarter of an hour.
    """
    whom = [_digest(f"name {name.lower()}"), _digest(f"address {address}")]
    session.execute(delete(FailedLogin).where(FailedLogin.at < now - FAILURES_WITHIN))
    counts = session.execute(select(FailedLogin.whom, func.count()).where(FailedLogin.whom.in_(whom)).group_by(FailedLogin.whom)).all()
    # many people of a hospital share an address
    limits = {whom[0]: FAILURES, whom[1]: 10 * FAILURES}
    if any(count >= limits[who] for who, count in counts):
        raise AnnotationError("Too many failed logins.", "Wait a quarter of an hour.")
    account = session.scalar(select(Account).where(func.lower(Account.name) == name.lower(), Account.closed_at.is_(None)))
    try:
        _hasher.verify(account.password if account else _NOBODY, password)
    except (VerificationError, InvalidHashError):
        account = None
    if account is None:
        session.add_all(FailedLogin(whom=one, at=now) for one in whom)
        return None
    if _hasher.check_needs_rehash(account.password):
        account.password = _hasher.hash(password)
    session.execute(delete(FailedLogin).where(FailedLogin.whom == whom[0]))
    return account


def issue(
    session: Session, kind: str, now: datetime, lasts: timedelta, *, account: Account | None = None, role: str = "", title: str = ""
) -> str:
    """A new secret of some kind; it is told once and kept as its digest."""
    secret = secrets.token_urlsafe(32)
    session.add(
        Ticket(
            digest=_digest(secret), kind=kind, account_id=account.id if account else None, role=role, title=title,
            guard=secrets.token_urlsafe(24), made_at=now, ends_at=now + lasts,
        )
    )  # fmt: skip
    session.flush()
    return secret


def find_ticket(session: Session, kind: str, secret: str, now: datetime) -> Ticket | None:
    """The ticket of a secret that still holds, of an account that is not closed."""
    ticket = session.get(Ticket, _digest(secret))
    if ticket is None or ticket.kind != kind or ticket.ends_at <= now:
        return None
    return None if ticket.account is not None and ticket.account.closed_at is not None else ticket


def end_tickets(session: Session, account: Account) -> None:
    """Log an account out everywhere and end its tokens."""
    session.execute(delete(Ticket).where(Ticket.account_id == account.id))


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def may(role: str, needed: str) -> bool:
    """Whether a role includes another.

    Examples
    --------
    >>> may("organiser", "expert"), may("volunteer", "expert")
    (True, False)
    """
    return ROLES.index(role) >= ROLES.index(needed)


def _pseudonym(session: Session) -> str:
    while True:
        name = f"{secrets.choice(_FIRST)}{secrets.choice(_SECOND)}{secrets.randbelow(90) + 10}"
        if session.scalar(select(Account.id).where(Account.pseudonym == name)) is None:
            return name


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
