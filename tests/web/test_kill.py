"""The server is killed at any moment: no answer that it confirmed is lost, and it comes up again."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx2
import pytest
from sqlalchemy import select
from tests.annotation.conftest import make_study
from tests.web.conftest import PASSWORD, make_campaigns

from dawson.annotation.build import database_path
from dawson.config import StudyConfig
from dawson.storage.database import open_database
from dawson.storage.models import ROLES, CampaignItem, Rating
from dawson.web.security import make_account
from dawson.web.serve import prepare_server
from dawson.web.server import now

KILLS = 3


def start(study, port):
    code = "from dawson.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", str(study), "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    for _ in range(600):
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/healthz").text == "ok":
                return process
        except httpx2.TransportError:
            time.sleep(0.1)
        assert process.poll() is None, process.stderr.read()
    raise AssertionError("the server did not start")


def rate(address, role, confirmed):
    """Answer one item after another until the server is gone; what was confirmed is written down."""
    with httpx2.Client(base_url=address, headers={"accept": "text/html"}, timeout=20) as client:
        try:
            assert client.post("/login", data={"name": role, "password": PASSWORD}).status_code == 303
            while True:
                page = client.get("/campaigns/accept/rate").text
                if "/leases/" not in page:
                    return
                token = page.split("/leases/")[1].split('"')[0]
                item = int(re.search(r"/items/(\d+)/", page).group(1))
                csrf = page.split('name="csrf" value="')[1].split('"')[0]
                if client.post(f"/leases/{token}", data={"answer": "accept", "csrf": csrf}).status_code == 303:
                    confirmed.append((role, item))
        except httpx2.TransportError:
            return


@pytest.mark.parametrize("seed", [0])
def test_no_confirmed_answer_is_lost(tmp_path, seed):
    study = make_study(tmp_path / "study", people=24)
    make_campaigns(study)
    server = prepare_server(study, StudyConfig())
    raters = [role for role in ROLES if role != "volunteer"]
    with server.session() as session:
        for role in raters:
            make_account(session, role, PASSWORD, role, now())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    drawn, confirmed = random.Random(seed), []
    for _ in range(KILLS):
        process = start(study, port)
        threads = [threading.Thread(target=rate, args=(f"http://127.0.0.1:{port}", role, confirmed)) for role in raters]
        for thread in threads:
            thread.start()
        time.sleep(drawn.uniform(0.5, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for thread in threads:
            thread.join()
    assert confirmed
    with open_database(database_path(study)).begin() as session:
        kept = {(rating.account.name, rating.item_id) for rating in session.scalars(select(Rating))}
        counts = {item.id: item.n_ratings for item in session.scalars(select(CampaignItem).where(CampaignItem.role == "item"))}
        given = session.execute(select(Rating.item_id).where(Rating.purpose == "item")).scalars().all()
    assert set(confirmed) <= kept
    # an answer and what it changes are one transaction
    assert all(counts[item] == given.count(item) for item in counts)
