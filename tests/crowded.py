"""A data directory with as many people and entries as a page must bear."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from faceline.activity import SeenFace
from faceline.app import App
from faceline.config import Settings
from faceline.types import BoxInParts
from made import MODEL, new_face, photo, vector

PEOPLE, ENTRIES = 10_000, 100_000
COLLECTION = "my-face-collection"
_BUCKET = "album"
_SHOWN = 200  # of the newest entries the pictures are there


def crowd(data: Path) -> None:
    """Fills it: every person has a face, every entry of a week one too, of nobody every fifth."""
    with App(Settings(data=data)) as app:
        app.collections.create(COLLECTION, MODEL)
        for n in range(ENTRIES - _SHOWN, ENTRIES + 1):
            app.objects.put(_BUCKET, f"{n}.png", photo())
        face_records, _ = app.face_records, app.activity.newest()
        for start in range(0, PEOPLE, 2_000):
            faces = [new_face(f"face-{n}", name(n), vector(n)) for n in range(start, start + 2_000)]
            face_records.add(COLLECTION, faces)
    with closing(sqlite3.connect(data / "state.sqlite")) as state, state:
        _insert(state)


def name(number: int) -> str:
    return f"Person {number:05}"


def _insert(state: sqlite3.Connection) -> None:
    """What `Activity.put` would write, in one step."""
    start = datetime.now(UTC) - timedelta(days=7)
    step_ms = 7 * 86_400_000 // ENTRIES
    first_ms = int(start.timestamp() * 1000)
    rows, details, faces = [], [], []
    for n in range(1, ENTRIES + 1):
        time_ms = first_ms + n * step_ms
        person = name(n % PEOPLE) if n % 5 else None
        status, similarity = ("matched", 80 + n % 200 / 10) if person else ("unknown", n % 700 / 10)
        seen = SeenFace(status, person, f"face-{n % PEOPLE}", similarity, 99.0, BoxInParts(0.2, 0.2, 0.3, 0.4))
        rows.append((n, "photo", time_ms, time_ms, _BUCKET, f"{n}.png", COLLECTION, 20.0, 60.0 + n % 40))
        details.append((n, 640, 480, msgspec.json.encode([seen]).decode()))
        faces.append((n, 0, status, similarity, person, time_ms))
    state.executemany(
        "INSERT INTO activity (position, kind, time_ms, uploaded_ms, bucket, key, collection, waited_ms, took_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    state.executemany("INSERT INTO activity_details (position, width, height, faces) VALUES (?, ?, ?, ?)", details)
    state.executemany(
        "INSERT INTO activity_faces (position, number, status, similarity, person, time_ms) VALUES (?, ?, ?, ?, ?, ?)",
        faces,
    )
