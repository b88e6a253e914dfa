"""ClientRequestToken: a request that is sent again has the answer that it had, and no second effect.

Amazon Rekognition API reference, `ClientRequestToken` and IdempotentParameterMismatchException. The tokens of the last
hours are kept in memory: only one process serves a data directory.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from faceline.rekognition.answers import Document
from faceline.rekognition.errors import WireError

_KEPT_S = 8 * 3600
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class _Done:
    """asked: the request without its token. answer: of the first time, perhaps still in the making."""

    asked: object
    answer: Future[Document]
    at_s: float


class Repeats:
    """Thread-safe. clock: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._done: OrderedDict[tuple[str, ...], _Done] = OrderedDict()

    def once(self, token: tuple[str, ...], asked: object, do: Callable[[], Document]) -> Document:
        """The answer of `do`, or the one that this token had. A failed request may be sent again.

        token: the key's id, the operation and the client's token. Raises IdempotentParameterMismatchException when it
        was asked something else.
        """
        mine = _Done(asked, Future(), self._clock())
        with self._lock:
            self._forget_old()
            first = self._done.setdefault(token, mine)
        if first is not mine:
            if first.asked != asked:
                raise WireError(
                    "IdempotentParameterMismatchException",
                    f"the ClientRequestToken {token[-1]} was used for another request; make a new one",
                )
            return first.answer.result()
        try:
            answer = do()
        except BaseException as error:
            with self._lock:
                self._done.pop(token, None)
            mine.answer.set_exception(error)
            raise
        mine.answer.set_result(answer)
        return answer

    def _forget_old(self) -> None:
        oldest = self._clock() - _KEPT_S
        while self._done and (len(self._done) >= _KEPT or next(iter(self._done.values())).at_s < oldest):
            self._done.popitem(last=False)
