"""Who is who: renaming, merging and splitting people, the journal of that, and taking it back."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

import msgspec

from faceline.acting import acting_as
from faceline.api_keys import ApiScope
from faceline.gallery.review import Change
from faceline.web.api.people import (
    TAG,
    Limit,
    OfCollection,
    PersonAsked,
    PersonItem,
    Text,
    checked_name,
    person_item,
)
from faceline.web.operations import Asked, Call, Operation

_PERSON = "/api/v1/collections/{collection}/people/{user_id}"
_MOST_FACES = 1_000


class NewName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text


class Into(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """into: the user id of whose name stays."""

    into: str


class SplitOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """face_ids: of some of the person's faces. name: of whom they are, who may be new."""

    face_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=_MOST_FACES)]
    name: Text


class Latest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """entry: that this is taken back and no other; null: whatever is the latest."""

    entry: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None = None


class ChangeItem(msgspec.Struct, frozen=True):
    """An entry of the journal. action: `verdict`, `merge`, `rename`, `split`, `mark` or `person` (of a label).
    names: whom it is about.

    faces: how many moved. detail: the verdict, or what the mark was made of.
    """

    entry: int
    action: str
    names: list[str]
    faces: int
    by: str
    at: str
    detail: str


class ChangeList(msgspec.Struct, frozen=True):
    items: list[ChangeItem]
    next: str | None


class Changed(msgspec.Struct, frozen=True):
    """person: whose the faces are now."""

    change: ChangeItem
    person: PersonItem


class ChangesAsked(Asked, frozen=True, kw_only=True):
    collection: str
    after: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")] | None = None
    limit: Limit = 50


def rename_person(call: Call, asked: PersonAsked) -> Changed:
    """Their faces stay theirs; results that say the old name keep it, and `forget` finds them by either."""
    name = _name(call, asked.collection, asked.user_id)
    new = checked_name(call.body.name)
    with acting_as(call.by):
        return changed(call, asked.collection, call.app.reviews.rename(asked.collection, name, new, call.by))


def merge_people(call: Call, asked: PersonAsked) -> Changed:
    """All faces of this person become the other's, and their name goes."""
    name, into = (_name(call, asked.collection, each) for each in (asked.user_id, call.body.into))
    with acting_as(call.by):
        return changed(call, asked.collection, call.app.reviews.merge(asked.collection, name, into, call.by))


def split_person(call: Call, asked: PersonAsked) -> Changed:
    """Some of their faces become somebody else's; at least one stays."""
    name, wanted = _name(call, asked.collection, asked.user_id), call.body
    with acting_as(call.by):
        change = call.app.reviews.split(asked.collection, name, wanted.face_ids, checked_name(wanted.name), call.by)
        return changed(call, asked.collection, change)


def list_changes(call: Call, asked: ChangesAsked) -> ChangeList:
    """The latest first: that one can be taken back."""
    before = None if asked.after is None else int(asked.after)
    found = call.app.reviews.history(asked.collection, asked.limit + 1, before)
    shown = [_item(change) for change in found[: asked.limit]]
    return ChangeList(shown, str(shown[-1].entry) if len(found) > asked.limit else None)


def undo_change(call: Call, asked: OfCollection) -> ChangeItem:
    """Takes back the latest change; again, the one before."""
    with acting_as(call.by):
        return _item(call.app.reviews.undo(asked.collection, call.body.entry))


def _name(call: Call, collection: str, user_id: str) -> str:
    return call.app.people.get(collection, user_id).name


def changed(call: Call, collection: str, change: Change) -> Changed:
    return Changed(_item(change), person_item(call, collection, change.names[-1]))


def _item(change: Change) -> ChangeItem:
    names = list(change.names)
    return ChangeItem(change.entry, change.action, names, change.faces, change.by, change.at, change.detail)


def _write(path: str, summary: str, run: Callable[[Call, PersonAsked], Changed], body: type) -> Operation:
    errors = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
    return Operation("POST", path, summary, TAG, run, PersonAsked, body, Changed, ApiScope.ENROLL, errors=errors)


OPERATIONS = (
    _write(f"{_PERSON}/rename", "Call a person otherwise", rename_person, NewName),
    _write(f"{_PERSON}/merge", "Make two people one", merge_people, Into),
    _write(f"{_PERSON}/split", "Make one person two", split_person, SplitOff),
    Operation(
        "GET",
        "/api/v1/collections/{collection}/history",
        "What was decided of people",
        TAG,
        list_changes,
        ChangesAsked,
        answer=ChangeList,
        errors=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        "POST",
        "/api/v1/collections/{collection}/undo",
        "Take back the latest decision",
        TAG,
        undo_change,
        OfCollection,
        Latest,
        ChangeItem,
        ApiScope.ENROLL,
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
)
