"""Calls of a function that failed for good, as Lambda reports them to the queue of its destination.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from faceline.aws.dead_letters import MOST_LETTERS
from faceline.aws.functions import Functions
from faceline.aws.mailbox import Mailbox
from faceline.aws.queue import SqsQueue
from faceline.documents import parsed
from faceline.ports import DeadLetter

Letters = list[DeadLetter]  # within the class, `list` is a verb


@dataclass(frozen=True, slots=True)
class FailedCalls:
    """The dead letters of a function that is called, not fed from a queue. letters: over `<function>-dlq`."""

    letters: SqsQueue
    functions: Functions
    dead_box: Mailbox

    @property
    def name(self) -> str:
        return self.letters.name

    def depth(self) -> dict[str, int]:
        """Of the dead only: Lambda tells nobody how many calls wait."""
        return {"dead": sum(self.dead_box.counts())}

    def list(self, limit: int = 100, after: str | None = None) -> Letters:
        """With Lambda's own words for the reason."""
        return [_explained(letter) for letter in self.letters.list(limit, after)]

    def hidden_letters(self) -> int:
        return self.letters.hidden_letters()

    def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        """Calls the function again; killed in between, it is called twice, which changes nothing."""
        wanted = None if message_ids is None else set(message_ids)
        found = [each for each in self.letters.list(MOST_LETTERS) if wanted is None or each.message_id in wanted]
        for letter in found:
            self.functions.start(self.name, _call(letter.body))
        return self.letters.discard([letter.message_id for letter in found])

    def discard(self, message_ids: Sequence[str] | None = None) -> int:
        return self.letters.discard(message_ids)


def _explained(letter: DeadLetter) -> DeadLetter:
    told = _document(letter.body).get("responsePayload")
    reason = told.get("errorMessage") if isinstance(told, Mapping) else None
    return replace(letter, reason=str(reason)) if reason else letter


def _call(body: str) -> Mapping[str, Any]:
    """What the function was called with. A letter that is no report is the call itself."""
    document = _document(body)
    call = document.get("requestPayload")
    return call if isinstance(call, Mapping) else document


def _document(body: str) -> Mapping[str, Any]:
    with suppress(ValueError):
        document = parsed(body)
        if isinstance(document, Mapping):
            return document
    return {}
