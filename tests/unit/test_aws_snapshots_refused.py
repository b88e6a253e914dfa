"""Snapshots in the bucket that are damaged, made up, or of another state table: the table says what is true."""

import json
import logging
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from faceline.aws import snapshots
from faceline.aws.face_snapshot import Pieces, from_bytes, to_bytes
from faceline.errors import StorageError
from faceline.gallery.collection import Collection
from faceline.similarity import Rule
from gallery_on_aws import KEY, SCORER, SMALL, STAFF, Place, followed, made_place, people, restored
from made import MODEL, face, vector


@pytest.fixture
def place(aws: str) -> Place:
    made = made_place(aws)
    made.collections().create(STAFF, MODEL)
    return made


Damage = Callable[[list[bytes]], object]
"""Of the parts: mark, generation, generations, those of who went, then faces, embeddings, who went, each with ends."""

DAMAGES: dict[str, Damage] = {
    "no generation": lambda parts: parts.__setitem__(1, b""),
    "two generations": lambda parts: parts.__setitem__(1, parts[1] * 2),
    "half a number": lambda parts: parts.__setitem__(2, parts[2][:-4]),
    "a face too few": lambda parts: parts.__setitem__(2, parts[2][:-8]),
    "no generations": lambda parts: parts.__setitem__(2, b""),
    "generations in disorder": lambda parts: parts.__setitem__(2, parts[2][8:] + parts[2][:8]),
    "a generation to come": lambda parts: parts.__setitem__(2, parts[2][:-8] + (7).to_bytes(8, "little")),
    "a generation below zero": lambda parts: parts.__setitem__(2, b"\xff" * 8 + parts[2][8:]),
    "an end too few": lambda parts: parts.__setitem__(5, parts[5][:-8]),
    "an end below zero": lambda parts: parts.__setitem__(5, b"\xff" * 8 + parts[5][8:]),
    "an end beyond the end": lambda parts: parts.__setitem__(5, parts[5][:-8] + b"\xff" * 7 + b"\x7f"),
    "faces cut off": lambda parts: parts.__setitem__(4, parts[4][:-1]),
    "a shortened embedding": lambda parts: parts.__setitem__(
        7, (int.from_bytes(parts[7][:8], "little") - 4).to_bytes(8, "little") + parts[7][8:]
    ),
    "who went, without a generation": lambda parts: parts.__setitem__(slice(8, 10), [b"x", (1).to_bytes(8, "little")]),
    "a mark that is no text": lambda parts: parts.__setitem__(0, b"\xff"),
    "a part too many": lambda parts: parts.append(b""),
    "a part too few": list[bytes].pop,
}


def parts_of(data: bytes) -> list[bytes]:
    parts, left = list[bytes](), data.removeprefix(b"faceline faces 2\n")[:-4]
    while left:
        end = 8 + int.from_bytes(left[:8], "little")
        parts.append(left[8:end])
        left = left[end:]
    return parts


def of_parts(parts: list[bytes]) -> bytes:
    data = b"faceline faces 2\n" + b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return data + zlib.crc32(data).to_bytes(4, "little")


def put_face(place: Place, row: int, junk: bytes | str) -> None:
    """In the snapshot, whole in all else."""
    snapshot = from_bytes(place.objects()[KEY])
    bodies = [snapshot.faces[each] for each in range(len(snapshot))]
    match junk:
        case bytes():
            bodies[row] = junk
        case "another type":
            bodies[row] = json.dumps(json.loads(bodies[row]) | {"person": {}}).encode()
        case _:
            bodies[row] = json.dumps(json.loads(bodies[row]) | {"image_size": []}).encode()
    data = to_bytes(replace(snapshot, faces=Pieces.of(bodies)))
    place.clients.s3.put_object(Bucket=place.bucket, Key=KEY, Body=data)


def made_anew(place: Place) -> Place:
    """The bucket is the same."""
    new = replace(made_place(place.table), bucket=place.bucket)
    new.collections().create(STAFF, MODEL)
    return new


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
    def test_a_snapshot_whose_parts_do_not_fit_is_replaced_from_the_table(
        self, place: Place, caplog: pytest.LogCaptureFixture, damage: Damage
    ) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        parts = parts_of(place.objects()[KEY])
        damage(parts)
        place.clients.s3.put_object(Bucket=place.bucket, Key=KEY, Body=of_parts(parts))
        with caplog.at_level(logging.WARNING):
            assert len(followed(place.records(SMALL))) == 6
        assert "the snapshot of collection staff is not used: the snapshot is damaged" in caplog.text
        assert len(from_bytes(place.objects()[KEY])) == 6

    @pytest.mark.parametrize("junk", [b"[" * 50_000, b"{}", b"5", b"\xff", "another type", "no size"])
    @pytest.mark.parametrize("limit", [1, 100])
    def test_junk_for_a_face_in_a_snapshot_is_replaced_from_the_table(
        self, place: Place, caplog: pytest.LogCaptureFixture, junk: bytes | str, limit: int
    ) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        put_face(place, 3, junk)
        with caplog.at_level(logging.WARNING):
            assert len(followed(place.records(SMALL), limit)) == 6
        assert "the snapshot of collection staff is not used any more: a face record is damaged" in caplog.text
        assert len(followed(place.records(SMALL))) == 6
        assert len(from_bytes(place.objects()[KEY])) == 6

    def test_junk_for_a_face_does_not_keep_a_snapshot_from_going_on(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        put_face(place, 3, b"[" * 50_000)
        place.records().add(STAFF, people(range(6, 12)))
        with caplog.at_level(logging.WARNING):
            assert len(followed(place.records(SMALL))) == 12
        assert "is not used: a face of the snapshot is damaged" in caplog.text
        assert len(from_bytes(place.objects()[KEY])) == 12

    def test_a_snapshot_that_is_far_too_large_is_not_loaded_and_is_replaced(
        self, place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.records().add(STAFF, people(range(6)))
        place.clients.s3.put_object(Bucket=place.bucket, Key=KEY, Body=b"faceline faces 2\n" + bytes(100_000))
        with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
            patched.setattr(snapshots, "from_bytes", lambda data: pytest.fail(f"{len(data)} bytes were loaded"))
            assert len(followed(place.records(SMALL))) == 6
        assert "100,017 bytes are too many for 6 changes" in caplog.text
        assert len(from_bytes(place.objects()[KEY])) == 6

    def test_a_part_that_says_it_is_a_petabyte_takes_no_memory(self) -> None:
        data = b"faceline faces 2\n" + (10**15).to_bytes(8, "little") + b"mark"
        with pytest.raises(StorageError, match="not as long as they say"):
            from_bytes(data + zlib.crc32(data).to_bytes(4, "little"))

    def test_a_removal_is_done_whatever_the_snapshot_says_of_its_generation(self, place: Place) -> None:
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        place.records().remove(STAFF, ["face 2"])
        data = place.objects()[KEY]
        assert vector(2).tobytes() in data
        place.clients.s3.put_object(Bucket=place.bucket, Key=KEY, Body=data, Metadata={"generation": "junk"})
        assert place.records(SMALL).remove(STAFF, ["face 2"]) == 0
        assert vector(2).tobytes() not in place.objects()[KEY]


class TestAnotherTable:
    """The state table is made anew, or restored to an earlier moment, and the work bucket is as it was."""

    @pytest.mark.parametrize("faces", [5, 6, 9])
    def test_a_snapshot_of_a_table_before_is_not_believed_and_is_replaced(
        self, place: Place, caplog: pytest.LogCaptureFixture, faces: int
    ) -> None:
        """faces: of the new table; the snapshot has 6."""
        place.records().add(STAFF, people(range(6)))
        followed(place.records(SMALL))
        new = made_anew(place)
        new.records().add(STAFF, people(range(20, 20 + faces)))
        with caplog.at_level(logging.WARNING):
            assert followed(new.records(SMALL)) == {f"face {n}" for n in range(20, 20 + faces)}
        assert "is not of this table's faces" in caplog.text
        assert len(from_bytes(new.objects()[KEY])) == faces
        assert vector(3).tobytes() not in new.stored()

    @pytest.mark.parametrize("later", [1, 3, 6])
    def test_a_snapshot_of_what_came_after_the_moment_of_a_restore_is_not_believed(
        self, place: Place, later: int
    ) -> None:
        """later: how many faces come after the restore; 3 had come before it."""
        place.records().add(STAFF, people(range(4)))
        then = place.items()
        place.records().add(STAFF, people(range(4, 7)))
        followed(place.records(SMALL))
        restored(place, then)
        place.records().add(STAFF, people(range(20, 20 + later)))
        assert followed(place.records(SMALL)) == {f"face {n}" for n in (*range(4), *range(20, 20 + later))}
        assert len(from_bytes(place.objects()[KEY])) == 4 + later

    @pytest.mark.parametrize("faces", [0, 3])
    @pytest.mark.parametrize("min_changes", [SMALL, 1000])
    def test_who_knows_a_table_before_begins_anew_with_the_new_one(
        self, place: Place, faces: int, min_changes: int
    ) -> None:
        there = Collection(STAFF, place.records(min_changes), SCORER, Rule())
        place.records().add(STAFF, people(range(6)))
        assert there.faces() == 6
        restored(place, [])
        place.collections().create(STAFF, MODEL)
        place.records().add(STAFF, people(range(20, 20 + faces)))
        assert there.faces() == faces
        place.records().add(STAFF, people([30]))
        assert there.identify([face(vector(30))])[0].name == "person 30"
        assert there.embedding_of("face 1") is None
