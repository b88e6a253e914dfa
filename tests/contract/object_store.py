"""What every object store must do. A subclass gives the fixtures `objects` and `connect`."""

import hashlib
import io
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import BinaryIO, cast

import pytest

from faceline.errors import InputError, NotFoundError, ObjectKeyError
from faceline.ports import ObjectStore

BUCKET = "face-input-bucket"
SIZE = 3_000_000
_SPAWN = multiprocessing.get_context("spawn")
Connect = Callable[[], AbstractContextManager[ObjectStore]]

GOOD_KEYS = (
    "a.jpg",
    "input/2026/01/a.jpg",
    "input/two words.jpg",
    "input/a+b.jpg",
    "input/100%25.jpg",
    "input/ünïcødé 写真 👤.jpg",
    "input/...jpg",
    "input/a..b/.hidden",
    "é" * 127,
)
BAD_KEYS = (
    "",
    "/etc/passwd",
    "..",
    "../a.jpg",
    "input/../../a.jpg",
    "input/..",
    ".",
    "./a.jpg",
    "input/./a.jpg",
    "input//a.jpg",
    "input/",
    "input\\a.jpg",
    "..\\a.jpg",
    "nul\x00.jpg",
    "line\nbreak.jpg",
    "delete\x7f.jpg",
    "control\x85.jpg",
    "lone-surrogate-\udc80.jpg",
    "x/" * 512 + "x",
    "é" * 128,
    ".faceline-tmp-1",
    "input/.faceline-tmp-1/a.jpg",
)
BAD_BUCKETS = (
    "",
    "ab",
    "a" * 64,
    "Photos",
    "my_photos",
    "..",
    "a..b",
    "-ab",
    "ab-",
    "a/b",
    "../photos",
    ".faceline",
    "ab\n",
)


class Stalling(io.RawIOBase):
    """Gives some bytes, then says so and never gives more."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._given = pipe, 0

    def read(self, size: int = -1) -> bytes:
        self._given += 1
        if self._given > 3:
            self._pipe.send("stalled")
            signal.pause()
        return b"new " * 1000


def put_and_stall(connect: Connect, pipe: Connection) -> None:
    """Run in another process: an upload that never ends."""
    with connect() as objects:
        objects.put(BUCKET, "input/a.jpg", cast(BinaryIO, Stalling(pipe)))


def put_often(connect: Connect, letter: bytes) -> None:
    """Run in another process: writes one key again and again."""
    with connect() as objects:
        for _ in range(15):
            objects.put(BUCKET, "input/a.jpg", letter * SIZE)


class ObjectStoreContract:
    @pytest.fixture
    def objects(self) -> ObjectStore:
        """The adapter, with an empty bucket BUCKET."""
        raise NotImplementedError

    @pytest.fixture
    def connect(self) -> Connect:
        """Opens the same store in another process; it must be possible to pickle it."""
        raise NotImplementedError

    @pytest.mark.parametrize("key", GOOD_KEYS, ids=ascii)
    def test_an_object_is_read_as_it_was_written(self, objects: ObjectStore, key: str) -> None:
        put = objects.put(BUCKET, key, b"some bytes")
        got, data = objects.get(BUCKET, key, 100)
        assert data == b"some bytes"
        assert (put.bucket, put.key, put.size) == (BUCKET, key, 10)
        assert put.etag == hashlib.md5(b"some bytes").hexdigest()
        assert put == got == objects.head(BUCKET, key)
        assert list(objects.list(BUCKET)) == [put]

    def test_an_empty_object_is_an_object(self, objects: ObjectStore) -> None:
        assert objects.put(BUCKET, "empty", b"").size == 0
        assert objects.get(BUCKET, "empty", 0)[1] == b""

    def test_a_stream_is_written_whole(self, objects: ObjectStore) -> None:
        data = os.urandom(SIZE)
        info = objects.put(BUCKET, "big", io.BytesIO(data))
        assert (info.size, info.etag) == (SIZE, hashlib.md5(data).hexdigest())
        assert objects.get(BUCKET, "big", SIZE)[1] == data

    def test_it_is_streamed_from_any_byte_on(self, objects: ObjectStore) -> None:
        data = os.urandom(SIZE)
        objects.put(BUCKET, "big", data)
        for start in (0, 1, SIZE - 1, SIZE):
            assert b"".join(objects.stream(BUCKET, "big", start)) == data[start:]

    def test_new_bytes_replace_the_old(self, objects: ObjectStore) -> None:
        first = objects.put(BUCKET, "a.jpg", b"first")
        second = objects.put(BUCKET, "a.jpg", b"other")
        assert first.etag != second.etag == objects.head(BUCKET, "a.jpg").etag
        assert objects.get(BUCKET, "a.jpg", 100)[1] == b"other"

    def test_an_object_over_the_limit_is_refused_with_both_sizes(self, objects: ObjectStore) -> None:
        objects.put(BUCKET, "a.jpg", b"12345")
        with pytest.raises(InputError, match=r"5 bytes.*4"):
            objects.get(BUCKET, "a.jpg", 4)
        assert objects.get(BUCKET, "a.jpg", 5)[1] == b"12345"

    @pytest.mark.parametrize("key", ["absent.jpg", "absent/a.jpg", "a.jpg/b", "folder"])
    def test_an_absent_object_is_named(self, objects: ObjectStore, key: str) -> None:
        objects.put(BUCKET, "a.jpg", b"a")
        objects.put(BUCKET, "folder/b.jpg", b"b")
        with pytest.raises(NotFoundError, match=key):
            objects.get(BUCKET, key, 100)
        with pytest.raises(NotFoundError, match=key):
            objects.head(BUCKET, key)

    def test_an_absent_bucket_is_named(self, objects: ObjectStore) -> None:
        with pytest.raises(NotFoundError, match="no-such-bucket"):
            objects.get("no-such-bucket", "a.jpg", 100)
        with pytest.raises(NotFoundError, match="no-such-bucket"):
            list(objects.list("no-such-bucket"))

    @pytest.mark.parametrize("key", BAD_KEYS, ids=lambda key: ascii(key)[:40])
    def test_a_bad_key_is_refused_by_every_verb(self, objects: ObjectStore, key: str) -> None:
        with pytest.raises(ObjectKeyError):
            objects.put(BUCKET, key, b"bytes")
        with pytest.raises(ObjectKeyError):
            objects.get(BUCKET, key, 100)
        with pytest.raises(ObjectKeyError):
            objects.head(BUCKET, key)
        with pytest.raises(ObjectKeyError):
            objects.delete(BUCKET, key)
        assert list(objects.list(BUCKET)) == []

    @pytest.mark.parametrize("bucket", BAD_BUCKETS, ids=lambda bucket: ascii(bucket)[:40])
    def test_a_bad_bucket_name_is_refused_by_every_verb(self, objects: ObjectStore, bucket: str) -> None:
        with pytest.raises(ObjectKeyError):
            objects.put(bucket, "a.jpg", b"bytes")
        with pytest.raises(ObjectKeyError):
            objects.get(bucket, "a.jpg", 100)
        with pytest.raises(ObjectKeyError):
            objects.head(bucket, "a.jpg")
        with pytest.raises(ObjectKeyError):
            objects.delete(bucket, "a.jpg")
        with pytest.raises(ObjectKeyError):
            list(objects.list(bucket))

    def test_objects_are_listed_by_whole_key(self, objects: ObjectStore) -> None:
        keys = ["a.jpg", "a/b", "a/b.c/d", "a/b/c", "a0", "b", "é", "写真"]
        put = [key for key in reversed(keys) if key != "a/b"]
        for key in put:
            objects.put(BUCKET, key, b"x")
        assert [info.key for info in objects.list(BUCKET)] == sorted(put)

    @pytest.mark.parametrize(
        ("prefix", "keys"),
        [
            ("input/", ["input/a.jpg", "input/b/c.jpg"]),
            ("input/b", ["input/b/c.jpg"]),
            ("inp", ["input/a.jpg", "input/b/c.jpg", "inputs.txt"]),
            ("input/b/c.jpg", ["input/b/c.jpg"]),
            ("nothing", []),
        ],
    )
    def test_a_prefix_limits_the_listing(self, objects: ObjectStore, prefix: str, keys: list[str]) -> None:
        for key in ("input/a.jpg", "input/b/c.jpg", "inputs.txt", "processed/a.json"):
            objects.put(BUCKET, key, b"x")
        assert [info.key for info in objects.list(BUCKET, prefix)] == keys

    def test_a_deleted_object_is_gone_and_may_be_deleted_again(self, objects: ObjectStore) -> None:
        objects.put(BUCKET, "input/a.jpg", b"a")
        objects.put(BUCKET, "input/b.jpg", b"b")
        objects.delete(BUCKET, "input/a.jpg")
        objects.delete(BUCKET, "input/a.jpg")
        objects.delete(BUCKET, "absent/a.jpg")
        assert [info.key for info in objects.list(BUCKET)] == ["input/b.jpg"]

    def test_a_stream_that_fails_leaves_the_old_object(self, objects: ObjectStore) -> None:
        class Failing(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell():
                    raise ConnectionError("the client went away")
                return super().read(2)

        objects.put(BUCKET, "a.jpg", b"old")
        with pytest.raises(InputError, match="the client went away"):
            objects.put(BUCKET, "a.jpg", Failing(b"new bytes"))
        assert objects.get(BUCKET, "a.jpg", 100)[1] == b"old"
        assert [info.key for info in objects.list(BUCKET)] == ["a.jpg"]

    @pytest.mark.parametrize("old", [None, b"old"])
    def test_a_writer_killed_within_a_put_leaves_no_part(
        self, objects: ObjectStore, connect: Connect, old: bytes | None
    ) -> None:
        if old:
            objects.put(BUCKET, "input/a.jpg", old)
        ours, theirs = _SPAWN.Pipe()
        writer = _SPAWN.Process(target=put_and_stall, args=(connect, theirs))
        writer.start()
        with ours, theirs:
            assert ours.recv() == "stalled"
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        writer.close()
        left = [objects.get(BUCKET, info.key, SIZE)[1] for info in objects.list(BUCKET)]
        assert left == ([old] if old else [])

    def test_two_writers_of_one_key_never_give_a_mixture(self, objects: ObjectStore, connect: Connect) -> None:
        objects.put(BUCKET, "input/a.jpg", b"z" * SIZE)
        with ProcessPoolExecutor(2, mp_context=_SPAWN) as pool:
            writers = [pool.submit(put_often, connect, letter) for letter in (b"a", b"b")]
            while not all(writer.done() for writer in writers):
                info, data = objects.get(BUCKET, "input/a.jpg", SIZE)
                assert data == data[:1] * SIZE
                assert info.etag == hashlib.md5(data).hexdigest()
            for writer in writers:
                writer.result()
        assert len(list(objects.list(BUCKET))) == 1
