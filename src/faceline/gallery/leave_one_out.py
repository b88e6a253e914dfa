"""Who each enrolled face would be taken for if it were not enrolled: what a change of the model changes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.gallery.enrolled import template_of
from faceline.similarity import Normalised, Rule, Scorer, Scores, pair_scores
from faceline.types import Decision, FaceRecord, Vector

_ROWS = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """name: set for a match only. similarity: of the best candidate, 0 where there is none."""

    decision: Decision
    name: str | None
    similarity: float


@dataclass(frozen=True, slots=True)
class Change:
    """What the rule answers for one face before and after."""

    record: FaceRecord
    before: Answer
    after: Answer

    @property
    def differs(self) -> bool:
        return (self.before.decision, self.before.name) != (self.after.decision, self.after.name)


def tally(records: Sequence[FaceRecord], answers: Sequence[Answer]) -> dict[str, int]:
    """How many faces are named rightly, wrongly, not at all, or have two candidates."""
    counts = {"right": 0, "wrong": 0, "unknown": 0, "ambiguous": 0}
    for record, answer in zip(records, answers, strict=True):
        if answer.decision is Decision.MATCH:
            counts["right" if answer.name == record.identity else "wrong"] += 1
        else:
            counts[str(answer.decision)] += 1
    return counts


def leave_one_out(
    records: Sequence[FaceRecord], vectors: Mapping[str, Vector], scorer: Scorer, rule: Rule, person_score: str
) -> list[Answer]:
    """One answer for each record, against all the others, as `Collection.identify` decides.

    vectors: by face id, float32 (d,) of unit length, of the scorer's model. A face that is the only one of its person
    leaves nobody of that name. Every face is compared with every person, some hundred at a time.
    """
    if not records:
        return []
    matrix = np.stack([vectors[record.face_id] for record in records])
    rows_of = _rows_of(records)
    names = list(rows_of)
    probes = scorer.normalise(matrix)
    gallery = _gallery(matrix, rows_of, scorer, person_score)
    of_own = None if person_score == "best" else _scores_of_own(matrix, probes, rows_of, scorer)
    people = len(names) + sum(record.identity is None for record in records)
    alone = {rows[0] for rows in rows_of.values() if len(rows) == 1}
    answers: list[Answer] = []
    for start in range(0, len(records), _ROWS):
        block = slice(start, start + _ROWS)
        scores = gallery.scores(_part(probes, block), block, of_own)
        for row, of_people in enumerate(scores, start=start):
            left = people - (row in alone or records[row].identity is None)
            answers.append(_answer(of_people, names, scorer, rule, left))
    return answers


@dataclass(frozen=True, slots=True)
class _Gallery:
    """rows: what probes are compared with. starts: where the rows of each person begin. row_of: (n,), which row a face
    itself is, or its person's template; −1 for a face of nobody. best: whether each face is a row."""

    rows: Normalised
    starts: NDArray[np.intp]
    row_of: NDArray[np.intp]
    best: bool

    def scores(self, probes: Normalised, block: slice, of_own: Scores | None) -> Scores:
        """float32 (b, people): of faces `block`, each without itself. of_own: (n,), with their own person's others."""
        scores = pair_scores(probes, self.rows)
        rows = self.row_of[block]
        named = np.flatnonzero(rows >= 0)
        scores[named, rows[named]] = -np.inf if of_own is None else of_own[block][named]
        if not self.best or not len(self.starts):
            return scores
        best: Scores = np.maximum.reduceat(scores, self.starts, axis=1)
        return best


def _rows_of(records: Sequence[FaceRecord]) -> dict[str, list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        if record.identity is not None:
            rows[record.identity].append(row)
    return dict(rows)


def _gallery(matrix: Vector, rows_of: Mapping[str, Sequence[int]], scorer: Scorer, person_score: str) -> _Gallery:
    groups, row_of = list(rows_of.values()), np.full(len(matrix), -1, dtype=np.intp)
    if person_score == "best":
        order = np.array([row for group in groups for row in group], dtype=np.intp)
        row_of[order] = np.arange(len(order))
        starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
        return _Gallery(scorer.normalise(matrix[order]), starts if groups else np.empty(0, np.intp), row_of, True)
    for number, group in enumerate(groups):
        row_of[group] = number
    templates = np.stack([template_of(matrix[group]) for group in groups]) if groups else matrix[:0]
    return _Gallery(scorer.normalise(templates), np.arange(len(groups)), row_of, False)


def _scores_of_own(matrix: Vector, probes: Normalised, rows_of: Mapping[str, Sequence[int]], scorer: Scorer) -> Scores:
    """float32 (n,): of each face with the template of its own person's others; −inf where there are none."""
    found = np.full(len(matrix), -np.inf, dtype=np.float32)
    rows = [row for group in rows_of.values() if len(group) > 1 for row in group]
    others = [_template_without(matrix, group, row) for group in rows_of.values() if len(group) > 1 for row in group]
    if rows:
        templates, own = scorer.normalise(np.stack(others)), _part(probes, np.array(rows))
        cosines = np.einsum("nd,nd->n", own.vectors, templates.vectors)
        found[rows] = cosines * (own.gain + templates.gain) - own.offset - templates.offset
    return found


def _template_without(matrix: Vector, group: Sequence[int], row: int) -> Vector:
    return template_of(matrix[[each for each in group if each != row]])


def _answer(scores: Scores, names: Sequence[str], scorer: Scorer, rule: Rule, people: int) -> Answer:
    two = np.argpartition(-scores, 1)[:2] if len(scores) > 2 else np.arange(len(scores))
    best = [i for i in two[np.argsort(-scores[two])] if scores[i] > -np.inf]
    if not best:
        return Answer(Decision.UNKNOWN, None, 0.0)
    decision = rule.decide(scorer.calibration.log_rate(scores[best]), people)
    similarity = round(float(scorer.calibration.similarity(float(scores[best[0]]))), 2)
    return Answer(decision, names[best[0]] if decision is Decision.MATCH else None, similarity)


def _part(rows: Normalised, part: slice | NDArray[np.intp]) -> Normalised:
    return Normalised(rows.vectors[part], rows.gain[part], rows.offset[part])
