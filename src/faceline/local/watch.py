"""Notices files that people drop into buckets: by the system's notices, and by looking through them now and then."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from faceline.errors import FacelineError, NotFoundError
from faceline.events import ObjectCreated
from faceline.local.folders import Stamp
from faceline.local.objects import Found, Objects
from faceline.ports import ObjectInfo
from faceline.telemetry import new_request_id, request_id

if TYPE_CHECKING:
    import watchfiles

_log = logging.getLogger("faceline.local.watch")
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", "~")
_TICK_MS = 100
_RESCAN_S = 30.0
_RESCAN_WITHOUT_NOTICES_S = 1.0
_RESCAN_SHARE = 0.02  # of one core at most, however many objects there are

Place = tuple[str, str]


class BucketWatcher:
    """Calls `on_object` for each object under `prefixes` (bucket, prefix) that no earlier run has announced.

    `on_object` runs before the object is marked as announced: a crash in between repeats the event. It is called from
    the watcher's thread and from whoever calls `announce`, one at a time. settle_s: how long, in seconds, a file must
    stay unchanged before it counts as written.
    """

    def __init__(
        self,
        objects: Objects,
        prefixes: Sequence[Place],
        on_object: Callable[[ObjectCreated], None],
        settle_s: float = 0.3,
    ) -> None:
        self._objects, self._prefixes, self._on_object, self._settle_s = objects, tuple(prefixes), on_object, settle_s
        self._announcing = threading.Lock()
        self._stopped = threading.Event()
        self._pending: dict[Place, tuple[Stamp, float]] = {}
        self._warned: set[Place] = set()
        self._rescan_every_s, self._rescan_at = _RESCAN_S, 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Makes the watched buckets where needed and starts looking; what arrived meanwhile is announced first."""
        for bucket, _ in self._prefixes:
            self._objects.make_bucket(bucket)
        self._stopped.clear()
        self._rescan_at = 0.0
        self._thread = threading.Thread(target=self._run, name="faceline-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops within a second, unless a file is being announced just then; that is finished first."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def announce(self, info: ObjectInfo) -> bool:
        """Announces these bytes under this key unless that was done before; for uploads that need not settle.

        The event carries the id of the request that is followed, or, of a file that was dropped, a new one.
        """
        with self._announcing:
            index = self._objects.index
            if index.was_announced(info.bucket, info.key, info.etag):
                return False
            origin = request_id() or new_request_id()
            event = ObjectCreated(info.bucket, info.key, info.etag, info.size, info.modified_at, request_id=origin)
            self._on_object(event)
            index.mark_announced(info.bucket, info.key, info.etag)
            return True

    def _run(self) -> None:
        for changes in self._notices():
            try:
                for change, path in changes:
                    self._notice(change, path)
                self._rescan_when_due()
                self._announce_settled()
            except Exception:  # noqa: BLE001 (logged; a watcher that ended would look like one with nothing to do)
                _log.exception("watching failed for a moment; the next rescan finds what was missed")

    def _notices(self) -> Iterator[Iterable[tuple["watchfiles.Change", str]]]:
        """What changed, at least ten times a second; nothing but ticks when the system gives no notices."""
        import watchfiles  # noqa: PLC0415 (only `up` watches; others start faster without)

        folders = sorted({str(self._objects.root.resolve() / bucket) for bucket, _ in self._prefixes})
        try:
            yield from watchfiles.watch(
                *folders,
                watch_filter=None,
                debounce=_TICK_MS,
                step=_TICK_MS // 4,
                stop_event=self._stopped,
                rust_timeout=_TICK_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                ignore_permission_denied=True,
            )
        except (OSError, RuntimeError) as error:
            # On Linux mostly fs.inotify.max_user_watches or max_user_instances.
            _log.warning("no notices from the system; looking through the buckets instead", extra={"error": str(error)})
        self._rescan_every_s, self._rescan_at = _RESCAN_WITHOUT_NOTICES_S, 0.0
        while not self._stopped.wait(_TICK_MS / 1000):
            yield ()

    def _notice(self, change: "watchfiles.Change", path: str) -> None:
        bucket, _, key = Path(path).relative_to(self._objects.root.resolve()).as_posix().partition("/")
        if change.name == "deleted" or not key or key.rpartition("/")[2].startswith("."):
            return
        with suppress(NotFoundError):  # gone again
            # A folder that was moved in gives one notice for everything in it.
            self._take_up(bucket, key, self._objects.look)

    def _rescan_when_due(self) -> None:
        started = time.monotonic()
        if started < self._rescan_at:
            return
        self._rescan_at = started + self._rescan_every_s
        for bucket, prefix in self._prefixes:
            self._objects.make_bucket(bucket)  # somebody may have deleted it
            self._take_up(bucket, prefix, self._objects.scan)
        ended = time.monotonic()
        self._rescan_at = ended + max(self._rescan_every_s, (ended - started) / _RESCAN_SHARE)

    def _take_up(self, bucket: str, start: str, names: Callable[[str, str], Iterator[Found]]) -> None:
        """Lets every object that is new wait until it has settled."""
        try:
            for each in names(bucket, start):
                if self._stopped.is_set():
                    return
                if self._is_ours(bucket, each.key):
                    self._wait_for(bucket, each)
        except NotFoundError:
            raise
        except FacelineError as error:
            self._warn((bucket, start), str(error))

    def _wait_for(self, bucket: str, found: Found) -> None:
        if found.refusal:
            self._warn((bucket, found.key), found.refusal)
        elif not self._objects.index.is_unchanged(bucket, found.key, found.stamp):
            self._pending.setdefault((bucket, found.key), (found.stamp, time.monotonic()))

    def _is_ours(self, bucket: str, key: str) -> bool:
        hidden = any(part.startswith(".") for part in key.split("/"))
        wanted = any(bucket == b and key.startswith(prefix) for b, prefix in self._prefixes)
        return wanted and not hidden and not key.lower().endswith(_UNFINISHED)

    def _announce_settled(self) -> None:
        for place, (stamp, since) in list(self._pending.items()):
            if self._stopped.is_set():
                return
            if time.monotonic() - since >= self._settle_s:
                self._announce_if_settled(place, stamp)

    def _announce_if_settled(self, place: Place, stamp: Stamp) -> None:
        try:
            now = next(self._objects.look(*place)).stamp
            if now != stamp:
                self._pending[place] = (now, time.monotonic())
                return
            self._pending.pop(place)
            self.announce(self._objects.head(*place))
            self._warned.discard(place)
        except (NotFoundError, StopIteration):
            self._pending.pop(place, None)  # taken out again before it had settled
        except FacelineError as error:
            self._pending.pop(place, None)  # the next rescan tries again
            self._warn(place, str(error))

    def _warn(self, place: Place, reason: str) -> None:
        """Once for each place, not at every rescan."""
        if place not in self._warned:
            self._warned.add(place)
            _log.warning("object not taken up", extra={"bucket": place[0], "key": ascii(place[1]), "reason": reason})
