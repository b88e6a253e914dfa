"""What of a result the page lists: an entry for a photo, for a clip, for an appearance before a camera."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from faceline.activity import Entry, Kind, SeenEmotion, SeenFace
from faceline.ports import ObjectInfo
from faceline.types import Appearance, BoxInParts, Decision, Face, Frame, Identification

if TYPE_CHECKING:  # whoever works on photos, in a function that starts cold, needs nothing of cameras
    from faceline.pipelines.watching import CameraEvent

STATUS = {Decision.MATCH: "matched", Decision.UNKNOWN: "unknown", Decision.AMBIGUOUS: "ambiguous"}

See = Callable[[Entry], object]
_OWN_DATE_MS = 86_400_000.0


def unseen(entry: Entry) -> None:
    """A `See` where nobody looks."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is being done with one object. at: when it began; started_s: so by time.perf_counter()."""

    at: datetime
    started_s: float

    @classmethod
    def begun(cls) -> "Work":
        return cls(datetime.now(UTC), time.perf_counter())

    def on(
        self,
        kind: Kind,
        info: ObjectInfo,
        collection: str,
        faces: tuple[SeenFace, ...],
        error: str | None,
        frame: Frame | None = None,
    ) -> Entry:
        """It is done, with this result. collection: empty where nobody was looked for. frame: the photo."""
        return Entry(
            kind=kind,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            uploaded_at=info.modified_at,
            bucket=info.bucket,
            key=info.key,
            collection=collection or None,
            width=frame.width if frame else None,
            height=frame.height if frame else None,
            faces=faces,
            error=error,
            waited_ms=_waited_ms(info.modified_at, self.at),
            took_ms=round((time.perf_counter() - self.started_s) * 1000, 1),
        )


def photo_faces(
    frame: Frame | None, faces: Sequence[Face], found: Sequence[Identification], emotions: int
) -> tuple[SeenFace, ...]:
    """found: of these faces, or none where nobody was looked for. emotions: how many of them are kept."""
    if frame is None:
        return ()
    whose: Sequence[Identification | None] = found or [None] * len(faces)
    return tuple(
        _face(face, who, BoxInParts.of(face.box, frame.width, frame.height), emotions)
        for face, who in zip(faces, whose, strict=True)
    )


def clip_faces(found: Sequence[Appearance]) -> tuple[SeenFace, ...]:
    """The appearances, in order of appearing."""
    return tuple(_face(each.who.face, each.who, times_s=(each.first_s, each.last_s)) for each in found)


def first_face(who: Identification) -> tuple[SeenFace, ...]:
    """The one that a clip's first frame shows best."""
    return (_face(who.face, who),)


def camera_entry(event: "CameraEvent", collection: str) -> Entry:
    """Of the crop, which is to be kept with it."""
    crop, who = event.appearance.crop, event.appearance.who
    return Entry(
        kind=Kind.CAMERA,
        time=event.time.isoformat(timespec="milliseconds"),
        uploaded_at=event.first_seen.isoformat(timespec="milliseconds"),
        camera=event.camera,
        collection=collection,
        width=int(crop.shape[1]),
        height=int(crop.shape[0]),
        faces=(_face(who.face, who),),
    )


def _face(
    face: Face,
    who: Identification | None,
    box: BoxInParts | None = None,
    emotions: int = 0,
    times_s: tuple[float | None, float | None] = (None, None),
) -> SeenFace:
    best = who.candidates[0] if who and who.candidates else None
    named = best if who and who.name else None
    return SeenFace(
        status=STATUS[who.decision] if who else "detected",
        person=named.name if named else None,
        face_id=named.face_id if named else None,
        similarity=round(best.similarity, 2) if best else None,
        confidence=round(face.confidence, 2),
        box=box,
        emotions=tuple(SeenEmotion(each.type, round(each.confidence, 1)) for each in (face.emotions or ())[:emotions]),
        first_s=_rounded(times_s[0]),
        last_s=_rounded(times_s[1]),
    )


def _rounded(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s, 3)


def _waited_ms(modified_at: str, started: datetime) -> float | None:
    """None for a file that is older than a day: it kept its own date when it was copied, which says nothing."""
    waited_ms = (started - datetime.fromisoformat(modified_at)).total_seconds() * 1000
    return round(max(waited_ms, 0.0), 1) if waited_ms < _OWN_DATE_MS else None
