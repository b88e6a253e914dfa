"""Forgetting a person: in collections, uploads, records and results."""

import json
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest

from faceline.activity import ActivityQuery
from faceline.app import App
from faceline.erasure import Gone, placed
from faceline.errors import NotFoundError, StorageError
from faceline.gallery.enrolment import Photo
from faceline.gallery.names import user_id_of
from faceline.gallery.negatives import Mark
from faceline.gallery.newface import SENT
from faceline.gallery.ports import NewFace
from faceline.named import Named
from faceline.notices import Notice
from faceline.pipelines import forgetting
from faceline.pipelines.frame_messages import response
from faceline.ports import RecordQuery
from faceline.types import Embedding
from made import BUCKET, MODEL, Workflow, event_of, photo, record, vector


def _known(app: App, name: str = "Ada", person: int = 0, collection: str | None = None) -> None:
    assert app.enroller(collection).enroll_photo(Photo(photo(person=person), name, f"/home/{name}.jpg")).face


def _results(app: App) -> str:
    infos = list(app.objects.list(BUCKET, "processed/"))
    return "".join(app.objects.get(BUCKET, info.key, 10**6)[1].decode() for info in infos)


def test_a_forgotten_person_is_named_nowhere(made_app: App) -> None:
    _known(made_app)
    _known(made_app, "Grace", 5)
    flow = Workflow(made_app)
    flow.put("input/both.png", photo(faces=2, person=0, salt=1))
    flow.put("input/grace.png", photo(person=5, salt=1))
    flow.worker.drain()
    assert made_app.records.query(RecordQuery(person="Ada"))
    done = made_app.forget("Ada")
    assert done.removed == {"my-face-collection": 1}
    assert (done.records, done.results) == (1, 2)  # Ada is a candidate for Grace's photo too
    assert done.photos == ("/home/Ada.jpg",)
    assert "Ada" not in _results(made_app)
    assert made_app.records.query(RecordQuery(person="Ada")) == []
    assert [r.status for r in made_app.records.query(RecordQuery(image="both.png"))] == ["forgotten", "unknown"]
    assert [r.person for r in made_app.records.query(RecordQuery(image="grace.png"))] == ["Grace"]


def test_an_enrolment_upload_goes_with_its_person_and_may_come_again(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.put("enroll/ada.png", photo())
    flow.worker.drain()
    assert made_app.collection().people() == 1
    done = made_app.forget("ada")
    assert done.uploads == (f"{BUCKET}/enroll/ada.png",)
    assert list(made_app.objects.list(BUCKET, "enroll/")) == []
    flow.put("enroll/ada.png", photo())
    flow.worker.drain()
    assert made_app.collection().people() == 1


def test_who_was_enrolled_and_told_of_by_work_in_hand_is_gone_too(
    made_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An enrolment and a photo were read before the erasure, and write after it has looked."""
    _known(made_app)
    late = Photo(photo(salt=1), "Ada", f"{BUCKET}/enroll/Ada/2.png")
    notice = Notice("n", "person.seen", "2026-01-01T00:00:00+00:00", f"{BUCKET}/input/a.png", "Ada was seen", ("Ada",))

    def in_hand() -> frozenset[str]:
        made_app.objects.put(BUCKET, "enroll/Ada/2.png", photo(salt=1))
        assert made_app.enroller().enroll_photo(late).face
        made_app.notices.put(notice)
        return frozenset()

    monkeypatch.setattr(made_app.state, "in_hand", in_hand)
    done = made_app.forget("Ada")
    assert made_app.face_records.find(made_app.settings.collection) == []
    assert made_app.notices.list() == []
    assert done.removed == {"my-face-collection": 2}
    assert (done.uploads, done.stores["notices"]) == ((f"{BUCKET}/enroll/Ada/2.png",), 1)
    assert list(made_app.objects.list(BUCKET)) == []
    assert made_app.erasure.left_of("Ada") == []


def test_an_erasure_with_work_still_in_hand_has_no_receipt_until_it_is_repeated(
    made_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=count(step=6).__next__, sleep=lambda seconds: None)
    monkeypatch.setattr(forgetting, "time", clock)
    _known(made_app)
    claim = made_app.receipts.claim("of a clip", 60)
    with pytest.raises(StorageError, match=r"work is still in hand.*1 after .* run forget again"):
        made_app.forget("Ada")
    assert made_app.face_records.find(made_app.settings.collection) == []
    assert (made_app.erasure.journal.of("Ada"), made_app.erasure.journal.begun("Ada") is None) == ([], False)
    made_app.receipts.release("of a clip", claim.token)
    assert made_app.forget("Ada").receipt == made_app.erasure.journal.of("Ada")[0].receipt_id


def test_an_erasure_does_not_wait_for_work_that_begins_later(made_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where uploads never stop coming, something is always in hand."""

    def in_hand() -> frozenset[str]:
        asked.append(len(asked))
        return frozenset({str(asked[-1])})

    asked: list[int] = []
    monkeypatch.setattr(made_app.state, "in_hand", in_hand)
    _known(made_app)
    assert made_app.forget("Ada").receipt
    assert len(asked) == 2


def test_whoever_has_no_face_yet_can_be_forgotten(made_app: App) -> None:
    made_app.collections.create("guests", MODEL)
    for name in ("Ada Lovelace", "Grace"):
        made_app.people.create("guests", name, limit=9)
    assert made_app.forget("Ada Lovelace").removed == {"guests": 0}
    assert [person.name for person in made_app.people.page("guests", 0, 9)] == ["Grace"]
    with pytest.raises(NotFoundError, match="nobody called Ada Lovelace"):
        made_app.forget("Ada Lovelace")


def test_faces_that_are_only_labelled_with_a_name_are_forgotten_too(made_app: App) -> None:
    made_app.collections.create("guests", MODEL)
    labels = {"1": (None, "Ada"), "2": ("Grace", "Ada"), "3": ("Grace", "Grace"), "4": ("Ada", None)}
    for face_id, (person, label) in labels.items():
        face = NewFace(replace(record(face_id, person, vector(1)), external_image_id=label))
        made_app.face_records.add("guests", [face])
    assert made_app.forget("Ada").removed == {"guests": 3}
    assert [found.face_id for found in made_app.face_records.find("guests")] == ["3"]
    assert [person.name for person in made_app.people.page("guests", 0, 9)] == ["Grace"]


def test_who_is_called_like_the_forgotten_ones_user_id_stays(made_app: App) -> None:
    made_app.collections.create("guests", MODEL)
    made_app.people.create("guests", user_id_of("Ada Lovelace"), limit=9)
    with pytest.raises(NotFoundError, match="nobody called Ada Lovelace"):
        made_app.forget("Ada Lovelace")
    assert len(made_app.people.page("guests", 0, 9)) == 1


def test_what_came_in_requests_is_no_source_that_people_share(made_app: App) -> None:
    collection = made_app.settings.collection
    _known(made_app, "Grace", 5)
    for face_id, label in (("face-of-ada", "Ada"), ("face-of-eve", "Eve")):
        face = replace(record(face_id, None, vector(1)), source=SENT, external_image_id=label)
        made_app.face_records.add(collection, [NewFace(face)])
    values = Embedding(vector(7), MODEL)
    made_app.negatives.add(collection, Mark("m", "Grace", values, SENT, "image of eve", "me", "2026-01-01T00:00:00Z"))
    flow = Workflow(made_app)
    flow.process("input/party IndexFaces demo.png", photo(person=5, salt=1))
    made_app.forget("Ada")
    assert made_app.erasure.left_of("Ada") == []
    assert [row.person for row in flow.rows()] == ["Grace"]
    assert [entry.key for entry in made_app.activity.page(ActivityQuery())] == ["input/party IndexFaces demo.png"]
    assert len(made_app.negatives.of(collection)) == 1
    made_app.erasure.journal.end("Bo", [SENT], (), {})  # as receipts were
    assert made_app.erasure.left_of("Bo") == []


def test_a_photo_whose_path_ends_like_theirs_keeps_its_entry_and_records(made_app: App) -> None:
    _known(made_app, "Grace", 5)
    theirs = replace(record("face-of-ada", "Ada", vector(1)), source=f"{BUCKET}/input/a.png")
    made_app.face_records.add(made_app.settings.collection, [NewFace(theirs)])
    flow = Workflow(made_app)
    made_app.objects.index.mark_announced("elsewhere", "input/a.png", "e")
    others = ["input/a.png copy.png", "input/input/a.png"]
    for salt, key in enumerate(others):
        flow.process(key, photo(person=5, salt=salt + 1))
    made_app.forget("Ada")
    assert made_app.erasure.left_of("Ada") == []
    assert sorted(row.key for row in flow.rows()) == others
    assert sorted(entry.key for entry in made_app.activity.page(ActivityQuery())) == others
    assert made_app.objects.index.keys("elsewhere", "input/", "", 9) == ["input/a.png"]


def test_a_place_is_found_where_it_stands_whole() -> None:
    finds = placed(["input/a.jpg", "b/input/a.jpg"]).search
    for text in (
        "input/a.jpg",
        '{"key": "input/a.jpg"}',
        "b/input/a.jpg@0f",
        "s3://b/input/a.jpg",
        "no input/a.jpg now.",
    ):
        assert finds(text), text
    for text in ("input/input/a.jpg", "input/a.jpg copy.jpg", "input/a.jpg.json", "c/input/a.jpg@0f", "xinput/a.jpg"):
        assert not finds(text), text
    notice = Notice("n", "person.seen", "2026-01-01T00:00:00Z", "b/input/input/a.jpg", "somebody was seen")
    gone = Gone("Ada", (), everywhere=True, sources=frozenset({"b/input/a.jpg"}))
    assert not Named(gone).by(notice)
    assert Named(gone).by(replace(notice, source="b/input/a.jpg"))


def test_a_path_within_another_is_no_proof_of_theirs(made_app: App) -> None:
    _known(made_app, "Grace", 5)
    theirs = replace(record("face-of-ada", "Ada", vector(1)), source="input/a.jpg")
    made_app.face_records.add(made_app.settings.collection, [NewFace(theirs)])
    made_app.forget("Ada")
    made_app.queue.send('{"key": "input/input/a.jpg"}')
    assert made_app.erasure.left_of("Ada") == []
    made_app.queue.send('{"key": "input/a.jpg"}')
    assert made_app.erasure.left_of("Ada")


def test_forgetting_in_another_collection_leaves_the_results(made_app: App) -> None:
    _known(made_app)
    _known(made_app, collection="guests")
    flow = Workflow(made_app)
    flow.put("input/ada.png", photo(salt=1))
    flow.worker.drain()
    done = made_app.forget("Ada", "guests")
    assert done.removed == {"guests": 1}
    assert done.records == done.results == 0
    assert made_app.records.query(RecordQuery(person="Ada"))


def test_nobody_of_that_name_is_an_error_that_says_where_to_look(made_app: App) -> None:
    with pytest.raises(NotFoundError, match=r"nobody called Ada .*faceline collections"):
        made_app.forget("Ada")


def test_documents_of_others_under_processed_are_left_alone(made_app: App) -> None:
    _known(made_app)
    for key, text in {"a": '"Ada"', "b": '["Ada"]', "c": '{"faces": "Ada"}', "d": 'no JSON, "Ada"'}.items():
        made_app.objects.put(BUCKET, f"processed/{key}.json", text.encode())
    assert made_app.forget("Ada").results == 0


DEEP = "[" * 100_000 + "]" * 100_000
ODD = [
    f'{{"a": {DEEP}, "name": "Ada"}}',
    f'{{"faces": [{{"name": "Ada", "a": {"[" * 500 + "]" * 500}}}], "names": ["Ada"], "CustomerID": "Ada"}}',
    '{"faces": [{"name": "Ada", "candidates": 5}], "file": {}}',
    '{"faces": [{"name": "Ada", "candidates": [5, {"name": "Ada"}]}, 7], "file": 5}',
    '{"faces": [{"name": "Ada"}], "file": {"key": []}}',
    '{"faces": [{"name": "Ada"}], "names": ["Ada"], "CustomerID": "Ada", "a": "\\ud800"}',
    '{"names": ["Ada"], "faces": [{"name": "Ada"}], "CustomerID": "Ada", "cut o',
    '{"names": [5, "Ada"], "appearances": 5, "error": "Ada"}',
    '{"names": 5, "appearances": [5, {"name": "Ada", "candidates": 5}], "source": "faceline-input/"}',
    '{"names": ["Ada"], "appearances": [{"name": "Ada"}], "source": "faceline-input/../\\u0000"}',
    '{"Source": "a/b", "CustomerID": "Eve", "Matches": [{"Face": {"FaceId": [], "ImageId": {}}, "CustomerId": "Ada"}]}',
    '{"Source": [], "CustomerID": {}, "Matches": []}',
]


@pytest.mark.parametrize("text", [*ODD, f'{{"a": {DEEP}}}'], ids=range(len(ODD) + 1))
def test_no_document_of_others_stops_an_erasure(made_app: App, text: str) -> None:
    _known(made_app)
    names = made_app.settings.names
    for bucket, folder in ((BUCKET, "processed/"), (names.output, ""), (names.matches, "output/")):
        made_app.objects.put(bucket, f"{folder}p.json", text.encode())
    assert made_app.forget("Ada").receipt
    assert made_app.erasure.journal.unfinished() == 0


PROCESSED, CLIPS, REPORTS = [0, 1, 2, 3, 4, 5, 6], [0, 1, 5, 6, 7, 8, 9], [0, 1, 5, 6, 10]


@pytest.mark.parametrize(("kind", "numbers"), [("input", PROCESSED), ("output", CLIPS), ("matches", REPORTS)])
def test_a_name_goes_out_of_odd_results_and_with_damaged_ones(made_app: App, kind: str, numbers: list[int]) -> None:
    _known(made_app)
    names = made_app.settings.names
    bucket, prefix = {"input": (BUCKET, "processed/"), "matches": (names.matches, "output/")}.get(
        kind, (names.output, "")
    )
    for number in numbers:
        made_app.objects.put(bucket, f"{prefix}{number}.json", ODD[number].encode())
    assert made_app.forget("Ada").receipt
    assert made_app.erasure.left_of("Ada") == []


def test_a_damaged_result_that_says_somebody_else_stays(made_app: App) -> None:
    _known(made_app)
    made_app.objects.put(BUCKET, "processed/p.json", b'{"name": "Eve", "cut o')
    made_app.forget("Ada")
    assert '"Eve"' in _results(made_app)


def test_a_kept_photo_is_renamed_though_its_result_is_none_of_ours(made_app: App) -> None:
    _known(made_app)
    _known(made_app, "Grace", 5)
    flow = Workflow(made_app)
    flow.put("input/party with ada.png", photo(faces=2, person=5))
    flow.worker.drain()
    (info,) = made_app.objects.list(BUCKET, "processed/")
    made_app.objects.put(BUCKET, info.key, b'{"file": 5}')
    (kept,) = made_app.forget("Ada").kept
    assert "/kept-" in kept


def test_what_was_left_is_found_in_documents_that_are_odd(made_app: App) -> None:
    for name, text in {"deep": '{"a": ' + "[" * 900 + '"\\u0041da"' + "]" * 900 + "}", "half": '["\\ud800"]'}.items():
        made_app.objects.put(BUCKET, f"{name}.json", text.encode())
    _known(made_app)
    made_app.forget("Ada")
    assert [left.where for left in made_app.erasure.left_of("Ada")] == [f"buckets/{BUCKET}/deep.json"]


def test_deleting_an_upload_takes_its_records_and_result_along(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.put("input/ada.png", photo())
    flow.worker.drain()
    assert json.loads(_results(made_app))["faces"]
    made_app.delete_object(BUCKET, "input/ada.png")
    made_app.delete_object(BUCKET, "input/ada.png")
    assert made_app.records.query(RecordQuery()) == []
    assert list(made_app.objects.list(BUCKET)) == []


def test_an_answer_that_nobody_fetched_yet_names_a_forgotten_person_no_more(made_app: App) -> None:
    _known(made_app)
    answers = made_app.frames.responses
    for request_id, name in (("1", "Ada"), ("2", "Grace"), ("3", "Ada")):
        answers.send(response(request_id, name), request_id)
    made_app.forget("Ada")
    told = [json.loads(message.body) for message in answers.receive(10)]
    assert {answer["request_id"]: answer["result"] for answer in told} == {"1": "Unknown", "2": "Grace", "3": "Unknown"}
    assert b"Ada" not in made_app.directory.state.read_bytes()


def test_who_is_spelled_otherwise_is_suggested(made_app: App) -> None:
    made_app.enroller().enroll_photo(Photo(photo(), "ada_lovelace", "a.jpg"))
    with pytest.raises(NotFoundError, match=r"nobody called Ada Lovelace is in .*; known are ada_lovelace$"):
        made_app.forget("Ada Lovelace")
    with pytest.raises(NotFoundError, match=r"see `faceline collections`$"):
        made_app.forget("Grace")


@pytest.mark.parametrize("name", ["input", "png", "9"])
def test_where_an_upload_lies_its_number_and_its_ending_name_nobody(made_app: App, name: str) -> None:
    flow = Workflow(made_app)
    flow.put("input/grace_holiday_9.png", photo(person=7))
    flow.worker.drain()
    _known(made_app, name)
    done = made_app.forget(name)
    assert (done.uploads, done.kept) == ((), ())
    assert [info.key for info in made_app.objects.list(BUCKET, "input/")] == ["input/grace_holiday_9.png"]
    assert len(made_app.records.query(RecordQuery(image="grace_holiday_9.png"))) == 1
    assert made_app.receipts.result(event_of(made_app.objects.head(BUCKET, "input/grace_holiday_9.png")).event_id)
    assert not made_app.watcher().announce(made_app.objects.head(BUCKET, "input/grace_holiday_9.png"))


def test_other_customers_images_stay_under_their_names(made_app: App) -> None:
    images = made_app.settings.names.images
    for customer in ("1", "2", "3", "eve with 1"):
        for number in (1, 2):
            made_app.objects.put(images, f"images/{customer}_{number}.png", b"no picture")
    done = made_app.forget("1", group_photos="delete")
    assert done.uploads == (f"{images}/images/1_1.png", f"{images}/images/1_2.png")
    others = [f"{images}/images/{name}" for name in ("eve with 1_1.png", "eve with 1_2.png")]
    assert list(done.kept) == others
    left = [info.key.removeprefix("images/") for info in made_app.objects.list(images)]
    assert left == ["2_1.png", "2_2.png", "3_1.png", "3_2.png", "eve with 1_1.png", "eve with 1_2.png"]


def test_a_photo_that_mentions_a_name_among_other_words_and_shows_nobody_known_stays(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.put("input/grace_holiday.png", photo(person=7))
    flow.worker.drain()
    _known(made_app, "holiday", 0)
    done = made_app.forget("holiday")
    assert done.uploads == ()
    (kept,) = done.kept
    assert "/input/kept-" in kept
    assert len(made_app.records.query(RecordQuery(image=kept.partition("/")[2]))) == 1


def test_a_name_that_ends_with_a_number_is_found_in_keys(made_app: App) -> None:
    for key in ("input/robot_2.png", "input/robot_2_1.png", "input/robot_3.png"):
        made_app.objects.put(BUCKET, key, b"no picture")
    assert made_app.belongings("robot 2").alone == [(BUCKET, "input/robot_2.png"), (BUCKET, "input/robot_2_1.png")]
