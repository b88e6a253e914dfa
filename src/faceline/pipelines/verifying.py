"""Proves that somebody was forgotten: looks for their name and ids in everything that is kept, raw and decoded."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from faceline.erasure import MORE_NAME

_RAW_BYTES = 6  # a shorter name stands in pictures and vectors by chance
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_QUOTED = re.compile(r"[^\s\"'<>|,;]{4,1100}")
_MAX_WORDS = 2000  # a text with more of them is no list of ids


class Content(Protocol):
    """As of `local.contents.Content`."""

    @property
    def where(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def raw(self) -> bool: ...
    @property
    def unread(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Left:
    """Something that should be gone. what: `name` or `id`. where: the file, and which part of it. count: how often.

    Or `unread`: something that may be there where nobody could look; then `where` says why.
    """

    where: str
    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must not be found. says: whether a text says the name. ids: keyed hashes of ids, keys and paths.

    hashed: the keyed hash of a word.
    """

    name: str
    says: Callable[[str], bool]
    ids: Collection[str]
    hashed: Callable[[str], str]


def left_of(wanted: Wanted, contents: Iterable[Content]) -> Sequence[Left]:
    """Everything that is left, by place. None: nothing is."""
    is_id = lru_cache(1 << 16)(lambda word: wanted.hashed(word) in wanted.ids)
    found: Counter[tuple[str, str]] = Counter()
    long_enough = len(wanted.name.encode()) >= _RAW_BYTES
    for content in contents:
        if content.unread:
            found[content.where, "unread"] += 1
            continue
        if (long_enough or not content.raw) and wanted.says(content.text):
            found[content.where, "name"] += 1
        if wanted.ids and _has_id(content, is_id):
            found[content.where, "id"] += 1
    return [Left(where, what, count) for (where, what), count in sorted(found.items())]


def _has_id(content: Content, is_id: Callable[[str], bool]) -> bool:
    text = content.text
    if not content.raw and len(text) <= 1100 and is_id(text):
        return True
    if any(is_id(word) for word in _ID.findall(text)):
        return True
    words = [] if content.raw else list(_words(text))
    return len(words) <= _MAX_WORDS and any(is_id(word) or any(map(is_id, _parts(word))) for word in words)


def _words(text: str) -> Iterable[str]:
    """But for beginnings of paths with spaces."""
    for found in _QUOTED.finditer(text):
        if "/" not in found[0] or not MORE_NAME.match(text, found.end()):
            yield found[0]


def _parts(word: str) -> Iterable[str]:
    """`buckets/bucket/photo.jpg` has also `bucket/photo.jpg`, and an event's id ends with an etag.

    Any other path within a path is another photo's: `input/a.jpg` is not in `input/input/a.jpg`.
    """
    key = word.partition("@")[0]
    yield key
    folder, _, rest = key.partition("/")
    if folder == "buckets" or "/" not in rest:
        yield rest
