"""Keeps the faces that nobody knew in an uploaded photo, for those who name them later. Only when a setting says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from faceline.gallery.newface import Origin, image_id_of, new_face
from faceline.gallery.ports import NewFace
from faceline.gallery.unknowns import UnknownFaces
from faceline.ports import ObjectInfo
from faceline.types import Decision, Frame, Identification


@dataclass(frozen=True, slots=True)
class UnknownKeeper:
    """most: faces kept of the collection, the latest. days: after which they go; 0 keeps them."""

    store: UnknownFaces
    collection: str
    most: int
    days: float

    def keep(self, info: ObjectInfo, frame: Frame | None, found: Sequence[Identification]) -> None:
        """The usable faces with the answer `unknown`, in place of what this object's earlier bytes showed.

        frame: None for bytes that are no picture.
        """
        source = f"{info.bucket}/{info.key}"
        self.expire()
        self.store.replace(self.collection, source, _unknown(source, frame, found) if frame else [], self.most)

    def expire(self) -> int:
        """Removes what is too old; how many faces."""
        if not self.days:
            return 0
        before = datetime.now(UTC) - timedelta(days=self.days)
        expired = self.store.expire(before.isoformat(timespec="milliseconds"))
        if expired:  # each time the whole file is searched for what is left of them: so those of the next hour too
            soon = before + timedelta(hours=1)
            expired += self.store.expire(soon.isoformat(timespec="milliseconds"))
        return expired


def _unknown(source: str, frame: Frame, found: Sequence[Identification]) -> list[NewFace]:
    faces = [who.face for who in found if who.decision is Decision.UNKNOWN and who.face.quality.usable]
    if not faces:
        return []
    origin = Origin(image_id_of(frame.pixels.tobytes()), source, None, None)
    return [new_face(frame, face, origin, keep_crop=True) for face in faces]
