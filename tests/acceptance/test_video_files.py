"""The clips of the test data (FACELINE_TEST_DATA) through `faceline.videos`."""

from pathlib import Path

import av
import numpy as np
import pytest

from faceline import videos
from faceline.errors import VideoDamagedError, VideoError
from faceline.videos import Sampling, VideoFrame, VideoLimits

LIMITS = VideoLimits()
HAMILTON = "photos/ageitgey/examples/short_hamilton_clip.mp4"
FULL_HD = "photos/facenet-pytorch/examples/video.mp4"


@pytest.fixture(scope="module")
def clips(test_data: Path) -> list[Path]:
    found = sorted(test_data.rglob("*.mp4"))
    assert len(found) >= 11, f"{test_data} is not the test data"
    return found


def test_every_clip_gives_all_the_frames_it_claims(clips: list[Path]) -> None:
    for path in clips:
        info = videos.probe(path, LIMITS)
        found = [(frame.number, frame.time_s) for frame in videos.frames(path, LIMITS)]
        assert [number for number, _ in found] == list(range(info.frames or 0)), path
        times = [time_s for _, time_s in found]
        assert times == sorted(set(times))
        assert info.duration_s is not None
        assert times[-1] < info.duration_s + 0.05


def test_frames_are_those_of_a_plain_decoder(test_data: Path) -> None:
    path = test_data / HAMILTON
    ours = {frame.number: frame.frame.pixels for frame in videos.frames(path, LIMITS, Sampling(1))}
    with av.open(str(path)) as container:
        plain = {i: frame.to_ndarray(format="rgb24") for i, frame in enumerate(container.decode(video=0)) if i in ours}
    assert len(ours) >= 9
    assert all(np.abs(ours[i].astype(int) - plain[i]).max() <= 1 for i in ours)


@pytest.mark.parametrize(
    ("name", "size", "frames", "sampled"), [(HAMILTON, (640, 360), 275, 46), (FULL_HD, (1920, 1080), 105, 21)]
)
def test_the_known_clips(test_data: Path, name: str, size: tuple[int, int], frames: int, sampled: int) -> None:
    info = videos.probe(test_data / name, LIMITS)
    assert ((info.width, info.height), info.frames) == (size, frames)
    found = list(videos.frames(test_data / name, LIMITS, Sampling(5)))
    assert abs(len(found) - sampled) <= 1
    assert {frame.frame.pixels.shape for frame in found} == {(size[1], size[0], 3)}
    assert [int(frame.time_s * 5 + 0.01) for frame in found] == sorted(
        {int(frame.time_s * 5 + 0.01) for frame in found}
    )


def test_a_real_clip_cut_off_anywhere_gives_a_clean_beginning_or_an_error(test_data: Path, tmp_path: Path) -> None:
    data = (test_data / FULL_HD).read_bytes()
    for tenth in range(1, 10):
        path = tmp_path / f"cut{tenth}.mp4"
        path.write_bytes(data[: len(data) * tenth // 10])
        found: list[VideoFrame] = []
        with pytest.raises(VideoError, match=str(path)) as caught:
            for frame in videos.frames(path, LIMITS, Sampling(2)):
                found.append(frame)  # noqa: PERF402 - what came before the error is wanted
        assert isinstance(caught.value, VideoDamagedError) == bool(found)


def test_damage_anywhere_ends_in_frames_or_a_video_error(test_data: Path, tmp_path: Path) -> None:
    data = (test_data / HAMILTON).read_bytes()
    path = tmp_path / "damaged.mp4"
    for seed in range(30):
        rng = np.random.default_rng(seed)
        changed = bytearray(data)
        header = rng.integers(len(data) - 9300, len(data) - 40, 3)  # the index, which comes last in this file
        for at in header if seed % 2 else rng.integers(0, len(data) - 40, 5):
            changed[at : at + 8] = rng.bytes(8)
        path.write_bytes(changed)
        try:
            found = list(videos.frames(path, LIMITS, Sampling(2)))
        except VideoError as error:
            assert str(error).startswith(f"{path}: ")
        else:
            assert found
