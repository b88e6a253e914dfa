"""Buckets on a disk that people also use with other programs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from faceline.errors import ConflictError, NotFoundError, ObjectKeyError, StorageError
from faceline.local import objects as module
from faceline.local.database import Database
from faceline.local.index import ObjectIndex
from faceline.local.objects import Objects
from faceline.local.schema import STATE
from faceline.object_keys import TEMP_PREFIX


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    database = Database(tmp_path / "state.sqlite", STATE)
    (tmp_path / "buckets").mkdir()
    objects = Objects(tmp_path / "buckets", ObjectIndex(database))
    objects.make_bucket("photos")
    yield objects
    database.close()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    return folder


def test_an_object_is_an_ordinary_file_in_its_place(objects: Objects) -> None:
    objects.put("photos", "input/two words.jpg", b"bytes")
    assert (objects.root / "photos" / "input" / "two words.jpg").read_bytes() == b"bytes"


def test_nothing_to_write_into_is_a_failure_of_the_storage_and_no_upload_that_is_gone(objects: Objects) -> None:
    (objects.root / "photos").rmdir()
    objects.root.rmdir()
    with pytest.raises(StorageError, match=r"cannot write photos/a\.jpg"):
        objects.put("photos", "a.jpg", b"bytes")


def test_a_file_that_somebody_dropped_in_is_an_object(objects: Objects) -> None:
    (objects.root / "photos" / "dropped.jpg").write_bytes(b"bytes")
    assert objects.get("photos", "dropped.jpg", 10)[1] == b"bytes"
    assert [info.key for info in objects.list("photos")] == ["dropped.jpg"]


def test_a_link_to_a_file_is_refused_and_not_listed(objects: Objects, outside: Path) -> None:
    (objects.root / "photos" / "link.jpg").symlink_to(outside / "secret.txt")
    with pytest.raises(ObjectKeyError, match="link"):
        objects.get("photos", "link.jpg", 100)
    with pytest.raises(ObjectKeyError, match="link"):
        objects.head("photos", "link.jpg")
    assert list(objects.list("photos")) == []


def test_putting_over_a_link_replaces_the_link_and_not_what_it_points_to(objects: Objects, outside: Path) -> None:
    (objects.root / "photos" / "link.jpg").symlink_to(outside / "secret.txt")
    objects.put("photos", "link.jpg", b"new")
    assert (outside / "secret.txt").read_text() == "secret"
    assert objects.get("photos", "link.jpg", 100)[1] == b"new"


def test_a_link_to_a_folder_is_refused_by_every_verb(objects: Objects, outside: Path) -> None:
    (objects.root / "photos" / "input").symlink_to(outside)
    with pytest.raises(ObjectKeyError, match="link"):
        objects.get("photos", "input/secret.txt", 100)
    with pytest.raises(ObjectKeyError, match="link"):
        objects.put("photos", "input/new.txt", b"new")
    with pytest.raises(ObjectKeyError, match="link"):
        objects.delete("photos", "input/secret.txt")
    assert list(objects.list("photos")) == []
    assert sorted(path.name for path in outside.iterdir()) == ["secret.txt"]


def test_a_bucket_that_is_a_link_is_refused(objects: Objects, outside: Path) -> None:
    (objects.root / "linked").symlink_to(outside)
    with pytest.raises(ObjectKeyError, match="link"):
        objects.get("linked", "secret.txt", 100)
    with pytest.raises(ObjectKeyError, match="link"):
        objects.make_bucket("linked")


def test_the_folder_of_all_buckets_may_be_a_link(objects: Objects, tmp_path: Path) -> None:
    objects.put("photos", "a.jpg", b"a")
    (tmp_path / "elsewhere").symlink_to(objects.root)
    assert Objects(tmp_path / "elsewhere", objects.index).get("photos", "a.jpg", 10)[1] == b"a"


def test_a_key_cannot_be_a_file_and_a_folder(objects: Objects) -> None:
    objects.put("photos", "a", b"file")
    with pytest.raises(ConflictError, match=r"^photos/a is an object"):
        objects.put("photos", "a/b", b"below")
    objects.put("photos", "folder/b", b"below")
    with pytest.raises(ConflictError, match=r"^photos/folder is a folder"):
        objects.put("photos", "folder", b"file")
    assert sorted(path.name for path in (objects.root / "photos").iterdir()) == ["a", "folder"]


def test_a_folder_stays_when_its_last_object_goes(objects: Objects) -> None:
    objects.put("photos", "input/a.jpg", b"a")
    objects.delete("photos", "input/a.jpg")
    objects.delete("photos", "input")
    assert (objects.root / "photos" / "input").is_dir()


def test_something_that_is_no_file_is_not_opened(objects: Objects) -> None:
    os.mkfifo(objects.root / "photos" / "pipe")
    with pytest.raises(NotFoundError, match="not a file"):
        objects.get("photos", "pipe", 10)
    assert list(objects.list("photos")) == []


def test_names_that_no_key_may_have_are_found_with_the_reason(objects: Objects) -> None:
    (objects.root / "photos" / "line\nbreak").write_bytes(b"x")
    (found,) = objects.scan("photos")
    assert "control character" in found.refusal
    assert list(objects.list("photos")) == []


def test_only_old_leftovers_are_swept(objects: Objects) -> None:
    folder = objects.root / "photos" / "input"
    folder.mkdir()
    old, new, photo = folder / f"{TEMP_PREFIX}1-a", folder / f"{TEMP_PREFIX}1-b", folder / "a.jpg"
    for file in (old, new, photo):
        file.write_bytes(b"part")
    for file in (old, photo):
        os.utime(file, (0, 0))
    assert [info.key for info in objects.list("photos")] == ["input/a.jpg"]
    assert objects.sweep() == 1
    assert sorted(folder.iterdir()) == sorted([new, photo])


def test_an_unchanged_file_is_read_once_for_its_etag(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    file = objects.root / "photos" / "a.jpg"
    file.write_bytes(b"bytes")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    etag = objects.head("photos", "a.jpg").etag
    monkeypatch.setattr(module, "_md5", None)  # computing another one would fail
    assert objects.head("photos", "a.jpg").etag == etag


def test_a_file_changed_in_place_has_another_etag(objects: Objects) -> None:
    put = objects.put("photos", "a.jpg", b"first")
    file = objects.root / "photos" / "a.jpg"
    file.write_bytes(b"other")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000_000))
    assert objects.head("photos", "a.jpg").etag != put.etag


def test_a_file_read_right_after_it_was_written_is_not_trusted_to_stay(objects: Objects) -> None:
    file = objects.root / "photos" / "a.jpg"
    file.write_bytes(b"first")
    moment = file.stat().st_mtime_ns + 10**12  # as if in this very tick of the clock
    os.utime(file, ns=(moment, moment))
    first = objects.head("photos", "a.jpg").etag
    with file.open("r+b") as opened:
        opened.write(b"other")
    os.utime(file, ns=(moment, moment))
    assert objects.head("photos", "a.jpg").etag != first


def test_a_long_way_down_and_back(objects: Objects) -> None:
    key = "d/" * 500 + "a.jpg"
    objects.put("photos", key, b"deep")
    assert [info.key for info in objects.list("photos")] == [key]
    assert objects.get("photos", key, 10)[1] == b"deep"


def test_no_descriptor_is_left_open(objects: Objects) -> None:
    descriptors = Path("/dev/fd")
    objects.put("photos", "input/a.jpg", b"a")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        objects.put("photos", "input/a.jpg", b"a")
        list(objects.list("photos"))
        with pytest.raises(NotFoundError):
            objects.get("photos", "input/absent/b", 10)
        with pytest.raises(ConflictError):
            objects.put("photos", "input/a.jpg/b", b"b")
    assert len(list(descriptors.iterdir())) <= before
