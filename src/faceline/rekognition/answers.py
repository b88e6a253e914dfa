"""Faces as the API's structures. Members that no model here gives are absent.

Boxes and landmarks are ratios of the upright image's width and height, and may lie outside 0–1.
"""

import uuid
from typing import Any

from faceline.gallery.names import user_id_of
from faceline.ports import VideoFacts
from faceline.types import BoundingBox, Emotion, Face, FaceRecord, Landmarks, Point

MODEL_VERSION = "1.0"  # IndexFacesModelVersion takes digits and dots only; FaceModelVersion has the model's whole id
Document = dict[str, Any]
_EMOTIONS = {
    "angry": "ANGRY",
    "disgust": "DISGUSTED",
    "fear": "FEAR",
    "happy": "HAPPY",
    "sad": "SAD",
    "surprise": "SURPRISED",
    "neutral": "CALM",
}
_LANDMARKS = {
    "eyeLeft": "left_eye",
    "eyeRight": "right_eye",
    "mouthLeft": "mouth_left",
    "mouthRight": "mouth_right",
    "nose": "nose",
}


def box_document(box: BoundingBox, size: tuple[int, int]) -> Document:
    """size: the image's width and height in the box's pixels."""
    width, height = size
    return {
        "Width": _ratio(box.width, width),
        "Height": _ratio(box.height, height),
        "Left": _ratio(box.left, width),
        "Top": _ratio(box.top, height),
    }


def compared_face(face: Face, size: tuple[int, int]) -> Document:
    """A `ComparedFace`: what `FaceDetail` has by default."""
    return {
        "BoundingBox": box_document(face.box, size),
        "Confidence": face.confidence,
        "Landmarks": _landmarks(face.landmarks, size),
        "Pose": {"Roll": face.pose.roll, "Yaw": face.pose.yaw, "Pitch": face.pose.pitch},
        "Quality": {"Brightness": face.quality.brightness, "Sharpness": face.quality.sharpness},
    }


def face_detail(face: Face, size: tuple[int, int]) -> Document:
    """A `FaceDetail`, with the attributes that were looked for and found."""
    detail = compared_face(face, size)
    if face.emotions is not None:
        detail["Emotions"] = [_emotion(emotion) for emotion in face.emotions]
    if face.gender is not None:
        value = "Female" if face.gender.female else "Male"
        detail["Gender"] = {"Value": value, "Confidence": face.gender.confidence}
    if face.mesh is not None:
        detail["Landmarks"] = [_landmark(kind, point, size) for kind, point in face.mesh.points.items()]
        if face.mesh.mouth_open is not None:
            mouth = face.mesh.mouth_open
            detail["MouthOpen"] = {"Value": mouth.value, "Confidence": mouth.confidence}
    return detail


def face_document(record: FaceRecord) -> Document:
    """A `Face`, the metadata of an enrolled one."""
    document: Document = {
        "FaceId": record.face_id,
        "ImageId": _uuid(record.image_id),
        "Confidence": record.confidence,
        "IndexFacesModelVersion": MODEL_VERSION,
    }
    if record.image_size is not None:
        document["BoundingBox"] = box_document(record.box, record.image_size)
    if record.external_image_id is not None:
        document["ExternalImageId"] = user_id_of(record.external_image_id, 255)
    if record.person is not None:
        document["UserId"] = user_id_of(record.person)
    return document


def video_metadata(video: VideoFacts) -> Document:
    """A `VideoMetadata`."""
    metadata: Document = {
        "DurationMillis": video.duration_ms,
        "FrameWidth": video.width,
        "FrameHeight": video.height,
    }
    if video.fps is not None:
        metadata["FrameRate"] = round(video.fps, 3)
    said = {"Codec": video.codec, "Format": video.container}
    return metadata | {name: text for name, text in said.items() if text is not None}


def _landmarks(landmarks: Landmarks, size: tuple[int, int]) -> list[Document]:
    return [_landmark(kind, getattr(landmarks, name), size) for kind, name in _LANDMARKS.items()]


def _landmark(kind: str, point: Point, size: tuple[int, int]) -> Document:
    return {"Type": kind, "X": _ratio(point[0], size[0]), "Y": _ratio(point[1], size[1])}


def _emotion(emotion: Emotion) -> Document:
    return {"Type": _EMOTIONS[emotion.type], "Confidence": emotion.confidence}


def _ratio(value: float, whole: int) -> float:
    return round(value / whole, 6)


def _uuid(image_id: str) -> str:
    try:
        return str(uuid.UUID(hex=image_id))
    except ValueError:  # given by something other than faceline's digests
        return str(uuid.uuid5(uuid.NAMESPACE_URL, image_id))
