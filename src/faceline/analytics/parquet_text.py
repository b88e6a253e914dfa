"""Parquet files as text, for those who look for a word in them: its pages are compressed."""

from collections.abc import Iterator
from pathlib import Path

from faceline.errors import MissingExtraError, StorageError
from faceline.files import as_pattern

_ROWS = 2000


def parquet_text(path: Path) -> Iterator[str]:
    """Every text of every row, those within lists and structs too.

    Raises MissingExtraError without DuckDB, StorageError for a file that is no Parquet.
    """
    try:
        import duckdb  # noqa: PLC0415 (an extra, and few need it)
    except ImportError as error:
        raise MissingExtraError("reading Parquet needs DuckDB: pip install duckdb") from error
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        try:
            cursor = connection.execute("SELECT * FROM read_parquet(?)", [as_pattern(str(path))])
            while rows := cursor.fetchmany(_ROWS):
                for row in rows:
                    yield from _texts(row)
        except duckdb.Error as error:
            raise StorageError(f"{path} is no Parquet file that can be read: {error}") from error


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (str(key), *_texts(each))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
