"""What a campaign found: a label of every item with its probability, and how good its raters are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dawson.annotation.campaigns import settings_of, shown_item
from dawson.annotation.skills import consensus_of, gather_ratings
from dawson.statistics.agreement import krippendorff_alpha
from dawson.statistics.categorical_consensus import gold_skill
from dawson.statistics.proportions import wilson
from dawson.storage.models import Account, Campaign, CampaignItem, Member, Rating

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Progress:
    """How far a campaign is.

    Parameters
    ----------
    items, done, expert : int
        To be rated; done; waiting for an expert.
    ratings, raters : int
        Answers of all kinds, and people who gave any.
    """

    items: int
    done: int
    expert: int
    ratings: int
    raters: int


def progress_of(session: Session, campaign: Campaign) -> Progress:
    """How far a campaign is."""
    states = dict(
        session.execute(
            select(CampaignItem.state, func.count())
            .where(CampaignItem.campaign_id == campaign.id, CampaignItem.role == "item")
            .group_by(CampaignItem.state)
        ).all()
    )
    ratings, raters = session.execute(
        select(func.count(Rating.id), func.count(func.distinct(Rating.account_id)))
        .join(CampaignItem)
        .where(CampaignItem.campaign_id == campaign.id)
    ).one()
    return Progress(sum(states.values()), states.get("done", 0), states.get("expert", 0), int(ratings), int(raters))


def labels_table(session: Session, campaign: Campaign) -> pd.DataFrame:
    """One row an item that was to be rated: label, its probability under smoothed one-coin Dawid-Skene, ratings, state.

    An item nobody has rated has no label. An expert's word has probability 1 and is marked.
    """
    import pandas as pd

    settings = settings_of(campaign)
    gathered = gather_ratings(session, campaign, settings)
    posterior = consensus_of(gathered).posterior if gathered.accounts else np.full((len(gathered.items), len(settings.classes)), np.nan)
    row_of = {item: at for at, item in enumerate(gathered.items)}
    rows: list[dict[str, Any]] = []
    items = session.scalars(
        select(CampaignItem).where(CampaignItem.campaign_id == campaign.id, CampaignItem.role == "item").order_by(CampaignItem.number)
    )
    for item in items:
        shown, told = shown_item(item), posterior[row_of[item.id]]
        rated = bool(item.n_ratings or item.adjudicated) and not np.isnan(told).any()
        rows.append(
            {
                "item": item.number, "participant_id": shown.participant_id, "session_id": shown.session_id or None,
                "lesion": shown.lesion or None, **_place(shown.place),
                "label": settings.classes[int(told.argmax())] if rated else None,
                **{f"probability_{key}": float(value) if rated else None for key, value in zip(settings.classes, told, strict=True)},
                "ratings": item.n_ratings, "state": item.state, "adjudicated": bool(item.adjudicated),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _place(place: tuple[float, float, float] | None) -> dict[str, float | None]:
    return dict(zip(("x", "y", "z"), place or (None, None, None), strict=True))


def ratings_table(session: Session, campaign: Campaign) -> pd.DataFrame:
    """Every answer as it was given, by pseudonym, in the order of time."""
    import pandas as pd

    rows = session.execute(
        select(
            CampaignItem.number,
            Account.pseudonym,
            Account.role,
            Rating.purpose,
            Rating.attempt,
            Rating.answer,
            Rating.right,
            Rating.seconds,
        )
        .join(Rating, Rating.item_id == CampaignItem.id)
        .join(Account, Account.id == Rating.account_id)
        .where(CampaignItem.campaign_id == campaign.id)
        .order_by(Rating.id)
    ).all()
    return pd.DataFrame(rows, columns=["item", "rater", "role", "purpose", "attempt", "answer", "right", "seconds"])


def raters_table(session: Session, campaign: Campaign) -> pd.DataFrame:
    """One row a rater: answers, skill by consensus and by hidden checks alone, agreement with themselves, where they stand.

    `gold_beyond` is the share of right answers to known items less the share of right answers that the other raters gave to the same
    items: a rater who was given hard ones is not blamed for it.
    """
    import pandas as pd

    settings = settings_of(campaign)
    ratings = ratings_table(session, campaign)
    members = session.execute(
        select(Member, Account.pseudonym, Account.role).join(Account).where(Member.campaign_id == campaign.id).order_by(Account.pseudonym)
    ).all()
    gold = {}
    if settings.classes:
        gathered = gather_ratings(session, campaign, settings)
        names = dict(session.execute(select(Account.id, Account.pseudonym).where(Account.id.in_(gathered.accounts))).all())
        gold = {
            names[account]: skill for account, skill in zip(gathered.accounts, gold_skill(gathered.ratings, gathered.gold), strict=True)
        }
    checks = ratings[ratings["purpose"].isin(["gold", "gate"]) & ratings["right"].notna()]
    rows = []
    for member, pseudonym, role in members:
        own = ratings[ratings["rater"] == pseudonym]
        again = repeatability(own)
        known = gold.get(pseudonym)
        rows.append(
            {
                "rater": pseudonym, "role": role, "stage": member.stage, "attempt": member.attempt, "promoted": member.promoted,
                "answers": len(own), "items": int((own["purpose"] == "item").sum()), "points": member.points,
                "skill": member.skill or None, "skill_low": member.skill_low if member.skill else None,
                "skill_high": member.skill_high if member.skill else None,
                "gold_answers": int(own["purpose"].isin(["gold", "gate"]).sum()),
                "gold_skill": known.estimate if known else None, "gold_low": known.low if known else None,
                "gold_high": known.high if known else None, "gold_beyond": _beyond(checks, pseudonym),
                "repeats": again[1], "repeats_alike": again[0] if again[1] else None,
                "median_seconds": float(own["seconds"].median()) if len(own) else None,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def repeatability(own: pd.DataFrame) -> tuple[int, int]:
    """How often a rater answered a repeated item as at first, of how many."""
    first = own[own["purpose"] == "item"].set_index("item")["answer"]
    again = own[own["purpose"] == "repeat"]
    alike = [first.get(item) == answer for item, answer in zip(again["item"], again["answer"], strict=True)]
    return sum(alike), len(alike)


def agreement(session: Session, campaign: Campaign) -> dict[str, Any]:
    """Agreement of the raters: Krippendorff's alpha over the items, and repeats answered alike with Wilson's interval."""
    settings = settings_of(campaign)
    told: dict[str, Any] = {}
    if settings.classes:
        ratings = gather_ratings(session, campaign, settings).ratings
        table = np.full((ratings.n_items, max(ratings.n_raters, 1)), np.nan)
        table[ratings.item, ratings.rater] = ratings.label
        told["krippendorff_alpha"] = _finite(krippendorff_alpha(table)) if len(ratings.item) else None
    by_rater = [repeatability(own) for _, own in ratings_table(session, campaign).groupby("rater")]
    alike, repeats = sum(one for one, _ in by_rater), sum(total for _, total in by_rater)
    told["repeats"], told["repeats_alike"] = repeats, alike
    if repeats:
        found = wilson(alike, repeats)
        told["repeats_alike_share"] = [found.estimate, found.low, found.high]
    return told


def _beyond(checks: pd.DataFrame, pseudonym: str) -> float | None:
    own = checks[checks["rater"] == pseudonym]
    others = checks[checks["rater"] != pseudonym].groupby("item")["right"].agg(lambda right: float(np.mean(right.astype(float))))
    both = own[own["item"].isin(others.index)]
    if both.empty:
        return None
    return float(both["right"].astype(float).mean() - others.loc[both["item"]].mean())


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
