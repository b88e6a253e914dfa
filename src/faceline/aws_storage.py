"""The AWS profile's stores, each opened when first needed."""

import logging
from collections import Counter
from functools import cached_property, partial
from threading import RLock

from faceline.activity import Entry
from faceline.aws.clients import Clients
from faceline.aws.collections import DynamoCollections
from faceline.aws.consents import DynamoConsents
from faceline.aws.face_records import DynamoFaceRecords
from faceline.aws.objects import S3Objects
from faceline.aws.outbox import DynamoOutbox
from faceline.aws.queue import SqsQueue
from faceline.aws.receipts import DynamoReceipts
from faceline.aws.records import DynamoRecords
from faceline.aws.snapshots import Snapshots
from faceline.config import Settings
from faceline.notices import MATCH_FOUND
from faceline.notify.rules import checked, routes
from faceline.targets import Target

TOPIC = "sns"
_ANY_NUMBER = 1_000_000_000
_log = logging.getLogger("faceline.aws")


class AwsStorage:
    """Implements `assembly.stores.Stores`. What the template makes must be there: nothing is made here."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = settings.aws_names
        self.clients = Clients(settings.aws_s3_addressing)
        self._lock = RLock()
        self._queues: dict[str, SqsQueue] = {}

    @cached_property
    def objects(self) -> S3Objects:
        return S3Objects(self.clients)

    @cached_property
    def records(self) -> DynamoRecords:
        return DynamoRecords(self.clients, self.names.results, self.settings.results_kept_days)

    @cached_property
    def receipts(self) -> DynamoReceipts:
        return DynamoReceipts(self.clients, self.names.state, kept_days=self.settings.results_kept_days)

    @cached_property
    def marks(self) -> DynamoReceipts:
        """Receipts of what is to be done yet, kept until it is. They say nobody."""
        return DynamoReceipts(self.clients, self.names.state)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.clients, self.names.work)

    @cached_property
    def collections(self) -> DynamoCollections:
        return DynamoCollections(self.clients, self.names.state, self.snapshots)

    @cached_property
    def face_records(self) -> DynamoFaceRecords:
        return DynamoFaceRecords(self.clients, self.names.state, self.snapshots)

    @cached_property
    def consents(self) -> DynamoConsents:
        return DynamoConsents(self.clients, self.names.state)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Those of the settings, and the topic where there is one. Raises SettingError when two have one name."""
        topic = (topic_target(self.settings.aws_topic),) if self.settings.aws_topic else ()
        return tuple(checked((*self.settings.notify, *topic)))

    @cached_property
    def notices(self) -> DynamoOutbox:
        """What is to be told, on its way to the targets."""
        kept_days = self.settings.notices_kept_days
        return DynamoOutbox(self.clients, self.names.state, partial(routes, self.targets), kept_days=kept_days)

    def see(self, entry: Entry) -> None:
        """Logs what was seen, without names: nobody looks at a page here."""
        facts = {
            "kind": entry.kind.value,
            "bucket": entry.bucket,
            "key": entry.key,
            "faces": len(entry.faces),
            "statuses": dict(Counter(face.status for face in entry.faces)),
            "error": entry.error,
            "waited_ms": entry.waited_ms,
            "took_ms": entry.took_ms,
        }
        _log.info("seen", extra={name: value for name, value in facts.items() if value is not None})

    def queue_of(self, name: str) -> SqsQueue:
        with self._lock:
            if name not in self._queues:
                self._queues[name] = self._opened(name)
            return self._queues[name]

    def _opened(self, name: str) -> SqsQueue:
        s = self.settings
        answered = name in (s.names.requests, s.names.responses)
        # Every client may look at every answer: that makes no dead letter of it.
        receives = _ANY_NUMBER if name == s.names.responses else s.max_receives
        kept_s = s.frames_kept_s if answered else 0.0
        return SqsQueue(self.clients, name, self.names.state, self.names.work, receives, kept_s)


def topic_target(arn: str) -> Target:
    """The topic as the outbox knows it, told of matches. Its kind is the one whose url may be anything."""
    return Target(name=TOPIC, kind="apprise", url=arn, kinds=(MATCH_FOUND,))
