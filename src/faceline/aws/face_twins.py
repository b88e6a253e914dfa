"""Which of the faces that are to be added are stored already: by their ids, or by their image and box."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from faceline.aws.face_items import index_key, partition, record_of
from faceline.aws.face_table import FaceTable, Meta
from faceline.aws.items import MAX_ACTIONS, Item
from faceline.gallery.ports import NewFace
from faceline.types import BoundingBox, FaceRecord

_FACES_A_QUERY = 20  # are read in about the time of one more request, in pages of some 800


@dataclass(slots=True)
class Twins:
    """What holds for the faces with these ids while the collection has this version."""

    version: int
    face_ids: frozenset[str]
    _by_id: dict[str, FaceRecord] = field(default_factory=dict)
    _by_place: dict[tuple[str, BoundingBox], FaceRecord] = field(default_factory=dict)

    def tells_of(self, face: NewFace) -> bool:
        return face.record.face_id in self.face_ids

    def of(self, record: FaceRecord) -> FaceRecord | None:
        return self._by_id.get(record.face_id) or self._by_place.get((record.image_id, record.box))

    def note(self, record: FaceRecord) -> None:
        """A face that is a twin to those that come after it."""
        self._by_id[record.face_id] = record
        self._by_place[record.image_id, record.box] = record

    def copy(self) -> "Twins":
        return Twins(self.version, self.face_ids, dict(self._by_id), dict(self._by_place))


def stored_twins(table: FaceTable, collection: str, faces: Sequence[NewFace], meta: Meta) -> Twins:
    """Of those that one transaction may take; of all where one pass over the collection is quicker."""
    first = faces[:MAX_ACTIONS]
    return twins_of_all(table, collection, faces if _in_one_pass(first, meta) else first, meta)


def twins_of_all(table: FaceTable, collection: str, faces: Sequence[NewFace], meta: Meta) -> Twins:
    ids = [face.record.face_id for face in faces]
    twins = Twins(meta.version, frozenset(ids))
    for item in (*table.faces(collection, ids), *_of_their_images(table, collection, faces, meta)):
        twins.note(record_of(item))
    return twins


def _of_their_images(table: FaceTable, collection: str, faces: Sequence[NewFace], meta: Meta) -> Iterable[Item]:
    images = {index_key(face.record.image_id) for face in faces}
    if _in_one_pass(faces, meta):
        stored = table.query(partition(collection), index="by_image")
        return (item for item in stored if item["image_id"]["S"] in images)
    return (item for image in sorted(images) for item in table.equal(collection, "by_image", "image_id", image))


def _in_one_pass(faces: Sequence[NewFace], meta: Meta) -> bool:
    return len(faces) * _FACES_A_QUERY >= meta.faces
