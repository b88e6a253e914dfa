"""Kill -9 at any point loses nothing and doubles nothing."""

import json
import random
import time
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from acceptance.conftest import varied
from commands import Up, wait_until
from faceline.app import App
from faceline.config import load
from faceline.ports import RecordQuery

BUCKET = "face-input-bucket"
PHOTOS, PEOPLE, KILLS = 20, 4, 3
# Short leases, so that what a killed process held comes back soon; one worker, so that the work takes a while.
SETTINGS = {"FACELINE_LEASE_S": "1", "FACELINE_WORKERS": "1", "FACELINE_THREADS": "1", "FACELINE_SETTLE_S": "0.1"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_kills_at_random_moments_every_photo_has_one_result(
    tmp_path: Path, portrait: Image.Image, models_dir: Path, seed: int
) -> None:
    data, moments = tmp_path / "data", random.Random(seed)
    settings = SETTINGS | {"FACELINE_MODELS_DIR": str(models_dir)}
    fill(data, portrait)
    with Up(data, **settings) as up:
        time.sleep(moments.uniform(0.2, 1.5))  # while it starts
        up.kill()
    for done in sorted(moments.sample(range(PHOTOS), KILLS)):
        with Up(data, **settings) as up:
            up.ready()
            wait_until(partial(reached, up, done), f"{done} records")
            time.sleep(moments.uniform(0.0, 0.05))  # about as long as one photo takes
            up.kill()
    with Up(data, **settings) as up:
        up.ready()
        wait_until(lambda: up.queue() == {"visible": 0, "in_flight": 0, "dead": 0} and len(up.records()) >= PHOTOS)
        assert up.stop() == 0
        assert "Traceback" not in up.err
    check(data)


def reached(up: Up, done: int) -> bool:
    return len(up.records()) >= done


def fill(data: Path, portrait: Image.Image) -> None:
    for prefix, count in (("input", PHOTOS), ("enroll", PEOPLE)):
        folder = data / "buckets" / BUCKET / prefix
        folder.mkdir(parents=True)
        for number in range(count):
            size = 300 + number if prefix == "enroll" else 300
            (folder / f"photo{number}x.jpg").write_bytes(varied(portrait.resize((size, size)), number))


def check(data: Path) -> None:
    expected = {f"input/photo{n}x.jpg" for n in range(PHOTOS)}
    with App(load().with_(data=data)) as app:
        rows = app.records.query(RecordQuery())
        assert sorted(row.key for row in rows) == sorted(expected)
        assert {row.status for row in rows} <= {"matched", "unknown", "ambiguous"}
        infos = {info.key: info for info in app.objects.list(BUCKET)}
        documents = {key for key in infos if key.startswith("processed/")}
        assert documents == {key.replace("input/", "processed/").replace(".jpg", ".json") for key in expected}
        for key in documents:
            file = json.loads(app.objects.get(BUCKET, key, 1_000_000)[1])["file"]
            assert file["etag"] == infos[file["key"]].etag
        assert {row.key: row.etag for row in rows} == {key: infos[key].etag for key in expected}
        sources = [record.source for record in app.face_records.find("my-face-collection")]
        assert sorted(sources) == sorted(f"{BUCKET}/enroll/photo{n}x.jpg" for n in range(PEOPLE))
        assert app.queue.list() == []
