"""How often an upload is looked at that is replaced while somebody works on it."""

from collections.abc import Iterator

from faceline.pipelines.worker import BusyError

MOST_ROUNDS = 3


def rounds(bucket: str, key: str) -> Iterator[int]:
    """1, 2, 3: a number before each look at the object. Then it raises BusyError, whose message comes back later: who
    replaces an object without end would keep a worker for as long, and every bit of work has a price.
    """
    yield from range(1, MOST_ROUNDS + 1)
    raise BusyError(f"{bucket}/{key} was replaced {MOST_ROUNDS} times while it was worked on; its turn comes again")
