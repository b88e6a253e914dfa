"""The faces of a collection in memory, and the templates that stand for whole people."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from faceline.gallery.concealed import revealed
from faceline.gallery.roster import Roster
from faceline.gallery.search import principal_axes
from faceline.gallery.shelves import Role, Shelves
from faceline.similarity import Normalised, Scorer, Scores
from faceline.types import FaceRecord, Vector

_ROWS_SEARCHED = 64  # enough that five different people are among the best rows


class Enrolled:
    """Searches by name: a face id for Role.FACE, an identity's or a person's name for the others. Not locked.

    Who has one face is compared with that face's own row. Of several faces there is a template, their mean, or with
    person_score="best" none: each of the faces counts.
    """

    def __init__(self, scorer: Scorer, person_score: str) -> None:
        self._scorer, self._person_score = scorer, person_score
        self._roster = Roster()
        axes = principal_axes(scorer.cohort.vectors) if scorer.cohort else None
        self._faces = Shelves(scorer.normalise, axes)
        self._templates = Shelves(scorer.normalise, axes)

    def __len__(self) -> int:
        return len(self._roster)

    def people(self) -> int:
        """How many identities, an anonymous face counting as one."""
        return self._roster.people()

    def apply(self, removed: Sequence[str], added: Sequence[FaceRecord]) -> None:
        """Removes faces, then adds or moves others; ModelMismatchError and no effect when one is of another model."""
        for record in added:
            self._scorer.check(record.embedding.model)
        removed = revealed(removed, self._roster)
        self._faces.remove(removed)
        gone = set(removed)
        new = {r.face_id: r.embedding.values for r in added if r.face_id in gone or r.face_id not in self._roster}
        touched = self._roster.apply(removed, added)
        anonymous = [record.face_id for record in added if record.identity is None]
        self._place(touched, anonymous, new)
        self._make_templates(touched)

    def prepare(self, roles: Role) -> None:
        """Normalises what has yet to be, of all rows that have any of these roles."""
        self._faces.prepare(roles)
        self._templates.prepare(roles)

    def best(
        self, role: Role, probes: Normalised, limit: int, min_score: float = -np.inf, without: str | None = None
    ) -> list[tuple[str, float]]:
        """The `limit` best names but `without`, best first, each with the highest score of any probe and row."""
        self.prepare(role)
        rows = max(limit + 1, _ROWS_SEARCHED)
        while True:
            found, complete_from = self._found(role, probes, rows, min_score)
            best = [(name, score) for name, score in found.items() if score >= complete_from and name != without]
            if len(best) >= limit or complete_from == -np.inf:
                best.sort(key=lambda each: -each[1])
                return best[:limit]
            rows *= 8

    def equal(self, role: Role, vectors: Vector) -> list[str]:
        """The names that have a row equal to one of vectors (n, d)."""
        in_faces = [self._name(role, key) for vector in vectors for key in self._faces.equal(role, vector)]
        in_templates = [name for vector in vectors for name in self._templates.equal(role, vector)]
        return list(dict.fromkeys(in_faces + in_templates))

    def template(self, person: str) -> Normalised | None:
        """The rows that stand for a person; None when they have no faces."""
        self.prepare(Role.PERSON)
        face_ids = self._roster.of_person(person)
        if not face_ids:
            return None
        if len(face_ids) == 1 or self._person_score == "best":
            return self._faces.rows(Role.PERSON, face_ids)
        return self._templates.rows(Role.PERSON, [person])

    def nearest(self, identity: str, vector: Vector) -> tuple[str, bool]:
        """Of an identity's faces the one with the highest cosine, and whether it is equal to the vector (d,)."""
        face_ids = self._roster.of_identity(identity)
        vectors = self._faces.vectors(face_ids)
        nearest = int(np.argmax(vectors @ vector))
        return face_ids[nearest], np.array_equal(vectors[nearest], vector)

    def vector(self, face_id: str) -> Vector | None:
        """float32 (d,); None for an unknown face."""
        return self._faces.vector(face_id)

    def _found(self, role: Role, probes: Normalised, rows: int, min_score: float) -> tuple[dict[str, float], float]:
        """Names with their highest scores, and the score from which on no name is missing."""
        found: dict[str, float] = {}
        complete_from = -np.inf
        for probe in _each(probes):
            for names, scores in self._hits(role, probe, rows, min_score):
                for name, score in zip(names, scores.tolist(), strict=True):
                    found[name] = max(score, found.get(name, -np.inf))
                if len(scores) == rows:
                    complete_from = max(complete_from, float(scores[-1]))
        return found, complete_from

    def _hits(
        self, role: Role, probe: Normalised, rows: int, min_score: float
    ) -> Iterator[tuple[Sequence[str], Scores]]:
        for hits in self._faces.search(role, probe, rows, min_score):
            yield [self._name(role, key) for key in hits.keys], hits.scores
        for hits in self._templates.search(role, probe, rows, min_score):
            yield hits.keys, hits.scores

    def _name(self, role: Role, face_id: str) -> str:
        owner = None if role == Role.FACE else self._roster.owner(face_id)
        return face_id if owner is None else owner.name

    def _place(self, names: Iterable[str], anonymous: Iterable[str], new: Mapping[str, Vector]) -> None:
        """Puts new faces on their shelves, and moves those that became, or ceased to be, somebody's only face."""
        faces: defaultdict[Role, list[str]] = defaultdict(list)
        faces[Role.FACE].extend(anonymous)
        for name in names:
            for role, face_ids in self._face_roles(name):
                faces[role].extend(face_ids)
        for role, placed in faces.items():
            fresh = [face_id for face_id in placed if face_id in new]
            if fresh:
                self._faces.put(role, fresh, np.stack([new[face_id] for face_id in fresh]))
            self._faces.move(role, [face_id for face_id in placed if face_id not in new])

    def _make_templates(self, names: Collection[str]) -> None:
        made: defaultdict[Role, dict[str, Vector]] = defaultdict(dict)
        for name in names:
            for role, face_ids in self._template_roles(name):
                made[role][name] = template_of(self._faces.vectors(face_ids))
        self._templates.remove(names)
        for role, templates in made.items():
            self._templates.put(role, list(templates), np.stack(list(templates.values())))

    def _face_roles(self, name: str) -> Iterator[tuple[Role, tuple[str, ...]]]:
        """What the faces of a name are found as."""
        of_person, of_label = self._roster.of_person(name), self._roster.of_label(name)
        if self._person_score == "best" or len(of_person) + len(of_label) == 1:
            yield Role.ALL, of_person
            yield Role.LABEL_FACE, of_label
        else:
            yield Role.PERSON_FACE if len(of_person) == 1 else Role.FACE, of_person
            yield Role.FACE, of_label

    def _template_roles(self, name: str) -> Iterator[tuple[Role, tuple[str, ...]]]:
        """Which templates a name needs, of which faces."""
        of_person, of_label = self._roster.of_person(name), self._roster.of_label(name)
        if self._person_score == "best":
            return
        if len(of_person) + len(of_label) > 1:
            yield Role.IDENTITY if of_label else Role.SOMEBODY, of_person + of_label
        if of_label and len(of_person) > 1:
            yield Role.PERSON, of_person


def template_of(vectors: Vector) -> Vector:
    """float32 (d,): what stands for a person with these embeddings (n, d)."""
    first: Vector = vectors[0]
    if (vectors == first).all():
        return first
    mean = np.mean(vectors, axis=0)
    # A mean of several photos lies nearer to everybody. Made as long as one photo, it names two to four times as
    # many strangers as claimed; divided by the root of its length, as many (docs/benchmarks.md).
    template: Vector = mean / np.sqrt(np.linalg.norm(mean))
    return template


def _each(probes: Normalised) -> Iterator[Normalised]:
    for row in range(len(probes.gain)):
        part = slice(row, row + 1)
        yield Normalised(probes.vectors[part], probes.gain[part], probes.offset[part])
