"""A deployment of deploy/aws/template.yaml as its operator sees it from elsewhere. Part of the composition root."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from faceline.aws.dead_letters import MOST_LETTERS
from faceline.aws.erasure import cut_off
from faceline.aws.failed_calls import FailedCalls
from faceline.aws.functions import Functions
from faceline.aws.mailbox import Mailbox
from faceline.aws.queue import SqsQueue, dead_letter_name
from faceline.aws.reaching import check_reached
from faceline.aws_app import AwsApp
from faceline.config import Settings
from faceline.errors import FacelineError, NotFoundError
from faceline.gallery.ports import CollectionInfo
from faceline.ports import DeadLetter

WorkedOn = SqsQueue | FailedCalls


@dataclass(frozen=True, slots=True)
class QueueState:
    """Approximate, as SQS counts. queue: or the function whose failed calls are dead. None: nobody knows. error: why
    it could not be looked at.
    """

    queue: str
    visible: int | None = None
    in_flight: int | None = None
    dead: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """unfinished_erasures: those in hand included. error: why the collections, or those, could not be looked at."""

    queues: Sequence[QueueState]
    collections: Sequence[CollectionInfo]
    unfinished_erasures: int | None = None
    error: str | None = None

    @property
    def failed(self) -> bool:
        return self.error is not None or any(queue.error for queue in self.queues)


def reached(settings: Settings) -> AwsApp:
    """The deployment whose Prefix is the setting `id`, looked at once so that what is wrong is told at once.

    The bucket of photos is called as the template calls it, unless `input_bucket` is set.
    Raises StorageError, NotFoundError, SettingError.
    """
    if settings.input_bucket == Settings().input_bucket:
        settings = settings.with_(input_bucket=f"{settings.id}-photos")
    app = AwsApp(settings)
    check_reached(app.clients, app.names.state)
    check_bucket(app, settings.input_bucket, "set input_bucket to the template's PhotosBucket")
    return app


def check_bucket(app: AwsApp, bucket: str, advice: str) -> None:
    """Raises NotFoundError when there is none: who looks for something in it must not find nothing instead."""
    try:
        next(app.objects.list(bucket), None)
    except NotFoundError as error:
        raise NotFoundError(f"{error}; {advice}") from error


def queues(app: AwsApp) -> list[WorkedOn]:
    """All that have dead letters, those that start work first."""
    names, aws_names = app.settings.names, app.names
    fed = (aws_names.photos, aws_names.enroll, names.requests, names.responses, aws_names.clips, names.matching)
    return [*(app.queue_of(each) for each in (*fed, aws_names.notify)), failed_calls(app)]


def dead_letters(app: AwsApp, limit: int = 100) -> list[tuple[str, DeadLetter]]:
    """Of all queues, each with its queue's name, oldest first in each. limit: of a queue."""
    found = queues(app)
    with ThreadPoolExecutor(8) as threads:
        listed = list(threads.map(lambda queue: queue.list(limit), found))
    return [(queue.name, letter) for queue, letters in zip(found, listed, strict=True) for letter in letters]


def dead_ids(app: AwsApp) -> set[str]:
    """The message ids of all dead letters."""
    return {letter.message_id for _, letter in dead_letters(app, MOST_LETTERS)}


def redrive(app: AwsApp, message_ids: Sequence[str] | None = None) -> int:
    """Those of these ids, or all; how many."""
    with ThreadPoolExecutor(8) as threads:
        return sum(threads.map(lambda queue: queue.redrive(message_ids), queues(app)))


def discard(app: AwsApp, message_ids: Sequence[str] | None = None) -> int:
    with ThreadPoolExecutor(8) as threads:
        return sum(threads.map(lambda queue: queue.discard(message_ids), queues(app)))


def failed_calls(app: AwsApp) -> FailedCalls:
    """Of the second half of clips."""
    name = app.names.recognition
    return FailedCalls(app.queue_of(name), Functions(app.clients), Mailbox(app.clients, dead_letter_name(name)))


def status(app: AwsApp) -> Status:
    """What cannot be reached is said, and the rest is told all the same."""
    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(_state, queues(app)))
    try:
        return Status(states, app.collections.list(), cut_off(app.objects, app.names.work))
    except FacelineError as error:
        return Status(states, [], error=str(error))


def _state(queue: WorkedOn) -> QueueState:
    try:
        depth = queue.depth()
        return QueueState(queue.name, depth.get("visible"), depth.get("in_flight"), depth["dead"])
    except FacelineError as error:
        return QueueState(queue.name, error=str(error))
