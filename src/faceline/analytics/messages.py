"""What the two sides of a query say to each other over pipes: MessagePack, each message behind its length."""

import struct
from collections.abc import Sequence
from typing import IO

import msgspec

_HEAD = struct.Struct("<Q")


class Ask(msgspec.Struct, tag=True):
    """First. limit: rows of the answer."""

    sql: str
    limit: int
    memory_mb: int


class Listing(msgspec.Struct, tag=True):
    """Documents that are there now, with what `views.STAMP` says of each."""

    table: str
    bucket: str
    keys: Sequence[str]
    sizes: Sequence[int]
    mtimes_ns: Sequence[int]
    inodes: Sequence[int]


class Parts(msgspec.Struct, tag=True):
    """Parquet files that hold some of the documents listed; the answer is `Missing`."""

    table: str
    paths: Sequence[str]


class Rows(msgspec.Struct, tag=True):
    """Documents, as lines of JSON. etags: hex MD5 of the bytes they were read from."""

    listing: Listing
    etags: Sequence[str]
    lines: Sequence[str]


class Unreadable(msgspec.Struct, tag=True):
    """Objects that are no documents: bucket, key, reason."""

    rows: Sequence[tuple[str, str, str]]


class Go(msgspec.Struct, tag=True):
    """All is there."""


class Wants(msgspec.Struct, tag=True):
    """The tables of documents that the query needs."""

    tables: Sequence[str]


class Missing(msgspec.Struct, tag=True):
    """Keys of the documents that no part holds as they are now."""

    keys: Sequence[str]


class Columns(msgspec.Struct, tag=True):
    names: Sequence[str]
    types: Sequence[str]


class Answers(msgspec.Struct, tag=True):
    """Some rows of the answer, as a list of lists in JSON."""

    text: str


class End(msgspec.Struct, tag=True):
    """more: whether the answer has more rows than were asked for."""

    more: bool


class Refused(msgspec.Struct, tag=True):
    """Last, instead of an answer. extra: DuckDB is not installed."""

    message: str
    extra: bool = False


Told = Ask | Listing | Parts | Rows | Unreadable | Go
Said = Wants | Missing | Columns | Answers | End | Refused


def send(pipe: IO[bytes], message: Told | Said) -> None:
    body = msgspec.msgpack.encode(message)
    pipe.write(_HEAD.pack(len(body)))
    pipe.write(body)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes:
    """The next message's bytes. Raises EOFError when the other side has ended."""
    (length,) = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    return _exactly(pipe, length)


def told(pipe: IO[bytes]) -> Told:
    message: Told = msgspec.msgpack.decode(receive(pipe), type=Told)
    return message


def said(pipe: IO[bytes]) -> Said:
    message: Said = msgspec.msgpack.decode(receive(pipe), type=Said)
    return message


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data
