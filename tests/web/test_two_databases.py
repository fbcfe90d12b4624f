"""Two runs of the server, on SQLite and on PostgreSQL, give the same."""

import hashlib
import time

import numpy as np
import pandas as pd
from sqlalchemy import select
from tests.annotation.conftest import emptied, make_study, postgresql  # noqa: F401
from tests.web.conftest import PASSWORD, Served, make_campaigns, open_challenge
from tests.web.test_challenges import hand_in, perfect
from tests.web.test_rating import item_of, lease_of

from dawson.annotation.build import database_path
from dawson.annotation.campaigns import shown_item
from dawson.challenge.entries import read_entries
from dawson.config import StudyConfig
from dawson.files import read_tsv
from dawson.storage.database import URL_VARIABLE, open_database
from dawson.storage.models import Rating
from dawson.web.app import create_app
from dawson.web.security import make_account
from dawson.web.serve import prepare_server
from dawson.web.server import now

RATERS = ("volunteer", "second", "third", "expert")


def answer_of(who, shown):
    """Mostly right; what somebody says of an item is always the same."""
    luck = hashlib.sha256(f"{who} {shown.participant_id} {shown.lesion}".encode()).digest()[0]
    right = "accept" if shown.lesion == 1 else "reject"
    return right if luck > 60 else {"accept": "reject", "reject": "accept"}[right]


def one_run(folder, address, monkeypatch):
    """Everybody rates what there is, an organiser releases, a volunteer enters a challenge; what is there in the end."""
    study = make_study(folder / "study")
    make_campaigns(study)
    monkeypatch.setenv(URL_VARIABLE, address)
    emptied(open_database(database_path(study)))
    server = prepare_server(study, StudyConfig(), challenges=[open_challenge(folder / "Lesions 2026")])
    server.rng = np.random.default_rng(3)
    with server.session() as session:
        for name in (*RATERS, "organiser"):
            make_account(session, name, PASSWORD, name if name in ("expert", "organiser") else "volunteer", now())
    served = Served(server, create_app(server))
    going = set(RATERS)
    while going:
        for who in [name for name in RATERS if name in going]:
            lease = lease_of(served, who, "accept")
            if lease is None:
                going.discard(who)
                continue
            _, shown = item_of(served, lease[0])
            assert served.post(who, f"/leases/{lease[0]}", answer=answer_of(who, shown), seconds="2").status_code == 303
    assert served.post("organiser", "/campaigns/accept/release").status_code == 303
    with served.client(None):
        hand_in(served, "volunteer", perfect())
        for _ in range(600):
            if read_entries(server.challenges["lesions-2026"])[0].state == "scored":
                break
            time.sleep(0.05)
    with server.session() as session:
        ratings = [
            (one.account.name, (shown := shown_item(one.item)).participant_id, shown.lesion, one.purpose, one.answer)
            for one in session.scalars(select(Rating).order_by(Rating.id))
        ]
    labels = read_tsv(study / "derivatives" / "accept-v1" / "labels.tsv")
    return ratings, labels, read_entries(server.challenges["lesions-2026"])[0].state


def test_two_databases_give_the_same(tmp_path, postgresql, monkeypatch):  # noqa: F811
    own, other = (one_run(tmp_path / name, address, monkeypatch) for name, address in (("sqlite", ""), ("postgresql", postgresql)))
    assert own[0] == other[0] and len(own[0]) > 20
    pd.testing.assert_frame_equal(own[1], other[1])
    assert own[2] == other[2] == "scored"
