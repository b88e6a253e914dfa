"""What workflow 2 is asked and what its queues carry: events, frames and messages, checked and made."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import msgspec

from faceline.errors import ImageError, ImageLimitError, InputError
from faceline.image_headers import check_bytes
from faceline.images import ImageLimits, crop_with_margin, decode, encode_jpeg
from faceline.pipelines.naming import UNKNOWN
from faceline.types import Face, Frame

MAX_MESSAGE_BYTES = 256 * 1024  # of an SQS message, until 2025
_MAX_NAME = 1024  # characters of a request_id and of a filename
_FIELDS = ("request_id", "content", "filename")
_QUALITIES = (92, 80, 60, 40, 20)
_MARGIN = 0.4
_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_BREAKS = {ord("\n"): None, ord("\r"): None}


class RefusalError(InputError):
    """A frame that is not taken. status: what HTTP calls it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class FaceRequest:
    """A message of the request queue. content: the crop in base64, None when the message has none."""

    request_id: str
    filename: str
    content: str | None


def deduplication_id(request_id: str) -> str:
    """One for each request_id, however long: 64 characters, as every queue takes them."""
    return hashlib.sha256(request_id.encode()).hexdigest()


def response(request_id: str, result: str) -> str:
    """A message of the response queue."""
    return json.dumps({"request_id": request_id, "result": result})


class _Answer(msgspec.Struct):
    request_id: str
    result: str


def face_message(request_id: str, filename: str, frame: Frame, face: Face) -> str:
    """A message of the request queue, below MAX_MESSAGE_BYTES: the face, cut out with a margin, as JPEG in base64."""
    pixels, _ = crop_with_margin(frame, face.box, face.landmarks, _MARGIN)
    for quality in _QUALITIES:
        content = base64.b64encode(encode_jpeg(pixels, quality)).decode()
        body = json.dumps({"request_id": request_id, "filename": filename, "face": content})
        if len(body) < MAX_MESSAGE_BYTES:
            break
    return body


def without_name(body: str, name: str) -> str | None:
    """The answer with `Unknown` in place of that name; None for an answer that does not say it, or what is none."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return response(answer.request_id, UNKNOWN) if answer.result == name else None


def face_request(body: str) -> FaceRequest:
    """What a message of the request queue asks, in our words or with `face_image`. Raises InputError."""
    fields = parsed(body, "the message")
    if not isinstance(fields, dict) or not isinstance(fields.get("request_id"), str) or not fields["request_id"]:
        raise InputError('the message is no JSON object with a "request_id"; nobody can be answered')
    content = fields.get("face") or fields.get("face_image")
    filename = fields.get("filename")
    return FaceRequest(
        fields["request_id"],
        filename if isinstance(filename, str) else "face",
        content if isinstance(content, str) else None,
    )


def is_gateway_event(event: object) -> TypeGuard[Mapping[str, Any]]:
    """Of API Gateway or a function URL, rather than bare keys."""
    return isinstance(event, dict) and ("body" in event or "requestContext" in event) and "content" not in event


def body_of(event: Mapping[str, Any]) -> object:
    """The document in such an event's body. Raises RefusalError."""
    body = event.get("body")
    if not body:
        raise RefusalError(400, f"the request has no body; send JSON with {', '.join(_FIELDS)}")
    if event.get("isBase64Encoded") and isinstance(body, str):
        body = _unbase64(body, "the body")
    return parsed(body) if isinstance(body, str | bytes) else body


def parsed(text: str | bytes, what: str = "the body") -> object:
    """The document in a JSON text. what: what it is called, for messages. Raises RefusalError."""
    if not text.strip():
        raise RefusalError(400, f"{what} is empty; send JSON with {', '.join(_FIELDS)}")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        why = str(error).removeprefix("JSON is malformed: ")
        raise RefusalError(400, f"{what} is no JSON that can be read: {why}") from error


def checked(fields: object) -> tuple[str, str, str]:
    """request_id, content, and the last part of filename. Raises RefusalError."""
    if not isinstance(fields, dict):
        raise RefusalError(400, f"a frame is a JSON object with {', '.join(_FIELDS)}")
    missing = [name for name in _FIELDS if fields.get(name) in (None, "")]
    if missing:
        raise RefusalError(400, f"missing: {', '.join(missing)}; a frame needs {', '.join(_FIELDS)}")
    wrong = [name for name in _FIELDS if not isinstance(fields[name], str)]
    if wrong:
        raise RefusalError(400, f"not a text: {', '.join(wrong)}")
    request_id, content, filename = (fields[name] for name in _FIELDS)
    filename = filename.replace("\\", "/").rstrip("/").rpartition("/")[2] or "frame"
    for name, text in (("request_id", request_id), ("filename", filename)):
        if len(text) > _MAX_NAME:
            raise RefusalError(400, f"{name} has {len(text):,} characters; at most {_MAX_NAME:,} are taken")
        if _SURROGATES.search(text):
            raise RefusalError(400, f"{name} is not valid Unicode: {text!a}")
    return request_id, content, filename


def decoded(content: str, filename: str, limits: ImageLimits) -> Frame:
    """As `picture`, for clients: raises RefusalError only."""
    try:
        return picture(content, filename, limits)
    except ImageLimitError as error:
        raise RefusalError(413, str(error)) from error
    except ImageError as error:
        raise RefusalError(400, str(error)) from error


def picture(content: str | None, filename: str, limits: ImageLimits) -> Frame:
    """content: base64, also of a data URL. Raises ImageError, RefusalError."""
    if content is None:
        raise ImageError(f"{filename!a}: the message carries no face")
    if content.startswith("data:"):
        content = content.partition(",")[2]
    check_bytes(len(content) * 3 // 4, ascii(filename), limits)
    return decode(_unbase64(content, "content"), ascii(filename), limits)


def _unbase64(text: str, what: str) -> bytes:
    """Line breaks are passed over, as programs that write base64 make them; nothing else is."""
    try:
        return base64.b64decode(text.translate(_LINE_BREAKS), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusalError(400, f"{what} is not base64: {error}") from error
