"""A person, gone from all that faceline keeps: face records, photos that show only them, names in records and results.

An erasure can be cut off anywhere. What it is about is written down first, sealed so that only the name opens it, and
repeating it with that name finishes it.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec

from faceline.documents import is_damaged, parsed, quoted, says
from faceline.erasure import Forgets, Gone, Journal
from faceline.errors import InputError, NotFoundError, StorageError
from faceline.gallery.names import user_id_of
from faceline.gallery.newface import SENT
from faceline.gallery.ports import FaceRecords, PersonInfo
from faceline.pipelines.belongings import Belongings, Finder, Place, Says
from faceline.pipelines.images import Places
from faceline.pipelines.video_outputs import Outputs
from faceline.ports import ObjectStore, Records

_MAX_DOCUMENT_BYTES = 50_000_000
_CHECK_S = 0.1


@dataclass(frozen=True, slots=True)
class Forgotten:
    """removed: collection → face records deleted there, 0 where the person had none. uploads: objects that were
    deleted, bucket/key: photos and clips that show only this person, and gallery files that they were taken out of.

    records, results: rows and results of photos and clips that named the person and no longer do. photos: where other
    photos came from; they are the user's and stay. kept: photos and clips that show others too and stay, under their
    new names where the old ones said who was in them; and other customers' images whose keys say the name, under those.
    stores: what else was removed, and where. receipt: its id.
    earlier: ids of the receipts of earlier names, whose erasures are counted in.
    """

    name: str
    removed: dict[str, int]
    uploads: tuple[str, ...]
    records: int
    results: int
    photos: tuple[str, ...]
    kept: tuple[str, ...] = ()
    stores: dict[str, int] = field(default_factory=dict)
    receipt: str = ""
    ended_at: str = ""
    earlier: tuple[str, ...] = ()

    def joined(self, earlier: Sequence["Forgotten"]) -> "Forgotten":
        """With what went before under earlier names."""
        every = [*earlier, self]
        uploads = dict.fromkeys(place for each in every for place in each.uploads)
        return replace(
            self,
            removed=_sums(each.removed for each in every),
            uploads=tuple(uploads),
            records=sum(each.records for each in every),
            results=sum(each.results for each in every),
            photos=tuple(dict.fromkeys(place for each in every for place in each.photos if place not in uploads)),
            kept=tuple(dict.fromkeys(place for each in every for place in each.kept if place not in uploads)),
            stores=_sums(each.stores for each in every),
            earlier=tuple(each.receipt for each in earlier),
        )


class Persons(Protocol):
    """Of `gallery.ports.People`: who may be there without a face."""

    def get(self, collection: str, user_id: str) -> PersonInfo: ...

    def delete(self, collection: str, user_id: str) -> None: ...


class Renames(Protocol):
    """Gives a photo or clip that stays a name which says nobody."""

    def rename(self, bucket: str, key: str) -> str | None:
        """The new key; None when the object went meanwhile. Safe to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class Eraser:
    """Deletes people. What it deletes is overwritten in the database files, not only unlinked.

    outputs: results of clips. forget_in_gallery: takes a name out of a gallery file, if the source is one.
    delete: an object with all that was made of it. delete_clip: a clip's staged frames and results, by its stem.
    stores: whatever else may name people, by what a receipt calls it; `last` are asked when everything else is gone.
    in_hand: the claims of work that is in hand now. patience_s: how long those are waited for.
    """

    face_records: FaceRecords
    people: Persons
    objects: ObjectStore
    records: Records
    places: Places
    outputs: Outputs
    forget_in_gallery: Callable[[str, str], bool]
    finder: Finder
    renamer: Renames
    delete: Callable[[str, str], None]
    delete_clip: Callable[[str], None]
    stores: Mapping[str, Forgets]
    last: Mapping[str, Forgets]
    journal: Journal
    in_hand: Callable[[], Collection[str]] = tuple
    patience_s: float = 10.0

    def find(self, name: str, collections: Sequence[str], everywhere: bool, says: Says) -> Belongings:
        """What there is of a person, with what an erasure that was cut off had found. says: as of `Finder.find`."""
        begun = self.journal.begun(name)
        earlier = msgspec.json.decode(begun, type=Belongings) if begun else None
        return self.finder.find(name, collections, everywhere, says).joined(earlier)

    def forget(self, found: Belongings, photos: bool, clips: bool, delete_among_others: bool, says: Says) -> Forgotten:
        """photos, clips: also from their records and results. delete_among_others: photos that show others too.

        says: whether a text names the person. Raises NotFoundError when nothing anywhere named the person,
        StorageError when all is done but work that may know them is in hand yet: repeat it then.
        """
        begun = self.journal.begun(found.name) is not None
        self.journal.begin(found.name, msgspec.json.encode(found).decode())
        doomed = [*found.alone, *(found.among_others if delete_among_others else [])]
        mentions = self.finder.keys.mentions
        renamed = [place for place in found.among_others if place not in doomed and mentions(place[1], says)]
        gone = found.gone([*doomed, *renamed])
        removed = self._delete_faces(found)
        galleries = [s for s in found.sources if self.forget_in_gallery(s, found.name)]
        stores = self._forgotten(self.stores, gone)
        uploads = [self._deleted(place, found) for place in doomed]
        kept = [self._kept(place, place in renamed) for place in found.among_others if place not in doomed]
        kept += ["/".join(place) for place in found.mentions]
        cleaned = self._clean(gone, photos, clips)
        unfinished = self._wait()
        # Work that was in hand may have enrolled them, or told of them, once more.
        late = self._late(found, says)
        found = found.joined(late)
        gone = found.gone([*doomed, *renamed, *late.alone])
        removed = _sums([removed, self._delete_faces(late)])
        galleries += [s for s in late.sources if s not in galleries and self.forget_in_gallery(s, found.name)]
        uploads += [self._deleted(place, late) for place in late.alone]
        again = self._clean(gone, photos, clips)
        stores = _sums([stores, self._forgotten(self.stores, gone), self._forgotten(self.last, gone)])
        records, results = cleaned[0] + again[0], cleaned[1] + again[1]
        counts = {f"faces in {name}": count for name, count in removed.items()}
        counts |= {"objects": len(uploads) + len(galleries), "records": records, "results": results} | stores
        if not (begun or removed or any(counts.values())):
            self.journal.drop(found.name)
            where = ", ".join(found.collections) or "any collection"
            raise NotFoundError(f"nobody called {found.name} is in {where}; see `faceline collections`")
        if unfinished:
            raise StorageError(
                f"work is still in hand that was begun before, {unfinished} after {self.patience_s:g} s, and may write "
                "the name yet; all else is done: run forget again with the same name when that has ended"
            )
        ids = gone.words - {gone.name} | gone.sources
        receipt = self.journal.end(found.name, ids, () if found.everywhere else gone.collections, counts)
        stay = tuple(s for s in found.sources if s not in uploads and s not in galleries and s != SENT)
        return Forgotten(
            name=found.name,
            removed=removed,
            uploads=tuple(dict.fromkeys([*uploads, *galleries])),
            records=records,
            results=results,
            photos=stay,
            kept=tuple(filter(None, kept)),
            stores=stores,
            receipt=receipt.receipt_id,
            ended_at=receipt.ended_at,
        )

    def _late(self, found: Belongings, says: Says) -> Belongings:
        """What there is of them now, of face records and the uploads that those came from. The plan says it too."""
        late = self.finder.find(found.name, found.collections, everywhere=False, says=says).without(found.spared)
        if late.faces:
            self.journal.begin(found.name, msgspec.json.encode(found.joined(late)).decode())
        return late

    def _person(self, collection: str, name: str) -> str | None:
        """The user id of somebody of this name; another may be called what this name's user id is made as."""
        try:
            person = self.people.get(collection, user_id_of(name))
        except NotFoundError:
            return None
        return person.user_id if person.name == name else None

    def _delete_faces(self, found: Belongings) -> dict[str, int]:
        """How many by collection; only of those where somebody of that name is."""
        deleted = {name: self._delete_in(name, found) for name in found.collections}
        return {name: count for name, count in deleted.items() if count is not None}

    def _delete_in(self, collection: str, found: Belongings) -> int | None:
        face_ids = found.faces.get(collection)
        count = self.face_records.remove(collection, face_ids) if face_ids else None
        user_id = self._person(collection, found.name)  # who has no face; those who had one went with their last
        if user_id is None:
            return count
        self.people.delete(collection, user_id)
        return count or 0

    def _forgotten(self, stores: Mapping[str, Forgets], gone: Gone) -> dict[str, int]:
        counts = {label: store.forget(gone) for label, store in stores.items()}
        return {label: count for label, count in counts.items() if count}

    def _deleted(self, place: Place, found: Belongings) -> str:
        self.delete(*place)
        for bucket, key, stem in found.stems:
            if (bucket, key) == place:
                self.delete_clip(stem)
        return "/".join(place)

    def _kept(self, place: Place, renamed: bool) -> str:
        key = self.renamer.rename(*place) if renamed else place[1]
        return f"{place[0]}/{key}" if key else ""

    def _wait(self) -> int:
        """Until work that was begun before has ended: it may have read the name and write it yet. How much has not."""
        deadline = time.monotonic() + self.patience_s
        begun = unfinished = frozenset(self.in_hand())
        while unfinished and time.monotonic() < deadline:
            time.sleep(_CHECK_S)
            unfinished = begun.intersection(self.in_hand())  # what began since finds nothing to read
        return len(unfinished)

    def _clean(self, gone: Gone, photos: bool, clips: bool) -> tuple[int, int]:
        records = self.records.forget(gone.name) if photos else 0
        results = self._clean_results(gone) if photos else 0
        return records, results + (self.outputs.forget(gone.name) if clips else 0)

    def _clean_results(self, gone: Gone) -> int:
        try:
            infos = list(self.objects.list(self.places.bucket, self.places.processed_prefix))
        except NotFoundError:
            return 0
        keys = {source.partition("/")[2] for source in gone.sources if source.startswith(f"{self.places.bucket}/")}
        words = quoted([gone.name, *keys])
        return sum(self._clean_result(info.key, gone.name, keys, words) for info in infos if info.key.endswith(".json"))

    def _clean_result(self, key: str, name: str, keys: set[str], words: Collection[bytes]) -> bool:
        """keys: of photos that are gone. words: what a result that matters here has at least one of."""
        try:
            data = self.objects.get(self.places.bucket, key, _MAX_DOCUMENT_BYTES)[1]
            # Most documents do not name the person: parsing is for those that do.
            document = parsed(data) if says(data, words) else None
        except (NotFoundError, InputError):
            return False
        except ValueError:  # nobody can take the name out of it, nor use it; unless it was never meant to be a result
            return is_damaged(data) and self._dropped(key)
        if _key_in(document) in keys:
            return self._dropped(key)
        named = [face for face in _dicts(document, "faces") if _names(face, name)]
        for face in named:
            _unname(face, name)
        if named:
            self.objects.put(self.places.bucket, key, json.dumps(document, ensure_ascii=False, indent=2).encode())
        return bool(named)

    def _dropped(self, key: str) -> bool:
        self.objects.delete(self.places.bucket, key)
        return True


def _sums(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)  # keeps zeros
    return dict(total)


def _key_in(document: Any) -> str | None:
    """Of the photo that a result says it is of; None where it says none, as somebody else's document may."""
    file = document.get("file") if isinstance(document, dict) else None
    key = file.get("key") if isinstance(file, dict) else None
    return key if isinstance(key, str) else None


def _dicts(document: Any, name: str) -> list[dict[str, Any]]:
    """What a list of that name has; nothing where there is no such list."""
    found = document.get(name) if isinstance(document, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _names(face: dict[str, Any], name: str) -> bool:
    return face.get("name") == name or any(c.get("name") == name for c in _dicts(face, "candidates"))


def _unname(face: dict[str, Any], name: str) -> None:
    face["candidates"] = [c for c in _dicts(face, "candidates") if c.get("name") != name]
    if face.get("name") == name:
        face |= {"name": None, "decision": "forgotten", "similarity": None}
