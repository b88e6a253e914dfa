"""Clips as files: copies of which nothing stays."""

import os
from pathlib import Path

import pytest

from faceline.app import App
from faceline.errors import NotFoundError, VideoLimitError
from faceline.pipelines.fetching import fetched_clip


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_of_a_clips_copy_nothing_would_stay_if_the_process_were_killed(made_app: App, scratch: Path) -> None:
    stored = made_app.objects.put("videos", "a.mp4", b"a clip")
    with fetched_clip(made_app.objects, "videos", "a.mp4", 6) as (info, file):
        assert (info, os.read(file, 100)) == (stored, b"a clip")
        assert list(scratch.iterdir()) == []


def test_a_clip_that_is_too_large_is_not_copied(made_app: App, scratch: Path) -> None:
    made_app.objects.put("videos", "a.mp4", b"a clip")
    too_large = pytest.raises(VideoLimitError, match=r"a\.mp4: has .* over the limit")
    with too_large, fetched_clip(made_app.objects, "videos", "a.mp4", 5):
        pass


def test_a_clip_that_is_not_there_is_not_found(made_app: App, scratch: Path) -> None:
    with pytest.raises(NotFoundError), fetched_clip(made_app.objects, "videos", "a.mp4", 5):
        pass
