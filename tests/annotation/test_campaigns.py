"""A campaign as it runs: learning, hidden checks, leases, the experts' word, and what becomes of careless raters."""

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select
from tests.annotation.conftest import NOW

from dawson.annotation.campaigns import adjudicate, give_back, member_of, open_campaign, record_answer, set_aside, shown_item, take_item
from dawson.annotation.items import Item
from dawson.annotation.results import agreement, labels_table, progress_of, raters_table, ratings_table
from dawson.annotation.settings import parse_campaign
from dawson.errors import AnnotationError
from dawson.storage.models import Account, Campaign, CampaignItem, Lease, Member, Rating

SETTINGS = parse_campaign(
    {
        "campaign": {"title": "Accept", "task": "lesion-accept"},
        "learning": {"tutorial_items": 2, "gate_items": 3, "gate_right": 0.6, "attempts": 2},
        "checks": {"gold_share": 0.25, "repeat_share": 0.25, "repeat_after": 2},
        "end": {"minimum": 2, "maximum": 4},
    },
    "test",
)


def items(n_items=8, n_gold=8):
    roles = ["tutorial"] * 2 + ["gold"] * n_gold + ["item"] * n_items
    return [
        Item(number, role, f"sub-{number:02d}", "", (f"{number}.nii.gz",), place=(0.0, 0.0, 0.0), gold="" if role == "item" else "accept")
        for number, role in enumerate(roles, start=1)
    ]


@pytest.fixture
def running(sessions):
    """A campaign with an account of each kind, in one transaction."""
    with sessions.begin() as session:
        campaign = open_campaign(session, "accept", SETTINGS, items(), NOW)
        people = {
            name: Account(name=name, pseudonym=f"P{name}", password="", role=role, agreed_at=NOW)
            for name, role in (("ann", "volunteer"), ("ben", "volunteer"), ("eva", "expert"))
        }
        session.add_all(people.values())
        session.flush()
        yield session, campaign, people


def answer(session, campaign, account, key="accept", seed=0, at=NOW):
    lease = take_item(session, campaign, account, at, np.random.default_rng(seed))
    return record_answer(session, lease, key, 3.0, at)


def through_the_gate(session, campaign, account):
    for _ in range(5):
        answer(session, campaign, account)


def test_a_volunteer_learns_then_is_tested_then_rates(running):
    session, campaign, people = running
    purposes = [answer(session, campaign, people["ann"], seed=seed).purpose for seed in range(5)]
    assert purposes == ["tutorial"] * 2 + ["gate"] * 3
    assert member_of(session, campaign, people["ann"], NOW).stage == "rating"
    assert answer(session, campaign, people["ann"], seed=9).purpose in ("item", "gold")


def test_who_fails_the_gate_learns_again_and_then_is_out(running):
    session, campaign, people = running
    ben = people["ben"]
    for _ in range(5):
        answer(session, campaign, ben, "reject")
    member = member_of(session, campaign, ben, NOW)
    assert (member.stage, member.attempt) == ("tutorial", 2)
    purposes = [answer(session, campaign, ben, "reject").purpose for _ in range(5)]
    assert purposes == ["tutorial"] * 2 + ["gate"] * 3
    assert member.stage == "closed"
    assert take_item(session, campaign, ben, NOW, np.random.default_rng(0)) is None


def test_experts_need_no_tutorial(running):
    session, campaign, people = running
    assert answer(session, campaign, people["eva"]).purpose in ("item", "gold")


def test_the_item_at_hand_stays_until_its_time_is_over(running):
    session, campaign, people = running
    rng = np.random.default_rng(0)
    eva = people["eva"]
    first = take_item(session, campaign, eva, NOW, rng)
    assert take_item(session, campaign, eva, NOW + timedelta(minutes=29), rng).token == first.token
    assert take_item(session, campaign, eva, NOW + timedelta(minutes=31), rng).token != first.token
    assert session.scalar(select(func.count()).select_from(Lease)) == 1


def test_a_late_answer_is_kept(running):
    session, campaign, people = running
    lease = take_item(session, campaign, people["eva"], NOW, np.random.default_rng(0))
    record_answer(session, lease, "reject", 4000.0, NOW + timedelta(hours=2))
    assert session.scalar(select(Rating.answer)) == "reject"


def test_an_item_given_back_was_not_answered(running):
    session, campaign, people = running
    give_back(session, take_item(session, campaign, people["eva"], NOW, np.random.default_rng(0)))
    assert session.scalar(select(func.count()).select_from(Lease)) == session.scalar(select(func.count()).select_from(Rating)) == 0


def test_nobody_rates_an_item_twice_but_as_a_repeat(running):
    session, campaign, people = running
    through_the_gate(session, campaign, people["ann"])
    rng, seen = np.random.default_rng(3), []
    while (lease := take_item(session, campaign, people["ann"], NOW, rng)) is not None:
        seen.append((lease.item_id, lease.purpose))
        record_answer(session, lease, "accept", 1.0, NOW)
    assert len(set(seen)) == len(seen)
    assert {purpose for _, purpose in seen} == {"item", "gold", "repeat"}
    assert {item for item, purpose in seen if purpose == "repeat"} <= {item for item, purpose in seen if purpose == "item"}
    assert sum(purpose == "item" for _, purpose in seen) == 8
    assert agreement(session, campaign)["repeats_alike"] == sum(purpose == "repeat" for _, purpose in seen)


def test_gold_of_the_gate_does_not_come_again(running):
    session, campaign, people = running
    through_the_gate(session, campaign, people["ann"])
    gate = set(session.scalars(select(Rating.item_id).where(Rating.purpose == "gate")))
    rng = np.random.default_rng(3)
    while (lease := take_item(session, campaign, people["ann"], NOW, rng)) is not None:
        assert not (lease.purpose == "gold" and lease.item_id in gate)
        record_answer(session, lease, "accept", 1.0, NOW)


def test_an_item_before_somebody_counts_as_rated(running):
    session, campaign, _people = running
    taken = set()
    rng = np.random.default_rng(1)
    for number in range(6):
        expert = Account(name=f"e{number}", pseudonym=f"e{number}", password="", role="expert", agreed_at=NOW)
        session.add(expert)
        session.flush()
        lease = take_item(session, campaign, expert, NOW, rng)
        if lease.purpose == "item":
            assert lease.item_id not in taken
            taken.add(lease.item_id)
    assert taken


def test_answers_that_are_none_are_refused_and_the_item_stays(running):
    session, campaign, people = running
    lease = take_item(session, campaign, people["eva"], NOW, np.random.default_rng(0))
    with pytest.raises(AnnotationError, match="none of the answers"):
        record_answer(session, lease, "tea", 1.0, NOW)
    assert take_item(session, campaign, people["eva"], NOW, np.random.default_rng(0)).token == lease.token


def rate_item(session, campaign, item, key, names):
    for name in names:
        account = Account(name=name, pseudonym=name, password="", role="expert", agreed_at=NOW)
        session.add(account)
        session.flush()
        member_of(session, campaign, account, NOW)
        lease = Lease(token=name, item_id=item.id, account_id=account.id, purpose="item", made_at=NOW, ends_at=NOW)
        session.add(lease)
        session.flush()
        record_answer(session, lease, key, 1.0, NOW)


def test_agreement_ends_an_item_and_discord_sends_it_to_experts(running):
    session, campaign, _ = running
    first, second = session.scalars(select(CampaignItem).where(CampaignItem.role == "item").limit(2)).all()
    rate_item(session, campaign, first, "accept", ["a1", "a2", "a3", "a4"])
    # all start with 4 right of 6: 2/3 against 1/3, four times
    assert first.posterior[0] == pytest.approx(16 / 17, abs=1e-5) and first.state == "expert"
    rate_item(session, campaign, second, "accept", ["b1", "b2"])
    rate_item(session, campaign, second, "cannot-tell", ["b3"])
    assert second.posterior[0] == pytest.approx(0.8, abs=1e-5) and second.n_ratings == 3 and second.state == "open"


def test_the_experts_word_ends_an_item_for_good(running):
    session, campaign, people = running
    item = session.scalars(select(CampaignItem).where(CampaignItem.role == "item").limit(1)).one()
    rate_item(session, campaign, item, "accept", ["a1", "a2"])
    adjudicate(session, item, people["eva"], "reject", NOW)
    rate_item(session, campaign, item, "accept", ["a3"])
    assert item.state == "done" and item.posterior == [0.0, 1.0]
    row = labels_table(session, campaign).set_index("item").loc[item.number]
    assert row["label"] == "reject" and row["probability_reject"] == 1 and row["adjudicated"]
    with pytest.raises(AnnotationError, match="last word"):
        adjudicate(session, item, people["eva"], "cannot-tell", NOW)


def test_points_are_for_checks_not_for_conformity(running):
    session, campaign, people = running
    through_the_gate(session, campaign, people["ann"])
    member = member_of(session, campaign, people["ann"], NOW)
    assert member.points == 0
    expected, rng = 0, np.random.default_rng(5)
    while (lease := take_item(session, campaign, people["ann"], NOW, rng)) is not None:
        expected += 1 + (5 if lease.purpose == "gold" else 0)
        record_answer(session, lease, "accept", 1.0, NOW)
    assert member.points == expected


def test_an_item_set_aside_is_given_to_nobody(running):
    session, campaign, people = running
    rng = np.random.default_rng(0)
    for item in session.scalars(select(CampaignItem).where(CampaignItem.role == "item")).all():
        set_aside(session, item)
    purposes = set()
    while (lease := take_item(session, campaign, people["eva"], NOW, rng)) is not None:
        purposes.add(lease.purpose)
        record_answer(session, lease, "accept", 1.0, NOW)
    assert purposes <= {"gold"}


def test_a_closed_campaign_gives_nothing(running):
    session, campaign, people = running
    campaign.closed_at = NOW
    assert take_item(session, campaign, people["eva"], NOW, np.random.default_rng(0)) is None


def test_names_are_unique(running):
    session, _, _ = running
    with pytest.raises(AnnotationError, match="runs already"):
        open_campaign(session, "accept", SETTINGS, items(), NOW)


def test_tables_tell_pseudonyms_only(running):
    session, campaign, people = running
    through_the_gate(session, campaign, people["ann"])
    told = ratings_table(session, campaign)
    assert set(told["rater"]) == {"Pann"} and len(told) == 5
    row = raters_table(session, campaign).set_index("rater").loc["Pann"]
    assert row["gold_answers"] == 3 and row["stage"] == "rating"
    assert progress_of(session, campaign).items == 8


def test_what_is_committed_is_there_after_the_process_is_gone(sessions, tmp_path):
    from dawson.storage.database import open_database

    with sessions.begin() as session:
        open_campaign(session, "accept", SETTINGS, items(), NOW)
    with open_database(tmp_path / "server.sqlite", url="").begin() as again:
        campaign = again.scalars(select(Campaign)).one()
        assert campaign.opened_at == NOW
        assert shown_item(again.scalars(select(CampaignItem).order_by(CampaignItem.number).limit(1)).one()) == items()[0]
        assert again.scalar(select(func.count()).select_from(Member)) == 0
