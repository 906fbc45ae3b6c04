"""Nobody comes in without Airflow's login, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.websockets import WebSocketDisconnect

from airflow_carbon.plugin.app import ROUTERS

PATHS = sorted({route.path for router in ROUTERS for route in router.routes})

ADDRESSES = [
    *(f"/carbon{path}".replace("{name}", "page.css").replace("{zone}", "DE") for path in PATHS),
    "/carbon/docs",
    "/carbon/redoc",
    "/carbon/openapi.json",
    "/carbon/static/icon.svg",
    "/carbon/static/../app.py",
    "/carbon/nothing/here",
]

PAGES = ("", "accounts", "accounts?by=model", "months", "budgets", "promises", "regions")


def test_the_routes_are_those_that_this_file_knows():
    assert {
        "/",
        "/accounts",
        "/months",
        "/run",
        "/api/outlook",
        "/static/{name}",
        "/plotly.js",
        "/keda/zone/{zone}",
    } <= {*PATHS}


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_an_anonymous_request_gets_401_from_every_address(visit, address, method):
    reply = visit().request(method, address)
    assert reply.status_code == 401
    assert "default-src 'self'" in reply.headers["content-security-policy"]


@pytest.mark.parametrize("address", ["/carbon/", "/carbon/run?dag_id=a&run_id=b c&task_id=d"])
def test_an_anonymous_browser_is_shown_the_login_and_comes_back(visit, address):
    reply = visit().get(address, headers={"accept": "text/html,application/xhtml+xml"})
    assert reply.status_code == 307
    to = urlsplit(reply.headers["location"])
    assert to.path == "/api/v2/auth/login"
    back = urlsplit(parse_qs(to.query)["next"][0])
    assert parse_qs(back.query) == parse_qs(urlsplit(address).query)
    assert back.path == urlsplit(address).path


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", ""])
def test_a_token_that_is_none_opens_nothing(visit, token):
    assert visit().get("/carbon/", headers={"authorization": f"Bearer {token}"}).status_code in {
        401,
        403,
    }
    assert visit().get("/carbon/", cookies={"_token": token}).status_code in {401, 403}


def test_a_bearer_token_opens_what_a_cookie_opens(visit, page):
    token = page.cookies["_token"]
    reply = visit().get("/carbon/api/outlook?zone=NL", headers={"authorization": f"Bearer {token}"})
    assert reply.status_code == 200


def test_a_user_without_a_role_may_not_see_the_page(visit):
    assert visit("stranger", role=None).get("/carbon/").status_code == 403


def test_a_websocket_is_closed(visit):
    with pytest.raises(WebSocketDisconnect), visit("everybody").websocket_connect("/carbon/"):
        pass


class Reading(HTMLParser):
    def __init__(self):
        super().__init__()
        self.addresses, self.inline, self.headings, self.landmarks = [], [], [], set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.addresses += [given[name] for name in ("src", "href", "action") if name in given]
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        if tag in {"header", "nav", "main", "footer"}:
            self.landmarks.add(tag)


def read(page, path):
    reply = page.get(f"/carbon/{path}", headers={"accept": "text/html"})
    assert reply.status_code == 200, reply.text
    found = Reading()
    found.feed(reply.text)
    return found, reply


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_from_airflow_alone_and_has_nothing_inline(page, path):
    found, reply = read(page, path)
    assert found.inline == []
    assert all(one.startswith(("/carbon/", "/dags/", "#")) for one in found.addresses)
    policy = reply.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy
    assert reply.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_one_first_heading_and_its_landmarks(page, path):
    found, reply = read(page, path)
    assert found.headings[0] == "h1"
    assert found.headings.count("h1") == 1
    assert found.landmarks == {"header", "nav", "main", "footer"}
    assert '<html lang="en">' in reply.text


def test_files_are_kept_by_browsers_for_as_long_as_they_are_the_same(page):
    _, reply = read(page, "")
    for address in versioned(reply.text):
        kept = page.get(address)
        assert kept.status_code == 200, address
        assert "immutable" in kept.headers["cache-control"]
    plots = page.get("/carbon/plotly.js?v=1")
    assert plots.headers["content-encoding"] == "gzip"
    assert plots.text.startswith("/**\n* plotly.js")
    assert "no-store" not in plots.headers["cache-control"]


def versioned(text):
    found = Reading()
    found.feed(text)
    return [one for one in found.addresses if "?v=" in one]


@pytest.mark.parametrize("name", ["..%2fapp.py", "%2e%2e/app.py", "page.css%00", "nothing.js", "."])
def test_no_other_file_is_served(page, name):
    assert page.get(f"/carbon/static/{name}").status_code == 404
