"""A person, gone from all that faceline keeps: face records, enrolment uploads, names in records and results."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from faceline.errors import InputError, NotFoundError
from faceline.events import ObjectCreated
from faceline.gallery.names import user_id_of
from faceline.gallery.newface import SENT
from faceline.gallery.ports import FaceRecords, People
from faceline.pipelines.images import Places
from faceline.pipelines.video_outputs import Outputs
from faceline.ports import ObjectStore, Receipts, Records

_MAX_DOCUMENT_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Forgotten:
    """removed: collection → face records deleted there, 0 where the person had none. uploads: objects under the enroll
    prefix that were deleted, and gallery files that the person was taken out of.

    records, results: rows and results of photos and clips that named the person and no longer do. photos: where other
    photos came from; they are the user's and stay.
    """

    name: str
    removed: dict[str, int]
    uploads: tuple[str, ...]
    records: int
    results: int
    photos: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Eraser:
    """Deletes people. What it deletes is overwritten in the database files, not only unlinked.

    outputs: results of clips. forget_in_gallery: takes a name out of a gallery file, if the source is one.
    """

    face_records: FaceRecords
    people: People
    objects: ObjectStore
    records: Records
    receipts: Receipts
    places: Places
    outputs: Outputs
    forget_in_gallery: Callable[[str, str], bool]

    def forget(self, name: str, collections: Sequence[str], photos: bool, clips: bool) -> Forgotten:
        """photos, clips: also from their records and results.

        Raises NotFoundError when nothing anywhere names the person.
        """
        removed: dict[str, int] = {}
        sources: list[str] = []
        for collection in collections:
            known = self.face_records.find(collection, person=name)
            sources += [record.source for record in known]
            if known:
                removed[collection] = self.face_records.remove(collection, [record.face_id for record in known])
            if self._delete_person(collection, name):
                removed.setdefault(collection, 0)
        uploads = [source for source in dict.fromkeys(sources) if self._delete_upload(source, name)]
        records = self.records.forget(name) if photos else 0
        results = (self._clean_results(name) if photos else 0) + (self.outputs.forget(name) if clips else 0)
        if not removed and not records and not results:
            where = ", ".join(collections) or "any collection"
            raise NotFoundError(f"nobody called {name} is in {where}; see `faceline collections`")
        stay = tuple(source for source in sources if source not in uploads and source != SENT)
        return Forgotten(name, removed, tuple(uploads), records, results, stay)

    def _delete_person(self, collection: str, name: str) -> bool:
        """Deletes somebody who has no face; those who had one went with their last."""
        try:
            person = self.people.get(collection, user_id_of(name))
        except NotFoundError:
            return False
        if person.name != name:  # who is called what this name's user id is made as
            return False
        self.people.delete(collection, person.user_id)
        return True

    def _delete_upload(self, source: str, name: str) -> bool:
        """Deletes an enrolment photo from our own bucket, with its receipt, so that it can be enrolled again later."""
        if self.forget_in_gallery(source, name):
            return True
        start = f"{self.places.bucket}/{self.places.enroll_prefix}"
        if not source.startswith(start):
            return False
        key = source.removeprefix(f"{self.places.bucket}/")
        try:
            info = self.objects.head(self.places.bucket, key)
        except (NotFoundError, InputError):
            return False
        self.receipts.discard(ObjectCreated(info.bucket, key, info.etag, info.size, info.modified_at).event_id)
        self.objects.delete(self.places.bucket, key)
        return True

    def _clean_results(self, name: str) -> int:
        try:
            infos = list(self.objects.list(self.places.bucket, self.places.processed_prefix))
        except NotFoundError:
            return 0
        return sum(self._clean(info.key, name) for info in infos if info.key.endswith(".json"))

    def _clean(self, key: str, name: str) -> bool:
        try:
            text = self.objects.get(self.places.bucket, key, _MAX_DOCUMENT_BYTES)[1].decode()
            # Most documents do not name the person: parsing is for those that do.
            document = json.loads(text) if json.dumps(name, ensure_ascii=False) in text else {}
            named = [face for face in document.get("faces", []) if _names(face, name)]
        except (NotFoundError, InputError, ValueError, AttributeError, TypeError):
            return False  # not one of ours
        if not named:
            return False
        for face in named:
            _unname(face, name)
        self.objects.put(self.places.bucket, key, json.dumps(document, ensure_ascii=False, indent=2).encode())
        return True


def _names(face: dict[str, Any], name: str) -> bool:
    return face.get("name") == name or any(c.get("name") == name for c in face.get("candidates", []))


def _unname(face: dict[str, Any], name: str) -> None:
    face["candidates"] = [c for c in face.get("candidates", []) if c.get("name") != name]
    if face.get("name") == name:
        face |= {"name": None, "decision": "forgotten", "similarity": None}
