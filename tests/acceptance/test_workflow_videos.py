"""Workflows 3 and 4 on embedded storage with the real models: clips in, names out."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clips import passing_by, write_clip
from commands import Cli
from faceline.activity import ActivityQuery, Kind
from faceline.app import App
from faceline.config import Settings

Json = dict[str, Any]


@pytest.fixture
def ada(cli: Cli, photos: Path) -> Path:
    """Ada is enrolled; her clip of two seconds."""
    assert cli("enroll", photos / "ada.jpg", "--name", "Ada").code == 0
    return photos


@pytest.fixture
def clip(tmp_path: Path, portrait: Image.Image) -> Path:
    return write_clip(tmp_path / "party.mp4", passing_by(portrait, 21))


def put(cli: Cli, *arguments: object) -> list[Json]:
    rows: list[Json] = cli("put", *arguments, "--wait", "--json").json
    return rows


def bucket(folder: Path, name: str) -> Path:
    return folder / "faceline-data" / "buckets" / f"faceline-{name}"


def keys(folder: Path, name: str) -> set[str]:
    root = bucket(folder, name)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def output(folder: Path, stem: str) -> Json:
    document: Json = json.loads((bucket(folder, "output") / f"{stem}.json").read_text(encoding="utf-8"))
    return document


def test_all_frames_of_a_clip_are_staged_and_whoever_is_in_them_is_named(
    cli: Cli, ada: Path, clip: Path, tmp_path: Path
) -> None:
    (row,) = put(cli, clip)
    assert (row["bucket"], row["key"], row["error"]) == ("faceline-input", "party.mp4", None)
    assert row["result"] == {"status": "done", "staged": 3, "stem": "party", "names": ["Ada"]}
    assert keys(tmp_path, "stage-1") == {f"party/output-0{n}.jpg" for n in (1, 2, 3)} | {"party/frames.json"}
    assert keys(tmp_path, "output") == {"party.json", "party.txt"}
    assert (bucket(tmp_path, "output") / "party.txt").read_bytes() == b"Ada"
    document = output(tmp_path, "party")
    (seen,) = document["appearances"]
    assert (seen["name"], seen["first_s"], seen["last_s"], seen["frames"]) == ("Ada", 0.0, 2.0, 3)
    assert seen["best_frame"] in keys(tmp_path, "stage-1")
    assert (document["mode"], document["error"], document["calibrated"]) == ("all", None, True)
    with App(Settings(data=tmp_path / "faceline-data")) as app:
        (entry,) = app.activity.page(ActivityQuery(person="Ada", kind=Kind.CLIP))
    assert (entry.key, entry.faces[0].last_s) == ("party.mp4", 2.0)


def test_sampling_goes_by_the_settings(
    cli: Cli, ada: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELINE_VIDEO_PER_SECOND", "5")
    monkeypatch.setenv("FACELINE_VIDEO_MOST_FRAMES", "4")
    monkeypatch.setenv("FACELINE_VIDEO_STAGE_SIZE", "320x180")
    (row,) = put(cli, clip)
    assert row["result"]["staged"] == 4
    manifest = json.loads((bucket(tmp_path, "stage-1") / "party" / "frames.json").read_text())
    assert [frame["time_s"] for frame in manifest["frames"]] == [0.0, 0.2, 0.4, 0.6]
    with Image.open(bucket(tmp_path, "stage-1") / "party" / "output-04.jpg") as staged:
        assert staged.size == (320, 180)


def test_the_first_frame_alone_gives_the_bare_name(cli: Cli, ada: Path, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "faceline.toml").write_text('[video]\nmode = "first"\n')
    (row,) = put(cli, clip)
    assert row["result"]["names"] == ["Ada"]
    assert keys(tmp_path, "stage-1") == {"party.jpg"}
    assert (bucket(tmp_path, "output") / "party.txt").read_bytes() == b"Ada"
    assert output(tmp_path, "party")["face"]["name"] == "Ada"


def test_a_clip_without_a_face_has_no_text_and_a_document_that_says_so(cli: Cli, ada: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "source.mp4", [Image.new("RGB", (320, 240), (90, 120, 90))] * 5)
    for mode, stem, named in (("all", "empty", "empty"), ("first", "first", "first.jpg")):
        (tmp_path / "faceline.toml").write_text(f'video.mode = "{mode}"\n')
        (row,) = put(cli, shutil.copy(source, tmp_path / f"{stem}.mp4"))
        assert row["result"]["names"] == []
        assert output(tmp_path, stem)["error"] == f"No face detected or recognized in {named}"
    assert keys(tmp_path, "output") == {"empty.json", "first.json"}


def test_a_stranger_is_unknown_unless_the_nearest_wins(
    cli: Cli, clip: Path, photos: Path, tmp_path: Path, test_data: Path
) -> None:
    known = test_data / "cse546" / "frames" / "test_0_f012.jpg"
    assert cli("enroll", known, "--name", "Trump").code == 0
    (tmp_path / "faceline.toml").write_text('video.mode = "first"\n')
    assert put(cli, clip)[0]["result"]["names"] == ["Unknown"]
    (tmp_path / "faceline.toml").write_text('nearest_wins = true\nvideo.mode = "first"\n')
    assert put(cli, clip, "--again")[0]["result"]["names"] == ["Trump"]


def test_a_shorter_clip_under_the_same_name_leaves_nothing_of_the_longer_one(
    cli: Cli, ada: Path, clip: Path, tmp_path: Path, portrait: Image.Image
) -> None:
    put(cli, clip)
    write_clip(clip, passing_by(portrait, 5))
    assert put(cli, clip)[0]["result"]["staged"] == 1
    assert keys(tmp_path, "stage-1") == {"party/output-01.jpg", "party/frames.json"}


def test_two_clips_of_one_stem_keep_apart(cli: Cli, ada: Path, clip: Path, tmp_path: Path) -> None:
    put(cli, clip)
    other = Path(shutil.copy(clip, clip.with_suffix(".mov")))
    assert put(cli, other)[0]["result"]["stem"] == "party.mov"
    assert keys(tmp_path, "output") == {"party.json", "party.txt", "party.mov.json", "party.mov.txt"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", "is not a video"),
        (b"\0" * 5000, "is not a video"),
    ],
)
def test_what_is_no_video_is_refused_in_its_result(
    cli: Cli, ada: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(content)
    result = cli("put", bad, "--wait", "--json")
    assert result.code == 1
    assert result.json[0]["result"]["status"] == "error"
    assert message in output(tmp_path, "bad")["error"]
    assert str(output(tmp_path, "bad")["error"]).startswith("bad.mp4: ")
    assert keys(tmp_path, "stage-1") == set()


def test_a_damaged_clip_gives_what_is_left_of_it(cli: Cli, ada: Path, clip: Path, tmp_path: Path) -> None:
    data = clip.with_suffix(".mkv")
    write_clip(data, passing_by(Image.open(ada / "ada.jpg"), 60))
    data.write_bytes(data.read_bytes()[: data.stat().st_size * 2 // 3])
    (row,) = put(cli, data)
    assert row["result"]["names"] == ["Ada"]
    assert "party.mkv: " in row["result"]["reason"]
    assert output(tmp_path, "party")["error"] == row["result"]["reason"]


def test_a_forgotten_person_is_named_in_no_result_of_a_clip(cli: Cli, ada: Path, clip: Path, tmp_path: Path) -> None:
    put(cli, clip)
    assert cli("forget", "Ada", "-c", "my-face-collection", "--json").json["results"] == 1
    assert (bucket(tmp_path, "output") / "party.txt").read_bytes() == b"Unknown"
    text = (bucket(tmp_path, "output") / "party.json").read_text()
    assert "Ada" not in text
    assert json.loads(text)["appearances"][0]["decision"] == "forgotten"


def test_a_clip_that_shows_only_who_is_forgotten_goes_with_frames_and_results(
    cli: Cli, ada: Path, clip: Path, tmp_path: Path
) -> None:
    put(cli, clip)
    done = cli("forget", "Ada", "--json").json
    assert done["uploads"] == ["faceline-input/party.mp4"]
    for name in ("input", "stage-1", "output"):
        assert not [path for path in bucket(tmp_path, name).rglob("*") if path.is_file()]


def test_the_eight_clips_are_named_after_later_frames(cli: Cli, tmp_path: Path, test_data: Path) -> None:
    """The gallery's frames are of the same shots: this shows that the parts fit, not how accurate they are."""
    folder = test_data / "cse546"
    rows = list(csv.DictReader((folder / "video_identities.csv").read_text(encoding="utf-8").splitlines()))
    for row in rows:
        person = tmp_path / "people" / row["label"]
        person.mkdir(parents=True)
        for frame in (folder / "frames").glob(f"{Path(row['video']).stem}_f*.jpg"):
            shutil.copy(frame, person)
    assert cli("enroll", tmp_path / "people").code == 0
    expected = {row["video"]: [row["label"]] for row in rows}
    found = put(cli, folder / "test_case_1")
    assert {row["key"]: row["result"]["names"] for row in found} == expected
    (tmp_path / "faceline.toml").write_text('video.mode = "first"\n')
    found = put(cli, folder / "test_case_1", "--again")
    # In test_5 the first frame shows two people.
    named = {row["key"]: row["result"]["names"] for row in found if row["key"] != "test_5.mp4"}
    assert named == {video: names for video, names in expected.items() if video != "test_5.mp4"}
