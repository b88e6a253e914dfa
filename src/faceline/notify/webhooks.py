"""Webhooks, signed by the Standard Webhooks specification 1.0.0 (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from faceline.notices import Delivery, NotToldError, TargetGoneError
from faceline.notify.cloudevents import CONTENT_TYPE, encoded
from faceline.notify.exchange import Exchange
from faceline.targets import Target, secret_bytes

_GONE = 410
_LONGEST_WAIT_S = 86_400.0
_PHRASE_LENGTH = 100


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """One `v1,…` a key, with spaces between: whoever verifies needs one of them, so that secrets can be changed."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


class WebhookSender:
    """Implements `notices.Sender`. source: the events', see `cloudevents.event`. now: Unix time in seconds.

    Redirects are not followed: they would bring people's data somewhere that nobody named. Only the answer's status and
    headers are read, and they must all be there within the target's timeout_s. No message has the address in it: tokens
    may be part of its path.
    """

    def __init__(self, target: Target, source: str, now: Callable[[], float] = time.time) -> None:
        self._url, self._source, self._now = target.url, source, now
        self._keys = [secret_bytes(secret, target.name) for secret in target.secrets]
        self._timeout_s = target.timeout_s
        # A connection for each, so that each can be ended.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(timeout=target.timeout_s, follow_redirects=False, limits=limits)

    def send(self, delivery: Delivery) -> None:
        body = encoded(delivery.notice, delivery.message_id, self._source)
        timestamp = int(self._now())
        headers = {
            "content-type": CONTENT_TYPE,
            "user-agent": "faceline",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._keys, delivery.message_id, timestamp, body),
        }
        try:
            request = self._client.build_request("POST", self._url, content=body, headers=headers)
            self._check(Exchange(self._client, request).answer(self._timeout_s))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NotToldError(f"no whole answer within {self._timeout_s:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotToldError(f"no answer: {type(error).__name__}") from error

    def idle(self) -> None:
        """Nothing: each message is a connection of its own."""

    def close(self) -> None:
        self._client.close()

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        reason = f"it answered {answer.status_code} {_shown(answer.reason_phrase)}".rstrip()
        if answer.status_code == _GONE:
            raise TargetGoneError(reason)
        if answer.is_redirect:
            raise NotToldError(f"{reason}: redirects are not followed; set the url that it leads to")
        raise NotToldError(reason, self._after_s(answer.headers.get("retry-after")))

    def _after_s(self, said: str | None) -> float | None:
        """RFC 9110, section 10.2.3: seconds, or a date. None for what is neither."""
        if said is None:
            return None
        if said.strip().isdecimal():
            return min(float(said), _LONGEST_WAIT_S)
        try:
            when = parsedate_to_datetime(said)
            seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - self._now()
        except (ValueError, OverflowError):
            return None
        return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def _shown(phrase: str) -> str:
    """It goes to logs and terminals, and a stranger wrote it."""
    return "".join(letter for letter in phrase if letter.isprintable())[:_PHRASE_LENGTH]
