"""The login page, sessions by cookie, and what a request with one must show."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from asgi import KEY, KNOWN, Answer, Client
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.web.login import local_path
from faceline.web.sessions import Callers
from made import open_app

PAGE = {"accept": "text/html,application/xhtml+xml"}
BUCKET = "/buckets/face-input-bucket"


@dataclass
class Browser:
    """Keeps the cookie, as one does."""

    client: Client
    cookie: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        path, _, query = path.partition("?")
        given = {"cookie": self.cookie} | self.headers | (headers or {})
        return self.client.ask(method, path, given, [body], query.encode())

    def log_in(self, key: str = KEY, **fields: str) -> Answer:
        answer = self.ask("POST", "/login", body=urlencode({"key": key, **fields}).encode())
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def csrf(self) -> str:
        page = self.ask("GET", "/", PAGE).body.decode()
        return page.partition('<meta name="csrf" content="')[2].partition('"')[0]


@pytest.fixture
def client(made_app: App) -> Client:
    return Client(made_app)


@pytest.fixture
def browser(client: Client) -> Browser:
    return Browser(client)


def test_the_key_opens_a_session_in_a_cookie_that_no_script_and_no_other_site_gets(browser: Browser) -> None:
    assert browser.ask("GET", "/people", PAGE).headers["location"] == "/login?next=%2Fpeople"
    answer = browser.log_in(next="/people")
    assert (answer.status, answer.headers["location"]) == (303, "/people")
    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert parts == {"httponly", "path=/", "samesite=strict"}
    assert browser.cookie.startswith("faceline-session")
    assert browser.ask("GET", "/people", PAGE).status == 200
    assert browser.ask("GET", "/records").status == 200


def test_behind_tls_the_cookie_is_sent_by_tls_only(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", public_url="https://faces.example.org") as app:
        answer = Browser(Client(app), headers={"host": "faces.example.org"}).log_in()
    assert answer.status == 303
    assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "key", ["", "x", KEY[:-1], f"{KEY}x", "\udcff".encode("utf-8", "surrogatepass").decode("latin-1")]
)
def test_a_wrong_key_is_told_so_in_the_same_words(browser: Browser, key: str) -> None:
    answer = browser.log_in(key, next="/people")
    page = answer.body.decode()
    assert answer.status == 403
    assert "This key is not known here." in page
    assert 'aria-invalid="true"' in page
    assert 'value="/people"' in page
    assert "set-cookie" not in answer.headers


def test_a_token_logs_in_with_its_scope_and_is_out_when_it_is_revoked(made_app: App, browser: Browser) -> None:
    browser.log_in(made_app.api_keys.create("desk", ApiScope.READ))
    assert b'name="scope" content="read"' in browser.ask("GET", "/", PAGE).body
    made_app.api_keys.revoke("desk")
    assert browser.ask("GET", "/records").is_problem(401, "/login")
    assert browser.ask("GET", "/", PAGE).headers["location"] == "/login"


def test_a_write_by_cookie_needs_the_pages_token(browser: Browser) -> None:
    browser.log_in()
    path = f"{BUCKET}/input/a.bin"
    for headers in ({}, {"x-faceline-csrf": ""}, {"x-faceline-csrf": "x" * 64}, {"x-faceline-csrf": "\xff"}):
        assert browser.ask("PUT", path, headers, b"x").is_problem(403, "X-Faceline-CSRF")
        assert browser.ask("DELETE", path, headers).is_problem(403, "X-Faceline-CSRF")
    assert browser.ask("PUT", path, {"x-faceline-csrf": browser.csrf()}, b"x").status == 201


def test_receiving_messages_by_cookie_is_a_write(browser: Browser, made_app: App) -> None:
    queue, path = made_app.frames.queue("faceline-resp-queue"), "/queues/faceline-resp-queue/messages"
    queue.send("a frame")
    browser.log_in()
    assert browser.ask("GET", path).is_problem(403, "X-Faceline-CSRF")
    assert queue.depth()["visible"] == 1
    assert len(browser.ask("GET", path, {"x-faceline-csrf": browser.csrf()}).json) == 1


def test_the_token_of_one_session_is_none_of_another(browser: Browser, client: Client) -> None:
    browser.log_in()
    other = Browser(client)
    other.log_in()
    assert browser.csrf() != other.csrf()
    headers = {"x-faceline-csrf": other.csrf()}
    assert browser.ask("PUT", f"{BUCKET}/input/a.bin", headers, b"x").is_problem(403, "X-Faceline-CSRF")


def test_logging_out_ends_the_session_and_needs_its_token(browser: Browser) -> None:
    browser.log_in()
    csrf = browser.csrf()
    for body in (b"", b"csrf=", b"csrf=x"):
        assert browser.ask("POST", "/logout", body=body).is_problem(403, "csrf")
    assert browser.ask("GET", "/records").status == 200
    answer = browser.ask("POST", "/logout", body=urlencode({"csrf": csrf}).encode())
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert browser.ask("GET", "/records").status == 401
    assert browser.ask("POST", "/logout").headers["location"] == "/login"


def test_who_is_logged_in_goes_on_from_the_login_page_at_once(browser: Browser) -> None:
    assert browser.ask("GET", "/login?next=/people").status == 200
    browser.log_in()
    assert browser.ask("GET", "/login?next=/people").headers["location"] == "/people"
    assert browser.ask("GET", "/login?next=//evil.example").headers["location"] == "/"


@pytest.mark.parametrize("path", ["/", "/people", "/person?collection=a&user_id=b%20c", "/a?next=//evil.example", "/é"])
def test_paths_of_ours_are_gone_on_to(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "people",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "/a\\b",
        "/\x00",
        "/ /x",
        "https://evil.example/",
        "javascript:alert(1)",
        "/login",
        "/login?next=/login",
        "/logout",
    ],
)
def test_what_is_no_path_of_ours_is_not_gone_on_to(browser: Browser, path: str) -> None:
    assert local_path(path) == "/"
    assert browser.log_in(next=path).headers["location"] == "/"


@pytest.mark.parametrize(
    ("settings", "host", "said"),
    [
        ({}, "localhost", True),
        ({"host": "::1"}, "[::1]", True),
        ({"host": "0.0.0.0"}, "localhost", False),
        ({"public_url": "https://faces.example.org"}, "localhost", False),
        ({"allowed_hosts": ("nas",)}, "nas", False),
    ],
)
def test_the_login_page_says_where_the_key_lies_only_where_this_machine_alone_asks(
    tmp_path: Path, settings: dict[str, Any], host: str, said: bool
) -> None:
    with open_app(tmp_path / "data", **settings) as app:
        page = Client(app).ask("GET", "/login", {"host": host}).body.decode()
    assert (str(tmp_path) in page) == said
    assert "admin.key" in page


def test_behind_a_link_of_another_site_the_login_page_looks_again_for_the_cookie(client: Client) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert b'http-equiv="refresh"' in client.ask("GET", "/login", headers).body
    assert b'http-equiv="refresh"' not in client.ask("GET", "/login", headers | {"sec-fetch-site": "none"}).body


def test_a_form_has_a_limit(browser: Browser) -> None:
    assert browser.log_in("x" * 10_001).is_problem(400, "a form has at most")


# Wrong keys, again and again


def test_after_ten_wrong_keys_an_address_waits_with_any_new_one(
    client: Client, made_app: App, caplog: pytest.LogCaptureFixture
) -> None:
    token = made_app.api_keys.create("desk", ApiScope.READ)
    with caplog.at_level(logging.WARNING):
        for number in range(10):
            assert client.ask("GET", "/records", {"authorization": f"Bearer guess-{number}"}).status == 401
    assert caplog.text.count("a wrong key came from 127.0.0.1") == 10
    assert "guess" not in caplog.text
    for key in ("guess", token, KEY):
        answer = client.ask("GET", "/records", {"authorization": f"Bearer {key}"})
        assert answer.is_problem(429, "too many wrong keys")
        assert 0 < int(answer.headers["retry-after"]) <= 60
    page = Browser(client).log_in()
    assert (page.status, "Try again in" in page.body.decode()) == (429, True)
    client.address = "192.0.2.1"
    assert client.ask("GET", "/records", KNOWN).status == 200


@pytest.mark.parametrize("address", ["", "x" * 70_000, "1\x1b[2J", "@"])
def test_what_a_proxy_says_that_is_no_address_is_one_unknown_one(
    client: Client, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    client.address = address
    client.ask("GET", "/records", {"authorization": "Bearer guess"})
    assert "a wrong key came from unknown" in caplog.messages


def test_who_was_let_in_before_is_not_held_up_by_others_wrong_keys(client: Client, browser: Browser) -> None:
    assert client.ask("GET", "/records", KNOWN).status == 200
    browser.log_in()
    for _ in range(12):
        Browser(client).log_in("a guess")
    assert client.ask("GET", "/records", KNOWN).status == 200
    assert browser.ask("GET", "/records").status == 200
    assert browser.ask("GET", "/static/base.css").status == 200


def test_made_up_cookies_are_wrong_keys_but_sessions_that_are_over_are_not(
    client: Client, browser: Browser, made_app: App
) -> None:
    browser.log_in()
    made_app.sessions.close(browser.cookie.partition("=")[2].partition(".")[0])
    for _ in range(12):
        assert browser.ask("GET", "/records").status == 401
    made_up = Browser(client, f"{browser.cookie[:-1]}x")
    assert [made_up.ask("GET", "/records").status for _ in range(12)] == [401] * 10 + [429] * 2


def test_no_key_at_all_is_no_wrong_key(client: Client) -> None:
    for headers in ({}, {"authorization": "Basic eDp5"}, {"cookie": "another=1"}) * 5:
        assert client.ask("GET", "/records", headers).status == 401
    assert client.ask("GET", "/records", KNOWN).status == 200


def test_cookies_of_another_server_on_this_machine_are_not_ours(made_app: App) -> None:
    ours, theirs = Callers(made_app, KEY), Callers(made_app, "another key in admin.key")
    assert ours.cookie != theirs.cookie
