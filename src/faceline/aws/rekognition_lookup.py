"""Who the faces of a photo are, by Amazon Rekognition's SearchFacesByImage, which looks up the largest face only."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceline.aws.rekognition_answers import Document, box_of, overlap
from faceline.aws.rekognition_api import Rekognition
from faceline.aws.rekognition_names import name_of
from faceline.aws.rekognition_pictures import ImageArgument, crop_of, image_of
from faceline.errors import NotFoundError
from faceline.faces import Picture
from faceline.gallery.ports import FaceRecords
from faceline.similarity import Rule, rate_at_similarity
from faceline.types import Candidate, Decision, Face, Identification, Point

_log = logging.getLogger("faceline.aws.faces")
_MOST_FACES = 20
_CANDIDATES = 5
_MARGINS = (0.5, 0.15)  # the second for a face with a larger one beside it
_SAME = 0.4  # intersection over union of the face that is meant with the one that was looked up


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture whose largest face is the one that is meant. corner, size: its place in the photo, in full-size px."""

    image: ImageArgument
    corner: Point
    size: tuple[int, int]

    def shows(self, face: Face, box: Document) -> bool:
        """Whether this box of the picture, as the API gives boxes, is that face."""
        return overlap(face.box, box_of(box, self.size, self.corner)) > _SAME


def shown(picture: Picture, faces: Sequence[Face], face: Face, margin: float = _MARGINS[0]) -> Shown:
    """The whole photo where the face is the largest of `faces`, else it is cut out."""
    if face.box.area >= max(each.box.area for each in faces):
        return Shown(image_of(picture), (0.0, 0.0), (picture.frame.width, picture.frame.height))
    return Shown(*crop_of(picture.frame, face.box, margin))


@dataclass(frozen=True, slots=True)
class Lookup:
    """A search costs as much as a detection, so that of one photo the twenty largest faces are looked up at most: one
    image each, two for a face with a larger one close by.

    The rule's `min_similarity` holds, and its margin between two people, on Amazon Rekognition's own scale as if it
    were ours; that people make chance matches likelier is left to the caller's choice of `min_similarity`.
    """

    api: Rekognition
    records: FaceRecords
    rule: Rule

    def threshold(self) -> float:
        """What a name needs, however many people there are."""
        return self.rule.threshold(1)

    def identify(self, picture: Picture, faces: Sequence[Face]) -> list[Identification]:
        """Of the first twenty."""
        if len(faces) > _MOST_FACES:
            _log.warning("only the first faces are looked up", extra={"faces": len(faces), "looked_up": _MOST_FACES})
        return [self._identified(face, self._matches(picture, faces, face)) for face in faces[:_MOST_FACES]]

    def _identified(self, face: Face, matches: Sequence[Document]) -> Identification:
        candidates = self._candidates(matches)
        log_rates = np.array([math.log10(rate_at_similarity(each.similarity)) for each in candidates])
        decision = self.rule.decide(log_rates, 1)
        name = candidates[0].name if decision is Decision.MATCH else None
        similarity = candidates[0].similarity if candidates else 0.0
        return Identification(face, decision, name, similarity, self.threshold(), tuple(candidates[:_CANDIDATES]))

    def _matches(self, picture: Picture, faces: Sequence[Face], face: Face) -> Sequence[Document]:
        """None for a face that is found in no cutting; the collection may not be there yet."""
        for margin in _MARGINS:
            cutting = shown(picture, faces, face, margin)
            try:
                answer = self.api.search_by_image(cutting.image, picture.source, self.threshold())
            except NotFoundError:
                return ()
            if answer and cutting.shows(face, answer["SearchedFaceBoundingBox"]):
                found: Sequence[Document] = answer["FaceMatches"]
                return found
        return ()

    def _candidates(self, matches: Sequence[Document]) -> list[Candidate]:
        """One a person, by their most similar face; faces that nobody named are left out."""
        face_ids = [match["Face"]["FaceId"] for match in matches]
        known = (
            {r.face_id: r.identity for r in self.records.find(self.api.collection, face_ids=face_ids)}
            if matches
            else {}
        )
        best: dict[str, Candidate] = {}
        for match in matches:  # the most similar first
            face_id, label = match["Face"]["FaceId"], match["Face"].get("ExternalImageId")
            name = known.get(face_id) or (name_of(label) if label else None)
            if name:
                best.setdefault(name, Candidate(name, round(float(match["Similarity"]), 2), face_id))
        return list(best.values())
