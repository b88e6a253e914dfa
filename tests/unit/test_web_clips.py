"""Clips over HTTP: lists, one clip, its frames by time, the video by ranges, and that all of it can be deleted."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from PIL import Image

from asgi import KNOWN, Answer, Client
from faceline.activity import ActivityQuery, Entry, Kind, SeenFace
from faceline.app import App
from faceline.pipelines.owning import owns
from made import open_app

CLIPS = "/api/v1/clips"
VIDEO = bytes(range(256)) * 4


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with open_app(tmp_path / "data") as app:
        yield Client(app)


def clip_id(stem: str) -> str:
    return base64.urlsafe_b64encode(stem.encode()).decode().rstrip("=")


def jpeg(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (200, 100), (shade, shade, shade)).save(stream, "JPEG")
    return stream.getvalue()


def seen(name: str | None, first_s: float, last_s: float, best: int, stem: str) -> dict[str, Any]:
    return {
        "number": 1,
        "decision": "match" if name else "unknown",
        "name": name,
        "similarity": 98.5 if name else 40.0,
        "first_s": first_s,
        "last_s": last_s,
        "best_frame_s": float(best),
        "box": {"left": 50.0, "top": 25.0, "width": 100.0, "height": 50.0},
        "frames": 2,
        "threshold": 80.0,
        "candidates": [{"name": name or "Ada", "similarity": 98.5}],
        "best_frame": f"{stem}/output-{best + 1:02d}.jpg",
    }


def film(app: App, key: str, *people: str | None, error: str | None = None) -> str:
    """A clip of three seconds that was worked on; its id."""
    names = app.videos.names
    owns(app.receipts, f"{names.output}/{PurePosixPath(key).with_suffix('')}", key)
    stem = app.videos.results.stem_of(names.input, key)
    app.objects.put(names.input, key, VIDEO)
    keys = [f"{stem}/output-{n + 1:02d}.jpg" for n in range(3)]
    frames = [{"key": key, "time_s": float(n), "number": n} for n, key in enumerate(keys)]
    for n, key_of_frame in enumerate(keys):
        app.objects.put(names.stage, key_of_frame, jpeg(40 + 80 * n))
    video = {
        "bucket": names.input,
        "key": key,
        "etag": "e",
        "duration_s": 3.0,
        "width": 200,
        "height": 100,
        "fps": 10.0,
    }
    manifest = {"video": video, "frames": frames, "error": None}
    app.objects.put(names.stage, f"{stem}/frames.json", json.dumps(manifest).encode())
    document = {
        "source": f"{names.input}/{key}",
        "mode": "all",
        "processed_at": "2026-01-31T12:00:00.000+00:00",
        "collection": "my-face-collection",
        "model": "a-model",
        "video": video,
        "sampled_frames": 3,
        "appearances": [seen(each, 0.5, 2.0, 1, stem) for each in people],
    }
    app.videos.outputs.put(stem, document, [each for each in people if each], error)
    note(app, key, *people)
    return clip_id(stem)


def note(app: App, key: str, *people: str | None, error: str | None = None) -> None:
    when = "2026-01-31T12:00:00.000+00:00"
    faces = tuple(
        SeenFace("matched" if each else "unknown", each, None, 98.5, None, None, first_s=0.5, last_s=2.0)
        for each in people
    )
    app.activity.put(Entry(Kind.CLIP, when, when, app.videos.names.input, key, faces=faces, error=error))


def shade(answer: Answer) -> int:
    return int(np.asarray(Image.open(io.BytesIO(answer.body)).convert("L"))[5, 5])


class TestLists:
    def test_clips_come_newest_first_with_who_is_in_them(self, client: Client) -> None:
        film(client.app, "a party.mp4", "Ada", None)
        film(client.app, "empty.mp4", error="No face detected or recognized in empty")
        newest, oldest = client.ask("GET", CLIPS).json["items"]
        assert (newest["key"], newest["error"], newest["names"]) == (
            "empty.mp4",
            "No face detected or recognized in empty",
            [],
        )
        assert (oldest["key"], oldest["names"], oldest["nameless"], oldest["duration_s"]) == (
            "a party.mp4",
            ["Ada"],
            1,
            3.0,
        )

    def test_pages_follow_each_other_without_gap(self, client: Client) -> None:
        for n in range(5):
            film(client.app, f"{n}.mp4", "Ada")
        found, after = [], b""
        while True:
            page = client.ask("GET", CLIPS, query=b"limit=2" + after).json
            found += [item["key"] for item in page["items"]]
            if page["next"] is None:
                break
            after = b"&after=" + page["next"].encode()
        assert found == ["4.mp4", "3.mp4", "2.mp4", "1.mp4", "0.mp4"]

    def test_a_person_filters_them(self, client: Client) -> None:
        film(client.app, "a.mp4", "Ada")
        film(client.app, "b.mp4", "Bob")
        items = client.ask("GET", CLIPS, query=b"person=Bob").json["items"]
        assert [item["key"] for item in items] == ["b.mp4"]

    def test_a_refused_clip_says_why(self, client: Client) -> None:
        client.app.videos.outputs.put("text", {"source": "faceline-input/text.mp4"}, [], "text.mp4: is no clip")
        note(client.app, "text.mp4", error="text.mp4: is no clip")
        (item,) = client.ask("GET", CLIPS).json["items"]
        assert (item["mode"], item["error"]) == (None, "text.mp4: is no clip")

    def test_a_clip_without_its_result_is_listed_still(self, client: Client) -> None:
        film(client.app, "a.mp4", "Ada")
        client.app.objects.delete(client.app.videos.names.output, "a.json")
        (item,) = client.ask("GET", CLIPS).json["items"]
        assert "not there any more" in item["error"]


class TestOneClip:
    def test_it_says_who_appears_when_and_where_in_the_frame(self, client: Client) -> None:
        detail = client.ask("GET", f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada', None)}").json
        ada, nobody = detail["appearances"]
        assert (ada["status"], ada["person"], ada["first_s"], ada["last_s"], ada["best_s"]) == (
            "matched",
            "Ada",
            0.5,
            2.0,
            1.0,
        )
        assert ada["box"] == {"left": 0.25, "top": 0.25, "width": 0.5, "height": 0.5}
        assert (nobody["status"], nobody["person"], nobody["user_id"]) == ("unknown", None, None)
        assert detail["playable"] and detail["end_s"] == 3.0

    def test_of_a_first_frame_it_says_who_that_shows(self, client: Client) -> None:
        names = client.app.videos.names
        found = film(client.app, "a.mp4", "Ada")
        client.app.videos.splitter().unstage("a")
        client.app.objects.put(names.stage, "a.jpg", jpeg(90))
        face = {key: seen("Ada", 0, 0, 0, "a")[key] for key in ("box", "decision", "name", "similarity", "threshold")}
        document = {"source": f"{names.stage}/a.jpg", "mode": "first", "etag": "e", "face": face}
        client.app.videos.outputs.put("a", document, ["Ada"], None)
        detail = client.ask("GET", f"{CLIPS}/{found}").json
        (ada,) = detail["appearances"]
        assert (detail["clip"]["mode"], detail["clip"]["key"], detail["end_s"]) == ("first", "a.mp4", 0.0)
        assert (ada["person"], ada["best_s"], ada["box"]["left"]) == ("Ada", 0.0, 0.25)
        assert client.ask("GET", f"{CLIPS}/{found}/frame").headers["x-frame-time"] == "0"

    def test_who_was_forgotten_has_no_name(self, client: Client) -> None:
        found = film(client.app, "a.mp4", "Ada", None)
        client.app.videos.outputs.forget("Ada")
        detail = client.ask("GET", f"{CLIPS}/{found}")
        assert detail.json["appearances"][0]["status"] == "forgotten"
        assert b"Ada" not in detail.body

    def test_odd_names_are_found(self, client: Client) -> None:
        for key in ("a folder/b c.mp4", "Zoë?#%2F.mp4", "名前.mp4"):
            assert client.ask("GET", f"{CLIPS}/{film(client.app, key, 'Ada')}").json["clip"]["key"] == key

    def test_the_clip_that_another_one_shares_its_name_with_keeps_its_own_result(self, client: Client) -> None:
        film(client.app, "a.mov", "Bob")
        film(client.app, "a.mp4", "Ada")
        detail = client.ask("GET", f"{CLIPS}/{clip_id('a.mp4')}").json
        assert (detail["clip"]["key"], detail["clip"]["names"]) == ("a.mp4", ["Ada"])

    @pytest.mark.parametrize("wrong", ["%00", "abc*", "a", "_w", clip_id("nothing"), clip_id("../../state")])
    def test_what_is_no_clip_is_refused(self, client: Client, wrong: str) -> None:
        for path in (f"{CLIPS}/{wrong}", f"{CLIPS}/{wrong}/frame", f"{CLIPS}/{wrong}/video"):
            assert client.ask("GET", path).status in (400, 404)

    def test_a_file_that_is_no_result_is_told(self, client: Client) -> None:
        client.app.objects.put(client.app.videos.names.output, "mine.json", b"[1]")
        assert client.ask("GET", f"{CLIPS}/{clip_id('mine')}").is_problem(400, "mine.json")

    def test_a_result_that_is_nested_too_deeply_spoils_neither_its_clip_nor_the_list(self, client: Client) -> None:
        path = f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada')}"
        deep = b'{"source":"a","names":[],"error":null,"zz":' + b"[" * 100_000
        client.app.objects.put(client.app.videos.names.output, "a.json", deep)
        assert client.ask("GET", path).is_problem(400, "a.json")
        assert client.ask("GET", f"{path}/frame").status == 200
        (item,) = client.ask("GET", CLIPS).json["items"]
        assert "no result of a clip" in item["error"]
        client.app.objects.put(client.app.videos.names.stage, "a/frames.json", b'{"a":' + b"[" * 100_000)
        assert client.ask("GET", f"{path}/frame").is_problem(400, "frames.json")


class TestFrames:
    def test_the_nearest_frame_is_given_with_its_time(self, client: Client) -> None:
        path = f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada')}/frame"
        for asked, time_s, expected in ((b"0.4", "0", 40), (b"0.6", "1", 120), (b"77", "2", 200)):
            answer = client.ask("GET", path, query=b"at_s=" + asked)
            assert answer.headers["x-frame-time"] == time_s
            assert abs(shade(answer) - expected) < 4

    def test_without_a_time_it_is_the_best_one(self, client: Client) -> None:
        answer = client.ask("GET", f"{CLIPS}/{film(client.app, 'a.mp4', None, 'Ada')}/frame")
        assert answer.headers["x-frame-time"] == "1"

    def test_it_is_reduced_and_known_again(self, client: Client) -> None:
        path = f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada')}/frame"
        answer = client.ask("GET", path, query=b"width=64")
        assert Image.open(io.BytesIO(answer.body)).size == (64, 32)
        again = client.ask("GET", path, KNOWN | {"if-none-match": answer.headers["etag"]}, query=b"width=64")
        assert (again.status, again.body) == (304, b"")

    def test_without_frames_it_says_so(self, client: Client) -> None:
        found = film(client.app, "a.mp4", "Ada")
        client.app.videos.splitter().unstage("a")
        assert client.ask("GET", f"{CLIPS}/{found}/frame").is_problem(404, "upload it again")
        assert client.ask("GET", f"{CLIPS}/{found}").json["appearances"][0]["box"] is None


class TestVideo:
    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=10-19", 10, 19),
            ("bytes=1000-", 1000, 1023),
            ("bytes=-5", 1019, 1023),
            ("bytes=1000-9999", 1000, 1023),
        ],
    )
    def test_a_range_of_it_is_given(self, client: Client, asked: str, first: int, last: int) -> None:
        answer = client.ask("GET", f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada')}/video", KNOWN | {"range": asked})
        assert answer.status == 206
        assert answer.body == VIDEO[first : last + 1]
        assert answer.headers["content-range"] == f"bytes {first}-{last}/1024"
        assert answer.headers["content-length"] == str(len(answer.body))

    @pytest.mark.parametrize("asked", ["", "bytes=-", "bytes=5-2x", "bytes=0-1,4-5", "pages=1-2"])
    def test_what_is_no_single_range_gives_the_whole(self, client: Client, asked: str) -> None:
        answer = client.ask("GET", f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada')}/video", KNOWN | {"range": asked})
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, VIDEO, "video/mp4")

    @pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=999999999999999999-", "bytes=-0", "bytes=9-3"])
    def test_bytes_beyond_its_end_are_refused(self, client: Client, asked: str) -> None:
        answer = client.ask("GET", f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada')}/video", KNOWN | {"range": asked})
        assert answer.is_problem(416, "1024")
        assert answer.headers["content-range"] == "bytes */1024"

    def test_a_part_of_another_version_is_not_given(self, client: Client) -> None:
        path = f"{CLIPS}/{film(client.app, 'a.mp4', 'Ada')}/video"
        answer = client.ask("GET", path, KNOWN | {"range": "bytes=0-1", "if-range": '"another"'})
        assert (answer.status, answer.body) == (200, VIDEO)

    def test_a_page_that_is_called_a_clip_never_runs_as_one_of_ours(self, client: Client) -> None:
        answer = client.ask("GET", f"{CLIPS}/{film(client.app, 'page.html', 'Ada')}/video")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_deleted_clip_is_gone_with_all_that_was_made_of_it(client: Client) -> None:
    found = film(client.app, "a.mp4", "Ada")
    film(client.app, "b.mp4", "Ada")
    assert client.ask("DELETE", f"{CLIPS}/{found}").status == 204
    assert client.ask("GET", f"{CLIPS}/{found}").status == 404
    names = client.app.videos.names
    for bucket in (names.input, names.stage, names.output):
        assert all(info.key.startswith("b") for info in client.app.objects.list(bucket))
    assert [entry.key for entry in client.app.activity.page(ActivityQuery())] == ["b.mp4"]
