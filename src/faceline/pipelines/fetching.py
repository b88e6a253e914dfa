"""Objects as files, for what reads from files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from faceline.errors import VideoLimitError
from faceline.ports import ObjectInfo, ObjectStore


@contextmanager
def fetched_clip(objects: ObjectStore, bucket: str, key: str, max_bytes: int) -> Iterator[tuple[ObjectInfo, int]]:
    """The descriptor of a copy of the object, open at its start.

    The copy has no name: whatever kills the process, it does not stay. Lambda keeps the files of a process that ran
    out of time or memory: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

    Raises VideoLimitError when the object is larger, before anything is copied; NotFoundError.
    """
    info = objects.head(bucket, key)
    if info.size > max_bytes:
        raise VideoLimitError(
            f"{key}: has {info.size / 1e6:,.1f} MB, over the limit of {max_bytes / 1e6:,.1f}; cut it, or raise "
            "max_video_bytes"
        )
    with tempfile.TemporaryFile(prefix="faceline-") as file:
        file.writelines(objects.stream(bucket, key))
        file.seek(0)
        yield info, file.fileno()
