"""What is in a photo, and whether two show the same person. Nothing is kept."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import IO, Literal, TypeVar

import msgspec
from starlette.responses import Response

from faceline.app import App
from faceline.errors import ModelMismatchError, NoFaceError
from faceline.images import decode
from faceline.loading import image_limits, wanted
from faceline.portrait import portrait
from faceline.similarity import scale, strangers_as_alike
from faceline.types import BoundingBox, BoxInParts, Decision, Emotion, Face, Frame, Identification, Pose
from faceline.web.advice import FaceQuality, quality_of, remedy
from faceline.web.lanes import Work
from faceline.web.operations import Asked, Call, Files, Media, Nothing, Operation, Upload, whole

_T = TypeVar("_T")
_TAG = "Try"
_UNSURE_FROM = 50.0  # one pair of strangers in 100: what is below is called different


class CandidateFound(msgspec.Struct, frozen=True):
    """A person of the collection, and their enrolled face that is the most alike. similarity: 0–100."""

    name: str
    similarity: float
    face_id: str | None


class Who(msgspec.Struct, frozen=True):
    """Who a face is. name: of a match only. similarity: of the best candidate. threshold: what a name needs now.

    meaning: the similarity in words.
    """

    decision: Decision
    name: str | None
    similarity: float
    threshold: float
    meaning: str
    candidates: list[CandidateFound]


class FaceFound(msgspec.Struct, frozen=True):
    """landmarks: x and y in parts of the sides: eyes, nose tip, mouth corners, left before right as seen in the photo.

    confidence: the detector's, 0–100. pose: degrees. advice: what to do where the quality is poor. emotions: most
    confident first; null unless asked for. who: null unless a collection was given.
    """

    box: BoxInParts
    landmarks: list[tuple[float, float]]
    confidence: float
    pose: Pose
    quality: FaceQuality
    advice: str | None
    emotions: list[Emotion] | None
    who: Who | None


class Detection(msgspec.Struct, frozen=True):
    """width, height: of the upright photo in pixels. faces: first the one that the photo is of, then by size."""

    width: int
    height: int
    model: str
    collection: str | None
    faces: list[FaceFound]


class DetectAsked(Asked, frozen=True):
    """attributes: what else is wanted of each face. collection: where to look for people; nowhere unless given."""

    attributes: Literal["emotions"] | None = None
    collection: str | None = None


class ComparedPhoto(msgspec.Struct, frozen=True):
    """width, height: of the upright photo in pixels. face: the one that was compared. others: the boxes of the rest."""

    width: int
    height: int
    face: FaceFound
    others: list[BoxInParts]


class ScalePoint(msgspec.Struct, frozen=True):
    """strangers: the part of pairs of strangers that reach the similarity."""

    similarity: float
    strangers: float


class ComparisonFound(msgspec.Struct, frozen=True):
    """similarity: 0–100. same_person: whether it reaches the threshold, the setting min_similarity.

    verdict: `unsure` below the threshold, but above what 1 in 100 pairs of strangers reach. meaning: the similarity in
    words. calibrated: whether the model's similarities were measured. scale: what other similarities mean; between the
    points the logarithm of the part is linear.
    """

    similarity: float
    same_person: bool
    verdict: Literal["same", "unsure", "different"]
    threshold: float
    meaning: str
    model: str
    calibrated: bool
    scale: list[ScalePoint]
    a: ComparedPhoto
    b: ComparedPhoto


def detect_faces(call: Call, asked: DetectAsked) -> Detection:
    """The faces of a photo: where they are, how good they are for recognition, and with `collection` who they are."""
    app, name = call.app, asked.collection
    frame = _frame(app, call.body, "the photo")
    want = replace(wanted(app.settings), emotions=asked.attributes == "emotions", embeddings=name is not None)
    if name is None:
        faces = [_face(frame, face) for face in app.analyzer().analyze([frame], want)[0]]
        return Detection(frame.width, frame.height, app.model_of(), None, faces)
    app.collections.get(name)
    found = _again_when_moved(lambda: app.collection(name).identify(app.analyzer(name).analyze([frame], want)[0]))
    faces = [_face(frame, each.face, _who(each)) for each in found]
    return Detection(frame.width, frame.height, app.model_of(name), name, faces)


def compare_faces(call: Call, asked: Nothing) -> ComparisonFound:
    """How alike the largest faces of two photos are. 422: one of them shows no face."""
    return _again_when_moved(lambda: _compared(call.app, call.body["a"], call.body["b"]))


def example_portrait(call: Call, asked: Nothing) -> Response:
    """A public-domain portrait to try things with: astronaut Eileen Collins, a NASA photograph."""
    return Response(portrait(), media_type="image/jpeg", headers={"X-Content-Type-Options": "nosniff"})


def _compared(app: App, file_a: IO[bytes], file_b: IO[bytes]) -> ComparisonFound:
    (a, first), (b, second) = _largest(app, file_a, "photo a"), _largest(app, file_b, "photo b")
    assert first.embedding is not None
    assert second.embedding is not None
    scorer, threshold = app.scorer(), app.settings.min_similarity
    scorer.check(first.embedding.model)
    scorer.check(second.embedding.model)
    similarity = scorer.similarity_of(first.embedding.values, second.embedding.values)
    return ComparisonFound(
        similarity=similarity,
        same_person=similarity >= threshold,
        verdict="same" if similarity >= threshold else "unsure" if similarity >= _UNSURE_FROM else "different",
        threshold=threshold,
        meaning="The two faces are the same picture." if similarity == 100.0 else _meaning(similarity),
        model=scorer.model,
        calibrated=scorer.calibration.measured,
        scale=[ScalePoint(*point) for point in scale()],
        a=a,
        b=b,
    )


def _largest(app: App, file: IO[bytes], which: str) -> tuple[ComparedPhoto, Face]:
    frame = _frame(app, file, which)
    faces = app.analyzer().analyze([frame], replace(wanted(app.settings), emotions=False))[0]
    if not faces:
        raise NoFaceError(f"{which}: no face found; faces under {app.settings.min_face_px} px are often missed")
    others = [_box(frame, face.box) for face in faces[1:]]
    return ComparedPhoto(frame.width, frame.height, _face(frame, faces[0]), others), faces[0]


def _again_when_moved(work: Callable[[], _T]) -> _T:
    """Once more for a collection whose model was changed meanwhile."""
    try:
        return work()
    except ModelMismatchError:
        return work()


def _frame(app: App, file: IO[bytes], source: str) -> Frame:
    return decode(whole(file), source, image_limits(app.settings))


def _face(frame: Frame, face: Face, who: Who | None = None) -> FaceFound:
    reasons = face.quality.reasons
    return FaceFound(
        box=_box(frame, face.box),
        landmarks=[(_part(x, frame.width), _part(y, frame.height)) for x, y in face.landmarks.as_array().tolist()],
        confidence=face.confidence,
        pose=Pose(*(round(angle, 1) for angle in (face.pose.roll, face.pose.yaw, face.pose.pitch))),
        quality=quality_of(face),
        advice=remedy(", ".join(reasons), reasons),
        emotions=None if face.emotions is None else list(face.emotions),
        who=who,
    )


def _who(found: Identification) -> Who:
    candidates = [CandidateFound(each.name, each.similarity, each.face_id) for each in found.candidates]
    nobody = "Nobody is enrolled." if not candidates else ""
    same = "The enrolled face is the same picture." if found.similarity == 100.0 else ""
    meaning = nobody or same or _meaning(found.similarity)
    return Who(found.decision, found.name, found.similarity, found.threshold, meaning, candidates)


def _meaning(similarity: float) -> str:
    strangers = strangers_as_alike(similarity)
    return f"{strangers[0].upper()}{strangers[1:]} score this high."


def _box(frame: Frame, box: BoundingBox) -> BoxInParts:
    return BoxInParts.of(box, frame.width, frame.height)


def _part(pixels: float, side: int) -> float:
    return round(pixels / side, 5)


OPERATIONS = (
    Operation(
        "POST",
        "/api/v1/detect",
        "The faces of a photo, and who they are",
        _TAG,
        detect_faces,
        DetectAsked,
        body=Upload("max_image_bytes"),
        answer=Detection,
        errors=(HTTPStatus.NOT_FOUND,),
        work=Work.LOOKING,
    ),
    Operation(
        "POST",
        "/api/v1/compare",
        "Whether two photos show the same person",
        _TAG,
        compare_faces,
        body=Files(("a", "b"), "max_image_bytes"),
        answer=ComparisonFound,
        errors=(HTTPStatus.UNPROCESSABLE_ENTITY,),
        work=Work.LOOKING,
    ),
    Operation(
        "GET", "/api/v1/example", "A portrait to try things with", _TAG, example_portrait, answer=Media("image/jpeg")
    ),
)
