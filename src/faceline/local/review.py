"""Pairs to look at and what was decided about them in SQLite, beside the gallery; with all tables of the review."""

import sqlite3
from collections.abc import Mapping, Sequence

from faceline.gallery.review import Answer, Counts, Kind, Pair, Reviewed, Suspect, Verdict
from faceline.local.database import Database, Row
from faceline.local.gallery import SqliteCollections, model_in, moment
from faceline.local.journal import recorded

_SUSPECT = "s.person, s.similarity, s.pairs, s.face_a, s.face_b, s.origin, s.found_at"
_VERDICT = "v.answer, v.decided_by, v.note, v.decided_at"
_KNOWN = """EXISTS (SELECT 1 FROM faces f WHERE f.collection = s.collection AND f.person = {0})
            OR EXISTS (SELECT 1 FROM faces f WHERE f.collection = s.collection AND f.external_image_id = {0})"""
_FACE = "EXISTS (SELECT 1 FROM faces f WHERE f.face_id = {0})"
# The unsure last, oldest first; before them the most alike names and the least alike faces.
_PLACE = """COALESCE(v.decided_at, ''), CASE s.kind WHEN 'faces' THEN s.similarity - 100 ELSE -s.similarity END,
            s.a, s.b, s.kind"""
_OPEN = f"""SELECT s.kind, s.a, s.b, {_SUSPECT}, {_VERDICT}
            FROM suspects s LEFT JOIN verdicts v USING (collection, kind, a, b)
            WHERE collection = :collection AND COALESCE(v.answer, 'unsure') = 'unsure'
              AND CASE s.kind WHEN 'faces' THEN {_FACE.format("s.a")} AND {_FACE.format("s.b")}
                  ELSE ({_KNOWN.format("s.a")}) AND ({_KNOWN.format("s.b")}) END
              AND {{after}} ORDER BY {_PLACE} LIMIT :limit"""  # noqa: S608 (only our own words)
_DECIDED = f"""SELECT v.kind, v.a, v.b, {_SUSPECT}, {_VERDICT}
               FROM verdicts v LEFT JOIN suspects s USING (collection, kind, a, b) WHERE collection = :collection"""  # noqa: S608
_ONE = " AND v.kind = :kind AND v.a = :a AND v.b = :b"


class SqliteVerdicts:
    """Implements `gallery.review.Verdicts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, collection: str, suspects: Sequence[Suspect]) -> int:
        with self._database.transaction() as connection:
            model_in(connection, collection)
            return sum(_put(connection, collection, suspect) for suspect in suspects)

    def open(self, collection: str, limit: int, after: Reviewed | None = None) -> Sequence[Reviewed]:
        sql = _OPEN.format(after=f"({_PLACE}) > (:at, :unlike, :a, :b, :kind)" if after else "1")
        return [_reviewed(row) for row in self._rows(sql, collection, {"limit": limit, **_place(after)})]

    def decided(self, collection: str, limit: int, after: Reviewed | None = None) -> Sequence[Reviewed]:
        behind = "AND (v.decided_at < :at OR v.decided_at = :at AND (v.a, v.b, v.kind) > (:a, :b, :kind))"
        sql = f"{_DECIDED} {behind if after else ''} ORDER BY v.decided_at DESC, v.a, v.b, v.kind LIMIT :limit"
        return [_reviewed(row) for row in self._rows(sql, collection, {"limit": limit, **_place(after)})]

    def counts(self, collection: str) -> Counts:
        open_ = f"SELECT COUNT(*), COUNT(answer) FROM ({_OPEN.format(after='1')})"  # noqa: S608 (only our own words)
        ((waiting, unsure),) = self._rows(open_, collection, {"limit": -1})
        sql = "SELECT COUNT(*) FROM verdicts WHERE collection = :collection AND answer <> 'unsure'"
        ((decided,),) = self._rows(sql, collection, {})
        if not waiting and not decided:
            SqliteCollections(self._database).model(collection)
        return Counts(waiting, unsure, decided)

    def get(self, collection: str, pair: Pair) -> Reviewed | None:
        key = {"kind": pair.kind, "a": pair.a, "b": pair.b}
        found = self._rows(_DECIDED + _ONE, collection, key)
        if not found:
            sql = f"""SELECT s.kind, s.a, s.b, {_SUSPECT}, NULL, NULL, NULL, NULL FROM suspects s
                      WHERE collection = :collection AND kind = :kind AND a = :a AND b = :b"""  # noqa: S608 (our own words)
            found = self._rows(sql, collection, key)
        return _reviewed(found[0]) if found else None

    def decide(self, collection: str, verdict: Verdict) -> None:
        pair = verdict.pair
        with self._database.transaction() as connection:
            model_in(connection, collection)
            with recorded(connection, collection, "verdict", verdict.by, (pair.a, pair.b), verdict.answer):
                write_verdict(connection, collection, verdict)

    def _rows(self, sql: str, collection: str, values: Mapping[str, object]) -> list[Row]:
        rows = self._database.rows(sql, {"collection": collection, **values})
        if not rows:
            SqliteCollections(self._database).model(collection)
        return rows


def write_verdict(connection: sqlite3.Connection, collection: str, verdict: Verdict) -> None:
    pair = verdict.pair
    values = (collection, pair.kind, pair.a, pair.b, verdict.answer, verdict.by, verdict.note, verdict.at or moment())
    connection.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _put(connection: sqlite3.Connection, collection: str, suspect: Suspect) -> int:
    """How many rows it made."""
    pair, (face_a, face_b) = suspect.pair, suspect.faces
    key = (collection, pair.kind, pair.a, pair.b)
    what = (suspect.person, suspect.similarity, suspect.pairs, face_a, face_b, suspect.origin)
    sql = """UPDATE suspects SET person = ?, similarity = ?, pairs = ?, face_a = ?, face_b = ?, origin = ?
             WHERE collection = ? AND kind = ? AND a = ? AND b = ?"""
    if connection.execute(sql, (*what, *key)).rowcount:
        return 0
    sql = "INSERT INTO suspects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    return connection.execute(sql, (*key, *what, suspect.found_at or moment())).rowcount


def _place(reviewed: Reviewed | None) -> dict[str, object]:
    """As `_PLACE` says it."""
    if reviewed is None:
        return {}
    pair, suspect, verdict = reviewed.pair, reviewed.suspect, reviewed.verdict
    similarity = suspect.similarity if suspect else 0.0
    unlike = similarity - 100 if pair.kind is Kind.FACES else -similarity
    return {"at": verdict.at if verdict else "", "unlike": unlike, "a": pair.a, "b": pair.b, "kind": pair.kind}


def _reviewed(row: Row) -> Reviewed:
    kind, a, b, person, similarity, pairs, face_a, face_b, origin, found_at, answer, by, note, at = row
    pair = Pair(Kind(kind), a, b)
    suspect = Suspect(pair, similarity, origin, (face_a, face_b), pairs, person, found_at) if origin else None
    return Reviewed(pair, suspect, Verdict(pair, Answer(answer), by, note, at) if answer else None)
