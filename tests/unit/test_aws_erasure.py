"""Forgetting a person on AWS: tables, buckets, queues, and what is told of it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.stub import Stubber

from commands import environment
from faceline.aws.clients import Clients
from faceline.aws.contents import of_letter
from faceline.aws.erasure import FacesAtRekognition, S3Journal, erasure_key
from faceline.aws.mailbox import Envelope, Mailbox
from faceline.aws.state import StateTable
from faceline.aws_erasure import AwsErasure
from faceline.aws_operations import failed_calls
from faceline.erasure import Gone
from faceline.errors import NotFoundError, UsageError
from faceline.gallery.ports import NewFace
from faceline.local.keyed import Keyed
from faceline.ports import DeadLetter, RecordQuery
from made import MODEL, Workflow, event_of, open_app, photo, record, vector
from ministack import KEYS
from on_aws import ANOTHER, NAME, OTHER, WHO, Deployment, deployed, opened

_KILLED = """
import os
import signal
import sys

from faceline.aws_erasure import AwsErasure
from faceline.aws_operations import reached
from faceline.config import load

app = reached(load())
left = int(sys.argv[2])

def count(params, **_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

erasure = AwsErasure(app)
found = erasure.find(sys.argv[1])
written = ("PutObject", "DeleteObject", "PutItem", "DeleteItem", "UpdateItem", "TransactWriteItems", "DeleteMessage")
for client in (app.clients.s3, app.clients.dynamodb, app.clients.sqs):
    for verb in written:
        client.meta.events.register(f"before-call.*.{verb}", count)
erasure.forget(found)
print("done")
"""


@pytest.fixture
def there(aws: str) -> Deployment:
    deployment = deployed(min_changes=1)
    deployment.fill()
    return deployment


@pytest.fixture
def empty(aws: str) -> Deployment:
    deployment = deployed()
    deployment.app.collections.create(deployment.settings.collection, MODEL)
    return deployment


def _forget(there: Deployment, name: str = NAME, collection: str | None = None, **options: bool) -> Any:
    erasure = AwsErasure(there.app)
    return erasure.forget(erasure.find(name, collection), **options)


def _places_with(there: Deployment, *words: bytes) -> list[str]:
    return [place for place, data in there.stored().items() if any(word in data for word in words)]


def _known(there: Deployment, name: str, face_id: str, source: str = "/home/a.jpg") -> None:
    face = NewFace(replace(record(face_id, name, vector(5)), source=source))
    there.app.face_records.add(there.settings.collection, [face])


def test_no_byte_of_a_forgotten_person_is_left(there: Deployment) -> None:
    app = there.app
    faces = [face for name in app.collections.models() for face in app.face_records.find(name, person=NAME)]
    assert len(faces) == 2
    ids = [text.encode() for face in faces for text in (face.face_id, face.image_id)]
    vectors = [vector(WHO).astype(kind).tobytes() for kind in (np.float32, np.float16)]
    words = [NAME.encode(), *ids, *vectors]
    assert len(_places_with(there, NAME.encode())) > 10
    assert len(_places_with(there, vectors[0])) == 3  # two faces, and a snapshot
    done = _forget(there)
    assert done.removed == {there.settings.collection: 1, there.settings.names.matching_collection: 1}
    assert _places_with(there, *words) == []
    assert AwsErasure(app).left_of(NAME) == []


def test_others_stay_with_their_results(there: Deployment) -> None:
    _forget(there)
    app, names = there.app, there.settings.names
    assert [face.person for face in app.face_records.find(there.settings.collection)] == [OTHER]
    assert there.keys(there.settings.input_bucket) == [
        f"enroll/{OTHER}/1.png",
        "input/both.png",
        "input/other.png",
        "processed/both.json",
        "processed/other.json",
    ]
    assert [(row.person, row.status) for row in app.records.query(RecordQuery(image="both.png"))] == [
        (None, "forgotten"),
        (OTHER, "matched"),
    ]
    assert there.document(names.output, "party.json")["names"] == [OTHER]
    report = there.document(names.matches, there.keys(names.matches)[0])
    assert (report["CustomerID"], report["Matches"]) == ("eve", [])
    assert app.notices.list() == []


def test_a_group_photo_goes_when_that_is_asked(there: Deployment) -> None:
    bucket = there.settings.input_bucket
    done = _forget(there, delete_among_others=True)
    assert {f"{bucket}/input/both.png", f"{there.settings.names.input}/party.mp4"} <= set(done.uploads)
    assert there.keys(bucket) == [f"enroll/{OTHER}/1.png", "input/other.png", "processed/other.json"]
    assert there.keys(there.settings.names.output) == []


def test_a_kept_photo_whose_key_says_the_name_is_told(there: Deployment) -> None:
    key = f"input/{NAME}_and_{OTHER}.png"
    there.photo(key, faces=2, salt=20)
    done = _forget(there)
    place = f"{there.settings.input_bucket}/{key}"
    erasure = AwsErasure(there.app)
    assert erasure.keys_that_say(NAME, done.kept) == [place]
    left = erasure.left_of(NAME)
    assert place in {each.where for each in left}
    assert {each.what for each in left} == {"name"}
    assert [row.person for row in there.app.records.query(RecordQuery(image=key))] == [None, OTHER]


@pytest.mark.parametrize("writes", [1, 9, 16])
def test_an_erasure_that_was_killed_is_finished_by_repeating_it(there: Deployment, writes: int) -> None:
    settings = there.made.environment | {"FACELINE_AWS_RECOGNITION_FUNCTION": there.settings.aws_recognition_function}
    command = [sys.executable, "-c", _KILLED, NAME, str(writes)]
    died = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    vectors = vector(WHO).astype(np.float32).tobytes()
    _forget(there)
    assert _places_with(there, NAME.encode(), vectors) == []
    assert AwsErasure(there.app).journal.unfinished() == 0


def test_only_one_collection_forgets_when_one_is_named(there: Deployment) -> None:
    matching = there.settings.names.matching_collection
    assert _forget(there, collection=there.settings.collection).removed == {there.settings.collection: 1}
    assert there.app.face_records.find(there.settings.collection, person=NAME) == []
    assert len(there.app.face_records.find(matching, person=NAME)) == 1


def test_a_process_that_knows_the_person_forgets_them_with_its_next_search(there: Deployment) -> None:
    warm = opened(there.made, min_changes=1)
    warm.collection().refresh()
    assert warm.collection().people() == 2
    _forget(there)
    assert there.photo("input/again.png", salt=30)["faces"] == 1
    warm.collection().refresh()
    assert warm.collection().people() == 1
    assert [row.person for row in there.app.records.query(RecordQuery(image="again.png"))] == [None]


def test_who_was_forgotten_can_be_enrolled_again(there: Deployment) -> None:
    _forget(there)
    there.photo(f"enroll/{NAME}/1.png")
    assert len(there.app.face_records.find(there.settings.collection, person=NAME)) == 1


def test_the_embedded_profile_forgets_the_same(empty: Deployment, tmp_path: Path) -> None:
    uploads = {
        f"enroll/{NAME}/1.png": photo(1, WHO),
        f"enroll/{OTHER}/1.png": photo(1, ANOTHER),
        "input/both.png": photo(2, WHO, 1),
        "input/theirs.png": photo(1, WHO, 2),
        f"input/{NAME}_3.png": photo(1, WHO, 3),
        "input/other.png": photo(1, ANOTHER, 4),
    }
    bucket = empty.settings.input_bucket
    with open_app(tmp_path / "data", input_bucket=bucket) as embedded:
        flow = Workflow(embedded)
        for key, data in uploads.items():
            embedded.announce(event_of(embedded.objects.put(bucket, key, data)))
            flow.worker.drain()
            empty.put(bucket, key, data)
            empty.app.collection().refresh()
        here, on_aws = embedded.forget(NAME), _forget(empty)
        left = [info.key for info in embedded.objects.list(bucket)]
    assert (on_aws.removed, on_aws.uploads, on_aws.kept) == (here.removed, here.uploads, here.kept)
    assert (on_aws.records, on_aws.results, on_aws.photos) == (here.records, here.results, here.photos)
    assert empty.keys(bucket) == sorted(left)


def test_nobody_is_forgotten_by_a_name_that_is_nowhere(empty: Deployment) -> None:
    _known(empty, "Zerlinda Jones", "1")
    with pytest.raises(NotFoundError, match="says Zerlinda Jnes; known are Zerlinda Jones"):
        _forget(empty, "Zerlinda Jnes")
    assert AwsErasure(empty.app).journal.unfinished() == 0
    assert AwsErasure(empty.app).journal.all() == []


def test_a_blank_name_is_nobodys(empty: Deployment) -> None:
    with pytest.raises(UsageError, match="must not be blank"):
        _forget(empty, " ")


def test_somebody_whose_name_has_the_name_in_it_stays(empty: Deployment) -> None:
    for number, name in enumerate(("Ann", "Ann Lee")):
        _known(empty, name, f"face-{number}")
    empty.bury(empty.app.queue_of(empty.app.names.photos), "input/ann_lee.jpg")
    _forget(empty, "Ann")
    assert [face.person for face in empty.app.face_records.find(empty.settings.collection)] == ["Ann Lee"]
    assert len(empty.app.queue_of(empty.app.names.photos).list()) == 1


def test_where_photos_were_enrolled_from_is_told(empty: Deployment) -> None:
    _known(empty, "Ann", "1")
    assert _forget(empty, "Ann").photos == ("/home/a.jpg",)


def test_rows_of_a_photo_that_somebody_deleted_go_too(there: Deployment) -> None:
    there.photo(f"input/{NAME}_9.png", person=50, salt=40)  # a stranger, with the name on it
    there.app.objects.delete(there.settings.input_bucket, f"input/{NAME}_9.png")
    _forget(there)
    assert there.app.records.query(RecordQuery(image=f"{NAME}_9.png")) == []


def test_answers_of_athena_that_say_the_name_go(there: Deployment) -> None:
    work = there.app.names.work
    for key, text in (("athena/1.csv", f'"{NAME}","97"'), ("athena/2.csv", f'"{OTHER}","97"')):
        there.app.objects.put(work, key, text.encode())
    _forget(there)
    assert [key for key in there.keys(work) if key.startswith("athena/")] == ["athena/2.csv"]


def test_a_receipt_says_no_name_and_is_found_by_it(there: Deployment) -> None:
    done = _forget(there)
    journal = AwsErasure(there.app).journal
    (receipt,) = journal.of(NAME)
    assert (receipt.receipt_id, receipt.collections) == (done.receipt, ())
    assert receipt.removed["faces in my-face-collection"] == 1
    assert journal.of(OTHER) == []
    assert NAME not in json.dumps(receipt.document())


def test_verifying_finds_a_name_in_tables_buckets_and_dead_letters(there: Deployment) -> None:
    names, aws_names = there.settings.names, there.app.names
    where = {each.where for each in AwsErasure(there.app).left_of(NAME)}
    assert {f"table {aws_names.state}", f"table {aws_names.results}"} <= where
    assert {f"{names.images}/images/{NAME}_01.png", f"{names.output}/party.txt"} <= where
    assert f"dead letters of {aws_names.photos}" in where
    assert f"{names.images}/images/eve_01.png" not in where


def test_verifying_finds_the_ids_of_who_was_forgotten(there: Deployment) -> None:
    (face,) = there.app.face_records.find(there.settings.collection, person=NAME)
    _forget(there)
    there.app.objects.put(there.settings.input_bucket, "processed/late.json", json.dumps({"id": face.face_id}).encode())
    place = f"{there.settings.input_bucket}/processed/late.json"
    assert [(each.where, each.what) for each in AwsErasure(there.app).left_of(NAME)] == [(place, "id")]


def test_the_key_of_receipts_is_made_once(empty: Deployment) -> None:
    table = empty.app.names.state
    assert erasure_key(StateTable(empty.app.clients, table)) == erasure_key(StateTable(Clients(), table))


def test_what_an_erasure_is_about_is_opened_by_the_name_alone(empty: Deployment) -> None:
    journal = S3Journal(empty.app.objects, empty.app.names.work, Keyed(b"k" * 32))
    journal.begin("Ann", "the plan")
    assert (journal.begun("Ann"), journal.begun("Bob"), journal.unfinished()) == ("the plan", None, 1)
    assert S3Journal(empty.app.objects, empty.app.names.work, Keyed(b"x" * 32)).begun("Ann") is None
    journal.drop("Ann")
    assert (journal.begun("Ann"), journal.unfinished()) == (None, 0)


def test_faces_go_from_amazon_rekognition_where_it_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    clients = Clients()
    gone = Gone("Ann", ("ours", "theirs"), True, face_ids=frozenset({"b", "a"}))
    faces = FacesAtRekognition(clients, lambda: {"ours": MODEL, "theirs": "amazon-rekognition/7"}, "amazon-rekognition")
    with Stubber(clients.rekognition) as stub:
        stub.add_response("delete_faces", {"DeletedFaces": ["a"]}, {"CollectionId": "theirs", "FaceIds": ["a", "b"]})
        assert faces.forget(gone) == 2
        stub.assert_no_pending_responses()
    assert FacesAtRekognition(clients, lambda: {"ours": MODEL}, "amazon-rekognition").forget(gone) == 0


_REPORT = {
    "requestPayload": {"bucket_name": "stage", "image_file_name": "a/frames.json"},
    "responsePayload": {"errorMessage": "no network", "errorType": "ModelError"},
}


def test_a_failed_call_says_lambdas_reason_and_is_made_again(empty: Deployment) -> None:
    calls = failed_calls(empty.app)
    Mailbox(empty.app.clients, f"{calls.name}-dlq").send(Envelope(json.dumps(_REPORT)), "1")
    (letter,) = calls.list()
    assert letter.reason == "no network"
    made: list[Any] = []

    class Called:
        def start(self, name: str, payload: Any) -> None:
            made.append((name, payload))

    functions: Any = Called()
    assert replace(calls, functions=functions).redrive(["another"]) == 0
    assert replace(calls, functions=functions).redrive() == 1
    assert made == [(calls.name, _REPORT["requestPayload"])]
    assert calls.list() == []


def test_a_failed_call_that_nobody_can_parse_is_listed_and_discarded(empty: Deployment) -> None:
    calls = failed_calls(empty.app)
    Mailbox(empty.app.clients, f"{calls.name}-dlq").send(Envelope("[" * 100_000), "1")
    (letter,) = calls.list()
    assert letter.body == "[" * 100_000
    assert calls.discard() == 1


def test_texts_in_json_in_a_letter_are_read() -> None:
    letter = DeadLetter("1", json.dumps({"inner": json.dumps({"name": "Zo\u00eb"})}), 1, "none", "")
    assert "Zo\u00eb" in [content.text for content in of_letter("q", letter)]
