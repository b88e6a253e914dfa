"""Reads a TensorFlow Lite file into plain records.

Format: a FlatBuffer by TensorFlow Lite's schema (version 3). All integers are little-endian. An offset counts from
where it stands. A table begins with the signed distance back to its vtable: u16 size of the vtable, u16 size of the
table, then for each field in the schema's order its u16 distance from the table's start, 0 for a field left out. A
vector is a u32 length, then its elements, which are offsets unless they are numbers.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from faceline.errors import ModelError

_T = TypeVar("_T")

_ROOT_ID = b"TFL3"
# Far above what a network of ours has; a hostile file must not cost more than its size suggests.
_MAX_SIDE, _MAX_TABLES, _MAX_INTEGERS, _MAX_NAME = 4096, 4096, 64, 256
_FLOAT32, _INT32 = 0, 2
_KINDS: Mapping[int, str] = MappingProxyType({_FLOAT32: "<f4", _INT32: "<i4"})

# The schema's BuiltinOperator: the operators whose options are read.
OPERATORS: Mapping[int, str] = MappingProxyType(
    {0: "ADD", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 17: "MAX_POOL_2D", 22: "RESHAPE", 34: "PAD", 54: "PRELU"}
)
# Options of an operator in the schema's order: name, format, default.
_OPTIONS: Mapping[str, tuple[tuple[str, str, int], ...]] = MappingProxyType(
    {
        "ADD": (("activation", "<b", 0),),
        "CONV_2D": (
            ("padding", "<b", 0),
            ("stride_x", "<i", 0),
            ("stride_y", "<i", 0),
            ("activation", "<b", 0),
            ("dilation_x", "<i", 1),
            ("dilation_y", "<i", 1),
        ),
        "DEPTHWISE_CONV_2D": (
            ("padding", "<b", 0),
            ("stride_x", "<i", 0),
            ("stride_y", "<i", 0),
            ("multiplier", "<i", 0),
            ("activation", "<b", 0),
            ("dilation_x", "<i", 1),
            ("dilation_y", "<i", 1),
        ),
        "MAX_POOL_2D": (
            ("padding", "<b", 0),
            ("stride_x", "<i", 0),
            ("stride_y", "<i", 0),
            ("width", "<i", 0),
            ("height", "<i", 0),
            ("activation", "<b", 0),
        ),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """shape: as the file says, channels last. values: None for what is computed."""

    name: str
    shape: tuple[int, ...]
    values: NDArray[np.generic] | None


@dataclass(frozen=True, slots=True)
class Operator:
    """kind: a value of `OPERATORS`. inputs, outputs: indices of tensors, each one that exists."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """operators: in the order in which they run."""

    tensors: list[Tensor]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: list[Operator]


def read_network(data: bytes, source: str) -> Network:
    """The first graph of a `.tflite` file. source: the file's name for messages.

    Raises ModelError when it is damaged, or has an operator or a kind of number that is not read here.
    """
    try:
        return _Reader(data).network()
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise ModelError(f"{source} is not a TensorFlow Lite network that we read: {error}; fetch it again") from error


@dataclass(frozen=True, slots=True)
class _Reader:
    """Positions are bytes from the file's start. Everything raises ValueError or struct.error outside of the file."""

    data: bytes

    def network(self) -> Network:
        if self.data[4:8] != _ROOT_ID:
            raise ValueError(f"it does not carry the mark {_ROOT_ID.decode()}")
        model = self._follow(0)
        codes = [self._operator_name(code) for code in self._tables(model, 1)]
        graph = self._tables(model, 2)[0:1]
        if not graph:
            raise ValueError("it has no graph")
        buffers = self._tables(model, 4)
        tensors = [self._tensor(table, buffers) for table in self._tables(graph[0], 0)]
        operators = [self._operator(table, codes, len(tensors)) for table in self._tables(graph[0], 3)]
        inputs, outputs = (self._indices(graph[0], field, len(tensors)) for field in (1, 2))
        return Network(tensors, inputs, outputs, operators)

    def _operator_name(self, table: int) -> str:
        # Files from before the 128th operator have the code in the field that was one byte wide.
        code = max(self._number(table, 0, "<b", 0), self._number(table, 3, "<i", 0))
        if code not in OPERATORS:
            raise ValueError(f"operator {code} is none of {', '.join(OPERATORS.values())}")
        return OPERATORS[code]

    def _tensor(self, table: int, buffers: list[int]) -> Tensor:
        shape = self._integers(table, 0)
        name = self._string(table, 3)
        if any(not 0 < side <= _MAX_SIDE for side in shape):
            raise ValueError(f"tensor {name!r} has the shape {shape}")
        kind = self._number(table, 1, "<b", 0)
        if kind not in _KINDS:
            raise ValueError(f"tensor {name!r} is of kind {kind}, neither float32 nor int32")
        start, count = self._vector(_item(buffers, self._number(table, 2, "<I", 0), "buffer"), 0, 1, len(self.data))
        if not count:
            return Tensor(name, shape, None)
        if count != 4 * math.prod(shape):
            raise ValueError(f"tensor {name!r} of shape {shape} has {count} bytes")
        return Tensor(name, shape, np.frombuffer(self.data, _KINDS[kind], count // 4, start).reshape(shape))

    def _operator(self, table: int, codes: list[str], tensors: int) -> Operator:
        kind = _item(codes, self._number(table, 0, "<I", 0), "operator code")
        at = self._field(table, 4)
        layout = _OPTIONS.get(kind, ())
        if layout and not at:
            raise ValueError(f"a {kind} without options")
        options = self._follow(at) if at else 0
        values = {name: self._number(options, i, form, default) for i, (name, form, default) in enumerate(layout)}
        inputs, outputs = (self._indices(table, field, tensors) for field in (1, 2))
        return Operator(kind, inputs, outputs, MappingProxyType(values))

    def _indices(self, table: int, field: int, tensors: int) -> tuple[int, ...]:
        found = self._integers(table, field)
        if any(not 0 <= index < tensors for index in found):
            raise ValueError(f"tensors {found} are named, of {tensors}")
        return found

    # FlatBuffers

    def _unpack(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError(f"position {at} is before the file's start")
        return int(struct.unpack_from(form, self.data, at)[0])

    def _follow(self, at: int) -> int:
        return at + self._unpack("<I", at)

    def _field(self, table: int, number: int) -> int:
        """Where a field of a table stands, 0 when it is left out."""
        vtable = table - self._unpack("<i", table)
        if 4 + 2 * number >= self._unpack("<H", vtable):
            return 0
        distance = self._unpack("<H", vtable + 4 + 2 * number)
        return table + distance if distance else 0

    def _number(self, table: int, number: int, form: str, default: int) -> int:
        at = self._field(table, number)
        return self._unpack(form, at) if at else default

    def _vector(self, table: int, number: int, size: int, limit: int) -> tuple[int, int]:
        """Where the elements of `size` bytes begin, and how many there are, at most `limit`; all lie in the file."""
        at = self._field(table, number)
        if not at:
            return 0, 0
        start = self._follow(at)
        count = self._unpack("<I", start)
        if count > limit or start + 4 + size * count > len(self.data):
            raise ValueError(f"{count} elements at byte {start} are too many, or reach beyond its end")
        return start + 4, count

    def _tables(self, table: int, number: int) -> list[int]:
        start, count = self._vector(table, number, 4, _MAX_TABLES)
        return [self._follow(start + 4 * i) for i in range(count)]

    def _integers(self, table: int, number: int) -> tuple[int, ...]:
        start, count = self._vector(table, number, 4, _MAX_INTEGERS)
        return struct.unpack_from(f"<{count}i", self.data, start)

    def _string(self, table: int, number: int) -> str:
        start, count = self._vector(table, number, 1, _MAX_NAME)
        return self.data[start : start + count].decode("utf-8")


def _item(items: list[_T], index: int, what: str) -> _T:
    if index >= len(items):
        raise ValueError(f"{what} {index} is named, of {len(items)}")
    return items[index]
