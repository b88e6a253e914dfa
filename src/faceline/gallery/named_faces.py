"""The faces of a collection that have a name, as they are at one moment, for work that looks at all of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.gallery.ports import FaceQuery, FaceRecords
from faceline.similarity import Normalised, Scorer
from faceline.types import FaceRecord, Vector

_PAGE = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class NamedFaces:
    """Row i is face face_ids[i] of the photo sources[i], whose name is names[owner[i]].

    names: distinct, sorted; persons, and the labels of faces without one (`FaceRecord.identity`). owner: int32 (n,).
    embeddings: n rows. unnamed: how many faces with neither person nor label were left out.
    """

    collection: str
    model: str
    face_ids: tuple[str, ...]
    sources: tuple[str, ...]
    names: tuple[str, ...]
    owner: NDArray[np.int32]
    embeddings: Normalised
    unnamed: int

    def __len__(self) -> int:
        return len(self.face_ids)

    def rows(self) -> list[NDArray[np.intp]]:
        """The rows of each name, ascending."""
        order = np.argsort(self.owner, kind="stable")
        ends = np.searchsorted(self.owner[order], np.arange(1, len(self.names)))
        return np.split(order, ends) if self.names else []


def named_faces(records: FaceRecords, collection: str, scorer: Scorer) -> NamedFaces:
    """Reads and normalises them. Raises ModelMismatchError when they are not of the scorer's model.

    Pages of faces are read one after another: a face that changes hands meanwhile has the one name or the other.
    """
    unnamed, face_ids, sources, identities = 0, [], [], []
    vectors: list[Vector] = []
    for record in _all(records, collection):
        scorer.check(record.embedding.model)
        if record.identity is None:
            unnamed += 1
            continue
        face_ids.append(record.face_id)
        sources.append(record.source)
        identities.append(record.identity)
        vectors.append(record.embedding.values)
    names = sorted(set(identities))
    numbers = {name: number for number, name in enumerate(names)}
    owner = np.array([numbers[identity] for identity in identities], dtype=np.int32)
    matrix = np.stack(vectors) if vectors else np.empty((0, 1), dtype=np.float32)
    vectors.clear()
    embeddings = scorer.normalise(matrix) if len(matrix) else Normalised(matrix, matrix[:, 0], matrix[:, 0])
    return NamedFaces(
        collection, scorer.model, tuple(face_ids), tuple(sources), tuple(names), owner, embeddings, unnamed
    )


def _all(records: FaceRecords, collection: str) -> Iterator[FaceRecord]:
    after = 0
    while page := records.page(collection, after, _PAGE, FaceQuery()):
        for after, record in page:  # noqa: B007 (the last position is where the next page begins)
            yield record
