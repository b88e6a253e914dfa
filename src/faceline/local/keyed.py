"""Keyed hashes: a receipt that can be checked by who knows the name, and that tells nobody the name.

The key is made for one data directory and is in none of its documents. What must be found again by name only is sealed:
XORed with HMAC-SHA256 of a counter under a key that only the name gives (a pseudo-random function in counter mode,
NIST SP 800-38A, 6.5), with an HMAC over it.
"""

import hashlib
import hmac
import os
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from faceline.errors import StorageError

_KEY_BYTES = 32
_SEAL_BYTES = 32
_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Keyed:
    """Hashes words under a secret key."""

    key: bytes

    def hashed(self, word: str) -> str:
        """32 hexadecimal digits of HMAC-SHA256; the same for however Unicode composes its letters."""
        return self._digest(b"word", unicodedata.normalize("NFC", word).encode()).hex()[:32]

    def sealed(self, name: str, data: bytes) -> bytes:
        """Opened by the name alone, where the key is."""
        nonce = secrets.token_bytes(_BLOCK)
        key = self._key_of(name)
        hidden = nonce + _xored(key, nonce, data)
        return hmac.digest(key, b"seal" + hidden, hashlib.sha256) + hidden

    def opened(self, name: str, data: bytes) -> bytes | None:
        """What was sealed for this name; None when it was for another, or is damaged."""
        key, seal, hidden = self._key_of(name), data[:_SEAL_BYTES], data[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, hmac.digest(key, b"seal" + hidden, hashlib.sha256)):
            return None
        return _xored(key, hidden[:_BLOCK], hidden[_BLOCK:])

    def _key_of(self, name: str) -> bytes:
        return self._digest(b"name", unicodedata.normalize("NFC", name).encode())

    def _digest(self, use: bytes, data: bytes) -> bytes:
        return hmac.digest(self.key, use + b"\0" + data, hashlib.sha256)


def read_key(path: Path) -> Keyed:
    """The key in this file, made for this user only when there is none. Raises StorageError for a damaged one."""
    if not path.exists():
        _make(path)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise StorageError(f"{path} holds no key; put its backup in its place: without it no erasure can be proved")
    return Keyed(key)


def _make(path: Path) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(descriptor)
    try:
        os.link(partial, path)  # fails where another process was first
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def _xored(key: bytes, nonce: bytes, data: bytes) -> bytes:
    blocks = range((len(data) + _BLOCK - 1) // _BLOCK)
    stream = b"".join(hmac.digest(key, nonce + number.to_bytes(8, "big"), hashlib.sha256) for number in blocks)
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))
