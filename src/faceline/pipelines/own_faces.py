"""`FaceService` by our own networks and the collection in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from faceline.engine.analyzer import Analyzer, Wanted
from faceline.errors import NoFaceError
from faceline.faces import Picture, stored
from faceline.gallery.collection import Collection
from faceline.gallery.enrolment import Outcome, Photo
from faceline.gallery.newface import Origin, new_face
from faceline.gallery.ports import FaceRecords
from faceline.types import Face, FaceMatch, FaceRecord, Frame, Identification


@dataclass(frozen=True, slots=True)
class OwnFaces:
    """Implements `faces.FaceService`.

    collection, analyzer: asked for when they are needed, since both cost time to open. create: makes the collection.
    enroller: enrols a photo into it. crops: whether pictures of indexed faces are kept.
    """

    name: str
    records: FaceRecords
    collection: Callable[[], Collection]
    analyzer: Callable[[], Analyzer]
    create: Callable[[], None]
    enroller: Callable[[Photo], Outcome]
    wanted: Wanted
    crops: bool = True

    @property
    def model(self) -> str:
        return self.analyzer().model

    def threshold(self) -> float:
        return self.collection().threshold()

    def detect(self, picture: Picture) -> list[Face]:
        return self.analyzer().analyze([picture.frame], self.wanted)[0]

    def identify(self, picture: Picture, faces: Sequence[Face]) -> list[Identification]:
        return self.collection().identify(faces)

    def enroll(self, photo: Photo) -> Outcome:
        return self.enroller(photo)

    def index(self, picture: Picture, origin: Origin) -> FaceRecord:
        new = new_face(picture.frame, self._largest(picture.frame), origin, self.crops)
        return stored(self.records, self.name, new, self.create)

    def search(self, record: FaceRecord, limit: int | None, min_similarity: float) -> Sequence[FaceMatch]:
        collection = self.collection()
        most = collection.faces() if limit is None else limit
        return collection.search_faces(record.embedding, most, min_similarity)

    @contextmanager
    def deleting(self, source: str, records: Sequence[FaceRecord]) -> Iterator[None]:
        """The records are all that there is, and a search needs only the embedding in hand."""
        if records:
            self.records.remove(self.name, [record.face_id for record in records])
        yield

    def _largest(self, frame: Frame) -> Face:
        """The largest usable one, embedded. Raises NoFaceError."""
        analyzer = self.analyzer()
        seen = analyzer.sight(frame, Wanted(self.wanted.min_face_px, self.wanted.rotations, embeddings=False))
        usable = next((sighting for sighting in seen if sighting.face.quality.usable), None)
        if usable is None:
            reasons = f"poor quality: {', '.join(seen[0].face.quality.reasons)}" if seen else "no face"
            raise NoFaceError(f"{frame.source}: {reasons}")
        return replace(usable.face, embedding=analyzer.embed_chips([usable.chip])[0])
