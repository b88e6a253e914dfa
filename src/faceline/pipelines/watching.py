"""Cameras → one event for each appearance, as soon as it is clear who it is.

Each camera has a thread that reads it (`pipelines.feed`) and one that looks at its newest frame; of the latter as many
work at once as there are cores. One event for an appearance is all: somebody told as unknown is not told again when a
better face would give a name. Nothing is kept of an appearance that has ended, nor of an event that was given away.
"""

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from faceline.cameras import Camera
from faceline.engine.analyzer import Analyzer, Sighting, Wanted
from faceline.errors import ImageError
from faceline.gallery.collection import Collection
from faceline.images import save
from faceline.pipelines.clips import appearance
from faceline.pipelines.documents import box_document
from faceline.pipelines.feed import Feed, FeedCounts, FeedRule
from faceline.pipelines.following import Follower, Track
from faceline.types import Appearance, Decision
from faceline.videos import VideoFrame, VideoLimits

_log = logging.getLogger("faceline.cameras")
_STRANGER_S = 3.0  # an unknown face is told after so long, or when it is gone
_GONE_S = 6.0  # without a frame for so long, whoever was there is gone: a little more than a face may be out of sight
_MOST_WAITING = 1000  # events that nobody took; then the cameras wait, which is: drop frames
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class CameraEvent:
    """Who appeared before a camera. appearance: its times are on the clock of time.monotonic().

    time: of the frame that decided it. snapshot: the file with the best crop, kept up to date while it goes on.
    """

    camera: str
    appearance: Appearance
    time: datetime
    first_seen: datetime
    last_seen: datetime
    snapshot: Path | None


@dataclass(slots=True)
class WatchCounts:
    """Of one camera. analysed: frames. lag: from the coming of a frame to its end, seconds together and at most."""

    feed: FeedCounts
    analysed: int = 0
    lag_s: float = 0.0
    most_lag_s: float = 0.0
    appearances: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Eyes:
    """What all cameras share. snapshots: a folder for the crops, which is there."""

    analyzer: Analyzer
    wanted: Wanted
    collection: Collection
    snapshots: Path | None = None

    def follower(self) -> Follower:
        return Follower(self.analyzer.embed_chips, self.collection.scorer)


@dataclass(slots=True)
class _Known:
    """An appearance so far. shots: the weights of those it was last decided by. snapshot_s: of the shot in the file."""

    shots: tuple[float, ...] = ()
    name: str | None = None
    told: bool = False
    snapshot: Path | None = None
    snapshot_s: float = 0.0


class Watch:
    """What one camera sees. Not thread-safe."""

    def __init__(self, camera: str, eyes: Eyes) -> None:
        self.camera, self._eyes = camera, eyes
        self._follower = eyes.follower()
        self._known: dict[int, _Known] = {}
        self._told = 0
        self._seen_s = 0.0

    def see(self, frame: VideoFrame, sightings: Sequence[Sighting]) -> list[CameraEvent]:
        """What this frame made clear."""
        self._follower.add(frame, sightings)
        self._join()
        living = self._follower.living()
        events = [self._event(track, frame.time_s, gone=True) for track in self._follower.ended()]
        events += [self._event(track, frame.time_s, gone=False) for track in living]
        if sightings:
            self._seen_s = frame.time_s
        elif not living and frame.time_s - self._seen_s > _GONE_S:
            self._follower = self._eyes.follower()  # with the old one goes what it remembers of joined tracks
        self._known = {track.number: self._known[track.number] for track in living}
        return [event for event in events if event is not None]

    def end(self, time_s: float) -> list[CameraEvent]:
        """Nobody is there any more."""
        events = [self._event(track, time_s, gone=True) for track in self._follower.finish()]
        self._follower, self._known = self._eyes.follower(), {}
        return [event for event in events if event is not None]

    def _event(self, track: Track, time_s: float, gone: bool) -> CameraEvent | None:
        known = self._known.setdefault(track.number, _Known())
        if known.told:
            self._keep(track, known)
            return None
        found = self._decided(track, known, gone)
        if found is None:
            return None
        self._told += 1
        known.told = True
        found = Appearance(
            self._told, found.who, found.first_s, found.last_s, found.best_frame_s, found.frames, found.crop
        )  # fmt: skip
        known.snapshot = self._place(track)
        self._keep(track, known)
        first, last = _wall(found.first_s), _wall(found.last_s)
        return CameraEvent(self.camera, found, _wall(time_s), first, last, known.snapshot)

    def _decided(self, track: Track, known: _Known, gone: bool) -> Appearance | None:
        """None while it is not clear. A match must outlast a further shot; others get time to show a better face."""
        shots = tuple(weight for _, weight in track.embedded)
        waited = track.last_s - track.first_s >= _STRANGER_S
        if shots == known.shots and not gone and not waited:
            return None
        found = appearance(track, self._eyes.collection)
        before, known.name, known.shots = known.name, found.who.name, shots
        if gone or (found.who.decision is Decision.MATCH and found.who.name == before):
            return found
        return found if waited and found.who.decision is not Decision.MATCH else None

    def _join(self) -> None:
        """A face that turned out to be one seen before was told when that was."""
        for number in list(self._known):
            goal = self._follower.joined(number)
            if goal != number:
                young, old = self._known.pop(number), self._known.get(goal)
                if old is None or (young.told and not old.told):
                    self._known[goal] = young

    def _place(self, track: Track) -> Path | None:
        if self._eyes.snapshots is None:
            return None
        camera = re.sub(r"[^\w.-]+", "-", self.camera).strip("-.")[:80] or "camera"
        return self._eyes.snapshots / f"{camera}-{_wall(track.first_s):%Y%m%dT%H%M%S}-{self._told}.jpg"

    def _keep(self, track: Track, known: _Known) -> None:
        if known.snapshot and known.snapshot_s != track.best_s:
            known.snapshot_s = track.best_s
            try:
                save(track.crop, known.snapshot)
            except ImageError as error:  # a full disk: who appears can still be told
                _log.error("a snapshot is missing", extra={"camera": self.camera, "error": str(error)})
                known.snapshot = None


@dataclass(eq=False)
class Watching:
    """Several cameras at once. workers: how many frames are looked at at the same time.

    Used once, as a context; `events` gives what happens until `stop` is called, from any thread or a signal's handler,
    or until all cameras are over.
    """

    cameras: Sequence[Camera]
    limits: VideoLimits
    rule: FeedRule
    eyes: Eyes
    workers: int
    feeds: list[Feed] = field(init=False)
    counts: list[WatchCounts] = field(init=False)
    _waiting: "queue.Queue[CameraEvent]" = field(default_factory=lambda: queue.Queue(_MOST_WAITING))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _left: bool = False
    _failures: list[Exception] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.feeds = [Feed(camera, self.limits, self.rule) for camera in self.cameras]
        self.counts = [WatchCounts(feed.counts) for feed in self.feeds]
        self._slots = threading.Semaphore(self.workers)

    def __enter__(self) -> "Watching":
        for feed, counts in zip(self.feeds, self.counts, strict=True):
            self._start(feed.run)
            self._start(partial(self._look, feed, counts))
        return self

    def __exit__(self, *_: object) -> None:
        self._left = True
        self.stop()
        for feed in self.feeds:
            feed.stop()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        self._stopping.set()

    def events(self) -> Iterator[CameraEvent]:
        """As they happen; those of faces still there when it stops come at the end. Raises what went wrong."""
        while any(thread.is_alive() for thread in self._threads) or not self._waiting.empty():
            if self._stopping.is_set():
                for feed in self.feeds:
                    feed.stop()
            try:
                yield self._waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
        if self._failures:
            raise self._failures[0]

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - raised in `events`
                self._failures.append(error)
                self.stop()

        thread = threading.Thread(target=guarded)
        self._threads.append(thread)
        thread.start()

    def _look(self, feed: Feed, counts: WatchCounts) -> None:
        """The newest frame, again and again."""
        watch, last_s = Watch(feed.camera.name, self.eyes), 0.0
        while True:
            if not feed.mailbox.wait(_GONE_S):
                self._tell(watch.end(last_s), counts)
                continue
            with self._slots:
                frame = feed.mailbox.take()  # now, not before there was a slot: it may be a newer one
                if frame is None:
                    break
                events = watch.see(frame, self.eyes.analyzer.sight(frame.frame, self.eyes.wanted))
            last_s = frame.time_s
            _count(counts, time.monotonic() - last_s)
            self._tell(events, counts)
        self._tell(watch.end(last_s), counts)

    def _tell(self, events: Sequence[CameraEvent], counts: WatchCounts) -> None:
        counts.appearances += len(events)
        for event in events:
            while not self._left:
                try:
                    self._waiting.put(event, timeout=_LOOK_S)
                    break
                except queue.Full:
                    continue


def _count(counts: WatchCounts, lag_s: float) -> None:
    counts.analysed += 1
    counts.lag_s += max(lag_s, 0.0)
    counts.most_lag_s = max(counts.most_lag_s, lag_s)


def event_document(event: CameraEvent) -> dict[str, Any]:
    """The event as JSON: `docs/reference/results.md`, "An event of a camera"."""
    found, who = event.appearance, event.appearance.who
    return {
        "camera": event.camera,
        "appearance": found.number,
        "time": _text(event.time),
        "decision": who.decision.value,
        "name": who.name,
        "similarity": round(who.similarity, 2),
        "threshold": round(who.threshold, 2),
        "first_seen": _text(event.first_seen),
        "last_seen": _text(event.last_seen),
        "frames": found.frames,
        "box": box_document(who.face.box),
        "usable": who.face.quality.usable,
        "snapshot": str(event.snapshot) if event.snapshot else None,
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _wall(time_s: float) -> datetime:
    """The date of a moment on the clock of time.monotonic()."""
    return datetime.now(UTC) + timedelta(seconds=time_s - time.monotonic())
