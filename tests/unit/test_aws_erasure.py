"""Forgetting a person on AWS: tables, buckets, queues, and what is told of it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from amazon import rekognition
from commands import environment
from contract.face_service import COLLECTION, MixedAnalyzer, origin, picture
from faceline.app import App
from faceline.aws.clients import Clients
from faceline.aws.contents import of_letter
from faceline.aws.erasure import DynamoTraces, S3Journal, erasure_key
from faceline.aws.face_records import DynamoFaceRecords
from faceline.aws.mailbox import Envelope, Mailbox
from faceline.aws.state import StateTable
from faceline.aws_erasure import AwsErasure
from faceline.aws_operations import failed_calls
from faceline.errors import NotFoundError, StorageError, UsageError
from faceline.gallery.enrolment import Photo
from faceline.gallery.ports import NewFace
from faceline.local.keyed import Keyed
from faceline.notices import Notice
from faceline.pipelines import forgetting
from faceline.pipelines.arrivals import Arrivals
from faceline.ports import DeadLetter, RecordQuery
from made import MODEL, Workflow, event_of, open_app, photo, record, vector
from on_aws import ANOTHER, NAME, OTHER, WHO, Deployment, deployed, opened
from sqs import Killed

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


def test_who_was_enrolled_and_told_of_by_a_function_at_work_is_gone_too(
    there: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An enrolment and a photo were read before the erasure, and write after it has looked."""
    app, bucket = there.app, there.settings.input_bucket
    late = replace(record("zz-4711-zz", NAME, vector(WHO)), source=f"{bucket}/enroll/{NAME}/2.png")
    notice = Notice("n", "person.seen", "2026-01-01T00:00:00+00:00", f"{bucket}/input/a.png", "somebody", (NAME,))

    def in_hand(self: DynamoTraces) -> frozenset[str]:
        app.face_records.add(there.settings.collection, [NewFace(late)])
        app.notices.put(notice)
        return frozenset()

    monkeypatch.setattr(DynamoTraces, "in_hand", in_hand)
    done = _forget(there)
    assert [face.person for face in app.face_records.find(there.settings.collection)] == [OTHER]
    assert app.notices.list() == []
    assert done.removed[there.settings.collection] == 2
    assert _places_with(there, NAME.encode(), b"zz-4711-zz", vector(WHO).astype(np.float32).tobytes()) == []
    assert AwsErasure(app).left_of(NAME) == []


def test_an_erasure_with_work_still_in_hand_has_no_receipt_until_it_is_repeated(
    there: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=count(step=6).__next__, sleep=lambda seconds: None)
    monkeypatch.setattr(forgetting, "time", clock)
    claim = there.app.receipts.claim("of a clip", 60)
    with pytest.raises(StorageError, match=r"work is still in hand.* run forget again"):
        _forget(there)
    assert AwsErasure(there.app).receipts(NAME) == []
    there.app.receipts.release("of a clip", claim.token)
    assert _forget(there).receipt == AwsErasure(there.app).receipts(NAME)[0].receipt_id


def test_an_event_of_a_deleted_upload_that_comes_late_leaves_nothing(there: Deployment) -> None:
    app, bucket = there.app, there.settings.input_bucket
    late = event_of(app.objects.head(bucket, f"enroll/{NAME}/1.png"))
    _forget(there)
    assert Arrivals(app.receipts, app.images.handle).handle(late)["status"] == "gone"
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


def test_a_bucket_that_is_not_there_is_no_bucket_without_the_person(empty: Deployment) -> None:
    _known(empty, "Ann", "1")
    bucket = empty.settings.names.matches
    empty.app.clients.s3.delete_bucket(Bucket=bucket)
    with pytest.raises(NotFoundError, match=f"there is no bucket {bucket}; the template makes it"):
        _forget(empty, "Ann")
    with pytest.raises(NotFoundError, match=f"there is no bucket {bucket}"):
        AwsErasure(empty.app).left_of("Ann")


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


@pytest.mark.parametrize(
    "key", [f"input//{NAME}.png", f"enroll\\{NAME}.png", f"enroll/{NAME}/", f"input/../{NAME}.csv"]
)
def test_an_object_whose_key_is_refused_is_found_and_goes(there: Deployment, key: str) -> None:
    app, bucket = there.app, there.settings.input_bucket
    others = ["input//", f"input//{OTHER}.png", "input//a.csv"]
    for each in (key, *others):
        app.clients.s3.put_object(Bucket=bucket, Key=each, Body=b"a,b")
    place = f"{bucket}/{key}"
    assert place in {each.where for each in AwsErasure(app).left_of(NAME)}
    assert _forget(there).stores["objects of keys that are refused"] == 1
    assert AwsErasure(app).left_of(NAME) == []
    keys = {each["Key"] for each in app.clients.s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert set(others) < keys
    assert key not in keys


@pytest.mark.parametrize("name", ["photos", "input", "images", "png", "holiday", "9"])
def test_a_refused_key_that_only_mentions_a_name_by_where_it_lies_or_among_other_words_stays(
    empty: Deployment, name: str
) -> None:
    app, names = empty.app, empty.settings.names
    places = [
        (empty.settings.input_bucket, "input/"),
        (empty.settings.input_bucket, "input//grace_holiday.jpg"),
        (names.images, "images//eve_9.png"),
    ]
    for bucket, key in places:
        app.clients.s3.put_object(Bucket=bucket, Key=key, Body=b"a,b")
    _known(empty, name, "1")
    assert "objects of keys that are refused" not in _forget(empty, name).stores
    for bucket, key in places:
        assert app.clients.s3.head_object(Bucket=bucket, Key=key)


def _customers(there: Deployment) -> list[str]:
    keys = [f"images/{customer}_{number}.png" for customer in (1, 2, 3) for number in (1, 2)]
    for number, key in enumerate(keys):
        there.put(there.settings.names.images, key, photo(1, 10 + number // 2, number % 2))
    return keys


def test_other_customers_images_stay_whatever_their_numbers_and_folders_are_called(empty: Deployment) -> None:
    images = empty.settings.names.images
    keys = _customers(empty)
    faces = len(empty.app.face_records.find(empty.settings.names.matching_collection))
    assert faces == len(keys)
    for name in ("images", "png"):
        with pytest.raises(NotFoundError, match=f"says {name}"):
            _forget(empty, name)
    assert AwsErasure(empty.app).find("1").alone == [(images, keys[0]), (images, keys[1])]
    done = _forget(empty, "1", delete_among_others=True)
    assert done.uploads == (f"{images}/images/1_1.png", f"{images}/images/1_2.png")
    assert empty.keys(images) == keys[2:]
    assert len(empty.app.face_records.find(empty.settings.names.matching_collection)) == 4
    reports = [f"output/{key.removeprefix('images/')}.json" for key in keys[2:]]
    assert empty.keys(empty.settings.names.matches) == reports


def test_another_customers_image_that_says_the_name_stays_and_is_told(empty: Deployment) -> None:
    images = empty.settings.names.images
    key = f"images/eve with {NAME}_1.png"
    empty.app.objects.put(images, key, b"no picture")
    empty.app.objects.put(images, f"images/{NAME}_1.png", b"no picture")
    done = _forget(empty, delete_among_others=True)
    assert (done.uploads, done.kept) == ((f"{images}/images/{NAME}_1.png",), (f"{images}/{key}",))
    assert AwsErasure(empty.app).keys_that_say(NAME, done.kept) == [f"{images}/{key}"]
    assert empty.keys(images) == [key]


def test_whose_image_it_is_the_manifest_says_before_its_name(aws: str) -> None:
    there = deployed(matching_manifest="images/people.csv")
    images = there.settings.names.images
    manifest = f"image,customer\nx_1.png,{NAME}\n{NAME}_1.png,eve\n".encode()
    objects = {"images/people.csv": manifest, "images/x_1.png": b"1", f"images/{NAME}_1.png": b"2"}
    for key, data in objects.items():
        there.app.objects.put(images, key, data)
    done = _forget(there)
    assert (done.uploads, done.kept) == ((f"{images}/images/x_1.png",), (f"{images}/images/{NAME}_1.png",))
    assert sorted(there.keys(images)) == ["images/people.csv", f"images/{NAME}_1.png"]


def test_a_receipt_of_an_upload_that_stays_stays_when_a_bucket_or_folder_is_called_so(empty: Deployment) -> None:
    empty.photo("input/sunset_9.png", person=50)
    bucket = empty.settings.input_bucket
    event_id = event_of(empty.app.objects.head(bucket, "input/sunset_9.png")).event_id
    for number, name in enumerate(("input", "processed", "png", "9", "1")):
        _known(empty, name, str(number))
        _forget(empty, name)
        assert empty.app.receipts.result(event_id), name


@pytest.mark.parametrize("key", ["input/ann.jpg", "input/ann_2.jpg", "enroll/ann.jpg"])
def test_an_upload_without_a_face_goes_when_all_of_its_name_is_the_persons(empty: Deployment, key: str) -> None:
    bucket = empty.settings.input_bucket
    empty.app.objects.put(bucket, key, b"no picture")
    empty.app.objects.put(bucket, "input/beach ann.jpg", b"no picture")
    done = _forget(empty, "ann")
    assert (done.uploads, done.kept) == ((f"{bucket}/{key}",), (f"{bucket}/input/beach ann.jpg",))


def test_a_strangers_photo_that_mentions_a_name_is_a_group_photo(empty: Deployment) -> None:
    bucket = empty.settings.input_bucket
    empty.photo("input/grace_holiday.png", person=50)
    found = AwsErasure(empty.app).find("holiday")
    assert (found.alone, found.among_others) == ([], [(bucket, "input/grace_holiday.png")])


def test_a_name_in_an_object_whose_key_is_refused_is_found(empty: Deployment) -> None:
    bucket = empty.settings.input_bucket
    empty.app.clients.s3.put_object(Bucket=bucket, Key="input//people.csv", Body=f"1,{NAME}\n".encode())
    assert [(each.where, each.what) for each in AwsErasure(empty.app).left_of(NAME)] == [
        (f"{bucket}/input//people.csv", "name")
    ]


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


def test_what_is_too_large_to_be_read_is_told_and_the_rest_is_looked_at(
    there: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forget(there)
    for number in range(6):
        _known(there, "Ann", f"face-{number}")
    opened(there.made, min_changes=1).collection().refresh()  # writes a snapshot, larger than any other object
    place = there.app.names.work, f"collections/{there.settings.collection}.faces"
    size = there.app.objects.head(*place).size
    for name in ("large", "small"):
        text = f"{name} {NAME}".encode().ljust(size if name == "large" else 20)
        there.app.objects.put(there.settings.input_bucket, f"processed/{name}.txt", text)
    monkeypatch.setattr("faceline.aws.contents._MAX_BYTES", size - 1)
    folder = f"{there.settings.input_bucket}/processed"
    assert [(each.where, each.what) for each in AwsErasure(there.app).left_of(NAME)] == [
        (f"{folder}/large.txt has {size:,} bytes, at most {size - 1:,} are read here", "unread"),
        (f"{folder}/small.txt", "name"),
    ]


@pytest.mark.parametrize("calls", [False, True])
def test_dead_letters_that_somebody_else_holds_are_neither_forgotten_nor_proved_gone(
    there: Deployment, calls: bool
) -> None:
    names = there.app.names
    name = names.recognition if calls else names.photos
    box = Mailbox(there.app.clients, f"{name}-dlq")
    if calls:
        box.send(Envelope(f"no such clip as {NAME}.mp4"), "1")
    (held,) = box.receive(1, 600.0, wait_s=5.0)
    told = f"{name}.*: somebody else has received 1 of them, or died with them; try again in 10 minutes"
    with pytest.raises(StorageError, match=told):
        _forget(there)
    journal = AwsErasure(there.app).journal
    assert (journal.all(), journal.unfinished()) == ([], 1)
    (left,) = AwsErasure(there.app).left_of(NAME)
    assert left.what == "unread"
    assert re.search(told, left.where)
    box.show([held.handle])
    assert _forget(there).stores == {"dead letters": 1}
    assert AwsErasure(there.app).left_of(NAME) == []


def test_more_dead_letters_than_are_looked_at_are_no_proof(there: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = there.app.queue_of(there.app.names.photos)
    there.bury(photos, "input/b.jpg")
    _forget(there)
    monkeypatch.setattr("faceline.aws.erasure.MOST_LETTERS", 1)
    told = f"{photos.name}.*: there are 1 or more; redrive or discard some"
    (left,) = AwsErasure(there.app).left_of(NAME)
    assert left.what == "unread"
    assert re.search(told, left.where)
    with pytest.raises(StorageError, match=told):
        _forget(there)


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


def _killed(*_: object) -> NoReturn:
    raise Killed


@pytest.fixture
def amazon(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Amazon Rekognition is our own endpoint over this app; the others are the emulator, which takes any key."""
    opened = open_app(tmp_path / "amazon", MixedAnalyzer(), quota_image_side_px=1)
    with opened as amazon, rekognition(amazon) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield amazon


def _labels(amazon: App, collection: str) -> list[str]:
    return sorted(face.external_image_id or "" for face in amazon.face_records.find(collection))


def _enroll(there: Deployment, name: str, person: int, salt: int = 0) -> None:
    engine, source = there.app.faces(there.settings.collection), f"{there.settings.input_bucket}/enroll/{name}.png"
    assert engine.enroll(Photo(photo(1, person, salt), name, source)).refusal is None


def test_faces_go_from_amazon_rekognition_where_it_has_them(amazon: App) -> None:
    there = deployed(engine="rekognition")
    for number, name in enumerate(("Ann", "Ann Lee")):
        _enroll(there, name, number)
    done = _forget(there, "Ann")
    assert (done.removed, done.stores["faces at Amazon Rekognition"]) == ({there.settings.collection: 1}, 1)
    assert _labels(amazon, there.settings.collection) == ["Ann:20Lee"]


@pytest.mark.parametrize("only", [None, COLLECTION])
def test_a_face_that_a_dead_enrolment_left_at_amazon_rekognition_goes_too(
    amazon: App, monkeypatch: pytest.MonkeyPatch, only: str | None
) -> None:
    there = deployed(engine="rekognition")
    collection = there.settings.collection
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(DynamoFaceRecords, "add", _killed)
        _enroll(there, "Zo\u00eb", WHO)
    left = AwsErasure(there.app).left_of("Zo\u00eb")
    assert [(each.where, each.what) for each in left] == [(f"Amazon Rekognition, collection {collection}", "name")]
    _enroll(there, OTHER, ANOTHER)
    assert _forget(there, "Zo\u00eb", only).stores["faces at Amazon Rekognition"] == 1
    assert AwsErasure(there.app).left_of("Zo\u00eb") == []
    assert _labels(amazon, collection) == [OTHER]


def test_somebody_elses_face_whose_label_says_the_name_stays_at_amazon_rekognition(amazon: App) -> None:
    there = deployed(engine="rekognition")
    _enroll(there, NAME, WHO)
    data, key = photo(1, ANOTHER), f"images/{OTHER}_with_{NAME}.png"
    there.app.faces(COLLECTION).index(picture(there.app, data, key), origin(data, key, OTHER))
    _forget(there)
    assert _labels(amazon, COLLECTION) == [f"{OTHER}_with_{NAME}.png"]


def test_a_face_that_stays_at_amazon_rekognition_is_no_erasure(amazon: App) -> None:
    there = deployed(engine="rekognition")
    _enroll(there, NAME, WHO)
    (face,) = there.app.face_records.find(there.settings.collection)
    client = there.app.clients.rekognition
    user = {"CollectionId": there.settings.collection, "UserId": "somebody"}
    client.create_user(**user)
    client.associate_faces(**user, FaceIds=[face.face_id], UserMatchThreshold=0.0)
    with pytest.raises(StorageError, match="disassociate faces from their users"):
        _forget(there)
    assert AwsErasure(there.app).journal.all() == []
    client.disassociate_faces(**user, FaceIds=[face.face_id])
    assert _forget(there).stores["faces at Amazon Rekognition"] == 1
    assert amazon.face_records.find(there.settings.collection) == []


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
