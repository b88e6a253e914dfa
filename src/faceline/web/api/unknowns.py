"""Strangers who were seen, in groups: looked at, named, deleted."""

from http import HTTPStatus
from typing import Annotated

import msgspec
import numpy as np
from starlette.responses import Response

from faceline.acting import acting_as
from faceline.api_keys import ApiScope
from faceline.gallery.unknowns import Group, best_of
from faceline.similarity import pair_scores
from faceline.web.api.faces import FaceAsked, Place, crop_answer
from faceline.web.api.people import PersonItem, Text, checked_name, person_item
from faceline.web.lanes import Work
from faceline.web.operations import Asked, Call, Media, Operation

_TAG = "Unknown people"
_UNKNOWNS = "/api/v1/collections/{collection}/unknowns"
_SHOWN = 6  # faces and places of a group


class UnknownItem(msgspec.Struct, frozen=True):
    """People nobody knew, one by one. faces: how many. face_ids: of the best ones. similarity: the mean of theirs; null
    for one face. sources: where the latest were seen. known: whom the best face would be named by now.
    """

    group_id: str
    faces: int
    face_ids: list[str]
    similarity: float | None
    first_seen_at: str
    last_seen_at: str
    sources: list[str]
    known: str | None


class UnknownList(msgspec.Struct, frozen=True):
    """total: how many groups. kept: whether the setting keep_unknown_faces is on, without which there are none."""

    items: list[UnknownItem]
    next: str | None
    total: int
    kept: bool


class GroupName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: of somebody new, or who is enrolled. consent: a reference to theirs."""

    name: Text
    consent: Text | None = None


class NamedGroup(msgspec.Struct, frozen=True):
    """enrolled: faces of the group that are the person's now. removed: all faces of the group."""

    person: PersonItem
    enrolled: int
    removed: int


class DroppedGroup(msgspec.Struct, frozen=True):
    removed: int


class UnknownsAsked(Asked, frozen=True, kw_only=True):
    collection: str
    after: Place | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 12


class GroupAsked(Asked, frozen=True, kw_only=True):
    """group_id: the beginning of the id of any of its faces."""

    collection: str
    group_id: Annotated[str, msgspec.Meta(max_length=64)]


def list_unknowns(call: Call, asked: UnknownsAsked) -> UnknownList:
    """Groups of faces that seem to be one person's, the largest first. They are formed anew by each request."""
    groups, start = call.app.reviews.groups(asked.collection), int(asked.after or 0)
    end = start + asked.limit
    items = [_item(call, asked.collection, each) for each in groups[start:end]]
    kept = call.app.settings.keep_unknown_faces
    return UnknownList(items, str(end) if end < len(groups) else None, len(groups), kept)


def get_unknown_crop(call: Call, asked: FaceAsked) -> Response:
    crop = call.app.unknown_faces.crop(asked.collection, asked.face_id)
    return crop_answer(crop, f"collection {asked.collection} keeps no crop of an unknown face {asked.face_id}")


def name_unknown(call: Call, asked: GroupAsked) -> NamedGroup:
    """Enrols the best of its faces as this person's; all of them are unknown no longer."""
    name = checked_name(call.body.name)
    with acting_as(call.by):
        done = call.app.reviews.name_group(asked.collection, asked.group_id, name, consent=call.body.consent)
    return NamedGroup(person_item(call, asked.collection, name), done.enrolled, done.removed)


def drop_unknown(call: Call, asked: GroupAsked) -> DroppedGroup:
    with acting_as(call.by):
        removed = call.app.reviews.drop_group(asked.collection, asked.group_id)
        call.app.note("drop unknown", asked.collection, count=removed)
    return DroppedGroup(removed)


def _item(call: Call, collection: str, group: Group) -> UnknownItem:
    latest = sorted(group.faces, key=lambda face: face.created_at, reverse=True)
    return UnknownItem(
        group_id=group.group_id,
        faces=len(group.faces),
        face_ids=[face.face_id for face in best_of(group.faces, _SHOWN)],
        similarity=_similarity(call, collection, group),
        first_seen_at=latest[-1].created_at,
        last_seen_at=latest[0].created_at,
        sources=list(dict.fromkeys(face.source for face in latest))[:_SHOWN],
        known=call.app.reviews.now_known(collection, group),
    )


def _similarity(call: Call, collection: str, group: Group) -> float | None:
    """The mean of the scores of the best faces' pairs, as a similarity."""
    best = best_of(group.faces, _SHOWN)
    if len(best) < 2:
        return None
    scorer = call.app.collection(collection).scorer
    rows = scorer.normalise(np.stack([face.embedding.values for face in best]))
    scores = pair_scores(rows, rows)[np.triu_indices(len(best), 1)]
    return round(float(scorer.calibration.similarity(float(scores.mean()))), 2)


_MISSING = (HTTPStatus.NOT_FOUND,)
OPERATIONS = (
    Operation(
        "GET",
        _UNKNOWNS,
        "Groups of unknown faces",
        _TAG,
        list_unknowns,
        UnknownsAsked,
        answer=UnknownList,
        errors=_MISSING,
        work=Work.LOOKING,
    ),
    Operation(
        "GET",
        f"{_UNKNOWNS}/faces/{{face_id}}/crop",
        "An unknown face's picture",
        _TAG,
        get_unknown_crop,
        FaceAsked,
        answer=Media("image/jpeg"),
        errors=_MISSING,
    ),
    Operation(
        "POST",
        f"{_UNKNOWNS}/{{group_id}}/name",
        "Name a group",
        _TAG,
        name_unknown,
        GroupAsked,
        GroupName,
        NamedGroup,
        ApiScope.ENROLL,
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    ),
    Operation(
        "DELETE",
        f"{_UNKNOWNS}/{{group_id}}",
        "Delete a group's faces",
        _TAG,
        drop_unknown,
        GroupAsked,
        answer=DroppedGroup,
        scope=ApiScope.ADMIN,
        errors=_MISSING,
    ),
)
