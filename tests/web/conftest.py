"""A server of a tiny study, with an account of every role."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from tests.annotation.conftest import make_study
from tests.challenge.conftest import make_mask_challenge, settings_of

from dawson.annotation.build import build_campaign, plan_campaign
from dawson.annotation.find_items import Sources
from dawson.annotation.settings import parse_campaign
from dawson.config import StudyConfig
from dawson.storage.models import ROLES
from dawson.web import security
from dawson.web.app import create_app
from dawson.web.security import INVITATION, INVITATION_LASTS, issue, make_account
from dawson.web.serve import prepare_server
from dawson.web.server import now

PASSWORD = "correct horse"


@dataclass
class Served:
    """A server and a browser for each role."""

    server: object
    app: object
    clients: dict = field(default_factory=dict)

    def client(self, role=None):
        """A client that is logged in."""
        if role not in self.clients:
            client = TestClient(self.app, base_url="http://localhost", follow_redirects=False, headers={"accept": "text/html"})
            if role:
                assert client.post("/login", data={"name": role, "password": PASSWORD}).status_code == 303
            self.clients[role] = client
        return self.clients[role]

    def guard(self, role):
        """The secret that forms of a client carry."""
        text = self.client(role).get("/account").text
        return text.split('name="csrf" value="')[1].split('"')[0]

    def post(self, who, path, **data):
        """Send a form as an account of a role."""
        return self.client(who).post(path, data={**data, "csrf": self.guard(who)})

    def invitation(self, role):
        """A new invitation."""
        with self.server.session() as session:
            return issue(session, INVITATION, now(), INVITATION_LASTS, role=role)


def make_campaigns(study):
    """One campaign of choices and one of drawings."""
    for name, task, sources in (
        ("accept", "lesion-accept", Sources("cand", "sim")),
        ("draw", "lesion-draw", Sources("", "sim")),
    ):
        settings = parse_campaign(
            {
                "campaign": {"title": f"Campaign {name}", "task": task, "instructions": "Look twice.\n\n<b>Not bold</b>"},
                "learning": {"tutorial_items": 1, "gate_items": 1},
                "end": {"minimum": 1, "maximum": 2, "drawings": 2},
            },
            "test",
        )
        build_campaign(study, name, plan_campaign(study, StudyConfig(), settings, sources, checks=3))


def open_challenge(folder):
    """A challenge whose phases are open now; the scores of the final one are hidden."""
    settings = settings_of("lesion-segmentation", metrics=("dice", "lesion_f1"))
    at = now()
    phases = tuple(
        phase.model_copy(update={"opens": at - timedelta(days=1), "closes": at + timedelta(days=1)}) for phase in settings.phases
    )
    return make_mask_challenge(folder, settings.model_copy(update={"phases": phases}))


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch):
    """Digests that cost little: what is tested is not how long guessing takes."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(security, "_hasher", quick)
    monkeypatch.setattr(security, "_NOBODY", quick.hash("nobody"))


@pytest.fixture
def served(tmp_path):
    study = make_study(tmp_path / "study")
    make_campaigns(study)
    challenge, home = open_challenge(tmp_path / "Lesions 2026"), tmp_path / "new challenges"
    server = prepare_server(study, StudyConfig(), challenges=[challenge], challenge_home=home)
    with server.session() as session:
        for role in ROLES:
            make_account(session, role, PASSWORD, role, now())
    return Served(server, create_app(server))
