"""What the workflows are put together over: the stores of one profile, whichever that is."""

from collections.abc import Callable
from typing import Protocol

from faceline.activity import Entry
from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.gallery.collection import Collection
from faceline.gallery.keeping import Consents
from faceline.gallery.ports import Collections, FaceRecords
from faceline.ports import ObjectStore, Receipts, Records, WorkQueue

CollectionOf = Callable[[str], Collection]  # the collection of this name, in memory
AnalyzerOf = Callable[[str], Analyzer]  # what embeds as the collection of this name needs it


class Stores(Protocol):
    """Opened when first needed; the same one each time."""

    @property
    def settings(self) -> Settings: ...

    @property
    def objects(self) -> ObjectStore: ...

    @property
    def records(self) -> Records: ...

    @property
    def receipts(self) -> Receipts: ...

    @property
    def collections(self) -> Collections: ...

    @property
    def face_records(self) -> FaceRecords: ...

    @property
    def consents(self) -> Consents: ...

    def see(self, entry: Entry) -> None:
        """Takes what was seen, for whoever looks."""
        ...

    def queue_of(self, name: str) -> WorkQueue:
        """The queue of this name, shared by all callers in this process."""
        ...
