"""The models of an artefact, and the settings that say where they are."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from faceline.config import Settings
from faceline.errors import UsageError
from faceline.models.added import DETECTOR, Registry, added_path, read_registry
from faceline.models.calibrations import installed_path
from faceline.models.manifest import Manifest, read_manifest
from faceline.models.spaces import BUILTIN, space_named
from faceline.models.weights import ModelStore

# The precision is said, since it would be measured at each start: a function's folder cannot be written to, and the
# CPUs of a fleet differ. fp32 is exact on all of them.
SETTINGS = """\
# Read from a function's working directory; FACELINE_ variables come before it.
models_dir = "models"
precision = "fp32"
"""
_PNET_RNET = ("mtcnn-pnet", "mtcnn-rnet")
_ALWAYS = ("mtcnn-onet", "mini-xception")
_EMBEDDER = ("dlib-resnet.fp32", "dlib-resnet.int8")


def bake(settings: Settings, into: Path, also: Sequence[str] = ()) -> None:
    """Puts `models/` and `faceline.toml` into a folder: the settings' detector, embedder and calibration, and emotions.

    What is missing is built first. also: more models that were pulled or added. Raises as `check_chosen`, and
    ModelError for models that cannot be had.
    """
    check_chosen(settings, also)
    store, names = ModelStore(settings.models_dir), built_names(settings)
    store.build(names)
    bake_known(settings, into, also)
    for name in names:
        shutil.copyfile(store.path(name), into / "models" / f"{name}.onnx")
    entries = read_manifest(store.directory).entries
    kept = Manifest(entries={name: entries[name] for name in names})  # without the timing, which is this machine's
    kept.write(into / "models")
    for name in added_names(settings, also):
        shutil.copyfile(added_path(store.directory, name), into / "models" / "added" / f"{name}.onnx")


def bake_known(settings: Settings, into: Path, also: Sequence[str] = ()) -> None:
    """As `bake`, but what is known of the models without their networks: for a function that looks at no face."""
    check_chosen(settings, also)
    directory = ModelStore(settings.models_dir).directory
    models = into / "models"
    models.mkdir()
    (into / "faceline.toml").write_text(SETTINGS + _chosen(settings), encoding="utf-8")
    names = added_names(settings, also)
    if names:
        known = read_registry(directory).models
        (models / "added").mkdir()
        kept = Registry({name: known[name] for name in names})
        (models / "added" / "registry.json").write_bytes(msgspec.json.encode(kept, order="sorted"))
    for name in (BUILTIN.name, *names):
        if name != DETECTOR:
            _bake_calibration(space_named(name, directory).model, directory, models)


def check_chosen(settings: Settings, also: Sequence[str] = ()) -> None:
    """Raises UsageError for a detector that needs OpenCV, ModelError for models that should be here and are not."""
    if settings.detector not in ("mtcnn", "yunet"):
        raise UsageError(
            f"detector={settings.detector} needs OpenCV, which is in no artefact for Lambda; set detector to mtcnn or "
            "yunet"
        )
    for name in added_names(settings, also):
        added_path(ModelStore(settings.models_dir).directory, name)


def built_names(settings: Settings) -> list[str]:
    """The models of the catalogue that these settings need."""
    names = [*(_PNET_RNET if settings.detector == "mtcnn" else ()), *_ALWAYS]
    return [*names, *(_EMBEDDER if settings.model == BUILTIN.name else ())]


def added_names(settings: Settings, also: Sequence[str]) -> list[str]:
    """The models that were pulled or added which these settings name, and those named beside them, once each."""
    named = [settings.model, DETECTOR if settings.detector == DETECTOR else BUILTIN.name, *also]
    return [name for name in dict.fromkeys(named) if name != BUILTIN.name]


def _bake_calibration(model: str, directory: Path, into: Path) -> None:
    """One that was measured here goes with the models: similarities are the same there."""
    source, target = installed_path(directory, model), installed_path(into, model)
    if source.is_file():
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)


def _chosen(settings: Settings) -> str:
    """Which models were baked, where they are not those that the defaults name."""
    plain = Settings()
    chosen = [(name, getattr(settings, name)) for name in ("model", "detector")]
    return "".join(f'{name} = "{value}"\n' for name, value in chosen if value != getattr(plain, name))
