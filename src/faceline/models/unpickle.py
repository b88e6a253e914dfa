"""Reads lists of arrays from joblib's `.lz4` files without running anything that the file says.

Format: an LZ4 frame around a pickle (`pickle_machine`). Where an array belongs, the pickle builds a
`joblib.numpy_pickle.NumpyArrayWrapper` (shape, order, dtype, …); right behind that BUILD opcode lie, outside the
pickle, one byte n, n bytes of padding when the wrapper names an alignment, and the array's raw bytes.
"""

import io
import math
from dataclasses import dataclass
from typing import Any

import lz4.frame
import numpy as np
from numpy.typing import NDArray

from faceline.errors import ModelError
from faceline.models.pickle_machine import PickleError, run

_WRAPPER = "joblib.numpy_pickle NumpyArrayWrapper"
_DTYPE = "numpy dtype"
_ARRAY = "numpy ndarray"
_ALLOWED = frozenset({_WRAPPER, _DTYPE, _ARRAY})
_MAX_BYTES = 64 * 2**20  # the largest file we know unpacks to 1.6 MB


@dataclass(slots=True)
class _Object:
    """Stands for an instance of an allowed class; `arguments` and `state` are what the file gave."""

    kind: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(frozen=True, slots=True)
class _ArrayRules:
    """Implements `pickle_machine.Rules`. stream: the pickle's own, from which the arrays' bytes are taken."""

    stream: io.BytesIO

    def allows(self, name: str) -> bool:
        return name in _ALLOWED

    def make(self, name: str, arguments: tuple[Any, ...]) -> _Object:
        return _Object(name, arguments)

    def build(self, subject: Any, state: Any) -> _Object | NDArray[Any]:
        if not isinstance(subject, _Object):
            raise TypeError("it sets the state of something that has none")
        subject.state = state
        return _array(self.stream, state) if subject.kind == _WRAPPER else subject

    def fetch(self, reference: Any) -> Any:
        raise ValueError("it keeps something outside of itself")


def read_arrays(data: bytes, source: str) -> list[NDArray[np.float32]]:
    """The list of float32 arrays in a joblib `.lz4` file.

    source: what to call the file in messages. Raises ModelError when it is damaged or holds anything but such a list.
    """
    try:
        stream = io.BytesIO(_unpacked(data))
        result = run(stream, _ArrayRules(stream))
    except PickleError as error:
        raise ModelError(f"{source} {error}: only a list of arrays is read; fetch it again") from error
    except (ValueError, RuntimeError, EOFError) as error:
        raise ModelError(f"{source} is damaged: {error}; fetch it again") from error
    if not isinstance(result, list) or not all(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in result):
        raise ModelError(f"{source} holds something else than a list of float32 arrays; it is refused")
    return result


def _unpacked(data: bytes) -> bytes:
    with lz4.frame.LZ4FrameFile(io.BytesIO(data)) as stream:
        unpacked = bytes(stream.read(_MAX_BYTES + 1))
    if len(unpacked) > _MAX_BYTES:
        raise ValueError(f"it unpacks to more than {_MAX_BYTES} bytes")
    return unpacked


def _array(stream: io.BytesIO, state: dict[str, Any]) -> NDArray[Any]:
    dtype, shape = state["dtype"], state["shape"]
    if dtype.kind != _DTYPE or dtype.arguments[0] != "f4" or dtype.state[1] != "<" or state["order"] not in ("C", "F"):
        raise ValueError("an array is not little-endian float32")
    if state.get("numpy_array_alignment_bytes"):
        stream.read(stream.read(1)[0])
    raw = stream.read(4 * math.prod(shape))
    return np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape, order=state["order"])
