"""The review on real photos, from the command line: two processes, one gallery."""

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from acceptance.conftest import varied
from commands import Cli, Up, wait_until
from faceline.app import App
from faceline.config import Settings
from faceline.evaluation.embedded import EmbeddedPhotos, embed_photos
from faceline.gallery.collection import Collection
from faceline.gallery.negatives import Mark
from faceline.gallery.ports import NewFace
from faceline.images import ImageLimits
from faceline.loading import open_analyzer
from faceline.similarity import Rule
from faceline.types import Embedding
from made import face, record

STAFF = "staff"


def up(folder: Path) -> AbstractContextManager[Up]:
    return Up(folder / "faceline-data", FACELINE_MODELS_DIR=os.environ["FACELINE_MODELS_DIR"])


def person_of(server: Up, folder: Path, name: str, photo: bytes) -> str | None:
    """Whom the running workflow names in an uploaded photo."""
    inbox = folder / "faceline-data" / "buckets" / "face-input-bucket" / "input"
    (inbox / name).write_bytes(photo)
    wait_until(lambda: server.records(f"?image={name}"), f"the record of {name}")
    (row,) = server.records(f"?image={name}")
    person: str | None = row["person"]
    return person


def test_verdicts_merges_and_marks_are_seen_by_a_running_workflow(
    cli: Cli, photos: Path, tmp_path: Path, portrait: Image.Image
) -> None:
    (photos / "more").mkdir()
    (photos / "more" / "ada.jpg").write_bytes(varied(portrait, 5))
    assert cli("enroll", photos / "ada.jpg", "--name", "Ada").code == 0
    with up(tmp_path) as server:
        server.ready()
        assert person_of(server, tmp_path, "one.jpg", varied(portrait, 4)) == "Ada"
        assert cli("enroll", photos / "more" / "ada.jpg", "--name", "Countess").code == 0
        decided = cli("review", "decide", "Countess", "Ada", "same", "--by", "Bea", "--json")
        assert decided.json["verdict"] == "same"
        assert cli("review", "merge", "Ada", "Countess", "--into", "Countess").code == 0
        assert person_of(server, tmp_path, "two.jpg", varied(portrait, 6)) == "Countess"
        assert cli("review", "undo").code == 0
        marked = cli("review", "not", "Countess", photos / "another.jpg", "--json")
        assert marked.json["similarity"] > 95
        assert person_of(server, tmp_path, "three.jpg", (photos / "another.jpg").read_bytes()) != "Countess"
        assert server.stop() == 0


def test_a_stranger_who_was_seen_often_is_named_once(
    cli: Cli, photos: Path, tmp_path: Path, portrait: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELINE_KEEP_UNKNOWN_FACES", "true")
    for n in range(3):
        (tmp_path / f"{n}.jpg").write_bytes(varied(portrait, n))
    assert cli("put", *[tmp_path / f"{n}.jpg" for n in range(3)], "--wait").code == 0
    (group,) = cli("review", "unknowns", "--crops", tmp_path / "crops", "--json").json
    assert (group["faces"], group["photos"], group["named_now"]) == (3, 3, None)
    with Image.open(tmp_path / "crops" / f"{group['group']}.jpg") as crop:
        assert min(crop.size) > 40
    assert cli("review", "name", group["group"], "Ada").code == 0
    assert cli("review", "unknowns", "--json").json == []
    (found,) = cli("identify", photos / "another.jpg", "--json").json
    assert found["faces"][0]["name"] == "Ada"


@pytest.fixture(scope="module")
def lfw(test_data: Path, models_dir: Path) -> EmbeddedPhotos:
    """Three photos each of 60 people."""
    folders = sorted((test_data / "lfw" / "images").iterdir())
    some = [folder for folder in folders if len(list(folder.glob("*.jpg"))) >= 3][:60]
    photos = [(path, folder.name) for folder in some for path in sorted(folder.glob("*.jpg"))[:3]]
    return embed_photos(photos, open_analyzer(Settings(models_dir=models_dir)), ImageLimits(), 2)


def test_marked_strangers_lose_the_false_name_and_those_enrolled_keep_theirs(
    lfw: EmbeddedPhotos, tmp_path: Path, models_dir: Path
) -> None:
    """Half of the people are known by one photo; a lax rule takes some of the others for them, who are then marked."""
    known = sorted(set(lfw.people))[::2]
    firsts = [row for row, name in enumerate(lfw.people) if name in known and name not in lfw.people[:row]]
    own = [row for row, name in enumerate(lfw.people) if name in known and row not in firsts]
    strangers = [row for row, name in enumerate(lfw.people) if name not in known]
    with App(Settings(data=tmp_path / "data", models_dir=models_dir)) as app:
        model = app.engines.model
        app.collections.create(STAFF, model)
        embeddings = [Embedding(values, model) for values in lfw.embeddings]
        faces = [record(str(row), str(lfw.people[row]), lfw.embeddings[row], model) for row in firsts]
        app.face_records.add(STAFF, [NewFace(each) for each in faces])
        lax = Rule(strangers_named=1.0, min_similarity=50.0)
        collection = Collection(STAFF, app.face_records, app.scorer(STAFF), lax, negatives=app.negatives)

        def names(rows: list[int]) -> list[str | None]:
            asked = [replace(face(), embedding=embeddings[row]) for row in rows]
            return [found.name for found in collection.identify(asked)]

        true_before, false_before = names(own), names(strangers)
        marked: dict[tuple[str, str], int] = {}
        for row, name in zip(strangers, false_before, strict=True):
            if name:
                marked.setdefault((str(lfw.people[row]), name), row)
        assert len(marked) > 10
        for (_, name), row in marked.items():
            app.negatives.add(STAFF, Mark(str(row), name, embeddings[row], "photo", "image", "an admin", "now"))
        true_after, false_after = names(own), names(strangers)
    still = [
        (row, old) for row, old, new in zip(strangers, false_before, false_after, strict=True) if old and old == new
    ]
    assert not {row for row, _ in still} & set(marked.values())
    right = [str(lfw.people[row]) for row in own]
    named = sum(a == b for a, b in zip(true_before, right, strict=True))
    kept = sum(a == b == c for a, b, c in zip(true_before, right, true_after, strict=True))
    assert named >= 0.9 * len(own)
    assert kept >= 0.98 * named
