"""So that no face stays at Amazon Rekognition of which we have no record.

IndexFaces takes no name for an attempt, so that a process that dies between it and the record leaves a face behind. A
mark is made before and taken away afterwards; whoever finds one looks for faces without a record.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from faceline.aws.rekognition_api import Rekognition
from faceline.errors import StorageError
from faceline.gallery.ports import FaceRecords
from faceline.ports import Claim, ClaimState, Receipts

_LEASE_S = 10.0
_CHECK_S = 0.05
_CHECKS = round(2 * _LEASE_S / _CHECK_S)


@dataclass(frozen=True, slots=True)
class Traces:
    """settle_s: how long another worker may take from indexing a face to writing its record."""

    api: Rekognition
    records: FaceRecords
    receipts: Receipts
    settle_s: float = 5.0

    def mark(self, source: str, labels: Iterable[str]) -> bool:
        """Notes that faces of this bucket/key may be without a record; whether that was noted before.

        labels: the ExternalImageIds that they would have. Raises StorageError when another one holds the note for
        twice as long as it may.
        """
        name = self._name(source)
        claim = self._claim(name, source)
        if claim.state is ClaimState.MINE:
            self.receipts.complete(name, claim.token, json.dumps([_hashed(label) for label in labels]))
        return claim.state is ClaimState.DONE

    def is_marked(self, source: str) -> bool:
        return self.receipts.result(self._name(source)) is not None

    def sweep(self, source: str) -> None:
        """Deletes faces with the labels that were marked and without a record.

        Reads the whole collection, 1,000 faces a request.
        """
        labels = json.loads(self.receipts.result(self._name(source)) or "[]")
        called_so = [f["FaceId"] for f in self.api.faces() if _hashed(f.get("ExternalImageId", "")) in labels]
        lost = self._without_record(called_so)
        if lost:
            time.sleep(self.settle_s)
            self.api.delete(self._without_record(lost))

    def clear(self, source: str) -> None:
        self.receipts.discard(self._name(source))

    def _claim(self, name: str, source: str) -> Claim:
        for _ in range(_CHECKS):
            claim = self.receipts.claim(name, _LEASE_S)
            if claim.state is not ClaimState.BUSY:
                return claim
            time.sleep(_CHECK_S)  # another one is between claim and completion, or died there
        raise StorageError(
            f"{source}: another worker holds the note on its faces for over {2 * _LEASE_S:g} s and may have it for "
            f"{_LEASE_S:g}; try again later, and see whether the workers' clocks agree"
        )

    def _without_record(self, face_ids: list[str]) -> list[str]:
        there = {record.face_id for record in self.records.find(self.api.collection, face_ids=face_ids)}
        return [face_id for face_id in face_ids if face_id not in there]

    def _name(self, source: str) -> str:
        return f"indexing:{_hashed(f'{self.api.collection}/{source}')}"


def _hashed(text: str) -> str:
    """Receipts may outlive whoever is forgotten, and files and labels are called as people are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
