"""What is particular to objects in S3."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from faceline.aws.clients import Clients
from faceline.aws.objects import S3Objects
from faceline.errors import NotFoundError, ObjectKeyError, StorageError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ETAG = "900150983cd24fb0d6963f7d28e17f72"  # of b"abc"
HEADERS = {"HTTPHeaders": {"date": "Fri, 02 Jan 2026 03:04:05 GMT"}, "HTTPStatusCode": 200}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    return Clients("path")


@pytest.fixture
def s3(clients: Clients) -> Iterator[Stubber]:
    """What S3 answers, without one."""
    with Stubber(clients.s3) as stubber:
        yield stubber


def test_keys_that_are_refused_are_seen_by_who_must_see_all(clients: Clients, s3: Stubber) -> None:
    every = S3Objects(clients, any_key=True)
    listed = [{"Key": key, "ETag": f'"{ETAG}"', "Size": 3, "LastModified": NOW} for key in ("a/", "a//b", "c")]
    s3.add_response("list_objects_v2", {"Contents": listed, "IsTruncated": False})
    assert [info.key for info in every.list("photos")] == ["a/", "a//b", "c"]
    s3.add_response("delete_object", {}, {"Bucket": "photos", "Key": "a//b"})
    every.delete("photos", "a//b")
    with pytest.raises(ObjectKeyError):
        S3Objects(clients).delete("photos", "a//b")
    s3.assert_no_pending_responses()


def test_without_the_right_to_list_an_absent_object_is_forbidden(clients: Clients, s3: Stubber) -> None:
    s3.add_client_error("head_object", "403", "Forbidden", 403)
    with pytest.raises(StorageError, match=r"photos/input/a\.jpg.*s3:GetObject.*s3:ListBucket is missing"):
        S3Objects(clients).head("photos", "input/a.jpg")


def test_the_permission_that_is_missing_is_named(clients: Clients, s3: Stubber) -> None:
    s3.add_client_error("put_object", "AccessDenied", "Access Denied", 403)
    with pytest.raises(StorageError, match=r"photos/a\.jpg.*s3:PutObject"):
        S3Objects(clients).put("photos", "a.jpg", b"abc")


def test_a_writer_that_may_not_read_gets_the_time_of_the_answer(clients: Clients, s3: Stubber) -> None:
    s3.add_response("put_object", {"ETag": f'"{ETAG}"', "ResponseMetadata": HEADERS})
    s3.add_client_error("head_object", "403", "Forbidden", 403)
    info = S3Objects(clients).put("photos", "a.jpg", b"abc")
    assert (info.etag, info.size, info.modified_at) == (ETAG, 3, "2026-01-02T03:04:05.000+00:00")


def test_what_another_writer_put_meanwhile_is_not_taken_for_ours(clients: Clients, s3: Stubber) -> None:
    s3.add_response("put_object", {"ETag": f'"{ETAG}"', "ResponseMetadata": HEADERS})
    s3.add_response("head_object", {"ETag": '"other"', "ContentLength": 99, "LastModified": NOW})
    info = S3Objects(clients).put("photos", "a.jpg", b"abc")
    assert (info.etag, info.size) == (ETAG, 3)


def test_an_object_that_breaks_off_is_no_object(clients: Clients, s3: Stubber) -> None:
    s3.add_response("get_object", answer(b"ab", 3))
    with pytest.raises(StorageError, match=r"photos/a\.jpg"):
        S3Objects(clients).get("photos", "a.jpg", 100)
    s3.add_response("get_object", answer(b"ab", 3))
    with pytest.raises(StorageError, match=r"photos/a\.jpg"):
        list(S3Objects(clients).stream("photos", "a.jpg"))


def test_a_bucket_that_is_not_there_is_named_as_one(clients: Clients, s3: Stubber) -> None:
    s3.add_client_error("get_object", "NoSuchBucket", "The specified bucket does not exist", 404)
    with pytest.raises(NotFoundError, match="no bucket photos"):
        S3Objects(clients).get("photos", "a.jpg", 100)


def test_nothing_to_write_into_is_a_failure_of_the_storage_and_no_upload_that_is_gone(
    clients: Clients, s3: Stubber
) -> None:
    s3.add_client_error("put_object", "NoSuchBucket", "The specified bucket does not exist", 404)
    with pytest.raises(StorageError, match=r"cannot write photos/a\.jpg: there is no bucket photos"):
        S3Objects(clients).put("photos", "a.jpg", b"abc")


def test_what_the_console_makes_of_folders_is_not_listed(aws: str) -> None:
    clients, bucket = Clients("path"), f"folders-{uuid4().hex}"
    clients.s3.create_bucket(Bucket=bucket)
    for key in ("input/", "input/a.jpg", "input//b.jpg"):
        clients.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert [info.key for info in S3Objects(clients).list(bucket)] == ["input/a.jpg"]


def test_all_pages_are_listed(clients: Clients, s3: Stubber) -> None:
    entries = [{"Key": key, "ETag": f'"{ETAG}"', "Size": 3, "LastModified": NOW} for key in ("a", "b", "c")]
    s3.add_response("list_objects_v2", {"Contents": entries[:2], "IsTruncated": True, "NextContinuationToken": "2"})
    s3.add_response("list_objects_v2", {"Contents": entries[2:], "IsTruncated": False})
    assert [info.key for info in S3Objects(clients).list("photos")] == ["a", "b", "c"]


def answer(data: bytes, size: int) -> dict[str, Any]:
    body = StreamingBody(io.BytesIO(data), size)
    return {"Body": body, "ContentLength": size, "ETag": f'"{ETAG}"', "LastModified": NOW}
