"""Face records in DynamoDB, as `docs/concepts/collections-on-aws.md` describes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from faceline.aws.clients import Clients
from faceline.aws.face_items import GONE, crop_of, crop_partition, face_key, index_key, partition, record_of
from faceline.aws.face_reading import Reading
from faceline.aws.face_steps import Names, Step, check_models, check_quota
from faceline.aws.face_table import Change, FaceTable, Meta
from faceline.aws.face_twins import Twins, stored_twins, twins_of_all
from faceline.aws.items import MAX_ACTIONS, Item, to_item
from faceline.aws.snapshots import Snapshots
from faceline.erasure import Gone
from faceline.errors import FacelineError, NotFoundError
from faceline.gallery.concealed import concealed
from faceline.gallery.ports import Changes, Crop, FaceQuery, NewFace
from faceline.types import FaceRecord

_SURELY_ONE_STEP = 20  # faces with crops of people of their own
_ITEMS_A_REQUEST = 8  # a page of a query has 1 MB, some 800 faces, a batch by ids 100


class DynamoFaceRecords:
    """Implements `gallery.ports.FaceRecords`. A face's id is unique within its collection.

    A change is one transaction with at least 20 faces, 95 where one person's are added without crops. More are several,
    one behind the other: they are checked together before the first, so that none is stored when they are refused; a
    reader may see the earlier ones without the later. When others' changes make the later ones fail, the earlier ones
    are removed again. What a killed process left out is stored when it is added again. Raises InputError for a crop of
    over 3 MB and QuotaError for a collection that has AWS's 10 GB.
    """

    def __init__(self, clients: Clients, table: str, snapshots: Snapshots) -> None:
        self._table = FaceTable(clients, table)
        self._snapshots = snapshots
        self._reading = Reading(self._table, snapshots)

    def add(self, collection: str, faces: Sequence[NewFace], limit: int | None = None) -> dict[str, FaceRecord]:
        """Raises ConflictError too, when a new person's user id would be another person's."""
        known = self._checked(collection, faces, limit) if len(faces) > _SURELY_ONE_STEP else None
        twins: dict[str, FaceRecord] = {}
        mine: list[str] = []
        done = 0
        while done < len(faces):
            adding = _Adding(self._table, collection, faces[done:], limit, known)
            try:
                added = self._table.change(collection, adding.planned)
            except FacelineError:
                self.remove(collection, mine)
                raise
            known = added.known
            mine += added.new
            twins |= added.twins
            done += added.taken
        return twins

    def remove(self, collection: str, face_ids: Sequence[str], of_nobody: bool = False) -> int:
        ids = list(dict.fromkeys(face_ids))
        done = count = generation = 0
        while done < len(ids):
            removing = _Removing(self._table, collection, ids[done : done + MAX_ACTIONS], of_nobody)
            taken, removed, generation = self._table.change(collection, removing.planned)
            done, count = done + taken, count + removed
        self._reading.forget(collection)
        if count:
            self._snapshots.clear(collection, generation)
        elif ids:
            self._snapshots.clear_older(collection, generation)
        return count

    def forget(self, gone: Gone) -> int:
        """Implements `erasure.Forgets` for what removals left: that somebody's faces went no longer says their ids."""
        return sum(self._conceal(collection, gone.face_ids) for collection in gone.collections)

    def changes(self, collection: str, since: int, limit: int) -> Changes:
        return self._reading.changes(collection, since, limit)

    def find(
        self,
        collection: str,
        person: str | None = None,
        image_id: str | None = None,
        face_ids: Sequence[str] | None = None,
    ) -> Sequence[FaceRecord]:
        wanted = None if face_ids is None else frozenset(face_ids)
        return [
            record
            for _, record in self._positioned(collection, person, image_id, wanted)
            if (person is None or person in (record.person, record.external_image_id))
            and (image_id is None or image_id == record.image_id)
            and (wanted is None or record.face_id in wanted)
        ]

    def page(self, collection: str, after: int, limit: int, query: FaceQuery) -> Sequence[tuple[int, FaceRecord]]:
        wanted = None if query.face_ids is None else frozenset(query.face_ids)
        found = self._positioned(collection, query.person, None, wanted, after)
        fitting = (
            (position, record)
            for position, record in found
            if position > after
            and (query.person is None or query.person == record.person)
            and (wanted is None or record.face_id in wanted)
        )
        return list(islice(fitting, limit))

    def crop(self, collection: str, face_id: str) -> Crop | None:
        if face_key(face_id) is None:
            return None
        items = list(self._table.query(crop_partition(collection, face_id)))
        return crop_of(items) if items else None

    def _conceal(self, collection: str, face_ids: frozenset[str]) -> int:
        tombstones = self._table.query(partition(collection), "begins_with(#key, :value)", ("sk", GONE))
        told = [item for item in tombstones if item["gone"]["S"] in face_ids]
        for item in told:
            self._table.replace(item | to_item({"gone": concealed(item["gone"]["S"])}))
        if told:
            self._snapshots.clear(collection, self._table.meta(collection).newest)
        return len(told)

    def _positioned(
        self, collection: str, person: str | None, image_id: str | None, face_ids: frozenset[str] | None, after: int = 0
    ) -> Iterable[tuple[int, FaceRecord]]:
        """By position, at least those that are asked for, whichever way has fewest requests."""
        if face_ids is not None and self._are_few(collection, face_ids):
            items: Iterable[Item] = _by_position(self._table.faces(collection, face_ids))
        elif image_id is not None:
            items = _by_position(self._equal(collection, "by_image", "image_id", image_id))
        elif person is not None:
            labelled = self._equal(collection, "by_label", "label", person)
            items = _by_position([*self._equal(collection, "by_person", "person", person), *labelled])
        else:
            items = self._table.after(collection, "by_position", "position", after)
        return ((_position(item), record_of(item)) for item in items)

    def _are_few(self, collection: str, face_ids: frozenset[str]) -> bool:
        return len(face_ids) <= MAX_ACTIONS or len(face_ids) * _ITEMS_A_REQUEST < self._table.meta(collection).faces

    def _equal(self, collection: str, index: str, attribute: str, value: str) -> Sequence[Item]:
        return list(self._table.equal(collection, index, attribute, index_key(value)))

    def _checked(self, collection: str, faces: Sequence[NewFace], limit: int | None) -> Twins:
        """That all of them together may be added. Answers which are stored already."""
        meta = self._table.meta(collection)
        check_models(collection, model_of(collection, meta), faces)
        stored = twins_of_all(self._table, collection, faces, meta)
        twins, new = stored.copy(), list[NewFace]()
        for face in faces:
            if not twins.of(face.record):
                twins.note(face.record)
                new.append(face)
        names = Names(self._table, collection, [face.record for face in new])
        for face in new:
            names.count(meta, face.record, +1)
        check_quota(collection, meta.faces, limit if new else None)
        return stored


@dataclass(frozen=True, slots=True)
class _Added:
    """One transaction's. taken: how many faces were dealt with: the new ones, by id, and those that have twins. known:
    what is stored when it is done.
    """

    taken: int
    new: Sequence[str]
    twins: dict[str, FaceRecord]
    known: Twins


@dataclass(frozen=True, slots=True)
class _Adding:
    """As many of these faces as one transaction takes. limit: of faces in the collection. known: what was read before,
    which need not be read again when nobody else changed the collection since.
    """

    table: FaceTable
    collection: str
    faces: Sequence[NewFace]
    limit: int | None
    known: Twins | None

    def planned(self, meta: Meta) -> Change[_Added]:
        check_models(self.collection, model_of(self.collection, meta), self.faces[:MAX_ACTIONS])
        known = self._twins(meta)
        faces = [face for face in self.faces[:MAX_ACTIONS] if known.tells_of(face)]
        names = Names(self.table, self.collection, [face.record for face in faces])
        step, twins, new = Step(self.table, self.collection, meta, names), dict[str, FaceRecord](), list[str]()
        taken = 0
        for face in faces:
            twin = known.of(face.record)
            if twin:
                twins[face.record.face_id] = twin
            elif step.add(face):
                known.note(face.record)
                new.append(face.record.face_id)
            else:
                break
            taken += 1
        check_quota(self.collection, meta.faces, self.limit if step.faces else None)
        known.version += bool(step.faces)
        return Change(step.actions(), _Added(taken, new, twins, known))

    def _twins(self, meta: Meta) -> Twins:
        if self.known and self.known.version == meta.version and self.known.tells_of(self.faces[0]):
            return self.known.copy()
        return stored_twins(self.table, self.collection, self.faces, meta)


@dataclass(frozen=True, slots=True)
class _Removing:
    """As many of these faces as one transaction takes."""

    table: FaceTable
    collection: str
    face_ids: Sequence[str]
    of_nobody: bool

    def planned(self, meta: Meta) -> Change[tuple[int, int, int]]:
        """Answers how many ids were dealt with, how many faces go, and the generation of the last removal."""
        items = {record_of(item).face_id: item for item in self.table.faces(self.collection, self.face_ids)}
        names = Names(self.table, self.collection, map(record_of, items.values()))
        step, taken = Step(self.table, self.collection, meta, names), 0
        for face_id in self.face_ids:
            item = items.get(face_id)
            spared = item is None or (self.of_nobody and record_of(item).person is not None)
            if item is not None and not spared and not step.remove(item):
                break
            taken += 1
        return Change(step.actions(), (taken, step.faces, meta.removed_at))


def model_of(collection: str, meta: Meta) -> str:
    """Raises NotFoundError where there is no such collection."""
    if meta.model is None:
        raise NotFoundError(
            f"there is no collection {collection}; make it, enroll somebody into it, or see `faceline collections`"
        )
    return meta.model


def _by_position(items: Iterable[Item]) -> Sequence[Item]:
    return sorted({item["sk"]["S"]: item for item in items}.values(), key=_position)


def _position(item: Item) -> int:
    return int(item["position"]["N"])
