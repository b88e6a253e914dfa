"""Who appears in the clips of the test data (FACELINE_TEST_DATA), through the command line and from Python."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import faceline
from commands import Cli
from faceline.errors import VideoError
from faceline.types import Decision
from faceline.video.writing import clip_writer
from faceline.videos import Sampling, VideoLimits, frames, probe

EXAMPLES = "photos/ageitgey/examples"
PEOPLE = {
    "lin-manuel-miranda.png": "Lin-Manuel Miranda",
    "alex-lacamoire.png": "Alex Lacamoire",
    "obama.jpg": "Obama",
    "biden.jpg": "Biden",
}
OF_CLIP = {0: "Trump", 1: "Biden", 2: "Bean", 4: "Depp", 5: "Diesel", 6: "Floki", 7: "Freeman", 8: "Obama"}
KEYS = ["decision", "name", "similarity", "first_s", "last_s", "best_frame_s", "box", "frames"]


@pytest.fixture
def hamilton(cli: Cli, test_data: Path, models_dir: Path) -> Path:
    """A clip with cuts and pans, and a gallery of some who are in it."""
    for photo, name in PEOPLE.items():
        assert cli("enroll", test_data / EXAMPLES / photo, "--name", name).code == 0
    return test_data / EXAMPLES / "short_hamilton_clip.mp4"


@pytest.fixture
def astronaut_clip(astronaut: np.ndarray[Any, np.dtype[np.uint8]], tmp_path: Path) -> Path:
    """Three seconds of a portrait that moves to the right, then one of nothing."""
    target = tmp_path / "astronaut.mp4"
    with clip_writer(target) as write:
        for n in range(40):
            picture = np.zeros((512, 768, 3), np.uint8)
            if n < 30:
                picture[:, 4 * n : 4 * n + 512] = astronaut
            write(picture, n / 10)
    return target


def identified(cli: Cli, *arguments: object) -> list[dict[str, Any]]:
    result = cli("identify", *arguments, "--json")
    assert result.code == 0, result.err
    found: list[dict[str, Any]] = result.json
    return found


@pytest.mark.parametrize("per_second", [1, 5])
def test_each_person_of_a_clip_with_cuts_is_one_appearance_with_the_right_name(
    cli: Cli, hamilton: Path, per_second: int
) -> None:
    (document,) = identified(cli, hamilton, "--fps", per_second)
    assert list(document) == ["source", "kind", "duration_s", "appearances", "error"]
    assert (document["kind"], document["error"]) == ("video", None)
    assert document["duration_s"] == pytest.approx(10.02, abs=0.01)
    appearances = document["appearances"]
    assert all(set(KEYS) <= each.keys() for each in appearances)
    assert [each["number"] for each in appearances] == list(range(1, len(appearances) + 1))
    assert 5 <= len(appearances) <= 9
    (singer,) = (each for each in appearances if each["name"] == "Lin-Manuel Miranda")
    assert singer["first_s"] < 1.0
    assert singer["last_s"] > 6.9
    named = [each["name"] for each in appearances if each["decision"] == "match"]
    assert set(named) <= {"Lin-Manuel Miranda", "Alex Lacamoire", "Obama"}
    assert len(set(named)) == len(named)


def test_people_in_a_crowd_are_few_appearances(cli: Cli, test_data: Path, models_dir: Path) -> None:
    (document,) = identified(cli, test_data / "photos/facenet-pytorch/examples/video.mp4")
    assert 7 <= len(document["appearances"]) <= 13
    assert sum(each["frames"] >= 15 for each in document["appearances"]) >= 4


def test_each_of_the_eight_clips_shows_whom_it_should(cli: Cli, test_data: Path, models_dir: Path) -> None:
    for number, name in OF_CLIP.items():
        later = sorted((test_data / "cse546/frames").glob(f"test_{number}_f*.jpg"))
        assert cli("enroll", *later, "--name", name).code == 0
    documents = identified(cli, test_data / "cse546/test_case_1")
    found = [{each["name"] for each in document["appearances"]} - {None} for document in documents]
    assert found == [{name} for name in OF_CLIP.values()]


def test_everything_is_drawn_where_it_was_asked_for(cli: Cli, astronaut_clip: Path, models_dir: Path) -> None:
    arguments = "--fps", 5, "--draw", "drawn", "--contact-sheet", "sheet.png"
    (document,) = identified(cli, astronaut_clip, *arguments)
    (appearance,) = document["appearances"]
    assert appearance["decision"] == "unknown"
    assert appearance["last_s"] == pytest.approx(2.8, abs=0.11)
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (340, 396)
    before, after = probe(astronaut_clip, VideoLimits()), probe(Path("drawn/astronaut.mp4"), VideoLimits())
    assert (after.width, after.height, after.frames) == (before.width, before.height, before.frames)
    pairs = zip(frames(astronaut_clip, VideoLimits()), frames(Path("drawn/astronaut.mp4"), VideoLimits()), strict=True)
    changed = [
        int((np.abs(a.frame.pixels.astype(int) - b.frame.pixels) > 90).any(axis=2).sum()) > 300 for a, b in pairs
    ]
    assert changed == [True] * 29 + [changed[29]] + [False] * 10


def test_only_the_region_is_searched_and_boxes_are_of_the_whole_picture(
    cli: Cli, astronaut_clip: Path, models_dir: Path
) -> None:
    (whole,) = identified(cli, astronaut_clip)[0]["appearances"]
    (part,) = identified(cli, astronaut_clip, "--region", "0,0,0.7,1")[0]["appearances"]
    assert part["box"]["left"] == pytest.approx(whole["box"]["left"], abs=60)
    assert part["box"]["width"] == pytest.approx(whole["box"]["width"], rel=0.15)
    assert identified(cli, astronaut_clip, "--region", "600,0,168,512")[0]["appearances"] == []


def test_smaller_faces_than_asked_for_are_not_sought(cli: Cli, astronaut_clip: Path, models_dir: Path) -> None:
    assert identified(cli, astronaut_clip, "--min-face", 300)[0]["appearances"] == []


def test_photos_and_clips_are_told_apart_by_what_they_are(
    cli: Cli, astronaut_clip: Path, astronaut_jpeg: bytes, tmp_path: Path, models_dir: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(astronaut_clip, folder / "b")
    (folder / "a.jpg").write_bytes(astronaut_jpeg)
    documents = identified(cli, folder / "b", folder)
    assert [(Path(d["source"]).name, d["kind"]) for d in documents] == [("b", "video"), ("a.jpg", "photo")]
    assert len(documents[0]["appearances"]) == len(documents[1]["faces"]) == 1


def test_people_read_a_table_of_who_appears_when(cli: Cli, astronaut_clip: Path, models_dir: Path) -> None:
    result = cli("identify", astronaut_clip)
    assert result.code == 0
    assert "00:00.0" in result.out
    assert "unknown" in result.out


def test_a_clip_that_is_cut_off_gives_what_was_found_and_says_so(
    cli: Cli, hamilton: Path, tmp_path: Path, models_dir: Path
) -> None:
    cut = tmp_path / "cut.mkv"
    _remuxed(hamilton, cut)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    result = cli("identify", cut, "--draw", "drawn", "--json")
    assert result.code == 1
    (document,) = result.json
    assert "Lin-Manuel Miranda" in {each["name"] for each in document["appearances"]}
    assert str(cut) in document["error"]
    assert sum(1 for _ in frames(Path("drawn/cut.mp4"), VideoLimits(), Sampling(1))) >= 4
    table = cli("identify", cut)
    assert table.code == 1
    assert "Lin-Manuel Miranda" in table.out
    assert "Traceback" not in table.err


def test_what_is_no_clip_is_an_error_beside_the_others(
    cli: Cli, astronaut_clip: Path, tmp_path: Path, models_dir: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    result = cli("identify", broken, astronaut_clip, "--contact-sheet", "sheets", "--draw", "drawn", "--json")
    assert result.code == 1
    bad, good = result.json
    assert (bad["duration_s"], bad["appearances"]) == (None, [])
    assert str(broken) in bad["error"]
    assert good["error"] is None
    assert [path.name for path in Path("sheets").iterdir()] == ["astronaut.png"]
    assert [path.name for path in Path("drawn").iterdir()] == ["astronaut.mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--region", "1,2"], "is no region"),
        (["--contact-sheet", "one.png", "again.mp4"], "name a folder"),
        (["--fps", "0"], "follow_per_second"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_searched(
    cli: Cli, astronaut_clip: Path, arguments: list[str], message: str
) -> None:
    result = cli("identify", astronaut_clip, *arguments)
    assert result.code == 2
    assert message in result.err


def test_python_follows_a_clip_too(astronaut_clip: Path, tmp_path: Path, models_dir: Path) -> None:
    with faceline.open(tmp_path / "data") as opened:
        (appearance,) = opened.follow(astronaut_clip)
        assert appearance.who.decision is Decision.UNKNOWN
        assert appearance.frames >= 14
        with pytest.raises(VideoError, match="no such file"):
            opened.follow(tmp_path / "gone.mp4")


def _remuxed(source: Path, target: Path) -> None:
    """The same pictures in another container, which can be read up to where it is cut off."""
    import av  # noqa: PLC0415

    with av.open(str(source)) as clip, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(clip.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
