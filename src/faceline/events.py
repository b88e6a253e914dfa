"""What arrived, in the words of S3 event notifications, so that the embedded profile and AWS share handlers.

Format: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from faceline.documents import parsed
from faceline.errors import InputError


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """An object was written. size: bytes. time: UTC ISO 8601. version: S3's versionId, if the bucket has versions.

    request_id: of the request that wrote it, as logs say it; no part of what happened.
    """

    bucket: str
    key: str
    etag: str
    size: int
    time: str
    version: str = ""
    request_id: str = field(default="", compare=False)

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
    record: dict[str, Any] = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": event.time,
        "s3": s3,
    }
    if event.request_id:
        record["responseElements"] = {"x-amz-request-id": event.request_id}
    return json.dumps({"Records": [record]})


def from_json(body: str) -> list[ObjectCreated]:
    """All object-created events in a message body; other events and S3's test message give none.

    Raises InputError when the body is not such a notification.
    """
    try:
        document = parsed(body)
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
            request_id=_request_id(record),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"an S3 event record lacks or misspells {error}; expected s3.bucket.name and s3.object.key"
        ) from error


def request_id_of(body: str) -> str:
    """Of the request that a queue message goes back to: of its first event, or the call's own `request_id`.

    Empty where it says none.
    """
    try:
        document = parsed(body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    records = document.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    own = document.get("request_id")
    return _request_id(first) if first is not None else own if isinstance(own, str) else ""


def _request_id(record: Any) -> str:
    """Where S3 says it; anything else there is nobody's id."""
    elements = record.get("responseElements") if isinstance(record, dict) else None
    found = elements.get("x-amz-request-id") if isinstance(elements, dict) else None
    return found if isinstance(found, str) else ""


def event_ids(body: str) -> list[str]:
    """Of all events in a message; none when it is no notification."""
    try:
        return [event.event_id for event in from_json(body)]
    except InputError:
        return []
