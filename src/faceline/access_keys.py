"""Who may use the Rekognition API: key pairs, and the port that keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class KeyScope(StrEnum):
    """What the holder of a key may ask for: everything; what changes nothing; only what keeps and reads nothing."""

    ALL = "all"
    READ = "read"
    DETECT = "detect"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key pair that signs requests. name: what its keeper calls it. collections: names and patterns with `*`."""

    name: str
    access_key_id: str
    secret: str = field(repr=False)
    scope: KeyScope = KeyScope.ALL
    collections: tuple[str, ...] = ("*",)


class AccessKeys(Protocol):
    """Who may use the Rekognition API. A change holds for every process at once."""

    def find(self, access_key_id: str) -> AccessKey | None: ...

    def list(self) -> Sequence[AccessKey]:
        """In the order in which they were made."""
        ...

    def create(self, name: str, scope: KeyScope, collections: Sequence[str]) -> AccessKey:
        """A new pair; `ConflictError` when there is one of that name, `UsageError` for a name that cannot be one."""
        ...

    def revoke(self, name: str) -> AccessKey:
        """Deletes the key of this name or access key id; `NotFoundError` when there is none."""
        ...
