"""The review put together: pairs and verdicts, who is who, counter-examples, strangers."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from faceline.documents import parsed
from faceline.engine.analyzer import Analyzer
from faceline.erasure import Gone
from faceline.errors import InputError, NoFaceError, NotFoundError, UsageError
from faceline.gallery.collection import Collection
from faceline.gallery.keeping import Keeping
from faceline.gallery.names import problem_of
from faceline.gallery.negatives import Mark
from faceline.gallery.newface import Origin, image_id_of, new_face
from faceline.gallery.ports import NewFace
from faceline.gallery.review import Answer, Change, Counts, Kind, Pair, Reviewed, Suspect, Verdict, pair_of
from faceline.gallery.stranger_groups import StrangerGroups
from faceline.gallery.unknowns import Group, best_of
from faceline.images import decode
from faceline.loading import image_limits, wanted
from faceline.pipelines.review_files import joined, of_report, of_scan
from faceline.pipelines.unknown import UnknownKeeper
from faceline.similarity import Rule, pair_scores
from faceline.storage import Storage
from faceline.types import Decision, Face, FaceRecord, Vector

_ENROLLED_OF_GROUP = 5
_CHECKED = 200  # of a person's own faces, after a counter-example was added


@dataclass(frozen=True, slots=True)
class Marked:
    """A new counter-example. similarity: how like the person it is, None where they have no faces.

    own_faces: of the person's enrolled faces that were looked at, and misnamed: those that the mark speaks against.
    """

    mark: Mark
    similarity: float | None
    own_faces: int
    misnamed: int


@dataclass(frozen=True, slots=True)
class Named:
    """enrolled: faces of the group that are the person's now. removed: all faces of the group."""

    name: str
    enrolled: int
    removed: int


class ReviewWorkflow:
    """collection, analyzer: those of a collection's name. noted: told what was done in which collection, to whom and to
    how many faces, for the audit log. by, everywhere: who decides, as the journal says it.
    """

    def __init__(
        self,
        storage: Storage,
        collection: Callable[[str], Collection],
        analyzer: Callable[[str], Analyzer],
        rule: Rule,
        keeping: Keeping,
        noted: Callable[[str, str, str, int], None],
    ) -> None:
        self._storage, self._settings = storage, storage.settings
        self._collection, self._analyzer, self._rule = collection, analyzer, rule
        self._keeping, self._noted = keeping, noted
        self._strangers = StrangerGroups(storage.unknown_faces, rule)

    # Pairs and verdicts

    def put(self, collection: str, suspects: Sequence[Suspect]) -> int:
        """As `gallery.review.Verdicts.put`."""
        return self._storage.verdicts.put(collection, suspects)

    def open(self, collection: str, limit: int, after: Reviewed | None = None) -> Sequence[Reviewed]:
        """As `gallery.review.Verdicts.open`."""
        return self._storage.verdicts.open(collection, limit, after)

    def decided(self, collection: str, limit: int, after: Reviewed | None = None) -> Sequence[Reviewed]:
        """As `gallery.review.Verdicts.decided`."""
        return self._storage.verdicts.decided(collection, limit, after)

    def counts(self, collection: str) -> Counts:
        """As `gallery.review.Verdicts.counts`."""
        return self._storage.verdicts.counts(collection)

    def pair(self, collection: str, a: str, b: str) -> Pair:
        """Of two names or two face ids that are enrolled. Raises NotFoundError, UsageError for one and the same."""
        if a == b:
            raise UsageError(f"{a} was given twice; name two people, or two faces of one")
        known = [bool(self._storage.face_records.find(collection, person=each)) for each in (a, b)]
        if all(known):
            return pair_of(Kind.PEOPLE, a, b)
        if len(self._storage.face_records.find(collection, face_ids=[a, b])) == 2:
            return pair_of(Kind.FACES, a, b)
        missing = b if known[0] else a
        self._storage.collections.model(collection)
        raise NotFoundError(f"collection {collection} knows no {missing}, neither as a name nor as a face id")

    def get(self, collection: str, pair: Pair) -> Reviewed:
        """With neither suspicion nor verdict for a pair that nobody looked at."""
        return self._storage.verdicts.get(collection, pair) or Reviewed(pair, None, None)

    def decide(self, collection: str, pair: Pair, answer: Answer, by: str, note: str = "") -> None:
        """As `gallery.review.Verdicts.decide`."""
        self._storage.verdicts.decide(collection, Verdict(pair, answer, by, note))

    def settled(self, collection: str, a: str, b: str) -> bool:
        """Whether these two names, or face ids, need not be looked at any more."""
        return self._answer(collection, a, b) in (Answer.SAME, Answer.DIFFERENT)

    def settled_apart(self, collection: str, a: str, b: str) -> bool:
        """Whether somebody decided that these names are different people."""
        return self._answer(collection, a, b) is Answer.DIFFERENT

    def _answer(self, collection: str, a: str, b: str) -> Answer | None:
        for kind in Kind:
            found = self._storage.verdicts.get(collection, pair_of(kind, a, b))
            if found and found.verdict:
                return found.verdict.answer
        return None

    def alike(self, collection: str, pair: Pair, limit: int) -> list[tuple[FaceRecord, FaceRecord, float]]:
        """The most alike faces of the two, a's and b's, with their similarity, most alike first."""
        a, b = (self._faces(collection, pair.kind, each) for each in (pair.a, pair.b))
        if not a or not b:  # a name that is only a label of somebody else's faces
            return []
        scorer = self._collection(collection).scorer
        rows = [scorer.normalise(_stacked(faces)) for faces in (a, b)]
        similarities = scorer.calibration.similarity(pair_scores(*rows))
        order = similarities.ravel().argsort()[::-1][:limit]
        places = [divmod(int(place), len(b)) for place in order]
        return [(a[i], b[j], round(float(similarities[i, j]), 2)) for i, j in places]

    def _faces(self, collection: str, kind: Kind, name: str) -> list[FaceRecord]:
        records = self._storage.face_records
        if kind is Kind.FACES:
            return list(records.find(collection, face_ids=[name]))
        return [face for face in records.find(collection, person=name) if face.identity == name]

    def load_scan(self, collection: str, text: str, source: str) -> tuple[int, int]:
        """Puts the pairs of a scan's JSON into the queue: how many are new, and how many were there already.

        Raises InputError for anything else, and for a scan of another collection.
        """
        suspects = of_scan(text, source, collection)
        new = self.put(collection, suspects)
        return new, len(suspects) - new

    def load_reports(self) -> tuple[int, int]:
        """Puts the pairs of all matching reports into the queue of the matching collection: how many, and of how many
        reports. A report that is no JSON of ours is passed over.
        """
        found: list[Suspect] = []
        reports = 0
        with suppress(NotFoundError):  # before the first start there is no such bucket
            for report in self._reports():
                found += of_report(report)
                reports += 1
        if not found:  # the collection may not be there yet
            return 0, reports
        return self.put(self._settings.names.matching_collection, joined(found)), reports

    def reported(self, report: dict[str, Any]) -> None:
        """Puts the pairs of one matching report into that queue, as the workflow does when it has written it."""
        collection = self._settings.names.matching_collection
        for suspect in of_report(report):
            known = self.get(collection, suspect.pair).suspect
            if known is None or known.similarity < suspect.similarity:
                self.put(collection, [suspect])

    def _reports(self) -> Iterator[dict[str, Any]]:
        s, objects = self._settings, self._storage.objects
        for info in objects.list(s.names.matches, s.matching_output_prefix):
            try:
                report = parsed(objects.get(s.names.matches, info.key, s.max_upload_bytes)[1])
            except (NotFoundError, InputError, ValueError):  # deleted meanwhile, or somebody else's file
                continue
            if isinstance(report, dict) and {"CustomerID", "Matches"} <= report.keys():
                yield report

    # Who is who

    def merge(self, collection: str, name: str, into: str, by: str) -> Change:
        """As `gallery.review.Merging.merge`."""
        change = self._storage.merging.merge(collection, name, into, by)
        for each in (into, name):
            self._noted("merge", collection, each, change.faces)
        return change

    def rename(self, collection: str, name: str, new: str, by: str) -> Change:
        """As `gallery.review.Merging.rename`; UsageError for a name that nobody can have."""
        _check_name(new)
        change = self._storage.merging.rename(collection, name, new, by)
        for each in (new, name):
            self._noted("rename", collection, each, change.faces)
        return change

    def split(self, collection: str, name: str, face_ids: Sequence[str], into: str, by: str) -> Change:
        """As `gallery.review.Merging.split`; UsageError for a name that nobody can have."""
        _check_name(into)
        change = self._storage.merging.split(collection, name, face_ids, into, by)
        self._noted("split", collection, into, change.faces)
        return change

    def person_of_label(self, collection: str, label: str, name: str, by: str, consent: str | None = None) -> Change:
        """As `gallery.review.Merging.person_of_label`; UsageError as of `name_group`. Consent to the label will do."""
        _check_name(name)
        refusal = self._keeping.refusal(collection, name, consent)
        if refusal and (consent or self._keeping.refusal(collection, label, None)):
            raise UsageError(f"{name} is not made a person: {refusal}")
        change = self._storage.merging.person_of_label(collection, label, name, by)
        if consent:
            self._keeping.note(collection, name, consent)
        self._noted("person of label", collection, name, change.faces)
        return change

    def undo(self, collection: str, entry: int | None = None) -> Change:
        """As `gallery.review.Merging.undo`."""
        change = self._storage.merging.undo(collection, entry)
        self._noted("undo", collection, change.names[-1], change.faces)
        return change

    def history(self, collection: str, limit: int, before: int | None = None) -> Sequence[Change]:
        """As `gallery.review.Merging.history`."""
        return self._storage.merging.history(collection, limit, before)

    def became(self, collection: str, user_id: str) -> str | None:
        """As `gallery.review.Merging.became`."""
        return self._storage.merging.became(collection, user_id)

    def aliases(self, collection: str, name: str) -> frozenset[str]:
        """As `gallery.review.Merging.aliases`."""
        return self._storage.merging.aliases(collection, name)

    # Counter-examples

    def mark_face(self, collection: str, person: str, face_id: str, by: str) -> Marked:
        """An enrolled face, or one of those that nobody knew, is not this person's. Raises NotFoundError."""
        enrolled = self._storage.face_records.find(collection, face_ids=[face_id])
        unknown = [face for face in self._storage.unknown_faces.all(collection) if face.face_id == face_id]
        if not enrolled and not unknown:
            raise NotFoundError(f"collection {collection} has no face {face_id}, and there is no such photo")
        face = (*enrolled, *unknown)[0]
        store = self._storage.face_records if enrolled else self._storage.unknown_faces
        mark = self._mark(person, face, by, face_id if enrolled else None)
        return self._marked(collection, replace(mark, crop=store.crop(collection, face_id)))

    def mark_photo(self, collection: str, person: str, image: bytes, source: str, by: str) -> Marked:
        """The face of this photo that is most like the person is not theirs.

        Raises NotFoundError for an unknown person, NoFaceError, ImageError.
        """
        frame = decode(image, source, image_limits(self._settings))
        faces = self._analyzer(collection).analyze([frame], wanted(self._settings))[0]
        if not faces:
            raise NoFaceError(f"{source}: no face was found; give a photo that shows the face")
        face = self._most_like(collection, person, faces)
        origin = Origin(image_id_of(image), source, None, None)
        made = new_face(frame, face, origin, self._settings.keep_crops)
        return self._marked(collection, replace(self._mark(person, made.record, by, None), crop=made.crop))

    def marks(self, collection: str) -> Sequence[Mark]:
        """As `gallery.negatives.Negatives.of`."""
        self._storage.collections.model(collection)
        return self._storage.negatives.of(collection)

    def unmark(self, collection: str, mark_id: str) -> None:
        """Raises NotFoundError."""
        whose = [mark.person for mark in self._storage.negatives.of(collection) if mark.mark_id == mark_id]
        self._storage.negatives.remove(collection, mark_id)
        for person in whose:
            self._noted("unmark", collection, person, 1)

    def _mark(self, person: str, face: FaceRecord, by: str, face_id: str | None) -> Mark:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return Mark(str(uuid.uuid4()), person, face.embedding, face.source, face.image_id, by, now, face_id)

    def _most_like(self, collection: str, person: str, faces: list[Face]) -> Face:
        embeddings = [face.embedding for face in faces if face.embedding is not None]
        similarities = self._collection(collection).similarities_to(person, embeddings)
        return faces[max(range(len(faces)), key=similarities.__getitem__)] if similarities else faces[0]

    def _marked(self, collection: str, mark: Mark) -> Marked:
        own = self._faces(collection, Kind.PEOPLE, mark.person)
        if not own:
            self._storage.collections.model(collection)
            raise NotFoundError(f"nobody in collection {collection} is called {mark.person}; there is nothing to deny")
        like = self._collection(collection).similarities_to(mark.person, [mark.embedding])
        self._storage.negatives.add(collection, mark)
        self._noted("mark", collection, mark.person, 1)
        looked_at = [face for face in own[:_CHECKED] if face.face_id != mark.face_id]
        searches = [self._collection(collection).search(face.embedding)[0] for face in looked_at]
        misnamed = sum(mark.person not in [candidate.name for candidate in found] for found in searches)
        return Marked(mark, like[0] if like else None, len(looked_at), misnamed)

    # Strangers

    def keeper(self, collection: str) -> UnknownKeeper | None:
        """None unless the settings say that unknown faces are kept."""
        return self._keeper(collection) if self._settings.keep_unknown_faces else None

    def groups(self, collection: str) -> list[Group]:
        """Of unknown faces, the largest first; what is too old goes before."""
        self._storage.collections.model(collection)
        self.expire()
        known = self._collection(collection)
        return self._strangers.of(collection, known.scorer, known.people())

    def expire(self) -> int:
        """Deletes the unknown faces of all collections that are too old; how many."""
        return self._keeper("").expire()

    def now_known(self, collection: str, found: Group) -> str | None:
        """Whom the group's best face would be named by now."""
        known = self._collection(collection)
        candidates, log_rates = known.search(found.best.embedding, 2)
        decision = self._rule.decide(np.array(log_rates), known.people())
        return candidates[0].name if decision is Decision.MATCH else None

    def name_group(
        self, collection: str, group_id: str, name: str, count: int = _ENROLLED_OF_GROUP, consent: str | None = None
    ) -> Named:
        """Enrols the group's best faces as this person, who may be known already; its faces are unknown no longer.

        group_id: the beginning of the id of any of its faces. consent: a reference to the person's consent. Raises
        NotFoundError, UsageError, ConflictError as `FaceRecords.add` does.
        """
        _check_name(name)
        refusal = self._keeping.refusal(collection, name, consent)
        if refusal:
            raise UsageError(f"{name} is not enrolled: {refusal}; give it with --consent")
        found = self._group(collection, group_id)
        store = self._storage.unknown_faces
        best = best_of(found.faces, count)
        faces = [
            NewFace(replace(face, person=name, external_image_id=name), store.crop(collection, face.face_id))
            for face in best
        ]
        twins = self._storage.face_records.add(collection, faces)
        if consent:
            self._keeping.note(collection, name, consent)
        self._keeping.enrolled(collection, name, len(faces) - len(twins))
        removed = store.remove(collection, [face.face_id for face in found.faces])
        return Named(name, len(faces) - len(twins), removed)

    def drop_group(self, collection: str, group_id: str) -> int:
        """Deletes the group's faces; how many."""
        faces = self._group(collection, group_id).faces
        return self._storage.unknown_faces.remove(collection, [face.face_id for face in faces])

    def drop_source(self, source: str) -> int:
        """Deletes the unknown faces of a photo that is no longer there; source: its bucket/key."""
        return self._storage.unknown_faces.drop(source)

    def _keeper(self, collection: str) -> UnknownKeeper:
        s = self._settings
        return UnknownKeeper(self._storage.unknown_faces, collection, s.unknown_faces_most, s.unknown_faces_days)

    def _group(self, collection: str, group_id: str) -> Group:
        def has(found: Group) -> bool:
            return any(face.face_id.startswith(group_id) for face in found.faces)

        found = [each for each in self.groups(collection) if has(each)] if group_id else []
        if len(found) != 1:
            said = "several groups have" if found else "no group has"
            raise NotFoundError(
                f"{said} a face whose id begins with {group_id!r} in collection {collection}; "
                "`faceline review unknowns` lists the groups"
            )
        return found[0]

    def forget(self, gone: Gone) -> int:
        """Implements `erasure.Forgets` for all that is kept here."""
        return self._storage.review_erasure.forget(gone)


def _check_name(name: str) -> None:
    problem = problem_of(name)
    if problem:
        raise UsageError(f"nobody can be called so: {problem}")


def _stacked(faces: Sequence[FaceRecord]) -> Vector:
    return np.stack([face.embedding.values for face in faces])
