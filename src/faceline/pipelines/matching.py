"""Workflow 5: an image that arrived → its face in the collection, a report of whom it is like, and notices of that.

Of each pair of faces the one that was indexed later reports it, and only that one: a face is stored before it is
searched for, and a report says only faces at lower positions (`FaceRecords.page`) than its own. A position is given
in the transaction that stores the face and stays, so this holds for any number of workers and however often an image
is worked on.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from faceline.errors import InputError, NotFoundError
from faceline.events import ObjectCreated
from faceline.faces import FaceService, Picture
from faceline.gallery.keeping import Keeping
from faceline.gallery.names import problem_of
from faceline.gallery.newface import Origin, image_id_of
from faceline.gallery.ports import FaceQuery, FaceRecords
from faceline.images import ImageLimits, decode
from faceline.notices import Notice, Tells
from faceline.pipelines.customers import Customers, image_id_of_key
from faceline.pipelines.match_reports import Document, MatchReports, match_document, report_document
from faceline.pipelines.rounds import rounds
from faceline.ports import ObjectInfo, ObjectStore
from faceline.types import FaceRecord

_log = logging.getLogger("faceline.pipelines.matching")
_FURTHER = 4  # times as many faces are looked at when too few of the nearest may be reported


@dataclass(frozen=True, slots=True)
class Rules:
    """What is worked on, reported and told. Similarities are 0–100.

    bucket, prefix: where images come in. min_similarity, most: what a report says. notify_similarity: what a notice
    needs; pairwise: no more than that, where else it also needs what a name needs in a gallery of this size.
    """

    bucket: str
    prefix: str
    min_similarity: float = 50.0
    most: int = 100
    notify_similarity: float = 90.0
    pairwise: bool = False


@dataclass(frozen=True, slots=True)
class Gallery:
    """Where faces are indexed and searched for. keeping: what is kept of whom.

    faces: asked for with every image, since the collection may be dropped and made anew meanwhile.
    """

    name: str
    records: FaceRecords
    faces: Callable[[], FaceService]
    keeping: Keeping = Keeping()  # noqa: RUF009 (nothing changes it)


@dataclass(frozen=True, slots=True)
class Review:
    """What people decide. settled_apart: whether two customers are known to be different people; they make no notice
    then. reported: takes a report with those matches that are worth looking at. standing_for: the customer that a
    customer was merged into.
    """

    settled_apart: Callable[[str, str], bool] = lambda a, b: False
    reported: Callable[[Document], None] = lambda report: None
    standing_for: Callable[[str], str] = lambda customer: customer


@dataclass(frozen=True, slots=True)
class Matcher:
    """Everything that one image passes on its way."""

    objects: ObjectStore
    customers: Customers
    gallery: Gallery
    reports: MatchReports
    tells: Tells
    rules: Rules
    limits: ImageLimits
    review: Review = Review()

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """What was done, as a small document. Safe to repeat.

        An image that cannot be used has an empty report; only failures of the storage or the engine raise, and
        SettingError while the manifest of customers cannot be read.
        """
        if not self._is_image(event):
            return {"status": "ignored", "reason": f"not under {self.rules.bucket}/{self.rules.prefix}"}
        started = time.perf_counter()
        result = self._take_in_all(event)
        latency_ms = round((time.perf_counter() - started) * 1000, 1)
        _log.info("image matched", extra={"bucket": event.bucket, "key": event.key, "latency_ms": latency_ms, **result})
        return result

    def remove(self, bucket: str, key: str) -> None:
        """Deletes what is left of an image that is no more: its face, its report, and what other reports say of it."""
        source = f"{bucket}/{key}"
        self._unindex(source, self._of_source(source))
        self.reports.delete(self.reports.key_of(source))

    def _is_image(self, event: ObjectCreated) -> bool:
        inside = event.bucket == self.rules.bucket and event.key.startswith(self.rules.prefix)
        return inside and event.key != self.customers.manifest

    def _take_in_all(self, event: ObjectCreated) -> dict[str, Any]:
        """Until the bytes that were looked at are still there: so old bytes never have the last word."""
        looks = rounds(event.bucket, event.key)
        while True:
            next(looks)
            try:
                etag, result = self._take_in(event)
                if self.objects.head(event.bucket, event.key).etag == etag:
                    return result
            except NotFoundError:  # deleted meanwhile, and what the deletion left out we have written since
                self.remove(event.bucket, event.key)
                raise

    def _take_in(self, event: ObjectCreated) -> tuple[str, dict[str, Any]]:
        """The etag of the bytes that are there now, and what was done with them."""
        info = self.objects.head(event.bucket, event.key)
        customer, record, reason = self.review.standing_for(self.customers.of(info.key)), None, ""
        try:
            info, data = self.objects.get(info.bucket, info.key, self.limits.max_bytes)
            record = self._indexed(info, data, customer)
        except InputError as error:
            reason = str(error)
            _log.warning("image not indexed", extra={"bucket": event.bucket, "key": event.key, "reason": reason})
            source = f"{info.bucket}/{info.key}"
            self._unindex(source, self._of_source(source))
        target, report = self._reported(info, customer, record)
        told = self._tell(info, report)
        done = {"status": "refused", "reason": reason} if record is None else {"status": "done"}
        return info.etag, done | {"matches": len(report["Matches"]), "notices": told, "report": target}

    def _indexed(self, info: ObjectInfo, data: bytes, customer: str) -> FaceRecord:
        """The stored record of the image's face: of these bytes under this key there is only one.

        Raises InputError when there is no face to index, or nobody can be called as its customer is.
        """
        self._check(info.key, customer)
        source = f"{info.bucket}/{info.key}"
        origin = Origin(image_id_of(data, source), source, customer, image_id_of_key(info.key))
        others = self._of_source(source)
        self._unindex(source, [record for record in others if record.image_id != origin.image_id])
        known = [record for record in others if record.image_id == origin.image_id]
        if known:
            return known[0]
        picture = Picture(data, decode(data, info.key, self.limits), source)
        return self.gallery.faces().index(picture, origin)

    def _check(self, key: str, customer: str) -> None:
        """Raises InputError for a name that nobody can have, or without the consent that is asked for."""
        problem = problem_of(customer)
        if problem:
            raise InputError(f"{key}: bad customer: {problem}")
        consent = self.customers.consent_of(key)
        missing = self.gallery.keeping.refusal(self.gallery.name, customer, consent)
        if missing:
            raise InputError(f"{key}: {missing}")
        if consent:
            self.gallery.keeping.note(self.gallery.name, customer, consent)

    def _reported(self, info: ObjectInfo, customer: str, record: FaceRecord | None) -> tuple[str, Document]:
        """The report and the key that it was put under."""
        source = f"{info.bucket}/{info.key}"
        target = self.reports.key_of(source)
        with self.reports.held(target):
            matches = self._matches(record, {customer, record.person or customer}) if record else []
            while True:
                report = report_document(source, customer, matches)
                self.reports.put(target, report)
                # Who deletes a face takes it out of the reports that are there: of this one now, or it is gone here.
                there = self._still_there(matches)
                if len(there) == len(matches):
                    return target, report
                matches = there

    def _matches(self, record: FaceRecord, same: set[str]) -> list[Document]:
        """Faces of other customers than these that were indexed before, the most similar first."""
        faces, most, limit = self.gallery.faces(), self.rules.most, _FURTHER * self.rules.most
        while True:
            near = faces.search(record, limit, self.rules.min_similarity)
            earlier = self._earlier(record, [match.face_id for match in near])
            found = [
                match_document(other, who, match.similarity)
                for match in near
                if (other := earlier.get(match.face_id)) and (who := self._customer_of(other)) not in same
            ]
            if len(found) >= most or len(near) < limit:
                return found[:most]
            limit *= _FURTHER

    def _earlier(self, record: FaceRecord, face_ids: Sequence[str]) -> dict[str, FaceRecord]:
        """Those of these faces that are at lower positions than the record's own; none when it was deleted."""
        wanted = FaceQuery(face_ids=[record.face_id, *face_ids])
        placed = self.gallery.records.page(self.gallery.name, 0, len(face_ids) + 1, wanted)
        own = next((position for position, each in placed if each.face_id == record.face_id), 0)
        return {each.face_id: each for position, each in placed if position < own and each.source != record.source}

    def _customer_of(self, record: FaceRecord) -> str:
        """Whom a reviewer may have made of it; a face that came by another way has only its label."""
        return record.person if record.person is not None else self.customers.of(record.external_image_id or "")

    def _still_there(self, matches: list[Document]) -> list[Document]:
        face_ids = [match["Face"]["FaceId"] for match in matches]
        there = {record.face_id for record in self.gallery.records.find(self.gallery.name, face_ids=face_ids)}
        return [match for match in matches if match["Face"]["FaceId"] in there]

    def _of_source(self, source: str) -> list[FaceRecord]:
        labelled = self.gallery.records.find(self.gallery.name, person=image_id_of_key(source))
        return [record for record in labelled if record.source == source]

    def _unindex(self, source: str, records: Sequence[FaceRecord]) -> None:
        """Deletes faces, and what reports say of them: before, should we die in between, and after, for the reports
        that were being written.
        """
        faces = self.gallery.faces()
        self._withdraw(faces, records)
        with faces.deleting(source, records):
            self._withdraw(faces, records)

    def _withdraw(self, faces: FaceService, records: Sequence[FaceRecord]) -> None:
        gone = {record.face_id for record in records}
        for record in records:
            near = faces.search(record, None, self.rules.min_similarity)
            face_ids = [match.face_id for match in near]
            for other in self.gallery.records.find(self.gallery.name, face_ids=face_ids):
                if other.source.startswith(f"{self.rules.bucket}/"):
                    self.reports.withdraw(self.reports.key_of(other.source), gone)

    def _tell(self, info: ObjectInfo, report: Document) -> int:
        """Puts a notice for every other name that is similar enough; returns how many."""
        needed = self.rules.notify_similarity
        if report["Matches"] and not self.rules.pairwise:
            needed = max(needed, self.gallery.faces().threshold())
        similar = [match for match in report["Matches"] if match["Similarity"] >= needed]
        if not similar:
            return 0
        self.review.reported(report | {"Matches": similar})
        notices = list(self._notices(info, report | {"Matches": similar}))
        for notice in notices:
            self.tells.put(notice)
        return len(notices)

    def _notices(self, info: ObjectInfo, report: Document) -> Iterator[Notice]:
        customer, source = report["CustomerID"], report["Source"]
        for name in dict.fromkeys(match["CustomerId"] for match in report["Matches"]):
            if self.review.settled_apart(customer, name):
                continue
            of_name = [match for match in report["Matches"] if match["CustomerId"] == name]
            best = max(match["Similarity"] for match in of_name)
            text = f"matched {name} {len(of_name)} times with max similarity {best:.3f}"
            yield Notice(
                notice_id=_notice_id(source, info.etag, name),
                kind="match.found",
                time=datetime.now(UTC).isoformat(timespec="milliseconds"),
                source=source,
                text=f"{customer}, image {source}, {text}",
                people=(customer, name),
                similarity=best,
                data=report_document(source, customer, of_name) | {"collection": self.gallery.name},
            )


def _notice_id(source: str, etag: str, name: str) -> str:
    """The same however often the image is worked on; the same bytes under this key are told once."""
    return f"match-{hashlib.sha256(chr(0).join((source, etag, name)).encode()).hexdigest()[:32]}"
