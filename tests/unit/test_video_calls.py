"""Calls of the second half of workflow 3 that ask for what cannot be."""

from pathlib import Path
from typing import Any

import pytest

from faceline.app import App
from faceline.pipelines.staging import StagedClip, StagedFrame, StagedVideo
from made import open_app

SHORT: dict[str, Any] = {"max_video_s": 10.0, "video_per_second": 0.5}


@pytest.mark.parametrize("key", [".", "/", "./", "//"])
def test_a_key_without_a_name_is_answered(made_app: App, key: str) -> None:
    answer = made_app.videos.recognizer().handle({"bucket_name": "stage", "image_file_name": key})
    assert (answer["statusCode"], "no bucket_name or image_file_name" in answer["body"]) == (400, True)


@pytest.mark.parametrize(("settings", "most"), [(SHORT, 6), (SHORT | {"video_most_frames": 3}, 3), ({}, 21_601)])
def test_a_list_of_more_frames_than_a_clip_can_have_is_answered(
    tmp_path: Path, settings: dict[str, Any], most: int
) -> None:
    with open_app(tmp_path / "data", **settings) as app:
        answer = asked(app, most + 1)
        assert answer["statusCode"] == 400
        assert f"lists {most + 1:,} frames" in answer["body"]
        assert f"a clip has {most:,} at most" in answer["body"]


def asked(app: App, frames: int) -> dict[str, Any]:
    """The answer to a list of so many frames, none of which is there."""
    names = app.settings.names
    info = app.objects.put(names.input, "party.mp4", b"a clip")
    listed = [StagedFrame(f"party/output-{n}.jpg", float(n), n) for n in range(frames)]
    video = StagedVideo(names.input, "party.mp4", info.etag, 2.0, 64, 48, 10.0)
    app.objects.put(names.stage, "party/frames.json", StagedClip(video, listed).to_json())
    return app.videos.recognizer().handle({"bucket_name": names.stage, "image_file_name": "party/frames.json"})
