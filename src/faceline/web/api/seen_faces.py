"""Faces of photos that were seen: enrolled where somebody knows who they are."""

from http import HTTPStatus
from typing import Annotated

import msgspec

from faceline.activity import Kind, SeenFace
from faceline.api_keys import ApiScope
from faceline.errors import ConflictError, NotFoundError
from faceline.gallery.enrolment import Photo
from faceline.loading import image_limits
from faceline.types import BoundingBox
from faceline.web.api.activity import EntryAsked
from faceline.web.api.faces import EnrolledFace, enrolled
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
    """Of a photo exactly this face is enrolled, whoever else is in it. What was said of the photo stays as it is.

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
    _, data = app.objects.get(entry.bucket, entry.key, image_limits(app.settings).max_bytes)
    photo = Photo(data, name, f"{entry.bucket}/{entry.key}", call.body.consent, box)
    return enrolled(call, entry.collection or app.settings.collection, photo)


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
