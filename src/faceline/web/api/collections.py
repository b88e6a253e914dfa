"""Which collections there are."""

import msgspec

from faceline.gallery.ports import CollectionInfo
from faceline.web.operations import Call, Nothing, Operation

_TAG = "Collections"


class CollectionItem(msgspec.Struct, frozen=True):
    """A collection. people: distinct identities of its faces. default: whether photos are compared with it."""

    name: str
    model: str
    created_at: str
    faces: int
    people: int
    default: bool


class CollectionList(msgspec.Struct, frozen=True):
    items: list[CollectionItem]


def list_collections(call: Call, asked: Nothing) -> CollectionList:
    chosen = call.app.settings.collection
    return CollectionList([_item(info, chosen) for info in call.app.collections.list()])


def _item(info: CollectionInfo, chosen: str) -> CollectionItem:
    return CollectionItem(info.name, info.model, info.created_at, info.faces, info.people, info.name == chosen)


OPERATIONS = (
    Operation("GET", "/api/v1/collections", "All collections, by name", _TAG, list_collections, answer=CollectionList),
)
