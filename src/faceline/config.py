"""One frozen Settings: defaults, then `faceline.toml`, then `FACELINE_…` variables, then what the call says."""

import difflib
import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from faceline.errors import SettingError
from faceline.files import is_file, read_text
from faceline.targets import Target

Positive = Annotated[int, msgspec.Meta(gt=0, le=2**40)]
Bytes = Annotated[int, msgspec.Meta(gt=0, le=2**40)]
PixelCount = Annotated[int, msgspec.Meta(gt=0, le=2**34)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
PerSecond = Annotated[float, msgspec.Meta(ge=0.001, le=240)]
Days = Annotated[float, msgspec.Meta(ge=0, le=36_500)]
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Similarity = Annotated[float, msgspec.Meta(ge=0, le=100)]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.]{2,45})$", description="names or addresses, without a port"
    ),
]
PublicUrl = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(https?://([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?/?)?$",
        description="an address such as https://faces.example.org, without a path",
    ),
]
# What our tests read.
_NO_SETTINGS = {f"FACELINE_{name}" for name in ("TEST_DATA", "PEERS_PYTHON", "MINISTACK", "NO_SKIPS", "FULL")}


class Names(NamedTuple):
    """input, stage, output, embeddings, images, matches: buckets. requests, responses, matching: queues.

    matching_collection: the collection that images are matched in.
    """

    input: str
    stage: str
    output: str
    embeddings: str
    requests: str
    responses: str
    images: str
    matches: str
    matching: str
    matching_collection: str


class AwsNames(NamedTuple):
    """results, state: tables. work: the bucket of snapshots and of messages too large for a queue. photos, enroll,
    clips, notify: queues. recognition: the function that the splitting of clips calls.
    """

    results: str
    state: str
    work: str
    photos: str
    enroll: str
    clips: str
    notify: str
    recognition: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting, with its default; `docs/reference/settings.md` says what each one does."""

    data: Path = Path("faceline-data")
    collection: str = "my-face-collection"
    input_bucket: str = "face-input-bucket"
    input_prefix: str = "input/"
    processed_prefix: str = "processed/"
    enroll_prefix: str = "enroll/"

    id: str = "faceline"
    nearest_wins: bool = False
    frames_request_queue: str = ""
    frames_response_queue: str = ""
    frames_kept_s: Annotated[float, msgspec.Meta(ge=60, le=14 * 86_400)] = 4 * 86_400.0

    video_mode: Literal["all", "first"] = "all"
    video_collection: str = ""
    video_per_second: PerSecond = 1.0
    video_most_frames: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    video_stage_size: Annotated[str, msgspec.Meta(pattern=r"^([1-9][0-9]{1,3}x[1-9][0-9]{1,3})?$")] = ""
    video_input_bucket: str = ""
    video_stage_bucket: str = ""
    video_output_bucket: str = ""
    video_embeddings_bucket: str = ""
    follow_per_second: PerSecond = 5.0

    matching_bucket: str = ""
    matching_prefix: str = "images/"
    matching_output_bucket: str = ""
    matching_output_prefix: str = "output/"
    matching_queue: str = ""
    matching_collection: str = ""
    matching_customer: str = ""
    matching_manifest: str = ""
    matching_min_similarity: Similarity = 50.0
    matching_most: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 100
    matching_notify_similarity: Similarity = 90.0
    matching_pairwise: bool = False

    notify: tuple[Target, ...] = ()
    notices_kept_days: Days = 30.0

    max_video_bytes: Bytes = 4_000_000_000
    max_video_pixels: PixelCount = 36_000_000
    max_video_s: Annotated[float, msgspec.Meta(gt=0, le=7 * 86_400)] = 6 * 3600.0
    video_memory_mb: Annotated[int, msgspec.Meta(ge=64, le=2**20)] = 1536
    video_cpu_s: Annotated[int, msgspec.Meta(ge=1, le=7 * 86_400)] = 6 * 3600
    video_timeout_s: Seconds = 30.0

    host: Name = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8765
    public_url: PublicUrl = ""
    allowed_hosts: tuple[Name, ...] = ()
    max_upload_bytes: Bytes = 100_000_000

    models_dir: Path | None = None
    model: str = "dlib-resnet"
    detector: Literal["mtcnn", "yunet", "haar", "opencv-yunet"] = "mtcnn"
    precision: Literal["auto", "fp32", "int8"] = "auto"
    provider: Literal["auto", "cpu", "cuda", "coreml", "directml"] = "auto"
    threads: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0

    min_face_px: Annotated[int, msgspec.Meta(ge=12, le=2000)] = 40
    rotations: bool = False
    attributes: tuple[Literal["emotions"], ...] = ()
    emotions_kept: Annotated[int, msgspec.Meta(ge=1, le=7)] = 3

    max_image_bytes: Bytes = 50_000_000
    max_image_pixels: PixelCount = 80_000_000
    max_image_side_px: Annotated[int, msgspec.Meta(gt=0, le=2**20)] = 30_000
    decode_pixels: PixelCount = 16_000_000

    min_similarity: Similarity = 80.0
    strangers_named: Rate = 0.005
    ambiguity_margin: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0
    person_score: Literal["mean", "best"] = "mean"
    keep_crops: bool = True
    keep_unknown_faces: bool = False
    unknown_faces_most: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 5_000
    unknown_faces_days: Days = 30.0
    consent_required: bool = False
    results_kept_days: Days = 0.0
    search_floor: bool = False

    sql_timeout_s: Seconds = 60.0
    sql_memory_mb: Annotated[int, msgspec.Meta(ge=64, le=2**20)] = 1024

    quota_image_bytes: Bytes = 5_242_880
    quota_object_bytes: Bytes = 15_728_640
    quota_image_side_px: Annotated[int, msgspec.Meta(ge=1, le=2**20)] = 80
    quota_collections: Positive = 1_000_000
    quota_collection_faces: Positive = 20_000_000
    quota_collection_users: Positive = 10_000_000
    quota_collection_tags: Positive = 50
    quota_user_faces: Positive = 100
    max_requests: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 64

    engine: Literal["faceline", "rekognition"] = "faceline"
    aws_results_table: str = "FaceRecognitionResults"
    aws_state_table: str = ""
    aws_bucket: str = ""
    aws_photo_queue: str = ""
    aws_enroll_queue: str = ""
    aws_clip_queue: str = ""
    aws_notify_queue: str = ""
    aws_recognition_function: str = "face-recognition"
    aws_topic: str = ""
    aws_s3_addressing: Literal["auto", "path", "virtual"] = "auto"

    lease_s: Seconds = 60.0
    max_receives: Positive = 5
    settle_s: Seconds = 0.3
    log_format: Literal["text", "json"] = "text"

    @property
    def names(self) -> "Names":
        """Buckets and queues of the frame, video and matching workflows: those set, else made from `id`."""
        return Names(
            self.video_input_bucket or f"{self.id}-input",
            self.video_stage_bucket or f"{self.id}-stage-1",
            self.video_output_bucket or f"{self.id}-output",
            self.video_embeddings_bucket or f"{self.id}-embeddings",
            self.frames_request_queue or f"{self.id}-req-queue",
            self.frames_response_queue or f"{self.id}-resp-queue",
            self.matching_bucket or f"{self.id}-images",
            self.matching_output_bucket or f"{self.id}-matches",
            self.matching_queue or f"{self.id}-matching-queue",
            self.matching_collection or f"{self.id}-matching",
        )

    @property
    def aws_names(self) -> "AwsNames":
        """What only the AWS profile has: that set, else made from `id`."""
        return AwsNames(
            self.aws_results_table,
            self.aws_state_table or f"{self.id}-state",
            self.aws_bucket or f"{self.id}-work",
            self.aws_photo_queue or f"{self.id}-photo-queue",
            self.aws_enroll_queue or f"{self.id}-enroll-queue",
            self.aws_clip_queue or f"{self.id}-clip-queue",
            self.aws_notify_queue or f"{self.id}-notify-queue",
            self.aws_recognition_function,
        )

    def with_(self, **changes: Any) -> "Settings":
        """These settings with some replaced and checked; None leaves a setting as it is."""
        given = {name: value for name, value in changes.items() if value is not None}
        return _checked({**msgspec.structs.asdict(self), **given}, lambda name, value: f"{name} = {value}")


def url_of(host: str, port: int) -> str:
    """Where who listens there is found on the same machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (nothing is bound here)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def load(
    file: Path | None = None, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    """Settings from `file` (default: `faceline.toml` in `directory`, if it is there) and the environment.

    Raises SettingError naming the source and the setting.
    """
    environment = os.environ if environment is None else environment
    path = file or (directory or Path()) / "faceline.toml"
    values = _from_file(path) if file or is_file(path) else {}
    _checked(values, lambda name, value: f"{path}: {name} = {value}")
    return _checked(values | _from_environment(environment), lambda name, _: _variable(name, environment))


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return _flat(tomllib.loads(read_text(path)))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingError(f"cannot read the settings file {path}: {error}") from error


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """`video.mode`, or `mode` under `[video]`, is the setting video_mode."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        inner = {f"{name}_{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
        for key in inner.keys() & (found.keys() | document.keys() if isinstance(value, dict) else set()):
            raise ValueError(f"{key} is set twice")
        found |= inner
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if variable.startswith("FACELINE_") and variable not in _NO_SETTINGS:
            name = variable.removeprefix("FACELINE_").lower()
            found[name] = _LISTS[name](text) if name in _LISTS else text
    return found


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _tables(text: str) -> Any:
    try:
        return json.loads(text or "[]")
    except ValueError:
        return text  # which is then said to be no list, without showing it


_LISTS: dict[str, Callable[[str], Any]] = {"allowed_hosts": _words, "attributes": _words, "notify": _tables}


def _variable(name: str, environment: Mapping[str, str]) -> str:
    variable = f"FACELINE_{name.upper()}"
    return f"{variable}={environment.get(variable)}"


def _checked(values: dict[str, Any], say: Callable[[str, Any], str]) -> Settings:
    """say: what the user wrote for a setting's name and value, for messages."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    for name, value in values.items():
        near = difflib.get_close_matches(name, kinds, 1, 0)[0]
        said = say(name, value)
        if near == "notify":  # secrets are in it
            said = said.partition("=")[0].rstrip()
        if name not in kinds:
            raise SettingError(f"{said}: there is no such setting; the nearest is {near}")
        try:
            msgspec.convert(value, kinds[name], strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise SettingError(f"{said}: {_expected(kinds[name]) or error}") from error
    return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)


def _expected(kind: Any) -> str | None:
    """What a setting of this type may be; None where the error itself says it best."""
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.Metadata(extra_json_schema={"description": str(said)}) | msgspec.inspect.VarTupleType(
            msgspec.inspect.Metadata(extra_json_schema={"description": str(said)})
        ):
            return f"expected {said}"
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType() as info:
            low = f"from {info.ge:g}" if info.ge is not None else f"above {info.gt or 0:g}"
            high = f"below {info.lt:g}" if info.lt is not None else f"to {info.le or 0:.15g}"
            whole = "whole " if isinstance(info, msgspec.inspect.IntType) else ""
            return f"expected a {whole}number {low} {high}"
        case msgspec.inspect.LiteralType() as info:
            return f"expected one of {', '.join(map(str, info.values))}"
        case msgspec.inspect.BoolType():
            return "expected true or false"
        case msgspec.inspect.VarTupleType(msgspec.inspect.LiteralType()):
            return "expected a list of emotions, or nothing"
    return None


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str | Path):
        try:
            return Path(value).expanduser()
        except RuntimeError as error:  # ~ of nobody
            raise ValueError(f"{error}; write the whole path") from error
    raise ValueError(f"expected {kind.__name__}, got {value!r}")
