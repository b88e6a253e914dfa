"""The full-gallery scan: one person under two names, and two people under one name."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceline.errors import UsageError
from faceline.gallery.linkage import average_linkage
from faceline.gallery.named_faces import NamedFaces
from faceline.gallery.review import Answer, Kind, Suspect, Verdicts, pair_of
from faceline.gallery.scan import Alike, AllPairs, Doubles, Progress, exact_scores, part_of
from faceline.pipelines.scan_checkpoint import Checkpoint, fingerprint
from faceline.similarity import MAX_SIMILARITY, Rule, Scorer, rate_at_similarity

MOST_OF_ONE_NAME = 4096  # faces: their scores are two matrices of 128 MiB
_ALL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Ask:
    """min_similarity: of faces of two names; None takes the rule's threshold for as many people as there are faces.

    same_person: the mean similarity that two groups of faces of one name need to be one person. most: pairs of names
    kept, the most similar.
    """

    min_similarity: float | None = None
    same_person: float = 50.0
    most: int = 10_000
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """An enrolled face, as a report names it."""

    face_id: str
    source: str


@dataclass(frozen=True, slots=True)
class TwoNames:
    """Two names who may be one person. similarity: of their two most alike faces, which `faces` are; 100: identical.

    pairs: how many of all `of_pairs` pairs of their faces are at least so similar as was asked. mean_similarity: of all
    of them.
    """

    names: tuple[str, str]
    similarity: float
    mean_similarity: float
    pairs: int
    of_pairs: int
    faces: tuple[Shown, Shown]


@dataclass(frozen=True, slots=True)
class Group:
    """Faces of one name that belong together. example: the one most like the others.

    similarity: the mean of its pairs with the name's largest group; None for that one itself.
    """

    face_ids: tuple[str, ...]
    example: Shown
    similarity: float | None


@dataclass(frozen=True, slots=True)
class TwoPeople:
    """A name whose faces may be of several people. groups: the largest first, at least two."""

    name: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided before and is not to come back, of two names and of two faces of one name."""

    names: Callable[[str, str], bool] = lambda a, b: False
    faces: Callable[[str, str], bool] = lambda a, b: False


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found in a collection: the most similar names first, and the names with the least similar groups first.

    pairs: of faces that were compared. min_similarity: as asked, or the rule's. complete_from: a similarity; None when
    nothing was left out, else less similar names are missing, since only so many pairs of names are kept.
    strangers_expected: pairs of faces among all that reach min_similarity though they show different people, as the
    calibration has it. settled: how many pairs and names were left out because they had been decided. not_divided:
    names with too many faces to look for two people among them. resumed_at: 0–1, what an earlier run had done.
    """

    collection: str
    model: str
    faces: int
    names: int
    unnamed: int
    pairs: int
    min_similarity: float
    same_person: float
    strangers_expected: float
    complete_from: float | None
    settled: int
    resumed_at: float
    two_names: tuple[TwoNames, ...]
    two_people: tuple[TwoPeople, ...]
    not_divided: tuple[str, ...]


def settled_by(verdicts: Verdicts, collection: str) -> Settled:
    """What these verdicts settled until now."""
    decided = [each.verdict for each in verdicts.decided(collection, _ALL) if each.verdict]
    pairs = {verdict.pair for verdict in decided if verdict.answer is not Answer.UNSURE}
    return Settled(
        lambda a, b: pair_of(Kind.PEOPLE, a, b) in pairs,
        lambda a, b: pair_of(Kind.FACES, a, b) in pairs,
    )


def suspects(scan: Scan) -> Iterator[Suspect]:
    """The pairs for the review queue. Of a name with several groups, each group's example with the largest one's."""
    for each in scan.two_names:
        pair, (a, b) = pair_of(Kind.PEOPLE, *each.names), each.faces
        yield Suspect(pair, each.similarity, "scan", (a.face_id, b.face_id), each.pairs)
    for name in scan.two_people:
        largest = name.groups[0].example.face_id
        for group in name.groups[1:]:
            pair = pair_of(Kind.FACES, largest, group.example.face_id)
            yield Suspect(pair, group.similarity or 0.0, "scan", (pair.a, pair.b), person=name.name)


class Scanner:
    """One scan of one snapshot of a collection. Raises UsageError for a similarity that nothing can have."""

    def __init__(self, faces: NamedFaces, scorer: Scorer, rule: Rule, ask: Ask) -> None:
        self._faces, self._scorer, self._ask = faces, scorer, ask
        asked = ask.min_similarity
        self.min_similarity = rule.threshold(len(faces)) if asked is None else asked
        for similarity in (self.min_similarity, ask.same_person):
            if not 0 < similarity <= MAX_SIMILARITY:
                raise UsageError(
                    f"{similarity:g} is no similarity to ask for; give one above 0, at most {MAX_SIMILARITY}"
                )
        self._min_score = scorer.calibration.score_at(self.min_similarity)
        self._all_pairs = AllPairs(faces.embeddings, faces.owner, self._min_score, ask.most)
        self._rows = faces.rows()

    @property
    def pairs(self) -> int:
        """Of faces, all of which are compared."""
        return len(self._faces) * (len(self._faces) - 1) // 2

    def run(self, path: Path, settled: Settled, advance: Callable[[int], None]) -> Scan:
        """path: of the checkpoint, written after each row of blocks and gone at the end. advance: told of pairs done.

        An earlier run's checkpoint is used when it was of the same faces, names and similarity. Raises StorageError
        when the checkpoint cannot be written.
        """
        checkpoint = Checkpoint(path, fingerprint(self._faces, self._min_score, self._ask.most))
        begun = checkpoint.load() or self._all_pairs.start
        before = sum(map(self._all_pairs.pairs_in, range(begun.blocks)))
        advance(before)

        def done(progress: Progress) -> None:
            checkpoint.save(progress)
            advance(self._all_pairs.pairs_in(progress.blocks - 1))

        end = self._all_pairs.run(begun, self._ask.threads, done)
        scan = self._told(end, settled, before / max(self.pairs, 1))
        checkpoint.remove()
        return scan

    def _told(self, end: Progress, settled: Settled, resumed_at: float) -> Scan:
        faces = self._faces
        same_name = sum(len(rows) * (len(rows) - 1) // 2 for rows in self._rows)
        two_names = [self._two_names(end.kept, n) for n in range(len(end.kept))]
        divided = [found for number in range(len(faces.names)) if (found := self._two_people(number))]
        two_people = sorted(divided, key=_least)
        open_names = tuple(each for each in two_names if not settled.names(*each.names))
        open_people = tuple(each for one in two_people if (each := _without_settled(one, settled)))
        return Scan(
            collection=faces.collection,
            model=faces.model,
            faces=len(faces),
            names=len(faces.names),
            unnamed=faces.unnamed,
            pairs=self.pairs,
            min_similarity=self.min_similarity,
            same_person=self._ask.same_person,
            strangers_expected=(self.pairs - same_name) * rate_at_similarity(self.min_similarity),
            complete_from=self._similarity(end.complete_from) if end.complete_from > self._min_score else None,
            settled=len(two_names) - len(open_names) + len(two_people) - len(open_people),
            resumed_at=resumed_at,
            two_names=open_names,
            two_people=open_people,
            not_divided=tuple(
                name for name, rows in zip(faces.names, self._rows, strict=True) if len(rows) > MOST_OF_ONE_NAME
            ),
        )

    def _two_names(self, alike: Alike, n: int) -> TwoNames:
        (a, b), (i, j) = alike.names[n], alike.rows[n]
        scores = self._scores(self._rows[a], self._rows[b])
        vectors = self._faces.embeddings.vectors
        identical = np.array_equal(vectors[i], vectors[j])
        return TwoNames(
            names=(self._faces.names[a], self._faces.names[b]),
            similarity=100.0 if identical else self._similarity(float(alike.scores[n])),
            mean_similarity=round(float(self._scorer.calibration.similarity(scores.astype(np.float32)).mean()), 2),
            pairs=max(int((scores >= self._min_score).sum()), 1),
            of_pairs=scores.size,
            faces=(self._shown(i), self._shown(j)),
        )

    def _two_people(self, number: int) -> TwoPeople | None:
        rows = self._rows[number]
        if not 1 < len(rows) <= MOST_OF_ONE_NAME:
            return None
        least = self._scorer.calibration.score_at(self._ask.same_person)
        scores = self._scores(rows, rows)
        if scores.min() >= least:
            return None
        grouped = average_linkage(scores, least)
        if len(grouped) == 1:
            return None
        groups = tuple(self._group(rows, scores, members, grouped[0]) for members in grouped)
        return TwoPeople(self._faces.names[number], groups)

    def _group(self, rows: NDArray[np.intp], scores: Doubles, members: Sequence[int], largest: Sequence[int]) -> Group:
        central = members[int(scores[np.ix_(members, members)].sum(axis=0).argmax())]
        mean = None if members is largest else self._similarity(float(scores[np.ix_(members, largest)].mean()))
        return Group(tuple(self._faces.face_ids[rows[n]] for n in members), self._shown(rows[central]), mean)

    def _scores(self, a: NDArray[np.intp], b: NDArray[np.intp]) -> Doubles:
        embeddings = self._faces.embeddings
        return exact_scores(part_of(embeddings, a), part_of(embeddings, b))

    def _similarity(self, score: float) -> float:
        return round(float(self._scorer.calibration.similarity(score)), 2)

    def _shown(self, row: int) -> Shown:
        return Shown(self._faces.face_ids[row], self._faces.sources[row])


def _least(found: TwoPeople) -> float:
    """The similarity of the group that is the least like the largest."""
    return min(group.similarity for group in found.groups if group.similarity is not None)


def _without_settled(found: TwoPeople, settled: Settled) -> TwoPeople | None:
    """Without the groups of which a face was compared with one of the largest group before, and decided."""
    largest, *others = found.groups
    left = [group for group in others if not _is_settled(largest, group, settled)]
    return TwoPeople(found.name, (largest, *left)) if left else None


def _is_settled(a: Group, b: Group, settled: Settled) -> bool:
    return any(settled.faces(x, y) for x, y in product(a.face_ids, b.face_ids))
