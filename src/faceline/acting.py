"""On whose behalf something is done, where that is not who runs the process: for the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ACTING: ContextVar[str | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """What this thread does within the block is done by them, as the audit log names them: `page:<key>`."""
    token = _ACTING.set(actor)
    try:
        yield
    finally:
        _ACTING.reset(token)


def acting() -> str | None:
    return _ACTING.get()
