# mypy: ignore-errors
# The peers are not installed where the types are checked.
"""face_recognition as its README uses it: HOG detector, 5-point alignment, dlib's ResNet.

Its detector's smallest face is 80 px, halved by each doubling of the picture.
"""

import math

import face_recognition
from worker import Box, Job, serve


class FaceRecognition:
    packages = ("face-recognition", "dlib-bin", "numpy", "pillow")
    uncounted_s = 0.0

    def __init__(self, min_face: int) -> None:
        self._doublings = max(0, math.ceil(math.log2(80 / min_face)))

    def analyze(self, photo: str) -> list[Box]:
        pixels = face_recognition.load_image_file(photo)
        found = face_recognition.face_locations(pixels, self._doublings)
        face_recognition.face_encodings(pixels, found)
        return [_box(*place) for place in found]

    def detect(self, photo: str) -> list[Box]:
        found = face_recognition.face_locations(face_recognition.load_image_file(photo), self._doublings)
        return [_box(*place) for place in found]


def _box(top: int, right: int, bottom: int, left: int) -> Box:
    return left, top, right - left, bottom - top


def open_engine(job: Job) -> FaceRecognition:
    return FaceRecognition(job["min_face"])


if __name__ == "__main__":
    serve(open_engine)
