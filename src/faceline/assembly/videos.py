"""Workflows 3 and 4 put together: which bucket, collection and function does what."""

from collections.abc import Callable
from typing import Any

from faceline.assembly.stores import AnalyzerOf, CollectionOf, Stores
from faceline.config import Names, Settings
from faceline.engine.align import TEMPLATES
from faceline.engines import Engines
from faceline.errors import InputError, NotFoundError, SettingError
from faceline.gallery.keeping import CONSENT_MISSING, Keeping
from faceline.gallery.transfer import Gallery, check_names, take_in
from faceline.loading import image_limits, wanted, worker_count
from faceline.models.spaces import Space, space_named
from faceline.pipelines.clip_results import ClipResults
from faceline.pipelines.clips import video_limits
from faceline.pipelines.telling import Tell, untold
from faceline.pipelines.video_arrivals import VideoArrivals
from faceline.pipelines.video_outputs import Outputs
from faceline.pipelines.video_recognition import Recognition, VideoRecognizer
from faceline.pipelines.video_splitting import Splitting, VideoSplitter
from faceline.videos import Sampling

SPLITTING, RECOGNITION = "video-splitting", "face-recognition"  # queues, called as the functions that they feed


class VideoWork:
    """collection, analyzer: those of a collection's name. invoke: calls the second half without waiting for it.

    tell: of whom was seen. Raises SettingError for buckets that cannot be told apart.
    """

    def __init__(
        self,
        stores: Stores,
        engines: Engines,
        collection: CollectionOf,
        analyzer: AnalyzerOf,
        invoke: Callable[[dict[str, Any]], object],
        tell: Tell = untold,
    ) -> None:
        self.names = _checked(stores.settings.names, stores.settings.input_bucket)
        self._stores, self._settings, self._engines = stores, stores.settings, engines
        self._collection, self._analyzer, self._invoke, self._tell = collection, analyzer, invoke, tell

    @property
    def outputs(self) -> Outputs:
        return Outputs(self._stores.objects, self.names.output)

    @property
    def results(self) -> ClipResults:
        """What was made of each clip, to look at."""
        return ClipResults(self._stores.objects, self._stores.receipts, self.names)

    def splitter(self) -> VideoSplitter:
        s = self._settings
        sampling = Sampling(s.video_per_second, s.video_most_frames or None)
        see = self._stores.see
        splitting = Splitting(s.video_mode == "first", sampling, _size(s.video_stage_size), video_limits(s))
        return VideoSplitter(self._stores.objects, self._stores.receipts, self.names, splitting, self._invoke, see)

    def recognizer(self) -> VideoRecognizer:
        source_of, see = self.results.source_of, self._stores.see
        return VideoRecognizer(self._stores.objects, self.outputs, self._recognition, self._tell, source_of, see)

    def collection_name(self) -> str:
        """Who is looked for: the collection that is set, else the gallery that was dropped into the embeddings bucket,
        else whom photos are compared with.
        """
        if self._settings.video_collection:
            return self._settings.video_collection
        dropped = self.names.embeddings
        return dropped if dropped in self._stores.collections.models() else self._settings.collection

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
        self._stores.collections.create(name, space.model)
        return take_in(self._stores.face_records, name, gallery, source)

    def forget_in_gallery(self, source: str, name: str) -> bool:
        """Takes a person out of the gallery file that their face records came from; whether `source` is one."""
        from faceline.models.importers.torch_gallery import gallery_bytes, read_gallery  # noqa: PLC0415 (few need it)

        bucket, _, key = source.partition("/")
        if bucket != self.names.embeddings:
            return False
        try:
            data = self._stores.objects.get(bucket, key, self._settings.max_upload_bytes)[1]
        except NotFoundError:
            return False
        vectors, names = read_gallery(data, source)
        kept = [i for i, each in enumerate(names) if each != name]
        if kept:
            self._stores.objects.put(bucket, key, gallery_bytes(vectors[kept], [names[i] for i in kept]))
        else:
            self._stores.objects.delete(bucket, key)
        return True

    def delete_stem(self, stem: str) -> None:
        """Deletes what was staged of a clip, and its results."""
        self.splitter().unstage(stem)
        self.outputs.delete(stem)

    def arrivals(self) -> VideoArrivals:
        limit = self._settings.max_upload_bytes
        return VideoArrivals(self._stores.objects, self.names, self.splitter(), self.import_gallery, limit)

    def _check_consents(self, names: list[str], collection: str, source: str) -> None:
        keeping = Keeping(consents=self._stores.consents, consent_required=self._settings.consent_required)
        without = [name for name in dict.fromkeys(names) if keeping.refusal(collection, name, None)]
        if without:
            raise InputError(
                f"{source}: {CONSENT_MISSING} for {len(without)} of its people; note them with `faceline consent`"
            )

    def _facenet(self) -> Space:
        """Whose embeddings a `data.pt` has. Raises ModelError when it is not here."""
        return space_named("facenet", self._engines.directory)

    def _recognition(self) -> Recognition:
        s, name = self._settings, self.collection_name()
        return Recognition(
            self._collection(name),
            self._analyzer(name),
            wanted(s),
            image_limits(s),
            s.nearest_wins,
            worker_count(s),
            _most_frames(s),
        )


def _size(text: str) -> tuple[int, int] | None:
    width, _, height = text.partition("x")
    return (int(width), int(height)) if text else None


def _most_frames(settings: Settings) -> int:
    """That are sampled of a clip of the greatest length."""
    sampled = int(settings.max_video_s * settings.video_per_second) + 1
    return min(sampled, settings.video_most_frames or sampled)


def _checked(names: Names, photos: str) -> Names:
    """Raises SettingError for buckets that are the same: results would be taken for clips."""
    buckets = {"input_bucket": photos, **{f"video_{each}_bucket": getattr(names, each) for each in names._fields[:4]}}
    if len(set(buckets.values())) < len(buckets):
        said = ", ".join(f"{setting} is {bucket}" for setting, bucket in buckets.items())
        raise SettingError(f"the buckets must all be different: {said}")
    return names
