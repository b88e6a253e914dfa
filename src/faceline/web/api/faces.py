"""Faces of people: enrolled from a photo with all that its user wants to be told, looked at, deleted."""

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated

import msgspec
import numpy as np
from starlette.responses import Response

from faceline.acting import acting_as
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.errors import InputError, NotFoundError
from faceline.gallery.enrolment import Outcome, Photo
from faceline.gallery.newface import image_id_of
from faceline.gallery.ports import Crop, FaceQuery
from faceline.similarity import pair_scores
from faceline.types import BoxInParts, FaceRecord
from faceline.web.advice import FaceQuality, quality_of, remedy
from faceline.web.api.people import Limit, PersonAsked, PersonItem, Text, check_text, checked_name, person_item
from faceline.web.lanes import Work
from faceline.web.operations import Asked, Call, Media, Operation, Upload, whole

_TAG = "Faces"
_COLLECTION = "/api/v1/collections/{collection}"
_UNLIKE = 50.0  # one pair of strangers in 100 is as similar
_OWN_FACES = 200  # that a new one is compared with

Place = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")]


class FaceItem(msgspec.Struct, frozen=True):
    """source: where the photo came from. photo: its bucket/key, where it is kept here; a copy is at
    `/api/v1/pictures/{bucket}/{key}`. confidence: the detector's, 0–100.
    """

    face_id: str
    source: str
    photo: str | None
    created_at: str
    confidence: float
    quality: FaceQuality
    has_crop: bool


class FaceList(msgspec.Struct, frozen=True):
    items: list[FaceItem]
    next: str | None


class Resemblance(msgspec.Struct, frozen=True):
    """The most similar other person. face_id: of their face that is most like it. alike: enough for a name."""

    person: PersonItem
    face_id: str | None
    similarity: float
    alike: bool


class EnrolledFace(msgspec.Struct, frozen=True):
    """enrolled: now; already: the same photo was enrolled as them before. Else reason says why not, and advice what
    to do. faces_in_photo: how many were found; null where the photo was not looked at. box, quality: of the face that
    the photo is of. own_similarity: to the nearest of their other faces; unlike: so low that it may be somebody else.
    """

    enrolled: bool
    already: bool
    reason: str | None
    advice: str | None
    faces_in_photo: int | None
    width: int | None
    height: int | None
    box: BoxInParts | None
    quality: FaceQuality | None
    face: FaceItem | None
    person: PersonItem | None
    own_similarity: float | None
    unlike: bool
    resembles: Resemblance | None


class FacesAsked(PersonAsked, frozen=True, kw_only=True):
    after: Place | None = None
    limit: Limit = 60


class EnrolAsked(Asked, frozen=True, kw_only=True):
    """name: whom the photo shows. source: the file's name, kept as where the face came from. consent: a reference."""

    collection: str
    name: Text
    source: Text = "upload"
    consent: Text | None = None


class EnrolPersonAsked(PersonAsked, frozen=True, kw_only=True):
    """As of enrolling by name."""

    source: Text = "upload"
    consent: Text | None = None


class FaceAsked(Asked, frozen=True, kw_only=True):
    collection: str
    face_id: str


def list_person_faces(call: Call, asked: FacesAsked) -> FaceList:
    """In the order in which they came."""
    app, place = call.app, int(asked.after or 0)
    name = app.people.get(asked.collection, asked.user_id).name
    found = app.face_records.page(asked.collection, place, asked.limit + 1, FaceQuery(person=name))
    return face_list(app, asked.collection, found, asked.limit)


def enroll_face(call: Call, asked: EnrolAsked) -> EnrolledFace:
    """Of the photo only the face's numbers and, unless the settings say otherwise, its crop are kept."""
    return _enrolled(call, asked, checked_name(asked.name))


def enroll_person_face(call: Call, asked: EnrolPersonAsked) -> EnrolledFace:
    """As of enrolling by name, for somebody who is there."""
    return _enrolled(call, asked, call.app.people.get(asked.collection, asked.user_id).name)


def get_face_crop(call: Call, asked: FaceAsked) -> Response:
    """The face with some margin, the longer side at most 400 pixels."""
    crop = call.app.face_records.crop(asked.collection, asked.face_id)
    return crop_answer(crop, f"collection {asked.collection} has no crop of a face {asked.face_id}")


def delete_face(call: Call, asked: FaceAsked) -> None:
    """With the last of their faces a person goes too."""
    app = call.app
    faces = app.face_records.find(asked.collection, face_ids=[asked.face_id])
    with acting_as(call.by):
        if not app.face_records.remove(asked.collection, [asked.face_id]):
            raise NotFoundError(f"collection {asked.collection} has no face {asked.face_id}")
        app.note("delete face", asked.collection, faces[0].identity if faces else None, 1)


def face_list(app: App, collection: str, found: Sequence[tuple[int, FaceRecord]], limit: int) -> FaceList:
    """found: with their positions; where there is one beyond the limit, the list goes on."""
    shown = found[:limit]
    with_crops = app.people_directory.with_crops(collection, [face.face_id for _, face in shown])
    items = [_item(app, face, face.face_id in with_crops) for _, face in shown]
    return FaceList(items, str(shown[-1][0]) if len(found) > limit else None)


def crop_answer(crop: Crop | None, missing: str) -> Response:
    if crop is None:
        raise NotFoundError(missing)
    # A face's crop never changes, but its person may be forgotten: no cache has it for long.
    headers = {"Cache-Control": "private, max-age=600", "X-Content-Type-Options": "nosniff"}
    return Response(crop.jpeg, HTTPStatus.OK, headers, "image/jpeg")


def _enrolled(call: Call, asked: EnrolAsked | EnrolPersonAsked, name: str) -> EnrolledFace:
    check_text("source", asked.source)
    data = whole(call.body)
    return enrolled(
        call, asked.collection, Photo(data, name, source_of(asked.source, image_id_of(data)), asked.consent)
    )


def enrolled(call: Call, collection: str, photo: Photo) -> EnrolledFace:
    """Enrols it, and says all about it."""
    app = call.app
    if collection != app.settings.collection:
        app.collections.model(collection)  # only the settings' own is made by enrolling into it
    with acting_as(call.by):
        outcome = app.enroller(collection).enroll_photo(photo)
    record = outcome.face.record if outcome.face and not outcome.refusal else None
    quality = quality_of(outcome.faces[0]) if outcome.faces else None
    own = _own_similarity(app, collection, record) if record else None
    reason = outcome.refusal
    return EnrolledFace(
        enrolled=record is not None,
        already=record is None and reason is None,
        reason=reason,
        advice=remedy(reason, quality.remarks if quality else ()) if reason else None,
        faces_in_photo=len(outcome.faces) if outcome.size else None,
        width=outcome.size[0] if outcome.size else None,
        height=outcome.size[1] if outcome.size else None,
        box=_box(outcome),
        quality=quality,
        face=_item(app, record, app.settings.keep_crops) if record else None,
        person=None if reason else person_item(call, collection, photo.name),
        own_similarity=own,
        unlike=own is not None and own < _UNLIKE,
        resembles=_resemblance(call, collection, record) if record else None,
    )


def _own_similarity(app: App, collection: str, new: FaceRecord) -> float | None:
    """To the nearest of the person's other faces."""
    theirs = app.face_records.page(collection, 0, _OWN_FACES, FaceQuery(person=new.person))
    others = [face.embedding.values for _, face in theirs if face.face_id != new.face_id]
    if not others:
        return None
    scorer = app.collection(collection).scorer
    scores = pair_scores(scorer.normalise(np.stack(others)), scorer.normalise(new.embedding.values[None]))
    return round(float(scorer.calibration.similarity(scores.max())), 2)


def _resemblance(call: Call, collection: str, new: FaceRecord) -> Resemblance | None:
    gallery = call.app.collection(collection)
    candidates, _ = gallery.search(new.embedding, 2)
    other = next((each for each in candidates if each.name != new.person), None)
    listed = call.app.people_directory.find(collection, other.name) if other else None
    if other is None or listed is None:
        return None
    alike = other.similarity >= gallery.threshold()
    return Resemblance(person_item(call, collection, other.name), other.face_id, other.similarity, alike)


def _box(outcome: Outcome) -> BoxInParts | None:
    if not outcome.faces or not outcome.size:
        return None
    return BoxInParts.of(outcome.faces[0].box, *outcome.size)


def _item(app: App, face: FaceRecord, has_crop: bool) -> FaceItem:
    photo, quality = _photo(app, face.source), quality_of(face)
    return FaceItem(face.face_id, face.source, photo, face.created_at, face.confidence, quality, has_crop)


def _photo(app: App, source: str) -> str | None:
    bucket, _, key = source.partition("/")
    try:
        app.objects.head(bucket, key)
    except (NotFoundError, InputError):  # a file of theirs, or gone
        return None
    return source


def source_of(file: str, image_id: str) -> str:
    """What is kept of where an enrolled photo came from. Without folders, for what has them is taken for a stored
    photo's place; and no other photo's, since an erasure looks for all that came from there.
    """
    name = PurePosixPath(file.replace("\\", "/")).name or "upload"
    return f"{name} ({image_id[:8]})"


_MISSING = (HTTPStatus.NOT_FOUND,)
_ENROLLING = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
OPERATIONS = (
    Operation(
        "GET",
        f"{_COLLECTION}/people/{{user_id}}/faces",
        "A person's faces",
        _TAG,
        list_person_faces,
        FacesAsked,
        answer=FaceList,
        errors=_MISSING,
    ),
    Operation(
        "POST",
        f"{_COLLECTION}/people/{{user_id}}/faces",
        "Enrol a photo of a person who is there",
        _TAG,
        enroll_person_face,
        EnrolPersonAsked,
        Upload(),
        EnrolledFace,
        ApiScope.ENROLL,
        errors=_ENROLLING,
        work=Work.ENROLLING,
    ),
    Operation(
        "POST",
        f"{_COLLECTION}/faces",
        "Enrol a photo under a name",
        _TAG,
        enroll_face,
        EnrolAsked,
        Upload(),
        EnrolledFace,
        ApiScope.ENROLL,
        errors=_ENROLLING,
        work=Work.ENROLLING,
    ),
    Operation(
        "GET",
        f"{_COLLECTION}/faces/{{face_id}}/crop",
        "A face's picture",
        _TAG,
        get_face_crop,
        FaceAsked,
        answer=Media("image/jpeg"),
        errors=_MISSING,
    ),
    Operation(
        "DELETE",
        f"{_COLLECTION}/faces/{{face_id}}",
        "Delete a face",
        _TAG,
        delete_face,
        FaceAsked,
        scope=ApiScope.ADMIN,
        errors=_MISSING,
    ),
)
