"""What workflows 3 and 4 leave in the output bucket: `<stem>.txt`, names and nothing else, and `<stem>.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from faceline.documents import is_damaged, parsed, quoted, says
from faceline.errors import InputError, NotFoundError
from faceline.pipelines.naming import UNKNOWN
from faceline.ports import ObjectStore

_MAX_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Outputs:
    """Results of clips, by their stem."""

    objects: ObjectStore
    bucket: str

    def put(self, stem: str, document: dict[str, Any], names: Sequence[str], error: str | None) -> None:
        """names: one a line, no newline at the end; without any there is no `.txt`, not even an older one."""
        whole = document | {"names": list(names), "error": error}
        self.objects.put(self.bucket, f"{stem}.json", json.dumps(whole, ensure_ascii=False, indent=2).encode())
        if names:
            self.objects.put(self.bucket, f"{stem}.txt", "\n".join(names).encode())
        else:
            self.objects.delete(self.bucket, f"{stem}.txt")

    def names(self, stem: str) -> list[str] | None:
        """Who was found; None when there is no result, or a file that is none stands in its place."""
        try:
            document = parsed(self.objects.get(self.bucket, f"{stem}.json", _MAX_BYTES)[1])
        except (NotFoundError, ValueError):
            return None
        names = document.get("names") if isinstance(document, dict) else None
        return [str(name) for name in names] if isinstance(names, list) else None

    def delete(self, stem: str) -> None:
        for suffix in (".json", ".txt"):
            self.objects.delete(self.bucket, f"{stem}{suffix}")

    def forget(self, name: str) -> int:
        """Takes a name out of all results; returns of how many."""
        try:
            infos = list(self.objects.list(self.bucket))
        except NotFoundError:
            return 0
        return sum(self._forget(info.key, name) for info in infos if info.key.endswith(".json"))

    def _forget(self, key: str, name: str) -> bool:
        try:
            data = self.objects.get(self.bucket, key, _MAX_BYTES)[1]
            document = parsed(data)
        except (NotFoundError, InputError):  # gone meanwhile
            return False
        except ValueError:  # nobody can take the name out of it, nor use it; unless it was never meant to be a result
            return says(data, quoted([name])) and is_damaged(data) and self._dropped(key)
        if not isinstance(document, dict) or not _says(document, name):
            return False
        names = document.get("names")
        named = [each for each in names if isinstance(each, str) and each != name] if isinstance(names, list) else []
        cleaned = {k: _without(v, name) for k, v in document.items() if k not in ("names", "error")}
        self.put(key.removesuffix(".json"), cleaned, named or [UNKNOWN], _without(document.get("error"), name))
        return True

    def _dropped(self, key: str) -> bool:
        self.delete(key.removesuffix(".json"))
        return True


def _says(value: Any, name: str) -> bool:
    """Whether a name stands anywhere that names stand."""
    if isinstance(value, dict):
        return value.get("name") == name or any(_says(each, name) for each in value.values())
    if isinstance(value, list):
        return name in value or any(_says(each, name) for each in value)
    return False


def _without(value: Any, name: str) -> Any:
    """The document's part without that name: who bore it is forgotten, as a candidate they are left out."""
    if isinstance(value, list):
        return [_without(each, name) for each in value if not _is_candidate(each, name)]
    if not isinstance(value, dict):
        return None if value == name else value
    inner = {key: _without(each, name) for key, each in value.items()}
    return inner | {"decision": "forgotten", "similarity": None} if value.get("name") == name else inner


def _is_candidate(value: Any, name: str) -> bool:
    return isinstance(value, dict) and value.get("name") == name and "decision" not in value
