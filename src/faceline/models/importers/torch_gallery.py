"""Galleries as torch saves them, `[list of (1, 512) float32 tensors, list of names]`: read and written without torch.

The usual file is called `data.pt`; it holds FaceNet's embeddings of one photo a person (README of facenet-pytorch).
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from faceline.errors import InputError
from faceline.models.importers.torch_tensors import Tensor
from faceline.models.importers.torch_zip import Contents, TorchFileError, read_contents
from faceline.types import Vector

DIMENSIONS = 512
_SHORTEST, _LONGEST = 1e-6, 1e6  # embeddings; beyond, their squares are no float32
_REPAIR = 'save it again with torch.save([embeddings, names], "data.pt"), each embedding a float32 tensor (1, 512)'
_WRITTEN = (1980, 1, 1, 0, 0, 0)  # the same gallery gives the same bytes
_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
_SHAPE = b"X\x03\x00\x00\x00cpuM\x00\x02tQK\x00K\x01M\x00\x02\x86M\x00\x02K\x01\x86\x89ccollections\nOrderedDict\n)RtR"


def read_gallery(data: bytes, source: str) -> tuple[Vector, list[str]]:
    """float32 (n, 512), as they are in the file, and the n names.

    source: the file's name for messages. Raises InputError when it is damaged or no such gallery.
    """
    try:
        contents = read_contents(data)
        tensors, names = _halves(contents.value, most=len(data) // (DIMENSIONS * 4))
        return _stacked(contents, tensors), names
    except TorchFileError as error:
        raise InputError(f"{source} {error}; {_REPAIR}") from error


def gallery_bytes(embeddings: Vector, names: Sequence[str]) -> bytes:
    """The file that `torch.load(…, weights_only=True)` reads as such a gallery. embeddings: float32 (n, 512)."""
    if embeddings.shape != (len(names), DIMENSIONS):
        raise ValueError(f"{len(names)} names need embeddings of the shape ({len(names)}, {DIMENSIONS})")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        _write(archive, "data.pkl", _pickled(names))
        _write(archive, "byteorder", b"little")
        for i, embedding in enumerate(embeddings):
            _write(archive, f"data/{i}", embedding.astype("<f4").tobytes())
        _write(archive, "version", b"3\n")
    return stream.getvalue()


def _halves(value: Any, most: int) -> tuple[list[Any], list[str]]:
    """most: how many embeddings the file has room for."""
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(isinstance(half, list) for half in value):
        raise TorchFileError("holds no list of embeddings with a list of names")
    tensors, names = value
    if len(tensors) != len(names) or not all(isinstance(name, str) for name in names):
        raise TorchFileError(f"has {len(tensors)} embeddings for {len(names)} names, or names that are no text")
    if len(tensors) > most:
        raise TorchFileError("names the same embeddings again and again")
    return tensors, names


def _stacked(contents: Contents, tensors: list[Any]) -> Vector:
    rows = np.empty((len(tensors), DIMENSIONS), np.float32)
    for i, tensor in enumerate(tensors):
        array = contents.array(tensor) if isinstance(tensor, Tensor) else None
        if array is None or array.shape != (1, DIMENSIONS) or array.dtype != np.float32:
            raise TorchFileError(f"has an embedding, number {i + 1}, that is no float32 tensor (1, {DIMENSIONS})")
        rows[i] = array[0]
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    usable = (lengths > _SHORTEST) & (lengths < _LONGEST)
    if not usable.all():
        first = int(usable.argmin())
        raise TorchFileError(f"has an embedding, number {first + 1}, of length {lengths[first]:g}; 1 is expected")
    return rows


def _pickled(names: Sequence[str]) -> bytes:
    """Protocol 2, one opcode after another: torch's own classes are only named, so torch need not be there."""
    tensors = b"".join(_TENSOR + _text(str(i)) + _SHAPE for i in range(len(names)))
    texts = b"".join(_text(name) for name in names)
    return b"\x80\x02](](" + tensors + b"e](" + texts + b"ee."


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(f"archive/{name}", _WRITTEN), data)
