"""Faces that nobody knew, kept so that a stranger who was seen often can be named once; and how they are grouped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faceline.gallery.linkage import average_linkage
from faceline.gallery.ports import Crop, NewFace
from faceline.similarity import Normalised, Rule, Scorer, pair_scores
from faceline.types import FaceRecord

_BLOCK = 1024


class UnknownFaces(Protocol):
    """Face records of nobody, outside of the collection that did not know them. All: none without the collection."""

    def replace(self, collection: str, source: str, faces: Sequence[NewFace], most: int) -> None:
        """Puts the faces of this photo in the place of those it had before. Beyond `most` the oldest twentieth go."""
        ...

    def all(self, collection: str) -> Sequence[FaceRecord]:
        """Oldest first."""
        ...

    def ids(self, collection: str) -> Sequence[str]:
        """Of all faces."""
        ...

    def crop(self, collection: str, face_id: str) -> Crop | None: ...

    def remove(self, collection: str, face_ids: Sequence[str]) -> int:
        """So that nothing of them stays in the files; returns how many."""
        ...

    def expire(self, before: str) -> int:
        """Removes those of any collection seen before this time, UTC ISO 8601; returns how many."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Faces that are one stranger's, as far as embeddings tell; oldest first. best: the one of the best quality."""

    faces: tuple[FaceRecord, ...]

    @property
    def group_id(self) -> str:
        """The beginning of its oldest face's id."""
        return self.faces[0].face_id[:8]

    @property
    def best(self) -> FaceRecord:
        return best_of(self.faces, 1)[0]


def best_of(faces: Sequence[FaceRecord], count: int) -> list[FaceRecord]:
    """The best photos first: large and sharp ones."""

    def goodness(face: FaceRecord) -> float:
        return face.quality.size_px * (0.5 + face.quality.sharpness / 100)

    return sorted(faces, key=goodness, reverse=True)[:count]


def group(faces: Sequence[FaceRecord], scorer: Scorer, rule: Rule, people: int) -> list[Group]:
    """Average linkage of the scores, exact, largest group first; faces of other models are left out.

    Two groups become one while the mean score of their pairs has the similarity that a name would need among so many
    people, or among so many faces where there are more. Where no pair at all reaches that, nothing can be joined, so
    only parts that hang together are looked at. Two faces of one photo are two people's: of these the one that is most
    like the group's other faces stays in it, and those that do not are grouped among themselves.
    Memory: 1 byte a pair, and 32 a pair of the largest part.
    """
    usable = [face for face in faces if face.embedding.model == scorer.model]
    if not usable:
        return []
    rows = scorer.normalise(np.stack([face.embedding.values for face in usable]))
    floor = scorer.calibration.score_at(rule.threshold(max(people, len(usable))))
    clusters = [cluster for part in _parts(rows, floor) for cluster in _linked(rows, part, floor)]
    sources = [face.source for face in usable]
    apart = [people for cluster in clusters for people in _told_apart(rows, cluster, sources, floor)]
    groups = [Group(tuple(usable[row] for row in sorted(cluster))) for cluster in apart]
    return sorted(groups, key=lambda each: (-len(each.faces), each.faces[0].created_at))


def _parts(rows: Normalised, floor: float) -> Iterator[NDArray[np.intp]]:
    """Row numbers that hang together by pairs with at least this score."""
    near = _near(rows, floor)
    left = np.ones(len(near), dtype=bool)
    while left.any():
        part = np.zeros_like(left)
        found = np.flatnonzero(left)[:1]
        while len(found):
            part[found] = True
            found = np.flatnonzero(near[found].any(axis=0) & ~part)
        left &= ~part
        yield np.flatnonzero(part)


def _near(rows: Normalised, floor: float) -> NDArray[np.bool_]:
    """(n, n): which pairs have at least this score."""
    n = len(rows.gain)
    near = np.empty((n, n), dtype=bool)
    for start in range(0, n, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, n))
        near[block] = pair_scores(_taken(rows, block), rows) >= floor
    return near | near.T


def _linked(rows: Normalised, part: NDArray[np.intp], floor: float) -> list[list[int]]:
    """The clusters that one part falls into."""
    taken = _taken(rows, part)
    scores = pair_scores(taken, taken).astype(np.float64)
    clusters = average_linkage((scores + scores.T) / 2, floor)
    return [part[cluster].tolist() for cluster in clusters]


def _told_apart(rows: Normalised, cluster: list[int], sources: Sequence[str], floor: float) -> Iterator[list[int]]:
    """The cluster with one face a photo, then those that this leaves out. sources: of all rows."""
    if len({sources[row] for row in cluster}) == len(cluster):
        yield cluster
        return
    links = _links(rows, cluster, sources)
    kept: dict[str, int] = {}
    for row in sorted(cluster, key=lambda row: (-links[row], row)):
        kept.setdefault(sources[row], row)
    yield sorted(kept.values())
    left = np.array(sorted(set(cluster) - set(kept.values())), dtype=np.intp)
    for again in _linked(rows, left, floor) if len(left) else []:
        yield from _told_apart(rows, again, sources, floor)


def _links(rows: Normalised, cluster: list[int], sources: Sequence[str]) -> dict[int, float]:
    """Row → the mean score with the cluster's faces of other photos; 0 without any."""
    taken = _taken(rows, np.array(cluster, dtype=np.intp))
    names = np.array([sources[row] for row in cluster])
    others = names[:, None] != names[None]
    sums = (pair_scores(taken, taken) * others).sum(axis=1, dtype=np.float64)
    return dict(zip(cluster, (sums / np.maximum(others.sum(axis=1), 1)).tolist(), strict=True))


def _taken(rows: Normalised, which: NDArray[np.intp]) -> Normalised:
    return Normalised(rows.vectors[which], rows.gain[which], rows.offset[which])
