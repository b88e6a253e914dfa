"""Reads lists of arrays from joblib's `.lz4` files without running anything that the file says.

Format: an LZ4 frame around a pickle (protocol 2–5, docs.python.org/3/library/pickletools.html). Where an array
belongs, the pickle builds a `joblib.numpy_pickle.NumpyArrayWrapper` (shape, order, dtype, …); right behind that BUILD
opcode lie, outside the pickle, one byte n, n bytes of padding when the wrapper names an alignment, and the array's
raw bytes.

Python's own unpickler calls whatever the file names. This one is an interpreter of the few opcodes that such a list
needs: globals are looked up in a table of three names, and nothing is ever imported, called or instantiated.
"""

import io
import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lz4.frame
import numpy as np
from numpy.typing import NDArray

from faceline.errors import ModelError

_WRAPPER = "joblib.numpy_pickle NumpyArrayWrapper"
_DTYPE = "numpy dtype"
_ARRAY = "numpy ndarray"
_ALLOWED = frozenset({_WRAPPER, _DTYPE, _ARRAY})
_MAX_BYTES = 64 * 2**20  # the largest file we know unpacks to 1.6 MB


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(slots=True)
class _Object:
    """Stands for an instance of an allowed class; `arguments` and `state` are what the file gave."""

    kind: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(slots=True)
class _Machine:
    """The pickle machine's stack, marks and memo."""

    stream: io.BytesIO
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items


def read_arrays(data: bytes, source: str) -> list[NDArray[np.float32]]:
    """The list of float32 arrays in a joblib `.lz4` file.

    source: what to call the file in messages. Raises ModelError when it is damaged or holds anything but such a list.
    """
    try:
        result = _load(io.BytesIO(_unpacked(data)))
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, EOFError, OverflowError) as error:
        raise ModelError(f"{source} is not a readable list of arrays: {error}; fetch it again") from error
    except ModelError as error:
        raise ModelError(f"{source} {error}") from error
    if not isinstance(result, list) or not all(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in result):
        raise ModelError(f"{source} holds something else than a list of float32 arrays; it is refused")
    return result


def _unpacked(data: bytes) -> bytes:
    with lz4.frame.LZ4FrameFile(io.BytesIO(data)) as stream:
        unpacked = bytes(stream.read(_MAX_BYTES + 1))
    if len(unpacked) > _MAX_BYTES:
        raise ValueError(f"it unpacks to more than {_MAX_BYTES} bytes")
    return unpacked


def _load(stream: io.BytesIO) -> Any:
    machine = _Machine(stream)
    # genops reads one opcode at a time from the stream, so array bytes behind a BUILD can be taken out between two.
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "STOP":
            return machine.stack.pop()
        if opcode.name in _PUSHES:
            machine.stack.append(argument)
        elif opcode.name in _OPERATIONS:
            _OPERATIONS[opcode.name](machine, argument)
        else:
            raise ModelError(f"uses the pickle operation {opcode.name}, which no list of arrays needs; it is refused")
    raise EOFError("it ends too early")


def _global(machine: _Machine, name: str) -> None:
    if name not in _ALLOWED:
        raise ModelError(f"asks for {name.replace(' ', '.')}, which is forbidden: only arrays and lists are read")
    machine.stack.append(_Global(name))


def _stack_global(machine: _Machine, _: Any) -> None:
    module, name = machine.pop(2)
    _global(machine, f"{module} {name}")


def _instance(machine: _Machine, _: Any) -> None:
    kind, arguments = machine.pop(2)
    if not isinstance(kind, _Global) or not isinstance(arguments, tuple):
        raise TypeError("it calls something that is not a class")
    machine.stack.append(_Object(kind.name, arguments))


def _build(machine: _Machine, _: Any) -> None:
    subject, state = machine.pop(2)
    if not isinstance(subject, _Object):
        raise TypeError("it sets the state of something that has none")
    subject.state = state
    machine.stack.append(_array(machine.stream, state) if subject.kind == _WRAPPER else subject)


def _array(stream: io.BytesIO, state: dict[str, Any]) -> NDArray[Any]:
    dtype, shape = state["dtype"], state["shape"]
    if dtype.kind != _DTYPE or dtype.arguments[0] != "f4" or dtype.state[1] != "<" or state["order"] not in ("C", "F"):
        raise ValueError("an array is not little-endian float32")
    if state.get("numpy_array_alignment_bytes"):
        stream.read(stream.read(1)[0])
    raw = stream.read(4 * math.prod(shape))
    return np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape, order=state["order"])


def _set_items(machine: _Machine, _: Any) -> None:
    items = machine.since_mark()
    machine.stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _append(machine: _Machine, _: Any) -> None:
    (item,) = machine.pop(1)
    machine.stack[-1].append(item)


def _appends(machine: _Machine, _: Any) -> None:
    items = machine.since_mark()
    machine.stack[-1].extend(items)


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(tuple(machine.pop(count)))


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _put(machine: _Machine, key: int) -> None:
    machine.memo[key] = machine.stack[-1]


_PUSHES = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2"})
_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEMS": _set_items,
    "MEMOIZE": _memoize,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "BINGET": lambda machine, key: machine.stack.append(machine.memo[key]),
    "LONG_BINGET": lambda machine, key: machine.stack.append(machine.memo[key]),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "NEWOBJ": _instance,
    "REDUCE": _instance,
    "BUILD": _build,
}
