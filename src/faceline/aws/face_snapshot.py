"""A collection's faces at one generation as one piece of bytes, as numpy's `.npz` without pickles has them."""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceline.aws.face_items import face_record
from faceline.aws.items import Item
from faceline.errors import StorageError
from faceline.gallery.concealed import revealed
from faceline.gallery.ports import Changes
from faceline.types import FaceRecord

_FORMAT = 1
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
    faces with their generations, ascending.
    """

    generation: int
    generations: NDArray[np.int64]
    faces: Pieces
    vectors: Pieces
    gone: tuple[tuple[int, str], ...] = ()

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
        """The snapshot after these changes. items: of the table, by generation, those after this one's."""
        faces: dict[str, Item] = {}
        gone, generation = list(self.gone), self.generation
        for item in items:
            generation = int(item["generation"]["N"])
            if "gone" in item:
                told = item["gone"]["S"]
                gone.append((generation, told))
                for face_id in revealed([told], faces):
                    faces.pop(face_id, None)
            else:
                face_id = str(json.loads(item["face"]["S"])["face_id"])
                faces.pop(face_id, None)
                faces[face_id] = item
        return self._with(generation, faces, tuple(gone))

    def _with(self, generation: int, faces: dict[str, Item], gone: tuple[tuple[int, str], ...]) -> "Snapshot":
        doomed = self._rows_of({face_id for _, face_id in gone[len(self.gone) :]} | faces.keys())
        new = list(faces.values())
        return Snapshot(
            generation,
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
        ids = [str(json.loads(self.faces[row])["face_id"]) for row in range(len(self))]
        doomed = set(revealed(sorted(told), ids))
        return np.array([face_id in doomed for face_id in ids], dtype=np.bool_)


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
    """A file to read from its beginning."""
    file = io.BytesIO()
    np.savez(
        file,
        format=np.array([_FORMAT, snapshot.generation], dtype=np.int64),
        generations=snapshot.generations,
        faces=snapshot.faces.data,
        face_ends=snapshot.faces.ends,
        vectors=snapshot.vectors.data,
        vector_ends=snapshot.vectors.ends,
        gone=np.frombuffer(json.dumps(snapshot.gone).encode(), dtype=np.uint8),
    )
    file.seek(0)
    return file


def from_bytes(data: bytes) -> Snapshot:
    """Raises StorageError for what is no snapshot, or one of another format."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            number, generation = (int(each) for each in file["format"])
            if number != _FORMAT:
                raise StorageError(f"the snapshot has format {number}, not {_FORMAT}")
            gone = tuple((int(at), str(face_id)) for at, face_id in json.loads(file["gone"].tobytes()))
            faces = Pieces(file["faces"], file["face_ends"])
            vectors = Pieces(file["vectors"], file["vector_ends"])
            return Snapshot(generation, file["generations"], faces, vectors, gone)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise StorageError(f"the snapshot is damaged ({error})") from error
