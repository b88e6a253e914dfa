"""The embedded profile beside the one on AWS: the same objects, one after another, and what both must agree on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faceline.app import App
from faceline.config import Settings

_ROUNDING = 0.011  # similarities are told to two digits
# What is another at each run: when something was done, and the ids that are drawn.
_OWN = {"timestamp", "processed_at", "time", "face_id", "FaceId", "enrolled_at"}


@contextmanager
def opened(folder: Path, models: Path, settings: Mapping[str, Any]) -> Iterator[App]:
    """An embedded one with one worker at a time, so that objects are worked on in the order they are put in."""
    with App(Settings(data=folder / "data", models_dir=models, threads=1).with_(**settings)) as app:
        yield app


def put_in(app: App, bucket: str, objects: Mapping[str, bytes], drain: Callable[[], object]) -> None:
    """Puts them there, has their arrival noticed, and works until nothing is left to do."""
    watcher = app.watcher()
    for key, data in objects.items():
        watcher.announce(app.objects.put(bucket, key, data))
    drain()


def without_ids_and_times(document: Any) -> Any:
    """Of a record or a result document: all that two profiles must say alike."""
    if isinstance(document, dict):
        return {name: without_ids_and_times(value) for name, value in document.items() if name not in _OWN}
    if isinstance(document, list):
        return [without_ids_and_times(each) for each in document]
    return document


def _one_rounding_apart(a: Any, b: Any) -> bool:
    """Whether both are figures whose last digit differs: a mean of faces depends on the order they came in."""
    return isinstance(a, float) and isinstance(b, float) and abs(a - b) < _ROUNDING


def differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Where two documents differ, ids and times apart, each as a path with both values."""
    a, b = without_ids_and_times(a), without_ids_and_times(b)
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for name in a:
            yield from differences(a[name], b[name], f"{path}/{name}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from differences(one, other, f"{path}/{number}")
    elif a != b and not _one_rounding_apart(a, b):
        yield f"{path}: {a!r} and {b!r}"
