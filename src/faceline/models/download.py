"""A file of the web: resumed where it broke off, whole or not at all, and the one that was meant.

HTTP's ranges are RFC 9110, section 14. What has come is kept as `<name>.part` until all of it is there.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from faceline.errors import ModelError
from faceline.models.manifest import exclusive
from faceline.models.packs import Row

# How many bytes of the file are there.
Progress = Callable[[int], None]

FOLDER = "downloads"
_ATTEMPTS = 4
_PAUSE_S = 1.0
_TIMEOUT_S = 30.0


class _NotThereError(Exception):
    """Asking again would give the same."""


def download(row: Row, directory: Path, progress: Progress, pause_s: float = _PAUSE_S) -> Path:
    """The row's file in `downloads/` of the models folder, where it may lie already.

    progress: called with the bytes that are there. pause_s: before another attempt, longer each time. Raises ModelError
    when it cannot be had, with where to put a copy, or is another file.
    """
    path = directory / FOLDER / row.file_name
    with exclusive(path.parent):
        part = path.with_name(f"{path.name}.part")
        if not path.is_file():
            _fetch(row, part, progress, pause_s)
        arrived = path if path.is_file() else part
        if (found := _sha256(arrived)) != row.sha256:
            arrived.unlink()
            raise ModelError(
                f"{arrived} was another file: its SHA-256 is {found} instead of {row.sha256}; it is deleted. "
                f"Get {row.url} again, and from nowhere else"
            )
        arrived.replace(path)
    progress(row.size_bytes)
    return path


def _fetch(row: Row, part: Path, progress: Progress, pause_s: float) -> None:
    """Raises ModelError when `part` cannot be made whole."""
    reason = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(pause_s * 2 ** (attempt - 1))
        try:
            _append(row, part, progress)
        except _NotThereError as error:
            raise _unreachable(row, part, str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = f"{type(error).__name__}: {error}"
        except OSError as error:
            raise ModelError(f"{part} cannot be written ({error.strerror}); free some space") from error
        else:
            if _size(part) == row.size_bytes:
                return
            reason = f"{_size(part)} of {row.size_bytes} bytes came"
    raise _unreachable(row, part, reason)


def _append(row: Row, part: Path, progress: Progress) -> None:
    """What is missing of the file, as far as it comes."""
    have = _size(part)
    if have >= row.size_bytes:
        have = 0  # it would have been taken if it were the file
    headers = {"Accept-Encoding": "identity", "User-Agent": "faceline"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with (
        httpx.Client(follow_redirects=True, timeout=_TIMEOUT_S) as client,
        client.stream("GET", row.url, headers=headers) as response,
    ):
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise httpx.HTTPError("the server has less than what came before; from the start again")
        if 400 <= response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
            raise _NotThereError(f"{response.url.host} answers {response.status_code} {response.reason_phrase}")
        response.raise_for_status()
        _keep(response, part, _start(response, have), row.size_bytes, progress)


def _start(response: httpx.Response, asked: int) -> int:
    """Where the answer's bytes begin: a server may ignore what was asked for and send all."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
        raise _NotThereError(f"{response.url.host} sends another part than it was asked for")
    return asked


def _keep(response: httpx.Response, part: Path, start: int, size_bytes: int, progress: Progress) -> None:
    with part.open("r+b" if start else "wb") as stream:
        stream.seek(start)
        stream.truncate()
        for chunk in response.iter_raw():  # as it comes: in larger pieces, the last would be lost with the connection
            stream.write(chunk)
            progress(stream.tell())
            if stream.tell() > size_bytes:
                raise _NotThereError(f"{response.url.host} sends more than the {size_bytes} bytes of the file")


def _unreachable(row: Row, part: Path, reason: str) -> ModelError:
    kept = f" ({_size(part)} bytes are kept, and the next try goes on from there)" if _size(part) else ""
    return ModelError(
        f"{row.url} cannot be downloaded: {reason}{kept}. Check the network and the proxy's variables, or get the file "
        f"elsewhere (SHA-256 {row.sha256}), put it to {part.with_suffix('')}, and run the command again"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
