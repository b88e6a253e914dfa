"""One event for each appearance: when, of whom, and what is kept of it."""

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faceline.app import App
from faceline.cameras import camera
from faceline.engine.analyzer import Sighting, Wanted
from faceline.errors import StorageError
from faceline.pipelines.feed import FeedRule
from faceline.pipelines.watching import CameraEvent, Eyes, Watch, Watching, event_document
from faceline.types import BoundingBox, Decision, Embedding, Frame, Pixels
from faceline.videos import VideoFrame, VideoLimits
from made import MODEL, face, new_face, vector
from streams import clip

FPS = 5
WALL = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)


def embed(chips: Sequence[Pixels]) -> list[Embedding]:
    """Of the person whose number is in the chip's first value."""
    return [Embedding(vector(int(chip[0, 0, 0])), MODEL) for chip in chips]


def seen(person: int, left: float, reasons: tuple[str, ...] = ()) -> Sighting:
    chip = np.random.default_rng(person).integers(0, 255, (150, 150, 3), dtype=np.uint8)
    chip[0, 0] = person
    return Sighting(face(box=BoundingBox(left, 50.0, 60.0, 75.0), reasons=reasons), chip)


@pytest.fixture
def eyes(made_app: App, tmp_path: Path) -> Eyes:
    analyzer: Any = SimpleNamespace(embed_chips=embed, model=MODEL)
    made_app.collections.create("my-face-collection", MODEL)
    made_app.face_records.add("my-face-collection", [new_face("a", "Ada", vector(1))])
    return Eyes(analyzer, Wanted(), made_app.collection(), tmp_path)


def played(watch: Watch, shown: Sequence[Sequence[Sighting]], start_s: float) -> Iterator[tuple[float, CameraEvent]]:
    """The events, each with the seconds since the start at which it came."""
    for n, sightings in enumerate(shown):
        frame = VideoFrame(Frame(WALL, 320, 240), start_s + n / FPS, n)
        yield from ((n / FPS, event) for event in watch.see(frame, sightings))


def test_somebody_known_is_told_once_and_within_a_second(eyes: Eyes) -> None:
    watch = Watch("door", eyes)
    shown = [[seen(1, 20.0 + 2 * n)] for n in range(60)]
    ((after_s, event),) = played(watch, shown, time.monotonic())
    assert after_s < 1
    assert (event.appearance.who.decision, event.appearance.who.name) == (Decision.MATCH, "Ada")
    assert watch.end(time.monotonic()) == []


def test_somebody_unknown_is_told_after_three_seconds(eyes: Eyes) -> None:
    watch = Watch("door", eyes)
    ((after_s, event),) = played(watch, [[seen(2, 50.0)]] * 60, time.monotonic())
    assert 3 <= after_s < 3.5
    assert (event.appearance.who.decision, event.appearance.who.name) == (Decision.UNKNOWN, None)
    assert watch.end(time.monotonic()) == []


def test_somebody_unknown_who_goes_earlier_is_told_when_gone(eyes: Eyes) -> None:
    watch = Watch("door", eyes)
    shown: list[list[Sighting]] = [[seen(2, 50.0)]] * 5 + [[]] * 40
    ((after_s, event),) = played(watch, shown, time.monotonic())
    assert after_s > 5
    assert event.appearance.frames == 5
    assert (event.last_seen - event.first_seen).total_seconds() == pytest.approx(0.8, abs=0.01)


def test_a_camera_that_falls_silent_tells_who_was_there(eyes: Eyes) -> None:
    watch = Watch("door", eyes)
    start_s = time.monotonic()
    assert list(played(watch, [[seen(2, 50.0)]] * 5, start_s)) == []
    (event,) = watch.end(start_s + 1)
    assert event.appearance.who.decision is Decision.UNKNOWN
    assert watch.end(start_s + 2) == []


def test_each_of_several_is_told_once_and_numbered(eyes: Eyes) -> None:
    watch = Watch("door", eyes)
    shown = [[seen(1, 20.0 + n), seen(2, 200.0 - n)] for n in range(40)]
    events = [event for _, event in played(watch, shown, time.monotonic())]
    assert [event.appearance.number for event in events] == [1, 2]
    assert [event.appearance.who.name for event in events] == ["Ada", None]


def test_somebody_who_comes_back_later_appears_again(eyes: Eyes) -> None:
    watch = Watch("door", eyes)
    shown: list[list[Sighting]] = [[seen(1, 50.0)]] * 10 + [[]] * 40 + [[seen(1, 50.0)]] * 10
    events = [event for _, event in played(watch, shown, time.monotonic())]
    assert [event.appearance.number for event in events] == [1, 2]


def test_somebody_who_is_enrolled_while_before_the_camera_is_told_by_name(eyes: Eyes, made_app: App) -> None:
    watch, start_s = Watch("door", eyes), time.monotonic()
    assert list(played(watch, [[seen(3, 50.0)]] * 10, start_s)) == []
    made_app.face_records.add("my-face-collection", [new_face("g", "Grace", vector(3))])
    ((_, event),) = played(watch, [[seen(3, 50.0)]] * 10, start_s + 2)
    assert event.appearance.who.name == "Grace"


def test_the_snapshot_shows_the_best_picture_of_the_appearance(eyes: Eyes, tmp_path: Path) -> None:
    watch, start_s = Watch("front/door ☂", eyes), time.monotonic()
    ((_, event),) = played(watch, [[seen(1, 50.0, ("blurred",))]] * 17, start_s)
    assert event.snapshot is not None
    assert event.snapshot.parent == tmp_path
    assert event.snapshot.name.startswith("front-door-2")
    first = event.snapshot.read_bytes()
    better = Sighting(face(box=BoundingBox(40.0, 40.0, 90.0, 112.0)), seen(1, 0.0).chip)
    assert list(played(watch, [[better]] * 5, start_s + 3.4)) == []
    assert event.snapshot.read_bytes() != first
    with Image.open(event.snapshot) as picture:
        assert picture.width == round(90 * 1.8)


def test_a_snapshot_that_cannot_be_written_is_logged_and_who_it_was_is_told(
    eyes: Eyes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Eyes(eyes.analyzer, eyes.wanted, eyes.collection, tmp_path / "gone")
    ((_, event),) = played(Watch("door", gone), [[seen(1, 50.0)]] * 10, time.monotonic())
    assert event.snapshot is None
    assert [record.message for record in caplog.records] == ["a snapshot is missing"]


def test_nothing_is_kept_of_those_who_are_gone(eyes: Eyes) -> None:
    watch, start_s = Watch("door", Eyes(eyes.analyzer, eyes.wanted, eyes.collection)), time.monotonic()
    visit: list[list[Sighting]] = [[seen(1, 50.0), seen(2, 200.0)]] * 3 + [[]] * 35
    events = list(played(watch, visit * 20, start_s))
    assert len(events) == 40
    assert watch._known == {}
    assert watch._follower.living() == []
    assert watch._follower._joined == {}


def watched(eyes: Eyes, path: Path, seconds: int, sight: Any) -> Watching:
    """A clip that is shown fast to an analyzer that sees by `sight`."""
    analyzer: Any = SimpleNamespace(embed_chips=embed, model=MODEL, sight=sight)
    looking = Eyes(analyzer, eyes.wanted, eyes.collection)
    cameras = [camera(str(clip(path, seconds)), "door")]
    return Watching(cameras, VideoLimits(), FeedRule(5.0, fast=True), looking, workers=1)


def test_a_clip_is_told_to_its_end_and_counted(eyes: Eyes, tmp_path: Path) -> None:
    with watched(eyes, tmp_path / "clip.mp4", 2, lambda *_: [seen(1, 50.0)]) as watching:
        assert [event.appearance.who.name for event in watching.events()] == ["Ada"]
    (counts,) = watching.counts
    assert (counts.analysed, counts.appearances, counts.feed.frames, counts.feed.dropped) == (10, 1, 10, 0)


def test_what_goes_wrong_while_looking_is_raised_where_events_are_taken(eyes: Eyes, tmp_path: Path) -> None:
    def broken(*_: object) -> list[Sighting]:
        raise StorageError("the disk is gone")

    with watched(eyes, tmp_path / "clip.mp4", 2, broken) as watching, pytest.raises(StorageError, match="disk is gone"):
        list(watching.events())


def test_leaving_ends_everything_also_when_nobody_takes_the_events(
    eyes: Eyes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = itertools.count()
    monkeypatch.setattr(Watch, "see", lambda *_: [next(everybody)] * 50)
    with watched(eyes, tmp_path / "clip.mp4", 30, lambda *_: []) as watching:
        deadline = time.monotonic() + 5
        while not watching._waiting.full() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert watching._waiting.full()
    assert not any(thread.is_alive() for thread in watching._threads)


def test_an_event_as_json_has_utc_times_and_a_box(eyes: Eyes) -> None:
    ((_, event),) = played(Watch("door", eyes), [[seen(1, 50.0)]] * 10, time.monotonic())
    document = event_document(event)
    assert {name: document[name] for name in ("camera", "decision", "name", "appearance", "usable")} == {
        "camera": "door", "decision": "match", "name": "Ada", "appearance": 1, "usable": True
    }  # fmt: skip
    assert document["box"] == {"left": 50.0, "top": 50.0, "width": 60.0, "height": 75.0}
    assert document["first_seen"] <= document["last_seen"] == document["time"]
    assert document["time"].endswith("+00:00")
    assert abs(event.first_seen.timestamp() - time.time()) < 1
