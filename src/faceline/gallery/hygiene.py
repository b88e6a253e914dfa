"""Enrolled photos that do not fit: far from their own person, or as close to another as if they were that one's."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from faceline.gallery.enrolled import template_of
from faceline.gallery.named_faces import NamedFaces
from faceline.gallery.scan import Doubles, part_of
from faceline.similarity import Normalised, Scorer, Scores, pair_scores
from faceline.types import Vector

_BLOCK = 512
_CHUNK = 20_000  # templates made at once, so that their copies stay small


class Doubt(StrEnum):
    """FAR: from their own person's other photos. CLOSE: to another person. BOTH: probably the other person's."""

    FAR = "far"
    CLOSE = "close"
    BOTH = "far and close"


@dataclass(frozen=True, slots=True)
class Misfit:
    """own: the photo's similarity to the mean of its person's other photos; None when it is the only one.

    photos: how many their person has. nearest: whose mean of photos is nearest among all others; None when there are
    none. nearest_similarity: to that one, 0 without.
    """

    doubt: Doubt
    face_id: str
    name: str
    source: str
    photos: int
    own: float | None
    nearest: str | None
    nearest_similarity: float

    @property
    def advice(self) -> str:
        """What to do about it, for people."""
        if self.doubt is Doubt.FAR and self.photos == 2:
            return f"look at both photos of {self.name}: they may show two people"
        if self.doubt is Doubt.FAR:
            return f"look at it: a poor photo, or not {self.name}; remove it or give it its own name"
        if self.doubt is Doubt.BOTH:
            return f"look at it: it is probably {self.nearest}"
        return f"compare {self.name} with {self.nearest}: one person under two names, or alike"


def misfits(
    faces: NamedFaces, scorer: Scorer, far: float, close: float, threads: int, advance: Callable[[int], None]
) -> list[Misfit]:
    """The enrolled photos below similarity `far` to their own person, or at least `close` to another.

    Those that are both first, then the far ones, the least like their person first, then the close ones. Every face is
    compared with every name: time grows with faces × names. advance: told how many more faces are done.
    """
    if not len(faces):
        return []
    rows = faces.rows()
    own = _own(faces, rows, scorer)
    nearest, others = _nearest_others(faces, _templates(faces, rows, scorer), threads, advance)
    similarities = np.where(nearest < 0, 0.0, scorer.calibration.similarity(others))
    found = np.flatnonzero((own < far) | (similarities >= close))
    photos = np.array([len(of_name) for of_name in rows])[faces.owner]
    return sorted(
        (
            Misfit(
                doubt=_doubt(own[row] < far, similarities[row] >= close),
                face_id=faces.face_ids[row],
                name=faces.names[faces.owner[row]],
                source=faces.sources[row],
                photos=int(photos[row]),
                own=None if np.isnan(own[row]) else round(float(own[row]), 2),
                nearest=None if nearest[row] < 0 else faces.names[nearest[row]],
                nearest_similarity=round(float(similarities[row]), 2),
            )
            for row in found
        ),
        key=_turn,
    )


def _doubt(far: bool, close: bool) -> Doubt:
    if far and close:
        return Doubt.BOTH
    return Doubt.FAR if far else Doubt.CLOSE


def _turn(misfit: Misfit) -> tuple[int, float, float]:
    own = 100.0 if misfit.own is None else misfit.own
    first = {Doubt.BOTH: 0, Doubt.FAR: 1, Doubt.CLOSE: 2}[misfit.doubt]
    return first, own if first < 2 else 0.0, -misfit.nearest_similarity


def _templates(faces: NamedFaces, rows: Sequence[NDArray[np.intp]], scorer: Scorer) -> Normalised:
    """One row a name."""
    return scorer.normalise(np.stack([template_of(faces.embeddings.vectors[of_name]) for of_name in rows]))


def _own(faces: NamedFaces, rows: Sequence[NDArray[np.intp]], scorer: Scorer) -> Doubles:
    """The similarity of each face to the template of its name's other faces; NaN for an only one."""
    own = np.full(len(faces), np.nan)
    several = [row for of_name in rows if len(of_name) > 1 for row in of_name]
    for i in range(0, len(several), _CHUNK):
        part = several[i : i + _CHUNK]
        left_out = np.stack([_without(faces, row, rows[faces.owner[row]]) for row in part])
        scores = _row_by_row(part_of(faces.embeddings, part), scorer.normalise(left_out))
        own[part] = scorer.calibration.similarity(scores)
    return own


def _without(faces: NamedFaces, row: int, of_name: NDArray[np.intp]) -> Vector:
    return template_of(faces.embeddings.vectors[of_name[of_name != row]])


def _row_by_row(a: Normalised, b: Normalised) -> Scores:
    cosines: Scores = np.einsum("ij,ij->i", a.vectors, b.vectors)
    return cosines * (a.gain + b.gain) - a.offset - b.offset


def _nearest_others(
    faces: NamedFaces, templates: Normalised, threads: int, advance: Callable[[int], None]
) -> tuple[NDArray[np.intp], Scores]:
    """Of each face the other name whose template has the highest score, −1 where there is none, and that score."""
    nearest, best = np.full(len(faces), -1), np.full(len(faces), -np.inf, dtype=np.float32)
    if len(faces.names) < 2:
        return nearest, best

    def compare(start: int) -> int:
        part = slice(start, start + _BLOCK)
        probes, owner = part_of(faces.embeddings, part), faces.owner[part]
        for first in range(0, len(faces.names), _BLOCK):
            scores = pair_scores(probes, part_of(templates, slice(first, first + _BLOCK)))
            scores[owner[:, None] - first == np.arange(scores.shape[1])] = -np.inf
            _keep_best(nearest[part], best[part], scores, first)
        return len(owner)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for done in pool.map(compare, range(0, len(faces), _BLOCK)):
            advance(done)
    return nearest, best


def _keep_best(nearest: NDArray[np.intp], best: Scores, scores: Scores, first: int) -> None:
    """In place, where a name of this block, numbered from `first`, is nearer than those before."""
    column = scores.argmax(axis=1)
    score = scores[np.arange(len(column)), column]
    nearer = score > best
    nearest[nearer], best[nearer] = column[nearer] + first, score[nearer]
