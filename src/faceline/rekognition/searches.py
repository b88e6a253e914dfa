"""SearchFaces, SearchFacesByImage, SearchUsers and SearchUsersByImage."""

from collections.abc import Sequence

from faceline.gallery.collection import Collection
from faceline.gallery.names import user_id_of
from faceline.rekognition.answers import Document, box_document, face_detail, face_document
from faceline.rekognition.call import Call
from faceline.rekognition.detection import largest_face, no_face
from faceline.rekognition.errors import invalid
from faceline.rekognition.photos import photo_of
from faceline.rekognition.quality import reasons_of
from faceline.rekognition.shapes import SearchFaces, SearchFacesByImage, SearchUsers, SearchUsersByImage
from faceline.types import Candidate, Embedding, Face, FaceMatch

_MOST_FACES, _MOST_USERS = 4096, 500


def search_faces(call: Call, request: SearchFaces) -> Document:
    """The face itself is no match of itself."""
    collection = call.collection(request.collection_id)
    probe = _enrolled(collection, request.face_id)
    limit = request.max_faces or _MOST_FACES
    least = call.least(request.face_match_threshold, collection.rule, collection.faces)
    found = [m for m in collection.search_faces(probe, limit + 1, least) if m.face_id != request.face_id]
    return {
        "SearchedFaceId": request.face_id,
        "FaceMatches": _face_matches(call, collection, found[:limit]),
        "FaceModelVersion": collection.scorer.model,
    }


def search_faces_by_image(call: Call, request: SearchFacesByImage) -> Document:
    collection = call.collection(request.collection_id)
    photo = photo_of(call, request.image)
    face = largest_face(call, photo, collection.scorer.model, request.quality_filter)
    if face is None:
        raise no_face(photo.source)
    least = call.least(request.face_match_threshold, collection.rule, collection.faces)
    found = collection.search_faces(_embedding(face), request.max_faces or _MOST_FACES, least)
    return {
        "SearchedFaceBoundingBox": box_document(face.box, photo.size),
        "SearchedFaceConfidence": face.confidence,
        "FaceMatches": _face_matches(call, collection, found),
        "FaceModelVersion": collection.scorer.model,
    }


def search_users(call: Call, request: SearchUsers) -> Document:
    """By a face, or by a user, who is no match of himself."""
    if (request.user_id is None) == (request.face_id is None):
        raise invalid("SearchUsers needs either UserId or FaceId")
    collection = call.collection(request.collection_id)
    least = call.least(request.user_match_threshold, collection.rule, collection.people)
    limit = request.max_users or _MOST_USERS
    if request.user_id is not None:
        person = call.app.people.get(request.collection_id, request.user_id).name
        found = collection.people_like(person, limit, least)
        searched: Document = {"SearchedUser": {"UserId": request.user_id}}
    else:
        assert request.face_id is not None
        found = collection.search_people(_enrolled(collection, request.face_id), limit, least)
        searched = {"SearchedFace": {"FaceId": request.face_id}}
    return {"UserMatches": _user_matches(found), "FaceModelVersion": collection.scorer.model} | searched


def search_users_by_image(call: Call, request: SearchUsersByImage) -> Document:
    """Without a usable face the answer is empty, not an error."""
    collection = call.collection(request.collection_id)
    photo = photo_of(call, request.image)
    faces = call.faces(photo.frame, collection.scorer.model)
    failed = {id(face): reasons_of(face, request.quality_filter or "NONE") for face in faces}
    probe = next((face for face in faces if not failed[id(face)]), None)
    answer: Document = {"UserMatches": [], "FaceModelVersion": collection.scorer.model}
    if probe is not None:
        least = call.least(request.user_match_threshold, collection.rule, collection.people)
        found = collection.search_people(_embedding(probe), request.max_users or _MOST_USERS, least)
        searched = {"FaceDetail": face_detail(probe, photo.size)}
        answer |= {"UserMatches": _user_matches(found), "SearchedFace": searched}
    unsearched = [
        {"FaceDetails": face_detail(face, photo.size), "Reasons": failed[id(face)] or ["FACE_NOT_LARGEST"]}
        for face in faces
        if face is not probe
    ]
    return answer | {"UnsearchedFaces": unsearched}


def _enrolled(collection: Collection, face_id: str) -> Embedding:
    embedding = collection.embedding_of(face_id)
    if embedding is None:
        raise invalid(f"the face {face_id} was not found in the collection {collection.name}; see ListFaces")
    return embedding


def _embedding(face: Face) -> Embedding:
    assert face.embedding is not None
    return face.embedding


def _face_matches(call: Call, collection: Collection, found: Sequence[FaceMatch]) -> list[Document]:
    ids = [match.face_id for match in found]
    records = {record.face_id: record for record in call.app.face_records.find(collection.name, face_ids=ids)}
    # One that was deleted since the search is no match any more.
    return [
        {"Similarity": match.similarity, "Face": face_document(records[match.face_id])}
        for match in found
        if match.face_id in records
    ]


def _user_matches(found: Sequence[Candidate]) -> list[Document]:
    return [
        {"Similarity": match.similarity, "User": {"UserId": user_id_of(match.name), "UserStatus": "ACTIVE"}}
        for match in found
    ]
