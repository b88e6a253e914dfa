"""What arrived, in the words of S3 event notifications, so that the embedded profile and AWS share handlers.

Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from faceline.errors import InputError


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """An object was written. size: bytes. time: UTC ISO 8601. version: S3's versionId, if the bucket has versions."""

    bucket: str
    key: str
    etag: str
    size: int
    time: str
    version: str = ""

    @property
    def event_id(self) -> str:
        """The same for every repetition of this event, another for other bytes under the same key."""
        return f"{self.bucket}/{self.key}@{self.version or self.etag}"


def to_json(event: ObjectCreated) -> str:
    """One event as the body of a queue message."""
    entity: dict[str, Any] = {"key": quote_plus(event.key, safe="/"), "size": event.size, "eTag": event.etag}
    if event.version:
        entity["versionId"] = event.version
    s3 = {"bucket": {"name": event.bucket}, "object": entity}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": event.time,
        "s3": s3,
    }
    return json.dumps({"Records": [record]})


def from_json(body: str) -> list[ObjectCreated]:
    """All object-created events in a message body; other events and S3's test message give none.

    Raises InputError when the body is not such a notification.
    """
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InputError(f"the message body is not JSON ({error}); expected an S3 event notification") from error
    if isinstance(document, dict) and document.get("Event") == "s3:TestEvent":
        return []
    if not isinstance(document, dict) or not isinstance(document.get("Records"), list):
        raise InputError("the message body has no list Records; expected an S3 event notification")
    return [_from_record(r) for r in document["Records"] if _is_creation(r)]


def _is_creation(record: Any) -> bool:
    return isinstance(record, dict) and str(record.get("eventName", "")).startswith("ObjectCreated")


def _from_record(record: dict[str, Any]) -> ObjectCreated:
    try:
        entity = record["s3"]["object"]
        return ObjectCreated(
            bucket=str(record["s3"]["bucket"]["name"]),
            key=unquote_plus(str(entity["key"])),
            etag=str(entity.get("eTag", "")),
            size=int(entity.get("size", 0)),
            time=str(record.get("eventTime", "")),
            version=str(entity.get("versionId", "") or ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"an S3 event record lacks or misspells {error}; expected s3.bucket.name and s3.object.key"
        ) from error


def event_ids(body: str) -> list[str]:
    """Of all events in a message; none when it is no notification."""
    try:
        return [event.event_id for event in from_json(body)]
    except InputError:
        return []
