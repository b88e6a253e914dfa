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
from faceline.errors import NotFoundError
from faceline.pipelines.staging import StagedClip, read_staged
from faceline.pipelines.video_splitting import VideoSplitter
from faceline.pipelines.worker import BusyError
from faceline.ports import ObjectInfo
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


def watched(app: App, monkeypatch: pytest.MonkeyPatch, staged: Callable[[str], object]) -> None:
    """staged: told of each key that was just written to the stage bucket."""
    write = app.objects.put

    def written(bucket: str, key: str, data: bytes) -> ObjectInfo:
        info = write(bucket, key, data)
        if bucket == app.settings.names.stage:
            staged(key)
        return info

    monkeypatch.setattr(app.objects, "put", written)


def split(
    app: App, monkeypatch: pytest.MonkeyPatch, first: bytes, *then: bytes
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The result of `first`, which is replaced whenever it is just staged, and the calls of the second half."""

    def replace_it(key: str) -> None:
        if later and key in ("party/frames.json", "party.jpg"):
            put(app, later.pop(0))

    calls: list[dict[str, Any]] = []
    later = list(then)
    watched(app, monkeypatch, replace_it)
    info = app.objects.put(app.settings.names.input, KEY, first)
    return replace(app.videos.splitter(), invoke=calls.append).handle(event_of(info)), calls


def staged(app: App) -> StagedClip:
    return read_staged(app.objects.get(app.settings.names.stage, "party/frames.json", 10**6)[1], "party/frames.json")


def stage_keys(app: App) -> set[str]:
    return {info.key for info in app.objects.list(app.settings.names.stage)}


def test_frames_of_a_clip_that_was_replaced_while_it_was_split_do_not_stay(
    made_app: App, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, calls = split(made_app, monkeypatch, clip(4), clip(2))
    assert (result["status"], result["staged"]) == ("done", 2)
    assert (staged(made_app).video.etag, len(staged(made_app).frames)) == (put(made_app, clip(2)), 2)
    assert stage_keys(made_app) == {"party/output-01.jpg", "party/output-02.jpg", "party/frames.json"}
    assert calls == [{"bucket_name": made_app.settings.names.stage, "image_file_name": "party/frames.json"}]


def test_a_clip_that_is_replaced_again_and_again_comes_back_later_and_nobody_is_called(
    made_app: App, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[dict[str, Any]] = []
    later = [clip(2), clip(3), clip(4)]
    info = made_app.objects.put(made_app.settings.names.input, KEY, clip(1))
    watched(made_app, monkeypatch, lambda key: put(made_app, later.pop(0)) if key.endswith(".json") else None)
    splitter = replace(made_app.videos.splitter(), invoke=called.append)
    with pytest.raises(BusyError, match=r"party\.mp4 was replaced 3 times"):
        splitter.handle(event_of(info))
    assert (len(staged(made_app).frames), later, called) == (3, [], [])
    later.append(clip(4))  # the same bytes
    assert (splitter.handle(event_of(info))["staged"], len(called)) == (4, 1)


def test_the_first_frame_of_a_clip_that_was_replaced_does_not_stay(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_app(tmp_path / "data", video_mode="first") as app:
        split(app, monkeypatch, clip(1), clip(8))
        raced = app.objects.get(app.settings.names.stage, "party.jpg", 10**6)[1]
        split(app, monkeypatch, clip(8))
        assert app.objects.get(app.settings.names.stage, "party.jpg", 10**6)[1] == raced


def test_the_refusal_of_a_clip_that_was_replaced_does_not_stay(made_app: App, clip: Clip) -> None:
    def see(entry: Entry) -> None:
        put(made_app, clip(3))

    info = made_app.objects.put(made_app.settings.names.input, KEY, b"no clip")
    result = replace(made_app.videos.splitter(), see=see).handle(event_of(info))
    assert (result["status"], result["staged"], len(staged(made_app).frames)) == ("done", 3, 3)


@pytest.mark.parametrize("mode", ["first", "all"])
def test_nothing_stays_of_a_clip_that_was_deleted_while_it_was_split(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    calls: list[dict[str, Any]] = []
    with open_app(tmp_path / "data", video_mode=mode) as app:
        info = app.objects.put(app.settings.names.input, KEY, clip(2))
        app.objects.put(app.settings.names.output, "party.txt", b"Ada")
        watched(app, monkeypatch, lambda key: app.objects.delete(app.settings.names.input, KEY))
        with pytest.raises(NotFoundError, match=r"party\.mp4"):
            replace(app.videos.splitter(), invoke=calls.append).handle(event_of(info))
        assert (stage_keys(app), calls) == (set(), [])
        assert list(app.objects.list(app.settings.names.output)) == []
        assert app.receipts.result(f"owner:{app.settings.names.output}/party") is None


def test_a_clip_that_was_deleted_and_put_back_while_it_was_split_is_split(
    made_app: App, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    take_back = VideoSplitter.unstage

    def delete(key: str) -> None:
        if not deleted:
            deleted.append(key)
            made_app.objects.delete(made_app.settings.names.input, KEY)

    def put_back(self: VideoSplitter, stem: str) -> None:
        take_back(self, stem)
        put(made_app, clip(3))

    info = made_app.objects.put(made_app.settings.names.input, KEY, clip(2))
    watched(made_app, monkeypatch, delete)
    monkeypatch.setattr(VideoSplitter, "unstage", put_back)
    assert made_app.videos.splitter().handle(event_of(info))["staged"] == 3
    assert stage_keys(made_app) == {"party/frames.json", *(f"party/output-0{n}.jpg" for n in (1, 2, 3))}


def test_an_event_of_a_deleted_clip_that_comes_late_leaves_nothing(made_app: App, clip: Clip) -> None:
    event = event_of(made_app.objects.put(made_app.settings.names.input, KEY, clip(2)))
    made_app.objects.delete(made_app.settings.names.input, KEY)
    with pytest.raises(NotFoundError):
        made_app.videos.splitter().handle(event)
    assert made_app.receipts.result(f"owner:{made_app.settings.names.output}/party") is None


def test_the_name_of_a_result_that_another_clip_has_stays_that_clips(
    made_app: App, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = made_app.settings.names
    first = event_of(made_app.objects.put(names.input, "party.mov", clip(1)))
    made_app.videos.splitter().handle(first)
    info = made_app.objects.put(names.input, KEY, clip(2))
    watched(made_app, monkeypatch, lambda key: made_app.objects.delete(names.input, KEY))
    with pytest.raises(NotFoundError):
        made_app.videos.splitter().handle(event_of(info))
    assert made_app.receipts.result(f"owner:{names.output}/party") == "party.mov"
    assert stage_keys(made_app) == {"party/output-01.jpg", "party/frames.json"}


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
