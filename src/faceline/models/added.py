"""Models that were pulled or added: their ONNX files, in our form, and what is known of them.

They lie in `added/` of the models folder, beside the built ones, so that they travel with it and no build touches them;
`added/registry.json` says what each one is. A complete folder need not be writable.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from faceline.errors import ConflictError, ModelError, UsageError
from faceline.models.manifest import exclusive, replace_file
from faceline.models.weights import Checked, model_names

Kind = Literal["embedder", "detector"]
TemplateName = Literal["dlib-150", "arcface-112", "box-160"]
Channels = Literal["rgb", "bgr"]

DETECTOR = "yunet"  # the one name that the setting `detector` knows for a detector's file
MOST_DIMENSIONS = 65_536  # of an embedding
_FOLDER = "added"
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,38}[a-z0-9])?")
_HASH = r"^[0-9a-f]{64}$"


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an embedder is fed and its embeddings compared.

    mean, scale: it takes (pixel − mean) · scale with pixels 0–255; one number, or one for each of its channels.
    threshold: the cosine from which its maker says `same`.
    """

    template: TemplateName
    mirrored: bool = False
    channels: Channels = "rgb"
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    threshold: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5

    @property
    def side(self) -> int:
        """Of the chips, in pixels."""
        return int(self.template.rpartition("-")[2])

    def written(self) -> str:
        """All that makes other embeddings of the same weights, as model ids have it."""
        parts: list[str] = [self.template]
        if self.channels != "rgb":
            parts.append(self.channels)
        if any(self.mean):
            parts.append("mean" + ",".join(f"{value:g}" for value in self.mean))
        if any(value != 1 for value in self.scale):
            parts.append("scale" + ",".join(f"{value:.6g}" for value in self.scale))
        return "+".join([*parts, *(["mirror"] if self.mirrored else [])])


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """source: the URL or the name of the file that it was made from; source_sha256: of that file; sha256: of ours.

    licence: of the weights, as an SPDX identifier or in words. commercial: whether commercial use is allowed, as far as
    anybody said.
    training_data: what the weights were trained on and on which terms, empty where nobody said. form, dimensions: of
    embedders.
    """

    kind: Kind
    source: str
    source_sha256: Annotated[str, msgspec.Meta(pattern=_HASH)]
    sha256: Annotated[str, msgspec.Meta(pattern=_HASH)]
    licence: str
    commercial: bool
    training_data: str = ""
    form: Form | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=0, le=MOST_DIMENSIONS)] = 0


class Registry(msgspec.Struct, frozen=True):
    """models: by name."""

    models: dict[str, Added] = msgspec.field(default_factory=dict)


def read_registry(directory: Path) -> Registry:
    """Empty when nothing was added. Raises ModelError when it is unreadable or damaged."""
    path = directory / _FOLDER / "registry.json"
    try:
        registry = msgspec.json.decode(path.read_bytes(), type=Registry)
    except (FileNotFoundError, NotADirectoryError):
        return Registry()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); make it readable") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    for name, record in registry.models.items():
        if not _NAME.fullmatch(name) or (record.kind == "embedder") != (record.form is not None):
            raise _damaged(path, f"{name!r} is no entry of ours")
    return registry


def check_name(name: str, kind: Kind) -> None:
    """Raises UsageError for a name that an added model cannot have."""
    if not name:
        raise UsageError("an embedder needs a name; give it one with --name")
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(f"a model cannot be named {name!r}; use a–z, 0–9, . _ and - within, at most 40 characters")
    if name in {"mtcnn", "haar", "opencv-yunet", "dlib-resnet", *model_names()}:
        raise UsageError(f"{name} is a model that comes with faceline; choose another name")
    if (kind == "detector") != (name == DETECTOR):
        raise UsageError(f"a detector's file is named {DETECTOR}, and nothing else is; the setting `detector` says so")


def keep(directory: Path, name: str, record: Added, data: bytes) -> None:
    """Files a model under a name. data: its ONNX file, in our form. The very same one may be kept again.

    Raises ConflictError when another has the name, ModelError when the folder cannot be written to.
    """
    with exclusive(directory / _FOLDER):
        registry = read_registry(directory)
        known = registry.models.get(name)
        if known and known != record and _identity(known) != _identity(record):
            raise ConflictError(
                f"{directory} has another model {name} already, from {known.source}; "
                f"choose another name, or `faceline models remove {name}` first"
            )
        replace_file(_file(directory, name), data)
        _write(directory, {**registry.models, name: record})


def remove(directory: Path, name: str) -> None:
    """Raises UsageError when no such model was added, ModelError when the folder cannot be written to."""
    known = read_registry(directory).models
    if name not in known:
        names = ", ".join(known) or "none"
        raise UsageError(f"no model {name!r} was pulled or added to {directory}; there are: {names}")
    with exclusive(directory / _FOLDER):
        left = dict(read_registry(directory).models)
        left.pop(name, None)
        _write(directory, left)
        _file(directory, name).unlink(missing_ok=True)


def added_path(directory: Path, name: str) -> Path:
    """The ONNX file of a model that was added. Raises ModelError when there is none or it is damaged."""
    record = read_registry(directory).models.get(name)
    if record is None:
        raise ModelError(f"there is no model {name} in {directory}; `faceline models list` says how to get it")
    checked = _check(directory, name, record)
    if not checked.ok:
        raise ModelError(f"{_file(directory, name)} {checked.why}; pull or add {name} again")
    return _file(directory, name)


def verify(directory: Path) -> list[Checked]:
    """Of all that was added. Raises ModelError when the registry is damaged."""
    return [_check(directory, name, record) for name, record in read_registry(directory).models.items()]


def _check(directory: Path, name: str, record: Added) -> Checked:
    file = _file(directory, name)
    if not file.is_file():
        return Checked(name, False, "is gone")
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != record.sha256:
            return Checked(name, False, "is damaged: its SHA-256 is not the one in registry.json")
    return Checked(name, True, "")


def _identity(record: Added) -> tuple[str, str]:
    """What makes a model's embeddings what they are."""
    return record.source_sha256, record.form.written() if record.form else ""


def _write(directory: Path, models: dict[str, Added]) -> None:
    text = msgspec.json.format(msgspec.json.encode(Registry(models), order="sorted"), indent=2)
    replace_file(directory / _FOLDER / "registry.json", text + b"\n")


def _file(directory: Path, name: str) -> Path:
    return directory / _FOLDER / f"{name}.onnx"


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is damaged ({why}); delete it and pull or add its models again")
