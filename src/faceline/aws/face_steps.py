"""Adding and removing faces as the actions of one transaction, with what is counted beside them: names, people, users.

A name's item says how many faces have it as their person and how many, without a person, as their label; a user's item
says whose user id it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from faceline.aws.face_items import (
    body_of,
    crop_items,
    crop_keys,
    face_item,
    gone_key,
    name_key,
    new_mark,
    record_of,
    user_key,
)
from faceline.aws.face_table import Action, FaceTable, Meta, key_of
from faceline.aws.items import MAX_ACTIONS, Item, from_item, to_item
from faceline.errors import ConflictError, ModelMismatchError, QuotaError
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import NewFace
from faceline.types import FaceRecord

_MAX_BYTES = 3_500_000  # of one transaction, which may have 4 MB
_BESIDE = 3  # actions that a face may need beside its own: the meta's, its name's, its user id's


@dataclass(slots=True)
class Named:
    """How many faces have a name as their person, and how many without a person as their label."""

    name: str
    persons: int = 0
    labels: int = 0

    @property
    def faces(self) -> int:
        return self.persons + self.labels


class Names:
    """Of a collection, as far as a change has to do with them."""

    def __init__(self, table: FaceTable, collection: str, records: Iterable[FaceRecord]) -> None:
        named = [record for record in records if record.identity is not None]
        keys = {name_key(str(record.identity)) for record in named}
        keys |= {user_key(user_id_of(record.person)) for record in named if record.person is not None}
        self._table, self._collection = table, collection
        self._named: dict[str, Named] = {}
        self._users: dict[str, str] = {}
        self.touched: dict[str, int] = {}  # names with how many persons they had
        for item in table.items(key_of(collection, key) for key in sorted(keys)):
            said = from_item(item)
            if "persons" in said:
                self._named[said["name"]] = Named(said["name"], said["persons"], said["labels"])
            else:
                self._users[said["user_id"]] = said["name"]

    def count(self, meta: Meta, record: FaceRecord, by: int) -> None:
        """One face more, or one less. Raises ConflictError when a new person's user id is another person's."""
        meta.faces += by
        if record.identity is None:
            meta.people += by
            return
        named = self._named.setdefault(record.identity, Named(record.identity))
        before = named.faces, named.persons
        if record.person is None:
            named.labels += by
        else:
            self._check_user(record.person, named.persons)
            named.persons += by
        self.touched.setdefault(named.name, before[1])
        meta.people += (named.faces > 0) - (before[0] > 0)
        meta.users += (named.persons > 0) - (before[1] > 0)

    def actions(self) -> list[Action]:
        return [action for name, persons in self.touched.items() for action in self._of(self._named[name], persons)]

    def _of(self, named: Named, persons_before: int) -> Iterable[Action]:
        key = key_of(self._collection, name_key(named.name))
        counts = to_item({"name": named.name, "persons": named.persons, "labels": named.labels})
        yield self._table.put(key | counts) if named.faces else self._table.delete(key)
        if (named.persons > 0) == (persons_before > 0):
            return
        user_id = user_id_of(named.name)
        key = key_of(self._collection, user_key(user_id))
        user = to_item({"user_id": user_id, "name": named.name})
        yield self._table.put(key | user) if named.persons else self._table.delete(key)

    def _check_user(self, person: str, persons: int) -> None:
        user_id = user_id_of(person)
        other = self._users.setdefault(user_id, person)
        if other != person and not persons:
            raise ConflictError(
                f"{other} is in collection {self._collection} already and has the user id {user_id}; "
                f"associate faces with them, or use another name than {person}"
            )


class Step:
    """Takes faces in or out while the transaction has room for them."""

    def __init__(self, table: FaceTable, collection: str, meta: Meta, names: Names) -> None:
        self._table, self._collection, self._meta, self._names = table, collection, meta, names
        self._actions: list[Action] = []
        self._bytes = 0
        self.faces = 0

    def add(self, face: NewFace) -> bool:
        """False, and no effect, when there is no room."""
        crops = crop_items(self._collection, face)
        size = sum(len(item["jpeg"]["B"]) for item in crops) + len(body_of(face.record)) + 3000
        if not self._has_room(1 + len(crops), size):
            return False
        self._names.count(self._meta, face.record, +1)
        item = face_item(self._collection, self._meta.draw(), face)
        self._do([self._new(item), *map(self._table.put, crops)])
        return True

    def remove(self, item: Item) -> bool:
        """False, and no effect, when there is no room."""
        parts, record = int(item.get("crop_parts", {}).get("N", 0)), record_of(item)
        if not self._has_room(2 + parts, 1000):
            return False
        self._names.count(self._meta, record, -1)
        self._meta.removed_at = self._meta.draw()
        crops = crop_keys(self._collection, record.face_id, parts)
        face = {"pk": item["pk"], "sk": item["sk"]}
        gone = tombstone(self._collection, self._meta.newest, record.face_id)
        self._do([*map(self._table.delete, (face, *crops)), self._table.put(gone)])
        return True

    def actions(self) -> list[Action]:
        return [*self._actions, *self._names.actions()]

    def _do(self, actions: list[Action]) -> None:
        self._actions += actions
        self.faces += 1

    def _new(self, item: Item) -> Action:
        action = self._table.put(item)
        action["Put"]["ConditionExpression"] = "attribute_not_exists(pk)"
        return action

    def _has_room(self, actions: int, size: int) -> bool:
        """For the face's own actions, its name's and user's, those of the names before, and the meta's."""
        used = len(self._actions) + 2 * len(self._names.touched) + actions + _BESIDE
        self._bytes += size
        return used <= MAX_ACTIONS and (self._bytes <= _MAX_BYTES or not self._actions)


def tombstone(collection: str, generation: int, face_id: str) -> Item:
    """What stays of a removed face, for those who have it in memory."""
    return key_of(collection, gone_key(generation)) | to_item(
        {"generation": generation, "mark": new_mark(), "gone": face_id}
    )


def check_models(collection: str, model: str, faces: Iterable[NewFace]) -> None:
    """Raises ModelMismatchError."""
    others = {face.record.embedding.model for face in faces} - {model}
    if others:
        raise ModelMismatchError(
            f"collection {collection} was built with {model} and cannot take a face of {others.pop()}; "
            "use that model, or another collection"
        )


def check_quota(collection: str, faces: int, limit: int | None) -> None:
    """faces: how many there would be. Raises QuotaError."""
    if limit is not None and faces > limit:
        raise QuotaError(
            f"collection {collection} would have {faces} faces and may have {limit}; "
            "delete some, use another collection, or raise the limit"
        )
