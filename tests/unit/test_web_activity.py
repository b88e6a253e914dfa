"""What was seen over HTTP: lists, details, pictures and streams."""

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from asgi import KNOWN, Answer, Client
from commands import wait_until
from faceline.activity import Entry, Kind, SeenFace
from faceline.app import App
from faceline.types import BoxInParts
from made import BUCKET, Workflow, new_face, open_app, photo, vector
from served import client, serving

WHEN = "2026-01-31T12:00:00.000+00:00"
BOX = BoxInParts(0.1, 0.2, 0.3, 0.4)


def seen(person: str | None, similarity: float = 91.5) -> SeenFace:
    return SeenFace("matched" if person else "unknown", person, None, similarity, 99.0, BOX)


def entry(name: str, *faces: SeenFace, **other: Any) -> Entry:
    given: dict[str, Any] = {"uploaded_at": WHEN, "bucket": BUCKET, "key": f"input/{name}", "width": 64, "height": 48}
    return Entry(Kind.PHOTO, WHEN, faces=faces, **given | other)


def enrol(site: Client, path: str, name: str) -> Answer:
    return site.ask("POST", path, chunks=[json.dumps({"name": name}).encode()])


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_app(tmp_path / "data") as app:
        yield app


@pytest.fixture
def site(app: App) -> Client:
    return Client(app)


def listed(site: Client, query: str = "") -> tuple[list[str], str | None]:
    """The keys' names, and next."""
    answer = site.ask("GET", "/api/v1/activity", query=query.encode())
    assert answer.status == 200, answer.body
    return [each["key"].removeprefix("input/") for each in answer.json["items"]], answer.json["next"]


class TestLists:
    def test_the_newest_come_first_in_pages(self, app: App, site: Client) -> None:
        for name in "abcde":
            app.activity.put(entry(name))
        first, after = listed(site, "limit=2")
        second, after_that = listed(site, f"limit=2&after={after}".replace("<", "%3C"))
        third, end = listed(site, f"limit=2&after={after_that}".replace("<", "%3C"))
        assert (first, second, third, end) == (["e", "d"], ["c", "b"], ["a"], None)

    def test_what_came_since_is_told_oldest_first(self, app: App, site: Client) -> None:
        positions = [app.activity.put(entry(name)) for name in "abcd"]
        first, after = listed(site, f"newer_than={positions[0]}&limit=2")
        rest, end = listed(site, f"newer_than={positions[0]}&limit=2&after={after}".replace(">", "%3E"))
        assert (first, rest, end) == (["b", "c"], ["d"], None)

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("person=Ada", ["group", "ada"]),
            ("status=unknown", ["group", "stranger"]),
            ("status=none", ["empty"]),
            ("status=error", ["broken"]),
            ("bucket=elsewhere", ["other"]),
            ("kind=camera", [""]),
            ("camera=door", [""]),
            ("min_similarity=95", ["other"]),
            ("person=Ada&max_similarity=80", ["group"]),
            ("since=2026-02-01", ["late"]),
            ("until=2026-01-01T00:00:00Z", []),
        ],
    )
    def test_filters(self, app: App, site: Client, query: str, names: list[str]) -> None:
        app.activity.put(entry("late", seen("Bob", 85.0), uploaded_at="2026-02-01T00:00:00.000+00:00"))
        app.activity.put(Entry(Kind.CAMERA, WHEN, WHEN, camera="door", faces=(seen("Bob", 85.0),)))
        app.activity.put(entry("other", seen("Eve", 97.0), bucket="elsewhere"))
        app.activity.put(entry("empty"))
        app.activity.put(entry("broken", error="is text, not an image"))
        app.activity.put(entry("stranger", seen(None, 20.0)))
        app.activity.put(entry("ada", seen("Ada")))
        app.activity.put(entry("group", seen("Ada", 75.0), seen(None, 30.0)))
        assert listed(site, query)[0] == names

    @pytest.mark.parametrize(
        ("query", "word"),
        [
            ("since=yesterday", "since"),
            ("until=99999-01-01", "until"),
            ("after=12", "after"),
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("status=happy", "status"),
            ("min_similarity=nan", "min_similarity"),
            ("newer_than=-1", "newer_than"),
            ("who=Ada", "who"),
        ],
    )
    def test_what_cannot_be_asked_is_said(self, site: Client, query: str, word: str) -> None:
        assert site.ask("GET", "/api/v1/activity", query=query.encode()).is_problem(400, word)


class TestOne:
    def test_a_photo_that_was_worked_on_has_candidates_and_landmarks(self, app: App, site: Client) -> None:
        app.collections.create("my-face-collection", app.engines.model)
        app.face_records.add("my-face-collection", [new_face("f1", "Ada Lovelace", vector(1))])
        Workflow(app).process("input/a.png", photo(person=1))
        position = app.activity.newest()
        found = site.ask("GET", f"/api/v1/activity/{position}").json
        assert found["entry"]["key"] == "input/a.png"
        assert found["result"] == "processed/a.json"
        (face,) = found["faces"]
        (candidate,) = face["candidates"]
        assert (face["user_id"], candidate["user_id"], candidate["name"]) == (*2 * [face["user_id"]], "Ada Lovelace")
        assert face["user_id"].startswith("Ada_Lovelace-")
        assert "pairs of strangers" in face["strangers"]
        assert face["threshold"] == pytest.approx(80.0, abs=20)
        box = found["entry"]["faces"][0]["box"]
        inside = [box["left"] <= x <= box["left"] + box["width"] for x, _ in face["landmarks"]]
        assert inside == [True] * 5

    def test_exactly_the_chosen_face_of_a_photo_is_enrolled(self, app: App, site: Client) -> None:
        Workflow(app).process("input/two.png", photo(faces=2, person=5))
        where = f"/api/v1/activity/{app.activity.newest()}/faces"
        done = enrol(site, f"{where}/2/enroll", "Bob")
        assert (done.status, done.json["person"]["name"], done.json["reason"]) == (200, "Bob", None), done.body
        (face,) = app.face_records.find("my-face-collection")
        assert face.person == "Bob"
        assert face.source.startswith("two.png (")
        assert app.queue.depth()["visible"] == 1  # worked on again, so that its result says who it is
        assert np.allclose(face.embedding.values, vector(6), atol=1e-6)
        assert enrol(site, f"{where}/2/enroll", "Bob").json["already"]
        assert "enrolled as Bob" in enrol(site, f"{where}/2/enroll", "Eve").json["reason"]
        assert enrol(site, f"{where}/1/enroll", "Ada").json["enrolled"]

    def test_nobody_is_enrolled_by_the_place_of_a_face_in_bytes_that_were_replaced(
        self, app: App, site: Client
    ) -> None:
        Workflow(app).process("input/seq.png", photo(person=5))
        app.objects.put(BUCKET, "input/seq.png", photo(person=7))
        asked = f"/api/v1/activity/{app.activity.newest()}/faces/1/enroll"
        assert enrol(site, asked, "Bob").is_problem(409, "replaced")
        assert not app.face_records.find("my-face-collection")

    def test_a_face_that_is_not_in_a_photo_is_not_enrolled(self, app: App, site: Client) -> None:
        here = app.activity.put(entry("a.png", seen(None)))
        camera = app.activity.put(Entry(Kind.CAMERA, WHEN, WHEN, camera="door", faces=(seen(None),)))
        ask = f"/api/v1/activity/{here}/faces/2/enroll"
        assert enrol(site, ask, "Bob").is_problem(404, "no face 2")
        assert enrol(site, ask, "a/b\x00").status == 400
        ask = f"/api/v1/activity/{camera}/faces/1/enroll"
        assert enrol(site, ask, "Bob").is_problem(409, "no photo")

    def test_without_its_result_an_entry_still_opens(self, app: App, site: Client) -> None:
        app.collections.create("my-face-collection", app.engines.model)
        app.people.create("my-face-collection", "Ada", 10)
        position = app.activity.put(entry("gone.png", seen("Ada")))
        found = site.ask("GET", f"/api/v1/activity/{position}").json
        assert (found["faces"][0]["user_id"], found["faces"][0]["candidates"], found["result"]) == ("Ada", [], None)

    def test_who_is_only_a_label_has_no_user_id(self, app: App, site: Client) -> None:
        app.collections.create("my-face-collection", app.engines.model)
        app.face_records.add("my-face-collection", [new_face("f1", "keanu", vector(1))])
        app.people.delete("my-face-collection", "keanu")
        Workflow(app).process("input/a.png", photo(person=1))
        (face,) = site.ask("GET", f"/api/v1/activity/{app.activity.newest()}").json["faces"]
        assert [(each["name"], each["user_id"]) for each in face["candidates"]] == [("keanu", None)]
        assert face["user_id"] is None

    @pytest.mark.parametrize(
        "data",
        [
            b"x",
            b"{}",
            b"null",
            b"\xff",
            b"[" * 100_000,
            b'{"faces": [{"landmarks": [], "quality": {"reasons": []}}], "file": {"width": 64}}',
            b'{"faces": [{"landmarks": [], "quality": {"reasons": []}}], "file": {"width": 64, "height": 0}}',
            b'{"faces": [{"name": 5, "landmarks": [], "quality": {"reasons": []}}], "file": {"width": 6, "height": 4}}',
            b'{"faces": [{"landmarks": [[1]], "quality": {}}], "file": {"width": 64, "height": 48}}',
        ],
        ids=range(9),
    )
    def test_of_a_result_that_is_none_of_ours_no_details_are_told(self, app: App, site: Client, data: bytes) -> None:
        app.collections.create("my-face-collection", app.engines.model)
        Workflow(app).process("input/a.png", photo(person=1))
        app.objects.put(BUCKET, "processed/a.json", data)
        answer = site.ask("GET", f"/api/v1/activity/{app.activity.newest()}")
        assert (answer.status, answer.json["result"]) == (200, None)
        assert [face["candidates"] for face in answer.json["faces"]] == [[]]

    def test_a_position_that_was_never_given_is_not_found(self, site: Client) -> None:
        assert site.ask("GET", "/api/v1/activity/7").is_problem(404)

    def test_the_picture_of_a_camera_is_kept(self, app: App, site: Client) -> None:
        at_door = app.activity.put(Entry(Kind.CAMERA, WHEN, WHEN, camera="door", picture=True), b"a JPEG")
        without = app.activity.put(entry("a.png"))
        answer = site.ask("GET", f"/api/v1/activity/{at_door}/picture")
        assert (answer.body, answer.headers["content-type"]) == (b"a JPEG", "image/jpeg")
        assert site.ask("GET", f"/api/v1/activity/{without}/picture").is_problem(404)


class TestPictures:
    def picture(self, site: Client, key: str, query: str = "", **headers: str) -> Answer:
        return site.ask("GET", f"/api/v1/pictures/{BUCKET}/{key}", KNOWN | headers, query=query.encode())

    def test_a_photo_comes_upright_and_reduced_as_jpeg(self, app: App, site: Client) -> None:
        stream, turned = io.BytesIO(), Image.Exif()
        turned[0x0112] = 6
        Image.fromarray(np.zeros((600, 1200, 3), np.uint8)).save(stream, "TIFF", exif=turned)
        app.objects.put(BUCKET, "input/a.tiff", stream.getvalue())
        answer = self.picture(site, "input/a.tiff", "width=320")
        assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("image/jpeg", "nosniff")
        assert Image.open(io.BytesIO(answer.body)).size == (320, 640)

    def test_a_small_photo_is_not_enlarged(self, app: App, site: Client) -> None:
        app.objects.put(BUCKET, "input/a.png", photo())
        assert Image.open(io.BytesIO(self.picture(site, "input/a.png").body)).size == (64, 48)

    def test_a_picture_that_the_browser_has_is_not_sent_again(self, app: App, site: Client) -> None:
        app.objects.put(BUCKET, "input/a.png", photo())
        first = self.picture(site, "input/a.png")
        assert first.headers["cache-control"] == "private, no-cache"
        again = self.picture(site, "input/a.png", **{"if-none-match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        app.objects.put(BUCKET, "input/a.png", photo(salt=1))
        assert self.picture(site, "input/a.png", **{"if-none-match": first.headers["etag"]}).status == 200

    @pytest.mark.parametrize(
        ("key", "query", "status"),
        [
            ("input/none.png", "", 404),
            ("input/page.jpg", "", 400),
            ("input/page.jpg", "width=333", 400),
            ("../admin.key", "", 400),
        ],
    )
    def test_what_is_no_picture_is_a_problem(self, app: App, site: Client, key: str, query: str, status: int) -> None:
        app.objects.put(BUCKET, "input/page.jpg", b"<html><script>alert(1)</script>")
        assert self.picture(site, key, query).is_problem(status)


class TestPlaces:
    def place(self, site: Client, name: str) -> tuple[str, str]:
        answer = site.ask("GET", "/api/v1/upload-place", query=f"name={name}".encode())
        assert answer.status == 200, answer.body
        return answer.json["bucket"], answer.json["key"]

    def test_an_upload_replaces_no_other_photo(self, app: App, site: Client) -> None:
        assert self.place(site, "a.png") == (BUCKET, "input/a.png")
        app.objects.put(BUCKET, "input/a.png", photo())
        assert self.place(site, "a.png") == (BUCKET, "input/a-2.png")
        for n in range(2, 20):
            app.objects.put(BUCKET, f"input/a-{n}.png", photo())
        key = self.place(site, "a.png")[1]
        assert key.startswith("input/a-")
        assert len(key) == len("input/a-12345678.png")

    def test_a_clip_has_a_bucket_of_its_own(self, app: App, site: Client) -> None:
        assert self.place(site, "door.MP4") == (app.videos.names.input, "door.MP4")

    def test_a_name_cannot_lead_elsewhere(self, site: Client) -> None:
        assert self.place(site, "../../.hidden.png") == (BUCKET, "input/hidden.png")
        assert site.ask("GET", "/api/v1/upload-place", query=b"name=a%00b.png").is_problem(400, "NUL")


class Listener:
    """Reads the stream in a thread."""

    def __init__(self, http: httpx.Client, last_id: str | None = None) -> None:
        self.ids: list[int] = []
        self.entries: list[dict[str, Any]] = []
        self.missed = False
        self.ready = threading.Event()
        self._http, self._headers = http, {"Last-Event-ID": last_id} if last_id else {}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.ready.wait(10)

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with (
            suppress(httpx.TransportError),
            self._http.stream("GET", "/api/v1/activity/events", headers=self._headers) as stream,
        ):
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                self.missed |= value == "missed"
                if name == "id":
                    self.ids.append(int(value))
                    self.ready.set()
                if name == "data" and value != "{}":
                    self.entries.append(json.loads(value))


class TestStreams:
    def test_each_new_entry_is_told_to_all_within_half_a_second(self, app: App, tmp_path: Path) -> None:
        app.activity.put(entry("before.png"))
        with serving(app) as url, client(url) as one, client(url) as another:
            listeners = Listener(one), Listener(another)
            with open_app(tmp_path / "data") as other:  # as another process would
                started = time.monotonic()
                position = other.activity.put(entry("a.png", seen("Ada")))
            wait_until(lambda: all(each.entries for each in listeners))
            assert time.monotonic() - started < 0.6
        for each in listeners:
            each.join()
            assert [(e["position"], e["key"]) for e in each.entries] == [(position, "input/a.png")]
            assert each.ids[-1] == position

    def test_who_comes_back_misses_nothing(self, app: App) -> None:
        positions = [app.activity.put(entry(f"{n}.png")) for n in range(5)]
        with serving(app) as url, client(url) as http:
            listener = Listener(http, last_id=str(positions[2]))
            wait_until(lambda: len(listener.entries) == 2)
        listener.join()
        assert [each["position"] for each in listener.entries] == positions[3:]

    def test_who_missed_very_many_is_told_so(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faceline.web.streams._MOST_MISSED", 3)
        newest = [app.activity.put(entry(f"{n}.png")) for n in range(5)][-1]
        with serving(app) as url, client(url) as http:
            listener = Listener(http, last_id="1")
        listener.join()
        assert (listener.missed, listener.ids, listener.entries) == (True, [newest], [])

    def test_too_many_streams_are_refused(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faceline.web.streams._MOST_CLIENTS", 1)
        with serving(app) as url, client(url) as http:
            listener = Listener(http)
            refused = http.get("/api/v1/activity/events")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        listener.join()

    def test_the_server_stops_while_somebody_listens(self, app: App) -> None:
        with serving(app) as url, client(url) as http:
            listener = Listener(http)
            started = time.monotonic()
        assert time.monotonic() - started < 1.5
        listener.join()
