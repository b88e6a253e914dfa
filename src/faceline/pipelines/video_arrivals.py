"""What arrives for workflows 3 and 4: clips in the input bucket, gallery files in the embeddings bucket."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faceline.config import Names
from faceline.errors import ConflictError, InputError
from faceline.events import ObjectCreated
from faceline.pipelines.rounds import rounds
from faceline.pipelines.video_splitting import VideoSplitter
from faceline.ports import ObjectStore

_log = logging.getLogger("faceline.pipelines.video_arrivals")


@dataclass(frozen=True, slots=True)
class VideoArrivals:
    """import_gallery: takes a gallery file's bytes and its source, bucket/key, and returns how many entries are new and
    how many went.

    What it refuses becomes a dead letter: a gallery has no results that could say why. It may be right another time,
    with the consents noted or the model changed.
    """

    objects: ObjectStore
    names: Names
    splitter: VideoSplitter
    import_gallery: Callable[[bytes, str], tuple[int, int]]
    max_gallery_bytes: int

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """What was done, as a small document. Safe to repeat. Raises InputError or ModelError for a gallery file that
        cannot be taken in."""
        if event.bucket == self.names.embeddings:
            return self._import(event)
        return self.splitter.handle(event)

    def _import(self, event: ObjectCreated) -> dict[str, Any]:
        """Until the file that was taken in is still there: so an older one never has the last word."""
        looks = rounds(event.bucket, event.key)
        while True:
            next(looks)
            info, data = self.objects.get(event.bucket, event.key, self.max_gallery_bytes)
            new, gone = self._taken_in(data, f"{info.bucket}/{info.key}")
            if self.objects.head(event.bucket, event.key).etag == info.etag:
                break
        _log.info("gallery imported", extra={"bucket": event.bucket, "key": event.key, "new": new, "gone": gone})
        return {"status": "enrolled", "new": new, "gone": gone}

    def _taken_in(self, data: bytes, source: str) -> tuple[int, int]:
        try:
            return self.import_gallery(data, source)
        except ConflictError as error:  # more deliveries would not help
            raise InputError(f"{source}: {error}") from error
