"""What a person's erasure means to each store that may have kept something of them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

_BETWEEN = r"(?:[\s_.+-]|%20)+"  # what file names and URLs have where a name has a space
_PARTS = re.compile(r"[\s_]+")
_BEFORE_PLACE = r"(?:(?<![^\s\"'(\[=,:;?&])|(?<=s3://))"
_ENDING = r"(?:@[\w-]*)?\.?"  # an event's etag, a sentence's full stop
MORE_NAME = re.compile(r"\s[^\"\n/:]{0,200}\.\w{2,5}(?:[\"@\n]|$)")  # a file name goes on after a space
_AFTER_PLACE = rf"(?={_ENDING}(?:$|[\"')\],:;&?\\]|(?!{MORE_NAME.pattern})\s))"


@dataclass(frozen=True, slots=True)
class Gone:
    """Somebody who is being forgotten.

    name: as enrolled; nothing may say it afterwards. collections: where they are forgotten. everywhere: results,
    reports, notices and queued messages are cleaned too, as when no single collection was named. face_ids, image_ids,
    external_image_ids, sources: of their face records, which may stand in documents without the name. Among the
    sources are, as bucket/key, also the photos and clips that are deleted or renamed because they show them.
    """

    name: str
    collections: tuple[str, ...]
    everywhere: bool
    face_ids: frozenset[str] = frozenset()
    image_ids: frozenset[str] = frozenset()
    external_image_ids: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        """All that identifies them by itself: the name and every id."""
        return frozenset({self.name}) | self.face_ids | self.image_ids | self.external_image_ids


class Forgets(Protocol):
    """A store that personal data may be in."""

    def forget(self, gone: Gone) -> int:
        """Takes the person out, so that nothing of them stays in its files; returns of how many documents or rows."""
        ...


def utc(text: str) -> str:
    """An ISO 8601 time as receipts and the audit log have it, UTC where it names no zone, so that texts compare as
    times. Raises ValueError when it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error
    return moment.isoformat(timespec="milliseconds")


def spelled(name: str) -> str:
    """A regular expression for a name as texts, file names and URLs write it: any case, any separator for a space."""
    return _BETWEEN.join(re.escape(part) for part in _PARTS.split(name) if part)


def standing(words: Iterable[str]) -> re.Pattern[str]:
    """Finds these words where they stand by themselves: `Ann` in `ann_02.jpg`, not in `Anna` or `Joanna`."""
    found = "|".join(sorted((spelled(word) for word in words if word.strip()), key=len, reverse=True))
    return re.compile(rf"(?<![^\W_])(?:{found or '(?!)'})(?![^\W_])", re.IGNORECASE)


def placed(places: Iterable[str]) -> re.Pattern[str]:
    """Finds these objects and paths where they stand whole: `input/a.jpg` in `"input/a.jpg"` and `input/a.jpg@etag`,
    not in `input/input/a.jpg` or `input/a.jpg copy.jpg`.
    """
    found = "|".join(sorted(map(re.escape, places), key=len, reverse=True))
    return re.compile(rf"{_BEFORE_PLACE}(?:{found or '(?!)'}){_AFTER_PLACE}")


def same_name(one: str, other: str) -> bool:
    """Whether two spellings are of one name, as `ada_lovelace` and `Ada Lovelace`."""
    return re.fullmatch(spelled(one), other, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One erasure that was done, without a name. ended_at: UTC ISO 8601. person, ids: keyed hashes (`local.keyed`).

    collections: where; empty: everywhere. removed: what was taken out of which store, in pieces.
    """

    receipt_id: str
    ended_at: str
    person: str
    collections: tuple[str, ...]
    removed: dict[str, int]
    ids: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        return {
            "receipt": self.receipt_id,
            "ended_at": self.ended_at,
            "person": self.person,
            "collections": list(self.collections),
            "removed": self.removed,
            "ids": list(self.ids),
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Receipt":
        d = document
        collections = tuple(d["collections"])
        return cls(d["receipt"], d["ended_at"], d["person"], collections, d["removed"], tuple(d["ids"]))


class Journal(Protocol):
    """What was erased, by keyed hashes, and what is being erased, sealed so that only the name opens it."""

    def begin(self, name: str, plan: str) -> None:
        """Keeps the plan until `end`, so that an erasure that was cut off can be finished by naming the person."""
        ...

    def begun(self, name: str) -> str | None:
        """The plan of an erasure of this person that did not end."""
        ...

    def end(self, name: str, ids: Iterable[str], collections: Sequence[str], removed: dict[str, int]) -> Receipt: ...

    def drop(self, name: str) -> None:
        """Takes the plan back: there was nothing to erase."""
        ...

    def of(self, name: str) -> Sequence[Receipt]:
        """Their erasures, oldest first."""
        ...

    def unfinished(self) -> int:
        """How many erasures were begun and did not end."""
        ...
