"""Workflows 3 and 4 put together: which bucket, queue and collection does what. Part of the composition root."""

import json
from collections.abc import Callable
from typing import Any

from faceline.config import Names
from faceline.engine.align import TEMPLATES
from faceline.engine.analyzer import Analyzer
from faceline.engines import Engines
from faceline.errors import InputError, NotFoundError, SettingError, UsageError
from faceline.events import ObjectCreated
from faceline.gallery.collection import Collection
from faceline.gallery.keeping import CONSENT_MISSING, Keeping
from faceline.gallery.transfer import Gallery, check_names, give_out, take_in
from faceline.loading import image_limits, wanted, worker_count
from faceline.local.queue import SqliteQueue
from faceline.models.spaces import Space, space_named, space_of
from faceline.pipelines.clip_results import ClipResults
from faceline.pipelines.clips import video_limits
from faceline.pipelines.receipted import Receipted
from faceline.pipelines.telling import Tell, untold
from faceline.pipelines.video_arrivals import VideoArrivals
from faceline.pipelines.video_outputs import Outputs
from faceline.pipelines.video_recognition import Recognition, VideoRecognizer
from faceline.pipelines.video_splitting import Splitting, VideoSplitter
from faceline.pipelines.worker import Worker
from faceline.storage import Storage
from faceline.telemetry import request_id
from faceline.videos import Sampling

SPLITTING, RECOGNITION = "video-splitting", "face-recognition"  # queues, called as the functions that they feed


class VideoWorkflow:
    """collection, analyzer: those of a collection's name. tell: of whom was seen."""

    def __init__(
        self,
        storage: Storage,
        engines: Engines,
        collection: Callable[[str], Collection],
        analyzer: Callable[[str], Analyzer],
        tell: Tell = untold,
    ) -> None:
        self.names = _checked(storage.settings.names, storage.settings.input_bucket)
        self._storage, self._settings, self._engines = storage, storage.settings, engines
        self._collection, self._analyzer, self._tell = collection, analyzer, tell

    @property
    def queue(self) -> SqliteQueue:
        """Of clips and gallery files to work on."""
        return self._storage.queue_of(SPLITTING)

    @property
    def outputs(self) -> Outputs:
        return Outputs(self._storage.objects, self.names.output)

    @property
    def results(self) -> ClipResults:
        """What was made of each clip, to look at."""
        return ClipResults(self._storage.objects, self._storage.receipts, self.names)

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
        arrived = Receipted(self._storage.receipts, self._arrivals().handle, lease_s)
        return [
            Worker(self.queue, self.queue, arrived.take, lease_s),
            Worker(called, called, self.recognizer().take, lease_s),
        ]

    def splitter(self) -> VideoSplitter:
        s = self._settings
        sampling = Sampling(s.video_per_second, s.video_most_frames or None)
        see = self._storage.activity.put
        splitting = Splitting(s.video_mode == "first", sampling, _size(s.video_stage_size), video_limits(s))
        return VideoSplitter(self._storage.objects, self._storage.receipts, self.names, splitting, self._call, see)

    def recognizer(self) -> VideoRecognizer:
        source_of, see = self.results.source_of, self._storage.activity.put
        return VideoRecognizer(self._storage.objects, self.outputs, self._recognition, self._tell, source_of, see)

    def collection_name(self) -> str:
        """Who is looked for: the collection that is set, else the gallery that was dropped into the embeddings bucket,
        else whom photos are compared with.
        """
        if self._settings.video_collection:
            return self._settings.video_collection
        dropped = self.names.embeddings
        return dropped if dropped in self._storage.collections.models() else self._settings.collection

    @property
    def gallery_name(self) -> str:
        """The collection that gallery files become."""
        return self._settings.video_collection or self.names.embeddings

    def import_gallery(self, data: bytes, source: str, collection: str | None = None) -> tuple[int, int]:
        """Makes the entries of a `data.pt` the only faces from `source` in a collection; returns how many are new and
        how many went.

        collection: `gallery_name` unless named. Raises InputError, and ModelMismatchError when the collection has
        faces of another model; ModelError without the network that made them.
        """
        from faceline.models.importers.torch_gallery import read_gallery  # noqa: PLC0415 (few need it)

        space = self._facenet()
        vectors, names = read_gallery(data, source)
        gallery = Gallery(vectors, names, space.model, TEMPLATES[space.template].side)
        check_names(gallery, source)
        name = collection or self.gallery_name
        self._check_consents(names, name, source)
        self._storage.collections.create(name, space.model)
        return take_in(self._storage.face_records, name, gallery, source)

    def _check_consents(self, names: list[str], collection: str, source: str) -> None:
        keeping = Keeping(consents=self._storage.consents, consent_required=self._settings.consent_required)
        without = [name for name in dict.fromkeys(names) if keeping.refusal(collection, name, None)]
        if without:
            raise InputError(
                f"{source}: {CONSENT_MISSING} for {len(without)} of its people; note them with `faceline consent`"
            )

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

    def forget_in_gallery(self, source: str, name: str) -> bool:
        """Takes a person out of the gallery file that their face records came from; whether `source` is one."""
        from faceline.models.importers.torch_gallery import gallery_bytes, read_gallery  # noqa: PLC0415 (few need it)

        bucket, _, key = source.partition("/")
        if bucket != self.names.embeddings:
            return False
        try:
            data = self._storage.objects.get(bucket, key, self._settings.max_upload_bytes)[1]
        except NotFoundError:
            return False
        vectors, names = read_gallery(data, source)
        kept = [i for i, each in enumerate(names) if each != name]
        if kept:
            self._storage.objects.put(bucket, key, gallery_bytes(vectors[kept], [names[i] for i in kept]))
        else:
            self._storage.objects.delete(bucket, key)
        return True

    def delete_results(self, event: ObjectCreated, done: dict[str, Any]) -> None:
        """done: what `VideoSplitter.handle` returned for the event."""
        if "stem" in done:
            self.delete_stem(done["stem"])

    def delete_stem(self, stem: str) -> None:
        """Deletes what was staged of a clip, and its results."""
        self.splitter().unstage(stem)
        self.outputs.delete(stem)

    def _arrivals(self) -> VideoArrivals:
        limit = self._settings.max_upload_bytes
        return VideoArrivals(self._storage.objects, self.names, self.splitter(), self.import_gallery, limit)

    def _facenet(self) -> Space:
        """Whose embeddings a `data.pt` has. Raises ModelError when it is not here."""
        return space_named("facenet", self._engines.directory)

    def _call(self, payload: dict[str, Any]) -> None:
        self._storage.queue_of(RECOGNITION).send(json.dumps(payload | {"request_id": request_id()}))

    def _recognition(self) -> Recognition:
        s, name = self._settings, self.collection_name()
        return Recognition(
            self._collection(name), self._analyzer(name), wanted(s), image_limits(s), s.nearest_wins, worker_count(s)
        )


def _size(text: str) -> tuple[int, int] | None:
    width, _, height = text.partition("x")
    return (int(width), int(height)) if text else None


def _checked(names: Names, photos: str) -> Names:
    """Raises SettingError for buckets that are the same: results would be taken for clips."""
    buckets = {"input_bucket": photos, **{f"video_{each}_bucket": getattr(names, each) for each in names._fields[:4]}}
    if len(set(buckets.values())) < len(buckets):
        said = ", ".join(f"{setting} is {bucket}" for setting, bucket in buckets.items())
        raise SettingError(f"the buckets must all be different: {said}")
    return names
