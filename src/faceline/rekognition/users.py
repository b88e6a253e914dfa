"""Users: persons of a collection, and which faces are theirs."""

from collections.abc import Sequence

from faceline.gallery.names import user_id_of
from faceline.gallery.ports import PersonInfo
from faceline.rekognition.answers import Document
from faceline.rekognition.call import Call
from faceline.rekognition.shapes import AssociateFaces, DisassociateFaces, ListUsers, OfUser
from faceline.rekognition.tokens import Pages
from faceline.types import FaceRecord

_PAGE = 500
_LEAST = 75.0


def create_user(call: Call, request: OfUser) -> Document:
    call.model_of(request.collection_id)
    call.app.people.create(request.collection_id, request.user_id, call.app.settings.quota_collection_users)
    return {}


def delete_user(call: Call, request: OfUser) -> Document:
    call.app.people.delete(request.collection_id, request.user_id)
    return {}


def list_users(call: Call, request: ListUsers) -> Document:
    app, name = call.app, request.collection_id
    pages = Pages(app.page_key, ("ListUsers", name))
    limit = request.max_results or _PAGE
    people = app.people.page(name, pages.place(request.next_token), limit + 1)
    users = [{"UserId": person.user_id, "UserStatus": _status(person)} for person in people[:limit]]
    return {"Users": users} | ({"NextToken": pages.token(people[limit - 1].position)} if len(people) > limit else {})


def associate_faces(call: Call, request: AssociateFaces) -> Document:
    """A user's first faces are taken as they are; later ones must be like those that are there."""
    app, name = call.app, request.collection_id
    collection = call.collection(name)
    person = app.people.get(name, request.user_id)
    wanted = list(dict.fromkeys(request.face_ids))
    known = _known(call, name, wanted)
    free = [known[face_id] for face_id in wanted if face_id in known and known[face_id].person is None]
    similarities = collection.similarities_to(person.name, [record.embedding for record in free])
    least = _LEAST if request.user_match_threshold is None else request.user_match_threshold
    low = {r.face_id: s for r, s in zip(free, similarities or [], strict=False) if s < least}
    taken = app.people.associate(
        name,
        request.user_id,
        [r.face_id for r in free if r.face_id not in low],
        app.settings.quota_user_faces,
    )
    known = _known(call, name, wanted)  # another request may have been faster
    failed = [_low(face_id, similarity) for face_id, similarity in low.items()]
    failed += _failed(wanted, known, person)
    return {
        "AssociatedFaces": [{"FaceId": face_id} for face_id in taken],
        "UnsuccessfulFaceAssociations": failed,
        "UserStatus": _status(app.people.get(name, request.user_id)),
    }


def disassociate_faces(call: Call, request: DisassociateFaces) -> Document:
    app, name = call.app, request.collection_id
    person = app.people.get(name, request.user_id)
    wanted = list(dict.fromkeys(request.face_ids))
    freed = app.people.disassociate(name, request.user_id, wanted)
    return {
        "DisassociatedFaces": [{"FaceId": face_id} for face_id in freed],
        "UnsuccessfulFaceDisassociations": _failed(wanted, _known(call, name, wanted), person),
        "UserStatus": _status(app.people.get(name, request.user_id)),
    }


def _known(call: Call, collection: str, face_ids: Sequence[str]) -> dict[str, FaceRecord]:
    return {record.face_id: record for record in call.app.face_records.find(collection, face_ids=face_ids)}


def _failed(wanted: Sequence[str], known: dict[str, FaceRecord], person: PersonInfo) -> list[Document]:
    """Those that are not there, and those of somebody else."""
    failed: list[Document] = []
    for face_id in wanted:
        if face_id not in known:
            failed.append({"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]})
            continue
        owner = known[face_id].person
        if owner is not None and owner != person.name:
            reasons = ["ASSOCIATED_TO_A_DIFFERENT_USER"]
            failed.append({"FaceId": face_id, "UserId": user_id_of(owner), "Reasons": reasons})
    return failed


def _low(face_id: str, similarity: float) -> Document:
    return {"FaceId": face_id, "Confidence": similarity, "Reasons": ["LOW_MATCH_CONFIDENCE"]}


def _status(person: PersonInfo) -> str:
    """Templates are made before the answer, so that nobody is ever UPDATING."""
    return "ACTIVE" if person.faces else "CREATED"
