"""Faces that have a label only, as the Rekognition API's IndexFaces leaves them: looked at, made people, forgotten."""

from http import HTTPStatus
from typing import Annotated

import msgspec

from faceline.acting import acting_as
from faceline.api_keys import ApiScope
from faceline.errors import NotFoundError
from faceline.gallery.names import MAX_LENGTH
from faceline.gallery.ports import FaceQuery
from faceline.web.api.changes import Changed, changed
from faceline.web.api.faces import FaceList, Place, face_list
from faceline.web.api.people import Erasure, HowToForget, Limit, Text, checked_name, erasure_of
from faceline.web.operations import Asked, Call, Operation

_TAG = "Labels"
_LABELS = "/api/v1/collections/{collection}/labels"

Label = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LENGTH)]


class LabelItem(msgspec.Struct, frozen=True):
    """faces: how many have the label and are nobody's. best_face_id: as of a person."""

    label: str
    faces: int
    best_face_id: str | None


class LabelList(msgspec.Struct, frozen=True):
    """total: how many have such a label. consent_required: as of people."""

    items: list[LabelItem]
    next: str | None
    total: int
    consent_required: bool


class LabelPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: of somebody new, or who is there. consent: a reference to theirs; where one to the label is known, none
    is needed.
    """

    label: Label
    name: Text
    consent: Text | None = None


class LabelsAsked(Asked, frozen=True, kw_only=True):
    """q: a part of the label, in any case. after: what the last answer gave as next, a label."""

    collection: str
    q: Text = ""
    after: Text = ""
    limit: Limit = 60


class LabelFacesAsked(Asked, frozen=True, kw_only=True):
    collection: str
    label: Label
    after: Place | None = None
    limit: Limit = 60


class OfLabels(Asked, frozen=True, kw_only=True):
    collection: str


class ForgetLabelAsked(HowToForget, frozen=True, kw_only=True):
    """As of a person."""

    collection: str
    label: Label


def list_labels(call: Call, asked: LabelsAsked) -> LabelList:
    """By label. Who is seen and is like such a face is named by its label."""
    app, labels = call.app, call.app.labels
    found = labels.page(asked.collection, asked.q, asked.after, asked.limit + 1)
    shown = [LabelItem(each.label, each.faces, each.best_face_id) for each in found[: asked.limit]]
    following = shown[-1].label if len(found) > asked.limit else None
    return LabelList(shown, following, labels.count(asked.collection, asked.q), app.settings.consent_required)


def list_label_faces(call: Call, asked: LabelFacesAsked) -> FaceList:
    """In the order in which they came."""
    app, place = call.app, int(asked.after or 0)
    face_ids = app.labels.faces(asked.collection, asked.label, place, asked.limit + 1)
    if not face_ids and not place:
        raise _missing(call, asked.collection, asked.label)
    found = app.face_records.page(asked.collection, 0, len(face_ids), FaceQuery(face_ids=face_ids))
    return face_list(app, asked.collection, found, asked.limit)


def make_label_person(call: Call, asked: OfLabels) -> Changed:
    """The label's faces that are nobody's become theirs, and keep the label."""
    wanted, collection = call.body, asked.collection
    name = checked_name(wanted.name)
    with acting_as(call.by):
        change = call.app.reviews.person_of_label(collection, wanted.label, name, call.by, wanted.consent)
        return changed(call, collection, change)


def forget_label(call: Call, asked: ForgetLabelAsked) -> Erasure:
    """As of a person: whoever's faces have the label, they go, and it is taken out of what says it."""
    if not call.app.labels.faces(asked.collection, asked.label, 0, 1):
        raise _missing(call, asked.collection, asked.label)
    with acting_as(call.by):
        where = None if asked.everywhere else asked.collection
        return erasure_of(call, call.app.forget(asked.label, where, asked.group_photos))


def _missing(call: Call, collection: str, label: str) -> NotFoundError:
    call.app.collections.model(collection)
    return NotFoundError(f"collection {collection} has no face that is labelled {label} and nobody's")


_MISSING = (HTTPStatus.NOT_FOUND,)
OPERATIONS = (
    Operation(
        "GET",
        _LABELS,
        "Labels of faces that are nobody's",
        _TAG,
        list_labels,
        LabelsAsked,
        answer=LabelList,
        errors=_MISSING,
    ),
    Operation(
        "GET",
        f"{_LABELS}/faces",
        "A label's faces",
        _TAG,
        list_label_faces,
        LabelFacesAsked,
        answer=FaceList,
        errors=_MISSING,
    ),
    Operation(
        "POST",
        f"{_LABELS}/person",
        "Make a person of a label",
        _TAG,
        make_label_person,
        OfLabels,
        LabelPerson,
        Changed,
        ApiScope.ENROLL,
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    Operation(
        "DELETE",
        _LABELS,
        "Forget who has a label",
        _TAG,
        forget_label,
        ForgetLabelAsked,
        answer=Erasure,
        scope=ApiScope.ADMIN,
        errors=_MISSING,
    ),
)
