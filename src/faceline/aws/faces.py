"""`FaceService` by Amazon Rekognition: it finds and compares faces; whose they are and when they came, we remember.

Rekognition gives nobody its embeddings, so that our records have empty ones (docs/decisions/0026-engine-choice.md).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from faceline.aws.clients import Clients
from faceline.aws.rekognition_answers import Document, face_of, overlap
from faceline.aws.rekognition_api import MOST_MATCHES, Rekognition
from faceline.aws.rekognition_lookup import Lookup, Shown, shown
from faceline.aws.rekognition_names import external_id
from faceline.aws.rekognition_pictures import image_of
from faceline.aws.rekognition_traces import Traces
from faceline.config import Settings
from faceline.errors import InputError, ModelMismatchError, NoFaceError, NotFoundError, StorageError
from faceline.faces import Picture, stored
from faceline.gallery.enrolment import Outcome, Photo, refusal_of
from faceline.gallery.keeping import Keeping
from faceline.gallery.names import problem_of, user_id_of
from faceline.gallery.newface import Origin, image_id_of, new_face
from faceline.gallery.ports import Collections, FaceRecords, NewFace
from faceline.geometry import largest_first
from faceline.images import ImageLimits, to_frame
from faceline.ports import Receipts
from faceline.similarity import Rule
from faceline.types import BoundingBox, Embedding, Face, FaceMatch, FaceRecord, Identification

ENGINE = "amazon-rekognition"
_LATE_S = 1.0  # AWS does not say whether a face can be searched for at once
_SAME = 0.5  # intersection over union of a chosen face with the one that is found again


@dataclass(frozen=True, slots=True)
class Kept:
    """What we keep of the faces that Amazon Rekognition has. keeping: of whom."""

    records: FaceRecords
    collections: Collections
    receipts: Receipts
    keeping: Keeping


def rekognition_engine(
    clients: Clients, settings: Settings, limits: ImageLimits, kept: Kept
) -> Callable[[str], "RekognitionFaces"]:
    """A `faces.FacesOf`, with one engine a collection. limits: of photos that are enrolled."""
    return cache(lambda name: RekognitionFaces(Rekognition(clients, name), settings, limits, kept))


class RekognitionFaces:
    """Implements `faces.FaceService`.

    What it costs goes by images: a photo of workflow 1 is one for DetectFaces and one for each face that is looked up
    (`Lookup`), an image of workflow 5 one for IndexFaces and one for SearchFaces, an enrolled photo two. Kept faces
    cost by the month.

    Similarities are Amazon Rekognition's own: we have not calibrated them against false-match rates. What only AWS
    could show: that a search finds a face once IndexFaces has answered, which "the later image reports" rests on.
    """

    def __init__(self, api: Rekognition, settings: Settings, limits: ImageLimits, kept: Kept) -> None:
        self._api, self._settings, self._limits, self._kept = api, settings, limits, kept
        rule = Rule(settings.strangers_named, settings.min_similarity, settings.ambiguity_margin)
        self._lookup = Lookup(api, kept.records, rule)
        self._traces = Traces(api, kept.records, kept.receipts)
        self._version = ""

    @property
    def model(self) -> str:
        """With the FaceModelVersion of the collection, where there is one."""
        if not self._version and self._api.collection:
            try:
                self._version = self._api.version()
            except NotFoundError:
                return ENGINE
        return _model(self._version) if self._version else ENGINE

    def threshold(self) -> float:
        return self._lookup.threshold()

    def detect(self, picture: Picture) -> list[Face]:
        """Those of at least `min_face_px`, without embeddings."""
        size = picture.frame.width, picture.frame.height
        wanted = "emotions" in self._settings.attributes
        details = self._api.detect(image_of(picture), picture.frame.source, wanted)
        found = [face_of(detail, size) for detail in details]
        return largest_first([face for face in found if face.quality.size_px >= self._settings.min_face_px], *size)

    def identify(self, picture: Picture, faces: Sequence[Face]) -> list[Identification]:
        """Of the first twenty faces."""
        return self._lookup.identify(picture, faces)

    def enroll(self, photo: Photo) -> Outcome:
        """As `gallery.enrolment.Enroller`: two photos of a person are two faces, the same photo again is none."""
        name, keeping, collection = photo.name, self._kept.keeping, self._api.collection
        problem = problem_of(name)
        refusal = f"bad name: {problem}" if problem else keeping.refusal(collection, name, photo.consent)
        if refusal:
            return Outcome(photo.source, refusal=refusal)
        known = self._kept.records.find(collection, image_id=photo.image_id)
        outcome = _again(photo, known[0]) if known else self._looked_at(photo)
        if photo.consent and outcome.refusal is None:
            keeping.note(collection, name, photo.consent)
            outcome = replace(outcome, consent=(name, photo.consent))
        if outcome.face:
            keeping.enrolled(collection, name, 1)
        return outcome

    def index(self, picture: Picture, origin: Origin) -> FaceRecord:
        size = picture.frame.width, picture.frame.height
        whole = Shown(image_of(picture), (0.0, 0.0), size)

        def new(answer: Document, face_id: str) -> NewFace:
            face = face_of(answer["FaceRecords"][0]["FaceDetail"], size)
            return self._new(picture, face, face_id, answer, origin)

        record: FaceRecord | None = None
        for label in _labels(origin.external_image_id or origin.image_id, origin.source):
            # The same image under the same label is the same face to Rekognition, and so another object's already.
            if record is None or record.source != origin.source:
                record = self._indexed(picture, whole, label, new)
        assert record is not None
        return record

    def search(self, record: FaceRecord, limit: int | None, min_similarity: float) -> Sequence[FaceMatch]:
        """At most 4,096. A record whose face is gone from the collection is deleted, and StorageError raised: the next
        try indexes the image again.
        """
        most = MOST_MATCHES if limit is None else min(limit, MOST_MATCHES)
        found = self._found(record.face_id, most, min_similarity)
        if found is None:
            with self.deleting(record.source, [record]):  # there too, should it only have been late
                pass
            raise StorageError(f"Amazon Rekognition has no longer the face of {record.source}; try again to index it")
        return [FaceMatch(match["Face"]["FaceId"], round(float(match["Similarity"]), 2)) for match in found]

    @contextmanager
    def deleting(self, source: str, records: Sequence[FaceRecord]) -> Iterator[None]:
        if not records and not self._traces.is_marked(source):
            yield
            return
        labels = [label for each in records for label in _labels(each.external_image_id or each.image_id, source)]
        left_behind = self._traces.mark(source, labels)
        face_ids = [record.face_id for record in records]
        if face_ids:
            self._kept.records.remove(self._api.collection, face_ids)
        yield
        self._api.delete(face_ids)
        if left_behind:
            self._traces.sweep(source)
        self._traces.clear(source)

    def _found(self, face_id: str, most: int, min_similarity: float) -> Sequence[Document] | None:
        """`FaceMatches`; None where the face is still not there when it is asked for again."""
        for wait_s in (0.0, _LATE_S):
            time.sleep(wait_s)
            try:
                found = self._api.search(face_id, most, min_similarity)
            except NotFoundError:
                return None
            if found is not None:
                return found
        return None

    def _looked_at(self, photo: Photo) -> Outcome:
        """A photo that is not in yet."""
        source = photo.source
        data = photo.image if isinstance(photo.image, bytes) else b""
        try:
            picture = Picture(data, to_frame(photo.image, self._limits, source), source)
            found = self.detect(picture)
        except InputError as error:
            return Outcome(source, refusal=str(error).removeprefix(f"{source}: "))
        faces = found if photo.only is None else _at(photo.only, found)
        size = picture.frame.width, picture.frame.height
        seen = Outcome(source, faces=tuple(faces), size=size)
        refusal = refusal_of(faces, *size)
        if refusal:
            return replace(seen, refusal=refusal)
        return self._taken(photo, picture, shown(picture, found, faces[0]), seen)

    def _taken(self, photo: Photo, picture: Picture, cutting: Shown, seen: Outcome) -> Outcome:
        """seen: its first face is the one to enrol, which the cutting shows."""
        face, origin = seen.faces[0], Origin(photo.image_id, photo.source, photo.name, photo.name)
        made: list[NewFace] = []

        def new(answer: Document, face_id: str) -> NewFace:
            if not cutting.shows(face, answer["FaceRecords"][0]["Face"]["BoundingBox"]):
                raise NoFaceError(f"{photo.source}: poor quality: another face of it is clearer; crop it to the person")
            made.append(self._new(picture, face, face_id, answer, origin))
            return made[-1]

        try:
            record = self._indexed(picture, cutting, external_id(photo.name), new)
        except InputError as error:
            return replace(seen, refusal=str(error).removeprefix(f"{photo.source}: "))
        if made and record.face_id == made[-1].record.face_id:
            return replace(seen, face=made[-1])
        return replace(_again(photo, record), faces=seen.faces, size=seen.size)

    def _indexed(
        self, picture: Picture, cutting: Shown, label: str, new: Callable[[Document, str], NewFace]
    ) -> FaceRecord:
        """The record of the largest face that is good enough. new: makes it of the answer and the face's id.

        Raises NoFaceError, and InputError as `new` and `faces.stored` do; then nothing stays.
        """
        source = picture.source
        left_behind = self._traces.mark(source, [label])
        answer = self._answered(cutting, picture, label)
        taken = [each["Face"]["FaceId"] for each in answer["FaceRecords"]]
        try:
            if not taken:
                raise NoFaceError(f"{picture.frame.source}: {_why(answer)}")
            face = new(answer, taken[0])
            record = stored(self._kept.records, self._api.collection, face, lambda: self._create(answer))
        except (InputError, ModelMismatchError):
            self._tidied(source, taken, left_behind)
            raise
        repeated = answer.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0  # perhaps indexed by each attempt
        self._tidied(source, [each for each in taken if each != record.face_id], left_behind or repeated)
        return record

    def _answered(self, cutting: Shown, picture: Picture, label: str) -> Document:
        try:
            return self._api.index(cutting.image, picture.frame.source, label)
        except NotFoundError:
            self._api.create()
            return self._api.index(cutting.image, picture.frame.source, label)

    def _tidied(self, source: str, face_ids: Sequence[str], sweep: bool) -> None:
        """Without these faces, unless they are recorded as somebody else's; nothing of the source is left behind."""
        there = {each.face_id for each in self._kept.records.find(self._api.collection, face_ids=face_ids)}
        self._api.delete([face_id for face_id in face_ids if face_id not in there])
        if sweep:
            self._traces.sweep(source)
        self._traces.clear(source)

    def _create(self, answer: Document) -> None:
        self._kept.collections.create(self._api.collection, _model(answer["FaceModelVersion"]))

    def _new(self, picture: Picture, face: Face, face_id: str, answer: Document, origin: Origin) -> NewFace:
        empty = Embedding(np.zeros(0, dtype=np.float32), _model(answer["FaceModelVersion"]))
        made = new_face(picture.frame, replace(face, embedding=empty), origin, self._kept.keeping.crops)
        return replace(made, record=replace(made.record, face_id=face_id))


def _model(version: str) -> str:
    return f"{ENGINE}/{version}"


def _labels(label: str, source: str) -> tuple[str, str]:
    """What an image's face is called at Amazon Rekognition, and what it is where another object's is called so."""
    return external_id(label), user_id_of(f"{label} of {image_id_of(source.encode())}", 255)


def _why(answer: Document) -> str:
    """Nothing was indexed."""
    left = answer.get("UnindexedFaces", ())
    reasons = sorted({reason for face in left for reason in face.get("Reasons", ())})
    if not left:
        return "no face"
    return f"poor quality: {', '.join(reason.lower().replace('_', ' ') for reason in reasons)}"


def _at(box: BoundingBox, faces: Sequence[Face]) -> list[Face]:
    """The one of the faces that is there, if any."""
    best = max(faces, key=lambda face: overlap(face.box, box), default=None)
    return [best] if best and overlap(best.box, box) > _SAME else []


def _again(photo: Photo, known: FaceRecord) -> Outcome:
    """Of a photo that is in."""
    if known.source == photo.source and known.person == photo.name:
        return Outcome(photo.source)
    return Outcome(photo.source, refusal=f"duplicate: the same photo is enrolled as {known.person} from {known.source}")
