"""Photos with names → face records, or a reason why not."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from faceline.engine.analyzer import Analyzer, Wanted
from faceline.errors import InputError
from faceline.gallery.keeping import Keeping
from faceline.gallery.names import problem_of
from faceline.gallery.newface import Origin, image_id_of, new_face
from faceline.gallery.ports import FaceRecords, NewFace
from faceline.gallery.sources import Labelled
from faceline.geometry import ABOUT_AS_LARGE, iou, visible_area
from faceline.images import ImageLimits, read_bytes, to_frame
from faceline.types import BoundingBox, Enrolment, Face, FaceRecord, Frame, Refusal

_BATCH = 64
_WHOLE = 0.95  # the visible part of a face that is not cut off
_SAME = 0.5  # intersection over union of a chosen face with the one that is found again


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to enrol: a file's bytes or a frame, whom it shows, and where it came from.

    consent: a reference to the person's consent. only: the box of the face to enrol, in full-size pixels; None: of the
    one that the photo is of.
    """

    image: bytes | Frame
    name: str
    source: str
    consent: str | None = None
    only: BoundingBox | None = None

    @property
    def image_id(self) -> str:
        """The same for the same bytes or pixels, wherever they lie; each chosen face has its own."""
        content = self.image if isinstance(self.image, bytes) else self.image.pixels.tobytes()
        return image_id_of(content, None if self.only is None else f"face at {self.only.left:.0f},{self.only.top:.0f}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either a new face, or the reason why not, or (neither) a photo that was enrolled from there before.

    consent: whose it is, and the reference to it. faces: all that were found, the one that the photo is of first, and
    size: width and height of the full-size upright photo; empty and None where it was not looked at.
    """

    source: str
    face: NewFace | None = None
    refusal: str | None = None
    consent: tuple[str, str] | None = None
    faces: tuple[Face, ...] = ()
    size: tuple[int, int] | None = None


class Enroller:
    """Enrols into one collection. Threads examine photos; rows are written in order by the caller's thread."""

    def __init__(
        self,
        collection: str,
        records: FaceRecords,
        analyzer: Analyzer,
        wanted: Wanted,
        limits: ImageLimits,
        keeping: Keeping = Keeping(),  # noqa: B008 (nothing changes it)
    ) -> None:
        self._collection, self._records = collection, records
        self._analyzer, self._wanted, self._limits, self._keeping = analyzer, wanted, limits, keeping

    def enroll(
        self, items: Iterable[Labelled], workers: int = 1, progress: Callable[[int], None] | None = None
    ) -> Enrolment:
        """Enrols files; may be stopped and run again: photos that are in already are passed over."""
        enrolled, already = 0, 0
        refused: list[Refusal] = []
        for batch in _batches(self._outcomes(items, workers), _BATCH):
            settled = self._store(batch)
            new = sum(outcome.face is not None for outcome in settled)
            refusals = [Refusal(outcome.source, outcome.refusal) for outcome in settled if outcome.refusal]
            enrolled += new
            refused += refusals
            already += len(batch) - new - len(refusals)
            if progress:
                progress(len(batch))
        return Enrolment(enrolled, already, tuple(refused))

    def enroll_photo(self, photo: Photo) -> Outcome:
        """Enrols one photo from memory; the outcome says whether it is in, was in, or why not."""
        return self._store([self._examine(photo)])[0]

    def _outcomes(self, items: Iterable[Labelled], workers: int) -> Iterator[Outcome]:
        """In the order of the items, with only a few photos in memory at once."""
        waiting = iter(items)
        with ThreadPoolExecutor(workers) as pool:
            running: list[Future[Outcome]] = [pool.submit(self._open, i) for i in islice(waiting, 2 * workers)]
            while running:
                yield running.pop(0).result()
                running += [pool.submit(self._open, i) for i in islice(waiting, 1)]

    def _open(self, item: Labelled) -> Outcome:
        source = str(item.path)
        try:
            data = read_bytes(item.path, self._limits)
        except InputError as error:
            return Outcome(source, refusal=_reason(source, error))
        # Kept as a whole path: the same photo is the same one from another working directory too.
        outcome = self._examine(Photo(data, item.name, str(item.path.absolute()), item.consent))
        return replace(outcome, source=source)

    def _examine(self, photo: Photo) -> Outcome:
        problem = problem_of(photo.name)
        if problem:
            return Outcome(photo.source, refusal=f"bad name: {problem}")
        missing = self._keeping.refusal(self._collection, photo.name, photo.consent)
        if missing:
            return Outcome(photo.source, refusal=missing)
        consent = (photo.name, photo.consent) if photo.consent else None
        known = self._records.find(self._collection, image_id=photo.image_id)
        if known:
            return replace(_seen_before(photo.source, photo, known[0]), consent=consent)
        try:
            frame = to_frame(photo.image, self._limits, photo.source)
        except InputError as error:
            return Outcome(photo.source, refusal=_reason(photo.source, error))
        faces = self._analyzer.analyze([frame], self._wanted)[0]
        seen = Outcome(photo.source, faces=tuple(faces), size=(frame.width, frame.height))
        if photo.only is not None:
            faces = _at(photo.only, faces)
            seen = replace(seen, faces=tuple(faces))
        refusal = refusal_of(faces, frame.width, frame.height)
        if refusal:
            return replace(seen, refusal=refusal)
        origin = Origin(photo.image_id, photo.source, photo.name, photo.name)
        return replace(seen, face=new_face(frame, faces[0], origin, self._keeping.crops), consent=consent)

    def _store(self, batch: list[Outcome]) -> list[Outcome]:
        """What became of each: the store decides, since another process may have enrolled the same photo meanwhile."""
        twins = self._records.add(self._collection, [outcome.face for outcome in batch if outcome.face])

        def settled(outcome: Outcome) -> Outcome:
            twin = twins.get(outcome.face.record.face_id) if outcome.face else None
            if outcome.face is None or twin is None:
                return outcome
            return _seen_before(outcome.source, outcome.face.record, twin)

        done = [settled(outcome) for outcome in batch]
        for before, after in zip(batch, done, strict=True):
            if before.consent and after.refusal is None:
                self._keeping.note(self._collection, *before.consent)
        new = Counter(str(outcome.face.record.person) for outcome in done if outcome.face and not outcome.refusal)
        for person, count in new.items():
            self._keeping.enrolled(self._collection, person, count)
        return done


def refusal_of(faces: list[Face], width: int, height: int) -> str | None:
    """Why the first of these faces, the one that the photo is of, cannot be enrolled; None when it can.

    A face about as large makes the photo one of several people, unless the picture's edge cuts it off: then the photo
    was framed on the first. width, height: of the full-size picture.
    """
    if not faces:
        return "no face"
    if not faces[0].quality.usable:
        return "poor quality: " + ", ".join(faces[0].quality.reasons)
    if any(_rivals(face, faces[0], width, height) for face in faces[1:]):
        return f"several faces ({len(faces)}), none of them clearly the largest; crop the photo to the person"
    return None


def _at(box: BoundingBox, faces: list[Face]) -> list[Face]:
    """The one of the faces that is there, if any."""
    corners = [(each.left, each.top, each.right, each.bottom) for each in (box, *(face.box for face in faces))]
    shared = iou(np.array(corners[:1]), np.array(corners[1:]).reshape(-1, 4))[0]
    best = int(shared.argmax()) if faces else 0
    return [faces[best]] if faces and shared[best] > _SAME else []


def _rivals(face: Face, first: Face, width: int, height: int) -> bool:
    visible = visible_area(face.box, width, height)
    return visible >= ABOUT_AS_LARGE * first.box.area and visible >= _WHOLE * face.box.area and face.quality.usable


def _seen_before(source: str, again: Photo | FaceRecord, known: FaceRecord) -> Outcome:
    name = again.name if isinstance(again, Photo) else again.person
    if known.source == again.source and known.person == name:
        return Outcome(source)
    return Outcome(source, refusal=_duplicate(known))


def _duplicate(known: FaceRecord) -> str:
    return f"duplicate: the same photo is enrolled as {known.person} from {known.source}"


def _reason(source: str, error: InputError) -> str:
    return str(error).removeprefix(f"{source}: ")


def _batches(outcomes: Iterator[Outcome], size: int) -> Iterator[list[Outcome]]:
    while batch := list(islice(outcomes, size)):
        yield batch
