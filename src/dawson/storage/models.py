"""Tables of the server: accounts, campaigns, ratings, questions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, LargeBinary, MetaData, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

ROLES = ("volunteer", "expert", "organiser", "manager")
"""What an account may do; each role may do what those before it may."""


class Moment(TypeDecorator[datetime]):
    """A time with its zone, UTC; SQLite keeps none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Names of constraints that migrations can find again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Account(Base):
    """Somebody who may log in. Others see the pseudonym only."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    pseudonym: Mapped[str] = mapped_column(String(40), unique=True)
    password: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    agreed_at: Mapped[datetime] = mapped_column(Moment)
    closed_at: Mapped[datetime | None] = mapped_column(Moment)


class Ticket(Base):
    """A secret that is kept as its digest: a session's cookie, an invitation, or a token for programs."""

    __tablename__ = "tickets"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(16), default="")
    title: Mapped[str] = mapped_column(String(80), default="")
    guard: Mapped[str] = mapped_column(String(64), default="")
    made_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    account: Mapped[Account | None] = relationship()


class FailedLogin(Base):
    """A login that failed, by a digest of name or address, so that guessing is slowed down over restarts too."""

    __tablename__ = "failed_logins"
    id: Mapped[int] = mapped_column(primary_key=True)
    whom: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(Moment)
    __table_args__ = (Index("ix_failed_logins_whom_at", "whom", "at"),)


class Campaign(Base):
    """A campaign; its rules and items are files, which are read once."""

    __tablename__ = "campaigns"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    opened_at: Mapped[datetime] = mapped_column(Moment)
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    fitted_at: Mapped[int] = mapped_column(default=0)
    crowd_skill: Mapped[float] = mapped_column(default=0.0)


class CampaignItem(Base):
    """An item of a campaign: where it stands. What it shows is read from the campaign's items.tsv."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    number: Mapped[int]
    role: Mapped[str] = mapped_column(String(8))
    shown: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10), default="open")
    posterior: Mapped[list[float]] = mapped_column(JSON, default=list)
    n_ratings: Mapped[int] = mapped_column(default=0)
    adjudicated: Mapped[str] = mapped_column(String(200), default="")
    campaign: Mapped[Campaign] = relationship()
    __table_args__ = (UniqueConstraint("campaign_id", "number"), Index("ix_items_campaign_id_state", "campaign_id", "state"))


class Member(Base):
    """What a rater has shown in a campaign."""

    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    stage: Mapped[str] = mapped_column(String(10), default="tutorial")
    attempt: Mapped[int] = mapped_column(default=1)
    skill: Mapped[float] = mapped_column(default=0.0)
    skill_low: Mapped[float] = mapped_column(default=0.0)
    skill_high: Mapped[float] = mapped_column(default=1.0)
    points: Mapped[int] = mapped_column(default=0)
    promoted: Mapped[bool] = mapped_column(default=False)
    joined_at: Mapped[datetime] = mapped_column(Moment)
    account: Mapped[Account] = relationship()
    __table_args__ = (UniqueConstraint("campaign_id", "account_id"),)


class Lease(Base):
    """An item that a rater has before them; it goes back when its time is over."""

    __tablename__ = "leases"
    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(43), unique=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(10))
    made_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    item: Mapped[CampaignItem] = relationship()
    __table_args__ = (UniqueConstraint("account_id", "item_id", "purpose"),)


class Rating(Base):
    """An answer as it was given; no row is ever changed."""

    __tablename__ = "ratings"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(10))
    attempt: Mapped[int] = mapped_column(default=1)
    answer: Mapped[str] = mapped_column(String(200))
    right: Mapped[bool | None]
    seconds: Mapped[float]
    at: Mapped[datetime] = mapped_column(Moment)
    item: Mapped[CampaignItem] = relationship()
    account: Mapped[Account] = relationship()
    __table_args__ = (UniqueConstraint("account_id", "item_id", "purpose", "attempt"),)


class Message(Base):
    """A question about an item, or an answer to it."""

    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment)
    account: Mapped[Account] = relationship()
    item: Mapped[CampaignItem] = relationship()


class Setting(Base):
    """What the server must remember of itself, such as that its first administrator came in."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
