"""Objects as files, for what reads from files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from faceline.errors import VideoLimitError
from faceline.ports import ObjectInfo, ObjectStore


@contextmanager
def fetched_clip(objects: ObjectStore, bucket: str, key: str, max_bytes: int) -> Iterator[tuple[ObjectInfo, Path]]:
    """A copy of the object in a temporary file, with the object's own last name.

    Raises VideoLimitError when it is larger, before anything is copied; NotFoundError.
    """
    info = objects.head(bucket, key)
    if info.size > max_bytes:
        raise VideoLimitError(
            f"{key}: has {info.size / 1e6:,.1f} MB, over the limit of {max_bytes / 1e6:,.1f}; cut it, or raise "
            "max_video_bytes"
        )
    with tempfile.TemporaryDirectory(prefix="faceline-") as folder:
        path = Path(folder) / PurePosixPath(key).name
        with path.open("wb") as file:
            file.writelines(objects.stream(bucket, key))
        yield info, path
