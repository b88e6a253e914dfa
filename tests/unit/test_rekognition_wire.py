"""The wire: whatever comes in, an answer goes out that SDKs understand, and nobody unknown gets one."""

import asyncio
import base64
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from asgi import Answer
from faceline.access_keys import KeyScope
from faceline.errors import StorageError
from faceline.rekognition.endpoint import Room
from faceline.rekognition.operations import NOT_OFFERED, OPERATIONS
from made import MadeAnalyzer, open_app, photo
from signed import Rekognition, signed_headers

PROTOCOL = {
    "UnknownOperationException",
    "SerializationException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
}
HOSTILE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
IMAGE = {"Bytes": base64.b64encode(photo()).decode()}
ASKED = {"CollectionId": "staff", "Image": IMAGE, "ExternalImageId": "ann"}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Rekognition]:
    with open_app(tmp_path / "data", quota_image_side_px=1) as app:
        api = Rekognition(app)
        assert api.ask("CreateCollection", {"CollectionId": "staff"}).status == 200
        yield api
        api.endpoint.close()


def code(answer: Answer) -> str:
    """The error's code, after checking that an SDK finds all it wants in the answer."""
    document = answer.json
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert len(answer.headers["x-amzn-requestid"]) == 36
    assert document["message"] and document["__type"] == document["Code"]
    assert "Traceback" not in document["message"]
    return str(document["__type"])


def understood(operation: str, answer: Answer) -> bool:
    """Whether it is a success, or an error that the operation may have."""
    if answer.status == 200:
        return isinstance(answer.json, dict)
    return code(answer) in PROTOCOL | OPERATIONS[operation].modelled


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(IMAGE["Bytes"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = """CollectionId Image UserId FaceId FaceIds NextToken MaxResults MaxFaces Tags TagKeys ResourceArn SourceImage
    TargetImage QualityFilter ClientRequestToken FaceMatchThreshold Bytes"""
members = st.sampled_from(NAMES.split())
plausible = {
    "CollectionId": "staff",
    "Image": IMAGE,
    "SourceImage": IMAGE,
    "TargetImage": IMAGE,
    "UserId": "ann",
    "FaceId": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    "FaceIds": ["0" * 8 + "-0000-0000-0000-" + "0" * 12],
    "ResourceArn": "arn:aws:rekognition:us-east-1:000000000000:collection/staff",
    "Tags": {"a": "b"},
    "TagKeys": ["a"],
}


@HOSTILE
@given(operation=st.sampled_from(sorted(OPERATIONS)), body=st.binary(max_size=200))
def test_any_bytes_get_an_answer(api: Rekognition, operation: str, body: bytes) -> None:
    assert understood(operation, api.ask(operation, body))


@settings(HOSTILE, max_examples=300)
@given(operation=st.sampled_from(sorted(OPERATIONS)), odd=st.dictionaries(members, values, max_size=3))
def test_any_members_get_an_answer(api: Rekognition, operation: str, odd: dict[str, Any]) -> None:
    body = json.dumps(plausible | odd).encode()
    assert understood(operation, api.ask(operation, body))


@HOSTILE
@given(end=st.integers(0, len(json.dumps(ASKED)) - 1))
def test_a_truncated_body_is_no_request(api: Rekognition, end: int) -> None:
    body = json.dumps(ASKED).encode()[:end]
    assert code(api.ask("IndexFaces", body)) == "SerializationException"


@HOSTILE
@given(at=st.integers(0), flip=st.integers(1, 255))
def test_a_body_that_was_changed_after_signing_is_refused(api: Rekognition, at: int, flip: int) -> None:
    body = bytearray(json.dumps(ASKED).encode())
    headers = signed_headers("IndexFaces", bytes(body), api.key)
    body[at % len(body)] ^= flip
    assert code(api.send(headers, bytes(body))) == "InvalidSignatureException"


@HOSTILE
@given(headers=st.dictionaries(st.sampled_from(["authorization", "x-amz-date", "date"]), st.text(max_size=80)))
def test_nobody_unknown_gets_an_answer(api: Rekognition, headers: dict[str, str]) -> None:
    given_ = {name: value.encode("latin-1", "replace").decode("latin-1") for name, value in headers.items()}
    answer = api.send({"x-amz-target": "RekognitionService.ListCollections"} | given_, b"{}")
    assert code(answer) in PROTOCOL


def test_of_a_member_that_comes_twice_the_last_counts(api: Rekognition) -> None:
    answer = api.ask("DescribeCollection", b'{"CollectionId":"guests","CollectionId":"staff"}')
    assert answer.json["CollectionARN"].endswith("/staff")


def test_the_same_request_again_within_the_window_is_accepted(api: Rekognition) -> None:
    headers = signed_headers("ListCollections", b"{}", api.key)
    assert [api.send(headers, b"{}").status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_request_that_is_too_late_or_too_early_is_refused(api: Rekognition, minutes: int) -> None:
    headers = signed_headers("ListCollections", b"{}", api.key)
    api.now = datetime.now(UTC) + timedelta(minutes=minutes)
    assert code(api.send(headers, b"{}")) == "InvalidSignatureException"


def test_a_revoked_key_is_refused_at_once(api: Rekognition) -> None:
    api.app.access_keys.revoke("default")
    assert code(api.ask("ListCollections", b"{}")) == "UnrecognizedClientException"


def test_another_secret_is_refused(api: Rekognition) -> None:
    other = replace(api.key, secret="x" * 40)
    assert code(api.ask("ListCollections", b"{}", other)) == "InvalidSignatureException"


def test_an_unsigned_body_is_not_kept(api: Rekognition) -> None:
    answer = api.send({"x-amz-target": "RekognitionService.DetectFaces"}, *[b"x" * 1000] * 10)
    assert code(answer) == "MissingAuthenticationTokenException"
    assert answer.chunks_read == 10  # read away, because clients listen only afterwards


def test_a_body_without_end_is_not_read_to_its_end(api: Rekognition) -> None:
    headers = signed_headers("DetectFaces", b"", api.key)
    chunks = [b"x" * 1_000_000] * 60
    answer = api.send(headers, *chunks)
    assert code(answer) == "ImageTooLargeException"
    assert answer.chunks_read < 40


def test_a_large_body_of_a_small_operation_is_an_error_that_it_has(api: Rekognition) -> None:
    headers = signed_headers("CreateUser", b"", api.key)
    assert code(api.send(headers, *[b"x" * 1_000_000] * 20)) == "InvalidParameterException"


def test_nested_without_end_is_no_request(api: Rekognition) -> None:
    assert code(api.ask("ListCollections", b'{"X":' + b"[" * 100_000)) == "SerializationException"


def test_an_unknown_operation_is_said_to_be_unknown(api: Rekognition) -> None:
    assert code(api.ask("MakeCoffee", b"{}")) == "UnknownOperationException"


def test_what_faceline_does_not_offer_is_refused_without_inviting_a_retry(api: Rekognition) -> None:
    answer = api.ask("CreateFaceLivenessSession", b"{}")
    assert code(answer) == "AccessDeniedException"
    assert answer.json["message"] == "faceline does not offer CreateFaceLivenessSession"
    assert "CreateFaceLivenessSession" in NOT_OFFERED


@pytest.mark.parametrize(("scope", "allowed"), [("detect", {"DetectFaces", "CompareFaces"}), ("read", None)])
def test_a_key_may_do_what_its_scope_says(api: Rekognition, scope: str, allowed: set[str] | None) -> None:
    key = api.app.access_keys.create("narrow", KeyScope(scope), ["*"])
    changing = {name for name, operation in OPERATIONS.items() if operation.scope is KeyScope.ALL}
    for name in OPERATIONS:
        answer = api.ask(name, json.dumps(plausible).encode(), key)
        denied = answer.status == 400 and answer.json["__type"] == "AccessDeniedException"
        assert denied == (name not in allowed if allowed else name in changing), name


def test_a_key_for_some_collections_sees_only_those(api: Rekognition) -> None:
    key = api.app.access_keys.create("narrow", KeyScope.ALL, ["guest*"])
    assert api.ask("CreateCollection", {"CollectionId": "guests"}, key).status == 200
    assert api.ask("ListCollections", {}, key).json["CollectionIds"] == ["guests"]
    assert code(api.ask("DescribeCollection", {"CollectionId": "staff"}, key)) == "AccessDeniedException"
    arn = {"ResourceArn": plausible["ResourceArn"]}
    assert code(api.ask("ListTagsForResource", arn, key)) == "AccessDeniedException"


def test_a_failure_of_the_server_is_told_without_its_insides(
    api: Rekognition, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(name: str) -> None:
        raise ZeroDivisionError("secret insides")

    monkeypatch.setattr(api.app.collections, "get", fail)
    logging.getLogger("faceline").propagate = True
    answer = api.ask("DescribeCollection", {"CollectionId": "staff"})
    assert (answer.status, answer.json["__type"]) == (500, "InternalServerError")
    assert "insides" not in answer.json["message"]
    assert "secret insides" in caplog.text


def test_a_storage_that_fails_is_no_fault_of_the_client(api: Rekognition, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(api.app.collections, "get", fail)
    answer = api.ask("DescribeCollection", {"CollectionId": "staff"})
    assert (answer.status, answer.json["__type"]) == (500, "InternalServerError")
    assert "disk" not in answer.json["message"]


def test_requests_beyond_the_room_are_throttled(tmp_path: Path) -> None:
    inside, go = threading.Event(), threading.Event()

    def wait(frame: object) -> None:
        inside.set()
        go.wait(20)

    with open_app(tmp_path / "data", MadeAnalyzer(wait), quota_image_side_px=1, max_requests=1) as app:
        api = Rekognition(app)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(api.ask, "DetectFaces", {"Image": IMAGE})
            assert inside.wait(20)
            assert code(api.ask("ListCollections", {})) == "ThrottlingException"
            go.set()
            assert first.result().status == 200
        assert api.ask("ListCollections", {}).status == 200
        api.endpoint.close()


def test_text_that_is_not_utf8_is_no_request(api: Rekognition) -> None:
    for raw in (b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"):
        body = b'{"CollectionId":"' + raw + b'"}'
        assert code(api.ask("DescribeCollection", body)) == "SerializationException"


def test_a_key_that_is_revoked_while_the_body_comes_is_refused(api: Rekognition) -> None:
    headers = signed_headers("ListCollections", b"{}", api.key)
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": sent}

    async def slowly() -> Message:
        api.app.access_keys.revoke("default")
        return {"type": "http.request", "body": b"{}", "more_body": False}

    response = asyncio.run(api.endpoint.answer(Request(scope, slowly)))
    assert json.loads(bytes(response.body))["__type"] == "UnrecognizedClientException"


def test_who_has_no_key_takes_no_room(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", max_requests=1) as app:
        api = Rekognition(app)

        async def both() -> tuple[Response, Response]:
            draining = asyncio.Event()

            async def never() -> Message:
                draining.set()
                await asyncio.sleep(0.3)
                return {"type": "http.disconnect"}

            async def at_once() -> Message:
                return {"type": "http.request", "body": b"{}", "more_body": False}

            stranger = [(b"host", b"127.0.0.1"), (b"content-length", b"10")]
            known = [(n.encode(), v.encode()) for n, v in signed_headers("ListCollections", b"{}", api.key).items()]
            scope = {"type": "http", "method": "POST", "path": "/", "query_string": b""}
            first = asyncio.create_task(api.endpoint.answer(Request(scope | {"headers": stranger}, never)))
            await draining.wait()
            second = await api.endpoint.answer(Request(scope | {"headers": known}, at_once))
            return await first, second

        refused, answered = asyncio.run(both())
        assert (refused.status_code, answered.status_code) == (400, 200)
        api.endpoint.close()


def test_a_key_for_photos_that_are_sent_names_no_stored_ones(api: Rekognition) -> None:
    api.app.objects.put("face-input-bucket", "photos/a.png", photo())
    stored = {"Image": {"S3Object": {"Bucket": "face-input-bucket", "Name": "photos/a.png"}}}
    key = api.app.access_keys.create("door", KeyScope.DETECT, ["*"])
    assert api.ask("DetectFaces", stored).status == 200
    assert code(api.ask("DetectFaces", stored, key)) == "AccessDeniedException"


def test_a_body_that_does_not_come_gives_its_room_back(api: Rekognition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.rekognition.endpoint._BODY_S", 0.05)
    headers = signed_headers("ListCollections", b"{}", api.key)
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": sent}

    async def never() -> Message:
        await asyncio.sleep(20)
        return {"type": "http.disconnect"}

    response = asyncio.run(api.endpoint.answer(Request(scope, never)))
    assert json.loads(bytes(response.body))["__type"] == "SerializationException"


def test_room_is_counted_in_bytes_too() -> None:
    room = Room(10, 100)
    with room.taken(60) as first, room.taken(60) as second:
        assert (first, second) == (True, False)
    with room.taken(100) as again:
        assert again
