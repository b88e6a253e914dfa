"""Files that `torch.save` and TorchScript write, read without torch and without running anything of them.

Since torch 1.6 they are zip archives: `<root>/data.pkl` with descriptions, `<root>/data/<key>` with each storage's raw
little-endian bytes, all stored uncompressed. Before, and with `_use_new_zipfile_serialization=False` still, they were
pickles one after another: a magic number, a version, sizes of C's types, the descriptions, the storages' keys; then
for each key an int64 count and the raw bytes. facenet-pytorch's published weights are of the old kind.
"""

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from faceline.errors import ModelError
from faceline.models.importers.torch_tensors import Raw, Storage, Tensor, TensorRules
from faceline.models.pickle_machine import PickleError, run

_MAGIC = 0x1950A86A20F9469CFC6C
_OLD_START = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little") + b"."
_VERSION = 1001
_MAX_ENTRIES = 200_000
_MAX_PICKLE_BYTES = 32 * 2**20
_MAX_ITEMS = 100_000  # tensors, modules and their flags; InceptionResnetV1 has 5,000
_MAX_NAME = 500  # characters


class TorchFileError(ValueError):
    """The message goes on from the file's name."""


@dataclass(frozen=True, slots=True)
class Contents:
    """value: what the file holds, with a `Tensor` wherever one was. Nothing promises that it is a tree."""

    value: Any
    _raw: Callable[[Storage], Raw]

    def array(self, tensor: Tensor) -> NDArray[Any]:
        """A read-only view. Raises TorchFileError when the storage is missing or damaged."""
        try:
            return tensor.array(self._raw(tensor.storage))
        except (ValueError, zipfile.BadZipFile, EOFError) as error:
            raise TorchFileError(f"is damaged: {error}") from error


def read_state_dict(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Dotted names → read-only arrays (float32, float16 or int64) of a state dict or a TorchScript module.

    source: the file's name for messages. Raises ModelError when it is damaged or holds anything else.
    """
    try:
        contents = read_contents(data)
        return {name: contents.array(tensor) for name, tensor in _named_tensors(contents.value).items()}
    except TorchFileError as error:
        raise ModelError(
            f"{source} {error}; fetch it again, or write it with torch.save(model.state_dict(), …)"
        ) from error


def read_contents(data: bytes) -> Contents:
    """What a file of torch holds. Raises TorchFileError when it is damaged, or holds what is refused."""
    try:
        if data.startswith(_OLD_START):
            return _read_old(data)
        archive = _Archive(data)
        return Contents(run(io.BytesIO(archive.pickle()), TensorRules()), archive.storage)
    except PickleError as error:
        raise TorchFileError(str(error)) from error
    except _ZIP_ERRORS as error:
        raise TorchFileError(f"is not a readable file of torch: {error}") from error


# What zipfile is known to raise on hostile archives; UnicodeDecodeError is a ValueError.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    EOFError,
    OSError,
    OverflowError,
)


class _Archive:
    """The zip archive; entries that nobody asks for are never looked at."""

    def __init__(self, data: bytes) -> None:
        # zipfile makes an object for each entry at once, so that they are counted before it may.
        if data.count(b"PK\x01\x02") > _MAX_ENTRIES:
            raise ValueError(f"it has more than {_MAX_ENTRIES} entries")
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._left = len(data)
        self._read: dict[str, bytes] = {}
        names = self._zip.namelist()
        if len(set(names)) != len(names):
            raise ValueError("two entries have the same name")
        self._root = _root(names)
        if f"{self._root}/byteorder" in names and self._entry("byteorder") != b"little":
            raise ValueError("its numbers are not little-endian")

    def pickle(self) -> bytes:
        if self._zip.getinfo(f"{self._root}/data.pkl").file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"its data.pkl is larger than {_MAX_PICKLE_BYTES} bytes")
        return self._entry("data.pkl")

    def storage(self, storage: Storage) -> bytes:
        if storage.key not in self._read:
            try:
                self._read[storage.key] = self._entry(f"data/{storage.key}")
            except _ZIP_ERRORS as error:
                raise TorchFileError(f"is damaged: {error}") from error
        return self._read[storage.key]

    def _entry(self, name: str) -> bytes:
        """torch compresses nothing of this, so that all that is read cannot be more than the file; bombs are."""
        entry = self._zip.getinfo(f"{self._root}/{name}")
        self._left -= entry.file_size
        if entry.compress_type != zipfile.ZIP_STORED or self._left < 0:
            raise ValueError(f"the entry {name[:60]!r} is compressed or overlaps with others")
        return self._zip.read(entry)


def _root(names: list[str]) -> str:
    roots = [name.removesuffix("/data.pkl") for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(roots) != 1:
        raise ValueError("it has no data.pkl, or several")
    return roots[0]


def _read_old(data: bytes) -> Contents:
    stream, rules = io.BytesIO(data), TensorRules()
    header = [run(stream, TensorRules()) for _ in range(3)]
    if header[1] != _VERSION or not isinstance(header[2], dict) or header[2].get("little_endian") is not True:
        raise ValueError("its version is not 1001, or its numbers are not little-endian")
    value, keys = run(stream, rules), run(stream, TensorRules())
    # Only what is short: the text of a list that lies in itself many times would take for ever.
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise ValueError("its list of storages is none")
    if sorted(map(str, keys)) != sorted(rules.storages):
        raise ValueError("its list of storages is not that of its tensors")
    view, at = memoryview(data), stream.tell()
    raw: dict[str, memoryview] = {}
    for storage in (rules.storages[str(key)] for key in keys):
        if int.from_bytes(view[at : at + 8], "little") != storage.count:
            raise ValueError(f"storage {storage.key[:40]!r} is missing or has another size")
        raw[storage.key] = view[at + 8 : at + 8 + storage.size_bytes]
        at += 8 + storage.size_bytes
    return Contents(value, lambda storage: raw[storage.key])


def _named_tensors(value: Any) -> dict[str, Tensor]:
    """Modules lie in modules; what is no tensor (flags, hooks) is left out."""
    found: dict[str, Tensor] = {}
    waiting, looked_at = [("", value)], 0
    while waiting:
        name, item = waiting.pop()
        looked_at += 1
        # A dict may lie in itself, or at millions of places at once.
        if looked_at > _MAX_ITEMS or len(name) > _MAX_NAME:
            raise TorchFileError("holds too many things within things")
        if isinstance(item, Tensor):
            found[name] = item
        elif isinstance(item, dict):
            waiting.extend((f"{name}.{key}" if name else key, part) for key, part in reversed(item.items()))
    if not found:
        raise TorchFileError("holds no state dict")
    return found
