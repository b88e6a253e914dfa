"""`manifest.json` of a models folder, and the ways of writing that survive crashes and company."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from faceline.errors import ModelError
from faceline.models.catalogue import IMPORTER_VERSION

_NAME = "manifest.json"


class Entry(msgspec.Struct, frozen=True):
    """SHA-256 of an ONNX file and of the weight file that it was made from."""

    sha256: str
    source_sha256: str


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds per face on one thread, and on which CPU."""

    cpu: str
    fp32_ms: float
    int8_ms: float

    @property
    def fastest(self) -> Literal["fp32", "int8"]:
        return "int8" if self.int8_ms < self.fp32_ms else "fp32"


class Manifest(msgspec.Struct, frozen=True):
    """entries: by model name. importer: the version of the importers that made them."""

    importer: int = IMPORTER_VERSION
    entries: dict[str, Entry] = msgspec.field(default_factory=dict)
    timing: Timing | None = None

    def with_entry(self, name: str, entry: Entry) -> "Manifest":
        """A new file also makes an old timing worthless when it is one of the timed ones."""
        timing = None if name.startswith("dlib-resnet") else self.timing
        return Manifest(self.importer, {**self.entries, name: entry}, timing)

    def with_timing(self, timing: Timing) -> "Manifest":
        return Manifest(self.importer, self.entries, timing)

    def write(self, directory: Path) -> None:
        """Raises ModelError when the folder cannot be written to. Call it inside `exclusive`."""
        text = msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2)
        replace_file(directory / _NAME, text + b"\n")


def read_manifest(directory: Path) -> Manifest:
    """Empty when there is none or other importers made it. Raises ModelError when it is unreadable or damaged."""
    path = directory / _NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        return Manifest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); make it readable") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is damaged ({error}); delete it and run `faceline models build`") from error
    return manifest if manifest.importer == IMPORTER_VERSION else Manifest()


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises ModelError when the folder cannot be written to."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o644)  # a folder baked into an image is read by other users
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Held by one process at a time; others wait. Raises ModelError when the folder cannot be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        stream = (directory / ".lock").open("ab")
    except OSError as error:
        raise _unwritable(directory, error) from error
    with stream:
        _lock(stream.fileno())  # let go by closing the file, also when the process dies
        yield


def _unwritable(directory: Path, error: OSError) -> ModelError:
    return ModelError(
        f"the models folder {directory} cannot be written to ({error.strerror}), and it is not complete; "
        "make it writable, or set FACELINE_MODELS_DIR to a folder that `faceline models build --into DIR` made"
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
