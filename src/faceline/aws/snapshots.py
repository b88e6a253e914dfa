"""Snapshots of collections in the work bucket: what a new reader begins with, instead of the whole table.

One object a collection, replaced only by who has seen the one before (If-Match, If-None-Match:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). Whoever removed faces puts an empty one
in its place after that. So no snapshot that somebody began before a removal can come after it, and what was begun later
does not have the faces. The bucket must keep no versions of objects, as the template has it: an older version would be
the faces once more.
"""

import logging
import uuid
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from faceline.aws.clients import Client, Clients, code_of, said
from faceline.aws.face_snapshot import Snapshot, from_bytes, to_bytes
from faceline.errors import StorageError

_log = logging.getLogger("faceline.aws.snapshots")

_ABSENT = {"NoSuchKey", "404", "NotFound"}
_OVERTAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", *_ABSENT}
_EMPTY = b"empty "
_MOST_BYTES_A_CHANGE = 16_384  # ten times what a face has
_GENERATION = "generation"


def key_of(collection: str) -> str:
    """Of its snapshot in the work bucket."""
    return f"collections/{collection}.faces"


def most_bytes(changes: int) -> int:
    """Of a snapshot of a collection that was changed so often; what is larger is none."""
    return changes * _MOST_BYTES_A_CHANGE


@dataclass(frozen=True, slots=True)
class Found:
    """What was there. etag: None where there was no object. snapshot: None where there is none to begin with."""

    etag: str | None
    snapshot: Snapshot | None


class Snapshots:
    """Needs s3:GetObject, s3:PutObject and s3:ListBucket, without which S3 says that an absent object is forbidden.

    min_changes: after so many changes a collection gets a snapshot, and after so many more, and a fiftieth of its
    faces, another.
    """

    def __init__(self, clients: Clients, bucket: str, min_changes: int = 1000) -> None:
        self._clients, self._bucket, self.min_changes = clients, bucket, min_changes

    @property
    def _s3(self) -> Client:
        return self._clients.s3

    def read(self, collection: str, changes: int) -> Found:
        """A damaged snapshot counts as none, and is logged: all of it is in the table.

        changes: how many there ever were; what is far larger than they can be is not loaded.
        """
        with self._said(collection):
            try:
                answer = self._s3.get_object(**self._place(collection))
                with closing(answer["Body"]) as body:
                    data = body.read() if answer["ContentLength"] <= most_bytes(changes) else None
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return Found(None, None)
                raise
        if data is not None and data.startswith(_EMPTY):
            return Found(answer["ETag"], None)
        snapshot = None
        reason = f"{answer['ContentLength']:,} bytes are too many for {changes:,} changes"
        if data is not None:
            try:
                snapshot = from_bytes(data)
            except StorageError as error:
                reason = str(error)
        if snapshot is None:
            _log.warning("the snapshot of collection %s is not used: %s; the table is read", collection, reason)
        return Found(answer["ETag"], snapshot)

    def write(self, collection: str, snapshot: Snapshot, etag: str | None) -> bool:
        """etag: of what was there before the snapshot was begun. False, and no effect, when it is there no more."""
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        with self._said(collection):
            try:
                self._put(collection, to_bytes(snapshot), snapshot.generation, condition)
            except ClientError as error:
                if code_of(error) in _OVERTAKEN:
                    return False
                raise
        return True

    def clear(self, collection: str, generation: int) -> None:
        """After a removal, which drew this generation: nothing that was begun before it is there, nor will be."""
        if generation > self.min_changes:  # before, nobody writes one
            with self._said(collection):
                self._put(collection, _EMPTY + uuid.uuid4().hex.encode(), generation, {})

    def clear_older(self, collection: str, generation: int) -> None:
        """As `clear`, where what is there is older than the removal: who removed was stopped before they came to it."""
        if generation <= self.min_changes:
            return
        with self._said(collection):
            try:
                answer = self._s3.head_object(**self._place(collection))
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return
                raise
        said = answer["Metadata"].get(_GENERATION, "")
        if not said.isdecimal() or int(said) < generation:
            self.clear(collection, generation)

    def _put(self, collection: str, body: Any, generation: int, condition: dict[str, str]) -> None:
        metadata = {_GENERATION: str(generation)}
        self._s3.put_object(**self._place(collection), Body=body, Metadata=metadata, **condition)

    def _place(self, collection: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": key_of(collection)}

    def _said(self, collection: str) -> Any:
        return said(f"the snapshot of collection {collection} in bucket {self._bucket}")
