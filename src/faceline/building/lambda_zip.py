"""The zip of a Lambda function: our package, what its handlers import, the models."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faceline import __version__
from faceline.building.archive import check_fits, unpacked_bytes, write_zip
from faceline.building.baking import bake, bake_known
from faceline.building.bytecode import compile_all, compiler
from faceline.building.pruning import prune
from faceline.building.requirements import constraints, pinned
from faceline.building.source import copy_licences, copy_source, template
from faceline.building.target import Target
from faceline.building.wheels import unpack_wheels
from faceline.config import Settings
from faceline.errors import UsageError


@dataclass(frozen=True, slots=True)
class Built:
    """packed_bytes, unpacked_bytes: of the zip and of what is in it. compiled: whether bytecode is in it."""

    file: Path
    packed_bytes: int
    unpacked_bytes: int
    compiled: bool


def build_zip(file: Path, settings: Settings, target: Target, video: bool = False, also: Sequence[str] = ()) -> Built:
    """Writes a function's zip. video: with PyAV, for the splitting of clips, and without the networks: it looks at no
    face, and both together are more than Lambda takes. also: more models that were pulled or added.

    The same inputs give the same bytes, with the same Python and zlib. Raises UsageError where the file cannot be
    written, ModelError for models and ArtefactError for packages that cannot be had, and for a zip that Lambda would
    refuse.
    """
    check_writable(file)
    with tempfile.TemporaryDirectory(prefix="faceline-") as folder:
        root = Path(folder) / "task"
        root.mkdir()
        (bake_known if video else bake)(settings, root, also)
        unpack_wheels(root, target, pinned(video), constraints())
        prune(root)
        copy_source(root)
        copy_licences(root / f"faceline-{__version__}.dist-info" / "licenses")
        (root / "bootstrap").write_text(template("bootstrap", f"python{target.python}"), encoding="utf-8")
        python = compiler(target)
        if python:
            compile_all(root, python)
        check_fits(root)
        write_zip(root, file)
        return Built(file, file.stat().st_size, unpacked_bytes(root), bool(python))


def check_writable(file: Path) -> None:
    """Before minutes are spent. Raises UsageError."""
    target = Path(os.path.realpath(file))
    try:
        if target.is_dir():
            raise UsageError(f"{file} is a folder; name a file, such as {file / 'faceline.zip'}")
        if target.exists() and not target.is_file():
            raise UsageError(f"{file} is a device, a pipe or a socket; name a file, new or to be replaced")
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}."):
            pass
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror}); name a file in a folder that can") from error
