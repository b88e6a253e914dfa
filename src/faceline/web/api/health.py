"""How faceline is: queues, throughput, latencies, errors, models, disk."""

import shutil
import time
from datetime import UTC, datetime, timedelta

import msgspec

from faceline import __version__
from faceline.activity import ActivityQuery, Entry, Latencies, Traffic
from faceline.app import App
from faceline.engine.session import available_provider
from faceline.errors import ModelError, StorageError
from faceline.loading import model_store, worker_count
from faceline.models.spaces import BUILTIN, space_of
from faceline.models.weights import ModelStore
from faceline.web.api.collections import CollectionItem, list_collections
from faceline.web.operations import Call, Nothing, Operation
from faceline.web.readiness import obstacles

_TAG = "Health"
_ERRORS = 10
_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3600, 60
_NAMED_SETTINGS = (
    "attributes",
    "min_face_px",
    "min_similarity",
    "strangers_named",
    "keep_crops",
    "keep_unknown_faces",
    "results_kept_days",
    "max_upload_bytes",
    "log_format",
)


class QueueHealth(msgspec.Struct, frozen=True):
    """visible: wait. in_flight: are worked on, or wait for another try. dead: dead letters."""

    name: str
    purpose: str
    visible: int
    in_flight: int
    dead: int


class Throughput(msgspec.Struct, frozen=True):
    """Entries worked on within the last so many seconds, and how many of them could not be used."""

    period_s: int
    entries: int
    errors: int


class ErrorItem(msgspec.Struct, frozen=True):
    """position: of the entry in the activity."""

    position: int
    kind: str
    time: str
    bucket: str
    key: str
    error: str


class ModelHealth(msgspec.Struct, frozen=True):
    """name: as the setting `model` says it. model: the id that embeddings carry. precision: of the built-in network,
    null for others. provider: of ONNX Runtime.
    """

    name: str
    model: str
    licence: str
    dimensions: int
    detector: str
    precision: str | None
    provider: str
    workers: int


class DiskHealth(msgspec.Struct, frozen=True):
    """Of the file system that the data directory is on; databases_bytes: of faceline's databases."""

    free_bytes: int
    size_bytes: int
    databases_bytes: int


class TargetHealth(msgspec.Struct, frozen=True):
    """A target of notices. dead: notices that it could not be told; `faceline notifications` sends them again."""

    name: str
    dead: int


class SettingItem(msgspec.Struct, frozen=True):
    name: str
    value: str


class Health(msgspec.Struct, frozen=True):
    """state: good, warn (it works, but somebody should look), bad (not ready). problems: a sentence for each.

    throughput: of the last minute, hour and day. recent: by minute, the last hour, oldest first. latencies: since
    `latencies_since`, the last hour or, where nothing came, the last day. errors: the newest.
    """

    state: str
    problems: list[str]
    version: str
    started_at: str
    uptime_s: float
    model: ModelHealth
    queues: list[QueueHealth]
    targets: list[TargetHealth]
    throughput: list[Throughput]
    recent: list[Traffic]
    latencies: Latencies
    latencies_since: str
    errors: list[ErrorItem]
    disk: DiskHealth
    collections: list[CollectionItem]
    settings: list[SettingItem]


def get_health(call: Call, asked: Nothing) -> Health:
    app, now = call.app, datetime.now(UTC)
    queues, targets, in_the_way = _queues(app), _targets(app), obstacles(app)
    worth_a_look = _worth_a_look(queues, targets)
    throughput, recent = _throughput(app, now)
    since, latencies = _latencies(app, now)
    return Health(
        state="bad" if in_the_way else "warn" if worth_a_look else "good",
        problems=in_the_way + worth_a_look,
        version=__version__,
        started_at=_text(datetime.fromtimestamp(app.opened_at, UTC)),
        uptime_s=round(max(time.time() - app.opened_at, 0.0), 1),
        model=_model(app),
        queues=queues,
        targets=targets,
        throughput=throughput,
        recent=recent,
        latencies=latencies,
        latencies_since=since,
        errors=[_error(entry) for entry in app.activity.page(ActivityQuery(status="error", limit=_ERRORS))],
        disk=_disk(app),
        collections=list_collections(call, asked).items,
        settings=[SettingItem(name, _said(name, getattr(app.settings, name))) for name in _NAMED_SETTINGS],
    )


def _queues(app: App) -> list[QueueHealth]:
    names = app.settings.names
    purposes = {names.requests: "faces of frames to recognise", names.matching: "images to match"}
    purposes |= {app.queue.name: "photos", "video-splitting": "clips and gallery files to take in"}
    purposes |= {"face-recognition": "clips to recognise", "rekognition-video": "the Rekognition API's video jobs"}
    return [QueueHealth(each.name, purposes.get(each.name, ""), **each.depth()) for each in app.queues()]


def _targets(app: App) -> list[TargetHealth]:
    return [TargetHealth(each.name, app.notices.dead_count(each.name)) for each in app.settings.notify]


def _worth_a_look(queues: list[QueueHealth], targets: list[TargetHealth]) -> list[str]:
    dead = sum(queue.dead for queue in queues)
    found = [f"{dead} dead letter{'s' if dead > 1 else ''}: work that could not be done"] if dead else []
    return found + [f"{each.dead} notices could not be told to {each.name}" for each in targets if each.dead]


def _throughput(app: App, now: datetime) -> tuple[list[Throughput], list[Traffic]]:
    found = []
    for period_s in (_MINUTE_S, _HOUR_S, _DAY_S):
        (whole,) = app.activity.traffic(_before(now, period_s), _text(now), period_s)
        found.append(Throughput(period_s, whole.entries, whole.errors))
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=59)  # whole minutes: what is drawn stays in place
    return found, list(app.activity.traffic(_text(first), _text(now), _MINUTE_S))


def _latencies(app: App, now: datetime) -> tuple[str, Latencies]:
    """The time since which they are, and they."""
    hour, day = _before(now, _HOUR_S), _before(now, _DAY_S)
    latencies = app.activity.latencies(hour)
    return (hour, latencies) if latencies.count else (day, app.activity.latencies(day))


def _model(app: App) -> ModelHealth:
    s, model = app.settings, app.model_of()
    provider = available_provider(s.provider)
    try:
        space = space_of(model, model_store(s).directory)
        said = (space.name, model, space.licence, space.dimensions)
    except ModelError:
        said = (model, model, "unknown", 0)
    precision = None
    if model == BUILTIN.model:
        precision = "fp32" if provider != "cpu" else s.precision
        precision = ModelStore(s.models_dir).precision() if precision == "auto" else precision
    return ModelHealth(*said, s.detector, precision, provider, worker_count(s))


def _error(entry: Entry) -> ErrorItem:
    place = (entry.bucket, entry.key)
    return ErrorItem(entry.position, entry.kind.value, entry.time, *place, entry.error or "")


def _disk(app: App) -> DiskHealth:
    try:
        disk = shutil.disk_usage(app.settings.data)
    except OSError as error:
        raise StorageError(f"the data directory {app.settings.data} is gone: {error.strerror}") from error
    databases = (app.directory.state, app.directory.gallery)
    written = [path for each in databases for path in (each, each.with_name(f"{each.name}-wal")) if path.is_file()]
    return DiskHealth(disk.free, disk.total, sum(path.stat().st_size for path in written))


def _said(name: str, value: object) -> str:
    if name == "results_kept_days" and isinstance(value, float):
        return f"{value:.15g}" if value else "0 (never)"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _before(now: datetime, seconds: int) -> str:
    return _text(now - timedelta(seconds=seconds))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


OPERATIONS = (
    Operation(
        "GET", "/api/v1/health", "Queues, throughput, latencies, errors, models, disk", _TAG, get_health, answer=Health
    ),
)
