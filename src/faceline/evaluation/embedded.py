"""Labelled photos → one embedding each, of the face under test."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceline.engine.analyzer import Analyzer, Wanted
from faceline.errors import InputError
from faceline.images import ImageLimits, read
from faceline.types import Vector


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPhotos:
    """paths: n of them. people: (n,) names. embeddings: float32 (n, d), rows of unit length. missed: photos without a
    face, or that could not be read, with the reason; they have no row."""

    paths: tuple[str, ...]
    people: NDArray[np.str_]
    embeddings: Vector
    missed: tuple[tuple[str, str], ...]


def embed_photos(
    photos: Sequence[tuple[Path, str]],
    analyzer: Analyzer,
    limits: ImageLimits,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    wanted: Wanted | None = None,
) -> EmbeddedPhotos:
    """photos: paths with names. The largest face of each counts, ties by nearness to the centre.

    progress: called with 1 after each photo. wanted: which faces are looked for.
    """

    def embed(photo: tuple[Path, str]) -> Vector | str:
        try:
            frame = read(photo[0], limits)
        except InputError as error:
            return str(error)
        faces = analyzer.analyze([frame], wanted)[0]
        return faces[0].embedding.values if faces and faces[0].embedding else "no face"

    with ThreadPoolExecutor(workers) as pool:
        found = list(_counted(pool.map(embed, photos), progress))
    good = [(str(path), name, f) for (path, name), f in zip(photos, found, strict=True) if not isinstance(f, str)]
    missed = tuple((str(path), f) for (path, _), f in zip(photos, found, strict=True) if isinstance(f, str))
    embeddings = np.array([f for _, _, f in good], dtype=np.float32).reshape(len(good), -1 if good else 0)
    names = np.array([name for _, name, _ in good], dtype=np.str_)
    return EmbeddedPhotos(tuple(path for path, _, _ in good), names, embeddings, missed)


def _counted(results: Iterator[Vector | str], progress: Callable[[int], None] | None) -> Iterator[Vector | str]:
    for result in results:
        yield result
        if progress:
            progress(1)
