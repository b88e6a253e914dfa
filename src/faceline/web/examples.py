"""Examples of what schemas describe."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Schema = Mapping[str, Any]

_DEEPEST = 8
_AT = "2026-01-31T12:00:00.000+00:00"
_ID = "0b0e1f6a-5d0c-4c2e-9a57-6a6f1c1f9d10"
# By the field's name, or how it ends.
_VALUES: Mapping[str, Any] = MappingProxyType(
    {
        "brightness": 54.2,
        "after": "b3ZlcnZpZXc",
        "a": "Ada",
        "b": "Grace",
        "bucket": "face-input-bucket",
        "collection": "my-face-collection",
        "confidence": 99.87,
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "face_id": _ID,
        "id": _ID,
        "into": "Grace",
        "filename": "party.jpg",
        "key": "input/party.jpg",
        "landmarks": [[0.38, 0.27], [0.5, 0.27], [0.44, 0.35], [0.39, 0.41], [0.49, 0.41]],
        "meaning": "1 in 26,000 pairs of strangers score this high.",
        "message_id": _ID,
        "model": "dlib-resnet-v1+mtcnn5-150+mirror",
        "name": "Ada",
        "next": "b3ZlcnZpZXc",
        "person": "Ada",
        "roll": -2.1,
        "yaw": 8.4,
        "pitch": 3.0,
        "queue": "face-input-queue",
        "reasons": ["blurred"],
        "scale": [{"similarity": 80.0, "strangers": 0.001}, {"similarity": 90.0, "strangers": 0.0001}],
        "sharpness": 41.5,
        "similarity": 93.71,
        "size": 183_402,
        "size_px": 142.0,
        "source": "face-input-bucket/input/party.jpg",
        "threshold": 80.0,
        "type": "happy",
        "user_id": "Ada",
        "verdict": "same",
        "version": "0.1.0",
        "height": 3024,
        "width": 4032,
    }
)
_PARTS: Mapping[str, float] = MappingProxyType({"left": 0.31, "top": 0.12, "width": 0.27, "height": 0.38})
_ENDINGS: Mapping[str, Any] = MappingProxyType(
    {"_at": _AT, "timestamp": _AT, "since": "2026-01-01", "until": "2026-02-01", "_id": _ID, "_ms": 184.0, "_s": 1.5}
)
_OF_TYPE: Mapping[str, Any] = MappingProxyType({"integer": 1, "number": 0.5, "boolean": True})
_TYPES: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {"string": (str,), "integer": (int,), "number": (float,), "array": (list,), "object": (dict,)}
)


def resolved(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """What a schema refers to, if it does."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return components[name] if name else schema


def example(schema: Schema, components: Mapping[str, Schema], name: str = "", depth: int = 0) -> Any:
    """A value that the schema describes. name: of the field that holds it."""
    schema = resolved(schema, components)
    likely = (*schema.get("examples", ()), *_named(name))
    value: Any = next((value for value in likely if _fits(value, schema, components)), None)
    if value is not None or depth > _DEEPEST:
        return value
    match schema:
        case {"anyOf": [first, *_]}:
            value = example(first, components, name, depth)
        case {"enum": [first, *_]} | {"const": first} | {"default": first} if first not in ("", None):
            value = first
        case {"type": "object"}:
            properties = schema.get("properties", {})
            value = {key: example(each, components, key, depth + 1) for key, each in properties.items()}
        case {"type": "array"}:
            parts = schema.get("prefixItems") or [schema.get("items") or {}]
            value = [example(each, components, name.removesuffix("s"), depth + 1) for each in parts if each]
        case {"type": "string"}:
            value = "text"
        case {"type": kind}:
            value = max(schema.get("minimum", 0), _OF_TYPE.get(kind, 0))
    return value


def _named(name: str) -> list[Any]:
    exact = [values[name] for values in (_VALUES, _PARTS) if name in values]
    return exact or [value for ending, value in _ENDINGS.items() if name.endswith(ending)]


def _fits(value: Any, schema: Schema, components: Mapping[str, Schema]) -> bool:
    schema = resolved(schema, components)
    if "anyOf" in schema:
        return any(_fits(value, each, components) for each in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    return isinstance(value, _TYPES.get(schema.get("type", ""), ()))
