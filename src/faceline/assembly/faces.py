"""Our own engine put together: the collections in memory and the networks behind `faces.FaceService`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from faceline.assembly.stores import AnalyzerOf, CollectionOf, Stores
from faceline.gallery.enrolment import Outcome, Photo
from faceline.loading import wanted
from faceline.pipelines.own_faces import OwnFaces


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """collection, analyzer: those of a collection's name. enroll: into the settings' collection."""

    stores: Stores
    collection: CollectionOf
    analyzer: AnalyzerOf
    enroll: Callable[[Photo], Outcome]

    def of(self, name: str) -> OwnFaces:
        """Over the collection of this name, by the model that it has when the first face is looked at."""
        s, stores = self.stores.settings, self.stores
        analyzer = cache(partial(self.analyzer, name))

        def create() -> None:
            stores.collections.create(name, analyzer().model)

        collection = partial(self.collection, name)
        return OwnFaces(name, stores.face_records, collection, analyzer, create, self.enroll, wanted(s), s.keep_crops)

    def loaded(self, name: str) -> OwnFaces:
        """The same with its networks open, so that a missing one is told at once. Raises ModelError."""
        faces = self.of(name)
        faces.analyzer()
        return faces
