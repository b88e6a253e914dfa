"""A collection as its users see it: who is known, who a face is, and which enrolled faces are like it."""

import threading
from collections.abc import Callable, Sequence

import numpy as np

from faceline.gallery.enrolled import Enrolled
from faceline.gallery.negatives import REFUTING_SIMILARITY, CounterExamples, Negatives
from faceline.gallery.ports import FaceRecords
from faceline.gallery.shelves import Role
from faceline.similarity import (
    Normalised,
    Rule,
    Scorer,
    Scores,
    pair_scores,
    rate_at_similarity,
    similarity_at_rate,
)
from faceline.types import Candidate, Decision, Embedding, Face, FaceMatch, Identification

_CHUNK = 20_000
_REFUTING_RATE = float(np.log10(rate_at_similarity(REFUTING_SIMILARITY)))
_RIVALS = 60  # people who are compared over all faces of a track
_ROUNDING = 0.01  # similarities are told to two digits


class Collection:
    """Searches in memory and follows the stored rows: each call first applies what other processes changed.

    Faces are identified by person, else by label (`FaceRecord.identity`); one without either is somebody of its own
    whom nothing names. person_score: `mean` compares with the mean of a person's embeddings, `best` with each of them.
    negatives: a face that is very like a person's counter-example, and no less so than it is like that person, is not
    named so, nor are they a candidate for it (docs/how-to/review-matches.md); searches for single faces know nothing of
    that. Thread-safe. Every method that takes embeddings raises ModelMismatchError for one of another model, also
    when it was made just before the collection's model was changed: embed the face again with the new one.
    """

    def __init__(
        self,
        name: str,
        records: FaceRecords,
        scorer: Scorer,
        rule: Rule,
        person_score: str = "mean",
        negatives: Negatives | None = None,
    ) -> None:
        self.name, self.scorer, self.rule = name, scorer, rule
        self._records, self._negatives = records, negatives
        self._lock = threading.RLock()
        self._generation = 0
        self._enrolled = Enrolled(scorer, person_score)
        self._counter_examples = CounterExamples(scorer)
        self._person_score = person_score
        self.scorer_of: Callable[[str], Scorer] | None = None  # by a model's id, where the model may be changed

    def people(self) -> int:
        """How many people are enrolled, a face with neither person nor label counting as somebody of its own."""
        with self._lock:
            self._follow()
            return self._enrolled.people()

    def faces(self) -> int:
        """How many faces are enrolled."""
        with self._lock:
            self._follow()
            return len(self._enrolled)

    def threshold(self) -> float:
        """The similarity that a name needs now."""
        return self.rule.threshold(self.people())

    def identify(self, faces: Sequence[Face], limit: int = 5) -> list[Identification]:
        """One answer for each face. Raises ModelMismatchError when a face was embedded by another model."""
        with self._lock:
            self._follow()
            return [self._identify(face, limit) for face in faces]

    def identify_together(self, faces: Sequence[tuple[Face, float]], best: Face, limit: int = 5) -> Identification:
        """One answer for several faces of one person, each with its weight; `best` is the face that the answer names.

        Each person's evidence is the weighted mean of log10 of the false-match rates of their scores, so that one poor
        frame decides nothing; the rule then decides as for one face. Raises ModelMismatchError as `identify` does.
        """
        known = [(face.embedding, weight) for face, weight in faces if face.embedding is not None]
        if not known:
            raise ValueError("identify_together needs faces with embeddings; analyze with embeddings=True")
        heaviest = max(known, key=lambda each: each[1])[0]
        with self._lock:
            self._follow()
            voted = self._voted(known)[: max(limit, 2)]
            candidates = tuple(self._elected(name, log_rate, heaviest) for name, log_rate in voted)
            people = self._enrolled.people()
        decision = self.rule.decide(np.array([log_rate for _, log_rate in voted]), people)
        name = candidates[0].name if decision is Decision.MATCH else None
        similarity = candidates[0].similarity if candidates else 0.0
        return Identification(best, decision, name, similarity, self.rule.threshold(people), candidates[:limit])

    def search(self, embedding: Embedding, limit: int = 5) -> tuple[list[Candidate], list[float]]:
        """The most similar people, best first, and log10 of the false-match rate of each one's score."""
        with self._lock:
            self._follow()
            return self._search(embedding, limit)

    def search_faces(self, embedding: Embedding, limit: int, min_similarity: float) -> list[FaceMatch]:
        """The enrolled faces that are at least so similar, best first; an equal embedding has 100.

        The first call normalises the rows that only this search needs: faces of nobody, and of people with several.
        """
        with self._lock:
            self._follow()
            probe = self._normalised([embedding])
            found = self._like(Role.FACE, probe, limit, min_similarity)
            return [FaceMatch(face_id, similarity) for face_id, similarity in found]

    def search_people(self, embedding: Embedding, limit: int, min_similarity: float) -> list[Candidate]:
        """The persons whose template is at least so similar, best first; labels are no persons. Without face_id."""
        with self._lock:
            self._follow()
            probe = self._normalised([embedding])
            found = self._like(Role.PERSON, probe, limit, min_similarity)
            return [Candidate(name, similarity) for name, similarity in found]

    def people_like(self, person: str, limit: int, min_similarity: float) -> list[Candidate]:
        """Other persons whose templates are at least so similar to this person's; none when the person has no faces."""
        with self._lock:
            self._follow()
            template = self._enrolled.template(person)
            found = self._like(Role.PERSON, template, limit, min_similarity, person) if template else []
            return [Candidate(name, similarity) for name, similarity in found]

    def similarities_to(self, person: str, embeddings: Sequence[Embedding]) -> list[float] | None:
        """How similar each embedding is to the person's template; None when the person has no faces."""
        with self._lock:
            self._follow()
            probes = self._normalised(embeddings) if embeddings else None
            template, scorer = self._enrolled.template(person), self.scorer
        if template is None:
            return None
        return _similarities(scorer, template, probes) if probes else []

    def embedding_of(self, face_id: str) -> Embedding | None:
        """An enrolled face's embedding; None when there is no such face."""
        with self._lock:
            self._follow()
            values = self._enrolled.vector(face_id)
            return None if values is None else Embedding(values, self.scorer.model)

    def refresh(self) -> None:
        """Applies what any process changed since the last call, and normalises all of it: then searches are fast.

        Every other method does by itself as much of this as it needs.
        """
        with self._lock:
            self._follow()
            self._enrolled.prepare(Role.ALL)

    def _follow(self) -> None:
        while True:
            changes = self._records.changes(self.name, self._generation, _CHUNK)
            if changes.generation == self._generation:
                return
            if changes.generation < self._generation:  # of another store than what is known here
                self._enrolled = Enrolled(self.scorer, self._person_score)
            for model in {record.embedding.model for record in changes.added} - {self.scorer.model}:
                self._take_up(model)
            self._enrolled.apply(changes.removed, changes.added)
            if self._negatives:
                self._counter_examples = CounterExamples(self.scorer, self._negatives.of(self.name))
            self._generation = changes.generation

    def _take_up(self, model: str) -> None:
        """After the collection's model was changed: all of its faces come again, embedded by the other one."""
        if self.scorer_of is None:
            return
        self.scorer = self.scorer_of(model)
        self._enrolled = Enrolled(self.scorer, self._person_score)
        self._counter_examples = CounterExamples(self.scorer)

    def _normalised(self, embeddings: Sequence[Embedding]) -> Normalised:
        for embedding in embeddings:
            if embedding.model != self.scorer.model and not len(self._enrolled):
                self._take_up(embedding.model)  # of nobody no rows come that would tell of the change
            self.scorer.check(embedding.model)
        return self.scorer.normalise(np.stack([embedding.values for embedding in embeddings]))

    def _like(
        self, role: Role, probes: Normalised, limit: int, min_similarity: float, without: str | None = None
    ) -> list[tuple[str, float]]:
        """Names with their similarities, those at least so similar, best first."""
        best = self._unrefuted(role, probes, limit, _score_below(self.scorer, min_similarity), without)
        refuting = self._refuting(role, probes).keys() - {name for name, _ in best}
        equal = self._enrolled.equal(role, probes.vectors)
        found = {name: 100.0 for name in equal if name != without and name not in refuting}
        scores = np.array([score for _, score in best], dtype=np.float32)
        for (name, _), exact in zip(best, self.scorer.calibration.similarity(scores).tolist(), strict=True):
            similarity = round(exact, 2)
            if similarity >= min_similarity:
                found.setdefault(name, similarity)
        return list(found.items())[:limit]

    def _unrefuted(
        self, role: Role, probes: Normalised, limit: int, min_score: float = -np.inf, without: str | None = None
    ) -> list[tuple[str, float]]:
        """As `Enrolled.best`, but for those whom a counter-example speaks against."""
        refuting = self._refuting(role, probes)
        best = self._enrolled.best(role, probes, limit + len(refuting), min_score, without)
        return [(name, score) for name, score in best if score > refuting.get(name, -np.inf)][:limit]

    def _refuting(self, role: Role, probes: Normalised) -> dict[str, float]:
        return {} if role == Role.FACE else self._counter_examples.refuting(probes)

    def _identify(self, face: Face, limit: int) -> Identification:
        if face.embedding is None:
            raise ValueError("identify needs faces with embeddings; analyze with embeddings=True")
        candidates, log_rates = self._search(face.embedding, max(limit, 2))
        people = self._enrolled.people()
        decision = self.rule.decide(np.array(log_rates), people)
        name = candidates[0].name if decision is Decision.MATCH else None
        similarity = candidates[0].similarity if candidates else 0.0
        return Identification(face, decision, name, similarity, self.rule.threshold(people), tuple(candidates[:limit]))

    def _search(self, embedding: Embedding, limit: int) -> tuple[list[Candidate], list[float]]:
        probe = self._normalised([embedding])
        best = self._unrefuted(Role.IDENTITY, probe, limit)
        scores = np.array([score for _, score in best], dtype=np.float32)
        candidates = [self._candidate(name, score, embedding) for name, score in best]
        return candidates, self.scorer.calibration.log_rate(scores).tolist()

    def _voted(self, known: Sequence[tuple[Embedding, float]]) -> list[tuple[str, float]]:
        """People with the weighted mean of the log rates that they have with each face, best first.

        Who is not among the sixty nearest of a face gets the last one's rate there. That is some ten thousand times
        the rate that a name needs, so it names nobody.
        """
        total = sum(weight for _, weight in known)
        rates = [dict(self._log_rates(embedding, _RIVALS)) for embedding, _ in known]
        parts = [weight / total for _, weight in known]
        last = [max(of_face.values(), default=0.0) for of_face in rates]
        means = {
            name: sum(p * of_face.get(name, far) for p, of_face, far in zip(parts, rates, last, strict=True))
            for of_face in rates
            for name in of_face
        }
        against = self._rates_against(known, parts)
        left = {name: mean for name, mean in means.items() if mean < against.get(name, np.inf)}
        return sorted(left.items(), key=lambda each: each[1])

    def _rates_against(self, known: Sequence[tuple[Embedding, float]], parts: Sequence[float]) -> dict[str, float]:
        """As the means in `_voted`, of people's counter-examples, where they are low enough to speak against them."""
        if not self._counter_examples:
            return {}
        scores = [self._counter_examples.scores(self._normalised([embedding])) for embedding, _ in known]
        log_rate = self.scorer.calibration.log_rate
        means = {
            name: sum(p * float(log_rate(of_face[name])) for p, of_face in zip(parts, scores, strict=True))
            for name in scores[0]
        }
        return {name: mean for name, mean in means.items() if mean <= _REFUTING_RATE}

    def _log_rates(self, embedding: Embedding, limit: int) -> list[tuple[str, float]]:
        best = self._enrolled.best(Role.IDENTITY, self._normalised([embedding]), limit)
        scores = np.array([score for _, score in best], dtype=np.float32)
        rates = self.scorer.calibration.log_rate(scores).tolist()
        return [(name, rate) for (name, _), rate in zip(best, rates, strict=True)]

    def _elected(self, name: str, log_rate: float, embedding: Embedding) -> Candidate:
        face_id, equal = self._enrolled.nearest(name, embedding.values)
        return Candidate(name, 100.0 if equal else round(similarity_at_rate(10.0**log_rate), 2), face_id)

    def _candidate(self, name: str, score: float, embedding: Embedding) -> Candidate:
        face_id, equal = self._enrolled.nearest(name, embedding.values)
        similarity = round(float(self.scorer.calibration.similarity(score)), 2)
        return Candidate(name, 100.0 if equal else similarity, face_id)


def _score_below(scorer: Scorer, similarity: float) -> float:
    """A score that everything with at least this similarity has, and hardly anything else."""
    return scorer.calibration.score_at(max(similarity - _ROUNDING, 0.0)) if similarity > 0 else -np.inf


def _similarities(scorer: Scorer, template: Normalised, probes: Normalised) -> list[float]:
    """Of each probe to the template's nearest row; 100 when it is equal to one."""
    scores: Scores = pair_scores(template, probes).max(axis=0)
    equal = (template.vectors[:, None] == probes.vectors[None]).all(axis=2).any(axis=0)
    similarities = scorer.calibration.similarity(scores).tolist()
    return [100.0 if same else round(each, 2) for each, same in zip(similarities, equal, strict=True)]
