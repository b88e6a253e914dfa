"""What torch's pickles say of tensors, as descriptions; the numbers themselves lie outside the pickle.

Format: `torch/serialization.py` and `torch/_utils.py` of PyTorch. A tensor is `_rebuild_tensor_v2(storage, offset,
sizes, strides, …)` in elements; a storage is the persistent id `("storage", class, key, device, element count)`, with
a `None` behind it in files older than torch 1.6.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from faceline.models.pickle_machine import Named

Raw = bytes | memoryview

_TYPES = {"torch FloatStorage": "<f4", "torch HalfStorage": "<f2", "torch LongStorage": "<i8"}
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_ORDERED_DICT = "collections OrderedDict"
_SCRIPTED = "__torch__."  # TorchScript's own classes; their instances are read as dicts of their attributes
_MAX_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Storage:
    """key: which of the file's storages. dtype: numpy's name. count: elements."""

    key: str
    dtype: str
    count: int

    @property
    def size_bytes(self) -> int:
        return self.count * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Tensor:
    """offset, strides: in elements of the storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, raw: Raw) -> NDArray[Any]:
        """A read-only view of the storage's bytes. Raises ValueError when they are too few or too many."""
        if len(raw) != self.storage.size_bytes:
            raise ValueError(f"storage {self.storage.key[:40]!r} is not {self.storage.size_bytes} bytes long")
        flat = np.frombuffer(raw, self.storage.dtype)[self.offset :]
        steps = [stride * flat.itemsize for stride in self.strides]
        return as_strided(flat, self.shape, steps, writeable=False)


@dataclass(slots=True)
class TensorRules:
    """Rules of `pickle_machine`: tensors, dicts, and modules of TorchScript. Remembers the storages by their keys."""

    storages: dict[str, Storage] = field(default_factory=dict)

    def allows(self, name: str) -> bool:
        return name in {_TENSOR, _PARAMETER, _ORDERED_DICT, *_TYPES} or name.startswith(_SCRIPTED)

    def make(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == _TENSOR:
            return _tensor(*arguments[:4])
        if name == _PARAMETER and isinstance(arguments[0], Tensor):
            return arguments[0]
        if (name == _ORDERED_DICT or name.startswith(_SCRIPTED)) and not arguments:
            return {}
        raise ValueError("it calls something with arguments that it does not take")

    def build(self, subject: Any, state: Any) -> Any:
        """Of a state dict's own attributes (`_metadata`) nothing is kept; a module's are what it consists of."""
        if not isinstance(subject, dict) or not isinstance(state, dict):
            raise TypeError("it sets the state of something that has none")
        if not subject and "_metadata" not in state:
            subject.update(state)
        return subject

    def fetch(self, reference: Any) -> Storage:
        if not isinstance(reference, tuple) or len(reference) < 5 or reference[0] != "storage":
            raise ValueError("it refers to something that is no storage")
        _, kind, key, _, count, *rest = reference
        if not isinstance(kind, Named) or kind.name not in _TYPES:
            raise ValueError("a storage is neither float32, float16 nor int64")
        if not isinstance(key, str) or not _is_count(count) or rest not in ([], [None]):
            raise ValueError("a storage is not described as torch does it")
        storage = Storage(key, _TYPES[kind.name], count)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError(f"storage {key[:40]!r} is described in two ways")
        return storage


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise TypeError("a tensor is not described as torch does it")
    if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
        raise ValueError("a tensor has no proper shape")
    if not all(map(_is_count, (offset, *shape, *strides))):
        raise ValueError("a tensor's place in its storage is not told in whole numbers")
    if math.prod(shape) > storage.count:
        raise ValueError("a tensor is larger than its storage")
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= storage.count:
        raise ValueError("a tensor reaches beyond its storage")
    return Tensor(storage, offset, shape, strides)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48
