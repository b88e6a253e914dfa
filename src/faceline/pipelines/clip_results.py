"""What workflows 3 and 4 left of each clip, to look at: its result, its frames, and which clip it was made of."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from faceline.config import Names
from faceline.errors import InputError, NotFoundError
from faceline.pipelines.staging import MANIFEST, StagedFrame, read_staged
from faceline.ports import ObjectStore, Receipts

_MAX_BYTES = 50_000_000
_MAX_MANIFEST_BYTES = 200_000_000


class Box(msgspec.Struct, frozen=True):
    """In pixels of what was staged."""

    left: float
    top: float
    width: float
    height: float


class Candidate(msgspec.Struct, frozen=True):
    name: str
    similarity: float


class Seen(msgspec.Struct, frozen=True):
    """An appearance (mode all), or the face of mode first, which has no times."""

    decision: str
    box: Box
    name: str | None = None
    similarity: float | None = None
    threshold: float | None = None
    candidates: list[Candidate] = []
    number: int = 1
    first_s: float = 0.0
    last_s: float = 0.0
    best_frame_s: float = 0.0
    frames: int = 1
    best_frame: str | None = None


class Source(msgspec.Struct, frozen=True):
    duration_s: float | None
    width: int
    height: int


class ClipResult(msgspec.Struct, frozen=True):
    """`<stem>.json` of the output bucket, as docs/reference/results.md has it. Without a mode: a refused clip."""

    source: str
    names: list[str]
    error: str | None
    mode: str | None = None
    processed_at: str | None = None
    collection: str | None = None
    model: str | None = None
    video: Source | None = None
    sampled_frames: int | None = None
    appearances: list[Seen] = []
    face: Seen | None = None

    @property
    def seen(self) -> list[Seen]:
        return self.appearances or ([self.face] if self.face else [])


@dataclass(frozen=True, slots=True)
class ClipResults:
    """Results are found by their stem: the clip's key without its suffix, or with it where another clip owns that."""

    objects: ObjectStore
    receipts: Receipts
    names: Names

    def stem_of(self, bucket: str, key: str) -> str:
        """Where the results of a clip stand; also of an image or a list of frames in the stage bucket."""
        path = PurePosixPath(key)
        if bucket == self.names.stage:
            return str(path.parent if path.name == MANIFEST else path.with_suffix(""))
        short = str(path.with_suffix(""))
        return short if self._owner(short) in (key, None) else key

    def source_of(self, stem: str) -> tuple[str, str]:
        """Bucket and key of the clip."""
        return self.names.input, self._owner(stem) or stem

    def result(self, stem: str) -> ClipResult:
        """Raises NotFoundError without one, InputError when the file is none."""
        key = f"{stem}.json"
        data = self.objects.get(self.names.output, key, _MAX_BYTES)[1]
        try:
            return msgspec.json.decode(data, type=ClipResult)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"{self.names.output}/{key} is no result of a clip ({error})") from error

    def frames(self, stem: str) -> Sequence[StagedFrame]:
        """What was staged, in order of time; empty when nothing is there (any more)."""
        key = f"{stem}/{MANIFEST}"
        try:
            return read_staged(self.objects.get(self.names.stage, key, _MAX_MANIFEST_BYTES)[1], key).frames
        except NotFoundError:
            return self._first(f"{stem}.jpg")

    def nearest(self, stem: str, at_s: float) -> StagedFrame:
        """The staged frame nearest to a time in seconds. Raises NotFoundError without any."""
        frames = self.frames(stem)
        if not frames:
            raise NotFoundError(f"{stem}: no frame of this clip is kept; upload it again")
        after = bisect_left(frames, at_s, key=lambda frame: frame.time_s)
        return min(frames[max(after - 1, 0) : after + 1], key=lambda frame: abs(frame.time_s - at_s))

    def _first(self, key: str) -> Sequence[StagedFrame]:
        try:
            self.objects.head(self.names.stage, key)
        except NotFoundError:
            return ()
        return (StagedFrame(key, 0.0, 0),)

    def _owner(self, short: str) -> str | None:
        return self.receipts.result(f"owner:{self.names.output}/{short}")
