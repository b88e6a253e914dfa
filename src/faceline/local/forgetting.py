"""What the databases keep of an erased person beside rows that are theirs: messages, receipts, marks, tombstones."""

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from faceline.called import Keys, message_says, outcome_texts
from faceline.erasure import Gone, placed, spelled, standing
from faceline.gallery.concealed import concealed
from faceline.gallery.names import user_id_of
from faceline.local.database import Database

_TABLES = {  # the key of a row, and the texts in it
    "messages": ("id", ("body", "reason", "deduplication_id")),
    "sent": ("rowid", ("deduplication_id",)),
    "receipts": ("event_id", ("event_id", "result")),
    "FaceRecognitionResults": ("rowid", ("key", "image_id", "error")),
}
_OF_OBJECTS = {"event_id", "key", "image_id", "deduplication_id"}  # texts that say where an object lies
_CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Naming:
    """Whether a text says who is being forgotten: an id anywhere, an object of theirs whole, the name by itself.

    others: names of other people. Where one says it as a part, as `Ann Lee` says `Ann`, or is the same but for case and
    separators, as `ann`, a mention of it, in the latter case as it is spelled, is no mention of Ann.
    """

    gone: Gone
    others: frozenset[str] = field(default=frozenset())

    def test(self) -> Callable[[str], bool]:
        words = {self.gone.name, user_id_of(self.gone.name), user_id_of(self.gone.name, 255)}
        name = standing(words if self.gone.everywhere else ())
        others = [other for other in self.others - {self.gone.name} if name.search(other)]
        masked = [other for other in others if not name.fullmatch(other)]
        masks = [standing(masked)] if masked else []
        masks += [_as_spelled(other, self.gone.name) for other in others if name.fullmatch(other)]
        ids, places = self._ids(), self._places()
        place = placed(places)

        def says(text: str) -> bool:
            if any(word in text for word in ids) or (any(word in text for word in places) and place.search(text)):
                return True
            for mask in masks:
                text = mask.sub(" ", text) if name.search(text) else text
            return name.search(text) is not None

        return says

    def test_key(self, keys: Keys) -> Callable[[str], bool]:
        """As `test`, of keys and events' ids: what says where an object lies, or its number, does not name anybody."""
        says = self.test()
        theirs = Naming(replace(self.gone, everywhere=False)).test()
        return lambda key: theirs(key) or keys.mentions(key, says)

    def _ids(self) -> frozenset[str]:
        return _written(self.gone.words - {self.gone.name})

    def _places(self) -> frozenset[str]:
        return _written(self.gone.sources | keys_of(self.gone))


def _written(words: frozenset[str]) -> frozenset[str]:
    """As they are, as JSON has them and as events do; without short ones, which stand in anything."""
    every = words | {json.dumps(word)[1:-1] for word in words} | {quote_plus(word, safe="/") for word in words}
    return frozenset(word for word in every if len(word) >= 4)


def _as_spelled(other: str, name: str) -> re.Pattern[str]:
    """Finds a name that differs from another only in case or separators, with its user ids, and never the other."""

    def found(word: str) -> str:
        return re.escape(word) if re.fullmatch(spelled(word), name) else spelled(word)

    words = sorted({user_id_of(other), user_id_of(other, 255), other}, key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(found, words))})(?![^\W_])")


def keys_of(gone: Gone) -> frozenset[str]:
    """Of the objects among its sources; the others are paths of the user's."""
    return frozenset(source.partition("/")[2] for source in gone.sources if not source.startswith("/")) - {""}


class SqliteState:
    """Implements `erasure.Forgets` for messages, receipts and marks of objects in state.sqlite.

    others: names of those who are known beside the person, in whatever collection. keys: what a key says of a person.
    """

    def __init__(self, database: Database, keys: Keys, others: Callable[[], frozenset[str]] = frozenset) -> None:
        self._database, self._keys, self._others = database, keys, others

    def forget(self, gone: Gone) -> int:
        """Deletes rows whose texts name the person or an object of theirs."""
        naming = Naming(gone, self._others())
        says, key_says = naming.test(), naming.test_key(self._keys)
        with self._database.erasing() as (connection, traces):
            count = 0
            for table in _TABLES:
                for found in list(_found(connection, table, says, key_says)):
                    count += _delete(connection, table, found, traces)
            count += _forget_marks(connection, gone, self._calls(gone), traces)
            count += _forget_jobs(connection, gone, says, traces)
            traces.extend(sorted(word.encode() for word in gone.words | gone.sources | keys_of(gone) if word))
        return count

    def _calls(self, gone: Gone) -> Callable[[str], bool]:
        """Whether a key says the person; the same key in another bucket is another object."""
        return Naming(replace(gone, sources=frozenset()), self._others()).test_key(self._keys)

    def expire(self, bucket: str, before: str) -> int:
        """Deletes records and receipts of photos of this bucket that were worked on before that time; how many."""
        old = "SELECT DISTINCT key FROM FaceRecognitionResults WHERE bucket = ? AND unix_time < ?"
        records = "DELETE FROM FaceRecognitionResults WHERE bucket = ? AND key = ?"
        receipts = "DELETE FROM receipts WHERE result IS NOT NULL AND event_id >= ? AND event_id < ?"
        count = 0
        with self._database.erasing() as (connection, traces):
            unix = datetime.fromisoformat(before).timestamp()
            keys = [key for (key,) in connection.execute(old, (bucket, unix))]
            for key in keys:
                count += connection.execute(records, (bucket, key)).rowcount
                # An event's id is bucket/key@etag, and A follows @.
                connection.execute(receipts, (f"{bucket}/{key}@", f"{bucket}/{key}A"))
                traces.append(f"{bucket}{key}".encode())
            _disown(connection, bucket, frozenset(keys), traces)
        return count

    def in_hand(self) -> frozenset[str]:
        """The tokens of claims that workers hold now: what they read before they may write yet."""
        sql = "SELECT token FROM receipts WHERE result IS NULL AND expires_at > ?"
        return frozenset(str(token) for (token,) in self._database.rows(sql, (time.time(),)))


class SqliteTombstones:
    """Implements `erasure.Forgets` for the ids of removed faces, which other processes may have yet to hear of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget(self, gone: Gone) -> int:
        sql = "UPDATE removed SET face_id = ? WHERE face_id = ?"
        with self._database.erasing() as (connection, traces):
            count = 0
            for face_id in sorted(gone.face_ids):
                changed = connection.execute(sql, (concealed(face_id), face_id)).rowcount
                traces.extend([face_id.encode()] if changed else [])
                count += changed
        return count


class EmptyFolders:
    """Implements `erasure.Forgets` for folders of buckets that are called like the person and hold nothing any more."""

    def __init__(self, root: Path, others: Callable[[], frozenset[str]] = frozenset) -> None:
        self._root, self._others = root, others

    def forget(self, gone: Gone) -> int:
        says = Naming(gone, self._others()).test()
        theirs = [Path(folder) for folder, _, _ in os.walk(self._root, topdown=False) if says(Path(folder).name)]
        return sum(_removed(folder) for folder in theirs)


def _disown(connection: sqlite3.Connection, bucket: str, keys: frozenset[str], traces: list[bytes]) -> None:
    """Frees the names of results that photos of these keys own (`pipelines.owning`)."""
    owned = "SELECT event_id, result FROM receipts WHERE event_id >= ? AND event_id < ?"
    for event_id, key in connection.execute(owned, (f"owner:{bucket}/", f"owner:{bucket}0")).fetchall():  # 0 follows /
        if key in keys:
            traces.append(event_id.encode())
            connection.execute("DELETE FROM receipts WHERE event_id = ?", (event_id,))


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # others' objects are in it
        return False
    return True


def _found(
    connection: sqlite3.Connection, table: str, says: Callable[[str], bool], key_says: Callable[[str], bool]
) -> Iterator[tuple[tuple[Any, ...], tuple[str, ...]]]:
    """The keys and texts of rows that say it."""
    keys, texts = _keys_of(table), _TABLES[table][1]
    said = partial(_row_says, table, says, key_says)
    cursor = connection.execute(f"SELECT {', '.join((*keys, *texts))} FROM {table}")  # noqa: S608 (our own words)
    while rows := cursor.fetchmany(_CHUNK):
        for row in rows:
            values = row[len(keys) :]
            if said(dict(zip(texts, (value or "" for value in values), strict=True))):
                yield row[: len(keys)], tuple(text for text in values if text)


def _row_says(
    table: str, says: Callable[[str], bool], key_says: Callable[[str], bool], texts: Mapping[str, str]
) -> bool:
    if any(key_says(text) for name, text in texts.items() if name in _OF_OBJECTS):
        return True
    if table == "messages":
        return message_says(texts["body"], texts["reason"], says, key_says)
    if table == "receipts":
        return _outcome_says(texts["result"], says, key_says)
    return any(says(text) for name, text in texts.items() if name not in _OF_OBJECTS)


def _outcome_says(outcome: str, says: Callable[[str], bool], key_says: Callable[[str], bool]) -> bool:
    keys, others = outcome_texts(outcome)
    return any(map(key_says, keys)) or any(map(says, others))


def _keys_of(table: str) -> tuple[str, ...]:
    return ("queue", "deduplication_id") if table == "sent" else (_TABLES[table][0],)


def _delete(
    connection: sqlite3.Connection, table: str, found: tuple[tuple[Any, ...], tuple[str, ...]], traces: list[bytes]
) -> int:
    keys, said = found
    conditions = " AND ".join(f"{key} = ?" for key in _keys_of(table))
    traces += [part for text in said for part in (text.encode()[:64], text.encode()[-64:])]
    return connection.execute(f"DELETE FROM {table} WHERE {conditions}", keys).rowcount  # noqa: S608 (our own words)


def _forget_marks(connection: sqlite3.Connection, gone: Gone, says: Callable[[str], bool], traces: list[bytes]) -> int:
    """Of objects that are theirs; marks of others, whose keys happen to say the name, go when the file is gone."""
    count = 0
    for bucket, key in connection.execute("SELECT bucket, key FROM objects").fetchall():
        if f"{bucket}/{key}" in gone.sources or says(key):
            traces.append(key.encode())
            count += connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key)).rowcount
    return count


def _forget_jobs(connection: sqlite3.Connection, gone: Gone, says: Callable[[str], bool], traces: list[bytes]) -> int:
    """Jobs on clips that are theirs go; from others go the matches with their faces, and what was seen of them."""
    count = 0
    for job_id, token, task, outcome in connection.execute(
        "SELECT job_id, token, task, outcome FROM video_jobs"
    ).fetchall():
        if says(task) or says(token or ""):
            traces += [task.encode(), (token or job_id).encode()]
            count += connection.execute("DELETE FROM video_jobs WHERE job_id = ?", (job_id,)).rowcount
        elif outcome and any(face_id in outcome for face_id in gone.face_ids):
            traces.append(outcome.encode())
            _clean_job(connection, job_id, json.loads(outcome), gone)
            count += 1
    return count


def _clean_job(connection: sqlite3.Connection, job_id: str, outcome: dict[str, Any], gone: Gone) -> None:
    for number, matches in list(outcome["matches"].items()):
        left = [match for match in matches if match["face_id"] not in gone.face_ids]
        if left == matches:
            continue
        outcome["matches"][number] = left
        if not left or matches[0]["face_id"] in gone.face_ids:
            sql = "DELETE FROM video_sightings WHERE job_id = ? AND person = ?"
            connection.execute(sql, (job_id, int(number)))
    connection.execute("UPDATE video_jobs SET outcome = ? WHERE job_id = ?", (json.dumps(outcome), job_id))
