"""Who is in a collection: found by name, looked at, made, and forgotten."""

import base64
import binascii
import re
from collections import Counter
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec

from faceline.acting import acting_as
from faceline.api_keys import ApiScope
from faceline.errors import NotFoundError, UsageError
from faceline.gallery.names import MAX_LENGTH, has_controls, problem_of
from faceline.gallery.ports import Listed, PeopleOrder, PeopleQuery
from faceline.pipelines.forgetting import Forgotten
from faceline.web.operations import Asked, Call, Operation

TAG = "People"
_PERSON = "/api/v1/collections/{collection}/people/{user_id}"
_TOLD = 100  # photos that an answer lists

Text = Annotated[str, msgspec.Meta(max_length=MAX_LENGTH)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]


class PersonItem(msgspec.Struct, frozen=True):
    """user_id: how paths name them. best_face_id: of the face of the best quality that has a crop; null without one."""

    user_id: str
    name: str
    faces: int
    best_face_id: str | None
    created_at: str


class PersonDetail(PersonItem, frozen=True):
    """earlier_names: what they were called before, and who was merged into them. consents: references to theirs."""

    earlier_names: list[str]
    consents: list[str]


class PersonList(msgspec.Struct, frozen=True):
    """total: how many have such a name. consent_required: nobody is enrolled without a reference to their consent."""

    items: list[PersonItem]
    next: str | None
    total: int
    consent_required: bool


class AlikeItem(msgspec.Struct, frozen=True):
    """similarity: of the two people's faces, 0–100."""

    person: PersonItem
    similarity: float


class AlikeList(msgspec.Struct, frozen=True):
    items: list[AlikeItem]
    next: str | None


class NewPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text


class ErasureReceipt(msgspec.Struct, frozen=True):
    """person, ids: keyed hashes. collections: where; empty: everywhere. removed: what was taken out of which store."""

    receipt: str
    ended_at: str
    person: str
    collections: list[str]
    removed: dict[str, int]
    ids: list[str]


class Erasure(msgspec.Struct, frozen=True):
    """earlier: receipts of earlier names, which went too. removed: by all of these together. deleted: photos and clips
    that showed only them. kept: those that show others too. elsewhere: where photos came from that are not ours to
    delete. Of each list of places the first hundred.
    """

    receipt: ErasureReceipt
    earlier: list[ErasureReceipt]
    removed: dict[str, int]
    deleted: list[str]
    kept: list[str]
    elsewhere: list[str]


class PersonBelongings(msgspec.Struct, frozen=True):
    """What forgetting them would go through, by earlier names too. faces: how many. alone: photos and clips that show
    only them, which go; among_others: those that show others too. photos, group_photos: the first hundred of these.
    """

    faces: int
    alone: int
    among_others: int
    photos: list[str]
    group_photos: list[str]


class PeopleAsked(Asked, frozen=True, kw_only=True):
    """q: a part of the name, in any case."""

    collection: str
    q: Text = ""
    sort: PeopleOrder = PeopleOrder.NAME
    after: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None
    limit: Limit = 60


class PersonAsked(Asked, frozen=True, kw_only=True):
    collection: str
    user_id: str


class BelongingsAsked(PersonAsked, frozen=True, kw_only=True):
    """everywhere: as of forgetting them."""

    everywhere: bool = False


class AlikeAsked(PersonAsked, frozen=True, kw_only=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5


class OfCollection(Asked, frozen=True, kw_only=True):
    collection: str


class HowToForget(Asked, frozen=True, kw_only=True):
    """everywhere: in all collections, results, notices and messages too. group_photos: those that show others too."""

    everywhere: bool = False
    group_photos: Literal["keep", "delete"] = "keep"


class ForgetAsked(HowToForget, frozen=True, kw_only=True):
    """As of all that is forgotten."""

    collection: str
    user_id: str


class ReceiptAsked(Asked, frozen=True, kw_only=True):
    receipt_id: str


def list_people(call: Call, asked: PeopleAsked) -> PersonList:
    directory = call.app.people_directory
    query = PeopleQuery(asked.q, asked.sort, _place(asked))
    found = directory.page(asked.collection, query, asked.limit + 1)
    shown = found[: asked.limit]
    following = _token(shown[-1], asked.sort) if len(found) > asked.limit else None
    total = directory.count(asked.collection, asked.q)
    return PersonList([item_of(each) for each in shown], following, total, call.app.settings.consent_required)


def get_person(call: Call, asked: PersonAsked) -> PersonDetail:
    return _detail(call, asked.collection, item_of(call.app.people_directory.get(asked.collection, asked.user_id)))


def get_person_now(call: Call, asked: PersonAsked) -> PersonDetail:
    """Also of who had this user id until they were renamed, or merged into this one."""
    try:
        return get_person(call, asked)
    except NotFoundError:
        name = call.app.reviews.became(asked.collection, asked.user_id)
        if name is None:
            raise
        return _detail(call, asked.collection, person_item(call, asked.collection, name))


def get_belongings(call: Call, asked: BelongingsAsked) -> PersonBelongings:
    """Looks through all photos, clips and results, as forgetting does."""
    name = call.app.people_directory.get(asked.collection, asked.user_id).person.name
    found = call.app.belongings(name, None if asked.everywhere else asked.collection)
    photos, shared = (["/".join(place) for place in places] for places in (found.alone, found.among_others))
    faces = sum(len(ids) for ids in found.faces.values())
    return PersonBelongings(faces, len(photos), len(shared), photos[:_TOLD], shared[:_TOLD])


def list_alike(call: Call, asked: AlikeAsked) -> AlikeList:
    """Other people whose faces are the most like theirs: who may be the same."""
    directory = call.app.people_directory
    name = directory.get(asked.collection, asked.user_id).person.name
    found = call.app.collection(asked.collection).people_like(name, asked.limit, 0.0)
    people = [(directory.find(asked.collection, each.name), each.similarity) for each in found]
    return AlikeList([AlikeItem(item_of(person), similarity) for person, similarity in people if person], None)


def create_person(call: Call, asked: OfCollection) -> PersonItem:
    """Without a face, for who is to get one later."""
    name = checked_name(call.body.name)
    with acting_as(call.by):
        call.app.people.create(asked.collection, name, call.app.settings.quota_collection_users)
        call.app.note("create person", asked.collection, name)
    return person_item(call, asked.collection, name)


def forget_person(call: Call, asked: ForgetAsked) -> Erasure:
    """Deletes them with their faces, and takes their name out of what says it. Nothing brings them back."""
    name = call.app.people_directory.get(asked.collection, asked.user_id).person.name
    with acting_as(call.by):
        done = call.app.forget(name, None if asked.everywhere else asked.collection, asked.group_photos)
    return erasure_of(call, done)


def get_receipt(call: Call, asked: ReceiptAsked) -> ErasureReceipt:
    """Of an erasure, without a name."""
    return msgspec.convert(call.app.erasure.receipt(asked.receipt_id).document(), ErasureReceipt)


def person_item(call: Call, collection: str, name: str) -> PersonItem:
    """Raises NotFoundError."""
    listed = call.app.people_directory.find(collection, name)
    if listed is None:
        raise NotFoundError(f"nobody in collection {collection} is called {name}")
    return item_of(listed)


def item_of(listed: Listed) -> PersonItem:
    person = listed.person
    return PersonItem(person.user_id, person.name, person.faces, listed.best_face_id, listed.created_at)


def checked_name(name: str) -> str:
    """Raises UsageError for what nobody can be called."""
    problem = problem_of(name)
    if problem:
        raise UsageError(f"nobody can be called so: {problem}")
    return name


def check_text(what: str, text: str) -> None:
    """Raises UsageError for what would move the cursor of who reads it in a terminal."""
    if has_controls(text):
        raise UsageError(f"{what} has control characters, {text[:40]!a}; leave them out")


def erasure_of(call: Call, done: Forgotten) -> Erasure:
    receipt, *earlier = (get_receipt(call, ReceiptAsked(receipt_id=each)) for each in (done.receipt, *done.earlier))
    removed: Counter[str] = Counter()
    for each in (receipt, *earlier):
        removed.update(each.removed)
    places = (list(each[:_TOLD]) for each in (done.uploads, done.kept, done.photos))
    return Erasure(receipt, earlier, dict(removed), *places)


def _detail(call: Call, collection: str, person: PersonItem) -> PersonDetail:
    earlier = sorted(call.app.reviews.aliases(collection, person.name))
    consents = list(call.app.consents.of(collection, person.name))
    return PersonDetail(**msgspec.structs.asdict(person), earlier_names=earlier, consents=consents)


def _token(last: Listed, order: PeopleOrder) -> str:
    place = last.person.name if order is PeopleOrder.NAME else str(last.person.position)
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(asked: PeopleAsked) -> str | int | None:
    if asked.after is None:
        return None
    try:
        place = base64.b64decode(asked.after + "=" * (-len(asked.after) % 4), "-_", validate=True).decode()
        return place if asked.sort is PeopleOrder.NAME else _position(place)
    except (ValueError, binascii.Error) as error:
        raise UsageError("after is not what an answer gave as next, or of another order; begin without it") from error


def _position(text: str) -> int:
    """Raises ValueError."""
    if not re.fullmatch("[0-9]{1,18}", text):  # more digits SQLite does not take
        raise ValueError(f"{text[:40]!a} is no position")
    return int(text)


_MISSING = (HTTPStatus.NOT_FOUND,)
OPERATIONS = (
    Operation(
        "GET",
        "/api/v1/collections/{collection}/people",
        "People of a collection by name, or the newest first",
        TAG,
        list_people,
        PeopleAsked,
        answer=PersonList,
        errors=_MISSING,
    ),
    Operation(
        "POST",
        "/api/v1/collections/{collection}/people",
        "A new person without a face",
        TAG,
        create_person,
        OfCollection,
        NewPerson,
        PersonItem,
        ApiScope.ENROLL,
        HTTPStatus.CREATED,
        (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    Operation("GET", _PERSON, "A person", TAG, get_person, PersonAsked, answer=PersonDetail, errors=_MISSING),
    Operation(
        "GET",
        f"{_PERSON}/now",
        "Who somebody is who had this user id",
        TAG,
        get_person_now,
        PersonAsked,
        answer=PersonDetail,
        errors=_MISSING,
    ),
    Operation(
        "GET",
        f"{_PERSON}/belongings",
        "What would go with a person",
        TAG,
        get_belongings,
        BelongingsAsked,
        answer=PersonBelongings,
        scope=ApiScope.ADMIN,
        errors=_MISSING,
    ),
    Operation(
        "GET",
        f"{_PERSON}/alike",
        "Who is most like them",
        TAG,
        list_alike,
        AlikeAsked,
        answer=AlikeList,
        errors=_MISSING,
    ),
    Operation(
        "DELETE",
        _PERSON,
        "Forget a person",
        TAG,
        forget_person,
        ForgetAsked,
        answer=Erasure,
        scope=ApiScope.ADMIN,
        errors=_MISSING,
    ),
    Operation(
        "GET",
        "/api/v1/receipts/{receipt_id}",
        "The receipt of an erasure",
        TAG,
        get_receipt,
        ReceiptAsked,
        answer=ErasureReceipt,
        errors=_MISSING,
    ),
)
