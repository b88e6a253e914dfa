"""SQL over what the workflows really write: photos, a clip and match reports, with the real models."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clips import passing_by, write_clip
from commands import Cli
from lfw import renamed

Json = dict[str, Any]
SETTLED_S = 2.1
PEOPLE = 30  # of whom every fifth has photos under two names


@pytest.fixture
def found(cli: Cli, photos: Path, portrait: Image.Image, test_data: Path, tmp_path: Path) -> Path:
    """The buckets after all workflows ran."""
    clip = write_clip(tmp_path / "party.mp4", passing_by(portrait, 11))
    images = tmp_path / "images"
    images.mkdir()
    for name, _, photo in renamed(test_data / "lfw" / "images", PEOPLE):
        (images / name).write_bytes(photo.read_bytes())
    assert cli("enroll", photos / "ada.jpg", "--name", "Ada").code == 0
    cli("put", photos, clip, "--wait")
    cli("put", images, "--bucket", "faceline-images", "--prefix", "images/", "--wait")
    return tmp_path / "faceline-data" / "buckets"


def documents(folder: Path) -> list[Json]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.json"))]


def asked(cli: Cli, sql: str) -> list[Json]:
    result = cli("sql", sql, "--limit", 100_000, "--json")
    assert (result.code, result.err) == (0, "")
    rows: list[Json] = result.json
    return rows


def check(cli: Cli, buckets: Path) -> None:
    """That each table says what the JSON says."""
    reports = documents(buckets / "faceline-matches" / "output")
    told = asked(cli, "FROM face_match_output ORDER BY source")
    expected = [{"source": r["Source"], "customerid": r["CustomerID"], "matches": r["Matches"]} for r in reports]
    assert told == sorted(expected, key=lambda row: str(row["source"]))
    stats = {(row["customerid"], row["similarity"], row["suspect_match"]) for row in asked(cli, "FROM matchingstats")}
    assert stats == {(r["CustomerID"], m["Similarity"], m["CustomerId"]) for r in reports for m in r["Matches"]}
    assert len(stats) > 3
    photos = documents(buckets / "face-input-bucket" / "processed")
    assert asked(cli, "SELECT key, faces, error FROM processed ORDER BY key") == sorted(
        ({"key": p["file"]["key"], "faces": len(p["faces"]), "error": p["error"]} for p in photos),
        key=lambda row: str(row["key"]),
    )
    faces = asked(cli, "SELECT name, similarity, box, pose FROM processed_faces ORDER BY key, face_number")
    by_key = sorted(photos, key=lambda photo: str(photo["file"]["key"]))
    assert faces == [{c: face[c] for c in ("name", "similarity", "box", "pose")} for p in by_key for face in p["faces"]]
    (clip,) = documents(buckets / "faceline-output")
    assert asked(cli, "SELECT source, mode, names, sampled_frames, appearances FROM clips") == [
        {c: clip[c] for c in ("source", "mode", "names", "sampled_frames")} | {"appearances": len(clip["appearances"])}
    ]
    columns = ("number", "name", "similarity", "first_s", "last_s", "box", "best_frame", "candidates")
    shown = [{c: each[c] for c in columns} for each in clip["appearances"]]
    assert [{c: row[c] for c in columns} for row in asked(cli, "FROM appearances ORDER BY number")] == [
        each | {"candidates": [c | {"face_id": None} for c in each["candidates"]]} for each in shown
    ]
    records = cli("records", "--json").json
    counted = asked(cli, "SELECT key, face_number, person, confidence FROM records ORDER BY key, face_number")
    assert counted == sorted(
        ({c: r[c] for c in ("key", "face_number", "person", "confidence")} for r in records),
        key=lambda row: (str(row["key"]), int(str(row["face_number"]))),
    )
    assert asked(cli, "FROM unreadable") == []


def test_every_table_says_what_the_workflows_wrote_before_and_after_compaction(cli: Cli, found: Path) -> None:
    check(cli, found)
    time.sleep(SETTLED_S)
    done = {each["table"]: each["added"] for each in cli("sql", "--compact", "--json").json}
    assert done["clips"] == 1
    assert done["reports"] == len(documents(found / "faceline-matches" / "output"))
    check(cli, found)
    stats = cli("stats", "--plot", "found.png", "--json")
    assert stats.code == 0
    matches = [m for r in documents(found / "faceline-matches" / "output") for m in r["Matches"]]
    assert stats.json["matches"] == len(matches)
    with Image.open("found.png") as picture:
        assert picture.format == "PNG"
