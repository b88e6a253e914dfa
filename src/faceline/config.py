"""One frozen Settings: defaults, then `faceline.toml`, then `FACELINE_…` variables, then what the call says."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from faceline.errors import SettingError

Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Similarity = Annotated[float, msgspec.Meta(ge=0, le=100)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting, with its default; `docs/reference/settings.md` says what each one does."""

    data: Path = Path("faceline-data")
    collection: str = "my-face-collection"
    input_bucket: str = "face-input-bucket"
    input_prefix: str = "input/"
    processed_prefix: str = "processed/"
    enroll_prefix: str = "enroll/"

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8765
    max_upload_bytes: Positive = 100_000_000

    models_dir: Path | None = None
    precision: Literal["auto", "fp32", "int8"] = "auto"
    provider: Literal["auto", "cpu", "cuda", "coreml", "directml"] = "auto"
    threads: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0

    min_face_px: Annotated[int, msgspec.Meta(ge=12, le=2000)] = 40
    rotations: bool = False
    attributes: tuple[Literal["emotions"], ...] = ()
    emotions_kept: Annotated[int, msgspec.Meta(ge=1, le=7)] = 3

    max_image_bytes: Positive = 50_000_000
    max_image_pixels: Positive = 80_000_000
    max_image_side_px: Positive = 30_000
    decode_pixels: Positive = 16_000_000

    min_similarity: Similarity = 80.0
    strangers_named: Rate = 0.005
    ambiguity_margin: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0
    person_score: Literal["mean", "best"] = "mean"
    keep_crops: bool = True

    lease_s: Seconds = 60.0
    max_receives: Positive = 5
    settle_s: Seconds = 0.3
    log_format: Literal["text", "json"] = "text"

    def with_(self, **changes: Any) -> "Settings":
        """These settings with some replaced and checked; None leaves a setting as it is."""
        given = {name: value for name, value in changes.items() if value is not None}
        return _checked({**msgspec.structs.asdict(self), **given}, "the call")


def load(
    file: Path | None = None, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    """Settings from `file` (default: `faceline.toml` in `directory`, if it is there) and the environment.

    Raises SettingError naming the source and the setting.
    """
    environment = os.environ if environment is None else environment
    path = file or (directory or Path()) / "faceline.toml"
    values = _from_file(path) if file or path.is_file() else {}
    _checked(values, str(path))
    return _checked(values | _from_environment(environment), "the environment (FACELINE_…)")


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"cannot read the settings file {path}: {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {field.name for field in msgspec.structs.fields(Settings)}
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        name = variable.removeprefix("FACELINE_").lower()
        if variable.startswith("FACELINE_") and name in names:
            found[name] = [part.strip() for part in text.split(",") if part.strip()] if name == "attributes" else text
    return found


def _checked(values: dict[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingError(f"a setting from {source} cannot be used: {error}") from error


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value).expanduser()
    raise ValueError(f"expected {kind.__name__}, got {value!r}")
