"""Who may ask, and how it is proved: Signature Version 4."""

import datetime
from pathlib import Path
from typing import Any

import boto3
import botocore
import botocore.auth
import pytest
from botocore.config import Config
from botocore.httpsession import URLLib3Session

from commands import Up
from conformance.conftest import Connect, new_name
from conformance.service import Client, Service, code_of, refusal


@pytest.fixture
def keys(service: Service) -> tuple[str, str]:
    """Access key id and secret. At AWS, of credentials that are not temporary ones."""
    credentials = service.session.get_credentials()
    if credentials.token:
        pytest.skip("a temporary session's keys say nothing without its token")
    return credentials.access_key, credentials.secret_key


def test_the_wrong_secret_is_refused(service: Service, keys: tuple[str, str], connect: Connect) -> None:
    client = connect(service.with_keys(keys[0], "x" * 40), None)
    assert code_of(refusal(client, "list_collections", {})) == "InvalidSignatureException"


def test_an_unknown_key_is_refused(service: Service, keys: tuple[str, str], connect: Connect) -> None:
    client = connect(service.with_keys("AKIAFACELINEUNKNOWN1", keys[1]), None)
    assert code_of(refusal(client, "list_collections", {})) == "UnrecognizedClientException"


def test_a_request_without_a_signature_is_refused(service: Service, connect: Connect) -> None:
    client = connect(service, Config(signature_version=botocore.UNSIGNED))
    assert code_of(refusal(client, "list_collections", {})) == "MissingAuthenticationTokenException"
    made = {"CollectionId": new_name()}
    assert code_of(refusal(client, "create_collection", made)) == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_that_is_far_off_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    turn_the_clock(monkeypatch, minutes)
    assert code_of(refusal(client, "list_collections", {})) == "InvalidSignatureException"


@pytest.mark.parametrize("minutes", [-3, 3])
def test_a_clock_that_is_a_little_off_is_not(client: Client, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    turn_the_clock(monkeypatch, minutes)
    client.list_collections(MaxResults=1)


def turn_the_clock(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("body", b'{"MaxResults": 2}'),
        ("X-Amz-Target", "RekognitionService.ListUsers"),
        ("X-Amz-Date", "20200101T000000Z"),
    ],
)
def test_nothing_that_was_signed_may_change(service: Service, part: str, value: Any, connect: Connect) -> None:
    client = connect(service, None)

    def tamper(request: Any, **_: object) -> None:
        if part == "body":
            request.body = value
            request.headers["Content-Length"] = str(len(value))
        else:
            del request.headers[part]
            request.headers[part] = value

    client.meta.events.register("before-send.rekognition.ListCollections", tamper)
    code = code_of(refusal(client, "list_collections", {"MaxResults": 1}))
    assert code == "InvalidSignatureException"


def test_the_very_same_request_may_come_again(service: Service, connect: Connect) -> None:
    """As at AWS: a signature proves who asks and for what, not that it is the first time."""
    client, sent = connect(service, None), []
    client.meta.events.register("before-send.rekognition.ListCollections", lambda request, **_: sent.append(request))
    client.list_collections(MaxResults=1)
    wire = URLLib3Session()
    assert wire.send(sent[0]).status_code == 200
    sent[0].body = b'{"MaxResults": 2}'
    assert wire.send(sent[0]).status_code == 400
    wire.close()


@pytest.mark.parametrize(
    ("old", "new"), [("Signature=", "Signature=0"), ("/rekognition/", "/s3/"), ("/aws4_request", "/aws3_request")]
)
def test_a_signature_of_something_else_is_refused(service: Service, old: str, new: str, connect: Connect) -> None:
    client = connect(service, None)
    edit_authorization(client, old, new)
    assert code_of(refusal(client, "list_collections", {})) in {
        "InvalidSignatureException",
        "IncompleteSignatureException",
    }


@pytest.mark.parametrize(("old", "new"), [("Signature=", "Nonsense="), ("SignedHeaders=", "Headers=")])
def test_half_a_signature_is_incomplete(service: Service, old: str, new: str, connect: Connect) -> None:
    client = connect(service, None)
    edit_authorization(client, old, new)
    assert code_of(refusal(client, "list_collections", {})) == "IncompleteSignatureException"


def edit_authorization(client: Client, old: str, new: str) -> None:
    def edit(request: Any, **_: object) -> None:
        signed = request.headers["Authorization"]
        signed = signed.decode() if isinstance(signed, bytes) else signed
        assert old in signed
        del request.headers["Authorization"]
        request.headers["Authorization"] = signed.replace(old, new)

    client.meta.events.register("before-send.rekognition.ListCollections", edit)


@pytest.mark.ours  # these are the very settings of a program that moves from AWS
def test_an_unchanged_program_needs_two_settings_only(up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(up.data / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", f"http://127.0.0.1:{up.port}")
    client = boto3.Session().client("rekognition")
    assert client.list_collections(MaxResults=1)["ResponseMetadata"]["HTTPStatusCode"] == 200
    client.close()


@pytest.mark.ours  # AWS has one address for each region
@pytest.mark.parametrize(("host", "region"), [("localhost", "us-east-1"), ("127.0.0.1", "eu-central-1")])
def test_any_name_of_this_machine_and_any_region_will_do(
    up: Up, service: Service, host: str, region: str, connect: Connect
) -> None:
    credentials = service.session.get_credentials()
    session = boto3.Session(credentials.access_key, credentials.secret_key, region_name=region)
    client = connect(Service(session, f"http://{host}:{up.port}"), None)
    assert client.list_collections(MaxResults=1)["CollectionIds"]


@pytest.mark.ours
def test_the_credentials_are_for_their_owner_alone(up: Up) -> None:
    assert Path(up.data / "credentials").stat().st_mode & 0o777 == 0o600
