"""JSON that others may have put into a bucket or a queue: parsed so that none of it breaks whoever reads it."""

import json
import re
from collections.abc import Iterable
from typing import Any

_MAX_DEPTH = 100  # ours have less than 10; whatever walks through a document calls itself once or twice a level
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a pair of surrogates; the other half may be missing


def parsed(text: bytes | str) -> Any:
    """The document in a JSON text, bytes in UTF-8. What it has where, its reader has to look at yet.

    Raises ValueError, and nothing else, for what is no JSON, is nested more than 100 deep, or has a text that no UTF-8
    can write again.
    """
    plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    try:
        document = json.loads(plain)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if plain.count("[") + plain.count("{") > _MAX_DEPTH and _is_deep(document):
        raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
    if _HALF.search(plain):
        json.dumps(document, ensure_ascii=False).encode()
    return document


def quoted(words: Iterable[str]) -> frozenset[bytes]:
    """These words as strings of a JSON text, each with other letters than ASCII's as they are and escaped."""
    both = ((word, escaped) for word in words for escaped in (False, True))
    return frozenset(json.dumps(word, ensure_ascii=escaped).encode("utf-8", "replace") for word, escaped in both)


def says(data: bytes, strings: Iterable[bytes]) -> bool:
    """Whether one of these stands in a text. strings: of `quoted`."""
    return any(string in data for string in strings)


def is_damaged(data: bytes) -> bool:
    """Whether it sets out to be a JSON document and yet cannot be parsed."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        parsed(data)
    except ValueError:
        return True
    return False


def _is_deep(document: Any) -> bool:
    level = [document]
    for _ in range(_MAX_DEPTH):
        nested = [each for each in level if isinstance(each, dict | list)]
        level = [inner for each in nested for inner in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return False
    return True
