"""What there is of a person: their face records, and the photos and clips that show them, alone or among others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import msgspec

from faceline.called import Keys, is_customers
from faceline.documents import parsed
from faceline.erasure import Gone
from faceline.errors import InputError, NotFoundError
from faceline.gallery.newface import SENT
from faceline.gallery.ports import FaceRecords
from faceline.pipelines.customers import Customers, image_id_of_key
from faceline.pipelines.images import Places
from faceline.ports import ObjectStore, Record, RecordQuery, Records

_ALL = 10_000_000
_MAX_DOCUMENT_BYTES = 50_000_000

Place = tuple[str, str]
Says = Callable[[str], bool]


class Belongings(msgspec.Struct):
    """Of one person. faces: collection → face ids. alone, among_others: (bucket, key) of photos and clips.

    mentions: images of other customers whose keys say the name: they stay as they are, whatever is asked for.
    spared: collection → ids of faces that are labelled so and are somebody else's to delete.
    """

    name: str
    collections: list[str]
    everywhere: bool
    faces: dict[str, list[str]] = {}
    image_ids: list[str] = []
    external_image_ids: list[str] = []
    sources: list[str] = []
    alone: list[Place] = []
    among_others: list[Place] = []
    stems: list[tuple[str, str, str]] = []
    spared: dict[str, list[str]] = {}
    mentions: list[Place] = []

    def joined(self, earlier: "Belongings | None") -> "Belongings":
        """With what was found when an erasure began that did not end: part of it is gone by now."""
        if earlier is None:
            return self
        faces = {
            name: _united(self.faces.get(name, []), earlier.faces.get(name, []))
            for name in _united(list(self.faces), list(earlier.faces))
        }
        alone = _united(self.alone, earlier.alone)
        return Belongings(
            name=self.name,
            collections=_united(self.collections, earlier.collections),
            everywhere=self.everywhere or earlier.everywhere,
            faces=faces,
            image_ids=_united(self.image_ids, earlier.image_ids),
            external_image_ids=_united(self.external_image_ids, earlier.external_image_ids),
            sources=_united(self.sources, earlier.sources),
            alone=alone,
            among_others=[p for p in _united(self.among_others, earlier.among_others) if p not in alone],
            stems=_united(self.stems, earlier.stems),
            spared=self.spared,
            mentions=[place for place in _united(self.mentions, earlier.mentions) if place not in alone],
        )

    def without(self, faces: Mapping[str, Sequence[str]]) -> "Belongings":
        """But for these faces: collection → face ids."""
        left = {
            name: [face_id for face_id in ids if face_id not in faces.get(name, ())] for name, ids in self.faces.items()
        }
        spared = {name: list(ids) for name, ids in faces.items()}
        return msgspec.structs.replace(self, faces={name: ids for name, ids in left.items() if ids}, spared=spared)

    def gone(self, objects: Sequence[Place]) -> Gone:
        """objects: photos and clips that are deleted or renamed. What all images that were sent share is no source."""
        return Gone(
            name=self.name,
            collections=tuple(self.collections),
            everywhere=self.everywhere,
            face_ids=frozenset(face_id for ids in self.faces.values() for face_id in ids),
            image_ids=frozenset(self.image_ids),
            external_image_ids=frozenset(self.external_image_ids),
            sources=frozenset(self.sources) - {SENT} | {f"{bucket}/{key}" for bucket, key in objects},
        )


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks through the stores. clips, images, results: buckets; images_prefix: where customers' images come in.

    keys: what a key says of a person. customers: whose image it is.
    """

    face_records: FaceRecords
    objects: ObjectStore
    records: Records
    places: Places
    clips: str
    results: str
    images: str
    images_prefix: str
    keys: Keys
    customers: Customers

    def find(self, name: str, collections: Sequence[str], everywhere: bool, says: Says) -> Belongings:
        """says: whether a text names the person. Raises SettingError as `Customers.of` does."""
        found = Belongings(name, list(collections), everywhere)
        for collection in collections:
            known = self.face_records.find(collection, person=name)
            if known:
                found.faces[collection] = [record.face_id for record in known]
            found.image_ids += [record.image_id for record in known]
            found.external_image_ids += [r.external_image_id for r in known if r.external_image_id]
            found.sources += [record.source for record in known]
        found.sources = list(dict.fromkeys(found.sources))
        found.alone = [place for source in found.sources if (place := self._uploaded(source))]
        if everywhere:
            self._add_photos(found, says)
            self._add_images(found, says)
            self._add_clips(found, says)
            found.among_others = [place for place in found.among_others if place not in found.alone]
        return found

    def _uploaded(self, source: str) -> Place | None:
        """The object of ours that a face record came from: an upload to enrol somebody, or a customer's image."""
        bucket, _, key = source.partition("/")
        ours = [(self.places.bucket, self.places.enroll_prefix), (self.images, self.images_prefix)]
        if not any(bucket == b and key.startswith(prefix) for b, prefix in ours):
            return None
        try:
            self.objects.head(bucket, key)
        except (NotFoundError, InputError):
            return None
        return bucket, key

    def _add_photos(self, found: Belongings, says: Says) -> None:
        bucket = self.places.bucket
        named = {(row.bucket, row.key) for row in self.records.query(RecordQuery(person=found.name, limit=_ALL))}
        for prefix in (self.places.input_prefix, self.places.enroll_prefix):
            named |= {(bucket, key) for key in self._keys(bucket, prefix) if self.keys.mentions(key, says)}
        for bucket, key in sorted(named):
            rows = [row for row in self.records.query(RecordQuery(image=key, limit=_ALL)) if row.bucket == bucket]
            alone = self._is_theirs(key, found.name, rows)
            (found.alone if alone else found.among_others).append((bucket, key))
        found.alone = list(dict.fromkeys(found.alone))

    def _is_theirs(self, key: str, name: str, rows: Sequence[Record]) -> bool:
        """A mention is not enough: whoever uploads calls a file as they like, and may ask to be forgotten then."""
        is_called = self.keys.is_called(key, name)
        if key.startswith(self.places.enroll_prefix) and is_called:
            return True
        return _shows_only(rows, name) or (is_called and _shows_nobody(rows))

    def _add_images(self, found: Belongings, says: Says) -> None:
        """Customers' images have no rows that say who is in them: it is whose they are that counts."""
        for key, customer in self.customers.of_all(self._keys(self.images, self.images_prefix)).items():
            place = (self.images, key)
            if says(customer) and is_customers(image_id_of_key(key), customer, found.name):
                found.alone.append(place)
            elif place not in found.alone and self.keys.mentions(key, says):
                found.mentions.append(place)
        found.alone = list(dict.fromkeys(found.alone))

    def _add_clips(self, found: Belongings, says: Says) -> None:
        for document in self._documents():
            if not _names_them(document, found.name):
                continue
            for place in filter(self._may_be, self._clip_of(document)):
                (found.alone if _is_alone(document, found.name) else found.among_others).append(place)
                found.stems.append((*place, document["stem"]))
        for key in self._keys(self.clips, ""):
            place = (self.clips, key)
            if self.keys.mentions(key, says) and place not in found.alone + found.among_others:
                (found.alone if self.keys.is_called(key, found.name) else found.among_others).append(place)

    def _documents(self) -> Iterator[dict[str, Any]]:
        for key in self._keys(self.results, ""):
            if not key.endswith(".json"):
                continue
            with suppress(NotFoundError, InputError, ValueError):  # gone meanwhile, or not one of ours
                document = parsed(self.objects.get(self.results, key, _MAX_DOCUMENT_BYTES)[1])
                if isinstance(document, dict):
                    yield document | {"stem": key.removesuffix(".json")}

    def _clip_of(self, document: dict[str, Any]) -> Iterator[Place]:
        """With one frame a clip, the source is that frame: then it is the clip of the same name."""
        bucket, _, key = str(document.get("source", "")).partition("/")
        if bucket == self.clips:
            yield bucket, key
            return
        for clip in self._keys(self.clips, f"{document['stem']}."):
            if str(PurePosixPath(clip).with_suffix("")) == document["stem"]:
                yield self.clips, clip

    def _may_be(self, place: Place) -> bool:
        """False for what no object can be called; a document may say anything."""
        try:
            self.objects.head(*place)
        except NotFoundError:  # gone, and its results are to go yet
            return True
        except InputError:
            return False
        return True

    def _keys(self, bucket: str, prefix: str) -> list[str]:
        try:
            return [info.key for info in self.objects.list(bucket, prefix)]
        except NotFoundError:
            return []


def _shows_only(rows: Sequence[Record], name: str) -> bool:
    """One face or several, all theirs."""
    return bool(rows) and all(row.person == name for row in rows)


def _shows_nobody(rows: Sequence[Record]) -> bool:
    """No face, or one that nobody knows, as of a photo with their name on it."""
    return len(rows) <= 1 and all(row.person is None for row in rows)


def _names_them(document: dict[str, Any], name: str) -> bool:
    names = document.get("names")
    return (isinstance(names, list) and name in names) or any(each.get("name") == name for each in _sightings(document))


def _is_alone(document: dict[str, Any], name: str) -> bool:
    """Of a clip whose first frame only was looked at, nobody knows who else is in it."""
    seen = document.get("appearances")
    names = [each.get("name") if isinstance(each, dict) else None for each in seen] if isinstance(seen, list) else []
    return bool(names) and all(each == name for each in names)


def _sightings(document: dict[str, Any]) -> list[dict[str, Any]]:
    seen = document.get("appearances")
    found = [*(seen if isinstance(seen, list) else []), document.get("face")]
    return [each for each in found if isinstance(each, dict)]


def _united(one: list[Any], other: list[Any]) -> list[Any]:
    return list(dict.fromkeys(map(_hashable, [*one, *other])))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
