"""The folder of ONNX files: found there, or fetched, verified, imported and kept there.

`manifest.json` in the folder records each file's SHA-256. A complete folder need not be writable.
"""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from faceline.errors import ModelError
from faceline.models.catalogue import CATALOGUE, IMPORTER_VERSION, Weights
from faceline.models.cpu import cpu_identity, int8_is_exact
from faceline.models.manifest import Entry, Manifest, Timing, exclusive, read_manifest, replace_file

Precision = Literal["auto", "fp32", "int8"]
TimeModel = Callable[[Path], float]
Progress = Callable[[str], None]

_BUILDERS = ("onnx", "h5py", "lz4")  # what only making models needs
_MISSING = "is not built yet"
_REPAIR = "run `faceline models build` to make it again"


class Checked(NamedTuple):
    """name: of the model. ok: it is there and what was built. why: what is wrong, empty when nothing is."""

    name: str
    ok: bool
    why: str


def default_directory() -> Path:
    """The user's cache folder for models, by the platform's custom, with the importers' version."""
    home = Path.home()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = home / "Library" / "Caches"
    else:
        given = os.environ.get("XDG_CACHE_HOME", "")
        cache = Path(given) if Path(given).is_absolute() else home / ".cache"
    return cache / "faceline" / "models" / f"v{IMPORTER_VERSION}"


def model_names() -> tuple[str, ...]:
    """All models of the catalogue."""
    return tuple(model for row in CATALOGUE for model in row.models)


class ModelStore:
    """directory: None for the user's cache folder.

    time_model: milliseconds that one run of an ONNX file takes here; without it `auto` is fp32 where nobody measured
    yet.
    """

    def __init__(self, directory: Path | None = None, time_model: TimeModel | None = None) -> None:
        self.directory = directory or default_directory()
        self._time_model = time_model
        self._timing: Timing | None = None

    def path(self, name: str) -> Path:
        """The ONNX file of a model, built first when it is missing.

        Raises ModelError when it is damaged, cannot be fetched, or the folder cannot be written to.
        """
        self._checked_names([name])
        checked = self._check(name, read_manifest(self.directory))
        if checked.why == _MISSING:
            self.build([name])
        elif not checked.ok:
            raise ModelError(f"{self._file(name)} {checked.why}; {_REPAIR}")
        return self._file(name)

    def embedder_path(self, precision: Precision = "auto") -> Path:
        """dlib's ResNet as fp32, int8, or what is faster on this machine's CPU. Raises ModelError as `path` does."""
        if precision == "auto":
            precision = self.precision()
        return self.path(f"dlib-resnet.{precision}")

    def precision(self) -> Literal["fp32", "int8"]:
        """What is faster on this CPU: recorded, else measured; fp32 when it can be neither or int8 may overflow."""
        if not int8_is_exact():
            return "fp32"
        recorded = self._timing or read_manifest(self.directory).timing
        if recorded and recorded.cpu == cpu_identity():
            return recorded.fastest
        return self._measure().fastest if self._time_model else "fp32"

    def build(self, names: Iterable[str] | None = None, progress: Progress | None = None) -> None:
        """Make what is missing or damaged among these models, all by default, then measure which precision is faster.

        progress: called with one sentence before each step. Raises ModelError as `path` does.
        """
        wanted = self._checked_names(names)
        manifest = read_manifest(self.directory)
        missing = [name for name in wanted if not self._check(name, manifest).ok]
        if missing:
            self._check_can_build(missing)
            with exclusive(self.directory):
                self._build_missing(wanted, progress or _silent)
        if self._time_model and {"dlib-resnet.fp32", "dlib-resnet.int8"} <= set(wanted):
            self.precision()

    def verify(self) -> list[Checked]:
        """Every model of the catalogue, checked against the manifest. Builds nothing."""
        manifest = read_manifest(self.directory)
        return [self._check(name, manifest) for name in model_names()]

    def _check_can_build(self, missing: list[str]) -> None:
        """Raises ModelError, before anything is written, in artefacts that run finished models only."""
        absent = [name for name in _BUILDERS if importlib.util.find_spec(name) is None]
        if absent:
            raise ModelError(
                f"the models folder {self.directory} lacks {', '.join(missing)}, or has them damaged, and this Python "
                f"cannot build them without {', '.join(absent)}; set FACELINE_MODELS_DIR to a folder that "
                "`faceline models build --into DIR` made elsewhere"
            )

    def _build_missing(self, names: list[str], progress: Progress) -> None:
        manifest = read_manifest(self.directory)  # again: another process may have built while this one waited
        missing = {name for name in names if not self._check(name, manifest).ok}
        for distribution in dict.fromkeys(row.distribution for row in CATALOGUE):
            rows = [row for row in CATALOGUE if row.distribution == distribution and missing.intersection(row.models)]
            if rows:
                progress(f"fetching the weights of {distribution.requirement}")
                self._import(rows, missing, progress)

    def _import(self, rows: list[Weights], missing: set[str], progress: Progress) -> None:
        # They need _BUILDERS, which take longer to import than a finished model takes to load.
        from faceline.models.build import onnx_bytes  # noqa: PLC0415
        from faceline.models.fetch import fetch  # noqa: PLC0415

        files = fetch(rows)
        for row in rows:
            for name in (model for model in row.models if model in missing):
                progress(f"building {name}")
                data = onnx_bytes(name, files[row.name], row.member)
                replace_file(self._file(name), data)
                entry = Entry(sha256=hashlib.sha256(data).hexdigest(), source_sha256=row.sha256)
                read_manifest(self.directory).with_entry(name, entry).write(self.directory)

    def _measure(self) -> Timing:
        assert self._time_model is not None
        fp32, int8 = self.path("dlib-resnet.fp32"), self.path("dlib-resnet.int8")
        timing = Timing(cpu_identity(), self._time_model(fp32), self._time_model(int8))
        self._timing = timing
        try:
            with exclusive(self.directory):
                read_manifest(self.directory).with_timing(timing).write(self.directory)
        except ModelError:
            return timing  # a read-only folder: it is measured again in the next process
        return timing

    def _check(self, name: str, manifest: Manifest) -> Checked:
        entry, file = manifest.entries.get(name), self._file(name)
        if entry is None or not file.is_file():
            return Checked(name, False, _MISSING)
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != entry.sha256:
            return Checked(name, False, "is damaged: its SHA-256 is not the one in manifest.json")
        return Checked(name, True, "")

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.onnx"

    def _checked_names(self, names: Iterable[str] | None) -> list[str]:
        wanted = list(model_names() if names is None else names)
        for name in wanted:
            if name not in model_names():
                raise ModelError(f"there is no model {name!r}; there are {', '.join(model_names())}")
        return wanted


def _silent(_: str) -> None:
    pass
