"""Workflow 5 put together: which bucket, queue and collection does what."""

from functools import partial
from typing import Any

from faceline.assembly.stores import Stores
from faceline.config import Settings
from faceline.errors import ModelMismatchError, SettingError
from faceline.events import ObjectCreated
from faceline.faces import FacesOf
from faceline.gallery.keeping import Keeping
from faceline.loading import image_limits
from faceline.notices import Tells
from faceline.pipelines.customers import Customers
from faceline.pipelines.match_reports import MatchReports
from faceline.pipelines.matching import Gallery, Matcher, Review, Rules

Place = tuple[str, str]


class MatchingWork:
    """faces: the engine of a collection's name. tells: takes what is found. others: names of queues that
    serve something else. review: what people decide about matches.

    Raises SettingError for buckets, folders or queues that cannot be told apart, and for a bad `matching_customer`.
    """

    def __init__(
        self,
        stores: Stores,
        faces: FacesOf,
        tells: Tells,
        others: tuple[str, ...] = (),
        review: Review = Review(),  # noqa: B008 (nothing changes it)
    ) -> None:
        self._stores, self._settings = stores, stores.settings
        self._faces, self._tells = faces, tells
        self._review = review
        _check(self._settings, others)
        s = self._settings
        self._customers = Customers(stores.objects, s.names.images, s.matching_manifest, s.matching_customer)

    @property
    def place(self) -> Place:
        """The bucket and the prefix that images come in by."""
        return self._settings.names.images, self._settings.matching_prefix

    @property
    def reports(self) -> MatchReports:
        s, stores = self._settings, self._stores
        bucket, collection = s.names.matches, s.names.matching_collection
        return MatchReports(stores.objects, stores.receipts, bucket, s.matching_output_prefix, collection)

    def starts_work(self, bucket: str, key: str) -> bool:
        """Whether an object of this name is an image to work on."""
        images, prefix = self.place
        return bucket == images and key.startswith(prefix) and key != self._settings.matching_manifest

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """An image in hand while the collection gets another model is looked at once more."""
        try:
            return self.matcher().handle(event)
        except ModelMismatchError:
            return self.matcher().handle(event)

    def matcher(self) -> Matcher:
        s = self._settings
        rules = Rules(
            *self.place,
            s.matching_min_similarity,
            s.matching_most,
            s.matching_notify_similarity,
            s.matching_pairwise,
        )
        return Matcher(
            self._stores.objects,
            self._customers,
            self._gallery(),
            self.reports,
            self._tells,
            rules,
            image_limits(s),
            self._review,
        )

    def _gallery(self) -> Gallery:
        s, name = self._settings, self._settings.names.matching_collection
        keeping = Keeping(s.keep_crops, self._stores.consents, s.consent_required)
        return Gallery(name, self._stores.face_records, partial(self._faces, name), keeping)


def _check(settings: Settings, others: tuple[str, ...]) -> None:
    names = settings.names
    used = {"input_bucket": settings.input_bucket}
    used |= {f"video_{each}_bucket": getattr(names, each) for each in names._fields[:4]}
    for setting, bucket in (("matching_bucket", names.images), ("matching_output_bucket", names.matches)):
        taken = next((other for other, each in used.items() if each == bucket), None)
        if taken:
            raise SettingError(f"{setting} and {taken} are both {bucket}: give one of them another name")
    prefixes = {each: getattr(settings, each) for each in ("matching_prefix", "matching_output_prefix")}
    for setting, prefix in prefixes.items():
        if not prefix.endswith("/"):
            raise SettingError(f"{setting} is {prefix!r}; it must be a folder that ends with /")
    images, reports = prefixes.values()
    if names.images == names.matches and (images.startswith(reports) or reports.startswith(images)):
        raise SettingError(
            f"matching_prefix {images!r} and matching_output_prefix {reports!r} lie within one another in "
            f"{names.images}: reports would be taken for images"
        )
    if names.matching in others:
        raise SettingError(
            f"matching_queue is {names.matching!r}; it must differ from {', '.join(others)}; choose another name"
        )
