"""A collection as its users see it: who is known, and who a face is."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from faceline.gallery.search import VectorIndex
from faceline.ports import Changes, FaceRecords
from faceline.similarity import Normalised, Rule, Scorer
from faceline.types import Candidate, Decision, Embedding, Face, Identification, Vector

_CHUNK = 20_000
_ROWS_SEARCHED = 64  # enough that five different people are among the best rows


class Collection:
    """Searches in memory and follows the stored rows: each call first applies what other processes changed.

    person_score: `mean` compares with the mean of a person's embeddings, `best` with each of them. Thread-safe.
    """

    def __init__(self, name: str, records: FaceRecords, scorer: Scorer, rule: Rule, person_score: str = "mean") -> None:
        self.name, self.scorer, self.rule = name, scorer, rule
        self._records, self._person_score = records, person_score
        self._lock = threading.RLock()
        self._generation = 0
        self._index: VectorIndex | None = None
        self._person_of_row: dict[str, str] = {}
        self._person_of_face: dict[str, str] = {}
        self._vectors: dict[str, dict[str, Vector]] = defaultdict(dict)

    def people(self) -> int:
        """How many people are enrolled."""
        with self._lock:
            self.refresh()
            return len(self._vectors)

    def threshold(self) -> float:
        """The similarity that a name needs now."""
        return self.rule.threshold(self.people())

    def identify(self, faces: Sequence[Face], limit: int = 5) -> list[Identification]:
        """One answer for each face. Raises ModelMismatchError when a face was embedded by another model."""
        with self._lock:
            self.refresh()
            return [self._identify(face, limit) for face in faces]

    def search(self, embedding: Embedding, limit: int = 5) -> tuple[list[Candidate], list[float]]:
        """The most similar people, best first, and log10 of the false-match rate of each one's score."""
        self.scorer.check(embedding.model)
        with self._lock:
            self.refresh()
            if self._index is None:
                return [], []
            probe = self.scorer.normalise(embedding.values[None])
            hits = self._index.search(probe, max(limit * 8, _ROWS_SEARCHED))
            best: dict[str, float] = {}
            for key, score in zip(hits.keys, hits.scores.tolist(), strict=True):
                best.setdefault(self._person_of_row[key], score)
            names = list(best)[:limit]
            scores = np.array([best[name] for name in names], dtype=np.float32)
            candidates = [self._candidate(name, s, embedding) for name, s in zip(names, scores, strict=True)]
            return candidates, self.scorer.calibration.log_rate(scores).tolist()

    def refresh(self) -> None:
        """Applies the rows that any process added or removed since the last call."""
        with self._lock:
            while True:
                changes = self._records.changes(self.name, self._generation, _CHUNK)
                if changes.generation == self._generation:
                    return
                self._apply(changes)

    def _apply(self, changes: Changes) -> None:
        touched = set()
        for face_id in changes.removed:
            person = self._person_of_face.pop(face_id, None)
            if person is not None:
                self._vectors[person].pop(face_id, None)
                touched.add(person)
        for record in changes.added:
            if record.person is not None and record.face_id not in self._person_of_face:
                self.scorer.check(record.embedding.model)
                self._person_of_face[record.face_id] = record.person
                self._vectors[record.person][record.face_id] = record.embedding.values
                touched.add(record.person)
        self._reindex(touched, changes.removed)
        self._generation = changes.generation

    def _reindex(self, people: Iterable[str], removed: Sequence[str]) -> None:
        keys: list[str] = []
        vectors: list[Vector] = []
        gone = list(removed) if self._person_score == "best" else []
        for person in people:
            embeddings = self._vectors[person]
            if not embeddings:
                del self._vectors[person]
                gone.append(person)
                continue
            for key, vector in self._rows(person, embeddings):
                self._person_of_row[key] = person
                keys.append(key)
                vectors.append(vector)
        if self._index is not None:
            self._index.remove(gone)
        for key in gone:
            self._person_of_row.pop(key, None)
        if keys:
            self._put(keys, self.scorer.normalise(np.stack(vectors)))

    def _put(self, keys: list[str], embeddings: Normalised) -> None:
        if self._index is None:
            self._index = VectorIndex(embeddings.vectors.shape[1])
        self._index.put(keys, embeddings)

    def _rows(self, person: str, embeddings: dict[str, Vector]) -> list[tuple[str, Vector]]:
        if self._person_score == "best":
            return list(embeddings.items())
        mean = np.mean(list(embeddings.values()), axis=0)
        # A mean of several photos lies nearer to everybody. Made as long as one photo, it names two to four times as
        # many strangers as claimed; divided by the root of its length, as many (docs/benchmarks.md).
        return [(person, mean / np.sqrt(np.linalg.norm(mean)))]

    def _identify(self, face: Face, limit: int) -> Identification:
        if face.embedding is None:
            raise ValueError("identify needs faces with embeddings; analyze with embeddings=True")
        candidates, log_rates = self.search(face.embedding, max(limit, 2))
        people = len(self._vectors)
        decision = self.rule.decide(np.array(log_rates), people)
        name = candidates[0].name if decision is Decision.MATCH else None
        similarity = candidates[0].similarity if candidates else 0.0
        return Identification(face, decision, name, similarity, self.rule.threshold(people), tuple(candidates[:limit]))

    def _candidate(self, name: str, score: float, embedding: Embedding) -> Candidate:
        faces = self._vectors[name]
        nearest = max(faces, key=lambda face_id: float(faces[face_id] @ embedding.values))
        if np.array_equal(faces[nearest], embedding.values):
            return Candidate(name, 100.0, nearest)
        similarity = round(float(self.scorer.calibration.similarity(score)), 2)
        return Candidate(name, similarity, nearest)
