"""Workflow 1 put together: which stores and engine a photo passes."""

from dataclasses import dataclass
from typing import Any

from faceline.assembly.stores import Stores
from faceline.errors import ModelMismatchError
from faceline.events import ObjectCreated
from faceline.faces import FacesOf
from faceline.loading import image_limits
from faceline.pipelines.images import ImagePipeline, KeepUnknown, Places
from faceline.pipelines.telling import Tell, untold


@dataclass(frozen=True, slots=True)
class ImageWork:
    """faces: the engine, asked for with every photo. tell: of whom was seen. keep_unknown: takes faces of strangers."""

    stores: Stores
    faces: FacesOf
    tell: Tell = untold
    keep_unknown: KeepUnknown | None = None

    def pipeline(self) -> ImagePipeline:
        """Raises SettingError for prefixes that cannot be told apart."""
        s = self.stores.settings
        return ImagePipeline(
            objects=self.stores.objects,
            records=self.stores.records,
            receipts=self.stores.receipts,
            faces=self.faces(s.collection),
            collection=s.collection,
            places=Places.of(s),
            limits=image_limits(s),
            emotions_kept=s.emotions_kept,
            tell=self.tell,
            keep_unknown=self.keep_unknown if s.collection else None,
            see=self.stores.see,
        )

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """By the model that the collection has now; a photo in hand while that changes is looked at once more."""
        try:
            return self.pipeline().handle(event)
        except ModelMismatchError:
            return self.pipeline().handle(event)
