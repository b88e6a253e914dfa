"""A camera's newest frame, over losses and returns; clips in real time and fast."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from faceline.cameras import Camera, Connection, camera
from faceline.errors import MissingExtraError, VideoError
from faceline.pipelines import feed as feeds
from faceline.pipelines.feed import Feed, FeedRule, Mailbox
from faceline.types import Frame
from faceline.videos import VideoFrame, VideoLimits
from streams import RtspCamera, Scene, clip

LIMITS = VideoLimits(timeout_s=1.0)
LIVE = FeedRule(per_second=5.0)


def frame(number: int = 0) -> VideoFrame:
    return VideoFrame(Frame(np.zeros((2, 2, 3), np.uint8), 2, 2), time.monotonic(), number)


@contextmanager
def running(feed: Feed) -> Iterator[Feed]:
    thread = threading.Thread(target=feed.run)
    thread.start()
    try:
        yield feed
    finally:
        feed.stop()
        thread.join(5)
        assert not thread.is_alive()


def until(condition: Callable[[], object], within_s: float = 8.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_SHORTEST_PAUSE_S", 0.05)
    monkeypatch.setattr(feeds, "_LONGEST_PAUSE_S", 0.2)


# The mailbox


def test_of_several_frames_the_newest_is_taken_and_the_others_are_dropped() -> None:
    box = Mailbox(waits=False)
    assert [box.put(frame(n)) for n in range(3)] == [False, True, True]
    taken = box.take()
    assert taken is not None
    assert taken.number == 2
    assert box.take() is None


def test_a_mailbox_that_waits_drops_nothing() -> None:
    box = Mailbox(waits=True)
    dropped: list[bool] = []
    sender = threading.Thread(target=lambda: dropped.extend([box.put(frame(n)) for n in range(20)]))
    sender.start()
    taken: list[int] = []
    while len(taken) < 20:
        assert box.wait(5)
        each = box.take()
        assert each is not None
        taken.append(each.number)
    sender.join()
    assert (taken, any(dropped)) == (list(range(20)), False)


def test_waiting_ends_when_nothing_comes_any_more() -> None:
    box = Mailbox(waits=False)
    assert not box.wait(0.01)
    box.close()
    assert box.wait(5)
    assert box.take() is None


# Losses and returns


def test_a_camera_that_is_switched_off_and_on_is_watched_again_with_a_line_for_each(
    short_pauses: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "faceline")
    scene = Scene(lambda n: np.full((64, 96, 3), n % 250, np.uint8), fps=20)
    with RtspCamera(scene) as rtsp, running(Feed(camera(rtsp.url("ada:hush@"), "door"), LIMITS, LIVE)) as feed:
        until(lambda: feed.counts.frames >= 2)
        rtsp.switch_off()
        until(lambda: feed.counts.losses == 1)
        time.sleep(0.5)  # several attempts
        before = feed.counts.frames
        rtsp.switch_on()
        until(lambda: feed.counts.frames >= before + 2)
    lines = [record.message for record in caplog.records]
    assert lines == ["a camera is watched", "a camera is lost, trying again", "a camera is back"]
    assert "hush" not in caplog.text
    assert feed.problem is None


def test_a_camera_that_stalls_is_connected_again(short_pauses: None) -> None:
    scene = Scene(lambda n: np.full((64, 96, 3), n % 250, np.uint8), fps=20)
    with RtspCamera(scene) as rtsp, running(Feed(camera(rtsp.url()), LIMITS, LIVE)) as feed:
        until(lambda: feed.counts.frames >= 1)
        scene.stalled.set()
        until(lambda: feed.counts.losses == 1)
        scene.stalled.clear()
        until(lambda: rtsp.visits >= 2 and feed.mailbox.take() is not None)


def test_pauses_double_to_the_longest_and_begin_anew_after_a_steady_time(monkeypatch: pytest.MonkeyPatch) -> None:
    steady_after = 7

    @contextmanager
    def flaky(_: Camera, __: VideoLimits, ___: float) -> Iterator[Connection]:
        if len(pauses) != steady_after:
            raise VideoError("door: refuses")
        monkeypatch.setattr(feeds, "_STEADY_S", -1.0)
        yield Connection(iter([frame()]), lambda: None)

    pauses: list[float] = []
    feed = Feed(camera("rtsp://127.0.0.1/"), LIMITS, LIVE)

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 9:
            feed.stop()
        return False

    monkeypatch.setattr(feeds, "connected", flaky)
    monkeypatch.setattr(feed._stopping, "wait", pause)
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    feed.run()
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 1, 2]


def test_once_a_camera_that_is_lost_stays_lost_and_says_why() -> None:
    with RtspCamera(Scene(lambda n: np.zeros((64, 96, 3), np.uint8))) as rtsp:
        url = rtsp.url()
    feed = Feed(camera(url, "door"), LIMITS, FeedRule(5.0, once=True))
    feed.run()
    assert feed.problem is not None
    assert feed.problem.startswith("door: refuses the connection")
    assert feed.mailbox.wait(0)


def test_a_missing_reader_is_no_loss_but_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object) -> NoReturn:
        raise MissingExtraError("door: watching cameras needs PyAV")

    monkeypatch.setattr(feeds, "connected", without)
    with pytest.raises(MissingExtraError):
        Feed(camera("rtsp://127.0.0.1/"), LIMITS, LIVE).run()


# Clips


def test_a_clip_is_played_in_its_own_time(tmp_path: Path) -> None:
    started = time.monotonic()
    feed = Feed(camera(str(clip(tmp_path / "clip.mp4"))), LIMITS, LIVE)
    feed.run()
    assert 0.8 <= time.monotonic() - started < 3
    assert (feed.counts.frames, feed.counts.dropped, feed.problem) == (5, 4, None)


def test_a_clip_that_is_to_go_fast_waits_for_who_looks_and_drops_nothing(tmp_path: Path) -> None:
    rule = FeedRule(5.0, fast=True)
    with running(Feed(camera(str(clip(tmp_path / "clip.mp4", 3))), LIMITS, rule)) as feed:
        taken = 0
        while feed.mailbox.wait(5) and feed.mailbox.take() is not None:
            taken += 1
    assert (taken, feed.counts.frames, feed.counts.dropped) == (15, 15, 0)


def test_a_clip_that_is_missing_or_damaged_ends_with_the_reason(tmp_path: Path) -> None:
    missing = Feed(camera(str(tmp_path / "none.mp4")), LIMITS, LIVE)
    missing.run()
    assert missing.problem is not None
    assert "no such file" in missing.problem
    path = clip(tmp_path / "clip.mp4", 2)
    path.write_bytes(path.read_bytes()[:300])
    damaged = Feed(camera(str(path)), LIMITS, LIVE)
    damaged.run()
    assert damaged.problem is not None


def test_a_feed_ends_at_once_when_it_is_stopped(tmp_path: Path) -> None:
    with running(Feed(camera(str(clip(tmp_path / "clip.mp4", 60))), LIMITS, LIVE)) as feed:
        until(lambda: feed.counts.frames >= 1)
        started = time.monotonic()
        feed.stop()
        assert feed.mailbox.wait(5)
    assert time.monotonic() - started < 1
