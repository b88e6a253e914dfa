"""Who may ask over HTTP: programs and pages of this machine, with the key."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from asgi import KEY, KNOWN, Client
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.web.access import Access
from faceline.web.origins import Origins
from faceline.web.sessions import Callers
from made import open_app

PATH = "/buckets/face-input-bucket"


@pytest.fixture
def client(made_app: App) -> Client:
    return Client(made_app)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_open_paths_need_no_key(made_app: App, client: Client, path: str) -> None:
    made_app.queue.depth()  # makes the storage, as the start does
    assert client.ask("GET", path, {}).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/records"),
        ("GET", PATH),
        ("GET", f"{PATH}/processed/a.json"),
        ("HEAD", f"{PATH}/processed/a.json"),
        ("PUT", f"{PATH}/input/a.jpg"),
        ("DELETE", f"{PATH}/input/a.jpg"),
        ("GET", "/no-such-path"),
        ("GET", "//"),
        ("GET", "/healthz/"),
        ("GET", "/./healthz"),
        ("OPTIONS", "/records"),
    ],
)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY}x",
        "Bearer \xff\xe9",
        f"Bearer {KEY.upper()}",
    ],
    ids=repr,
)
def test_everything_else_needs_the_right_key(client: Client, method: str, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = client.ask(method, path, headers)
    assert answer.is_problem(401, "admin.key")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "127.0.0.1", "localhost:80", "LOCALHOST", "[::1]:8765"])
def test_loopback_names_are_answered(client: Client, host: str) -> None:
    assert client.ask("GET", "/healthz", {"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "127.0.0.1.example.com",
        "localhost.",
        "192.168.0.7:8765",
        "[::1",
        "[",
        "]",
        "@",
        "%6cocalhost",
        "\xff",
        "127.0.0.1@example.com",
        "example.com#127.0.0.1",
        "ⓛocalhost".encode().decode("latin-1"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("path", ["/", "/records"])
def test_foreign_and_malformed_hosts_are_refused_even_with_the_key(client: Client, host: str, path: str) -> None:
    assert client.ask("GET", path, KNOWN | {"host": host}).is_problem(421, "loopback")


@pytest.mark.parametrize("host", ["localhost:port", "localhost:99999", "localhost:-1"])
def test_a_malformed_port_is_nobodys_failure(client: Client, host: str) -> None:
    for path in ("/records", "/healthz", "/records/", "/no-such-path"):
        assert client.ask("GET", path, KNOWN | {"host": host}).status in (200, 307, 404, 421)


@pytest.mark.parametrize(
    "origin", ["http://example.com", "null", "", "https://127.0.0.1.example.com", "http://[", "file://", "\xff"]
)
def test_pages_of_other_sites_are_refused_even_with_the_key(client: Client, origin: str) -> None:
    for path in ("/", "/records"):
        assert client.ask("GET", path, KNOWN | {"origin": origin}).is_problem(403, "refused")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8765", "http://localhost:8765", "http://[::1]:8765"])
def test_our_own_pages_may_ask(client: Client, origin: str) -> None:
    assert client.ask("GET", "/records", KNOWN | {"origin": origin}).status == 200


def test_an_address_of_ours_that_was_reached_is_our_name(client: Client) -> None:
    assert client.ask("GET", "/healthz", {"host": "192.0.2.7:8765"}).is_problem(421, "allowed_hosts")
    client.reached = "192.0.2.7"
    for host in ("192.0.2.7:8765", "192.0.2.7", "localhost"):
        assert client.ask("GET", "/healthz", {"host": host}).status == 200
    for host in ("192.0.2.8", "faces.example.com"):
        assert client.ask("GET", "/healthz", {"host": host}).is_problem(421, "allowed_hosts")
    client.reached = "::ffff:192.0.2.7"
    assert client.ask("GET", "/healthz", {"host": "192.0.2.7"}).status == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("faces.example.org", "https://faces.example.org", 200),
        ("FACES.example.org:443", "https://faces.example.org:443", 200),
        ("nas", "http://nas:8765", 200),
        ("localhost:8765", "https://faces.example.org", 200),
        ("faces.example.org", "http://faces.example.org", 403),
        ("faces.example.org", "https://faces.example.org:8443", 403),
        ("faces.example.org", "https://evil.faces.example.org", 403),
        ("evil.faces.example.org", "https://faces.example.org", 421),
        ("nas.example.org", "http://nas", 421),
    ],
)
def test_public_url_and_allowed_hosts_are_names_and_origins_of_ours(
    tmp_path: Path, host: str, origin: str, status: int
) -> None:
    with open_app(tmp_path / "data", public_url="https://Faces.example.org/", allowed_hosts=("NAS",)) as app:
        assert Client(app).ask("GET", "/records", KNOWN | {"host": host, "origin": origin}).status == status


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_of_another_origins_page_is_believed(client: Client, site: str) -> None:
    foreign = KNOWN | {"sec-fetch-site": site}
    assert client.ask("GET", "/records", foreign | {"sec-fetch-mode": "no-cors"}).is_problem(403, "other origins")
    assert client.ask("GET", "/static/base.css", foreign).is_problem(403, "other origins")
    followed = foreign | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    for page in ("/", "/people", "/docs", "/login"):
        assert client.ask("GET", page, followed).status == 200
        assert client.ask("GET", page, followed | {"sec-fetch-dest": "iframe"}).is_problem(403, "other origins")
    for path in ("/queues/faceline-resp-queue/messages", "/records", "/api/v1/collections", "/metrics"):
        assert client.ask("GET", path, followed).is_problem(403, "other origins")
    assert client.ask("POST", "/login", followed).is_problem(403, "other origins")
    assert client.ask("GET", "/records", KNOWN | {"sec-fetch-site": "same-origin"}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/", ApiScope.READ),
        ("GET", "/records", ApiScope.READ),
        ("GET", PATH, ApiScope.READ),
        ("GET", f"{PATH}/input/none.jpg", ApiScope.READ),
        ("GET", "/queues/faceline-resp-queue", ApiScope.READ),
        ("GET", "/queues/faceline-resp-queue/messages", ApiScope.ENROLL),
        ("GET", "/queues/faceline-resp-queue/messages\n", ApiScope.ENROLL),
        ("GET", "/api/v1/collections", ApiScope.READ),
        ("PUT", f"{PATH}/input/a.bin", ApiScope.ENROLL),
        ("POST", "/frames", ApiScope.ENROLL),
        ("POST", "/queues/faceline-resp-queue/messages", ApiScope.ENROLL),
        ("DELETE", "/queues/faceline-resp-queue/messages/x.y", ApiScope.ENROLL),
        ("DELETE", f"{PATH}/input/a.bin", ApiScope.ADMIN),
    ],
)
def test_a_token_may_do_what_its_scope_covers(
    made_app: App, client: Client, method: str, path: str, needed: ApiScope
) -> None:
    for scope in ApiScope:
        token = made_app.api_keys.create(scope if scope != "admin" else "all", scope)
        answer = client.ask(method, path, {"authorization": f"Bearer {token}"})
        if scope.covers(needed):
            assert answer.status in (200, 201, 204, 400, 404)
        else:
            assert answer.is_problem(403, f"scope {needed}", f"has {scope}")


def test_nobody_asks_only_for_the_head_of_messages(made_app: App, client: Client) -> None:
    queue = made_app.frames.queue("faceline-resp-queue")
    queue.send("a frame")
    answer = client.ask("HEAD", "/queues/faceline-resp-queue/messages")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert queue.depth()["visible"] == 1


def test_a_revoked_token_is_refused_at_once(made_app: App, client: Client) -> None:
    headers = {"authorization": f"Bearer {made_app.api_keys.create('door', ApiScope.READ)}"}
    assert client.ask("GET", "/records", headers).status == 200
    made_app.api_keys.revoke("door")
    assert client.ask("GET", "/records", headers).is_problem(401, "faceline tokens")


@pytest.mark.parametrize("path", ["/", "/people", "/no-such-page", "/docs"])
def test_a_page_leads_to_the_login_and_the_api_says_no(client: Client, path: str) -> None:
    answer = client.ask("GET", path, {"accept": "text/html"})
    assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/login")
    for api in ("/api/v1/collections", "/api/v1/no-such"):
        assert client.ask("GET", api, {"accept": "text/html"}).is_problem(401)


def test_what_is_said_of_people_stays_in_no_cache(made_app: App, client: Client) -> None:
    made_app.objects.put("face-input-bucket", "input/a.jpg", b"x")
    for path in ("/records", PATH, f"{PATH}/input/a.jpg", "/api/v1/collections", "/no-such-path", "/people"):
        answer = client.ask("GET", path)
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_the_rekognition_api_has_signatures_of_its_own(made_app: App) -> None:
    async def rekognition(request: Request) -> Response:
        return Response("signed?")

    client = Client(made_app, rekognition=rekognition)
    assert client.ask("POST", "/", {}).body == b"signed?"
    assert client.ask("PUT", "/", {}).status == 401
    assert client.ask("POST", "//", {}).status == 401


def test_a_stream_ends_when_its_key_is_revoked(made_app: App, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.web.access._STILL_S", -1.0)
    token = made_app.api_keys.create("door", ApiScope.READ)
    sent: list[Message] = []

    async def events() -> AsyncIterator[str]:
        for number in range(4):
            if number == 2:
                made_app.api_keys.revoke("door")
            yield f"data: {number}\n\n"

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(events(), media_type="text/event-stream")(scope, receive, send)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.sleep(5)
        return {"type": "http.disconnect"}

    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/events", "query_string": b"", "headers": headers}
    access = Access(stream, Callers(made_app, KEY), Origins.of(made_app.settings))
    asyncio.run(access(scope | {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}, receive, send))
    assert [message["body"] for message in sent[1:]] == [b"data: 0\n\n", b"data: 1\n\n", b""]
    assert not sent[-1]["more_body"]
