"""Workflow 2 on AWS on loopback with permissions enforced: frames go in over HTTP, names come out of a queue."""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aws_stack import Aws, deployed, program

PHOTOS, REQUESTS, RESPONSES = "faceline-photos", "faceline-req-queue", "faceline-resp-queue"
PEOPLE = {0: "Trump", 1: "Biden", 2: "Bean", 4: "Depp", 5: "Diesel", 6: "Floki", 7: "Freeman", 8: "Obama"}
_ID = "faceline-message-id"
FRAMES, IN_FLIGHT, MARK_S = 100, 2, 3.0


@pytest.fixture
def stack(tmp_path: Path, models_dir: Path) -> Iterator[Aws]:
    with deployed(program(), tmp_path, models_dir, {}) as aws:
        yield aws


class Answers:
    """Takes every answer out of the response queue: what was said of each request, and when.

    A function that is killed when SQS has its answer, and before it could note so, sends it again under the same id.
    """

    def __init__(self, stack: Aws) -> None:
        self._sqs, self._url = stack.client("sqs"), stack.queue_url(RESPONSES)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.of: dict[str, list[str]] = {}
        self._ids: set[str] = set()
        self.at: dict[str, float] = {}

    def __enter__(self) -> "Answers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._ended.is_set():
            found = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=[_ID]
            )
            for message in found.get("Messages", []):
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                self._take(message["MessageAttributes"][_ID]["StringValue"], json.loads(message["Body"]))

    def _take(self, message_id: str, answer: dict[str, str]) -> None:
        if message_id not in self._ids:
            self._ids.add(message_id)
            self.at.setdefault(answer["request_id"], time.monotonic())
            self.of.setdefault(answer["request_id"], []).append(answer["result"])


def frames(test_data: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each person's name and frames."""
    for number, name in PEOPLE.items():
        yield name, sorted((test_data / "cse546" / "frames").glob(f"test_{number}[._]*"))


def probes(test_data: Path) -> list[tuple[str, str, bytes]]:
    """FRAMES of those that are not enrolled: the id that a request gets, who is in it and the photo."""
    found = [(name, photo) for name, photos in frames(test_data) for n, photo in enumerate(photos) if n != 1]
    chosen = [found[n % len(found)] for n in range(FRAMES)]
    return [(f"{n:03}-{name}", name, photo.read_bytes()) for n, (name, photo) in enumerate(chosen)]


def event(request_id: str, photo: bytes) -> dict[str, Any]:
    return {"request_id": request_id, "content": base64.b64encode(photo).decode(), "filename": f"{request_id}.jpg"}


def test_a_hundred_frames_are_answered_rightly_once_each(stack: Aws, test_data: Path) -> None:
    stack.put_all(PHOTOS, {f"enroll/{name}.jpg": photos[1].read_bytes() for name, photos in frames(test_data)})
    stack.settle()
    asked = probes(test_data)
    assert stack.post(event("warm", asked[0][2])) == (200, b"Face detection completed")
    stack.settle()
    sent: dict[str, float] = {}

    def send(request_id: str, photo: bytes) -> tuple[int, bytes]:
        sent[request_id] = time.monotonic()
        return stack.post(event(request_id, photo))

    with Answers(stack) as answers:
        stack.wait(lambda: "warm" in answers.of, "the first answer")
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            replies = list(pool.map(lambda each: send(each[0], each[2]), asked))
        stack.wait(lambda: len(answers.of) == FRAMES + 1, "all answers")
        stack.settle()
    assert Counter(replies) == {(200, b"Face detection completed"): FRAMES}
    assert {key: said for key, said in answers.of.items() if key != "warm"} == {key: [name] for key, name, _ in asked}
    seconds = sorted(answers.at[key] - sent[key] for key in sent)
    assert seconds[FRAMES // 2] < MARK_S  # a machine that does other things too is slow at times


def test_repetitions_and_killed_functions_make_no_second_answer_and_lose_none(stack: Aws, test_data: Path) -> None:
    """No frame is of anybody known: it is about messages."""
    asked = probes(test_data)[:30]
    with Answers(stack) as answers:
        for n, (key, _, photo) in enumerate(asked):
            stack.post(event(key, photo))
            stack.post(event(key, photo))
            if n % 10 == 9:
                stack.kill("faceline-frame-recognition")
        stack.wait(lambda: len(answers.of) == len(asked), "all answers")
        stack.settle()
    assert answers.of == {key: ["Unknown"] for key, _, _ in asked}


def test_what_cannot_be_answered_is_said_at_once_or_ends_in_the_dead_letters(stack: Aws, photos: Path) -> None:
    status, body = stack.post({"request_id": "1", "filename": "a.jpg"})
    assert (status, "content" in json.loads(body)["error"]) == (400, True)
    assert stack.post(event("1", b"no image"))[0] == 400
    with Answers(stack) as answers:
        assert stack.post(event("2", (photos / "nobody.png").read_bytes()))[0] == 200
        stack.wait(lambda: answers.of, "the answer")
    assert answers.of == {"2": ["No-Face"]}
    stack.send(REQUESTS, "nobody asks this")
    stack.wait(lambda: stack.depth(f"{REQUESTS}-dlq")[0] == 1, "the dead letter")
