"""The models folder with made importers: verification, repair, concurrency, read-only folders, choice of precision."""

import hashlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from faceline.errors import ModelError
from faceline.models import build, cpu, fetch, manifest, weights
from faceline.models.catalogue import CATALOGUE, IMPORTER_VERSION, Weights
from faceline.models.weights import ModelStore, default_directory, model_names


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Made fetching and importing; the names of what was built."""
    names: list[str] = []

    def made_fetch(rows: list[Weights]) -> dict[str, bytes]:
        assert len({row.distribution for row in rows}) == 1
        return {row.name: row.name.encode() for row in rows}

    def made_bytes(model: str, data: bytes, source: str) -> bytes:
        assert source
        names.append(model)
        return b"onnx of " + model.encode() + data

    monkeypatch.setattr(fetch, "fetch", made_fetch)
    monkeypatch.setattr(build, "onnx_bytes", made_bytes)
    return names


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "int8_is_exact", lambda: True)


def _snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_a_missing_model_is_built_once_and_kept(tmp_path: Path, built: list[str]) -> None:
    path = ModelStore(tmp_path).path("mtcnn-pnet")
    assert path == tmp_path / "mtcnn-pnet.onnx"
    assert path.read_bytes() == b"onnx of mtcnn-pnetmtcnn-pnet"
    assert ModelStore(tmp_path).path("mtcnn-pnet") == path
    assert built == ["mtcnn-pnet"]


def test_a_build_makes_every_model_and_says_what_it_does(tmp_path: Path, built: list[str]) -> None:
    told: list[str] = []
    ModelStore(tmp_path).build(progress=told.append)
    assert sorted(built) == sorted(model_names())
    assert told[:2] == ["fetching the weights of mtcnn==1.0.0", "building mtcnn-pnet"]
    assert len(told) == len(model_names()) + len({row.distribution for row in CATALOGUE})
    assert all(checked.ok for checked in ModelStore(tmp_path).verify())


def test_a_damaged_file_is_refused_and_repaired_by_a_build(tmp_path: Path, built: list[str]) -> None:
    store = ModelStore(tmp_path)
    path = store.path("mtcnn-rnet")
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"mtcnn-rnet\.onnx is damaged.*run `faceline models build`"):
        store.path("mtcnn-rnet")
    assert {checked.name: checked.why for checked in store.verify()}["mtcnn-rnet"].startswith("is damaged")
    store.build(["mtcnn-rnet"])
    assert store.path("mtcnn-rnet").read_bytes().startswith(b"onnx of")
    assert built == ["mtcnn-rnet", "mtcnn-rnet"]


def test_verifying_an_empty_folder_builds_nothing(tmp_path: Path, built: list[str]) -> None:
    checked = ModelStore(tmp_path / "none").verify()
    assert [c.why for c in checked] == ["is not built yet"] * len(model_names())
    assert built == []
    assert not (tmp_path / "none").exists()


def test_an_unknown_model_is_refused_by_naming_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model 'arcface'; there are mtcnn-pnet, .*mini-xception"):
        ModelStore(tmp_path).path("arcface")


def test_the_manifest_records_what_each_file_was_made_from(tmp_path: Path, built: list[str]) -> None:
    path = ModelStore(tmp_path).path("mini-xception")
    entry = manifest.read_manifest(tmp_path).entries["mini-xception"]
    assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry.source_sha256 == next(row.sha256 for row in CATALOGUE if row.name == "mini-xception")
    assert built == ["mini-xception"]


def test_files_of_other_importers_are_built_anew(tmp_path: Path, built: list[str]) -> None:
    ModelStore(tmp_path).path("mtcnn-pnet")
    file = tmp_path / "manifest.json"
    file.write_text(file.read_text().replace(f'"importer": {IMPORTER_VERSION}', '"importer": 0'))
    ModelStore(tmp_path).path("mtcnn-pnet")
    assert built == ["mtcnn-pnet", "mtcnn-pnet"]


def test_where_models_cannot_be_built_the_missing_ones_are_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"lacks mtcnn-pnet.*without onnx; set FACELINE_MODELS_DIR") as refused:
        ModelStore(tmp_path / "models").path("mtcnn-pnet")
    assert str(tmp_path / "models") in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    for damaged in (b"{", b"[]", b'{"importer": "one"}', b"\xff\xfe"):
        (tmp_path / "manifest.json").write_bytes(damaged)
        with pytest.raises(ModelError, match=r"manifest\.json is damaged.*delete it"):
            ModelStore(tmp_path).path("mtcnn-pnet")


@pytest.mark.usefixtures("built", "exact")
def test_a_complete_folder_is_never_written_to(tmp_path: Path) -> None:
    ModelStore(tmp_path, _times(5.0, 2.0)).build()
    before = _snapshot(tmp_path)
    store = ModelStore(tmp_path, _times(5.0, 2.0))
    store.build()
    for name in model_names():
        store.path(name)
    store.embedder_path()
    store.verify()
    assert _snapshot(tmp_path) == before


@pytest.mark.usefixtures("built", "exact")
def test_on_another_cpu_a_read_only_folder_is_measured_again_and_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ModelStore(tmp_path, _times(5.0, 2.0)).build()
    before = _snapshot(tmp_path)
    monkeypatch.setattr(weights, "cpu_identity", lambda: "another CPU")
    monkeypatch.setattr(weights, "exclusive", _refused)
    assert ModelStore(tmp_path, _times(2.0, 5.0)).precision() == "fp32"
    assert _snapshot(tmp_path) == before


def _refused(directory: Path) -> None:
    raise ModelError(f"the models folder {directory} cannot be written to")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"models folder .*file/models cannot be written to .*FACELINE_MODELS_DIR"):
        ModelStore(tmp_path / "file" / "models").build(["mtcnn-pnet"])


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match="No space left on device"):
        manifest.replace_file(tmp_path / "x.onnx", b"data")
    assert list(tmp_path.iterdir()) == []


def _times(fp32_ms: float, int8_ms: float) -> Callable[[Path], float]:
    return lambda path: int8_ms if "int8" in path.name else fp32_ms


@pytest.mark.usefixtures("built", "exact")
@pytest.mark.parametrize(("fp32_ms", "int8_ms", "faster"), [(5.0, 2.0, "int8"), (2.0, 5.0, "fp32")])
def test_the_faster_precision_is_taken(tmp_path: Path, fp32_ms: float, int8_ms: float, faster: str) -> None:
    ModelStore(tmp_path, _times(fp32_ms, int8_ms)).build()
    assert ModelStore(tmp_path).embedder_path().name == f"dlib-resnet.{faster}.onnx"
    assert ModelStore(tmp_path).embedder_path("fp32").name == "dlib-resnet.fp32.onnx"
    assert ModelStore(tmp_path).embedder_path("int8").name == "dlib-resnet.int8.onnx"


@pytest.mark.usefixtures("exact")
def test_a_fixed_precision_builds_only_that_variant(tmp_path: Path, built: list[str]) -> None:
    ModelStore(tmp_path, _times(5.0, 2.0)).embedder_path("fp32")
    assert built == ["dlib-resnet.fp32"]


@pytest.mark.usefixtures("built", "exact")
def test_another_cpu_is_measured_again_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ModelStore(tmp_path, _times(5.0, 2.0)).build()
    monkeypatch.setattr(weights, "cpu_identity", lambda: "another CPU")
    assert ModelStore(tmp_path).precision() == "fp32"  # nobody can measure
    assert ModelStore(tmp_path, _times(4.0, 3.0)).precision() == "int8"
    timing = manifest.read_manifest(tmp_path).timing
    assert timing == manifest.Timing("another CPU", 4.0, 3.0)


@pytest.mark.usefixtures("built")
def test_int8_is_not_chosen_where_its_sums_may_overflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "int8_is_exact", lambda: False)
    assert ModelStore(tmp_path, _times(5.0, 2.0)).embedder_path().name == "dlib-resnet.fp32.onnx"


def test_a_cpu_is_known_by_its_model_and_its_integer_instructions() -> None:
    info = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512_vnni\n"
    assert cpu.cpu_identity(info).endswith("Some CPU avx512_vnni")
    assert cpu.int8_is_exact(info, "x86_64")
    assert not cpu.int8_is_exact(info.replace("avx512_vnni", ""), "x86_64")
    assert not cpu.int8_is_exact("", "AMD64")
    assert cpu.int8_is_exact("", "arm64")


def test_two_processes_at_once_build_each_model_once(tmp_path: Path) -> None:
    script = tmp_path / "builder.py"
    script.write_text(
        textwrap.dedent("""
            import sys, time
            from pathlib import Path
            from faceline.models import build, fetch
            from faceline.models.weights import ModelStore, model_names

            log = Path(sys.argv[2])

            def made_bytes(model, data, source):
                with log.open("a") as stream:
                    stream.write(model + "\\n")
                time.sleep(0.02)
                return model.encode() * 1000

            fetch.fetch = lambda rows: {row.name: b"" for row in rows}
            build.onnx_bytes = made_bytes
            store = ModelStore(Path(sys.argv[1]))
            store.build()
            assert all(checked.ok for checked in store.verify())
        """)
    )
    command = [sys.executable, str(script), str(tmp_path / "models"), str(tmp_path / "log")]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert sorted((tmp_path / "log").read_text().split()) == sorted(model_names())
    assert sorted(path.name for path in (tmp_path / "models").iterdir() if path.name[0] == ".") == [".lock"]


def test_finding_a_finished_model_imports_neither_onnx_nor_h5py() -> None:
    code = "import sys, faceline.models.weights; sys.exit(any(m in sys.modules for m in ('onnx', 'h5py', 'lz4')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the custom of one platform")
def test_the_default_folder_follows_the_platform_and_the_importers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert default_directory() == Path("/somewhere/cache/faceline/models") / f"v{IMPORTER_VERSION}"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_directory() == Path.home() / ".cache/faceline/models" / f"v{IMPORTER_VERSION}"
