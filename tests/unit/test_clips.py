"""From frames to appearances, with made faces; regions, drawing, and which files are clips."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from faceline.cli.clip_files import clips_and_photos, is_clip
from faceline.drawing import MATCH, UNKNOWN
from faceline.drawing_clips import Trail, clock, contact_sheet, drawn
from faceline.engine.analyzer import Sighting, Wanted
from faceline.errors import UsageError, VideoDamagedError, VideoError
from faceline.pipelines.clips import appearances, sighted
from faceline.pipelines.regions import Region, parse_region, within
from faceline.tracking import Motion
from faceline.types import Appearance, BoundingBox, Decision, Frame, Identification
from faceline.video.writing import clip_writer
from faceline.videos import VideoFrame, VideoLimits, frames
from films import SCORER, Actor, embed, video_frame
from made import MODEL, face, photo


def named(name: str | None) -> Identification:
    decision = Decision.MATCH if name else Decision.UNKNOWN
    return Identification(face(), decision, name, 99.0 if name else 20.0, 80.0)


class Stage:
    """Stands in for the analyzer and for the collection: the faces of each frame, by its number."""

    model, scorer = MODEL, SCORER

    def __init__(self, scenes: list[list[Actor]]) -> None:
        self.scenes = scenes

    def frames(self) -> Iterator[VideoFrame]:
        for number, _ in enumerate(self.scenes):
            frame = video_frame(number / 5, number)
            pixels = frame.frame.pixels.copy()
            pixels[0, 0] = number
            yield VideoFrame(Frame(pixels, 640, 360, "made.mp4"), number / 5, number)

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        return [actor.sighting() for actor in self.scenes[int(frame.pixels[0, 0, 0])]]

    embed_chips = staticmethod(embed)

    def identify_together(self, faces: Any, best: Any, limit: int = 5) -> Identification:
        return named(f"{len(faces)} shots")

    def appearances(self, workers: int = 2) -> list[Appearance]:
        made: Any = self
        return appearances(self.frames(), made, Wanted(), made, workers)


def test_faces_come_with_their_frames_in_order_however_long_each_takes() -> None:
    def sight(frame: Frame) -> list[Sighting]:
        time.sleep(0.02 if frame.pixels[0, 0, 0] % 2 else 0.0)
        return [Actor(int(frame.pixels[0, 0, 0]), 10).sighting()]

    found = list(sighted(Stage([[]] * 9).frames(), sight, 3))
    assert [frame.number for frame, _ in found] == list(range(9))
    assert [int(sightings[0].chip[0, 0, 0]) for _, sightings in found] == list(range(9))


def test_only_a_few_frames_are_held_while_somebody_is_slow() -> None:
    taken = []

    def counted() -> Iterator[VideoFrame]:
        for frame in Stage([[]] * 50).frames():
            taken.append(frame.number)
            yield frame

    for _ in sighted(counted(), lambda frame: [], 2):
        break
    assert len(taken) <= 4


def test_two_frames_are_searched_at_once() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def sight(frame: Frame) -> list[Sighting]:
        meeting.wait()
        return []

    assert len(list(sighted(Stage([[]] * 4).frames(), sight, 2))) == 4


def test_damage_comes_after_the_faces_of_the_frames_before_it() -> None:
    def damaged() -> Iterator[VideoFrame]:
        yield from Stage([[]] * 3).frames()
        raise VideoDamagedError("made.mp4: 1 frame is missing")

    found = []
    with pytest.raises(VideoDamagedError):
        for frame, _ in sighted(damaged(), lambda frame: [], 2):
            found.append(frame.number)
    assert found == [0, 1, 2]


def test_an_error_of_the_detector_is_not_hidden() -> None:
    def sight(frame: Frame) -> list[Sighting]:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        list(sighted(Stage([[]] * 3).frames(), sight, 1))


def test_everybody_is_one_appearance_numbered_in_order_without_noise() -> None:
    noise = Actor(9, 600, confidence=80.0)
    stage = Stage([[Actor(1, 100), noise], [Actor(1, 110)], [Actor(1, 120), Actor(2, 400)], [Actor(2, 410)]])
    first, second = stage.appearances()
    assert (first.number, first.first_s, first.last_s, first.frames) == (1, 0.0, 0.4, 3)
    assert (second.number, second.first_s, second.last_s, second.frames) == (2, 0.4, 0.6, 2)
    assert second.who.name == "1 shots"


def test_no_frames_give_nobody() -> None:
    assert Stage([]).appearances() == []


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("0.5,0,0.5,1", BoundingBox(320, 0, 320, 360)),
        ("0,0,1,1", BoundingBox(0, 0, 640, 360)),
        ("320,0,320,360", BoundingBox(320, 0, 320, 360)),
    ],
)
def test_a_region_is_in_parts_or_in_pixels(text: str, box: BoundingBox) -> None:
    assert parse_region(text).box(640, 360) == box


@pytest.mark.parametrize("text", ["", "1,2,3", "0,0,0,1", "-1,0,1,1", "a,b,c,d", "nan,0,1,1", "0,0,inf,1", "1,2,3,4,5"])
def test_what_is_no_region_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(UsageError, match="is no region; give LEFT,TOP,WIDTH,HEIGHT"):
        parse_region(text)


def test_only_faces_whose_centre_is_in_the_region_count_and_boxes_are_of_the_whole_picture() -> None:
    seen = []

    def sight(frame: Frame) -> list[Sighting]:
        seen.append((frame.width, frame.height))
        return [Actor(1, 40, 100).sighting(), Actor(2, 200, 100).sighting()]

    frame = Frame(np.zeros((180, 320, 3), np.uint8), 640, 360)  # at half size; the part looked at starts at 240
    (found,) = within(Region(0.5, 0, 0.5, 1), sight)(frame)
    assert seen == [(400, 360)]
    assert found.face.box == BoundingBox(440, 100, 60, 60)
    assert found.face.landmarks.left_eye == pytest.approx((458, 124))


def test_a_region_beside_the_picture_has_no_faces() -> None:
    frame = Frame(np.zeros((180, 320, 3), np.uint8), 320, 180)
    assert within(Region(2000, 0, 100, 100, in_pixels=True), lambda _: [Actor(1, 60).sighting()])(frame) == []


def trail(*seen: tuple[float, float], step_s: float = 0.2) -> Trail:
    return Trail(named("Ada"), [Motion(BoundingBox(left, 100, 50, 50), time_s) for time_s, left in seen], step_s)


def test_a_box_moves_between_two_sightings() -> None:
    box = trail((1.0, 100), (1.2, 120)).box(1.1)
    assert box is not None
    assert (box.left, box.width) == pytest.approx((110, 50))


def test_a_box_is_there_only_while_the_face_is() -> None:
    going = trail((1.0, 100), (1.2, 110), (5.0, 110))
    assert going.box(0.85) is None
    assert going.box(0.95) == going.box(1.0)
    assert going.box(1.29) == BoundingBox(110, 100, 50, 50)
    assert going.box(3.0) is None
    assert trail().box(1.0) is None


def test_a_box_jumps_over_a_cut() -> None:
    going = trail((1.0, 100), (1.2, 400))
    assert going.box(1.05) == BoundingBox(100, 100, 50, 50)
    assert going.box(1.15) == BoundingBox(400, 100, 50, 50)


def test_a_frame_is_drawn_with_who_is_seen_then() -> None:
    frame = Frame(np.full((360, 640, 3), 128, np.uint8), 640, 360)
    assert tuple(drawn(frame, 1.0, [trail((1.0, 100))])[130, 100]) == MATCH
    assert (drawn(frame, 2.0, [trail((1.0, 100))]) == 128).all()


def test_a_contact_sheet_has_a_cell_for_each_appearance() -> None:
    crops = np.full((80, 60, 3), 77, np.uint8)
    shown = [Appearance(n, named("Ada" if n == 1 else None), 0.0, 61.25, 1.0, 9, crops) for n in range(1, 6)]
    sheet = contact_sheet(shown)
    assert sheet.shape == (2 * 396, 3 * 340, 3)
    cells = [sheet[396 * (n // 3) : 396 * (n // 3 + 1), 340 * (n % 3) : 340 * (n % 3 + 1)] for n in range(6)]
    assert [int((cell == 77).all(axis=2).sum()) > 60_000 for cell in cells] == [True] * 5 + [False]
    assert [bool((cell == MATCH).all(axis=2).any()) for cell in cells[:2]] == [True, False]
    assert [bool((cell == UNKNOWN).all(axis=2).any()) for cell in cells[:2]] == [False, True]
    assert contact_sheet([]).shape == (396, 340, 3)


@pytest.mark.parametrize(
    ("time_s", "text"), [(0, "00:00.0"), (61.25, "01:01.2"), (59.96, "01:00.0"), (3600, "1:00:00.0")]
)
def test_times_are_minutes_and_seconds(time_s: float, text: str) -> None:
    assert clock(time_s) == text


def test_a_written_clip_has_its_frames_at_their_times(tmp_path: Path) -> None:
    target, times = tmp_path / "out.mp4", [0.0, 0.1, 0.5, 0.52]
    with clip_writer(target) as write:
        for n, time_s in enumerate(times):
            write(np.full((121, 161, 3), 40 + 50 * n, np.uint8), time_s)
    found = list(frames(target, VideoLimits()))
    assert [frame.time_s for frame in found] == pytest.approx(times, abs=0.001)
    assert {frame.frame.pixels.shape for frame in found} == {(120, 160, 3)}
    assert [round(float(frame.frame.pixels.mean())) for frame in found] == pytest.approx([40, 90, 140, 190], abs=4)
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_left_of_a_clip_that_was_not_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), clip_writer(tmp_path / "out.mp4") as write:
        write(np.zeros((120, 160, 3), np.uint8), 0.0)
        raise KeyboardInterrupt
    with clip_writer(tmp_path / "empty.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "out.mp4"
    with pytest.raises(VideoError, match="cannot be written"), clip_writer(missing) as write:
        write(np.zeros((120, 160, 3), np.uint8), 0.0)


def test_files_are_clips_by_their_names_or_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(photo())
    (tmp_path / "unnamed").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(300))
    (tmp_path / "picture").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(300))
    (tmp_path / "stream").write_bytes((b"\x47" + bytes(187)) * 3)
    clips = [name for name in ("a.mp4", "b.png", "unnamed", "picture", "stream", "gone") if is_clip(tmp_path / name)]
    assert clips == ["a.mp4", "unnamed", "stream"]


def test_folders_give_their_photos_and_clips_sorted_and_nothing_else(tmp_path: Path) -> None:
    for name in ("c.MOV", "a.jpg", "b.txt", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"x")
    files, clips, photos = clips_and_photos([tmp_path, tmp_path / "gone.png"])
    assert [file.name for file in files] == ["a.jpg", "c.MOV", "gone.png"]
    assert [file.name for file in clips] == ["c.MOV"]
    assert [file.name for file in photos] == ["a.jpg", "gone.png"]
