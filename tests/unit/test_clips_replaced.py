"""Clips and staged images that are replaced while they are worked on: the older one never has the last word."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clips import write_clip
from faceline.activity import Entry
from faceline.app import App
from faceline.pipelines.staging import StagedClip, read_staged
from faceline.types import Frame
from made import MODEL, MadeAnalyzer, event_of, open_app, photo

KEY = "party.mp4"
Clip = Callable[[int], bytes]


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """`clip(3)` is one of three frames, each of which is sampled."""

    def written(frames: int) -> bytes:
        pictures = [Image.new("RGB", (64, 48), (90, 120, 10 * frames))] * frames
        return write_clip(tmp_path / "made.mp4", pictures, fps=1).read_bytes()

    return written


def put(app: App, data: bytes) -> str:
    """The etag of the clip that is there now."""
    return app.objects.put(app.settings.names.input, KEY, data).etag


def split(app: App, first: bytes, then: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The result of `first`, which `then` replaces when it is just done, and the calls of the second half."""

    def invoke(payload: dict[str, Any]) -> None:
        calls.append(payload)
        put(app, then)

    calls: list[dict[str, Any]] = []
    info = app.objects.put(app.settings.names.input, KEY, first)
    return replace(app.videos.splitter(), invoke=invoke).handle(event_of(info)), calls


def staged(app: App) -> StagedClip:
    return read_staged(app.objects.get(app.settings.names.stage, "party/frames.json", 10**6)[1], "party/frames.json")


def stage_keys(app: App) -> set[str]:
    return {info.key for info in app.objects.list(app.settings.names.stage)}


def test_frames_of_a_clip_that_was_replaced_while_it_was_split_do_not_stay(made_app: App, clip: Clip) -> None:
    result, calls = split(made_app, clip(4), clip(2))
    assert (result["status"], result["staged"]) == ("done", 2)
    assert (staged(made_app).video.etag, len(staged(made_app).frames)) == (put(made_app, clip(2)), 2)
    assert stage_keys(made_app) == {"party/output-01.jpg", "party/output-02.jpg", "party/frames.json"}
    assert len(calls) == 2


def test_the_first_frame_of_a_clip_that_was_replaced_does_not_stay(tmp_path: Path, clip: Clip) -> None:
    with open_app(tmp_path / "data", video_mode="first") as app:
        split(app, clip(1), clip(8))
        raced = app.objects.get(app.settings.names.stage, "party.jpg", 10**6)[1]
        split(app, clip(8), clip(8))
        assert app.objects.get(app.settings.names.stage, "party.jpg", 10**6)[1] == raced


def test_the_refusal_of_a_clip_that_was_replaced_does_not_stay(made_app: App, clip: Clip) -> None:
    def see(entry: Entry) -> None:
        put(made_app, clip(3))

    info = made_app.objects.put(made_app.settings.names.input, KEY, b"no clip")
    result = replace(made_app.videos.splitter(), see=see).handle(event_of(info))
    assert (result["status"], result["staged"], len(staged(made_app).frames)) == ("done", 3, 3)


def test_a_clip_that_was_taken_away_while_it_was_split_has_its_result(made_app: App, clip: Clip) -> None:
    def invoke(payload: dict[str, Any]) -> None:
        made_app.objects.delete(made_app.settings.names.input, KEY)

    info = made_app.objects.put(made_app.settings.names.input, KEY, clip(2))
    assert replace(made_app.videos.splitter(), invoke=invoke).handle(event_of(info))["staged"] == 2


def test_a_staged_image_that_is_replaced_while_it_is_looked_at_is_looked_at_again(tmp_path: Path) -> None:
    def replaced(frame: Frame) -> None:
        newer.append(app.objects.put(app.settings.names.stage, "party.jpg", photo(person=2)).etag)

    newer: list[str] = []
    analyzer = MadeAnalyzer(replaced)
    with open_app(tmp_path / "data", analyzer) as app:
        app.collections.create(app.settings.collection, MODEL)
        app.objects.put(app.settings.names.stage, "party.jpg", photo(person=1))
        app.videos.recognizer().handle({"bucket_name": app.settings.names.stage, "image_file_name": "party.jpg"})
        _, document = app.objects.get(app.settings.names.output, "party.json", 10**6)
    assert analyzer.analyzed == 2
    assert newer[-1] in document.decode()
