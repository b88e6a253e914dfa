"""The embedded profile's workflows 3 and 4: their queues, gallery files, results. Part of the composition root."""

import json
from typing import Any

from faceline.assembly.stores import AnalyzerOf, CollectionOf
from faceline.assembly.videos import RECOGNITION, SPLITTING, VideoWork
from faceline.engines import Engines
from faceline.errors import UsageError
from faceline.events import ObjectCreated
from faceline.gallery.transfer import give_out
from faceline.local.queue import SqliteQueue
from faceline.models.spaces import space_of
from faceline.pipelines.receipted import Receipted
from faceline.pipelines.telling import Tell, untold
from faceline.pipelines.worker import Worker
from faceline.storage import Storage
from faceline.telemetry import request_id


class VideoWorkflow(VideoWork):
    """collection, analyzer: those of a collection's name. tell: of whom was seen."""

    def __init__(
        self,
        storage: Storage,
        engines: Engines,
        collection: CollectionOf,
        analyzer: AnalyzerOf,
        tell: Tell = untold,
    ) -> None:
        super().__init__(storage, engines, collection, analyzer, self._call, tell)
        self._storage = storage

    @property
    def queue(self) -> SqliteQueue:
        """Of clips and gallery files to work on."""
        return self._storage.queue_of(SPLITTING)

    def recognised(self, stem: str) -> dict[str, Any]:
        """`names` of a staged clip, or `status` dead and a `reason` when it has no result."""
        names = self.outputs.names(stem)
        reason = "has no result: deleted, or it failed; see `faceline dead-letters list`, or put it --again"
        return {"status": "dead", "reason": reason} if names is None else {"names": names}

    def idle(self) -> bool:
        """Whether all that was staged has been recognised."""
        depth = self._storage.queue_of(RECOGNITION).depth()
        return depth["visible"] + depth["in_flight"] == 0

    def workers(self) -> list[Worker]:
        """One for what arrives and one for what was staged."""
        called, lease_s = self._storage.queue_of(RECOGNITION), self._settings.lease_s
        arrived = Receipted(self._storage.receipts, self.arrivals().handle, lease_s)
        return [
            Worker(self.queue, self.queue, arrived.take, lease_s),
            Worker(called, called, self.recognizer().take, lease_s),
        ]

    def export_gallery(self, collection: str) -> tuple[bytes, int]:
        """The bytes of a `data.pt` and how many entries it has.

        Raises NotFoundError, and UsageError for embeddings of another model or when nobody is in the collection.
        """
        from faceline.models.importers.torch_gallery import gallery_bytes  # noqa: PLC0415 (few need it)

        model = self._storage.collections.model(collection)
        if space_of(model, self._engines.directory).name != "facenet":
            raise UsageError(
                f"{collection} has embeddings of {model}, and a data.pt takes those of facenet only; "
                "--format open takes all"
            )
        vectors, names = give_out(self._storage.face_records.find(collection))
        if not names:
            raise UsageError(f"{collection} has no faces with a name; there is nothing to export")
        return gallery_bytes(vectors, names), len(names)

    def delete_results(self, event: ObjectCreated, done: dict[str, Any]) -> None:
        """done: what `VideoSplitter.handle` returned for the event."""
        if "stem" in done:
            self.delete_stem(done["stem"])

    def _call(self, payload: dict[str, Any]) -> None:
        self._storage.queue_of(RECOGNITION).send(json.dumps(payload | {"request_id": request_id()}))
