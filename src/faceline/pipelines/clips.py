"""A clip → who appears in it, and when."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from faceline.config import Settings
from faceline.engine.analyzer import Analyzer, Sighting, Wanted
from faceline.errors import VideoError
from faceline.gallery.collection import Collection
from faceline.pipelines.following import Follower, Track
from faceline.pipelines.regions import Region, within
from faceline.tracking import Motion
from faceline.types import Appearance, Frame
from faceline.videos import Clip, Sampling, VideoFrame, VideoLimits, opened

_AHEAD = 2  # frames for each worker that are decoded but not yet followed


def video_limits(settings: Settings) -> VideoLimits:
    s = settings
    return VideoLimits(
        max_bytes=s.max_video_bytes,
        max_pixels=s.max_video_pixels,
        decode_pixels=s.decode_pixels,
        max_duration_s=s.max_video_s,
        memory_mb=s.video_memory_mb,
        cpu_s=s.video_cpu_s,
        timeout_s=s.video_timeout_s,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """How clips are gone through. per_second: frames sampled. workers: frames searched at once.

    region: None for the whole picture. trails: whether each box is kept, for drawing.
    """

    analyzer: Analyzer
    wanted: Wanted
    collection: Collection
    per_second: float
    workers: int = 1
    region: Region | None = None
    trails: bool = False

    def sight(self, frame: Frame) -> list[Sighting]:
        return self.analyzer.sight(frame, self.wanted)


@dataclass(frozen=True, slots=True, eq=False)
class FollowedClip:
    """What was found in a clip, up to the damage when `error` is set.

    duration_s: as the clip says, else the time of the last frame; None for a file that is no clip. trails: for each
    appearance's number where it was seen, when that was asked for.
    """

    duration_s: float | None
    appearances: tuple[Appearance, ...] = ()
    trails: Mapping[int, Sequence[Motion]] = field(default_factory=dict)
    error: VideoError | None = None


def follow_clip(
    path: Path, limits: VideoLimits, search: Searched, advance: Callable[[float, float | None], None] | None = None
) -> FollowedClip:
    """Who appears in a clip; a damaged or refused one gives what was found, and its error.

    advance: called with the time of each frame that is done and the clip's duration, in seconds.
    """
    going = _Going(search)
    try:
        with opened(path, limits, Sampling(search.per_second)) as clip:
            going.follow(clip, advance)
    except VideoError as error:
        return going.found(error)
    return going.found(None)


def sighted(
    frames: Iterable[VideoFrame], sight: Callable[[Frame], list[Sighting]], workers: int
) -> Iterator[tuple[VideoFrame, list[Sighting]]]:
    """Each frame with its faces, in order; detection runs ahead in `workers` threads, by a few frames.

    What `frames` raises comes after the faces of the frames before it.
    """
    waiting: deque[tuple[VideoFrame, Future[list[Sighting]]]] = deque()
    failure: VideoError | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="sight") as pool:
        try:
            for frame in frames:
                waiting.append((frame, pool.submit(sight, frame.frame)))
                if len(waiting) >= _AHEAD * workers:
                    first, found = waiting.popleft()
                    yield first, found.result()
        except VideoError as error:
            failure = error
        while waiting:
            first, found = waiting.popleft()
            yield first, found.result()
    if failure is not None:
        raise failure


def appearance(track: Track, collection: Collection) -> Appearance:
    """Who a track is. Raises ModelMismatchError when it was embedded by another model than the collection's."""
    who = collection.identify_together(track.embedded, track.best)
    return Appearance(track.number, who, track.first_s, track.last_s, track.best_s, track.frames, track.crop)


def appearances(
    frames: Iterable[VideoFrame], analyzer: Analyzer, wanted: Wanted, collection: Collection, workers: int
) -> list[Appearance]:
    """Who appears in the frames, numbered in order of appearing. Raises what `frames` raises."""
    follower = Follower(analyzer.embed_chips, collection.scorer)
    for frame, sightings in sighted(frames, lambda each: analyzer.sight(each, wanted), workers):
        follower.add(frame, sightings)
    return [numbered for _, numbered in _numbered(follower.finish(), collection)]


def _numbered(tracks: Iterable[Track], collection: Collection) -> list[tuple[int, Appearance]]:
    """Each with the track's number; those of the appearances leave out none."""
    ordered = sorted(tracks, key=lambda track: (track.first_s, track.number))
    return [(t.number, replace(appearance(t, collection), number=n)) for n, t in enumerate(ordered, start=1)]


class _Going:
    """A clip while it is gone through, so that what was found outlasts an error."""

    def __init__(self, search: Searched) -> None:
        self._search = search
        self._follower = Follower(search.analyzer.embed_chips, search.collection.scorer)
        self._tracks: list[Track] = []
        self._trails: defaultdict[int, list[Motion]] = defaultdict(list)
        self._duration_s: float | None = None

    def follow(self, clip: Clip, advance: Callable[[float, float | None], None] | None) -> None:
        announced_s = self._duration_s = clip.info.duration_s
        search = self._search
        sight = within(search.region, search.sight) if search.region else search.sight
        for frame, sightings in sighted(clip.frames, sight, search.workers):
            numbers = self._follower.add(frame, sightings)
            self._tracks += self._follower.ended()
            if search.trails:
                for number, sighting in zip(numbers, sightings, strict=True):
                    self._trails[number].append(Motion(sighting.face.box, frame.time_s))
            if announced_s is None:
                self._duration_s = frame.time_s
            if advance:
                advance(frame.time_s, announced_s)

    def found(self, error: VideoError | None) -> FollowedClip:
        numbered = _numbered(self._tracks + self._follower.finish(), self._search.collection)
        trails = {each.number: self._trail(number) for number, each in numbered} if self._search.trails else {}
        return FollowedClip(self._duration_s, tuple(each for _, each in numbered), trails, error)

    def _trail(self, number: int) -> list[Motion]:
        """Of a track with those that turned out to be the same face."""
        parts = [trail for other, trail in self._trails.items() if self._follower.joined(other) == number]
        return sorted((motion for part in parts for motion in part), key=lambda motion: motion.time_s)
