"""Collections in DynamoDB: what they are pinned to, and how many faces, people and users they have."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from faceline.aws.clients import Clients
from faceline.aws.face_items import partition, record_of
from faceline.aws.face_records import model_of
from faceline.aws.face_steps import Names, Step
from faceline.aws.face_table import Action, Change, FaceTable, Meta, meta_key, meta_of
from faceline.aws.items import MAX_ACTIONS, Item, to_item
from faceline.aws.snapshots import Snapshots
from faceline.errors import ModelMismatchError, NotFoundError, UsageError
from faceline.gallery.ports import CollectionInfo

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,255}")  # as Amazon Rekognition has it
_LIST = "collections"  # the partition of their names


class DynamoCollections:
    """Implements `gallery.ports.Collections`. Counts are kept, not counted.

    A collection is gone with the first step of `drop`; its faces go in the next ones, some 20 at once. Where a process
    is killed between, they go when the collection is dropped again, or another of its name is made.
    """

    def __init__(self, clients: Clients, table: str, snapshots: Snapshots) -> None:
        self._table = FaceTable(clients, table)
        self._snapshots = snapshots

    def create(self, name: str, model: str) -> CollectionInfo:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot name a collection; use 1 to 255 letters, digits, dots, dashes, underscores"
            )
        if self._table.meta(name).dropping:
            self._empty(name)
        info = self._table.change(name, lambda meta: self._creation(name, model, meta))
        if info.model != model:
            raise ModelMismatchError(
                f"collection {name} was built with {info.model} and cannot take faces of {model}; "
                "use that model, or another collection"
            )
        return info

    def get(self, name: str) -> CollectionInfo:
        return _info(name, self._table.meta(name))

    def list(self) -> Sequence[CollectionInfo]:
        keys = [meta_key(name) for name in self.models()]
        metas = {item["pk"]["S"]: meta_of(item) for item in self._table.items(keys)}
        return [_info(name, meta) for name in self.models() if (meta := metas.get(partition(name))) and meta.model]

    def model(self, name: str) -> str:
        return model_of(name, self._table.meta(name))

    def models(self) -> dict[str, str]:
        return {item["sk"]["S"]: item["model"]["S"] for item in self._table.query(_LIST)}

    def drop(self, name: str) -> None:
        self._table.change(name, lambda meta: self._drop(name, meta))
        self._empty(name)

    def _creation(self, name: str, model: str, meta: Meta) -> Change[CollectionInfo]:
        if meta.model is not None:
            return Change([], _info(name, meta))
        if meta.dropping:
            self._empty(name)
            return self._creation(name, model, self._table.meta(name))
        meta.model, meta.created_at = model, datetime.now(UTC).isoformat(timespec="milliseconds")
        return Change([self._table.put(_listed(name) | to_item({"model": model}))], _info(name, meta))

    def _drop(self, name: str, meta: Meta) -> Change[None]:
        if meta.model is None and not meta.dropping:
            raise NotFoundError(f"there is no collection {name}; see `faceline collections`")
        meta.model, meta.dropping = None, True
        return Change([self._table.delete(_listed(name))], None)

    def _empty(self, name: str) -> None:
        """Deletes the faces of a dropped collection."""
        while self._table.change(name, lambda meta: self._emptying(name, meta)):
            pass
        self._snapshots.clear(name, self._table.meta(name).newest)
        self._table.change(name, lambda meta: self._dropped(name, meta))

    def _emptying(self, name: str, meta: Meta) -> Change[int]:
        """Answers how many faces go."""
        found = self._table.after(name, "by_position", "position", 0)
        items = [item for _, item in zip(range(MAX_ACTIONS), found, strict=False)] if meta.dropping else []
        step = Step(self._table, name, meta, Names(self._table, name, map(record_of, items)))
        for item in items:
            if not step.remove(item):
                break
        return Change(step.actions(), step.faces)

    def _dropped(self, name: str, meta: Meta) -> Change[None]:
        """The mark that there is something left to delete goes last, when there is nothing."""
        if not meta.dropping:
            return Change([], None)
        meta.dropping = False
        nothing: list[Action] = [self._table.delete(_listed(name))]
        return Change(nothing, None)


def _info(name: str, meta: Meta) -> CollectionInfo:
    return CollectionInfo(name, model_of(name, meta), meta.created_at, meta.faces, meta.people, meta.users)


def _listed(name: str) -> Item:
    return to_item({"pk": _LIST, "sk": name})
