"""`faceline tokens`, and where `faceline up` may be reached."""

import socket
from contextlib import nullcontext
from pathlib import Path

import pytest

from commands import Cli
from faceline.api_keys import ApiScope, digest
from faceline.app import App
from faceline.config import Settings, load
from faceline.errors import SettingError
from faceline.local.audit import FOLDER
from faceline.web.origins import Origins
from made import MadeAnalyzer


@pytest.fixture
def data(made_app: App) -> Path:
    made_app.directory  # noqa: B018 (made now)
    return made_app.settings.data


def test_a_token_is_shown_once_and_alone_on_standard_output(cli: Cli, data: Path, made_app: App) -> None:
    made = cli("tokens", "create", "desk", "--scope", "enroll", "--data", data)
    key = made_app.api_keys.find(digest(made.out.strip()))
    assert key is not None
    assert (key.name, key.scope) == ("desk", ApiScope.ENROLL)
    assert "only now" in made.err
    listed = cli("tokens", "--data", data)
    assert "desk" in listed.out
    assert made.out.strip() not in listed.out
    (row,) = cli("tokens", "list", "--json", "--data", data).json
    assert row == {"name": "desk", "scope": "enroll", "created_at": key.created_at}


def test_a_token_is_revoked_by_its_name_after_a_question(cli: Cli, data: Path, made_app: App) -> None:
    token = cli("tokens", "create", "desk", "--scope", "read", "--json", "--data", data).json["token"]
    asked = cli("tokens", "revoke", "desk", "--json", "--data", data)
    assert (asked.code, "--yes" in asked.err) == (2, True)
    assert made_app.api_keys.find(digest(token))
    gone = cli("tokens", "revoke", "desk", "--yes", "--json", "--data", data)
    assert gone.json == {"revoked": "desk", "scope": "read"}
    assert made_app.api_keys.find(digest(token)) is None
    again = cli("tokens", "revoke", "desk", "--yes", "--data", data)
    assert (again.code, "faceline tokens list" in again.err) == (2, True)


def test_making_and_revoking_stand_in_the_audit_log_without_the_token(cli: Cli, data: Path, made_app: App) -> None:
    token = cli("tokens", "create", "desk", "--scope", "read", "--data", data).out.strip()
    cli("tokens", "revoke", "desk", "--yes", "--data", data)
    logged = "".join(file.read_text() for file in (data / FOLDER).iterdir())
    assert "create token" in logged
    assert "revoke token" in logged
    assert token not in logged


def test_the_list_says_where_the_admin_key_is(cli: Cli, data: Path, made_app: App) -> None:
    assert f"it is in {data.resolve() / 'admin.key'}" in cli("tokens", "list", "--data", data).err


def test_a_token_needs_a_scope(cli: Cli, data: Path) -> None:
    assert cli("tokens", "create", "desk", "--data", data).code == 2
    assert cli("tokens", "create", "desk", "--scope", "all", "--data", data).code == 2
    assert cli("tokens", "list", "--json", "--data", data).json == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HOST", "", "without a port"),
        ("HOST", "http://nas", "without a port"),
        ("HOST", "nas:80", "without a port"),
        ("PUBLIC_URL", "faces.example.org", "such as https://faces.example.org"),
        ("PUBLIC_URL", "ftp://faces.example.org", "such as https://faces.example.org"),
        ("PUBLIC_URL", "https://faces.example.org/path", "without a path"),
        ("PUBLIC_URL", "https://user@faces.example.org", "such as https://faces.example.org"),
        ("ALLOWED_HOSTS", "nas,http://nas", "without a port"),
    ],
)
def test_what_is_no_name_or_address_is_refused(variable: str, value: str, words: str) -> None:
    with pytest.raises(SettingError, match=f"FACELINE_{variable}={value}: expected .*{words}"):
        load(environment={f"FACELINE_{variable}": value})


@pytest.mark.parametrize("url", ["https://faces.example.org:99999", "https://[:::]"])
def test_a_public_url_that_leads_nowhere_is_refused(url: str) -> None:
    settings = Settings().with_(public_url=url)
    with pytest.raises(SettingError, match="public_url"):
        Origins.of(settings)


def test_names_and_addresses_are_read_from_the_environment() -> None:
    given = {"FACELINE_ALLOWED_HOSTS": "nas, 192.0.2.7,::1", "FACELINE_PUBLIC_URL": "https://[2001:db8::7]:8443/"}
    settings = load(environment=given | {"FACELINE_HOST": "::"})
    assert settings.allowed_hosts == ("nas", "192.0.2.7", "::1")
    assert Origins.of(settings).public == ("https", "2001:db8::7", 8443)


@pytest.fixture
def up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` loads no models, and stops as soon as it is up."""
    monkeypatch.setattr("faceline.engines.open_analyzer", lambda *_: MadeAnalyzer())
    monkeypatch.setattr("faceline.cli.up.stop_signal", lambda: nullcontext(lambda: None))


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
@pytest.mark.usefixtures("up_at_once")
def test_up_says_how_to_log_in_and_warns_where_others_could_listen(
    cli: Cli, data: Path, made_app: App, host: str, warned: bool
) -> None:
    result = cli("--data", data, "up", "--port", "0", "--host", host)
    assert result.code == 0
    assert f"Log in there with the key in {data.resolve() / 'admin.key'}" in result.out
    assert made_app.admin_key() not in result.out + result.err
    assert ("put-behind-a-reverse-proxy.md" in result.err) == warned


@pytest.mark.usefixtures("up_at_once")
def test_up_says_where_other_machines_find_it(
    cli: Cli, data: Path, made_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "From other machines" not in cli("--data", data, "up", "--port", "0").out
    monkeypatch.setenv("FACELINE_PUBLIC_URL", "https://faces.example.org")
    assert "From other machines: https://faces.example.org\n" in cli("--data", data, "up", "--port", "0").out


@pytest.mark.usefixtures("up_at_once")
def test_an_address_of_another_machine_is_none_to_listen_on(
    cli: Cli, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = cli("--data", data, "up", "--port", "0", "--host", "198.51.100.250")
    assert (result.code, "host 198.51.100.250 is no address of this machine" in result.err) == (2, True)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    result = cli("--data", data, "up", "--port", "0", "--host", "no-such-host")
    assert (result.code, "host no-such-host: Name or service not known" in result.err) == (2, True)
