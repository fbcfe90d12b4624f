"""An organiser makes a challenge by page: counts first, then in the background, whole or not at all."""

import threading
import time

import pytest
from tests.annotation.conftest import make_study

from dawson.challenge.build import hidden_cases
from dawson.challenge.settings import read_challenge
from dawson.errors import ChallengeError
from dawson.web.making import Making
from dawson.web.serve import prepare_server

FORM = {"title": "Lesions of 2026!", "maker": "sim", "organiser": "Prof. A", "days": "30"}
BASE = "/challenges/lesions-of-2026"


@pytest.fixture
def served(served):
    """With enough people for every part."""
    make_study(served.server.study, people=12)
    return served


def made(served):
    for _ in range(600):
        answer = served.client("organiser").get("/challenges/making/lesions-of-2026")
        if answer.status_code != 200:
            return answer
        time.sleep(0.05)
    return answer


def test_a_look_tells_counts_and_makes_nothing(served):
    text = served.post("organiser", "/challenges", **FORM).text
    assert "What it would hold" in text and "training" in text
    assert not served.server.challenge_home.exists() and "Prof. A" in text


def test_a_challenge_is_made_run_and_found_after_a_restart(served):
    where = served.post("organiser", "/challenges", **FORM, go="true").headers["location"]
    assert where == "/challenges/making/lesions-of-2026"
    assert made(served).headers["location"] == BASE
    folder = served.server.challenges["lesions-of-2026"]
    settings = read_challenge(folder)
    assert settings.challenge.title == "Lesions of 2026!" and settings.challenge.simulated
    assert [phase.name for phase in settings.phases] == ["open", "final"] and len(hidden_cases(folder)) >= 4
    assert "Lesions of 2026!" in served.client("volunteer").get("/").text
    assert served.client("volunteer").get(f"{BASE}/data.zip").status_code == 200
    again = prepare_server(served.server.study, served.server.config, challenge_home=folder.parent)
    assert list(again.challenges) == ["lesions-of-2026"]
    assert "cannot be called" in served.post("organiser", "/challenges", **FORM, go="true").text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"title": "New"}, "cannot be called"),
        ({"title": "Making"}, "cannot be called"),
        ({"title": "!!!"}, "cannot be called"),
        ({"maker": "nobody"}, "No session"),
        ({"task": "volumes"}, "targets"),
        ({"task": "chess"}, "chess"),
        ({"where": "age >"}, "age"),
        ({"licence": "/etc/passwd"}, "is not known"),
        ({"maker": "../../x"}, "wrong form"),
        ({"days": "0"}, "wrong form"),
    ],
)
def test_what_cannot_be_made_is_explained(served, change, told):
    answer = served.post("organiser", "/challenges", **{**FORM, "go": "true", **change})
    assert answer.status_code in (400, 422) and told in answer.text
    assert not served.server.challenge_home.exists()


def test_what_fails_in_the_background_is_told(served, monkeypatch):
    def broken(*_):
        raise ChallengeError(f"{served.server.study} is broken", "Mend it.")

    monkeypatch.setattr("dawson.web.pages.new_challenge.build_challenge", broken)
    served.post("organiser", "/challenges", **FORM, go="true")
    for _ in range(200):
        text = served.client("organiser").get("/challenges/making/lesions-of-2026").text
        if "could not be made" in text:
            break
        time.sleep(0.02)
    assert "the study is broken" in text


def test_a_server_without_a_folder_makes_none(served):
    served.server.challenge_home = None
    assert served.client("organiser").get("/challenges/new").status_code == 404
    assert served.post("organiser", "/challenges", **FORM).status_code == 404
    assert "New challenge" not in served.client("organiser").get("/").text


def test_two_of_one_name_are_not_made_at_once():
    going, making = threading.Event(), Making()
    assert making.start("a", going.wait)
    assert not making.start("a", going.wait) and making.is_on("a")
    going.set()


def test_copies_go_when_somebody_may_not_be_shown_or_a_challenge_changed(served, monkeypatch):
    server = served.server
    copies = [server.copies.of(f"sub-{number:02d}", "image", lambda path: path.write_bytes(b"x"), public=True) for number in (1, 2)]
    packed = server.copies.packed("lesions-2026", server.challenges["lesions-2026"] / "public")
    monkeypatch.setattr(server, "shown_of", lambda people, **_: set(people) - {"sub-01"})
    server.drop_copies()
    assert [copy.exists() for copy in copies] == [False, True] and packed.exists()
    (server.challenges["lesions-2026"] / "public" / "README.md").write_text("other")
    server.drop_copies()
    assert not packed.exists()
    assert server.copies.people() == [("sub-02", True)]
