"""How a function's process starts: what it loads, and what it says when it cannot."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from aws_functions import leading_to, logged, ok, queue, start
from aws_made import Made, make
from runtime_api import running

# What a handler's process may load beside Python itself, faceline and the runtime interface client.
LOADED = {
    "PIL",
    "aws_lambda_powertools",
    "botocore",
    "certifi",
    "dateutil",
    "jmespath",
    "msgspec",
    "numpy",
    "onnxruntime",
    "six",
    "typing_extensions",
    "urllib3",
}

TWIN = {"name": "twin", "kind": "log"}
TWINS = json.dumps([TWIN, TWIN])


@pytest.fixture(scope="module")
def made(ministack_url: str, models_dir: Path) -> Iterator[Made]:
    with leading_to(ministack_url), pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELINE_MODELS_DIR", str(models_dir))
        yield make()


def test_a_function_without_models_says_so_and_buries_what_it_cannot_do(
    made: Made, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    photos = made.settings.aws_names.enroll
    made.send(photos, made.put(made.settings.input_bucket, "input/modelless.jpg", astronaut_jpeg))
    empty = tmp_path / "models"
    empty.write_text("no folder", encoding="utf-8")
    with start(made, "image_ingestion", tmp_path, FACELINE_MODELS_DIR=str(empty)) as function:
        assert "not all could be opened" in [line.get("message") for line in logged(tmp_path, "image_ingestion")]
        assert ok(function.invoke(made.batch(photos))) == {"batchItemFailures": []}
    (letter,) = queue(made, photos).list()
    assert str(empty) in letter.reason
    queue(made, photos).discard()


def test_a_wrong_setting_is_told_when_the_process_starts(made: Made, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="FACELINE_MAX_RECEIVES=none"),
        start(made, "notify", tmp_path, FACELINE_MAX_RECEIVES="none"),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize(
    ("handler", "setting", "value"),
    [
        ("image_ingestion", "INPUT_PREFIX", "no folder"),
        ("enrolment", "INPUT_PREFIX", "no folder"),
        ("image_ingestion", "NOTIFY", TWINS),
        ("frame_detection", "FRAMES_REQUEST_QUEUE", "faceline-resp-queue"),
        ("frame_recognition", "FRAMES_REQUEST_QUEUE", "faceline-resp-queue"),
        ("video_splitting", "VIDEO_STAGE_BUCKET", "faceline-output"),
        ("video_recognition", "VIDEO_STAGE_BUCKET", "faceline-output"),
        ("video_recognition", "NOTIFY", TWINS),
        ("match_faces", "MATCHING_PREFIX", "no folder"),
        ("match_faces", "NOTIFY", TWINS),
        ("notify", "NOTIFY", TWINS),
    ],
)
def test_settings_that_do_not_go_together_are_told_when_the_process_starts(
    made: Made, tmp_path: Path, handler: str, setting: str, value: str
) -> None:
    with (
        pytest.raises(RuntimeError, match="SettingError"),
        start(made, handler, tmp_path, **{f"FACELINE_{setting}": value, "FACELINE_ID": "faceline"}),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize("changes", [("-u", "_HANDLER"), ("_HANDLER=",)])
def test_a_process_of_a_container_image_opens_what_its_handler_needs(
    made: Made, tmp_path: Path, changes: Sequence[str]
) -> None:
    """Lambda does not say there which handler it is: https://github.com/aws/aws-lambda-java-libs/issues/237."""
    empty = tmp_path / "models"
    empty.write_text("no folder", encoding="utf-8")
    environment = made.environment | {"FACELINE_MODELS_DIR": str(empty)}
    command = ("env", *changes, sys.executable, "-m", "awslambdaric")
    with running("faceline.lambdas.frame_detection", environment, tmp_path, "frame_detection", command):
        (line,) = (each for each in logged(tmp_path, "frame_detection") if "function" in each)
    assert (line["message"], line["function"]) == ("not all could be opened", "frame_detection")


@pytest.mark.parametrize(
    "handler",
    [
        "image_ingestion",
        "enrolment",
        "frame_detection",
        "frame_recognition",
        "video_splitting",
        "video_recognition",
        "match_faces",
        "notify",
    ],
)
def test_a_process_loads_what_its_handler_needs_and_no_more(made: Made, handler: str) -> None:
    program = (
        "import json, sys, faceline.lambdas; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    environment = (
        os.environ | made.environment | {"_HANDLER": f"faceline.lambdas.{handler}", "AWS_LAMBDA_FUNCTION_NAME": handler}
    )
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1])) - set(sys.stdlib_module_names)
    ours = {name for name in loaded if not name.startswith(("_", "faceline", "sitecustomize", "usercustomize"))}
    assert {name for name in ours if "editable" not in name} <= LOADED
    assert "not all could be opened" not in done.stdout
