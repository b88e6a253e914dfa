"""Objects in S3, or in a store that speaks as S3 does. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html"""

import base64
import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, cast

from botocore.exceptions import ClientError

from faceline.aws.clients import Client, Clients, code_of, said
from faceline.errors import InputError, NotFoundError, StorageError
from faceline.object_keys import check_bucket, check_key, is_key
from faceline.ports import ObjectInfo

_PIECE_BYTES = 1 << 18
_CHUNK = 1 << 20
_IN_MEMORY_BYTES = 8 << 20
_MAX_PUT_BYTES = 5 << 30  # of one PutObject
_ABSENT = ("NoSuchKey", "404", "NotFound")
_REFUSED = ("AccessDenied", "403", "Forbidden")


class S3Objects:
    """Implements `ports.ObjectStore`. Buckets are made by the template, not here.

    An object is one PutObject, up to 5 GB, so that its etag is the MD5 of its bytes (with SSE-KMS it is not). Times are
    whole seconds, as HEAD gives them. Raises InputError when a stream breaks off or is larger than that, StorageError
    when S3 refuses, or has no bucket to write into. Without `s3:ListBucket` S3 answers 403 for an absent object: then
    that is a StorageError, too.

    any_key: also objects of keys that S3 takes and `object_keys` refuses, such as `input//a.jpg`: for those who must
    see everything.
    """

    def __init__(self, clients: Clients, any_key: bool = False) -> None:
        self._clients, self._any_key = clients, any_key

    @property
    def _s3(self) -> Client:
        return self._clients.s3

    def put(self, bucket: str, key: str, data: bytes | BinaryIO) -> ObjectInfo:
        """The time is a HEAD's, where `s3:GetObject` allows one, else the answer's own, which may be a second off."""
        self._check(bucket, key)
        with _spooled(bucket, key, data) as (file, size, md5):
            checked = {"ContentLength": size, "ContentMD5": base64.b64encode(md5).decode()}
            try:
                with _reported(bucket, key, "s3:PutObject"):
                    answer = self._s3.put_object(Bucket=bucket, Key=key, Body=file, **checked)
            except NotFoundError as error:  # else whoever worked on an upload would take that for gone
                raise StorageError(f"cannot write {bucket}/{key}: {error}; make it, or name another") from error
        etag = str(answer["ETag"]).strip('"')
        try:
            stored = self.head(bucket, key)
        except (StorageError, NotFoundError):  # no right to look, or it is deleted already; written it was
            stored = None
        if stored and stored.etag == etag:
            return stored
        sent = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return ObjectInfo(bucket, key, etag, size, _time(sent))

    def get(self, bucket: str, key: str, max_bytes: int) -> tuple[ObjectInfo, bytes]:
        self._check(bucket, key)
        with _reported(bucket, key, "s3:GetObject"):
            answer = self._s3.get_object(Bucket=bucket, Key=key)
            info = _info(bucket, key, answer)
            with closing(answer["Body"]) as body:
                if info.size > max_bytes:
                    raise InputError(f"{bucket}/{key} has {info.size:,} bytes, at most {max_bytes:,} are read here")
                return info, body.read()

    def head(self, bucket: str, key: str) -> ObjectInfo:
        self._check(bucket, key)
        with _reported(bucket, key, "s3:GetObject"):
            return _info(bucket, key, self._s3.head_object(Bucket=bucket, Key=key))

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Keys that are refused, such as the console's folders `a/`, are left out; NotFoundError: no bucket."""
        check_bucket(bucket)
        with _reported(bucket, prefix, "s3:ListBucket"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for each in page.get("Contents", ()):
                    if self._any_key or is_key(each["Key"]):
                        yield _listed(bucket, each)

    def stream(self, bucket: str, key: str, start: int = 0) -> Iterator[bytes]:
        self._check(bucket, key)
        # Not of byte 0 on: of an empty object S3 gives no range at all.
        wanted = {"Range": f"bytes={start}-"} if start else {}
        with _reported(bucket, key, "s3:GetObject"):
            try:
                answer = self._s3.get_object(Bucket=bucket, Key=key, **wanted)
            except ClientError as error:
                if code_of(error) in ("InvalidRange", "416"):
                    return  # it ends before `start`
                raise
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(_PIECE_BYTES)

    def delete(self, bucket: str, key: str) -> None:
        """Where the bucket keeps versions, the object is hidden and its bytes stay until the lifecycle ends them."""
        self._check(bucket, key)
        try:
            with _reported(bucket, key, "s3:DeleteObject"):
                self._s3.delete_object(Bucket=bucket, Key=key)
        except NotFoundError:
            return

    def _check(self, bucket: str, key: str) -> None:
        check_bucket(bucket)
        if not self._any_key:
            check_key(key)


@contextmanager
def _spooled(bucket: str, key: str, data: bytes | BinaryIO) -> Iterator[tuple[BinaryIO, int, bytes]]:
    """The bytes with their size and MD5: S3 wants the size first, and a stream may break off before its end."""
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(data, bytes):
        digest.update(data)
        yield io.BytesIO(data), len(data), digest.digest()
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
        for chunk in _chunks(data):
            digest.update(chunk)
            file.write(chunk)
            if file.tell() > _MAX_PUT_BYTES:
                raise InputError(f"{bucket}/{key} would have more than 5 GB, which is what one upload to S3 may have")
        size = file.tell()
        file.seek(0)
        yield cast(BinaryIO, file), size, digest.digest()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            chunk = stream.read(_CHUNK)
        except OSError as error:
            raise InputError(f"the bytes to be stored stopped coming: {error}") from error
        if not chunk:
            return
        yield chunk


def _info(bucket: str, key: str, answer: dict[str, Any]) -> ObjectInfo:
    etag = str(answer["ETag"]).strip('"')
    return ObjectInfo(bucket, key, etag, int(answer["ContentLength"]), _time(answer["LastModified"]))


def _listed(bucket: str, each: dict[str, Any]) -> ObjectInfo:
    etag = str(each["ETag"]).strip('"')
    return ObjectInfo(bucket, each["Key"], etag, int(each["Size"]), _time(each["LastModified"]))


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat(timespec="milliseconds")


@contextmanager
def _reported(bucket: str, key: str, permission: str) -> Iterator[None]:
    """S3's errors about one object in faceline's words. permission: what the request needs."""
    place = f"{bucket}/{key}" if key else bucket
    try:
        with said(place):
            yield
    except StorageError as error:
        code = code_of(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
        if code == "NoSuchBucket":
            raise NotFoundError(f"there is no bucket {bucket}") from error
        if code in _ABSENT:
            raise NotFoundError(f"there is no {place}") from error
        if code in _REFUSED:
            raise StorageError(
                f"cannot use {place}: the role or user may not {permission} there, or there is no such object and "
                f"s3:ListBucket is missing, without which S3 does not say so; give it both ({error.__cause__})"
            ) from error
        raise
