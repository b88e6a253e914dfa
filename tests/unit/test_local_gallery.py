"""The gallery's file: older ones are brought up to date, and no question walks through a whole collection."""

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceline.errors import ConflictError
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import Crop, FaceQuery, NewFace
from faceline.local.database import Database, Parameters, Row, Step
from faceline.local.face_records import SqliteFaceRecords
from faceline.local.gallery import GALLERY, SqliteCollections
from faceline.local.people import SqlitePeople
from faceline.local.tags import SqliteTags
from faceline.types import FaceRecord
from made import MODEL, new_face, record, vector

STAFF, GUESTS = "staff", "guests"
MADE_ID = user_id_of("Ada Lovelace")
LENGTHS = (10, 40, 120, 250)  # of names and labels
SEEDS = (0, 1, 2, 4, 5)
# face_id, collection, generation, person, label, day of January
OLD_FACES = (
    ("1", STAFF, 2, "Ada Lovelace", "Ada Lovelace", 5),
    ("2", STAFF, 3, None, "a label", 6),
    ("3", STAFF, 5, "Ada Lovelace", None, 4),
    ("4", STAFF, 7, "Zoë' --", None, 7),
    ("5", STAFF, 8, MADE_ID, None, 8),  # called what the first one's user id is made as
    ("6", GUESTS, 1, "Ada Lovelace", None, 9),
)


def write_first_schema(path: Path) -> None:
    """A database as faceline 0.1 wrote it."""
    with closing(Database(path, GALLERY[:1])) as database:
        for name, generation in ((STAFF, 9), (GUESTS, 1)):
            database.write("INSERT INTO collections VALUES (?, ?, '2026-01-01T00:00:00.000+00:00')", (name, MODEL))
            database.write("INSERT INTO generations VALUES (?, ?)", (name, generation))
        for face_id, collection, generation, person, label, day in OLD_FACES:
            sql = """INSERT INTO faces VALUES (?, ?, ?, ?, ?, ?, 'a.jpg', '[4.0, 6.0, 20.0, 25.0]',
                     '[[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]', 99.5, '[60.0, 70.0, 20.0, []]', ?, ?)"""
            values = np.asarray(vector(int(face_id)), dtype="<f4").tobytes()
            created = f"2026-01-{day:02}T00:00:00.000+00:00"
            database.write(sql, (face_id, collection, generation, f"image {face_id}", person, label, values, created))
        database.write("INSERT INTO crops VALUES ('1', ?, '[[1.0, 2.0]]')", (b"a picture",))
        database.write("INSERT INTO removed VALUES (?, 9, 'gone')", (STAFF,))


class Watched(Database):
    """Keeps what it was asked."""

    def __init__(self, path: Path, steps: Sequence[Step]) -> None:
        self.asked: list[tuple[str, Parameters]] = []
        super().__init__(path, steps)

    def rows(self, sql: str, parameters: Parameters = (), durable: bool = True) -> list[Row]:
        self.asked.append((sql, parameters))
        return super().rows(sql, parameters, durable)


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Database]:
    write_first_schema(tmp_path / "gallery.sqlite")
    with closing(Database(tmp_path / "gallery.sqlite", GALLERY)) as database:
        yield database


def test_faces_of_the_first_schema_keep_everything_and_get_positions(migrated: Database) -> None:
    records = SqliteFaceRecords(migrated)
    page = records.page(STAFF, 0, 10, FaceQuery())
    assert [(position, found.face_id, found.person, found.external_image_id) for position, found in page] == [
        (generation, face_id, person, label)
        for face_id, collection, generation, person, label, _ in OLD_FACES
        if collection == STAFF
    ]
    assert all(found.embedding.values.tobytes() == vector(int(found.face_id)).tobytes() for _, found in page)
    assert {found.image_size for _, found in page} == {None}
    crop = records.crop(STAFF, "1")
    assert crop is not None
    assert crop.jpeg == b"a picture"
    assert [found.face_id for found in records.find(STAFF, person="a label")] == ["2"]


def test_whoever_follows_a_collection_of_the_first_schema_need_not_begin_again(migrated: Database) -> None:
    records = SqliteFaceRecords(migrated)
    changes = records.changes(STAFF, 7, 10)
    assert (changes.generation, [found.face_id for found in changes.added]) == (9, ["5"])
    assert list(changes.removed) == ["gone"]
    assert records.changes(STAFF, 9, 10).generation == 9


def test_whoever_the_first_schemas_faces_name_is_a_person_now(migrated: Database) -> None:
    people = SqlitePeople(migrated)
    ada, zoe, made = people.page(STAFF, 0, 10)
    assert (ada.name, ada.user_id, ada.faces, ada.position) == ("Ada Lovelace", MADE_ID, 2, 2)
    assert (zoe.name, zoe.user_id, zoe.faces, zoe.position) == ("Zoë' --", user_id_of("Zoë' --"), 1, 7)
    assert (made.name, made.user_id, made.faces, made.position) == (MADE_ID, f"{MADE_ID}.2", 1, 8)
    assert [person.name for person in people.page(GUESTS, 0, 10)] == ["Ada Lovelace"]
    rows = migrated.rows("SELECT created_at FROM people WHERE collection = ? AND name = 'Ada Lovelace'", (STAFF,))
    assert rows == [("2026-01-04T00:00:00.000+00:00",)]
    info = SqliteCollections(migrated).get(STAFF)
    assert (info.faces, info.people, info.users) == (5, 4, 3)


def test_a_migrated_gallery_is_worked_with_as_a_new_one(migrated: Database) -> None:
    records, people, tags = SqliteFaceRecords(migrated), SqlitePeople(migrated), SqliteTags(migrated)
    with pytest.raises(ConflictError, match="Ada Lovelace"):
        people.create(STAFF, "Ada Lovelace", 10)
    records.add(STAFF, [new_face("7", "Grace", vector(7)), new_face("8", MADE_ID, vector(8))])
    assert [position for position, _ in records.page(STAFF, 8, 10, FaceQuery())] == [10, 11]
    assert list(people.associate(STAFF, user_id_of("Grace"), ["2"], 10)) == ["2"]
    assert records.remove(STAFF, ["1", "3"]) == 2
    assert [person.name for person in people.page(STAFF, 0, 10)] == ["Zoë' --", MADE_ID, "Grace"]
    tags.put(STAFF, {"team": "blue"}, 1)
    SqliteCollections(migrated).drop(STAFF)
    assert SqliteCollections(migrated).get(GUESTS).users == 1


def test_a_migrated_gallery_has_the_schema_of_a_new_one(migrated: Database, tmp_path: Path) -> None:
    with closing(Database(tmp_path / "new.sqlite", GALLERY)) as new:
        sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
        assert migrated.rows(sql) == new.rows(sql)
    assert not migrated.rows("PRAGMA foreign_key_check")
    assert migrated.rows("PRAGMA integrity_check") == [("ok",)]


def test_no_question_walks_through_the_faces_of_a_collection(tmp_path: Path) -> None:
    with closing(Watched(tmp_path / "gallery.sqlite", GALLERY)) as database:
        SqliteCollections(database).create(STAFF, MODEL)
        database.asked.clear()
        records, ids = SqliteFaceRecords(database), ["1", "2"]
        for query in (FaceQuery(), FaceQuery("Ada"), FaceQuery(face_ids=ids), FaceQuery("Ada", ids)):
            records.page(STAFF, 1, 10, query)
        records.find(STAFF, person="Ada")
        records.find(STAFF, image_id="an image")
        records.find(STAFF, face_ids=ids)
        SqliteCollections(database).model(STAFF)
        plans = [database.rows(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in tuple(database.asked)]
    assert len(plans) == 8
    steps = [str(row[3]) for plan in plans for row in plan]
    assert [step for step in steps if "faces_by_position (collection=? AND position>?)" in step]
    assert not [step for step in steps if step.startswith("SCAN") and "json_each" not in step]
    assert not [step for step in steps if step.endswith("(collection=?)")]


def made(rng: random.Random) -> FaceRecord:
    """Somebody with a name and a label of any length, or nobody."""
    name, label = ("".join(rng.choices("abcdefghijklmnopqrstuvwxyzé ", k=rng.choice(LENGTHS))) for _ in range(2))
    face = record(
        f"{rng.randrange(1 << 64):016x}", f"n{name}n" if rng.random() < 0.7 else None, vector(rng.getrandbits(60))
    )
    return replace(face, image_id=f"{rng.randrange(1 << 64):016x}", external_image_id=f"l{label}l")


def pieces(face: FaceRecord) -> list[bytes]:
    values = face.embedding.values.tobytes()
    texts = (face.person, face.external_image_id, face.image_id, user_id_of(face.person) if face.person else None)
    return [text.encode() for text in texts if text] + [values[at : at + 64] for at in range(0, len(values) - 63, 64)]


def read_all(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("seed", SEEDS)
def test_no_file_has_a_piece_of_any_deleted_row(tmp_path: Path, seed: int) -> None:
    """With these seeds SQLite leaves copies in pages that it rebalances, whatever `secure_delete` overwrites."""
    rng, faces = random.Random(seed), dict[str, FaceRecord]()
    with closing(Database(tmp_path / "gallery.sqlite", GALLERY)) as database:
        SqliteCollections(database).create(STAFF, MODEL)
        records, people = SqliteFaceRecords(database), SqlitePeople(database)
        for _ in range(150):
            way = rng.choice(("add", "add", "remove", "remove", "unname", "rename"))
            chosen = rng.sample(sorted(faces), 3) if len(faces) > 60 else []
            gone: list[bytes] = []
            if way == "add" or not chosen:
                new = [made(rng) for _ in range(rng.randint(1, 12))]
                records.add(STAFF, [NewFace(each) for each in new])
                faces |= {each.face_id: each for each in new}
            elif way == "remove":
                records.remove(STAFF, chosen)
                gone = [piece for each in chosen for piece in pieces(faces.pop(each))]
            else:
                gone = unname(people, faces, chosen, rng if way == "rename" else None)
            left = read_all(tmp_path) if gone else b""
            assert not [piece for piece in gone if piece in left]
        assert [found.face_id for found in records.find(STAFF)] == list(faces)


def unname(
    people: SqlitePeople, faces: dict[str, FaceRecord], chosen: Sequence[str], anew: random.Random | None
) -> list[bytes]:
    """Takes the people of these faces away, one way or the other. anew: for other names instead. Gives their names."""
    gone = []
    for face_id in chosen:
        name = faces[face_id].person
        if name:
            if anew:
                people.disassociate(STAFF, user_id_of(name), [face_id])
            people.delete(STAFF, user_id_of(name))
            gone += [name.encode(), user_id_of(name).encode()]
        new = f"renamed, {anew.random()}" if anew else None
        if new:
            people.create(STAFF, new, 1000)
            people.associate(STAFF, user_id_of(new), [face_id], 1)
        faces[face_id] = replace(faces[face_id], person=new)
    return gone


def test_many_faces_at_once_leave_nothing_and_a_smaller_file(tmp_path: Path) -> None:
    rng = random.Random(7)
    faces = [made(rng) for _ in range(1200)]
    with closing(Database(tmp_path / "gallery.sqlite", GALLERY)) as database:
        SqliteCollections(database).create(STAFF, MODEL)
        records = SqliteFaceRecords(database)
        crops = [Crop(rng.randbytes(2000), ((1.0, 2.0),) * 5) for _ in faces]
        records.add(STAFF, [NewFace(face, crop) for face, crop in zip(faces, crops, strict=True)])
        bytes_before = (tmp_path / "gallery.sqlite").stat().st_size
        assert records.remove(STAFF, [face.face_id for face in faces[:1000]]) == 1000
        left = read_all(tmp_path)
        assert not [face for face in faces[:1000] if any(piece in left for piece in pieces(face))]
        assert not [crop for crop in crops[:1000] if crop.jpeg[:64] in left or crop.jpeg[-64:] in left]
        assert [found.face_id for found in records.find(STAFF)] == [face.face_id for face in faces[1000:]]
        assert (tmp_path / "gallery.sqlite").stat().st_size < bytes_before / 4


def test_a_deletion_takes_the_backup_of_the_migration_along(migrated: Database, tmp_path: Path) -> None:
    assert (tmp_path / "gallery.sqlite.v1.bak").exists()
    SqliteFaceRecords(migrated).remove(STAFF, ["absent"])
    assert (tmp_path / "gallery.sqlite.v1.bak").exists()
    SqliteFaceRecords(migrated).remove(STAFF, ["4"])
    assert not (tmp_path / "gallery.sqlite.v1.bak").exists()
    assert "Zoë' --".encode() not in read_all(tmp_path)
