"""Wrong keys, counted by where they come from."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil

_MOST = 10
_WITHIN_S = 60.0
_MOST_ADDRESSES = 10_000
_MOST_GOOD = 1_000


class Failures:
    """After ten wrong keys within a minute an address waits. What opened once from there is not held up by them: a
    program with an old key on this machine does not lock out its neighbours. Memory is bounded; used by one thread.

    clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._good: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait_s(self, address: str, key_digest: str = "") -> int:
        """How long this key may not be tried from there, in seconds; 0: it may."""
        network, now = _network(address), self._clock()
        times = self._failed.get(network)
        if times is None or len(times) < _MOST or (network, key_digest) in self._good:
            return 0
        return max(0, ceil(times[0] + _WITHIN_S - now))

    def failed(self, address: str, key_digest: str = "") -> None:
        network = _network(address)
        self._good.pop((network, key_digest), None)
        self._failed.setdefault(network, deque(maxlen=_MOST)).append(self._clock())
        self._failed.move_to_end(network)
        if len(self._failed) > _MOST_ADDRESSES:
            self._failed.popitem(last=False)

    def opened(self, address: str, key_digest: str) -> None:
        known = (_network(address), key_digest)
        self._good[known] = None
        self._good.move_to_end(known)
        if len(self._good) > _MOST_GOOD:
            self._good.popitem(last=False)


def _network(address: str) -> str:
    """Who has an IPv6 address has the 2^64 of its network too."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)
