"""What workflow 5 leaves in the reports' bucket: one JSON document an image, saying whom its face is like."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faceline.documents import is_damaged, parsed, quoted, says
from faceline.erasure import Gone
from faceline.errors import InputError, NotFoundError
from faceline.pipelines.customers import image_id_of_key
from faceline.pipelines.owning import owns
from faceline.ports import ClaimState, ObjectStore, Receipts
from faceline.types import BoundingBox, FaceRecord

Document = dict[str, Any]
_MAX_BYTES = 50_000_000
_LEASE_S = 10.0
_CHECK_S = 0.02


def report_document(source: str, customer: str, matches: list[Document]) -> Document:
    """source: the image's bucket/key. matches: of `match_document`, the most similar first."""
    return {"Source": source, "CustomerID": customer, "Matches": matches}


def match_document(record: FaceRecord, customer: str, similarity: float) -> Document:
    """similarity: 0–100 calibrated. The box is told in ratios of the upright image's sides."""
    face = {
        "FaceId": record.face_id,
        "BoundingBox": _ratios(record.box, record.image_size),
        "ImageId": record.image_id,
        "ExternalImageId": record.external_image_id,
        "Confidence": record.confidence,
    }
    return {"Similarity": similarity, "Face": face, "CustomerId": customer}


@dataclass(frozen=True, slots=True)
class MatchReports:
    """Reports under a prefix that ends with a slash. Implements `erasure.Forgets`.

    collection: whose faces they are of; who is forgotten elsewhere stays in them.
    """

    objects: ObjectStore
    receipts: Receipts
    bucket: str
    prefix: str
    collection: str

    def key_of(self, source: str) -> str:
        """`<prefix><image_id>.json`, or with the image's whole key where another image owns that.

        source: the image's bucket/key.
        """
        key = source.partition("/")[2]
        short = f"{self.prefix}{image_id_of_key(key)}.json"
        if owns(self.receipts, self._owned(short), _hashed(source)):
            return short
        return f"{self.prefix}{key}.json"

    @contextmanager
    def held(self, key: str) -> Iterator[None]:
        """Nobody else who asks so writes this report meanwhile, in any process."""
        name = f"writing:{self._owned(key)}"
        claim = self.receipts.claim(name, _LEASE_S)
        while claim.state is not ClaimState.MINE:
            time.sleep(_CHECK_S)
            claim = self.receipts.claim(name, _LEASE_S)
        try:
            yield
        finally:
            self.receipts.release(name, claim.token)

    def put(self, key: str, document: Document) -> None:
        """Writes a report, which its caller holds.

        On one line: Athena's readers of JSON know no other
        (https://docs.aws.amazon.com/athena/latest/ug/json-serde.html).
        """
        self.objects.put(self.bucket, key, f"{json.dumps(document, ensure_ascii=False)}\n".encode())

    def delete(self, key: str) -> None:
        """Deletes a report; its name is free for another image then."""
        with self.held(key):
            self.objects.delete(self.bucket, key)
            self.receipts.discard(f"owner:{self._owned(key)}")

    def withdraw(self, key: str, face_ids: Collection[str]) -> bool:
        """Takes matches with these faces out of a report; whether there were any."""
        return self._rewrite(key, lambda match: _text(match["Face"], "FaceId") in face_ids)

    def forget(self, gone: Gone) -> int:
        """Deletes the person's own reports and takes them out of others'; returns of how many reports."""
        if not gone.everywhere and self.collection not in gone.collections:
            return 0
        try:
            keys = [info.key for info in self.objects.list(self.bucket, self.prefix) if info.key.endswith(".json")]
        except NotFoundError:
            return 0
        return sum(self._forget(key, gone) for key in keys)

    def _forget(self, key: str, gone: Gone) -> bool:
        document = self._read(key)
        if document is not None and (document["CustomerID"] == gone.name or document["Source"] in gone.sources):
            self.delete(key)
            return True
        if document is None and self._is_lost(key, gone):
            self.delete(key)
            return True
        return self._rewrite(key, lambda match: _is_of(match, gone))

    def _is_lost(self, key: str, gone: Gone) -> bool:
        """Whether it is damaged and names the person: nobody can take them out of it, nor use it."""
        try:
            data = self.objects.get(self.bucket, key, _MAX_BYTES)[1]
        except (NotFoundError, InputError):
            return False
        return is_damaged(data) and says(data, quoted(gone.words | gone.sources))

    def _rewrite(self, key: str, leaves: Callable[[Document], bool]) -> bool:
        with self.held(key):
            document = self._read(key)
            if document is None or not any(leaves(match) for match in document["Matches"]):
                return False
            stay = [match for match in document["Matches"] if not leaves(match)]
            self.put(key, document | {"Matches": stay})
            return True

    def _read(self, key: str) -> Document | None:
        """None where there is no report, or something else lies there."""
        try:
            document = parsed(self.objects.get(self.bucket, key, _MAX_BYTES)[1])
        except (NotFoundError, InputError, ValueError):
            return None
        return document if _is_report(document) else None

    def _owned(self, key: str) -> str:
        """Receipts outlive whoever is forgotten, and an image is called as its customer: so only a hash is kept."""
        return _hashed(f"{self.bucket}/{key}")


def _is_report(document: Any) -> bool:
    if not isinstance(document, dict) or not all(isinstance(document.get(k), str) for k in ("Source", "CustomerID")):
        return False
    matches = document.get("Matches")
    return isinstance(matches, list) and all(isinstance(m, dict) and isinstance(m.get("Face"), dict) for m in matches)


def _is_of(match: Document, gone: Gone) -> bool:
    face = match["Face"]
    known = {"FaceId": gone.face_ids, "ImageId": gone.image_ids, "ExternalImageId": gone.external_image_ids}
    return match.get("CustomerId") == gone.name or any(_text(face, name) in ids for name, ids in known.items())


def _text(face: Document, name: str) -> str | None:
    """None for anything else that may stand there."""
    value = face.get(name)
    return value if isinstance(value, str) else None


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _ratios(box: BoundingBox, size: tuple[int, int] | None) -> Document | None:
    """As Amazon Rekognition has it; None for a face of an image whose size was not kept."""
    if size is None:
        return None
    sides = {"Width": box.width / size[0], "Height": box.height / size[1]}
    corner = {"Left": box.left / size[0], "Top": box.top / size[1]}
    return {name: round(value, 6) for name, value in (sides | corner).items()}
