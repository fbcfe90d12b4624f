"""The airlock by its page: a second person sees what would leave, and lets it out or stops it."""

import pytest
from tests.enclave.conftest import network  # noqa: F401
from tests.web.conftest import PASSWORD, Served

from dawson.config import StudyConfig
from dawson.web.app import create_app
from dawson.web.security import make_account
from dawson.web.serve import prepare_server
from dawson.web.server import now


@pytest.fixture
def site(network):  # noqa: F811
    """Site A with a reviewer whose account is `second`, and a question in its airlock."""
    identifier = network.ask("counts", sites=("A",), group_by=("diagnosis",))
    assert network.take("A").held
    server = prepare_server(network.study("A"), StudyConfig(), mailbox=network.mailbox)
    with server.session() as session:
        for name, role in (("second", "organiser"), ("first", "organiser"), ("expert", "expert")):
            make_account(session, name, PASSWORD, role, now())
    return network, Served(server, create_app(server)), identifier


def answers(network, identifier):  # noqa: F811
    return list(network.mailbox.glob(f"answers/{identifier}/*/*.json"))


def test_what_would_leave_is_shown_and_released_by_a_second_person(site):
    network, served, identifier = site  # noqa: F811
    assert identifier in served.client("second").get("/airlock").text
    text = served.client("second").get(f"/airlock/{identifier}").text
    assert "Dr. Ask" in text and "140" in text
    with network.acting("A"):
        refused = served.post("first", f"/airlock/{identifier}", release="true")
        assert refused.status_code == 400 and "is no reviewer" in refused.text
        assert not answers(network, identifier)
        assert served.post("second", f"/airlock/{identifier}", release="true").status_code == 303
    assert len(answers(network, identifier)) == 1
    assert network.gather(identifier).result is not None
    assert served.client("second").get(f"/airlock/{identifier}").status_code == 404


def test_stopping_needs_a_reason_which_the_asker_does_not_hear(site):
    network, served, identifier = site  # noqa: F811
    with network.acting("A"):
        assert "needs a reason" in served.post("second", f"/airlock/{identifier}", release="false").text
        assert served.post("second", f"/airlock/{identifier}", release="false", reason="one family").status_code == 303
    (answer,) = answers(network, identifier)
    assert "one family" not in answer.read_text()
    assert "stopped" in served.client("second").get("/airlock").text


def test_the_airlock_is_for_organisers_and_only_where_it_is_configured(site, served):
    _, own, identifier = site
    assert own.client("expert").get(f"/airlock/{identifier}").status_code == 403
    assert served.client("manager").get("/airlock").status_code == 404
