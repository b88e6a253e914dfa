"""The embedded profile's workflow 2: its queues and workers. Part of the composition root."""

from collections.abc import Callable

from faceline.assembly.frames import FrameWork
from faceline.engine.analyzer import Analyzer
from faceline.erasure import Gone
from faceline.errors import NotFoundError
from faceline.gallery.collection import Collection
from faceline.loading import worker_count
from faceline.local.queue import SqliteQueue
from faceline.pipelines.frame_messages import without_name
from faceline.pipelines.worker import Worker
from faceline.storage import Storage


class FrameWorkflow(FrameWork):
    """collection, analyzer: those of the settings' collection. others: names of queues that serve something else.

    Raises SettingError for queues that cannot be told apart.
    """

    def __init__(
        self,
        storage: Storage,
        collection: Callable[[], Collection],
        analyzer: Callable[[], Analyzer],
        others: tuple[str, ...] = (),
    ) -> None:
        super().__init__(storage, collection, analyzer, others)
        names = storage.settings.names
        self.requests, self.responses = storage.queue_of(names.requests), storage.queue_of(names.responses)

    def queue(self, name: str) -> SqliteQueue:
        """Of the two. Raises NotFoundError: other queues are nobody's business."""
        for queue in (self.requests, self.responses):
            if queue.name == name:
                return queue
        raise NotFoundError(f"there is no queue {name!a}; there are {self.requests.name} and {self.responses.name}")

    def forget(self, gone: Gone) -> int:
        """Implements `erasure.Forgets` for answers that nobody has fetched yet: they say `Unknown` then."""
        if not gone.everywhere and self._settings.collection not in gone.collections:
            return 0
        return self.responses.rewrite(lambda body: without_name(body, gone.name))

    def workers(self) -> list[Worker]:
        """Of faces in the request queue, as many as there are for photos."""
        self.recognition()  # what is wrong with it is told now
        lease_s = self._settings.lease_s
        return [Worker(self.requests, self.requests, self.take, lease_s) for _ in range(worker_count(self._settings))]
