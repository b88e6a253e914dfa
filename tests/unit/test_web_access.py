"""Who may ask over HTTP: programs and pages of this machine, with the key."""

import pytest

from asgi import KEY, KNOWN, Client
from faceline.app import App

PATH = "/buckets/face-input-bucket"


@pytest.fixture
def client(made_app: App) -> Client:
    return Client(made_app)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_open_paths_need_no_key(client: Client, path: str) -> None:
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
