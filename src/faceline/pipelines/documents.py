"""The JSON that faceline writes and prints: one function for each document, so that every way out gives the same."""

from collections.abc import Sequence
from typing import Any

from faceline.types import Appearance, BoundingBox, Comparison, Emotion, Enrolment, Face, Frame, Identification


def box_document(box: BoundingBox) -> dict[str, float]:
    return {"left": box.left, "top": box.top, "width": box.width, "height": box.height}


def face_document(face: Face) -> dict[str, Any]:
    """box, confidence, landmarks, pose, quality and, when they were asked for, emotions."""
    document: dict[str, Any] = {
        "box": box_document(face.box),
        "confidence": face.confidence,
        "landmarks": [[round(float(x), 1), round(float(y), 1)] for x, y in face.landmarks.as_array()],
        "pose": {"roll": face.pose.roll, "yaw": face.pose.yaw, "pitch": face.pose.pitch},
        "quality": {
            "brightness": face.quality.brightness,
            "sharpness": face.quality.sharpness,
            "size_px": face.quality.size_px,
            "usable": face.quality.usable,
            "reasons": list(face.quality.reasons),
        },
    }
    if face.emotions is not None:
        document["emotions"] = emotion_documents(face.emotions)
    return document


def emotion_documents(emotions: tuple[Emotion, ...]) -> list[dict[str, Any]]:
    return [{"type": e.type, "confidence": e.confidence} for e in emotions]


def identification_document(identification: Identification) -> dict[str, Any]:
    """decision, name, similarity, threshold, candidates; `box` comes first."""
    return {
        "box": box_document(identification.face.box),
        "decision": identification.decision.value,
        "name": identification.name,
        "similarity": identification.similarity,
        "threshold": identification.threshold,
        "candidates": [{"name": c.name, "similarity": c.similarity} for c in identification.candidates],
    }


def detection_document(source: str, frame: Frame | None, faces: list[Face], error: str | None) -> dict[str, Any]:
    """What `faceline detect --json` prints for one photo."""
    return {
        "source": source,
        "kind": "photo",
        "width": frame.width if frame else None,
        "height": frame.height if frame else None,
        "faces": [face_document(face) for face in faces],
        "error": error,
    }


def identified_document(source: str, found: list[Identification], error: str | None) -> dict[str, Any]:
    """What `faceline identify --json` prints for one photo."""
    return {"source": source, "kind": "photo", "faces": [identification_document(i) for i in found], "error": error}


def appearance_document(appearance: Appearance) -> dict[str, Any]:
    """Who appears, from when to when; `box` is where the best frame shows them."""
    document = identification_document(appearance.who)
    times = {"first_s": appearance.first_s, "last_s": appearance.last_s, "best_frame_s": appearance.best_frame_s}
    return {
        "number": appearance.number,
        **{key: document[key] for key in ("decision", "name", "similarity")},
        **{key: round(value, 3) for key, value in times.items()},
        "box": document["box"],
        "frames": appearance.frames,
        **{key: document[key] for key in ("threshold", "candidates")},
    }


def identified_clip_document(
    source: str, duration_s: float | None, found: Sequence[Appearance], error: str | None
) -> dict[str, Any]:
    """What `faceline identify --json` prints for one clip; a damaged one has both, appearances and an error."""
    return {
        "source": source,
        "kind": "video",
        "duration_s": None if duration_s is None else round(duration_s, 3),
        "appearances": [appearance_document(appearance) for appearance in found],
        "error": error,
    }


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """What `faceline compare --json` prints."""
    return {
        "similarity": comparison.similarity,
        "same": comparison.same,
        "model": comparison.model,
        "calibrated": comparison.calibrated,
        "box_a": box_document(comparison.box_a),
        "box_b": box_document(comparison.box_b),
    }


def enrolment_document(enrolment: Enrolment) -> dict[str, Any]:
    """What `faceline enroll --json` prints."""
    return {
        "enrolled": enrolment.enrolled,
        "already": enrolment.already,
        "refused": [{"source": r.source, "reason": r.reason} for r in enrolment.refused],
    }
