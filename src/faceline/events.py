"""What arrived, in the words of S3 event notifications, so that the embedded profile and AWS share handlers.

Formats: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html, ev-events.html there
(EventBridge), and https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (the envelope of SNS).

Nothing here relies on the order of events, which neither S3 nor a queue keeps: whoever handles one reads the object as
it is now, and looks again when done. The sequencer only tells a repeated delivery from a later writing of equal bytes.
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

    request_id: of the request that wrote it, as logs say it; no part of what happened. sequencer: hexadecimal, greater
    for each later writing of the same key, and the same for repeated deliveries; empty where the store has none.
    """

    bucket: str
    key: str
    etag: str
    size: int
    time: str
    version: str = ""
    request_id: str = field(default="", compare=False)
    sequencer: str = field(default="", compare=False)

    @property
    def event_id(self) -> str:
        """The same for every repetition of this event, another for other bytes under the same key."""
        return f"{self.bucket}/{self.key}@{self.version or self.etag}"


def is_later(sequencer: str, other: str) -> bool:
    """Whether it is of a later writing of the same key. False where one is unknown.

    The shorter is filled up with zeros on the right, and both are compared as texts (notification-content-structure).
    """
    width = max(len(sequencer), len(other))
    return bool(sequencer and other) and sequencer.upper().ljust(width, "0") > other.upper().ljust(width, "0")


def to_json(event: ObjectCreated) -> str:
    """One event as the body of a queue message."""
    entity: dict[str, Any] = {"key": quote_plus(event.key, safe="/"), "size": event.size, "eTag": event.etag}
    if event.version:
        entity["versionId"] = event.version
    if event.sequencer:
        entity["sequencer"] = event.sequencer
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
    return from_document(document)


def from_document(document: Any) -> list[ObjectCreated]:
    """As `from_json`, of what a Lambda function is given: S3's own event, or one that came by SNS or EventBridge."""
    if not isinstance(document, dict):
        raise InputError("the event is no object that has Records; expected an S3 event notification")
    if document.get("Event") == "s3:TestEvent":
        return []
    if document.get("Type") == "Notification" and isinstance(document.get("Message"), str):  # SNS, in a queue
        return from_json(document["Message"])
    if document.get("source") == "aws.s3" and "detail-type" in document:
        return [_from_bridge(document)] if document["detail-type"] == "Object Created" else []
    if not isinstance(document.get("Records"), list):
        raise InputError("the message body has no list Records; expected an S3 event notification")
    return [event for record in document["Records"] for event in _from_each(record)]


def _from_each(record: Any) -> list[ObjectCreated]:
    sns = record.get("Sns") if isinstance(record, dict) else None
    if isinstance(sns, dict) and isinstance(sns.get("Message"), str):
        return from_json(sns["Message"])
    return [_from_record(record)] if _is_creation(record) else []


def _is_creation(record: Any) -> bool:
    return isinstance(record, dict) and str(record.get("eventName", "")).startswith("ObjectCreated")


def _from_record(record: dict[str, Any]) -> ObjectCreated:
    try:
        entity = record["s3"]["object"]
        event = ObjectCreated(
            bucket=str(record["s3"]["bucket"]["name"]),
            key=unquote_plus(str(entity["key"])),
            etag=str(entity.get("eTag", "")),
            size=int(entity.get("size", 0)),
            time=str(record.get("eventTime", "")),
            version=str(entity.get("versionId", "") or ""),
            request_id=_request_id(record),
            sequencer=str(entity.get("sequencer", "") or ""),
        )
        return _checked(event)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"an S3 event record lacks or misspells {error}; expected s3.bucket.name and s3.object.key"
        ) from error


def _from_bridge(document: dict[str, Any]) -> ObjectCreated:
    """EventBridge's words for the same; keys are not encoded there."""
    try:
        detail = document["detail"]
        entity = detail["object"]
        request_id = detail.get("request-id", "")
        event = ObjectCreated(
            bucket=str(detail["bucket"]["name"]),
            key=str(entity["key"]),
            etag=str(entity.get("etag", "")),
            size=int(entity.get("size", 0)),
            time=str(document.get("time", "")),
            version=str(entity.get("version-id", "") or ""),
            request_id=request_id if isinstance(request_id, str) else "",
            sequencer=str(entity.get("sequencer", "") or ""),
        )
        return _checked(event)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(
            f"an EventBridge event lacks or misspells {error}; expected detail.bucket.name and detail.object.key"
        ) from error


def _checked(event: ObjectCreated) -> ObjectCreated:
    """The event; raises ValueError for half a surrogate pair, which no UTF-8 can write: Lambda parses events itself."""
    texts = (event.bucket, event.key, event.etag, event.time, event.version, event.request_id, event.sequencer)
    "".join(texts).encode()
    return event


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
