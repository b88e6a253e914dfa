"""The tables and views that a query sees, and what they are made of.

Below them are the tables of the schema `lake`, one a kind of document, with the document as a struct in `doc` and with
what tells whether a copy of it is still the present one.
"""

# ruff: noqa: S608 (the SQL is put together from our own names only)

import json
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from faceline.analytics.documents import Clip, Processed, RecordRow, Report, shape_of

VERSION = 1  # of the tables in the lake: Parquet of another version is made anew
UNREADABLE = "unreadable"
STAMP = ("size", "mtime_ns", "inode")  # bytes that have the same are the same


class Kind(NamedTuple):
    """document: what it must look like. copied: whether it may be kept as Parquet."""

    document: type[msgspec.Struct]
    copied: bool


KINDS: Mapping[str, Kind] = {
    "processed": Kind(Processed, True),
    "clips": Kind(Clip, True),
    "reports": Kind(Report, True),
    "records": Kind(RecordRow, False),
}


def structure(table: str) -> str:
    """Of a table's documents, for `from_json`."""
    return json.dumps(shape_of(KINDS[table].document))


def _time(text: str) -> str:
    return f"try_cast({text} AS TIMESTAMPTZ)::TIMESTAMP"


_CREATE = "CREATE TABLE lake.{table} AS SELECT * FROM ({columns}) WHERE false"
_COLUMNS = """SELECT ''::VARCHAR AS bucket, ''::VARCHAR AS key, ''::VARCHAR AS etag, 0::BIGINT AS size,
    0::BIGINT AS mtime_ns, 0::UBIGINT AS inode, from_json('null', '{structure}') AS doc"""

_RECORD_COLUMNS = """doc.image_id, {time} AS timestamp, doc.face_id, doc.person, doc.confidence, doc.bounding_box,
    doc.emotions, doc.bucket, doc.key, doc.etag, doc.status, doc.face_number, doc.error"""

VIEWS: Mapping[str, str] = {
    "records": f"SELECT {_RECORD_COLUMNS.format(time=_time('doc.timestamp'))} FROM lake.records",
    "FaceRecognitionResults": "SELECT * FROM records",
    "processed": f"""
        SELECT doc.file.bucket, doc.file.key, doc.file.name, doc.file.etag, doc.file.size,
            {_time("doc.file.time")} AS time, doc.file.width, doc.file.height,
            {_time("doc.processed_at")} AS processed_at, doc.collection, doc.model, len(doc.faces) AS faces, doc.error,
            bucket || '/' || key AS document
        FROM lake.processed""",
    "processed_faces": f"""
        SELECT doc.file.bucket, doc.file.key, number - 1 AS face_number, face.decision, face.name, face.similarity,
            face.threshold, face.confidence, face.box, face.landmarks, face.pose, face.quality,
            face.emotions[1].type AS emotion, face.emotions, face.candidates,
            {_time("doc.processed_at")} AS processed_at
        FROM (
            SELECT doc, unnest(doc.faces) AS face, generate_subscripts(doc.faces, 1) AS number FROM lake.processed)""",
    "clips": f"""
        SELECT doc.source, doc.mode, {_time("doc.processed_at")} AS processed_at, doc.collection, doc.model,
            doc.calibrated, doc.video.duration_s, doc.video.width, doc.video.height, doc.video.fps,
            doc.sampled_frames, len(doc.appearances) AS appearances, doc.names, doc.error,
            bucket || '/' || key AS document
        FROM lake.clips""",
    "appearances": f"""
        SELECT doc.source, seen.number, seen.decision, seen.name, seen.similarity, seen.threshold, seen.first_s,
            seen.last_s, seen.best_frame_s, seen.best_frame, seen.frames, seen.box, seen.candidates,
            {_time("doc.processed_at")} AS processed_at
        FROM (SELECT doc, unnest(doc.appearances) AS seen FROM lake.clips)""",
    "face_match_output": 'SELECT doc.Source AS "source", doc.CustomerID AS customerid, doc.Matches AS matches '
    "FROM lake.reports",
    "matchingstats": """
        SELECT customerid, matched.Similarity AS similarity, matched.CustomerId AS suspect_match
        FROM (SELECT customerid, unnest(matches) AS matched FROM face_match_output)""",
    "reports": """
        SELECT doc.Source AS "source", doc.CustomerID AS customerid, len(doc.Matches) AS matches,
            make_timestamp(mtime_ns // 1000) AS reported_at, bucket || '/' || key AS document
        FROM lake.reports""",
}

# Which documents each name needs; `unreadable` needs all of them, to have been read.
NEEDED: Mapping[str, frozenset[str]] = {
    "records": frozenset({"records"}),
    "facerecognitionresults": frozenset({"records"}),
    "processed": frozenset({"processed"}),
    "processed_faces": frozenset({"processed"}),
    "clips": frozenset({"clips"}),
    "appearances": frozenset({"clips"}),
    "face_match_output": frozenset({"reports"}),
    "matchingstats": frozenset({"reports"}),
    "reports": frozenset({"reports"}),
    UNREADABLE: frozenset(table for table, kind in KINDS.items() if kind.copied),
}


def statements() -> list[str]:
    """What makes all tables, empty, and the views over them."""
    made = ["CREATE SCHEMA lake", f"CREATE TABLE {UNREADABLE} (bucket VARCHAR, key VARCHAR, reason VARCHAR)"]
    for table in KINDS:
        columns = _COLUMNS.format(structure=structure(table))
        made.append(_CREATE.format(table=table, columns=columns))
    return made + [f"CREATE VIEW {name} AS {sql}" for name, sql in VIEWS.items()]
