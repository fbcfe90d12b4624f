"""Whatever is sent to whichever route, the answer is no server error and tells nothing of the machine."""

from collections import Counter
from contextlib import suppress
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from starlette.responses import JSONResponse
from tests.web.conftest import PASSWORD
from tests.web.test_routes import ENDS_THE_SESSION, FORMS, routes_of

from dawson.web.security import TOKEN, TOKEN_LASTS, issue, make_account
from dawson.web.server import now

ODD = ["1", "0", "-1", "99999999999999999999", "accept", "lesions-2026", "open", "..", "../..", "later", "NaN", "\x00", "null"]
WORDS = st.one_of(st.text(max_size=30), st.sampled_from(ODD), st.integers().map(str))
NAMES = ["name", "answer", "text", "role", "title", "seconds", "old", "new", "release", "reason", "agrees"]
FIELDS = st.dictionaries(st.sampled_from(NAMES), WORDS)
KINDS = ["application/octet-stream", "application/json", "multipart/form-data", "text/plain", ""]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_breaks_the_server(served, data):
    client = served.client("manager")
    guard = served.guard("manager")
    for route in routes_of(served.app):
        if route.path in ENDS_THE_SESSION:
            continue
        values = {name: quote(data.draw(WORDS), safe="") or "x" for name in route.param_convertors}
        path = route.path
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", value)
        query = data.draw(st.dictionaries(st.sampled_from(["next", "seconds", "x"]), WORDS, max_size=2))
        for method in route.methods:
            if method == "GET":
                answer = client.get(path, params=query)
            else:
                form = {**FORMS.get(route.path, {}), **data.draw(FIELDS), "csrf": guard}
                answer = client.post(path, params=query, data=form)
            assert answer.status_code < 500, (method, path, answer.text)
            assert str(served.server.study) not in answer.text, (method, path)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    content=st.binary(max_size=300),
    kind=st.sampled_from(KINDS),
)
def test_bytes_of_any_kind_are_refused_or_taken(served, content, kind):
    client = served.client("manager")
    headers = {"content-type": kind, "x-csrf": served.guard("manager")}
    for path in ("/login", "/leases/x/drawing", "/leases/x", "/challenges/lesions-2026/entries", "/join/open", "/account/tokens"):
        answer = client.post(path, content=content, headers=headers)
        assert answer.status_code < 500, (path, answer.text)


def send_many(served, operation, token, examples):
    """What a route says it takes, and what it does not, sent with a token; how often each status came back."""
    answers = Counter()
    for mode in schemathesis.GenerationMode:

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case):
            answer = case.call(headers={"authorization": f"Bearer {token}"})
            answers[answer.status_code] += 1
            assert answer.status_code < 500, (case.method, case.path, answer.content)
            assert str(served.server.study).encode() not in answer.content, (case.method, case.path)

        with suppress(Unsatisfiable):
            send()
    return answers


@pytest.mark.parametrize("examples", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_schemathesis_finds_no_server_error(served, examples):
    served.app.add_route("/openapi.json", lambda _request: JSONResponse(served.app.openapi()))
    schema = schemathesis.openapi.from_asgi("/openapi.json", served.app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 40
    answers = Counter()
    for number, operation in enumerate(operations):
        if operation.path in ENDS_THE_SESSION:
            continue
        # an account of its own: some routes end what an account may do
        with served.server.session() as session:
            manager = make_account(session, f"manager-{number}", PASSWORD, "manager", now())
            token = issue(session, TOKEN, now(), TOKEN_LASTS, account=manager)
        answers += send_many(served, operation, token, examples)
    assert answers[200] > 20 and answers[401] < answers.total() / 10
