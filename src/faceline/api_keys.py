"""Who may use the HTTP interface: keys with a scope, and the port that keeps them."""

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


class ApiKeys(Protocol):
    """The keys beside the admin key. A change holds for every process at once."""

    def create(self, name: str, scope: ApiScope) -> str:
        """The new key; `ConflictError` when there is one of that name, `UsageError` for a name that cannot be one."""
        ...

    def find(self, key: str) -> ApiKey | None:
        """Whose key this is."""
        ...

    def list(self) -> Sequence[ApiKey]:
        """In the order in which they were made."""
        ...

    def revoke(self, name: str) -> ApiKey:
        """Deletes the key of this name, and who is logged in with it is not any more; `NotFoundError` without one."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. name: of the key, `admin` for the admin key. csrf: what writes of a logged-in browser must show; empty
    for programs, which send the key itself.
    """

    name: str
    scope: ApiScope
    csrf: str = ""
