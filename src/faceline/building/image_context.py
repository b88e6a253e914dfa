"""The folder that a container image for Lambda is built from."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from faceline.building.baking import bake
from faceline.building.requirements import pinned
from faceline.building.source import copy_licences, copy_source, template
from faceline.building.target import Target
from faceline.config import Settings
from faceline.errors import UsageError

_MARKER = ".faceline-build"  # says that the folder is ours to write again
_FILES = ("Dockerfile", ".dockerignore", "requirements.txt", "faceline.toml")
_FOLDERS = ("faceline", "licenses", "models")


def write_context(folder: Path, settings: Settings, python: str, also: Sequence[str] = ()) -> list[str]:
    """Writes all that `docker build` needs, for all functions and both architectures; the names of what is there.

    python: `3.13`. also: more models that were pulled or added. Only an empty folder, or one with the marker that this
    wrote before, is written to: UsageError for others. Raises ModelError for models that cannot be had.
    """
    Target(python)
    try:
        _clear(folder)
        bake(settings, folder, also)
        copy_source(folder)
        copy_licences(folder / "licenses")
        (folder / "requirements.txt").write_text("\n".join([*pinned(video=True), ""]), encoding="utf-8")
        (folder / "Dockerfile").write_text(template("Dockerfile", python), encoding="utf-8")
        (folder / ".dockerignore").write_text(template("dockerignore", python), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written ({error.strerror}); name a folder that can") from error
    return sorted((_MARKER, *_FILES, *_FOLDERS))


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(path.name for path in folder.iterdir())
    if found and _MARKER not in found:
        raise UsageError(
            f"{folder} has {found[0]!r} in it and no {_MARKER}, so it was not made by this command and nothing in it "
            "is touched; name an empty or a new folder"
        )
    (folder / _MARKER).write_text("`faceline build lambda --context` deletes and writes here.\n", encoding="utf-8")
    for name in _FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
