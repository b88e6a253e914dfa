"""Faces of photos that were seen: enrolled where somebody knows who they are."""

from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from faceline.activity import Entry, Kind, SeenFace
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.errors import ConflictError, NotFoundError
from faceline.events import ObjectCreated
from faceline.gallery.enrolment import Photo
from faceline.gallery.newface import image_id_of
from faceline.loading import image_limits
from faceline.ports import ObjectInfo, RecordQuery
from faceline.types import BoundingBox
from faceline.web.api.activity import EntryAsked
from faceline.web.api.faces import EnrolledFace, enrolled, source_of
from faceline.web.api.people import Text, check_text, checked_name
from faceline.web.lanes import Work
from faceline.web.operations import Call, Operation


class SeenFaceAsked(EntryAsked, frozen=True, kw_only=True):
    """number: of the face in the entry, from 1 on."""

    number: Annotated[int, msgspec.Meta(ge=1, le=2**31)]


class SeenFacePerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: of somebody new, or who is there. consent: a reference to theirs."""

    name: Text
    consent: Text | None = None


def enroll_seen_face(call: Call, asked: SeenFaceAsked) -> EnrolledFace:
    """Of a photo exactly this face is enrolled, whoever else is in it. Then the photo is worked on again: its result
    says the name, and whoever forgets the person finds it.

    Into the collection that the photo's faces were looked for in.
    """
    app = call.app
    name = checked_name(call.body.name)
    if call.body.consent is not None:
        check_text("consent", call.body.consent)
    entry = app.activity.get(asked.position)
    if entry.kind is not Kind.PHOTO or entry.width is None or entry.height is None:
        raise ConflictError(f"entry {asked.position} is no photo with faces; only of photos a face can be enrolled")
    if asked.number > len(entry.faces):
        raise NotFoundError(f"entry {asked.position} has {len(entry.faces)} faces, no face {asked.number}")
    box = _box(entry.faces[asked.number - 1], entry.width, entry.height)
    info, data = app.objects.get(entry.bucket, entry.key, image_limits(app.settings).max_bytes)
    _check_same(app, entry, info)
    source = source_of(PurePosixPath(entry.key).name, image_id_of(data))
    photo = Photo(data, name, source, call.body.consent, box)
    answer = enrolled(call, entry.collection or app.settings.collection, photo)
    if answer.enrolled:
        app.announce(ObjectCreated(info.bucket, info.key, info.etag, info.size, info.modified_at))
    return answer


def _check_same(app: App, entry: Entry, info: ObjectInfo) -> None:
    """Other bytes may be under the key, and not be worked on yet: another's face may be where this one was."""
    seen = [row.etag for row in app.records.query(RecordQuery(image=entry.key)) if row.bucket == entry.bucket]
    if any(etag != info.etag for etag in seen):
        raise ConflictError(f"{entry.bucket}/{entry.key} was replaced since; wait until the new photo is shown")


def _box(face: SeenFace, width: int, height: int) -> BoundingBox:
    """In pixels of the photo."""
    if face.box is None:
        raise ConflictError("it is not known where in the photo the face is; send the photo again")
    box = face.box
    return BoundingBox(box.left * width, box.top * height, box.width * width, box.height * height)


OPERATIONS = (
    Operation(
        "POST",
        "/api/v1/activity/{position}/faces/{number}/enroll",
        "Enrol a face of a photo that was seen",
        "Activity",
        enroll_seen_face,
        SeenFaceAsked,
        SeenFacePerson,
        EnrolledFace,
        ApiScope.ENROLL,
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        work=Work.ENROLLING,
    ),
)
