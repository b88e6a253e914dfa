"""Command lines that ask for operations, as `/docs` prints them: of two people, Ada and Grace."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from faceline.app import QUEUE
from faceline.config import Settings
from faceline.web.examples import Schema, example, resolved

# What only the reader knows, and where it is told. The longer of two that begin alike comes first.
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "POSITION": "`position` of an entry: `GET /api/v1/activity`",
        "APPEARANCE": "`position` of an entry of a camera: `GET /api/v1/activity?kind=camera`",
        "KEY": "`key` of a photo: `GET /buckets/{bucket}`",
        "FACE_ID": "`face_id` of one of the person's faces: `GET …/people/{user_id}/faces`",
        "UNKNOWN_ID": "`face_ids` of a group: `GET …/unknowns`",
        "GROUP_ID": "`group_id`: `GET …/unknowns`",
        "RECEIPT_ID": "`receipt.receipt` of the answer to a deletion",
        "RECEIPT_HANDLE": "`receipt_handle` of a received message",
        "ENTRY": "`entry` of the latest change: `GET …/history`",
        "LABEL": "`label`: `GET …/labels`",
        "CLIP_ID": "`clip_id`: `GET /api/v1/clips`",
        "REPORT": "`report`: `GET /api/v1/match-reports`",
        "MESSAGE_ID": "`message_id`: `GET /api/v1/dead-letters`",
        "CONTENT": "the photo in base64, as `base64 -w0 photo.jpg` writes it",
    }
)
_VALUES: Mapping[str, Any] = MappingProxyType(
    {
        "a": "Ada",
        "b": "Grace",
        "clip_id": "CLIP_ID",
        "consent": "signed on 2026-01-31",
        "entry": "ENTRY",
        "face_id": "FACE_ID",
        "face_ids": ["FACE_ID"],
        "group_id": "GROUP_ID",
        "into": "Grace",
        "label": "LABEL",
        "message_ids": ["MESSAGE_ID"],
        "name": "Ada",
        "note": "seen side by side",
        "position": "POSITION",
        "receipt_handle": "RECEIPT_HANDLE",
        "receipt_id": "RECEIPT_ID",
        "report": "REPORT",
        "user_id": "Ada",
        "verdict": "same",
        "visibility_timeout_s": 30,
    }
)
# Where the values are others; and bodies that have more than the required fields.
_OF_OPERATION: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "create_person": {"name": "Mary"},
        "decide_review_pair": {"note": _VALUES["note"]},
        "get_entry_picture": {"position": "APPEARANCE"},
        "get_picture": {"key": "KEY"},
        "get_unknown_crop": {"face_id": "UNKNOWN_ID"},
        "place_upload": {"name": "photo.jpg"},
        "post_frames": {"request_id": "door-1", "content": "CONTENT", "filename": "photo.jpg"},
        "redrive_dead_letters": {"queue": None, "message_ids": ["MESSAGE_ID"]},
        "rename_person": {"name": "Ada_Lovelace"},
        "split_person": {"name": "Grace"},
        "undo_change": {"entry": "ENTRY"},
    }
)
_FILES: Mapping[str, str] = MappingProxyType({"load_scan": "scan.json"})
_NUMBERS = ("ENTRY",)  # without quotes in JSON


@dataclass(frozen=True, slots=True)
class Here:
    """Where commands go, and what is called how there."""

    base_url: str
    key_file: Path
    settings: Settings

    def named(self, path: str) -> Mapping[str, str]:
        """Values of this server, for an operation at `path`."""
        s = self.settings
        found = {"collection": s.collection, "bucket": s.input_bucket, "queue": QUEUE}
        found["key"] = f"{s.input_prefix}photo.jpg"
        return found | ({"name": s.names.requests} if path.startswith("/queues/") else {})


def to_fill(command: str) -> list[tuple[str, str]]:
    """The words of a command that only its reader knows, and where they are told."""
    return [(word, where) for word, where in _WORDS.items() if re.search(rf"\b{word}\b", command)]


def curl(here: Here, method: str, path: str, operation: Schema, components: Mapping[str, Schema]) -> str:
    """A command line that asks for it."""
    values = {**_VALUES, **here.named(path), **_OF_OPERATION.get(operation["operationId"], {})}
    needed = [each for each in operation["parameters"] if each["required"]]
    given = {each["name"]: _parameter(each, values, components) for each in needed}
    in_path = {each["name"] for each in needed if each["in"] == "path"}
    url = here.base_url.rstrip("/") + path
    for name in in_path:
        url = url.replace(f"{{{name}}}", quote(given[name], safe="/" if name == "key" else ""))
    query = urlencode({name: value for name, value in given.items() if name not in in_path})
    words = ["curl"]
    if operation["security"]:
        words.append(f'-H "Authorization: Bearer $(cat {shlex.quote(str(here.key_file))})"')
    body = _body(operation, values, components)
    if method != ("POST" if body else "GET"):
        words.append(f"-X {method}")
    words += [*body, shlex.quote(url + (f"?{query}" if query else ""))]
    return " \\\n  ".join(words)


def _parameter(parameter: Schema, values: Mapping[str, Any], components: Mapping[str, Schema]) -> str:
    name = parameter["name"]
    value = values[name] if name in values else example(parameter["schema"], components, name)
    return value if isinstance(value, str) else json.dumps(value)


def _body(operation: Schema, values: Mapping[str, Any], components: Mapping[str, Schema]) -> Sequence[str]:
    name = operation["operationId"]
    for kind, described in operation.get("requestBody", {}).get("content", {}).items():
        match kind:
            case "multipart/form-data":
                return [f"-F {each}=@{each}.jpg" for each in described["schema"]["properties"]]
            case "application/json":
                text = _json(name, described["schema"], values, components)
                return ["-H 'Content-Type: application/json'", f"-d {shlex.quote(text)}"]
            case "text/plain":
                return ["-H 'Content-Type: text/plain'", "--data-raw text"]
            case _:
                return [f"-H 'Content-Type: {kind}'", f"--data-binary @{_FILES.get(name, 'photo.jpg')}"]
    return []


def _json(name: str, schema: Schema, values: Mapping[str, Any], components: Mapping[str, Schema]) -> str:
    """The fields that it must have, and those that are said of this operation."""
    described = resolved(schema, components)
    fields = dict.fromkeys([*described.get("required", ()), *_OF_OPERATION.get(name, ())])
    properties = described.get("properties", {})
    document = {
        each: values[each] if each in values else example(properties[each], components, each) for each in fields
    }
    text = json.dumps(document, ensure_ascii=False)
    for word in _NUMBERS:
        text = text.replace(f'"{word}"', word)
    return text
