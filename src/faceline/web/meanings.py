"""What fields mean, as the docstrings of their types say it: `width, height: of the photo in pixels. name: …`."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

_NAMED = re.compile(r"(?:^|(?<=[.;] )|(?<=\n))([a-z_0-9]+(?:, [a-z_0-9]+)*): ")
# Of parameters that are the same everywhere.
_COMMON: Mapping[str, str] = MappingProxyType(
    {
        "after": "The `next` of the page before.",
        "bucket": "Its name.",
        "collection": "Its name.",
        "face_id": "Of an enrolled face.",
        "key": "The object's key, with its slashes.",
        "limit": "Entries on a page.",
        "user_id": "Of a person.",
    }
)


def with_meanings(schema: dict[str, Any]) -> dict[str, Any]:
    """An object's schema with the parts of its description at the fields that they speak of."""
    properties, said = schema.get("properties"), schema.get("description", "")
    if not properties or not said:
        return schema
    parts = dict(_parts(_flowing(said), set(properties)))
    fields = {name: {**each, **_description(parts.get(name))} for name, each in properties.items()}
    kept = {key: value for key, value in schema.items() if key != "description"}
    return {**kept, **_description(parts.get("")), "properties": fields}


def common_meaning(name: str) -> str | None:
    """Of a parameter that means the same everywhere."""
    return _COMMON.get(name)


def _parts(text: str, names: set[str]) -> Iterator[tuple[str, str]]:
    """Each name with what is said of it; the empty one with what is said of the whole."""
    heads = [head for head in _NAMED.finditer(text) if names.issuperset(head[1].split(", "))]
    starts = [head.start() for head in heads]
    yield "", text[: starts[0] if starts else None]
    for head, end in zip(heads, [*starts, len(text)][1:], strict=True):
        for name in head[1].split(", "):
            yield name, text[head.end() : end]


def _description(text: str | None) -> dict[str, str]:
    said = (text or "").strip().removesuffix(";")
    return {"description": said} if said else {}


def _flowing(text: str) -> str:
    """Without the line breaks of the source."""
    return " ".join(text.split())
