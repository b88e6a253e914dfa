"""The embedded profile's workflow 5: its buckets, queue and workers. Part of the composition root."""

from faceline.assembly.matching import MatchingWork
from faceline.events import ObjectCreated
from faceline.faces import FacesOf
from faceline.loading import worker_count
from faceline.local.queue import SqliteQueue
from faceline.notices import Tells
from faceline.pipelines.matching import Review
from faceline.pipelines.receipted import Receipted
from faceline.pipelines.report_pages import ReportPages
from faceline.pipelines.worker import Worker
from faceline.storage import Storage


class MatchingWorkflow(MatchingWork):
    """As `MatchingWork`, over one data directory."""

    def __init__(
        self,
        storage: Storage,
        faces: FacesOf,
        tells: Tells,
        others: tuple[str, ...] = (),
        review: Review = Review(),  # noqa: B008 (nothing changes it)
    ) -> None:
        super().__init__(storage, faces, tells, others, review)
        self._storage = storage

    @property
    def queue(self) -> SqliteQueue:
        """Of images to work on."""
        return self._storage.queue_of(self._settings.names.matching)

    @property
    def report_pages(self) -> ReportPages:
        s, objects = self._settings, self._storage.objects
        return ReportPages(objects, objects.index.keys, s.names.matches, s.matching_output_prefix)

    def make_buckets(self) -> None:
        self._storage.objects.make_bucket(*self.place)
        self._storage.objects.make_bucket(self._settings.names.matches, self._settings.matching_output_prefix)

    def workers(self) -> list[Worker]:
        """As many as there are for photos."""
        lease_s = self._settings.lease_s
        take = Receipted(self._storage.receipts, self.handle, lease_s).take
        return [Worker(self.queue, self.queue, take, lease_s) for _ in range(worker_count(self._settings))]

    def delete(self, event: ObjectCreated) -> None:
        """Deletes an image with its face record, its report, and what other reports say of it."""
        # The image goes first: a worker that has it in hand looks for it at the end, and takes back what it did.
        self._storage.objects.delete(event.bucket, event.key)
        self._storage.receipts.discard(event.event_id)
        self.matcher().remove(event.bucket, event.key)
