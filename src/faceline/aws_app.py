"""The AWS profile's composition root: which adapter does what in a function, and what a function makes of its event."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from faceline.assembly.faces import OwnEngine
from faceline.assembly.frames import FrameWork
from faceline.assembly.images import ImageWork
from faceline.assembly.matching import MatchingWork
from faceline.aws.batch import Settling, Take, answered, is_batch, queue_name
from faceline.aws.functions import Functions
from faceline.aws.notifier import SnsSender
from faceline.aws.observing import Invocation
from faceline.aws_storage import TOPIC, AwsStorage
from faceline.config import Settings
from faceline.engine.analyzer import Analyzer
from faceline.engines import Engines
from faceline.errors import FacelineError, InputError, ModelMismatchError, NotFoundError
from faceline.events import ObjectCreated, from_document
from faceline.faces import FacesOf
from faceline.gallery.collection import Collection
from faceline.gallery.enrolment import Enroller, Outcome, Photo
from faceline.gallery.keeping import Keeping
from faceline.loading import image_limits, wanted
from faceline.notices import Notice, Sender
from faceline.notify.rules import routes
from faceline.notify.senders import opened
from faceline.pipelines.arrivals import Arrivals
from faceline.pipelines.notifying import Deliverer
from faceline.pipelines.staging import MANIFEST
from faceline.pipelines.waking import Waking, wake
from faceline.pipelines.worker import Worker
from faceline.ports import WorkQueue
from faceline.similarity import Rule, Scorer
from faceline.targets import Target
from faceline.telemetry import following, request_id

if TYPE_CHECKING:
    from faceline.assembly.videos import VideoWork

_log = logging.getLogger("faceline.aws")
_MOST_AT_START = 30_000  # faces: some four seconds on one core

Event = Any  # whatever JSON Lambda was given
Taking = Callable[[WorkQueue], Take]  # how a message of this queue is worked on


class AwsApp(AwsStorage):
    """The AWS profile in one process. What is opened stays open between invocations; collections stay in memory, and
    follow the table with every search.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.engines = Engines(settings)
        self._collections: dict[str, Collection] = {}

    @cached_property
    def rule(self) -> Rule:
        s = self.settings
        return Rule(s.strangers_named, s.min_similarity, s.ambiguity_margin)

    @cached_property
    def images(self) -> ImageWork:
        """Workflow 1."""
        return ImageWork(self, self.faces, self.seen)

    @cached_property
    def frames(self) -> FrameWork:
        """Workflow 2."""
        return FrameWork(self, self.collection, self.analyzer, self._other_queues())

    @cached_property
    def videos(self) -> "VideoWork":
        """Workflows 3 and 4."""
        from faceline.assembly.videos import VideoWork  # noqa: PLC0415 (the other functions start sooner without)

        return VideoWork(self, self.engines, self.collection, self.analyzer, self._call, self.seen)

    @cached_property
    def matching(self) -> MatchingWork:
        """Workflow 5."""
        return MatchingWork(self, self.faces, self, self._other_queues())

    @property
    def faces(self) -> FacesOf:
        """The engine that the settings choose, over the collection of a name."""
        return self._rekognition if self.settings.engine == "rekognition" else self.own_engine.of

    @cached_property
    def _rekognition(self) -> FacesOf:
        from faceline.aws.faces import Kept, rekognition_engine  # noqa: PLC0415 (few choose it)

        kept = Kept(self.face_records, self.collections, self.marks, self.keeping)
        return rekognition_engine(self.clients, self.settings, image_limits(self.settings), kept)

    @property
    def keeping(self) -> Keeping:
        """What is kept of who is enrolled."""
        return Keeping(self.settings.keep_crops, self.consents, self.settings.consent_required)

    @cached_property
    def own_engine(self) -> OwnEngine:
        return OwnEngine(self, self.collection, self.analyzer, self.enroll)

    def model_of(self, collection: str | None = None) -> str:
        """What a collection is pinned to, the settings' collection unless named; for a new one the default."""
        try:
            return self.collections.model(collection or self.settings.collection)
        except NotFoundError:
            return self.engines.model

    def analyzer(self, collection: str | None = None) -> Analyzer:
        """Embeds as a collection needs it. Raises ModelError."""
        return self.engines.analyzer(self.model_of(collection))

    def scorer(self, collection: str | None = None) -> Scorer:
        """Compares what `analyzer` embeds. Raises ModelError."""
        return self.engines.scorer(self.model_of(collection))

    def collection(self, name: str | None = None) -> Collection:
        """The collection in memory. It need not exist yet."""
        name = name or self.settings.collection
        with self._lock:
            if name not in self._collections:
                score = self.settings.person_score
                made = Collection(name, self.face_records, self.scorer(name), self.rule, score)
                made.scorer_of = self.engines.scorer
                self._collections[name] = made
            return self._collections[name]

    def enroll(self, photo: Photo) -> Outcome:
        """Enrols into the settings' collection, which is made again when somebody dropped it."""
        try:
            return self._enroller.enroll_photo(photo)
        except (NotFoundError, ModelMismatchError):  # dropped, or given another model
            self.__dict__.pop("_enroller", None)
            return self._enroller.enroll_photo(photo)

    def open_photos(self) -> None:
        """So do the others: opens what the first event of their function would have to open. Raises SettingError."""
        self.images.pipeline()
        self.targets  # noqa: B018 (checked now)
        self.clients.s3  # noqa: B018 (opened now)
        self._open_engine(self.settings.collection)

    def open_enrolment(self) -> None:
        self.images.pipeline()
        self.clients.s3  # noqa: B018 (opened now)
        self._open_networks(self.settings.collection)

    def open_frames(self) -> None:
        self.frames.detection()

    def open_requests(self) -> None:
        self.frames.recognition()
        self._fill(self.settings.collection)

    def open_clips(self) -> None:
        self.videos.arrivals()

    def open_staged(self) -> None:
        self.videos.recognizer()
        self.targets  # noqa: B018 (checked now)
        name = self.videos.collection_name()
        self.analyzer(name)
        self._fill(name)

    def open_matching(self) -> None:
        self.matching.matcher()
        self.targets  # noqa: B018 (checked now)
        self.clients.s3  # noqa: B018 (opened now)
        self._open_engine(self.settings.names.matching_collection)

    def open_notices(self) -> None:
        self.notices  # noqa: B018 (opened now)

    def put(self, notice: Notice) -> bool:
        """Implements `notices.Tells`: keeps the notice, and has it brought, also when an earlier try died between."""
        new = self.notices.put(notice)
        message_id = self.notices.message_id(notice)
        if not self.notices.settled(message_id, [each.name for each in self.targets]):
            wake(self.queue_of(self.names.notify), message_id)
        return new

    def seen(self, notice: Notice) -> bool:
        """Puts a notice of who was seen where, if somebody wants it; others say nothing that results do not say."""
        return bool(routes(self.targets, notice)) and self.put(notice)

    def photos(self, event: Event, invocation: Invocation) -> dict[str, Any]:
        """A batch of the queue of photos or of labelled ones, or an event of S3, SNS or EventBridge."""
        return self._arrived(event, invocation, self.images.handle)

    def clips(self, event: Event, invocation: Invocation) -> dict[str, Any]:
        """The same for clips and gallery files."""
        return self._arrived(event, invocation, self.videos.arrivals().handle)

    def images_to_match(self, event: Event, invocation: Invocation) -> dict[str, Any]:
        """The same for images of workflow 5."""
        return self._arrived(event, invocation, self.matching.handle)

    def frame(self, event: Event, invocation: Invocation) -> dict[str, Any] | list[dict[str, Any]]:
        """What a client of the Function URL or of API Gateway is answered, whatever happens."""
        try:
            return invocation.counting(self.frames.detection().handle)(event)
        except Exception as error:  # noqa: BLE001 (a client is owed an answer that is no traceback)
            _log.exception("frame failed")
            said = str(error) if isinstance(error, FacelineError) else "an internal error; the function's log says more"
            return {"statusCode": 500, "body": json.dumps({"error": said, "request_id": request_id()})}

    def requests(self, event: Event, invocation: Invocation) -> dict[str, Any]:
        """A batch of the request queue of workflow 2. Raises InputError for any other event."""
        if not is_batch(event):
            raise InputError("the event is no batch of a queue; expected Records whose eventSource is aws:sqs")
        return self._batch(event, invocation, partial(self._worker, invocation.counting(self.frames.take)))

    def staged(self, event: Event, invocation: Invocation) -> Any:
        """A call of `video-splitting`, an event of the stage bucket, or a failed one of both as Lambda reports it.

        Raises what went wrong, so that Lambda tries again and tells its destination in the end.
        """
        handle = invocation.counting(self.videos.recognizer().handle)
        answers = []
        for call in _calls(event, self.settings.video_mode):
            with following(str(call.get("request_id") or request_id())):
                answers.append(handle(call))
        return answers[0] if len(answers) == 1 else answers

    def told(self, event: Event, invocation: Invocation) -> dict[str, Any]:
        """A batch of the queue of notices. Any other event, such as a schedule's, has all told that is due."""
        longest_s = max((each.timeout_s for each in self.targets), default=0.0)
        least_s = min(longest_s + 1.0, invocation.left_s() / 2)  # half: else a short timeout would never tell anybody
        waking = Waking(
            self.notices,
            [self._deliverer(each, partial(invocation.count, "not_told")) for each in self.targets],
            self.settings.max_receives,
            self.settings.lease_s,
            lambda: invocation.left_s() > least_s,
        )
        if not is_batch(event):
            return {"tried": waking.drain()}

        def taking(queue: WorkQueue) -> Take:
            return invocation.counting(partial(waking.take, queue))

        return self._batch(event, invocation, taking, found_again=True)

    def _arrived(
        self, event: Event, invocation: Invocation, handler: Callable[[ObjectCreated], dict[str, Any]]
    ) -> dict[str, Any]:
        arrivals = Arrivals(self.receipts, invocation.counting(handler), self.settings.lease_s)
        if is_batch(event):
            return self._batch(event, invocation, partial(self._worker, arrivals.take))
        results = []
        for each in from_document(event):
            with following(each.request_id or request_id()):
                results.append(arrivals.handle(each))
        return {"results": results}

    def _batch(self, event: Event, invocation: Invocation, taking: Taking, found_again: bool = False) -> dict[str, Any]:
        queue, buried = self.queue_of(queue_name(event)), partial(invocation.count, "dead_letters")
        settling = Settling(queue, self.settings.max_receives, buried, found_again)
        return answered(settling, event["Records"], taking(settling), invocation.left_s)

    def _worker(self, work: Callable[[str], object], queue: WorkQueue) -> Take:
        s = self.settings
        return Worker(queue, queue, work, s.lease_s, retry_delay_s(s.lease_s, s.max_receives)).take

    def _open_engine(self, collection: str) -> None:
        self._open_networks(collection)
        if self.settings.engine == "faceline" and collection:
            self._fill(collection)

    def _fill(self, name: str) -> None:
        """Reads a collection into memory. A larger one is left to the first event, which may take longer: a process has
        ten seconds to start (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
        """
        collection = self.collection(name)
        with suppress(NotFoundError):  # it need not exist yet
            if self.collections.get(name).faces <= _MOST_AT_START:
                collection.refresh()

    def _open_networks(self, collection: str) -> None:
        if self.settings.engine == "faceline":
            self.analyzer(collection)
            self.engines.usable(self.settings.attributes)

    def _call(self, payload: dict[str, Any]) -> None:
        Functions(self.clients).start(self.names.recognition, payload | {"request_id": request_id()})

    def _deliverer(self, target: Target, given_up: Callable[[int], object]) -> Deliverer:
        sender = partial(self._sender, target)
        return Deliverer(self.notices, target, sender, self.settings.lease_s, given_up=given_up)

    def _sender(self, target: Target) -> Sender:
        if target.name == TOPIC:
            return SnsSender(self.clients, self.settings.aws_topic, self.settings.id)
        return opened(target, self.settings.id)

    def _other_queues(self) -> tuple[str, ...]:
        return (self.names.photos, self.names.enroll, self.names.clips, self.names.notify)

    @cached_property
    def _enroller(self) -> Enroller:
        """Makes the collection where there is none."""
        s, analyzer = self.settings, self.analyzer()
        self.collections.create(s.collection, analyzer.model)
        return Enroller(s.collection, self.face_records, analyzer, wanted(s), image_limits(s), self.keeping)


def retry_delay_s(lease_s: float, max_receives: int) -> float:
    """After the first failure; a worker doubles it six times at most. All together they outlast a lease: of a repeated
    message whose twin was in hand when its process died, one of the deliveries may take the work.
    """
    doublings = min(max(max_receives - 1, 1), 7)
    return 1.1 * lease_s / (2.0**doublings - 1)


def _calls(event: Event, mode: str) -> list[Mapping[str, Any]]:
    """What to look at. Of all that is staged of a clip, one object's event counts: with mode `all` its list of frames.

    Raises InputError for what is no call.
    """
    if isinstance(event, Mapping) and "requestPayload" in event:  # once: Lambda reports an event, not a report
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        event = event["requestPayload"]
    if isinstance(event, Mapping) and "bucket_name" in event:
        return [event]
    try:
        created = from_document(event)
    except InputError as error:
        expected = 'expected {"bucket_name": …, "image_file_name": …}, or an event of the stage bucket'
        raise InputError(f"the call has no bucket_name ({error}); {expected}") from error
    last = f"/{MANIFEST}" if mode == "all" else ".jpg"
    staged = (each for each in created if each.key.endswith(last))
    return [{"bucket_name": e.bucket, "image_file_name": e.key, "request_id": e.request_id} for e in staged]
