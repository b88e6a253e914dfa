"""Every file of a data directory as text, for those who look for what must not be in it: raw, and decoded.

Raw are the bytes as they lie there: for databases that is also their free pages, gaps and write-ahead log. Decoded are
the rows of databases, the strings of JSON with their escapes undone, base64 within them, and compressed columns.
"""

import base64
import binascii
import json
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceline.local.database import gaps, said

_CHUNK = 1 << 22
_OVERLAP = 4096  # longer than any name or key
_MAX_JSON_BYTES = 200_000_000
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}")
_SQLITE = b"SQLite format 3\0"
_TEXTS = {".json", ".jsonl", ".txt", ".csv", ".html", ".md", ".toml", ""}


@dataclass(frozen=True, slots=True)
class Content:
    """A part of a file. where: the file below the data directory, and what of it. raw: bytes as they lie there, in
    which a short word may stand by chance; not raw: a text that somebody wrote, or the whole name of something. unread:
    it could not be looked at.
    """

    where: str
    text: str
    raw: bool
    unread: bool = False


def contents(directory: Path, parquet: Callable[[Path], Iterator[str]]) -> Iterator[Content]:
    """Of all files, and the names of folders and links. parquet: reads the texts of such a file.

    Raises StorageError for a database that is damaged.
    """
    for path in sorted(directory.rglob("*")):
        where = path.relative_to(directory).as_posix()
        yield Content(where, where, raw=False)
        with suppress(FileNotFoundError):  # gone meanwhile
            if path.is_file() and not path.is_symlink():
                yield from _of_file(path, where, parquet)


def _of_file(path: Path, where: str, parquet: Callable[[Path], Iterator[str]]) -> Iterator[Content]:
    with path.open("rb") as file:
        head = file.read(16)
    yield from _raw(path, where)
    if head == _SQLITE:
        yield from _rows(path, where)
        yield from _gaps(path, where)
    elif head[:4] == b"PAR1":
        yield from (Content(where, text, raw=False) for text in parquet(path))
    elif path.suffix in _TEXTS and path.stat().st_size <= _MAX_JSON_BYTES:
        text = path.read_text(encoding="utf-8", errors="replace")
        yield Content(where, text, raw=False)
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        yield from (Content(where, each, raw=False) for line in lines for each in _decoded(line))


def _raw(path: Path, where: str) -> Iterator[Content]:
    """In pieces that overlap, so that nothing is cut in two everywhere."""
    kept = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield Content(f"{where}, raw bytes", (kept + chunk).decode("utf-8", "replace"), raw=True)
            kept = chunk[-_OVERLAP:]


def _gaps(path: Path, where: str) -> Iterator[Content]:
    """What SQLite left between the rows, in which short words count too."""
    data_bytes = path.stat().st_size
    with path.open("rb") as file:
        page_bytes = int.from_bytes(file.read(18)[16:], "big")
        page_bytes = 65536 if page_bytes == 1 else page_bytes
        for start in range(0, data_bytes, page_bytes):
            file.seek(start)
            page = file.read(page_bytes)
            for gap in gaps(page, page_bytes, 0 if start else 100):
                yield Content(f"{where}, unused bytes", gap.decode("utf-8", "replace"), raw=False)


def _rows(path: Path, where: str) -> Iterator[Content]:
    with said(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 (a table that is there)
                place = f"{where}, table {table}"
                yield from (Content(place, text, raw=False) for value in row for text in _of_value(value))


def _of_value(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        yield from _decoded(value)
    elif isinstance(value, bytes):
        with suppress(zlib.error):
            text = zlib.decompress(value).decode("utf-8", "replace")
            yield text
            yield from _decoded(text)


def _decoded(text: str) -> Iterator[str]:
    """The strings of a JSON document, those in documents within it, and what is base64 in them."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    for each in _strings(document):
        yield each
        if each[:1] in ("{", "["):
            yield from _decoded(each)
        for found in _BASE64.findall(each):
            with suppress(binascii.Error, ValueError):
                plain = found.rstrip("=").translate(str.maketrans("-_", "+/"))
                yield base64.b64decode(plain + "=" * (-len(plain) % 4)).decode("ascii", "ignore")


def _strings(document: Any) -> Iterator[str]:
    """However deep they stand, and as UTF-8 can write them."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value.encode("utf-8", "replace").decode()
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
