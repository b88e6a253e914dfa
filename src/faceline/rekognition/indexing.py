"""IndexFaces, ListFaces and DeleteFaces."""

from collections.abc import Sequence
from dataclasses import dataclass

from faceline.gallery.newface import SENT, Origin, image_id_of, new_face
from faceline.gallery.ports import FaceQuery
from faceline.rekognition.answers import Document, face_detail, face_document
from faceline.rekognition.call import Call
from faceline.rekognition.detection import attributes_of
from faceline.rekognition.errors import invalid
from faceline.rekognition.photos import Photo, photo_of
from faceline.rekognition.quality import reasons_of
from faceline.rekognition.shapes import DeleteFaces, IndexFaces, ListFaces
from faceline.rekognition.tokens import Pages
from faceline.types import Face, FaceRecord

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Left:
    """A face that is not indexed, and why."""

    face: Face
    reasons: list[str]


def index_faces(call: Call, request: IndexFaces) -> Document:
    model = call.model_of(request.collection_id)
    missing = call.app.keeping.refusal(request.collection_id, request.external_image_id or "", None)
    if missing:
        raise invalid(f"{missing}; note it for this ExternalImageId with `faceline consent`")
    photo = photo_of(call, request.image)
    found = call.faces(photo.frame, model, attributes_of(request.detection_attributes))
    left = [_Left(face, reasons) for face in found if (reasons := reasons_of(face, request.quality_filter or "AUTO"))]
    passed = [face for face in found if face not in [each.face for each in left]]
    kept = _best(passed, request.max_faces)
    left += [_Left(face, ["EXCEEDS_MAX_FACES"]) for face in passed if face not in kept]
    records = _store(call, request, photo, kept)
    return {
        "FaceRecords": [
            {"Face": face_document(record), "FaceDetail": face_detail(face, photo.size)}
            for record, face in zip(records, kept, strict=True)
        ],
        "FaceModelVersion": model,
        "UnindexedFaces": [
            {"Reasons": each.reasons, "FaceDetail": face_detail(each.face, photo.size)} for each in left
        ],
    }


def list_faces(call: Call, request: ListFaces) -> Document:
    app, name = call.app, request.collection_id
    model = app.collections.model(name)
    pages = Pages(app.page_key, ("ListFaces", name, request.user_id, request.face_ids))
    person = app.people.get(name, request.user_id).name if request.user_id else None
    after, limit = pages.place(request.next_token), request.max_results or _PAGE
    rows = app.face_records.page(name, after, limit + 1, FaceQuery(person, request.face_ids))
    answer: Document = {"Faces": [face_document(record) for _, record in rows[:limit]], "FaceModelVersion": model}
    return answer | ({"NextToken": pages.token(rows[limit - 1][0])} if len(rows) > limit else {})


def delete_faces(call: Call, request: DeleteFaces) -> Document:
    """Faces of a user stay: they must be disassociated first, as at Amazon Rekognition."""
    app, name = call.app, request.collection_id
    app.collections.model(name)
    wanted = list(dict.fromkeys(request.face_ids))
    before = {record.face_id for record in app.face_records.find(name, face_ids=wanted)}
    app.face_records.remove(name, wanted, of_nobody=True)
    kept = {record.face_id: record for record in app.face_records.find(name, face_ids=wanted)}
    deleted = [face_id for face_id in wanted if face_id in before - kept.keys()]
    failed = [_not_deleted(face_id, kept.get(face_id)) for face_id in wanted if face_id not in deleted]
    return {"DeletedFaces": deleted, "UnsuccessfulFaceDeletions": failed}


def _not_deleted(face_id: str, record: FaceRecord | None) -> Document:
    if record is None or record.person is None:  # the latter: a user gave it up since
        return {"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]}
    user_id = face_document(record)["UserId"]
    return {"FaceId": face_id, "UserId": user_id, "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}


def _best(faces: Sequence[Face], limit: int | None) -> list[Face]:
    """At most `limit`, in their order: those of low quality are left out first, then the smallest."""
    if limit is None or len(faces) <= limit:
        return list(faces)
    best = sorted(faces, key=lambda face: (not face.quality.usable, -face.box.area))[:limit]
    return [face for face in faces if face in best]


def _store(call: Call, request: IndexFaces, photo: Photo, faces: Sequence[Face]) -> list[FaceRecord]:
    """The records of these faces: new ones, or those that the same image with the same label made before."""
    app, label = call.app, request.external_image_id
    source = photo.source if request.image.s3_object else SENT
    origin = Origin(image_id_of(photo.data, label), source, None, label)
    made = [new_face(photo.frame, face, origin, app.settings.keep_crops) for face in faces]
    twins = app.face_records.add(request.collection_id, made, app.settings.quota_collection_faces)
    return [twins.get(face.record.face_id, face.record) for face in made]
