"""Pagination tokens: opaque, and good only for the query that they came from.

A token is a seal and the place to go on from. The seal is an HMAC over both the place and the query, so that a token
that was changed, or is used with another query, is refused.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from faceline.rekognition.errors import WireError

_SEAL_BYTES = 10
_LETTERS = "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"  # of collection names
_BASE = len(_LETTERS) + 1


@dataclass(frozen=True, slots=True)
class Pages:
    """Tokens of one query. key: secret of the server. query: the operation and what it was asked, without the token."""

    key: bytes
    query: tuple[Any, ...]

    def token(self, place: int) -> str:
        """place: a number above 0."""
        payload = place.to_bytes((place.bit_length() + 7) // 8, "big")
        return base64.b85encode(self._seal(payload) + payload).decode()

    def place(self, token: str | None) -> int:
        """Where to go on; 0 without a token. Raises InvalidPaginationTokenException."""
        if token is None:
            return 0
        try:
            raw = base64.b85decode(token.encode("ascii"))
        except (ValueError, binascii.Error) as error:
            raise _bad() from error
        seal, payload = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not payload or not hmac.compare_digest(seal, self._seal(payload)):
            raise _bad()
        return int.from_bytes(payload, "big")

    def _seal(self, payload: bytes) -> bytes:
        query = json.dumps(self.query).encode()
        return hmac.digest(self.key, query + b"\0" + payload, hashlib.sha256)[:_SEAL_BYTES]


def number_of(name: str) -> int:
    """A collection's name as a number: short enough that a token for 255 letters has 255 characters at most."""
    number = 0
    for letter in reversed(name):
        number = number * _BASE + _LETTERS.index(letter) + 1
    return number


def name_of(number: int) -> str:
    """The inverse of `number_of`."""
    letters = []
    while number:
        number, digit = divmod(number, _BASE)
        letters.append(_LETTERS[digit - 1])
    return "".join(letters)


def _bad() -> WireError:
    return WireError("InvalidPaginationTokenException", "NextToken is not one that this query returned; start over")
