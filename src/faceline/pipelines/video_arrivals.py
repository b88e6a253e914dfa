"""What arrives for workflows 3 and 4: clips in the input bucket, gallery files in the embeddings bucket."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from faceline.config import Names
from faceline.errors import ConflictError, InputError, ModelMismatchError
from faceline.events import ObjectCreated
from faceline.pipelines.video_splitting import VideoSplitter
from faceline.ports import ObjectStore

_log = logging.getLogger("faceline.pipelines.video_arrivals")


@dataclass(frozen=True, slots=True)
class VideoArrivals:
    """import_gallery: takes a gallery file's bytes and its source, bucket/key, and returns how many entries are new and
    how many went.
    """

    objects: ObjectStore
    names: Names
    splitter: VideoSplitter
    import_gallery: Callable[[bytes, str], tuple[int, int]]
    max_gallery_bytes: int

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """What was done, as a small document. Safe to repeat."""
        if event.bucket == self.names.embeddings:
            return self._import(event)
        return self.splitter.handle(event)

    def _import(self, event: ObjectCreated) -> dict[str, Any]:
        try:
            info, data = self.objects.get(event.bucket, event.key, self.max_gallery_bytes)
            new, gone = self.import_gallery(data, f"{info.bucket}/{info.key}")
        except (InputError, ModelMismatchError, ConflictError) as error:
            _log.warning("gallery not imported", extra={"bucket": event.bucket, "key": event.key, "error": str(error)})
            return {"status": "refused", "reason": str(error)}
        _log.info("gallery imported", extra={"bucket": event.bucket, "key": event.key, "new": new, "gone": gone})
        return {"status": "enrolled", "new": new, "gone": gone}
