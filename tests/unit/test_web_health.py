"""Metrics, readiness, the health API and dead letters over HTTP."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from asgi import KNOWN, Answer, Client
from faceline.activity import Entry, Kind
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.errors import StorageError
from faceline.events import ObjectCreated, to_json
from faceline.local.queue import SqliteQueue
from made import BUCKET, Workflow, open_app, photo

NOW = "2026-01-31T12:00:00.000+00:00"
Labels = frozenset[tuple[str, str]]


@pytest.fixture
def client(made_app: App) -> Client:
    Workflow(made_app)  # as in `faceline up`: the models are loaded and the collection is made
    return Client(made_app)


def metrics(client: Client) -> dict[tuple[str, Labels], float]:
    """As Prometheus reads them."""
    answer = client.ask("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.body.decode())
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


def bury(queue: SqliteQueue, count: int, reason: str = "it failed") -> list[str]:
    """Dead letters of photos 0, 1, …; their message ids."""
    for n in range(count):
        queue.send(to_json(ObjectCreated(BUCKET, f"input/{n}.png", "e", 1, NOW, request_id=f"r-{n}")))
    messages = queue.receive(count)
    for message in messages:
        queue.bury(message, reason)
    return [message.message_id for message in messages]


# Metrics


def test_metrics_need_a_key(client: Client) -> None:
    assert client.ask("GET", "/metrics", {}).is_problem(401, "admin.key")


def test_requests_are_counted_by_route_not_by_path(client: Client) -> None:
    for name in ("a", "b"):
        client.ask("PUT", f"/buckets/{BUCKET}/input/{name}.png", KNOWN, [photo()])
    client.ask("GET", "/nowhere/at/all")
    client.ask("BREW", "/records")
    found = metrics(client)
    route = "/buckets/{bucket}/{key:path}"
    assert found["faceline_http_requests_total", of(method="PUT", route=route, status="201")] == 2
    assert found["faceline_http_requests_total", of(method="GET", route="none", status="404")] == 1
    assert found["faceline_http_requests_total", of(method="other", route="/records", status="405")] == 1
    assert found["faceline_http_request_seconds_count", of(method="PUT", route=route)] == 2
    assert found["faceline_http_request_seconds_bucket", of(method="PUT", route=route, le="+Inf")] == 2


def test_refused_requests_are_counted_too(client: Client) -> None:
    client.ask("GET", "/records", {})
    found = metrics(client)
    assert found["faceline_http_requests_total", of(method="GET", route="/records", status="401")] == 1


def test_work_is_counted_by_kind_and_outcome_and_stays_counted(client: Client) -> None:
    workflow = Workflow(client.app)
    workflow.process("input/a.png", photo())
    workflow.process("input/b.png", photo())
    workflow.process("input/c.png", b"no photo")
    done, error = of(kind="photo", outcome="done"), of(kind="photo", outcome="error")
    first = metrics(client)
    assert (first["faceline_entries_total", done], first["faceline_entries_total", error]) == (2, 1)
    assert first["faceline_work_seconds_count", done] == 2
    assert first["faceline_work_seconds_sum", done] > 0
    client.app.delete_object(BUCKET, "input/a.png")
    workflow.process("input/b.png", photo(salt=1))
    assert metrics(client)["faceline_entries_total", done] == 3


def test_times_are_in_the_bucket_of_what_they_took_at_most(client: Client) -> None:
    for took_ms, waited_ms in ((25.0, 5000.0), (25.1, -3.0), (1e9, None)):
        client.app.activity.put(Entry(Kind.CLIP, NOW, NOW, BUCKET, f"{took_ms}", took_ms=took_ms, waited_ms=waited_ms))
    client.app.activity.put(Entry(Kind.CAMERA, NOW, NOW, camera="door"))
    found, clip = metrics(client), {"kind": "clip", "outcome": "done"}
    within = [found["faceline_work_seconds_bucket", of(**clip, le=le)] for le in ("0.025", "0.05", "300.0", "+Inf")]
    assert within == [1, 2, 2, 3]
    assert found["faceline_work_seconds_sum", of(**clip)] == pytest.approx(1_000_000.0501)
    assert found["faceline_wait_seconds_count", of(**clip)] == 2
    assert found["faceline_wait_seconds_sum", of(**clip)] == 5
    camera = of(kind="camera", outcome="done")
    assert found["faceline_entries_total", camera] == 1
    assert ("faceline_work_seconds_count", camera) not in found


def test_queues_people_disk_and_process_are_measured(client: Client) -> None:
    app = client.app
    bury(app.queue, 2)
    app.queue.send("waits")
    found, queue = metrics(client), {"queue": app.queue.name}
    states = {state: found["faceline_queue_messages", of(**queue, state=state)] for state in app.queue.depth()}
    assert states == {"visible": 1, "in_flight": 0, "dead": 2}
    assert found["faceline_collection_people", of(collection=app.settings.collection)] == 0
    assert found["faceline_storage_up", of()] == 1
    assert 0 < found["faceline_disk_free_bytes", of()] < found["faceline_disk_size_bytes", of()]
    ((_, build),) = [key for key in found if key[0] == "faceline_build_info"]
    assert {name for name, _ in build} == {"version", "model", "detector"}


def test_what_cannot_be_measured_is_left_out(client: Client) -> None:
    before = metrics(client)
    shutil.move(client.app.settings.data, client.app.settings.data.with_name("elsewhere"))
    found = metrics(client)
    assert (before["faceline_storage_up", of()], found["faceline_storage_up", of()]) == (1, 0)
    assert ("faceline_disk_free_bytes", of()) not in found
    assert any(name == "faceline_http_requests_total" for name, _ in found)


# Readiness


def test_it_is_ready_with_its_queues_depth(client: Client) -> None:
    answer = client.ask("GET", "/readyz", {})
    assert (answer.status, answer.json) == (
        200,
        {"status": "ready", "queue": {"visible": 0, "in_flight": 0, "dead": 0}},
    )


def test_it_is_not_ready_when_the_storage_is_gone(client: Client) -> None:
    shutil.move(client.app.settings.data, client.app.settings.data.with_name("elsewhere"))
    answer = client.ask("GET", "/readyz", {})
    assert answer.is_problem(503, "data directory is gone")
    assert str(client.app.settings.data).encode() not in answer.body
    assert client.ask("GET", "/healthz", {}).status == 200


def test_it_is_not_ready_while_the_storage_does_not_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> dict[str, int]:
        raise StorageError("/secret/place/state.sqlite: disk I/O error")

    monkeypatch.setattr(client.app.queue, "depth", fails)
    answer = client.ask("GET", "/readyz", {})
    assert answer.is_problem(503, "storage does not answer")
    assert b"secret" not in answer.body


def test_it_is_not_ready_when_the_disk_is_full(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", max_upload_bytes=2**40) as app:
        app.worker()
        assert Client(app).ask("GET", "/readyz", {}).is_problem(503, "disk is full")


def test_it_is_not_ready_before_the_models_are_loaded(made_app: App) -> None:
    made_app.queue.depth()
    made_app.engines._analyzers.clear()
    assert Client(made_app).ask("GET", "/readyz", {}).is_problem(503, "models")


# The health API


def health(client: Client) -> dict[str, Any]:
    answer = client.ask("GET", "/api/v1/health")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_health_is_good_when_nothing_is_wrong(client: Client) -> None:
    said = health(client)
    assert (said["state"], said["problems"], said["errors"]) == ("good", [], [])
    assert said["model"]["model"] == client.app.engines.model
    assert (said["model"]["name"], said["model"]["detector"]) == ("dlib-resnet", "mtcnn")
    assert [queue["name"] for queue in said["queues"]] == [queue.name for queue in client.app.queues()]
    assert all(queue["purpose"] for queue in said["queues"])
    assert [period["period_s"] for period in said["throughput"]] == [60, 3600, 86_400]
    assert len(said["recent"]) == 60
    assert [each["name"] for each in said["collections"]] == [client.app.settings.collection]


def test_health_says_what_was_worked_on_and_what_could_not_be(client: Client) -> None:
    workflow = Workflow(client.app)
    workflow.process("input/a.png", photo())
    workflow.process("input/b.png", b"no photo")
    said = health(client)
    assert [(period["entries"], period["errors"]) for period in said["throughput"]] == [(2, 1)] * 3
    assert said["latencies"]["count"] == 2
    assert said["latencies"]["took_p50_ms"] > 0
    (error,) = said["errors"]
    assert (error["key"], error["kind"]) == ("input/b.png", "photo")
    assert "not an image" in error["error"]


def test_dead_letters_want_somebody_to_look(client: Client) -> None:
    bury(client.app.queue, 1)
    said = health(client)
    assert (said["state"], said["problems"]) == ("warn", ["1 dead letter: work that could not be done"])


def test_health_is_bad_where_it_is_not_ready(client: Client) -> None:
    client.app.engines._analyzers.clear()
    said = health(client)
    assert (said["state"], said["problems"]) == ("bad", ["the models are not loaded yet"])


def test_health_without_a_data_directory_is_a_problem(client: Client) -> None:
    assert health(client)["state"] == "good"
    shutil.move(client.app.settings.data, client.app.settings.data.with_name("elsewhere"))
    assert client.ask("GET", "/api/v1/health").is_problem(503)


# Dead letters


def listed(client: Client, query: bytes = b"") -> Answer:
    return client.ask("GET", "/api/v1/dead-letters", query=query)


def redrive(client: Client, body: dict[str, Any], key: str | None = None) -> Answer:
    headers = KNOWN if key is None else {"authorization": f"Bearer {key}"}
    return client.ask("POST", "/api/v1/dead-letters/redrive", headers, [json.dumps(body).encode()])


def test_a_dead_letter_says_its_photo_its_reason_and_its_request(client: Client) -> None:
    (message_id,) = bury(client.app.queue, 1, "the disk was full")
    (item,) = listed(client).json["items"]
    assert item.pop("died_at")
    assert item == {
        "queue": client.app.queue.name,
        "message_id": message_id,
        "reason": "the disk was full",
        "deliveries": 1,
        "bucket": BUCKET,
        "key": "input/0.png",
        "request_id": "r-0",
        "body": to_json(ObjectCreated(BUCKET, "input/0.png", "e", 1, NOW, request_id="r-0"))[:300],
    }


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ("not JSON", (None, None)),
        ('{"request_id": "r", "content": "a face", "filename": "Ada.jpg"}', (None, None)),
        ('{"bucket_name": "stage", "image_file_name": "clip/frames.json"}', ("stage", "clip/frames.json")),
        ('{"bucket_name": 1, "image_file_name": "k"}', (None, None)),
        ('{"bucket_name": "stage"}', (None, None)),
        ('{"Event": "s3:TestEvent"}', (None, None)),
        pytest.param('{"Records":[{"s3":' + "[" * 60_000, (None, None), id="nested"),
        ('{"bucket_name":"\\ud800","image_file_name":"\\ud800","request_id":"\\ud800"}', (None, None)),
    ],
)
def test_of_a_dead_letters_body_only_its_object_is_told_to_who_may_not_delete_it(
    client: Client, body: str, about: tuple[str | None, str | None]
) -> None:
    client.app.queue.send(body)
    client.app.queue.bury(client.app.queue.receive()[0], "why")
    (whole,) = listed(client).json["items"]
    assert (whole["bucket"], whole["key"], whole["body"]) == (*about, body[:300])
    key = client.app.api_keys.create("monitor", ApiScope.ENROLL)
    answer = client.ask("GET", "/api/v1/dead-letters", {"authorization": f"Bearer {key}"})
    assert answer.json["items"] == [whole | {"body": None}]
    assert b"Ada" not in answer.body


def test_dead_letters_come_in_pages_over_all_queues(client: Client) -> None:
    app = client.app
    expected = bury(app.queue, 3) + bury(app.matching.queue, 2)
    seen: list[str] = []
    query = b"limit=2"
    for expected_now in (2, 2, 1):
        page = listed(client, query).json
        assert len(page["items"]) == expected_now
        seen += [item["message_id"] for item in page["items"]]
        query = f"limit=2&after={page['next']}".encode()
    assert seen == expected
    assert page["next"] is None
    assert len(listed(client, f"queue={app.matching.queue.name}".encode()).json["items"]) == 2


def test_pages_of_dead_letters_start_again_where_one_was_redriven(client: Client) -> None:
    first, *_ = bury(client.app.queue, 3)
    client.app.queue.redrive([first])
    assert listed(client, f"after={client.app.queue.name}:{first}".encode()).is_problem(404, "no dead letter")


@pytest.mark.parametrize("query", [b"after=x", b"after=no-such-queue:x", b"limit=0", b"limit=501", b"page=2"])
def test_questions_that_cannot_be_answered_are_refused(client: Client, query: bytes) -> None:
    assert listed(client, query).status == 400


def test_a_queue_that_is_not_there_has_no_dead_letters(client: Client) -> None:
    assert listed(client, b"queue=nobody").is_problem(404, "nobody", client.app.queue.name)
    assert redrive(client, {"queue": "nobody"}).is_problem(404, "nobody")


def test_dead_letters_go_back_to_their_queues(client: Client) -> None:
    app = client.app
    first, second, _ = bury(app.queue, 3)
    bury(app.matching.queue, 2)
    assert redrive(client, {"queue": app.queue.name, "message_ids": [first, second]}).json == {"redriven": 2}
    assert app.queue.depth() == {"visible": 2, "in_flight": 0, "dead": 1}
    assert redrive(client, {"queue": app.queue.name}).json == {"redriven": 1}
    assert redrive(client, {}).json == {"redriven": 2}
    assert listed(client).json["items"] == []


def discard(client: Client, body: dict[str, Any], key: str | None = None) -> Answer:
    headers = KNOWN if key is None else {"authorization": f"Bearer {key}"}
    return client.ask("POST", "/api/v1/dead-letters/discard", headers, [json.dumps(body).encode()])


def test_a_dead_letter_is_deleted_for_good_and_that_is_noted(client: Client) -> None:
    app = client.app
    first, second = bury(app.queue, 2)
    assert discard(client, {"queue": app.queue.name, "message_ids": [first, "absent"]}).json == {"discarded": 1}
    assert [item["message_id"] for item in listed(client).json["items"]] == [second]
    assert app.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 1}
    *_, noted = app.erasure.audit.entries()
    assert (noted.actor, noted.action, noted.count) == ("page:admin", "discard dead letters", 1)


def test_deleting_dead_letters_names_them_and_needs_the_scope_admin(client: Client) -> None:
    (message_id,) = bury(client.app.queue, 1)
    body = {"queue": client.app.queue.name, "message_ids": [message_id]}
    for scope in (ApiScope.READ, ApiScope.ENROLL):
        assert discard(client, body, client.app.api_keys.create(scope, scope)).is_problem(403, "admin")
    assert discard(client, {"queue": client.app.queue.name}).status == 400
    assert discard(client, body | {"queue": "nobody"}).is_problem(404, "nobody")
    assert client.app.queue.depth()["dead"] == 1


@pytest.mark.parametrize("scope", [ApiScope.READ, ApiScope.ENROLL])
def test_redriving_needs_the_scope_admin(client: Client, scope: ApiScope) -> None:
    key = client.app.api_keys.create("monitor", scope)
    bury(client.app.queue, 1)
    assert redrive(client, {}, key).is_problem(403, "admin")
    assert client.app.queue.depth()["dead"] == 1
    headers = {"authorization": f"Bearer {key}"}
    assert client.ask("GET", "/metrics", headers).status == 200
    assert client.ask("GET", "/api/v1/health", headers).status == 200
