"""Workflow 2 put together: which queue, collection and analyzer does what."""

from collections.abc import Callable

from faceline.assembly.stores import Stores
from faceline.engine.analyzer import Analyzer
from faceline.errors import SettingError
from faceline.gallery.collection import Collection
from faceline.loading import image_limits, wanted
from faceline.pipelines.frames import FrameDetection, FrameRecognition


class FrameWork:
    """collection, analyzer: those of the settings' collection. others: names of queues that serve something else.

    Raises SettingError for queues that cannot be told apart.
    """

    def __init__(
        self,
        stores: Stores,
        collection: Callable[[], Collection],
        analyzer: Callable[[], Analyzer],
        others: tuple[str, ...] = (),
    ) -> None:
        self._settings = stores.settings
        self._collection, self._analyzer = collection, analyzer
        names = self._settings.names
        if names.requests == names.responses or {names.requests, names.responses} & set(others):
            raise SettingError(
                f"frames_request_queue {names.requests!r} and frames_response_queue {names.responses!r} must differ "
                f"from one another and from {', '.join(others)}; choose other names"
            )
        self._requests, self._responses = stores.queue_of(names.requests), stores.queue_of(names.responses)

    def detection(self) -> FrameDetection:
        s = self._settings
        look = wanted(s, embeddings=False)
        return FrameDetection(self._requests, self._responses, self._analyzer(), image_limits(s), look)

    def recognition(self) -> FrameRecognition:
        s = self._settings
        collection = self._collection() if s.collection else None
        limits, look = image_limits(s), wanted(s, embeddings=False)
        return FrameRecognition(self._responses, self._analyzer(), collection, limits, look, s.nearest_wins)

    def take(self, body: str) -> None:
        """One message of the request queue, by the model that the collection has now."""
        self.recognition().take(body)
