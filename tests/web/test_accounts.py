"""Logging in, joining, tokens, and what keeps strangers out."""

from datetime import timedelta

from sqlalchemy import select
from tests.web.conftest import PASSWORD

from dawson.storage.models import Account, FailedLogin, Ticket
from dawson.web.serve import first_invitation


def test_passwords_and_secrets_are_not_in_the_database(served):
    served.client("volunteer")
    secret = served.invitation("volunteer")
    with served.server.session() as session:
        stored = [value for row in session.execute(select(Account.__table__)) for value in row]
        stored += [value for row in session.execute(select(Ticket.__table__)) for value in row]
    assert PASSWORD not in stored and secret not in stored
    assert served.client("volunteer").cookies["dawson_session"] not in stored


def test_the_cookie_is_for_this_site_and_not_for_scripts(served):
    answer = served.client(None).post("/login", data={"name": "volunteer", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie


def test_a_wrong_password_and_an_unknown_name_look_the_same(served):
    answers = [served.client(None).post("/login", data={"name": name, "password": "wrong"}) for name in ("volunteer", "nobody")]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].text == answers[1].text


def test_guessing_is_stopped_and_begins_anew_after_a_while(served):
    client = served.client(None)
    for _ in range(5):
        assert client.post("/login", data={"name": "expert", "password": "wrong"}).status_code == 401
    assert client.post("/login", data={"name": "expert", "password": PASSWORD}).status_code == 429
    assert client.post("/login", data={"name": "organiser", "password": PASSWORD}).status_code == 303
    client.cookies.clear()
    with served.server.session() as session:
        for failed in session.scalars(select(FailedLogin)):
            failed.at -= timedelta(minutes=16)
    assert client.post("/login", data={"name": "expert", "password": PASSWORD}).status_code == 303


def test_an_invitation_is_good_once_and_needs_consent(served):
    secret, client = served.invitation("expert"), served.client(None)
    form = {"name": "eva", "password": "long enough"}
    assert "agree" in client.post(f"/join/{secret}", data=form).text
    assert client.post(f"/join/{secret}", data={**form, "agrees": "true"}).status_code == 303
    client.cookies.clear()
    assert client.post(f"/join/{secret}", data={**form, "name": "eve", "agrees": "true"}).status_code == 404
    with served.server.session() as session:
        eva = session.scalars(select(Account).where(Account.name == "eva")).one()
    assert eva.role == "expert" and eva.pseudonym.isalnum() and eva.pseudonym != "eva"


def test_nobody_joins_uninvited_unless_the_door_is_open(served):
    form = {"name": "ann", "password": "long enough", "agrees": "true"}
    assert served.client(None).post("/join/open", data=form).status_code == 404
    served.server.open_to_all = True
    assert served.client(None).post("/join/open", data=form).status_code == 303
    with served.server.session() as session:
        assert session.scalars(select(Account.role).where(Account.name == "ann")).one() == "volunteer"


def test_names_and_passwords_that_will_not_do(served):
    served.server.open_to_all = True
    client = served.client(None)
    for name, password, told in (
        ("Volunteer", "long enough", "taken"),
        ("a b", "long enough", "letters"),
        ("zoe", "short", "10 characters"),
    ):
        answer = client.post("/join/open", data={"name": name, "password": password, "agrees": "true"})
        assert answer.status_code == 400 and told in answer.text


def test_a_form_without_its_secret_or_from_elsewhere_is_refused(served):
    client = served.client("volunteer")
    assert client.post("/account/tokens", data={"title": "t"}).status_code == 403
    data = {"title": "t", "csrf": served.guard("volunteer")}
    assert client.post("/account/tokens", data=data, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/account/tokens", data=data, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/account/tokens", data=data, headers={"origin": "http://localhost"}).status_code == 200
    assert (
        served.client(None).post("/login", data={"name": "a", "password": "b"}, headers={"origin": "http://evil.example"}).status_code
        == 403
    )


def test_a_token_lets_a_program_in_until_it_is_ended(served):
    text = served.post("volunteer", "/account/tokens", title="script").text
    secret = text.split("<code>")[1].split("</code>")[0]
    headers = {"authorization": f"Bearer {secret}"}
    assert served.client(None).get("/campaigns/accept", headers=headers).status_code == 200
    served.post("volunteer", "/account/tokens/end")
    assert served.client(None).get("/campaigns/accept", headers=headers).status_code == 401


def test_a_new_password_logs_out_everywhere_else(served):
    other = served.client("volunteer")
    cookie = other.cookies["dawson_session"]
    assert served.post("volunteer", "/account/password", old=PASSWORD, new="another secret").status_code == 303
    stranger = served.client(None)
    stranger.cookies.set("dawson_session", cookie)
    assert stranger.get("/account").headers["location"].startswith("/login")


def test_a_closed_account_keeps_nothing_but_its_pseudonym(served):
    assert served.post("volunteer", "/account/close").status_code == 303
    assert served.client(None).post("/login", data={"name": "volunteer", "password": PASSWORD}).status_code == 401
    with served.server.session() as session:
        closed = session.scalars(select(Account).where(Account.closed_at.is_not(None))).one()
    assert closed.password == "" and closed.name.startswith("closed-") and closed.pseudonym


def test_after_login_nobody_is_sent_to_another_site(served):
    for target in ("https://evil.example", "//evil.example", "/\\evil.example"):
        answer = served.client(None).post("/login", data={"name": "expert", "password": PASSWORD, "next": target})
        assert answer.headers["location"] == "/"
        served.client(None).cookies.clear()


def test_the_first_manager_is_invited_only_where_there_is_none(served):
    assert first_invitation(served.server) is None
    with served.server.session() as session:
        session.delete(session.scalars(select(Account).where(Account.role == "manager")).one())
    assert first_invitation(served.server)


def test_a_manager_changes_roles_but_not_the_own(served):
    with served.server.session() as session:
        ids = {account.role: account.id for account in session.scalars(select(Account))}
    served.client("volunteer")
    assert served.post("manager", f"/people/{ids['volunteer']}/role", role="expert").status_code == 303
    assert served.client("volunteer").get("/account").headers["location"].startswith("/login")
    assert served.post("manager", f"/people/{ids['manager']}/close").status_code == 400


def test_what_is_too_large_or_without_length_is_refused(served):
    client = served.client("volunteer")
    assert client.post("/account/tokens", content=b"x" * (2**20 + 1)).status_code == 413
    assert client.post("/account/tokens", content=(part for part in [b"x"])).status_code == 411
