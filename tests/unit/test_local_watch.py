"""Files that people drop into buckets are announced, each once, whole, and however they came there."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from faceline.errors import StorageError
from faceline.events import ObjectCreated
from faceline.local.database import Database
from faceline.local.index import ObjectIndex
from faceline.local.objects import Objects
from faceline.local.schema import STATE
from faceline.local.watch import BucketWatcher
from faceline.ports import ObjectInfo

BUCKET = "photos"
PATIENCE_S = 30


@dataclass
class Place:
    """A bucket with an `input/` folder, the events that came, and where files are made before they are moved in."""

    objects: Objects
    input: Path
    elsewhere: Path
    events: list[ObjectCreated] = field(default_factory=list)

    def watcher(self, on_object: Callable[[ObjectCreated], None] | None = None) -> BucketWatcher:
        return BucketWatcher(self.objects, [(BUCKET, "input/")], on_object or self.events.append, settle_s=0.2)

    @contextmanager
    def watched(self) -> Iterator[BucketWatcher]:
        watcher = self.watcher()
        watcher.start()
        try:
            yield watcher
        finally:
            watcher.stop()

    def wait_for(self, *keys: str) -> None:
        wait_until(lambda: {event.key for event in self.events} >= {f"input/{key}" for key in keys})

    def settle(self) -> None:
        """Everything dropped in before is announced, because this file, dropped in later, was."""
        (self.input / "last.jpg").write_bytes(os.urandom(8))
        etag_count = len([event for event in self.events if event.key == "input/last.jpg"])
        wait_until(lambda: len([e for e in self.events if e.key == "input/last.jpg"]) > etag_count)

    def keys(self) -> list[str]:
        return sorted(e.key.removeprefix("input/") for e in self.events if e.key != "input/last.jpg")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@contextmanager
def made_place(root: Path) -> Iterator[Place]:
    database = Database(root / "state.sqlite", STATE)
    folder = root / "buckets" / BUCKET / "input"
    folder.mkdir(parents=True)
    (root / "elsewhere").mkdir()
    yield Place(Objects(root / "buckets", ObjectIndex(database)), folder, root / "elsewhere")
    database.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with made_place(tmp_path) as place:
        yield place


def test_files_that_are_there_at_the_start_are_announced(place: Place) -> None:
    (place.input / "a.jpg").write_bytes(b"a")
    with place.watched():
        place.wait_for("a.jpg")
    (event,) = place.events
    assert event == ObjectCreated(BUCKET, "input/a.jpg", "0cc175b9c0f1b6a831c399e269772661", 1, event.time)


def test_a_new_start_announces_only_what_is_new(place: Place) -> None:
    (place.input / "a.jpg").write_bytes(b"a")
    with place.watched():
        place.wait_for("a.jpg")
    (place.input / "b.jpg").write_bytes(b"b")
    with place.watched():
        place.wait_for("b.jpg")
        place.settle()
    assert place.keys() == ["a.jpg", "b.jpg"]


def test_unchanged_files_are_not_read_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.input / "a.jpg").write_bytes(b"a")
    with place.watched():
        place.wait_for("a.jpg")
        place.settle()
    heads: list[str] = []
    head = place.objects.head

    def noted_head(bucket: str, key: str) -> ObjectInfo:
        heads.append(key)
        return head(bucket, key)

    monkeypatch.setattr(place.objects, "head", noted_head)
    with place.watched():
        place.settle()
    assert set(heads) == {"input/last.jpg"}


@pytest.mark.parametrize(
    "name", ["two words.jpg", "a+b.jpg", "100%25.jpg", "Zoë 写真 👤.jpg", "a..b.jpg", "deep/down/c.jpg"]
)
def test_a_file_dropped_in_is_announced_under_its_name(place: Place, name: str) -> None:
    with place.watched():
        file = place.input / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"bytes")
        place.wait_for(name)
        place.settle()
    assert place.keys() == [name]


def test_a_file_moved_in_is_announced(place: Place) -> None:
    (place.elsewhere / "a.jpg").write_bytes(b"a")
    with place.watched():
        (place.elsewhere / "a.jpg").rename(place.input / "a.jpg")
        place.wait_for("a.jpg")


def test_everything_in_a_folder_moved_in_is_announced(place: Place) -> None:
    album = place.elsewhere / "album" / "2026"
    album.mkdir(parents=True)
    for number in range(20):
        (album / f"{number}.jpg").write_bytes(b"%d" % number)
    with place.watched():
        (place.elsewhere / "album").rename(place.input / "album")
        place.wait_for(*(f"album/2026/{number}.jpg" for number in range(20)))
    assert len(place.events) == 20


def test_many_files_copied_at_once_are_each_announced_once(place: Place) -> None:
    for number in range(200):
        (place.elsewhere / f"{number}.jpg").write_bytes(b"%d" % number)
    with place.watched():
        shutil.copytree(place.elsewhere, place.input / "copied")
        place.wait_for(*(f"copied/{number}.jpg" for number in range(200)))
        place.settle()
    assert len(place.keys()) == 200


def test_a_file_that_is_still_growing_is_announced_whole(place: Place) -> None:
    with place.watched(), (place.input / "slow.mp4").open("wb") as file:
        for _ in range(20):
            file.write(b"x" * 1000)
            file.flush()
            time.sleep(0.02)
        file.close()
        wait_until(lambda: any(event.size == 20_000 for event in place.events))


def test_new_bytes_under_a_name_are_announced_again(place: Place) -> None:
    with place.watched():
        (place.input / "a.jpg").write_bytes(b"first")
        place.wait_for("a.jpg")
        (place.input / "a.jpg").write_bytes(b"the second")
        wait_until(lambda: [event.size for event in place.events] == [5, 10])


def test_touching_a_file_announces_nothing(place: Place) -> None:
    with place.watched():
        (place.input / "a.jpg").write_bytes(b"a")
        place.wait_for("a.jpg")
        os.utime(place.input / "a.jpg", (1, 1))
        place.settle()
        place.settle()
    assert place.keys() == ["a.jpg"]


def test_hidden_unfinished_and_foreign_files_are_left_alone(place: Place) -> None:
    with place.watched():
        for name in (".DS_Store", ".faceline-tmp-1-a", "a.jpg.part", "b.jpg.crdownload", "c.jpg~"):
            (place.input / name).write_bytes(b"x")
        (place.input / ".hidden").mkdir()
        (place.input / ".hidden" / "d.jpg").write_bytes(b"x")
        (place.input.parent / "processed").mkdir()
        (place.input.parent / "processed" / "e.json").write_bytes(b"x")
        place.settle()
        place.settle()
    assert place.keys() == []


def test_links_are_left_alone_with_one_warning(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    (place.elsewhere / "secret.jpg").write_bytes(b"secret")
    with caplog.at_level(logging.WARNING), place.watched():
        (place.input / "link.jpg").symlink_to(place.elsewhere / "secret.jpg")
        (place.input / "album").symlink_to(place.elsewhere)
        (place.input / "loop").symlink_to(place.input)
        place.settle()
        place.settle()
    assert place.keys() == []
    warned = [vars(record)["key"] for record in caplog.records if "link" in vars(record).get("reason", "")]
    assert sorted(warned) == ["'input/album'", "'input/link.jpg'", "'input/loop'"]


def test_an_unreadable_file_is_logged_and_the_others_are_announced(
    humble: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with made_place(humble) as place:
        (place.input / "locked.jpg").write_bytes(b"x")
        (place.input / "locked.jpg").chmod(0)
        (place.input / "album").mkdir(mode=0)
        with caplog.at_level(logging.WARNING), place.watched():
            place.settle()
        (place.input / "album").chmod(0o700)
    warned = str([vars(record).get("key") for record in caplog.records])
    assert "locked.jpg" in warned
    assert "album" in warned


def test_an_upload_and_its_notice_give_one_event(place: Place) -> None:
    with place.watched() as watcher:
        info = place.objects.put(BUCKET, "input/a.jpg", b"uploaded")
        assert watcher.announce(info)
        assert not watcher.announce(info)
        place.settle()
        place.settle()
    assert place.keys() == ["a.jpg"]


def test_an_event_that_could_not_be_sent_is_repeated_by_the_next_start(place: Place) -> None:
    def refuse(event: ObjectCreated) -> None:
        attempts.append(event.key)
        raise StorageError("the queue is full")

    attempts: list[str] = []
    (place.input / "a.jpg").write_bytes(b"a")
    watcher = place.watcher(refuse)
    watcher.start()
    wait_until(lambda: bool(attempts))
    watcher.stop()
    with place.watched():
        place.wait_for("a.jpg")


def test_without_notices_from_the_system_files_are_found_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> Iterator[Any]:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", refuse)
    with caplog.at_level(logging.WARNING), place.watched():
        (place.input / "a.jpg").write_bytes(b"a")
        place.wait_for("a.jpg")
        (place.input / "b.jpg").write_bytes(b"b")
        place.wait_for("b.jpg")
    assert any("watch limit" in str(vars(record).get("error")) for record in caplog.records)


def test_stopping_is_quick_and_may_be_repeated(place: Place) -> None:
    watcher = place.watcher()
    watcher.start()
    started = time.monotonic()
    watcher.stop()
    watcher.stop()
    assert time.monotonic() - started < PATIENCE_S


def test_files_below_a_link_do_not_hold_up_the_others(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    (place.input / "album").symlink_to(place.elsewhere)
    with caplog.at_level(logging.WARNING), place.watched():
        for number in range(5):
            (place.elsewhere / f"secret-{number}.jpg").write_bytes(b"secret")
            (place.input / f"{number}.jpg").write_bytes(b"x")
        place.wait_for(*(f"{number}.jpg" for number in range(5)))
    assert not [event for event in place.events if "secret" in event.key]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
