"""Subjects and their saved examples of a CompreFace face recognition service, over its REST API.

https://github.com/exadel-inc/CompreFace/blob/master/docs/Rest-API-description.md: `GET /api/v1/recognition/faces` lists
the examples, a page at a time since version 0.6; `GET /api/v1/recognition/faces/<image_id>/img` gives an example's
photo, or no bytes when CompreFace did not keep it (its setting `save_images_to_db`).
"""

import json
import reprlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from faceline.errors import InputError, UsageError
from faceline.gallery.names import problem_of
from faceline.interchange.arrivals import Arrival
from faceline.interchange.checked import no_constant, whole

_FACES = "api/v1/recognition/faces"
_PAGE = 100
_TIMEOUT_S = 30.0  # of one read
_BODY_S = 300.0  # of all reads of one answer
_MAX_EXAMPLES = 1_000_000
_MAX_LIST_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Example:
    """A photo that CompreFace keeps of a subject."""

    image_id: str
    subject: str


class CompreFace:
    """url: of the service, such as http://localhost:8000. key: of its face recognition service, sent as x-api-key.

    max_bytes: of a photo. Redirects are not followed: the key is for this server only.
    """

    def __init__(self, url: str, key: str, max_bytes: int) -> None:
        if not _is_address(url):
            raise UsageError(f"{url!a} is no address of a CompreFace server; give one like http://localhost:8000")
        if not key or not key.isascii() or not key.isprintable():
            raise UsageError("CompreFace needs the API key of its face recognition service; give --api-key")
        self._url, self._max_bytes = url.rstrip("/"), max_bytes
        self._client = httpx.Client(headers={"x-api-key": key, "accept-encoding": "identity"}, timeout=_TIMEOUT_S)

    def close(self) -> None:
        self._client.close()

    def examples(self) -> list[Example]:
        """All of them. Raises InputError when the server does not give them, or does not come to an end."""
        found: dict[str, Example] = {}
        for page in count():
            document = self._document(page)
            listed = self._listed(document)
            known = len(found)
            found |= {example.image_id: example for example in listed}
            if listed and len(found) == known:
                raise InputError(f"{self._url} lists on page {page} what it listed before; check its version")
            if len(found) > _MAX_EXAMPLES:
                raise InputError(f"{self._url} lists more than {_MAX_EXAMPLES:,} examples; check the address")
            if not listed or page + 1 >= self._pages(document):
                break
        return list(found.values())

    def arrivals(self, examples: list[Example]) -> Iterator[Arrival]:
        """Their photos, fetched when they are read."""
        for example in examples:
            source = f"{self._url}/{_FACES}/{example.image_id}"
            yield Arrival(example.subject, source, partial(self._photo, example.image_id))

    def _document(self, page: int) -> dict[str, Any]:
        content = self._get(f"{_FACES}?page={page}&size={_PAGE}", _MAX_LIST_BYTES)
        try:
            document = json.loads(content, parse_constant=no_constant)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self._url} does not answer as CompreFace ({error}); check the address") from error
        if not isinstance(document, dict):
            raise InputError(f"{self._url} does not answer as CompreFace: no object; check the address")
        return document

    def _listed(self, document: dict[str, Any]) -> list[Example]:
        faces = document.get("faces")
        if not isinstance(faces, list):
            raise InputError(f"{self._url} does not answer as CompreFace: its list has no faces; check the address")
        return [self._example(face) for face in faces]

    def _pages(self, document: dict[str, Any]) -> int:
        """How many there are; 0 before version 0.6, which has one."""
        pages = document.get("total_pages")
        try:
            return 0 if pages is None else whole(pages, "total_pages", 0, _MAX_EXAMPLES)
        except ValueError as error:
            raise InputError(f"{self._url} does not answer as CompreFace: {error}; check the address") from error

    def _example(self, face: Any) -> Example:
        image_id, subject = (face.get("image_id"), face.get("subject")) if isinstance(face, dict) else (None, None)
        if problem_of(image_id) or not isinstance(subject, str) or not subject:
            said = f"lists an example without image_id and subject: {reprlib.repr(face)}"
            raise InputError(f"{self._url} {said}; check its version")
        return Example(str(image_id), subject)

    def _photo(self, image_id: str) -> bytes:
        content = self._get(f"{_FACES}/{quote(image_id, safe='')}/img", self._max_bytes)
        if not content:
            raise InputError("CompreFace did not keep this photo (save_images_to_db); enrol it from where you have it")
        return content

    def _get(self, path: str, max_bytes: int) -> bytes:
        """The body. Raises InputError for anything but success, for more than `max_bytes`, for one that trickles."""
        ends = time.monotonic() + _BODY_S
        try:
            with self._client.stream("GET", f"{self._url}/{path}") as answer:
                if answer.status_code != httpx.codes.OK:
                    raise InputError(_refusal(self._url, answer.status_code))
                content = bytearray()
                for chunk in answer.iter_raw():
                    content += chunk
                    if time.monotonic() > ends:
                        raise InputError(f"{self._url}/{path} took more than {_BODY_S:g} s; try again when it is idle")
                    if len(content) > max_bytes:
                        raise InputError(f"{self._url}/{path} has more than {max_bytes:,} bytes; raise max_image_bytes")
                return bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: of impossible host names
            raise InputError(f"{self._url} does not answer ({error or type(error).__name__}); is it up?") from error


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        return False


def _refusal(url: str, status: int) -> str:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return f"{url} refuses the API key ({status}); take the one of the face recognition service"
    return f"{url} answers {status}; check the address and CompreFace's log"
