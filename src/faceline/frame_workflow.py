"""Workflow 2 put together: which queue, collection and analyzer does what. Part of the composition root."""

from collections.abc import Callable

from faceline.engine.analyzer import Analyzer
from faceline.erasure import Gone
from faceline.errors import NotFoundError, SettingError
from faceline.gallery.collection import Collection
from faceline.loading import image_limits, wanted, worker_count
from faceline.local.queue import SqliteQueue
from faceline.pipelines.frame_messages import without_name
from faceline.pipelines.frames import FrameDetection, FrameRecognition
from faceline.pipelines.worker import Worker
from faceline.storage import Storage


class FrameWorkflow:
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
        self._settings = storage.settings
        self._collection, self._analyzer = collection, analyzer
        names = self._settings.names
        if names.requests == names.responses or {names.requests, names.responses} & set(others):
            raise SettingError(
                f"frames_request_queue {names.requests!r} and frames_response_queue {names.responses!r} must differ "
                f"from one another and from {', '.join(others)}; choose other names"
            )
        self.requests, self.responses = storage.queue_of(names.requests), storage.queue_of(names.responses)

    def queue(self, name: str) -> SqliteQueue:
        """Of the two. Raises NotFoundError: other queues are nobody's business."""
        for queue in (self.requests, self.responses):
            if queue.name == name:
                return queue
        raise NotFoundError(f"there is no queue {name!a}; there are {self.requests.name} and {self.responses.name}")

    def detection(self) -> FrameDetection:
        s = self._settings
        return FrameDetection(
            self.requests, self.responses, self._analyzer(), image_limits(s), wanted(s, embeddings=False)
        )

    def recognition(self) -> FrameRecognition:
        s = self._settings
        collection = self._collection() if s.collection else None
        limits, look = image_limits(s), wanted(s, embeddings=False)
        return FrameRecognition(self.responses, self._analyzer(), collection, limits, look, s.nearest_wins)

    def forget(self, gone: Gone) -> int:
        """Implements `erasure.Forgets` for answers that nobody has fetched yet: they say `Unknown` then."""
        if not gone.everywhere and self._settings.collection not in gone.collections:
            return 0
        return self.responses.rewrite(lambda body: without_name(body, gone.name))

    def workers(self) -> list[Worker]:
        """Of faces in the request queue, as many as there are for photos."""
        self.recognition()  # what is wrong with it is told now
        lease_s = self._settings.lease_s
        return [Worker(self.requests, self.requests, self._take, lease_s) for _ in range(worker_count(self._settings))]

    def _take(self, body: str) -> None:
        """By the model that the collection has now."""
        self.recognition().take(body)
