"""The same campaign on SQLite and on PostgreSQL: the same ratings, the same labels.

Runs where DAWSON_TEST_POSTGRESQL names a database that may be emptied, such as postgresql+psycopg://postgres@localhost:5544/dawson_test.
"""

import os

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from dawson.annotation.results import labels_table, ratings_table
from dawson.annotation.settings import parse_campaign
from dawson.annotation.simulated_crowd import CrowdPlan, gather_crowd, rate_all
from dawson.storage.database import open_database
from dawson.storage.models import Base, Campaign

ADDRESS = os.environ.get("DAWSON_TEST_POSTGRESQL", "")
pytestmark = pytest.mark.skipif(not ADDRESS, reason="DAWSON_TEST_POSTGRESQL names no database")


def test_two_databases_give_the_same(tmp_path):
    settings = parse_campaign({"campaign": {"title": "Crowd", "task": "lesion-accept"}}, "test")
    plan, told = CrowdPlan(volunteers=12, experts=2, items=60, checks=30), []
    for address in ("", ADDRESS):
        sessions = open_database(tmp_path / "server.sqlite", address)
        with sessions.begin() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())
        with sessions.begin() as session:
            crowd = gather_crowd(session, settings, plan, np.random.default_rng(1))
        rate_all(sessions, crowd, settings, seed=1)
        with sessions.begin() as session:
            campaign = session.scalars(select(Campaign)).one()
            told.append((ratings_table(session, campaign), labels_table(session, campaign)))
    for one, other in zip(*told, strict=True):
        pd.testing.assert_frame_equal(one, other)
