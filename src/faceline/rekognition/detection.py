"""DetectFaces and CompareFaces: nothing is kept."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from faceline.engine.networks import AttributeNetwork
from faceline.rekognition.answers import Document, box_document, compared_face, face_detail
from faceline.rekognition.call import Call
from faceline.rekognition.errors import invalid
from faceline.rekognition.photos import Photo, photo_of
from faceline.rekognition.quality import passing
from faceline.rekognition.shapes import CompareFaces, DetectFaces, QualityFilter
from faceline.types import Face

# The API's other attributes have no model here.
_NETWORKS: Mapping[str, AttributeNetwork] = MappingProxyType(
    {"EMOTIONS": "emotions", "MOUTH_OPEN": "mesh", "GENDER": "gender"}
)


def attributes_of(given: Sequence[str] | None) -> set[AttributeNetwork]:
    """The networks that what was asked for beyond DEFAULT needs; ALL has thirty landmarks too."""
    names = set(given or ())
    return {network for name, network in _NETWORKS.items() if name in names or "ALL" in names}


def detect_faces(call: Call, request: DetectFaces) -> Document:
    photo = photo_of(call, request.image)
    faces = call.faces(photo.frame, None, attributes_of(request.attributes))
    return {"FaceDetails": [face_detail(face, photo.size) for face in faces]}


def compare_faces(call: Call, request: CompareFaces) -> Document:
    """The largest face of the source with each of the target."""
    source_photo, source = _faces(call, photo_of(call, request.source_image, "SourceImage"), request.quality_filter)
    target_photo, targets = _faces(call, photo_of(call, request.target_image, "TargetImage"), request.quality_filter)
    threshold = 80.0 if request.similarity_threshold is None else request.similarity_threshold
    compared = [(_similarity(call, source[0], target), target) for target in targets]
    compared.sort(key=lambda pair: -pair[0])
    matches = [(similarity, face) for similarity, face in compared if similarity >= threshold]
    others = [face for similarity, face in compared if similarity < threshold]
    return {
        "SourceImageFace": {
            "BoundingBox": box_document(source[0].box, source_photo.size),
            "Confidence": source[0].confidence,
        },
        "FaceMatches": [{"Similarity": s, "Face": compared_face(face, target_photo.size)} for s, face in matches],
        "UnmatchedFaces": [compared_face(face, target_photo.size) for face in others],
    }


def largest_face(call: Call, photo: Photo, model: str, quality_filter: QualityFilter | None) -> Face | None:
    """Of those that pass the filter; None when none does."""
    return next(iter(passing(call.faces(photo.frame, model), quality_filter)), None)


def no_face(source: str) -> Exception:
    return invalid(f"{source}: there are no faces in the image, or none that passes the QualityFilter; use another")


def _faces(call: Call, photo: Photo, quality_filter: QualityFilter | None) -> tuple[Photo, list[Face]]:
    faces = passing(call.faces(photo.frame, call.app.engines.model), quality_filter)
    if not faces:
        raise no_face(photo.source)
    return photo, faces


def _similarity(call: Call, a: Face, b: Face) -> float:
    assert a.embedding is not None
    assert b.embedding is not None
    return call.app.engines.scorer(a.embedding.model).similarity_of(a.embedding.values, b.embedding.values)
