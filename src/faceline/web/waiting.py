"""Clients that wait for messages: one look at the queue, twenty times a second, serves all of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool

from faceline.errors import FacelineError
from faceline.ports import Listening, Message, Queue, QueuedMessage

_LOOK_EVERY_S = 0.05


class Watched(Queue, Listening, Protocol):
    """A queue whose messages may be received, or only looked at."""


@dataclass(eq=False, slots=True)
class _Receiver:
    limit: int
    lease_s: float
    answer: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(eq=False, slots=True)
class _Reader:
    number: int
    answer: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(slots=True)
class Waiting:
    """Those who wait at one queue; first come, first served. All within one event loop, but for `close`."""

    queue: Watched
    closed: bool = False
    _receivers: list[_Receiver] = field(default_factory=list)
    _readers: list[_Reader] = field(default_factory=list)
    _looking: "asyncio.Task[None] | None" = None

    def close(self) -> None:
        """Everybody goes home within a moment, with nothing. From any thread."""
        self.closed = True

    async def receive(self, limit: int, lease_s: float, wait_s: float, gone: "asyncio.Future[None]") -> list[Message]:
        """As of `ports.Queue`. gone: done when the client has left; what it would have got is given back."""
        if not wait_s or self.closed:
            return await run_in_threadpool(self.queue.receive, limit, lease_s)
        receiver = _Receiver(limit, lease_s)
        self._receivers.append(receiver)
        self._look_out()
        try:
            await asyncio.wait([receiver.answer, gone], timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._receivers.remove(receiver)
            receiver.answer.cancel()  # unless it is there already
        messages: list[Message] = [] if receiver.answer.cancelled() else receiver.answer.result()
        if gone.done():
            await run_in_threadpool(self._give_back, messages)
            return []
        return messages

    async def after(self, number: int, wait_s: float) -> Sequence[QueuedMessage]:
        """As of `ports.Listening`; waits for the first."""
        reader = _Reader(number)
        self._readers.append(reader)
        self._look_out()
        try:
            await asyncio.wait([reader.answer], timeout=wait_s)
        finally:
            self._readers.remove(reader)
            reader.answer.cancel()
        messages: Sequence[QueuedMessage] = [] if reader.answer.cancelled() else reader.answer.result()
        return messages

    def _look_out(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_some_wait())

    async def _look_while_some_wait(self) -> None:
        while self._receivers or self._readers:
            receivers = [each for each in self._receivers if not each.answer.done()]
            readers = [each for each in self._readers if not each.answer.done()]
            try:
                received, read = await run_in_threadpool(self._look, receivers, readers)
                await self._hand_out(receivers, received)
            except FacelineError as error:
                for answer in [*(each.answer for each in receivers), *(each.answer for each in readers)]:
                    if not answer.done():
                        answer.set_exception(error)
                read = []
            for reader, messages in zip(readers, read, strict=False):
                if (messages or self.closed) and not reader.answer.done():
                    reader.answer.set_result(messages)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look(
        self, receivers: list[_Receiver], readers: list[_Reader]
    ) -> tuple[list[list[Message]], list[list[QueuedMessage]]]:
        """What each gets, in a thread."""
        received: list[list[Message]] = [[] for _ in receivers]
        for n, receiver in enumerate(receivers):
            received[n] = self.queue.receive(receiver.limit, receiver.lease_s)
            if not received[n]:
                break  # the others would find nothing either
        first = min((reader.number for reader in readers), default=None)
        new = [] if first is None else self.queue.after(first)
        return received, [[message for message in new if message.number > reader.number] for reader in readers]

    async def _hand_out(self, receivers: list[_Receiver], received: list[list[Message]]) -> None:
        for receiver, messages in zip(receivers, received, strict=True):
            if receiver.answer.done():  # it left while we looked
                await run_in_threadpool(self._give_back, messages)
            elif messages or self.closed:
                receiver.answer.set_result(messages)

    def _give_back(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.queue.release(message)
