"""Every permission of every role is needed: without it, something that its function does fails, and says so.

The roles are read from the deployed template, so that a new permission is tried by itself. What the emulator does not
ask for is in NOT_ENFORCED (and in docs/how-to/run-on-aws.md).
"""

import itertools
import json
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from acceptance.conftest import varied
from acceptance.test_aws_frames import event
from aws_stack import Aws, deployed, program, sized
from clips import passing_by, write_clip
from receivers import SECRET, Receiver, receiving

PHOTOS, CLIPS, STAGE, IMAGES = "faceline-photos", "faceline-input", "faceline-stage-1", "faceline-images"
DENIED = "denied/"
PATIENCE_S, START_S = 8.0, 30.0
_FUNCTIONS_AT_ONCE = 4
_CALLED_BY_OTHERS = {"faceline-frame-recognition", "face-recognition", "faceline-notify"}
# Which of the things of `Doing` uses it, where it is not the first: a message nobody understands, an unreadable object.
_USED_BY = {"BuryMessages": 1, "SendNoFace": 1, "sqs:ChangeMessageVisibility": 2}
# Used when a process opens something, and not again.
_ONCE = {"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "Results dynamodb:UpdateItem"}

# Actions, or statement and action, that ministack does not ask for, and why.
NOT_ENFORCED = {
    "logs:CreateLogStream": "the emulator writes the function's log itself",
    "logs:PutLogEvents": "the emulator writes the function's log itself",
    "sqs:ReceiveMessage": "the emulator's event source mapping receives without the role",
    "s3:ListBucket": "the emulator says 404 of an absent object to everybody, where S3 says 403 without it",
    "sns:Publish": "a topic's own policy lets everybody of the account publish, on AWS too",
    "FailedInvocations sqs:SendMessage": "the emulator sends to the on-failure destination without the role",
}

# What nothing here makes a function do. Whoever finds a way takes the line out.
NOT_TRIED = {
    "Snapshots s3:GetObject": "snapshots are for collections with many changes",
    "Snapshots s3:PutObject": "snapshots are for collections with many changes",
    "WritePayloads s3:PutObject": "crops of faces are smaller than a message may be",
    "Payloads s3:GetObject": "crops of faces are smaller than a message may be",
    "Payloads s3:DeleteObject": "crops of faces are smaller than a message may be",
    "SendAnew sqs:SendMessage": "for messages that came for the last time, in company",
    "WaitLonger sqs:SendMessage": "for notices that wait longer than their message may be received",
    "WaitLonger sqs:GetQueueUrl": "for notices that wait longer than their message may be received",
    "Reports s3:DeleteObject": "for images that are deleted while they are worked on",
    "video-splitting StateReads dynamodb:GetItem": "for gallery files, which need facenet's network",
    "video-splitting StateReads dynamodb:BatchGetItem": "for gallery files, which need facenet's network",
    "video-splitting StateIndexes dynamodb:Query": "for gallery files, which need facenet's network",
    "face-recognition Outbox dynamodb:PutItem": "only with all frames of a clip people are told of",
    "face-recognition WakeNotify sqs:SendMessage": "only with all frames of a clip people are told of",
    "face-recognition WakeNotify sqs:GetQueueUrl": "only with all frames of a clip people are told of",
    "faceline-notify TakeMessages sqs:GetQueueUrl": "Lambda receives; the address is asked for late",
    "faceline-notify StatePuts dynamodb:PutItem": "for notices that cannot be told at once",
    "faceline-notify StateLeftovers dynamodb:DeleteItem": "for deliveries whose notice DynamoDB deleted first",
}


@dataclass(frozen=True)
class Permission:
    """One action on one resource, in the statement `sid` of a function's role."""

    function: str
    role: str
    policy: str
    sid: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.function}: {self.sid} {self.action} on {self.resource.rpartition(':')[2]}"

    @property
    def is_tried(self) -> bool:
        names = {self.action, f"{self.sid} {self.action}", f"{self.function} {self.sid} {self.action}"}
        return not names & (NOT_ENFORCED.keys() | NOT_TRIED.keys())


Do = Callable[[], object]


def permissions(stack: Aws) -> Iterator[Permission]:
    iam = stack.client("iam")
    for function in stack.functions:
        configuration = stack.client("lambda").get_function_configuration(FunctionName=function)
        role = configuration["Role"].rpartition("/")[2]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                for action in _list(statement["Action"]):
                    for resource in _list(statement["Resource"]):
                        yield Permission(function, role, policy, statement["Sid"], action, resource)


def _list(one_or_more: Any) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)


def without(document: Mapping[str, Any], permission: Permission) -> dict[str, Any]:
    """The same policy, but for this action on this resource in this statement."""
    changed = deepcopy(dict(document))
    (statement,) = (each for each in changed["Statement"] if each["Sid"] == permission.sid)
    actions, resources = _list(statement["Action"]), _list(statement["Resource"])
    changed["Statement"].remove(statement)
    others = [each for each in actions if each != permission.action]
    if others:
        changed["Statement"].append(statement | {"Action": others})
    rest = [each for each in resources if each != permission.resource]
    if rest:
        again = {"Sid": f"{permission.sid}Rest", "Action": permission.action, "Resource": rest}
        changed["Statement"].append(statement | again)
    return changed


class Doing:
    """What makes each function use each of its permissions: photos, messages that nobody understands, and so on."""

    def __init__(self, stack: Aws, portrait: Image.Image, clip: bytes) -> None:
        self._stack, self._portrait, self._clip = stack, portrait, clip
        self._nobody = varied(Image.new("RGB", (64, 64)), 0)
        self._number = itertools.count()
        self._before: dict[str, str] = {}
        self.answers: list[str] = []
        self.of: dict[str, Sequence[Do]] = {
            "faceline-image-ingestion": (
                self._photo,
                self._poison("photo"),
                self._unreadable("input/"),
                self._photo,
            ),
            "faceline-enrolment": (self._labelled, self._poison("enroll"), self._unreadable("enroll/")),
            "faceline-frame-detection": (self._frame, self._nobody_in_frame, self._frame),
            "faceline-frame-recognition": (self._frame, self._poison("req")),
            "video-splitting": (self._new_clip, self._poison("clip"), self._unreadable("", CLIPS), self._bad_clip),
            "face-recognition": (self._staged, self._new_clip),
            "faceline-match-faces": (
                self._image,
                self._poison("matching"),
                self._unreadable("images/", IMAGES),
                self._alike,
            ),
            "faceline-notify": (self._photo, self._poison("notify")),
        }

    def _face(self) -> bytes:
        """Ada's, in another photo each time."""
        return varied(self._portrait, next(self._number))

    def _poison(self, queue: str) -> Do:
        return lambda: self._stack.send(f"faceline-{queue}-queue", "nobody understands this")

    def _unreadable(self, prefix: str, bucket: str = PHOTOS) -> Do:
        """An object that nobody may read, so that its message is given back."""
        return lambda: self._stack.put(bucket, f"{prefix}{DENIED}{_new()}.jpg", self._face())

    def _put(self, bucket: str, key: str) -> None:
        """A face; and nobody where this was done before, so that what was made of it then has to go."""
        before, self._before[bucket] = self._before.get(bucket), key
        self._stack.put(bucket, key, self._face())
        if before:
            self._stack.put(bucket, before, self._nobody)

    def _photo(self) -> None:
        self._put(PHOTOS, f"input/{_new()}.jpg")

    def _labelled(self) -> None:
        self._stack.put(PHOTOS, f"enroll/Ada/{_new()}.jpg", self._face())

    def _frame(self) -> None:
        self.answers.append(str(self._stack.post(event(_new(), self._face()))))

    def _nobody_in_frame(self) -> None:
        self.answers.append(str(self._stack.post(event(_new(), self._nobody))))

    def _new_clip(self) -> None:
        self._stack.put(CLIPS, f"{_new()}.mp4", self._clip)

    def _bad_clip(self) -> None:
        self._stack.put(CLIPS, f"{_new()}.mp4", b"no video")

    def _staged(self) -> None:
        """As `_put`, by calls."""
        before, self._before[STAGE] = self._before.get(STAGE), f"{_new()}.jpg"
        self._stack.put(STAGE, self._before[STAGE], self._face())
        self._stack.invoke_later("face-recognition", {"bucket_name": STAGE, "image_file_name": self._before[STAGE]})
        if before:
            self._stack.put(STAGE, before, self._nobody)
            self._stack.invoke_later("face-recognition", {"bucket_name": STAGE, "image_file_name": before})

    def _image(self) -> None:
        """Of another customer each time, and all look alike."""
        self._put(IMAGES, f"images/{_new()}_1.jpg")

    def _alike(self) -> None:
        """Of two customers, so that the later one's match is told of."""
        for _ in range(2):
            self._stack.put(IMAGES, f"images/{_new()}_1.jpg", self._face())


def _new() -> str:
    return uuid.uuid4().hex[:12]


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def stack(tmp_path: Path, models_dir: Path, hook: Receiver) -> Iterator[Aws]:
    target = {"name": "hook", "kind": "webhook", "url": hook.url, "secret": SECRET}
    parameters = {"VideoMode": "first", "NotifyTargets": json.dumps([target])}
    with deployed(program(), tmp_path, models_dir, {"FACELINE_MATCHING_PAIRWISE": "true"}, **parameters) as aws:
        for bucket in (PHOTOS, CLIPS, IMAGES):
            statement = {"Sid": "Unreadable", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"}
            aws.add_to_policy(bucket, statement | {"Resource": f"arn:aws:s3:::{bucket}/*{DENIED}*"})
        yield aws


def test_every_permission_is_missed_when_it_is_taken_away(stack: Aws, portrait: Image.Image, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", passing_by(portrait, 3)).read_bytes()
    stack.put(PHOTOS, "enroll/Ada.jpg", varied(portrait, 2))
    stack.settle()
    doing = Doing(stack, portrait, clip)
    found = [each for each in permissions(stack) if each.is_tried]
    assert {each.function for each in found} == set(doing.of)

    chosen = [each for each in found if zlib.crc32(str(each).encode()) % sized(3, 1) == 0]

    def unmissed(function: str) -> list[str]:
        own = [each for each in chosen if each.function == function]
        # Twice: what a process asks for once in its life, such as a queue's address, one that just started may have.
        return [str(each) for each in own if not any(is_missed(stack, each, doing) for _ in range(2))]

    with ThreadPoolExecutor(_FUNCTIONS_AT_ONCE) as pool:
        first = list(pool.map(unmissed, sorted(set(doing.of) - _CALLED_BY_OTHERS)))
        stack.settle()
        then = list(pool.map(unmissed, sorted(_CALLED_BY_OTHERS)))
    assert "\n".join(name for names in [*first, *then] for name in names) == ""


def is_missed(stack: Aws, permission: Permission, doing: Doing) -> bool:
    """Whether the function says that it lacks the permission while it has all others."""
    iam, names = stack.client("iam"), {"RoleName": permission.role, "PolicyName": permission.policy}
    document = iam.get_role_policy(**names)["PolicyDocument"]
    said, answered = len(stack.logs(permission.function)), len(doing.answers)

    def is_said() -> bool:
        answers = doing.answers[answered:] if permission.function == "faceline-frame-detection" else []
        return lacks([*stack.logs(permission.function)[said:], *answers], permission.action)

    iam.put_role_policy(**names, PolicyDocument=json.dumps(without(document, permission)))
    is_warm = not _ONCE & {permission.action, f"{permission.sid} {permission.action}"}
    if not is_warm:
        stack.kill(permission.function)
    try:
        patience_s = PATIENCE_S if is_warm else START_S
        return any(waited(do, is_said, patience_s) for do in likely_first(permission, doing.of[permission.function]))
    finally:
        iam.put_role_policy(**names, PolicyDocument=json.dumps(document))


def lacks(lines: Sequence[str], action: str) -> bool:
    """S3 does not say which permission a HEAD lacks."""
    said = (f"not authorized to perform: {action}", *(["(403)"] if action == "s3:GetObject" else []))
    return any(each.lower() in line.lower() for line in lines for each in said)


def likely_first(permission: Permission, things: Sequence[Do]) -> Sequence[Do]:
    """The same things, those first that the permission is most likely used by."""
    likely = _USED_BY.get(permission.sid, _USED_BY.get(permission.action, 0)) % len(things)
    return [*things[likely:], *things[:likely]]


def waited(do: Do, condition: Callable[[], bool], seconds: float) -> bool:
    do()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return False
