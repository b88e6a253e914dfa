"""Who may use the HTTP interface: keys with a scope, sessions of browsers, and the ports that keep them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ApiScope(StrEnum):
    """What the holder of a key may ask for: what changes nothing; also enrolling and uploading; everything."""

    READ = "read"
    ENROLL = "enroll"
    ADMIN = "admin"

    def covers(self, needed: "ApiScope") -> bool:
        """Whether who has this scope may do what needs that one."""
        order = list(ApiScope)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is known. The key itself is shown once, when it is made; only its hash is kept. created_at: UTC ISO
    8601.
    """

    name: str
    scope: ApiScope
    created_at: str


def digest(secret: str) -> str:
    """What is kept of a key or of a session's secret: SHA-256 as hex. They are random, so it need not be slow."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys(Protocol):
    """The keys beside the admin key. A change holds for every process at once."""

    def create(self, name: str, scope: ApiScope) -> str:
        """The new key; `ConflictError` when there is one of that name, `UsageError` for a name that cannot be one."""
        ...

    def find(self, key_digest: str) -> ApiKey | None:
        """The key that has this digest."""
        ...

    def list(self) -> Sequence[ApiKey]:
        """In the order in which they were made."""
        ...

    def revoke(self, name: str) -> ApiKey:
        """Deletes the key of this name, and who is logged in with it is not any more; `NotFoundError` without one."""
        ...


class Sessions(Protocol):
    """Browsers that logged in. One ends after 12 hours without use, 7 days after its beginning, and when the same key
    opened a hundred later ones.
    """

    def open(self, key_digest: str) -> str:
        """The secret of a new session, for who showed the key of this digest."""
        ...

    def find(self, secret: str) -> str | None:
        """The digest of the key that the living session of this secret was opened with; this is a use of it."""
        ...

    def close(self, secret: str) -> None:
        """Ends the session of this secret, if it lives."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. name: of the key, `admin` for the admin key. csrf: what writes of a logged-in browser must show; empty
    for programs, which send the key itself.
    """

    name: str
    scope: ApiScope
    csrf: str = ""
