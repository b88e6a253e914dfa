"""Embeddings in Parquet, written and read by DuckDB: `face_id` VARCHAR, `person` VARCHAR, `vector` FLOAT[]."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceline.errors import InputError, MissingExtraError
from faceline.files import as_pattern
from faceline.types import FaceRecord, Vector

if TYPE_CHECKING:
    import duckdb

_ABOUT_ONE = 0.01


def write_vectors(path: Path, records: Sequence[FaceRecord]) -> None:
    """At least one record; every float32 as it is. Raises MissingExtraError without DuckDB."""
    matrix = np.stack([record.embedding.values for record in records])
    columns = {
        "face_id": np.array([record.face_id for record in records], dtype=object),
        "person": np.array([record.identity for record in records], dtype=object),
    }
    # DuckDB takes arrays of one dimension only.
    names = [f"v{number}" for number in range(matrix.shape[1])]
    values = {name: np.ascontiguousarray(matrix[:, number]) for number, name in enumerate(names)}
    with opened() as connection:
        connection.register("rows", columns | values)
        query = f"SELECT face_id, person, array_value({', '.join(names)}) AS vector FROM rows"  # noqa: S608
        connection.execute(f"COPY ({query}) TO '{_quoted(path)}' (FORMAT parquet, COMPRESSION zstd)")


def read_vectors(path: Path, dimensions: int) -> dict[str, Vector]:
    """By face id, float32 (d,). Raises InputError for a file that has something else, MissingExtraError."""
    source = f"read_parquet('{_pattern(path)}', hive_partitioning = false)"
    query = f"SELECT face_id::VARCHAR, vector::FLOAT[] FROM {source}"  # noqa: S608
    with opened() as connection:
        try:
            rows = connection.execute(query).fetchall()
            vectors = {str(face_id): np.array(vector, dtype=np.float32) for face_id, vector in rows}
        except Exception as error:  # DuckDB has a dozen classes for files that are not what they should be
            raise InputError(f"{path} cannot be read as Parquet with face_id and vector ({_first(error)})") from error
    if len(vectors) < len(rows):
        raise InputError(f"{path} has a face id twice; export the collection again")
    wrong = [key for key, vector in vectors.items() if not _is_embedding(vector, dimensions)]
    if wrong:
        raise InputError(f"{path}: the embedding of {wrong[0]!a} is not made of {dimensions} numbers of length 1")
    return vectors


def _is_embedding(vector: Vector, dimensions: int) -> bool:
    """Of unit length, as all are: a longer one would be like everybody."""
    return vector.shape == (dimensions,) and abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) < _ABOUT_ONE


def opened() -> "duckdb.DuckDBPyConnection":
    """In memory. Raises MissingExtraError without DuckDB."""
    try:
        import duckdb  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise MissingExtraError("open files need DuckDB; pip install duckdb") from error
    return duckdb.connect(":memory:")


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")


def _pattern(path: Path) -> str:
    """That DuckDB finds this file and no other by. Raises InputError for a path that cannot be said so."""
    found = as_pattern(_quoted(path))
    if found != _quoted(path) and os.sep == "/" and "\\" in found:  # it takes the backslash for a slash then
        raise InputError(f"{path} has a backslash and one of [ * ? in its name; rename the folder")
    return found


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]
