"""Every route has one guard, and lets in whom it says."""

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

from dawson.storage.models import ROLES

FORMS = {
    "/login": {"name": "nobody", "password": "x"},
    "/people/invitations": {"role": "volunteer"},
    "/people/{account_id}/role": {"role": "volunteer"},
    "/account/password": {"old": "wrong", "new": "wrong"},
    "/account/tokens": {"title": "t"},
    "/items/{item_id}/word": {"answer": "accept"},
    "/items/{item_id}/messages": {"text": "hello"},
    "/leases/{token}": {"answer": "accept"},
    "/leases/{token}/question": {"text": "hello"},
    "/airlock/{identifier}": {"release": "true"},
    "/challenges": {"title": "T", "organiser": "O", "maker": "sim"},
    "/join/{invitation}": {"name": "somebody", "password": "x"},
}
FILLED = {
    "name": "accept",
    "item_id": "1",
    "account_id": "1",
    "token": "none",
    "which": "later",
    "number": "0",
    "rating": "1",
    "invitation": "none",
    "entry_id": "none",
    "phase": "open",
    "identifier": "none",
}
# what a role may open in part only: the page itself decides by promotion, and by whose lease it is
DECIDES_ITSELF = {"/campaigns/{name}/experts", "/items/{item_id}", "/items/{item_id}/word", "/items/{item_id}/messages"}
ENDS_THE_SESSION = {"/logout", "/account/close"}


def guards_of(route):
    def walk(dependant):
        for one in dependant.dependencies:
            if hasattr(one.call, "needs"):
                yield one.call.needs
            yield from walk(one)

    return list(walk(route.dependant))


def routes_of(app):
    parts = [app.router, *(route.original_router for route in app.routes if hasattr(route, "original_router"))]
    return [route for part in parts for route in part.routes if isinstance(route, APIRoute)]


def test_every_route_has_one_guard(served):
    routes = routes_of(served.app)
    assert len(routes) > 25
    for route in routes:
        assert len(guards_of(route)) == 1, route.path
    assert [route.path for route in served.app.routes if isinstance(route, Mount)] == ["/static"]


@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_role_gets_what_it_may_and_nothing_else(served, role):
    for route in routes_of(served.app):
        (needs,) = guards_of(route)
        if route.path in ENDS_THE_SESSION and role:
            continue
        path = route.path.format(**FILLED | ({"name": "lesions-2026"} if "challenges" in route.path else {}))
        for method in route.methods:
            if method == "GET":
                answer = served.client(role).get(path)
            elif role:
                answer = served.post(role, path, **FORMS.get(route.path, {}))
            else:
                answer = served.client(None).post(path, data=FORMS.get(route.path, {}))
            allowed = not needs or (role is not None and ROLES.index(role) >= ROLES.index(needs))
            refused = answer.status_code in (401, 403) or answer.headers.get("location", "").startswith("/login")
            where = f"{role} {method} {path}: {answer.status_code}"
            assert answer.status_code < 500, where
            if route.path in DECIDES_ITSELF and role == "volunteer":
                assert answer.status_code == 403, where
            elif route.path in ("/login", "/account/password"):
                assert allowed or refused, where
            else:
                assert refused == (not allowed), where


@pytest.mark.parametrize("path", ["/", "/login", "/campaigns/accept", "/nowhere", "/static/viewer.js", "/style.css"])
def test_headers_keep_other_sites_out(served, path):
    headers = served.client("volunteer").get(path).headers
    assert "script-src 'self'" in headers["content-security-policy"] and "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_no_page_has_a_script_of_its_own(served):
    for path in ("/", "/login", "/account", "/campaigns/accept", "/campaigns/accept/rate", "/campaigns/accept/raters", "/people"):
        text = served.client("manager").get(path).text
        assert "onclick" not in text and "<script>" not in text, path
