"""Gallery files of torch into collections and back, by a made network that stands in for FaceNet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import Cli
from embedded import put_in
from faceline.app import App
from faceline.config import Settings
from faceline.errors import ConflictError, InputError, ModelError, UsageError
from faceline.events import ObjectCreated
from faceline.models.added import Form
from faceline.models.importers.torch_gallery import gallery_bytes, read_gallery
from faceline.ports import ObjectInfo
from networks import added

NAMES = ["Ada", "Grace", "Ada"]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "models"
    added(directory, "facenet", Form(template="box-160", threshold=0.6))
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(directory))
    monkeypatch.chdir(tmp_path)
    return directory


@pytest.fixture
def data_pt(tmp_path: Path) -> Path:
    file = tmp_path / "data.pt"
    file.write_bytes(gallery_bytes(vectors(3), NAMES))
    return file


def vectors(count: int) -> np.ndarray:
    rows = np.random.default_rng(count).normal(size=(count, 512)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def created(info: ObjectInfo) -> ObjectCreated:
    return ObjectCreated(info.bucket, info.key, info.etag, info.size, info.modified_at)


def dropped(app: App, file: bytes) -> None:
    put_in(app, "faceline-embeddings", {"data.pt": file}, app.videos.workers()[0].drain)


def test_a_gallery_file_becomes_a_collection_and_comes_out_again(cli: Cli, models: Path, data_pt: Path) -> None:
    first = cli("collections", "import", data_pt, "--json").json
    assert first == {"collection": "faceline-embeddings", "new": 3, "gone": 0, "faces": 3}
    assert cli("collections", "import", data_pt, "--json").json["new"] == 0
    assert cli("collections", "export", "faceline-embeddings", "out.pt", "--json").json["entries"] == 3
    rows, names = read_gallery(Path("out.pt").read_bytes(), "out.pt")
    assert names == NAMES
    np.testing.assert_allclose(rows, vectors(3), atol=1e-6)


def test_a_newer_file_of_the_same_place_replaces_the_older_one(cli: Cli, models: Path, data_pt: Path) -> None:
    cli("collections", "import", data_pt)
    data_pt.write_bytes(gallery_bytes(np.concatenate([vectors(3)[:1], vectors(2)]), ["Ada", "Alan", "Edsger"]))
    again = cli("collections", "import", data_pt, "--json").json
    assert (again["new"], again["gone"], again["faces"]) == (2, 2, 3)


def test_a_dropped_file_becomes_the_collection_and_a_damaged_one_a_dead_letter(
    models: Path, data_pt: Path, tmp_path: Path
) -> None:
    with App(Settings(data=tmp_path / "data", models_dir=models)) as app:
        dropped(app, data_pt.read_bytes())
        dropped(app, data_pt.read_bytes()[:3000])
        assert app.collection("faceline-embeddings").faces() == 3
        (letter,) = app.videos.queue.list()
    assert letter.reason.startswith("faceline-embeddings/data.pt ")
    assert "save it again" in letter.reason


def test_a_dropped_file_for_a_collection_of_another_model_becomes_a_dead_letter(
    models: Path, data_pt: Path, tmp_path: Path
) -> None:
    with App(Settings(data=tmp_path / "data", models_dir=models)) as app:
        app.collections.create("faceline-embeddings", app.engines.model)
        dropped(app, data_pt.read_bytes())
        (letter,) = app.videos.queue.list()
    assert "cannot take faces of facenet-" in letter.reason


def test_a_dropped_file_in_conflict_with_the_collection_is_refused_for_good(made_app: App) -> None:
    def refuse(data: bytes, source: str) -> tuple[int, int]:
        raise ConflictError("Ada Lovelace is there already")

    arrivals = replace(made_app.videos.arrivals(), import_gallery=refuse)
    info = made_app.objects.put("faceline-embeddings", "data.pt", b"made")
    with pytest.raises(InputError, match=r"faceline-embeddings/data\.pt: Ada Lovelace is there already"):
        arrivals.handle(created(info))


def test_a_file_that_is_replaced_while_it_is_taken_in_has_not_the_last_word(made_app: App) -> None:
    def take_in(data: bytes, source: str) -> tuple[int, int]:
        taken.append(data)
        made_app.objects.put("faceline-embeddings", "data.pt", b"newer")
        return 1, 0

    taken: list[bytes] = []
    info = made_app.objects.put("faceline-embeddings", "data.pt", b"older")
    replace(made_app.videos.arrivals(), import_gallery=take_in).handle(created(info))
    assert taken == [b"older", b"newer"]


def test_whoever_is_forgotten_is_taken_out_of_the_dropped_file(models: Path, data_pt: Path, tmp_path: Path) -> None:
    with App(Settings(data=tmp_path / "data", models_dir=models)) as app:
        app.objects.put("faceline-embeddings", "data.pt", data_pt.read_bytes())
        assert app.videos.import_gallery(data_pt.read_bytes(), "faceline-embeddings/data.pt") == (3, 0)
        assert app.videos.collection_name() == "faceline-embeddings"
        assert app.forget("Ada").removed == {"faceline-embeddings": 2}
        _, left = app.objects.get("faceline-embeddings", "data.pt", 10**6)
        assert read_gallery(left, "data.pt")[1] == ["Grace"]


def test_only_embeddings_of_facenet_go_into_a_gallery_file(models: Path, tmp_path: Path) -> None:
    with App(Settings(data=tmp_path / "data", models_dir=models)) as app:
        app.collections.create("staff", app.engines.model)
        with pytest.raises(UsageError, match="takes those of facenet only"):
            app.videos.export_gallery("staff")


def test_without_the_network_an_import_says_how_to_get_it(data_pt: Path, tmp_path: Path) -> None:
    with (
        App(Settings(data=tmp_path / "data", models_dir=tmp_path / "none")) as app,
        pytest.raises(ModelError, match="faceline models pull"),
    ):
        app.videos.import_gallery(data_pt.read_bytes(), "data.pt")


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"PK", "save it again")])
def test_a_file_that_is_no_gallery_is_refused(
    cli: Cli, models: Path, tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "bad.pt").write_bytes(content)
    result = cli("collections", "import", "bad.pt")
    assert result.code == 1
    assert message in result.err.replace("\n", " ")
