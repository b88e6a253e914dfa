"""How far a scan is, on the disk, so that one that was killed goes on where it was."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np

from faceline.errors import StorageError
from faceline.gallery.named_faces import NamedFaces
from faceline.gallery.scan import Alike, Progress


def fingerprint(faces: NamedFaces, min_score: float, most: int) -> str:
    """Of all that a scan's answer depends on: another face, name, model, cohort, threshold or cap gives another."""
    digest = hashlib.sha256()
    for text in (faces.collection, faces.model, *faces.names, *faces.face_ids, repr(min_score), str(most)):
        digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    embeddings = faces.embeddings
    for values in (faces.owner, embeddings.vectors, embeddings.gain, embeddings.offset):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


class Checkpoint:
    """One file, replaced in one step. It holds numbers of rows and scores: no name, no id, no vector."""

    def __init__(self, path: Path, of: str) -> None:
        self._path, self._of = path, of

    def load(self) -> Progress | None:
        """None when there is none, or it is of another scan, or damaged: the scan then starts from the beginning."""
        try:
            with self._path.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
                if str(saved["of"]) != self._of:
                    return None
                kept = Alike(saved["names"], saved["rows"], saved["scores"])
                return Progress(int(saved["blocks"]), kept, float(saved["complete_from"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # what is wrong there, `save` tells
            return None

    def save(self, progress: Progress) -> None:
        """Raises StorageError when it cannot be written."""
        try:
            self._save(progress)
        except OSError as error:
            raise StorageError(
                f"cannot write {self._path}: {error.strerror}; free some space, or run as the user whose data it is"
            ) from error

    def _save(self, progress: Progress) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        kept = progress.kept
        with beside.open("wb") as stream:
            np.savez(
                stream,
                of=np.array(self._of),
                blocks=np.array(progress.blocks),
                complete_from=np.array(progress.complete_from),
                names=kept.names,
                rows=kept.rows,
                scores=kept.scores,
            )
        beside.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
