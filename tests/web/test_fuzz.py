"""Whatever is sent to whichever route, the answer is no server error and tells nothing of the machine."""

from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.test_routes import ENDS_THE_SESSION, FORMS, routes_of

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
