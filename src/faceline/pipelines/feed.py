"""A camera's newest frame, again and again: what nobody took is dropped, a camera that is lost is connected again."""

import logging
import random
import threading
import time
from dataclasses import dataclass, field

from faceline.cameras import Camera, Connection, Source, connected
from faceline.errors import VideoError
from faceline.videos import VideoFrame, VideoLimits

_log = logging.getLogger("faceline.cameras")
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_STEADY_S = 10.0  # after so long a connection the next pause is the shortest again


@dataclass(frozen=True, slots=True)
class FeedRule:
    """per_second: frames. once: a camera that is lost stays lost. fast: clips as fast as they can be looked at."""

    per_second: float
    once: bool = False
    fast: bool = False


@dataclass(slots=True)
class FeedCounts:
    """pictures: that the camera sent. frames: those of them that were to be looked at. dropped: frames that were not,
    because a newer one came first. losses: of the connection.
    """

    pictures: int = 0
    frames: int = 0
    dropped: int = 0
    losses: int = 0


class Mailbox:
    """Holds one frame, the newest. waits: `put` waits until the one before was taken, instead of dropping it."""

    def __init__(self, waits: bool) -> None:
        self.waits = waits
        self._changed = threading.Condition()
        self._frame: VideoFrame | None = None
        self._closed = False

    def put(self, frame: VideoFrame) -> bool:
        """Whether one that nobody took was dropped for it."""
        with self._changed:
            if self.waits:
                self._changed.wait_for(lambda: self._frame is None or self._closed)
            dropped = self._frame is not None
            self._frame = frame
            self._changed.notify_all()
            return dropped

    def wait(self, timeout_s: float) -> bool:
        """Whether there is a frame, or will be none any more, before the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._frame is not None or self._closed, timeout_s)

    def take(self) -> VideoFrame | None:
        """None when it is empty: after a `wait` that said True, for good."""
        with self._changed:
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


@dataclass(eq=False)
class Feed:
    """`run` fills the mailbox until the clip is over, the camera lost for good, or `stop` called from another thread.

    problem: why the camera was lost for good, or the clip not read to its end.
    """

    camera: Camera
    limits: VideoLimits
    rule: FeedRule
    mailbox: Mailbox = field(init=False)
    counts: FeedCounts = field(default_factory=FeedCounts)
    problem: str | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _connection: Connection | None = None
    _lost: bool = False
    _came_at: float | None = None

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(waits=self.rule.fast and self.camera.source is Source.CLIP)

    def run(self) -> None:
        """Raises MissingExtraError when cameras cannot be read here at all."""
        pause_s = _SHORTEST_PAUSE_S / 2
        try:
            while True:
                why = self._read()
                if self._stopping.is_set() or self._is_over(why):
                    return
                self._tell_loss(why)
                pause_s = _SHORTEST_PAUSE_S if self._was_steady() else min(2 * pause_s, _LONGEST_PAUSE_S)
                # More or less, so that many cameras that were lost together do not come back together.
                self._stopping.wait(pause_s * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
        finally:
            self.mailbox.close()

    def stop(self) -> None:
        self._stopping.set()
        self.mailbox.close()
        if connection := self._connection:
            connection.stop()

    def _read(self) -> str | None:
        """Frames until the connection ends; why it did, None for a source that just ended."""
        self._came_at = None
        try:
            with connected(self.camera, self.limits, self.rule.per_second) as connection:
                self._connection = connection
                if self._stopping.is_set():  # between the last look and this connection
                    return None
                self._deliver(connection)
        except VideoError as error:
            return str(error)
        except OSError as error:  # no memory for a process just now
            return f"{self.camera.name}: its reader cannot be started ({error.strerror or error})"
        finally:
            self._connection = None
        return None

    def _deliver(self, connection: Connection) -> None:
        before = self.counts.pictures
        for frame in connection.frames:
            if self._came_at is None:
                self._came_at = time.monotonic()
                self._tell_return()
            if self.camera.source is Source.CLIP and not self.rule.fast:
                self._stopping.wait(max(frame.time_s - time.monotonic(), 0))
            if self._stopping.is_set():
                return
            self.counts.pictures = before + frame.number + 1
            self.counts.frames += 1
            self.counts.dropped += self.mailbox.put(frame)

    def _is_over(self, why: str | None) -> bool:
        if self.camera.source is not Source.CLIP and not self.rule.once:
            return False
        self.problem = why
        return True

    def _tell_loss(self, why: str | None) -> None:
        """One line for each loss, not for each attempt."""
        level = logging.DEBUG if self._lost else logging.WARNING
        extra = {"camera": self.camera.name, "error": why or f"{self.camera.name}: ended the stream"}
        _log.log(level, "a camera is lost, trying again", extra=extra)
        self.counts.losses += not self._lost
        self._lost = True

    def _tell_return(self) -> None:
        _log.info("a camera is back" if self._lost else "a camera is watched", extra={"camera": self.camera.name})
        self._lost = False

    def _was_steady(self) -> bool:
        return self._came_at is not None and time.monotonic() - self._came_at > _STEADY_S
