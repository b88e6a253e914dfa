"""A collection's faces at one generation as one piece of bytes.

Their format is so plain that nothing in it can ask for memory, or run: numbers and texts, each part after its length.
"""

import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faceline.aws.face_items import face_record, mark_of
from faceline.aws.items import Item
from faceline.errors import StorageError
from faceline.gallery.concealed import revealed
from faceline.gallery.ports import Changes
from faceline.types import FaceRecord

_FORMAT = b"faceline faces 2\n"
_PARTS, _LENGTH, _CHECKSUM = 10, 8, 4  # how many, and bytes
_NUMBER = np.dtype("<i8")
_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Byte strings one behind the other. ends: int64 (n,), where each one ends."""

    data: _Bytes
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, pieces: Iterable[bytes]) -> "Pieces":
        given = list(pieces)
        ends = np.cumsum([len(each) for each in given], dtype=np.int64)
        return cls(np.frombuffer(b"".join(given), dtype=np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> bytes:
        start = int(self.ends[row - 1]) if row else 0
        return self.data[start : int(self.ends[row])].tobytes()

    def without(self, doomed: NDArray[np.bool_]) -> "Pieces":
        """doomed: (n,)."""
        if not len(self):
            return self
        lengths = np.diff(self.ends, prepend=np.int64(0))
        kept = self.data[np.repeat(~doomed, lengths)]
        return Pieces(kept, np.cumsum(lengths[~doomed], dtype=np.int64))

    def and_those(self, others: "Pieces") -> "Pieces":
        last = self.ends[-1] if len(self) else 0
        return Pieces(np.concatenate([self.data, others.data]), np.concatenate([self.ends, others.ends + last]))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What somebody knows who followed all changes up to `generation`.

    generations: int64 (n,), ascending, one a face. faces: as of `face_items.body_of`. vectors: float32. gone: removed
    faces with their generations, ascending. mark: of the change that had `generation`.
    """

    generation: int
    generations: NDArray[np.int64]
    faces: Pieces
    vectors: Pieces
    gone: tuple[tuple[int, str], ...] = ()
    mark: str = ""

    def __len__(self) -> int:
        return len(self.generations)

    def page(self, since: int, limit: int) -> Changes:
        """As `FaceRecords.changes`, up to this generation."""
        first = int(np.searchsorted(self.generations, since, side="right"))
        rows = range(first, min(first + limit, len(self)))
        reached = int(self.generations[rows[-1]]) if len(rows) == limit else self.generation
        gone = [face_id for generation, face_id in self.gone if since < generation <= reached]
        return Changes(reached, [face_record(self.faces[row], self.vectors[row]) for row in rows], gone)

    def then(self, items: Iterable[Item]) -> "Snapshot":
        """The snapshot after these changes. items: of the table, by generation, those after this one's.

        Raises StorageError when a face of this snapshot is damaged.
        """
        faces: dict[str, Item] = {}
        gone, generation, mark = list(self.gone), self.generation, self.mark
        for item in items:
            generation, mark = int(item["generation"]["N"]), mark_of(item)
            if "gone" in item:
                told = item["gone"]["S"]
                gone.append((generation, told))
                for face_id in revealed([told], faces):
                    faces.pop(face_id, None)
            else:
                face_id = str(json.loads(item["face"]["S"])["face_id"])
                faces.pop(face_id, None)
                faces[face_id] = item
        return replace(self._with(faces, tuple(gone)), generation=generation, mark=mark)

    def _with(self, faces: dict[str, Item], gone: tuple[tuple[int, str], ...]) -> "Snapshot":
        doomed = self._rows_of({face_id for _, face_id in gone[len(self.gone) :]} | faces.keys())
        new = list(faces.values())
        return Snapshot(
            self.generation,
            np.concatenate([self.generations[~doomed], [int(item["generation"]["N"]) for item in new]]).astype(
                np.int64
            ),
            self.faces.without(doomed).and_those(Pieces.of(item["face"]["S"].encode() for item in new)),
            self.vectors.without(doomed).and_those(Pieces.of(item["vector"]["B"] for item in new)),
            gone,
        )

    def _rows_of(self, told: set[str]) -> NDArray[np.bool_]:
        """bool (n,): the faces with these ids, concealed ones too."""
        if not len(self) or not told:
            return np.zeros(len(self), dtype=np.bool_)
        ids = [_face_id(self.faces[row]) for row in range(len(self))]
        doomed = set(revealed(sorted(told), ids))
        return np.array([face_id in doomed for face_id in ids], dtype=np.bool_)


def _face_id(body: bytes) -> str:
    """Raises StorageError for a damaged one."""
    try:
        return str(json.loads(body)["face_id"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StorageError(f"a face of the snapshot is damaged ({error})") from error


def nothing() -> Snapshot:
    """Of a collection of which nothing is known."""
    return Snapshot(0, np.zeros(0, dtype=np.int64), Pieces.of([]), Pieces.of([]))


def changes_of(items: Iterator[Item], since: int, limit: int) -> Changes:
    """Up to `limit` changes. items: of the table, by generation, those after `since`.

    What is read in several requests may say of a face that it was added, and later that it went.
    """
    added: dict[str, FaceRecord] = {}
    gone: list[str] = []
    reached = since
    for _, item in zip(range(limit), items, strict=False):
        reached = int(item["generation"]["N"])
        if "gone" in item:
            gone.append(item["gone"]["S"])
            for face_id in revealed(gone[-1:], added):
                added.pop(face_id, None)
        else:
            record = face_record(item["face"]["S"], item["vector"]["B"])
            added[record.face_id] = record
    return Changes(reached, list(added.values()), gone)


def to_bytes(snapshot: Snapshot) -> io.BytesIO:
    """A file to read from its beginning: `_FORMAT`, parts after their lengths, the CRC-32 of all of it."""
    told = Pieces.of(face_id.encode() for _, face_id in snapshot.gone)
    parts = [
        np.frombuffer(snapshot.mark.encode(), dtype=np.uint8),
        np.array([snapshot.generation], dtype=_NUMBER),
        snapshot.generations.astype(_NUMBER),
        np.array([generation for generation, _ in snapshot.gone], dtype=_NUMBER),
        *(part for pieces in (snapshot.faces, snapshot.vectors, told) for part in (pieces.data, pieces.ends)),
    ]
    file, checksum = io.BytesIO(), 0
    for each in (_FORMAT, *(each for part in parts for each in (part.nbytes.to_bytes(_LENGTH, "little"), part.data))):
        file.write(each)
        checksum = zlib.crc32(each, checksum)
    file.write(checksum.to_bytes(_CHECKSUM, "little"))
    file.seek(0)
    return file


def from_bytes(data: bytes) -> Snapshot:
    """Takes no more memory than the bytes. Raises StorageError for what is no snapshot, or a damaged one.

    What the single faces say is looked at when somebody reads them.
    """
    if not data.startswith(_FORMAT):
        raise StorageError("it is no snapshot, or one of another format")
    whole = memoryview(data)
    if zlib.crc32(whole[:-_CHECKSUM]) != int.from_bytes(whole[-_CHECKSUM:], "little"):
        raise StorageError("the snapshot is damaged (its checksum is another)")
    try:
        return _of_parts(_parts(whole[len(_FORMAT) : -_CHECKSUM]))
    except ValueError as error:
        raise StorageError(f"the snapshot is damaged ({error})") from error


def _parts(data: memoryview) -> list[memoryview]:
    parts: list[memoryview] = []
    at = 0
    while at < len(data) and len(parts) < _PARTS:
        start = at + _LENGTH
        at = start + int.from_bytes(data[at:start], "little")
        parts.append(data[start:at])
    if at != len(data) or len(parts) != _PARTS:
        raise ValueError("its parts are not as long as they say")
    return parts


def _of_parts(parts: list[memoryview]) -> Snapshot:
    """parts: as of `to_bytes`. Raises ValueError where they do not fit together."""
    (generation,) = _numbers(parts[1])
    generations, gone_at = _numbers(parts[2]), _numbers(parts[3])
    faces, vectors, told = (_pieces(*parts[first : first + 2]) for first in (4, 6, 8))
    if not len(generations) == len(faces) == len(vectors) or len(gone_at) != len(told):
        raise ValueError("its parts are not of the same number of faces")
    if not (_rises(generations, int(generation)) and _rises(gone_at, int(generation))):
        raise ValueError("its generations are in disorder")
    lengths = np.diff(vectors.ends, prepend=np.int64(0))
    if len(vectors) and (lengths[0] % 4 or (lengths != lengths[0]).any()):
        raise ValueError("its embeddings are of several lengths")
    ids = (told[row].decode() for row in range(len(told)))
    gone = tuple(zip(gone_at.tolist(), ids, strict=True))
    return Snapshot(int(generation), generations, faces, vectors, gone, parts[0].tobytes().decode())


def _numbers(part: memoryview) -> NDArray[np.int64]:
    return np.frombuffer(part, dtype=_NUMBER)


def _pieces(data: memoryview, ends: memoryview) -> Pieces:
    pieces = Pieces(np.frombuffer(data, dtype=np.uint8), _numbers(ends))
    steps = np.concatenate([np.zeros(1, dtype=np.int64), pieces.ends])
    if (steps[1:] < steps[:-1]).any() or steps[-1] != len(data):
        raise ValueError("its faces do not lie one behind the other")
    return pieces


def _rises(generations: NDArray[np.int64], newest: int) -> bool:
    steps = np.concatenate([np.zeros(1, dtype=np.int64), generations])
    return bool((steps[1:] > steps[:-1]).all()) and int(steps[-1]) <= newest
