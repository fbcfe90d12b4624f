"""The catalogue, for everybody who reaches the server: cards that were published, and nothing else."""

from tests.enclave.conftest import network  # noqa: F401
from tests.web.conftest import Served

from dawson.config import StudyConfig
from dawson.enclave.study_card import make_card
from dawson.web.app import create_app
from dawson.web.serve import prepare_server


def test_everybody_reads_what_was_published_and_how_to_ask(network):  # noqa: F811
    study = network.study("A")
    server = prepare_server(study, StudyConfig())
    served = Served(server, create_app(server))
    assert "Nothing is published yet" in served.client().get("/catalogue").text
    with network.acting("A"):
        make_card(study, contact="<b>data</b>@a.example", publish=True)
    text = served.client().get("/catalogue").text
    assert "disease_duration" in text and "&lt;b&gt;data" in text and "--site A" in text
    assert not any(person in text for person in network.tables["A"]["participant_id"])
