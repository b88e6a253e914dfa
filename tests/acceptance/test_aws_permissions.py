"""Every permission of every role is needed: without it, something that its function does fails, and says so.

The roles are read from the deployed template, so that a new permission is tried by itself. What the emulator does not
ask for is in NOT_ENFORCED (and in docs/how-to/run-on-aws.md). With the engine `rekognition` roles have more, which
nothing here speaks for: the emulator has no Amazon Rekognition.
"""

import json
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from aws_permissions import Permission, apart, lacks, permissions, without
from aws_stack import Aws, deployed, program, sized
from aws_uses import HOOK, Do, Uses
from clips import passing_by, write_clip
from faceline.models.added import Form
from faceline.models.adding import Adder, Asked, Terms
from faceline.models.importers.torch_gallery import DIMENSIONS
from networks import embedder
from receivers import SECRET, receiving

_PATIENCE_S = 20.0
_FUNCTIONS_AT_ONCE = 4
_CALLED_BY_OTHERS = {"faceline-frame-recognition", "face-recognition", "faceline-notify"}
# Used when a process opens something, and not again.
_ONCE = {"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "Results dynamodb:UpdateItem"}

# Statement and action that ministack does not ask for, and why.
NOT_ENFORCED = {
    "Log logs:CreateLogStream": "the emulator writes the function's log itself",
    "Log logs:PutLogEvents": "the emulator writes the function's log itself",
    "TakeMessages sqs:ReceiveMessage": "the emulator's event source mapping receives without the role",
    "MissingObjects s3:ListBucket": "the emulator says 404 of an absent object to everybody, where S3 says 403 without",
    "FailedInvocations sqs:SendMessage": "the emulator sends to the on-failure destination without the role",
}


@pytest.fixture
def models(models_dir: Path, tmp_path: Path) -> Path:
    """The built models, and a made network that stands in for FaceNet, so that gallery files are taken in."""
    folder = tmp_path / "models"
    shutil.copytree(models_dir, folder)
    form = Form(template="box-160", threshold=0.6)
    made = embedder(form.side, dimensions=DIMENSIONS).SerializeToString()
    Adder(folder, lambda *_: (DIMENSIONS, "")).add(made, "made.onnx", Asked("facenet", form), Terms("MIT"))
    return folder


@pytest.fixture
def stack(tmp_path: Path, models: Path) -> Iterator[Aws]:
    with receiving() as receiver:
        target = {"name": HOOK, "kind": "webhook", "url": receiver.url, "secret": SECRET, "unknown_people": True}
        parameters = {"VideoMode": "first", "NotifyTargets": json.dumps([target])}
        with deployed(program(), tmp_path, models, {"FACELINE_MATCHING_PAIRWISE": "true"}, **parameters) as aws:
            let_nobody_publish(aws)
            yield aws


def let_nobody_publish(stack: Aws) -> None:
    """But who has the permission: on AWS the template's policy of the topic takes the place of the one that a topic is
    made with, which lets everybody of the account publish.
    """
    statement = {"Sid": "OnlyWithTls", "Effect": "Deny", "Principal": "*", "Action": "sns:Subscribe"}
    topic = stack.outputs["TopicArn"]
    policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": topic}]}
    stack.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))


def test_every_permission_is_missed_when_it_is_taken_away(stack: Aws, portrait: Image.Image, tmp_path: Path) -> None:
    uses = Uses(stack, portrait, write_clip(tmp_path / "clip.mp4", passing_by(portrait, 3)).read_bytes())
    uses.prepare()
    found = list(permissions(stack))
    assert {each.function for each in found} == uses.functions
    assert {each.right for each in found} >= NOT_ENFORCED.keys()
    enforced = [each for each in found if each.right not in NOT_ENFORCED]
    chosen = [each for each in enforced if zlib.crc32(str(each).encode()) % sized(6, 1) == 0]

    def unmissed(function: str) -> list[str]:
        own = apart([each for each in chosen if each.function == function])
        # Twice: what a process asks for once in its life, such as a queue's address, one that just started may have.
        return [str(each) for each in own if not any(is_missed(stack, each, uses) for _ in range(2))]

    with ThreadPoolExecutor(_FUNCTIONS_AT_ONCE) as pool:
        first = list(pool.map(unmissed, sorted(uses.functions - _CALLED_BY_OTHERS)))
        stack.settle()
        then = list(pool.map(unmissed, sorted(_CALLED_BY_OTHERS)))
    assert "\n".join(name for names in [*first, *then] for name in names) == ""


def is_missed(stack: Aws, permission: Permission, uses: Uses) -> bool:
    """Whether the function says that it lacks the permission while it has all others."""
    iam, names = stack.client("iam"), {"RoleName": permission.role, "PolicyName": permission.policy}
    document = iam.get_role_policy(**names)["PolicyDocument"]
    iam.put_role_policy(**names, PolicyDocument=json.dumps(without(document, permission)))
    since, answered = time.time(), len(uses.answers)

    def is_said() -> bool:
        answers = uses.answers[answered:] if permission.function == "faceline-frame-detection" else []
        return lacks([*stack.logs(permission.function, since), *answers], permission)

    if _ONCE & {permission.action, permission.right}:
        stack.kill(permission.function)
    try:
        return any(waited(do, is_said) for do in uses.of(permission))
    finally:
        iam.put_role_policy(**names, PolicyDocument=json.dumps(document))


def waited(do: Do, condition: Callable[[], bool]) -> bool:
    do()
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False
