"""Workflow 1: a photo that arrived in a bucket → who is in it, as records and as `processed/….json`."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Any

from faceline.activity import Kind, SeenFace
from faceline.config import Settings
from faceline.errors import ConflictError, InputError, NotFoundError, SettingError
from faceline.events import ObjectCreated
from faceline.faces import FaceService, Picture
from faceline.gallery.enrolment import Photo
from faceline.gallery.sources import label_of
from faceline.images import ImageLimits, decode
from faceline.pipelines.documents import box_document, emotion_documents, face_document, identification_document
from faceline.pipelines.entries import STATUS, See, Work, photo_faces, unseen
from faceline.pipelines.owning import owns
from faceline.pipelines.rounds import rounds
from faceline.pipelines.telling import Tell, in_photo, untold
from faceline.ports import ObjectInfo, ObjectStore, Receipts, Record, Records
from faceline.types import Face, Frame, Identification

_log = logging.getLogger("faceline.pipelines.images")


KeepUnknown = Callable[[ObjectInfo, Frame | None, list[Identification]], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where photos come in and results go. Prefixes end with a slash."""

    bucket: str
    input_prefix: str
    processed_prefix: str
    enroll_prefix: str

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        """Raises SettingError for prefixes that cannot be told apart: results would be taken for photos."""
        s = settings
        prefixes = {name: getattr(s, name) for name in ("input_prefix", "processed_prefix", "enroll_prefix")}
        for name, prefix in prefixes.items():
            if not prefix.endswith("/"):
                raise SettingError(f"{name} is {prefix!r}; it must be a folder that ends with /")
            if any(prefix.startswith(other) for key, other in prefixes.items() if key != name):
                raise SettingError(f"{name} {prefix!r} lies within another prefix; the three must be apart: {prefixes}")
        return cls(s.input_bucket, s.input_prefix, s.processed_prefix, s.enroll_prefix)


@dataclass(frozen=True, slots=True)
class ImagePipeline:
    """Everything that one photo passes on its way. collection: what `faces` searches; empty only detects.

    tell: of whom was seen. see: what the page lists.
    """

    objects: ObjectStore
    records: Records
    receipts: Receipts
    faces: FaceService
    collection: str
    places: Places
    limits: ImageLimits
    emotions_kept: int = 3
    tell: Tell = untold
    keep_unknown: KeepUnknown | None = None
    see: See = unseen

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """What was done, as a small document. Safe to repeat: results have the same names and replace themselves.

        A photo that cannot be used is a result too; only failures of the storage or the engine raise.
        """
        started = time.perf_counter()
        if self.collection and event.key.startswith(self.places.enroll_prefix):
            result = self._enroll(event)
        elif event.key.startswith(self.places.input_prefix):
            result = self._ingest(event)
        else:
            result = {"status": "ignored", "reason": f"{event.key} is not under a prefix that is worked on"}
        latency_ms = round((time.perf_counter() - started) * 1000, 1)
        _log.info("photo done", extra={"bucket": event.bucket, "key": event.key, "latency_ms": latency_ms, **result})
        return result

    def _ingest(self, event: ObjectCreated) -> dict[str, Any]:
        """Until the bytes that were looked at are still there: so old bytes never have the last word.

        Two workers may hold two events of one key, and the one with the older bytes may be the slower one.
        """
        looks = rounds(event.bucket, event.key)
        while True:
            next(looks)
            etag, result = self._take_in(event)
            try:
                if self.objects.head(event.bucket, event.key).etag == etag:
                    return result
            except NotFoundError:
                return result

    def _take_in(self, event: ObjectCreated) -> tuple[str, dict[str, Any]]:
        """The etag of the bytes that are there now, and what was done with them."""
        work = Work.begun()
        info, frame, faces, found, error = self._examine(event)
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        rows = self._rows(info, timestamp, faces, found, error)
        self.records.replace(info.bucket, info.key, rows)
        if self.keep_unknown:
            self.keep_unknown(info, frame, found)
        target = self._processed_key(event)
        document = self._document(info, timestamp, frame, faces, found) | {"error": error}
        self.objects.put(info.bucket, target, json.dumps(document, ensure_ascii=False, indent=2).encode())
        self.see(work.on(Kind.PHOTO, info, self.collection, self._seen(frame, faces, found), error, frame))
        # No names in the result: receipts outlive whoever is forgotten.
        for notice in in_photo(info, timestamp, self.collection, found):
            self.tell(notice)
        result = {"status": "error" if error else "done", "faces": len(faces), "processed": target}
        return info.etag, result | ({"reason": error} if error else {})

    def _examine(
        self, event: ObjectCreated
    ) -> tuple[ObjectInfo, Frame | None, list[Face], list[Identification], str | None]:
        """What is there, what it shows and who is in it, or why it cannot be used."""
        info = self.objects.head(event.bucket, event.key)
        try:
            info, data = self.objects.get(event.bucket, event.key, self.limits.max_bytes)
            picture = Picture(data, decode(data, event.key, self.limits), f"{event.bucket}/{event.key}")
            faces = self.faces.detect(picture)
            found = self.faces.identify(picture, faces) if self.collection else []
        except InputError as error:
            _log.warning("photo cannot be used", extra={"bucket": event.bucket, "key": event.key, "error": str(error)})
            return info, None, [], [], str(error)
        return info, picture.frame, faces, found, None

    def _seen(self, frame: Frame | None, faces: list[Face], found: list[Identification]) -> tuple[SeenFace, ...]:
        """With those that nobody looked up, where the engine looks up only so many."""
        looked_up, others = faces[: len(found)], faces[len(found) :]
        kept = self.emotions_kept
        return photo_faces(frame, looked_up, found, kept) + photo_faces(frame, others, [], kept)

    def _enroll(self, event: ObjectCreated) -> dict[str, Any]:
        parts = PurePosixPath(event.key.removeprefix(self.places.enroll_prefix)).parts
        name = parts[0] if len(parts) > 1 else label_of(event.key)
        source = f"{event.bucket}/{event.key}"
        try:
            _, data = self.objects.get(event.bucket, event.key, self.limits.max_bytes)
        except InputError as error:
            return {"status": "refused", "reason": str(error)}
        try:
            refusal = self.faces.enroll(Photo(data, name, source)).refusal
        except ConflictError:  # it says the other one's name
            refusal = "bad name: another one's user id is spelt so"
        if refusal:
            # Only the kind of reason, which names nobody: receipts and logs outlive whoever is forgotten.
            reason = refusal.partition(":")[0]
            _log.warning("photo not enrolled", extra={"bucket": event.bucket, "key": event.key, "reason": reason})
            return {"status": "refused", "reason": reason}
        return {"status": "enrolled"}

    def _processed_key(self, event: ObjectCreated) -> str:
        """`processed/<dirs>/<stem>.json`, or with the whole file name where another photo owns that."""
        inner = PurePosixPath(event.key.removeprefix(self.places.input_prefix))
        short = f"{self.places.processed_prefix}{inner.with_suffix('.json')}"
        if owns(self.receipts, f"{event.bucket}/{short}", event.key):
            return short
        return f"{self.places.processed_prefix}{inner}.json"

    def _rows(
        self, info: ObjectInfo, timestamp: str, faces: list[Face], found: list[Identification], error: str | None
    ) -> list[Record]:
        if error:
            return [_row(info, timestamp, "error", error=error)]
        looked_up = zip_longest(faces, found)
        return [self._face_row(info, timestamp, n, face, who) for n, (face, who) in enumerate(looked_up)]

    def _face_row(self, info: ObjectInfo, timestamp: str, n: int, face: Face, who: Identification | None) -> Record:
        matched = who.candidates[0] if who and who.name else None
        return Record(
            image_id=PurePosixPath(info.key).name,
            timestamp=timestamp,
            face_id=matched.face_id if matched else None,
            person=matched.name if matched else None,
            confidence=matched.similarity if matched else face.confidence,
            bounding_box=box_document(face.box),
            emotions=emotion_documents(face.emotions[: self.emotions_kept]) if face.emotions is not None else None,
            bucket=info.bucket,
            key=info.key,
            etag=info.etag,
            status=STATUS[who.decision] if who else "detected",
            face_number=n,
        )

    def _document(
        self, info: ObjectInfo, timestamp: str, frame: Frame | None, faces: list[Face], found: list[Identification]
    ) -> dict[str, Any]:
        entries = [face_document(face) for face in faces]
        for entry, who in zip(entries, found, strict=False):
            entry |= {k: v for k, v in identification_document(who).items() if k != "box"}
            entry["candidates"] = [
                {"name": c.name, "face_id": c.face_id, "similarity": c.similarity} for c in who.candidates
            ]
        return {
            "file": {
                "bucket": info.bucket,
                "key": info.key,
                "name": PurePosixPath(info.key).name,
                "etag": info.etag,
                "size": info.size,
                "time": info.modified_at,
                "width": frame.width if frame else None,
                "height": frame.height if frame else None,
            },
            "processed_at": timestamp,
            "collection": self.collection or None,
            "model": self.faces.model,
            "faces": entries,
        }


def _row(info: ObjectInfo, timestamp: str, status: str, error: str) -> Record:
    return Record(
        image_id=PurePosixPath(info.key).name,
        timestamp=timestamp,
        face_id=None,
        person=None,
        confidence=0.0,
        bounding_box=None,
        emotions=None,
        bucket=info.bucket,
        key=info.key,
        etag=info.etag,
        status=status,
        error=error,
    )
