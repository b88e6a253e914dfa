"""`GET /metrics`: what Prometheus reads. All processes of the data directory count, but for `http` and `process`."""

import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from faceline import __version__
from faceline.app import App
from faceline.errors import FacelineError
from faceline.gallery.ports import CollectionInfo

_log = logging.getLogger("faceline.http")

_HTTP_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_KEPT_S = 15.0


class Metrics:
    """The numbers of one application."""

    def __init__(self, app: App) -> None:
        self._registry = CollectorRegistry()
        named, text = ("method", "route", "status"), "How long whole answers to HTTP requests took."
        self._requests = Counter("faceline_http_requests", "HTTP requests.", named, registry=None)
        self._seconds = Histogram(
            "faceline_http_request_seconds", text, named[:2], registry=None, buckets=_HTTP_BOUNDS_S
        )
        self._registry.register(_WithoutTimes(self._requests, self._seconds))
        self._registry.register(_OfApp(app))
        ProcessCollector(registry=self._registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request that is done, as `tracing.Observe` says it."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    async def metrics(self, request: Request) -> Response:
        """Starlette's endpoint."""
        text = await run_in_threadpool(generate_latest, self._registry)
        return Response(text, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _WithoutTimes(Collector):
    """Leaves out when each series began, which in this format would be a gauge for each of them."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        for metric in (each for collector in self._collectors for each in collector.collect()):
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class _OfApp(Collector):
    """What the storage says, asked each time. A part that cannot be is left out; `faceline_storage_up` is then 0."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._counting = Lock()
        self._counted: Sequence[CollectionInfo] = ()
        self._count_at = 0.0

    def describe(self) -> Iterable[Metric]:
        return ()  # so that registering asks nothing

    def collect(self) -> Iterator[Metric]:
        yield self._build()
        up = 1
        for part in (self._queues, self._work, self._people, self._disk):
            try:
                yield from part()
            except (FacelineError, OSError) as error:
                up = 0
                _log.warning("metrics are missing", extra={"error": str(error)})
        yield GaugeMetricFamily("faceline_storage_up", "Whether the storage answers.", up)

    def _build(self) -> Metric:
        labels = ("version", "model", "detector")
        build = GaugeMetricFamily("faceline_build_info", "What runs here: always 1.", labels=labels)
        build.add_metric((__version__, self._app.engines.model, self._app.settings.detector), 1)
        return build

    def _queues(self) -> Iterator[Metric]:
        name, text = "faceline_queue_messages", "Messages by state: visible (waiting), in_flight, dead (dead letters)."
        messages = GaugeMetricFamily(name, text, labels=("queue", "state"))
        for queue in self._app.queues():
            for state, count in queue.depth().items():
                messages.add_metric((queue.name, state), count)
        yield messages

    def _work(self) -> Iterator[Metric]:
        labels = ("kind", "outcome")
        entries = CounterMetricFamily("faceline_entries", "Photos, clips and appearances worked on.", labels=labels)
        took = HistogramMetricFamily("faceline_work_seconds", "How long the work on an entry took.", labels=labels)
        text = "How long an entry waited for its work, from its upload on."
        waited = HistogramMetricFamily("faceline_wait_seconds", text, labels=labels)
        for each in self._app.work_counts():
            of, within = (each.kind, each.outcome), [(_bound(bound), count) for bound, count in each.within]
            if each.part == "all":
                entries.add_metric(of, each.within[-1][1])
            else:
                (took if each.part == "took" else waited).add_metric(of, within, each.total_s)
        yield from (entries, took, waited)

    def _people(self) -> Iterator[Metric]:
        faces = GaugeMetricFamily("faceline_collection_faces", "Enrolled faces.", labels=("collection",))
        people = GaugeMetricFamily("faceline_collection_people", "Enrolled people.", labels=("collection",))
        for each in self._collections():
            faces.add_metric((each.name,), each.faces)
            people.add_metric((each.name,), each.people)
        yield from (faces, people)

    def _collections(self) -> Sequence[CollectionInfo]:
        """As they were some seconds ago at most: counting everybody takes longer than all the rest."""
        with self._counting:
            if time.monotonic() >= self._count_at:
                self._counted = self._app.collections.list()
                self._count_at = time.monotonic() + _KEPT_S
            return self._counted

    def _disk(self) -> Iterator[Metric]:
        disk = shutil.disk_usage(self._app.settings.data)
        text = "Of the file system that the data directory is on."
        yield GaugeMetricFamily("faceline_disk_free_bytes", text, disk.free)
        yield GaugeMetricFamily("faceline_disk_used_bytes", text, disk.used)
        yield GaugeMetricFamily("faceline_disk_size_bytes", text, disk.total)


def _bound(seconds: float | None) -> str:
    return "+Inf" if seconds is None else str(seconds)
