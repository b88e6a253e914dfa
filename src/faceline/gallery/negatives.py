"""Counter-examples: faces that somebody said are not this person's, and what searches make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from faceline.gallery.ports import Crop
from faceline.similarity import Normalised, Scorer, pair_scores
from faceline.types import Embedding

REFUTING_SIMILARITY = 90.0  # of a face to a counter-example; of strangers 1 pair in 10,000 is as similar
_ROUNDING = 1e-4  # of scores, which a search adds up in another order: an equal face must not score higher


@dataclass(frozen=True, slots=True)
class Mark:
    """A face that is not `person`'s. source: the photo it is from; image_id: of its bytes, as in `types.FaceRecord`.

    face_id: the enrolled face it is, with which it goes; None for a face that is only in a photo. at: UTC ISO 8601.
    """

    mark_id: str
    person: str
    embedding: Embedding
    source: str
    image_id: str
    by: str
    at: str
    face_id: str | None = None
    crop: Crop | None = None


class Negatives(Protocol):
    """Where counter-examples are kept. Every change raises the collection's generation, so that all searches see it."""

    def add(self, collection: str, mark: Mark) -> None:
        """Can be undone. A face of that person, named by its id, ceases to be theirs and becomes nobody's.

        `NotFoundError` without the collection.
        """
        ...

    def of(self, collection: str) -> Sequence[Mark]:
        """Those that count, without crops, oldest first; one whose face was given to that very person does not."""
        ...

    def remove(self, collection: str, mark_id: str) -> None:
        """`NotFoundError` when there is none such."""
        ...


class CounterExamples:
    """Searched beside the enrolled faces. Marks made with another model's embeddings count for nothing here."""

    def __init__(self, scorer: Scorer, marks: Sequence[Mark] = ()) -> None:
        usable = [mark for mark in marks if mark.embedding.model == scorer.model]
        self._people = [mark.person for mark in usable]
        self._rows = scorer.normalise(np.stack([mark.embedding.values for mark in usable])) if usable else None
        self._floor = scorer.calibration.score_at(REFUTING_SIMILARITY)

    def __len__(self) -> int:
        return len(self._people)

    def scores(self, probes: Normalised) -> dict[str, float]:
        """Of each person with counter-examples: the highest score of any probe with any of them."""
        if self._rows is None:
            return {}
        highest = (pair_scores(probes, self._rows).max(axis=0) + _ROUNDING).tolist()
        found: dict[str, float] = {}
        for person, score in zip(self._people, highest, strict=True):
            found[person] = max(score, found.get(person, -np.inf))
        return found

    def refuting(self, probes: Normalised) -> dict[str, float]:
        """Those of `scores` that are high enough to speak against somebody who scores no higher."""
        return {person: score for person, score in self.scores(probes).items() if score >= self._floor}
