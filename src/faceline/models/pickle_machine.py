"""Reads pickles without running anything that they say.

Format: docs.python.org/3/library/pickletools.html, protocols 2–5. Python's own unpickler calls whatever the file
names. This one is an interpreter of the few opcodes that lists, dicts, strings and numbers need: what a file names is
looked up in the rules of its kind, and nothing is ever imported, called or instantiated.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

_MAX_OPERATIONS = 2_000_000  # an embedding in a gallery takes 22; a second's work or two, and 150 MB of empty dicts


class PickleError(ValueError):
    """The message goes on from the file's name: "is damaged: …", "asks for …"."""


class Rules(Protocol):
    """What one kind of file may build. Each verb raises ValueError for what the kind does not know."""

    def allows(self, name: str) -> bool:
        """name: module and name with a blank between them."""
        ...

    def make(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """What stands for the allowed thing's result when it is called with these."""
        ...

    def build(self, subject: Any, state: Any) -> Any:
        """What stands for the object once it has its state."""
        ...

    def fetch(self, reference: Any) -> Any:
        """What stands for something that lies outside the pickle."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """Stands for a class or function that the file may name."""

    name: str


@dataclass(slots=True)
class _Machine:
    """The pickle machine's stack, marks and memo."""

    rules: Rules
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


def run(stream: BinaryIO, rules: Rules) -> Any:
    """What the pickle at the stream's position holds; the stream is left right behind it.

    Raises PickleError when it is damaged, too long, or asks for anything that the rules do not allow.
    """
    try:
        return _run(stream, _Machine(rules))
    except PickleError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, EOFError, OverflowError) as error:
        raise PickleError(f"is damaged: {error}") from error


def _run(stream: BinaryIO, machine: _Machine) -> Any:
    # genops reads one opcode at a time, so that rules may take bytes from the stream between two.
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if count >= _MAX_OPERATIONS:
            raise PickleError(f"has more than {_MAX_OPERATIONS} pickle operations")
        if opcode.name == "STOP":
            return machine.stack.pop()
        if opcode.name in _PUSHES:
            machine.stack.append(argument)
        elif opcode.name in _OPERATIONS:
            _OPERATIONS[opcode.name](machine, argument)
        else:
            raise PickleError(f"uses the pickle operation {opcode.name}, which is refused")
    raise EOFError("it ends too early")


def _global(machine: _Machine, name: str) -> None:
    if not machine.rules.allows(name):
        raise PickleError(f"asks for {name.replace(' ', '.')[:200]!r}, which is forbidden")
    machine.stack.append(Named(name))


def _stack_global(machine: _Machine, _: Any) -> None:
    module, name = machine.pop(2)
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("it names something by what is no text")
    _global(machine, f"{module} {name}")


def _make(machine: _Machine, _: Any) -> None:
    kind, arguments = machine.pop(2)
    if not isinstance(kind, Named) or not isinstance(arguments, tuple):
        raise TypeError("it calls something that is neither class nor function")
    machine.stack.append(machine.rules.make(kind.name, arguments))


def _build(machine: _Machine, _: Any) -> None:
    subject, state = machine.pop(2)
    machine.stack.append(machine.rules.build(subject, state))


def _fetch(machine: _Machine, _: Any) -> None:
    (reference,) = machine.pop(1)
    machine.stack.append(machine.rules.fetch(reference))


def _set_items(machine: _Machine, items: list[Any]) -> None:
    target, keys = machine.stack[-1], items[::2]
    # Only texts: hashing tuples within tuples may take for ever, or more of the C stack than there is.
    if not isinstance(target, dict) or not all(isinstance(key, str) for key in keys):
        raise TypeError("a dict has a key that is no text")
    target.update(zip(keys, items[1::2], strict=True))


def _extend(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise TypeError("it appends to something that is no list")
    target.extend(items)


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(tuple(machine.pop(count)))


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _put(machine: _Machine, key: int) -> None:
    machine.memo[key] = machine.stack[-1]


_PUSHES = frozenset(
    {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
)
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
    "APPEND": lambda machine, _: _extend(machine, machine.pop(1)),
    "APPENDS": lambda machine, _: _extend(machine, machine.since_mark()),
    "SETITEM": lambda machine, _: _set_items(machine, machine.pop(2)),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.since_mark()),
    "MEMOIZE": _memoize,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "BINGET": lambda machine, key: machine.stack.append(machine.memo[key]),
    "LONG_BINGET": lambda machine, key: machine.stack.append(machine.memo[key]),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "NEWOBJ": _make,
    "REDUCE": _make,
    "BUILD": _build,
    "BINPERSID": _fetch,
}
