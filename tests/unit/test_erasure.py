"""Erasing a person from everything that is kept, and proving it."""

import base64
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from faceline.app import App
from faceline.erasure import Gone, same_name, standing
from faceline.erasure_workflow import back_up, restore
from faceline.errors import NotFoundError, UsageError
from faceline.gallery.concealed import concealed, revealed
from faceline.gallery.enrolment import Photo
from faceline.gallery.review import Answer
from faceline.local.forgetting import Naming
from faceline.local.keyed import read_key
from faceline.notices import Notice
from faceline.pipelines.video_outputs import Outputs
from faceline.ports import RecordQuery, VideoTask
from made import BUCKET, Workflow, event_of, open_app, photo, vector

NAME = "Ada Lovelace"


def _known(app: App, name: str = NAME, person: int = 0, salt: int = 0) -> None:
    assert app.enroller().enroll_photo(Photo(photo(person=person, salt=salt), name, f"/home/{name}.jpg")).face


def _lived(app: App) -> Workflow:
    """A data directory in which Ada left her traces, and Grace too."""
    _known(app)
    _known(app, "Grace Hopper", 5)
    flow = Workflow(app)
    flow.put(f"enroll/{NAME}/1.png", photo(salt=1))
    flow.put("input/ada_lovelace_01.png", photo(salt=2))
    flow.put("input/a.png", photo(salt=3))
    flow.put("input/party with ada lovelace.png", photo(faces=2, person=5, salt=4))
    flow.put("input/both.png", photo(faces=2, person=0, salt=5))
    flow.worker.drain()
    flow.put("input/ada-lovelace.png", photo(salt=6))
    app.notices.put(Notice("n1", "person.seen", "2026-01-01T00:00:00+00:00", "door", f"{NAME} is there", (NAME,)))
    app.video_jobs.start(VideoTask(BUCKET, "clips/ada_lovelace.mp4", tag=NAME), "token", 9)
    return flow


def _bytes(app: App) -> bytes:
    return b"\0".join(path.read_bytes() for path in app.directory.path.rglob("*") if path.is_file())


def _words(app: App) -> list[bytes]:
    """All that must not be there any more: ids, vectors and crops of the person."""
    records = app.face_records.find(app.settings.collection, person=NAME)
    assert records
    found = []
    for record in records:
        crop = app.face_records.crop(app.settings.collection, record.face_id)
        assert crop
        values = record.embedding.values
        found += [record.face_id.encode(), record.image_id.encode(), values.astype("<f4").tobytes()[:48]]
        found += [values.astype("<f2").tobytes()[:24], crop.jpeg[-64:]]
    return [*found, NAME.encode(), b"ada_lovelace", b"ada+lovelace", b"ada lovelace", b"ada-lovelace"]


def test_of_a_forgotten_person_no_byte_is_left(made_app: App) -> None:
    _lived(made_app)
    words = _words(made_app)
    before = _bytes(made_app)
    assert [word for word in words if word in before] == [
        w for w in words if w != vector(0).astype("<f2").tobytes()[:24]
    ]
    done = made_app.forget(NAME)
    after = _bytes(made_app)
    assert [word for word in words if word in after] == []
    assert not list(made_app.directory.path.rglob("*[aA]da*"))
    assert made_app.erasure.left_of(NAME) == []
    assert sorted(done.kept) == [f"{BUCKET}/input/both.png", done.kept[1]]
    assert made_app.erasure.left_of("Grace Hopper") != []


def test_photos_that_show_only_them_go_and_are_not_announced_again(made_app: App) -> None:
    flow = _lived(made_app)
    done = made_app.forget(NAME)
    assert [key for key in done.uploads if "/enroll/" in key] == [f"{BUCKET}/enroll/{NAME}/1.png"]
    left = [info.key for info in made_app.objects.list(BUCKET, "input/")]
    assert len(left) == 2
    watcher = made_app.watcher()
    for key in left:
        assert not watcher.announce(made_app.objects.head(BUCKET, key))
    assert made_app.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}
    flow.put("input/new.png", photo(salt=9))
    flow.worker.drain()
    assert [row.status for row in made_app.records.query(RecordQuery(image="new.png"))] == ["unknown"]


def test_a_kept_photo_that_was_called_like_them_has_its_results_under_its_new_name(made_app: App) -> None:
    _lived(made_app)
    done = made_app.forget(NAME)
    (renamed,) = [place for place in done.kept if "/kept-" in place]
    key = renamed.partition("/")[2]
    rows = made_app.records.query(RecordQuery(image=key))
    assert [row.person for row in rows] == ["Grace Hopper", None]
    (info,) = [info for info in made_app.objects.list(BUCKET, "processed/") if "kept-" in info.key]
    document = json.loads(made_app.objects.get(BUCKET, info.key, 10**6)[1])
    assert document["file"]["key"] == key
    made_app.delete_object(BUCKET, key)
    assert made_app.records.query(RecordQuery(image=key)) == []
    assert not [info for info in made_app.objects.list(BUCKET, "processed/") if "kept-" in info.key]


def test_photos_that_show_others_too_can_be_deleted(made_app: App) -> None:
    _lived(made_app)
    done = made_app.forget(NAME, group_photos="delete")
    assert not done.kept
    assert [info.key for info in made_app.objects.list(BUCKET, "input/")] == []
    with pytest.raises(UsageError, match="'keep' or 'delete'"):
        made_app.forget("Grace Hopper", group_photos="burn")


@pytest.mark.parametrize("step", [*range(1, 7), *range(20, 36)])
def test_an_erasure_that_is_cut_off_anywhere_is_finished_by_repeating_it(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_app(tmp_path / "data") as app:
        _lived(app)
        words = _words(app)
        _cut_off(app, step, monkeypatch)
    with open_app(tmp_path / "data") as app:
        assert app.erasure.journal.unfinished() == 1
        app.forget(NAME)
        assert app.erasure.journal.unfinished() == 0
        after = _bytes(app)
        assert [word for word in words if word in after] == []
        assert app.erasure.left_of(NAME) == []
        assert not [row for row in app.records.query(RecordQuery()) if row.person == NAME]


class _Killed(BaseException):
    """As if the process ended here."""


def _cut_off(app: App, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends an erasure at the step of this number, before or after what it does, by turns."""
    calls = iter(range(1, 1000))

    def ended(work: Callable[..., object]) -> Callable[..., object]:
        def run(*given: object) -> object:
            number = next(calls)
            if number == step:
                raise _Killed
            return work(*given)

        return run

    monkeypatch.setattr(app.objects, "delete", ended(app.objects.delete))
    monkeypatch.setattr(app.objects, "put", ended(app.objects.put))
    monkeypatch.setattr(app.records, "delete", ended(app.records.delete))
    monkeypatch.setattr(app.records, "forget", ended(app.records.forget))
    monkeypatch.setattr(app.activity, "drop", ended(app.activity.drop))
    monkeypatch.setattr(app.activity, "rename", ended(app.activity.rename))
    monkeypatch.setattr(app.activity, "forget", ended(app.activity.forget))
    monkeypatch.setattr(app.face_records, "remove", ended(app.face_records.remove))
    monkeypatch.setattr(app.receipts, "discard", ended(app.receipts.discard))
    monkeypatch.setattr(app.notices, "forget", ended(app.notices.forget))
    monkeypatch.setattr(app.state, "forget", ended(app.state.forget))
    monkeypatch.setattr(app.tombstones, "forget", ended(app.tombstones.forget))
    with pytest.raises(_Killed):
        app.forget(NAME)
    monkeypatch.undo()


def test_what_an_erasure_is_about_is_not_readable_while_it_is_cut_off(
    made_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    _known(made_app)
    _cut_off(made_app, 2, monkeypatch)
    (plan,) = made_app.directory.path.glob("erasing.*")
    assert NAME.encode() not in plan.read_bytes()
    assert made_app.erasure.journal.begun("Grace Hopper") is None
    assert NAME in (made_app.erasure.journal.begun(NAME) or "")


def test_a_receipt_says_what_went_and_nobodys_name(made_app: App) -> None:
    _lived(made_app)
    done = made_app.forget(NAME)
    (receipt,) = made_app.erasure.journal.of(NAME)
    assert receipt.receipt_id == done.receipt
    assert receipt.removed["faces in my-face-collection"] == 2
    assert made_app.erasure.journal.of("Grace Hopper") == []
    text = (made_app.directory.path / "erasures.jsonl").read_text("utf-8")
    assert "Ada" not in text and "enroll" not in text
    with pytest.raises(NotFoundError, match="no receipt er-nothing"):
        made_app.erasure.left_of(NAME, "er-nothing")
    with pytest.raises(UsageError, match="another person"):
        made_app.erasure.left_of("Grace Hopper", done.receipt)


def test_what_concerns_a_person_is_found_in_the_audit_log_by_their_name(made_app: App) -> None:
    _known(made_app)
    made_app.forget(NAME)
    entries = list(made_app.erasure.audit.entries(person=NAME))
    assert [(entry.action, entry.count) for entry in entries] == [("enroll", 1), ("forget", 1)]
    assert list(made_app.erasure.audit.entries(person="Grace Hopper")) == []
    assert list(made_app.erasure.audit.entries(since="2999-01-01")) == []
    assert NAME.encode() not in _bytes(made_app)


def test_somebody_whose_name_is_a_part_of_anothers_is_forgotten_alone(made_app: App) -> None:
    _known(made_app, "Ann", 0)
    _known(made_app, "Ann Lee", 5)
    flow = Workflow(made_app)
    flow.put("input/ann_lee.png", photo(person=5, salt=1))
    flow.put("input/ann_2.png", photo(person=0, salt=1))
    flow.worker.drain()
    made_app.forget("Ann")
    assert [info.key for info in made_app.objects.list(BUCKET, "input/")] == ["input/ann_lee.png"]
    assert made_app.erasure.left_of("Ann") == []
    assert [row.person for row in made_app.records.query(RecordQuery())] == ["Ann Lee"]


def test_who_is_called_the_same_but_for_case_stays_and_the_other_is_proved_gone(made_app: App) -> None:
    """Also where a user id is made of the name, or separators differ too."""
    for name, other in (("Ann", "ann"), ("Ada Lovelace", "ada lovelace"), ("Bo Li", "Bo_Li")):
        _known(made_app, name, 0, salt=8)
        _known(made_app, other, 5)
        flow = Workflow(made_app)
        flow.put(f"enroll/{other}/1.png", photo(person=5, salt=1))
        flow.put("input/x.png", photo(person=0, salt=2))
        flow.worker.drain()
        made_app.queue.send(json.dumps({"of": other}))
        assert made_app.erasure.left_of(name)
        made_app.forget(name)
        assert made_app.erasure.left_of(name) == []
        assert made_app.erasure.left_of(other)
        assert len(made_app.face_records.find(made_app.settings.collection, person=other)) == 2
        assert [info.key for info in made_app.objects.list(BUCKET, "enroll/")] == [f"enroll/{other}/1.png"]
        made_app.forget(other)
        assert made_app.erasure.left_of(other) == []


def test_another_process_that_had_the_face_in_memory_does_not_name_it_any_more(tmp_path: Path) -> None:
    with open_app(tmp_path / "data") as one, open_app(tmp_path / "data") as other:
        _known(one)
        _known(one, "Grace Hopper", 5)
        assert (other.collection().people(), other.collection().faces()) == (2, 2)
        one.forget(NAME)
        assert (other.collection().people(), other.collection().faces()) == (1, 1)


def test_concealed_ids_stand_for_the_ids_that_are_known() -> None:
    assert revealed(["b", concealed("a"), concealed("nobody")], iter("abc")) == ["b", "a"]
    assert revealed(["x"], iter("abc")) == ["x"]


def test_a_clip_that_shows_only_them_goes_with_its_frames_and_results(made_app: App) -> None:
    _known(made_app)
    names = made_app.settings.names
    outputs = Outputs(made_app.objects, names.output)
    for stem, people in (("mine", [NAME]), ("ours", [NAME, "Grace Hopper"])):
        made_app.objects.put(names.input, f"{stem}.mp4", stem.encode())
        made_app.objects.put(names.stage, f"{stem}/output-01.jpg", b"frame")
        seen = [{"name": name, "candidates": []} for name in people]
        outputs.put(stem, {"source": f"{names.input}/{stem}.mp4", "appearances": seen}, people, None)
    done = made_app.forget(NAME)
    assert f"{names.input}/mine.mp4" in done.uploads
    assert done.kept == (f"{names.input}/ours.mp4",)
    assert [info.key for info in made_app.objects.list(names.stage)] == ["ours/output-01.jpg"]
    assert outputs.names("mine") is None
    assert outputs.names("ours") == ["Grace Hopper"]


def test_a_name_stands_by_itself_in_any_case_and_with_any_separator() -> None:
    finds = standing([NAME]).search
    for text in ("ada_lovelace_01.jpg", "x/ADA LOVELACE/1", "ada+lovelace@", "Ada%20Lovelace", "Ada  Lovelace"):
        assert finds(text), text
    for text in ("adalovelace", "Ada Lovelaces", "Granada Lovelace", "Ada", ""):
        assert not finds(text), text
    assert standing([]).search("anything") is None
    assert same_name(NAME, "ada_lovelace") and not same_name(NAME, "ada")


def test_without_everywhere_only_ids_and_objects_are_looked_for() -> None:
    says = Naming(Gone(NAME, ("staff",), everywhere=False, face_ids=frozenset({"4711-0815"}))).test()
    assert says("the face 4711-0815")
    assert not says(NAME)


def test_a_key_is_made_once_and_opens_only_what_was_sealed_for_the_name(tmp_path: Path) -> None:
    keyed = read_key(tmp_path / "erasure.key")
    assert keyed == read_key(tmp_path / "erasure.key")
    sealed = keyed.sealed(NAME, b"plan" * 100)
    assert keyed.opened(NAME, sealed) == b"plan" * 100
    assert keyed.opened("Grace", sealed) is None
    assert keyed.opened(NAME, sealed[:-1] + b"\0") is None
    assert b"plan" not in sealed
    assert (tmp_path / "erasure.key").stat().st_mode & 0o077 == 0


@pytest.fixture
def planted(made_app: App) -> Iterator[Callable[[str, bytes], list[str]]]:
    """Puts a file into the data directory and says where the person is found then."""

    def plant(name: str, data: bytes) -> list[str]:
        path = made_app.directory.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return [left.where for left in made_app.erasure.left_of(NAME)]

    yield plant


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b'{"x": ["\\u0041da Lovelace"]}'),
        ("b.json", b'{"x": "{\\"y\\": \\"Ada\\\\u0020Lovelace\\"}"}'),
        ("c.bin", b"\xff\xd8\xff" * 9 + b"Ada Lovelace" + b"\0" * 9),
        ("buckets/x/ada_lovelace.png", b"1"),
        ("folder of Ada Lovelace/x", b"1"),
    ],
)
def test_a_planted_trace_is_found(planted: Callable[[str, bytes], list[str]], name: str, data: bytes) -> None:
    assert any(where.startswith(name.partition("/x")[0]) for where in planted(name, data))


def test_a_trace_in_base64_within_a_message_is_found(made_app: App) -> None:
    hidden = base64.b64encode(b"-" * 60 + NAME.encode() + b"-" * 60).decode()
    made_app.queue.send(json.dumps({"content": hidden}))
    assert [left.where for left in made_app.erasure.left_of(NAME)] == ["state.sqlite, table messages"]


def test_an_event_of_a_photo_of_theirs_leaves_no_receipt(made_app: App) -> None:
    _known(made_app)
    flow = Workflow(made_app)
    flow.process("input/x.png", photo(salt=3))
    event = event_of(made_app.objects.head(BUCKET, "input/x.png"))
    made_app.forget(NAME)
    assert made_app.receipts.result(event.event_id) is None


def test_copies_and_verdicts_forget_too(made_app: App) -> None:
    _lived(made_app)
    for path in (made_app.objects.root / BUCKET / "processed").iterdir():
        os.utime(path, (1e9, 1e9))  # only what has settled is copied
    made_app.lake.compact()
    collection = made_app.settings.collection
    pair = made_app.reviews.pair(collection, NAME, "Grace Hopper")
    made_app.reviews.decide(collection, pair, Answer.DIFFERENT, "me", f"not {NAME}")
    where = {left.where.partition("/")[0] for left in made_app.erasure.left_of(NAME)}
    assert {"lake", "gallery.sqlite, table verdicts"} <= where
    made_app.forget(NAME)
    assert made_app.erasure.left_of(NAME) == []
    assert NAME.encode() not in _bytes(made_app)


def test_with_a_name_goes_the_name_that_was_merged_into_it(made_app: App) -> None:
    """What was written before the merging says the other name still."""
    _known(made_app, "Ada King", person=0, salt=9)
    flow = Workflow(made_app)
    flow.put("input/a.png", photo(salt=3))
    flow.worker.drain()
    _known(made_app, person=0)
    made_app.reviews.merge(made_app.settings.collection, "Ada King", NAME, "me")
    assert b"Ada King" in _bytes(made_app)
    made_app.forget(NAME)
    assert b"Ada King" not in _bytes(made_app)
    assert made_app.erasure.left_of("Ada King") == []


def test_who_is_called_as_a_merged_person_was_stays(made_app: App) -> None:
    _known(made_app, "Ada King", person=0, salt=9)
    _known(made_app, person=0)
    made_app.reviews.merge(made_app.settings.collection, "Ada King", NAME, "me")
    _known(made_app, "Ada King", person=7)
    made_app.forget(NAME)
    assert made_app.face_records.find(made_app.settings.collection, person="Ada King")


def test_a_restored_backup_knows_nobody_who_was_merged_and_forgotten_since(made_app: App, tmp_path: Path) -> None:
    _known(made_app, "Ada King", person=0, salt=9)
    _known(made_app, person=0)
    _known(made_app, "Grace Hopper", person=5)
    back_up(made_app, tmp_path / "before.tgz")
    made_app.reviews.merge(made_app.settings.collection, "Ada King", NAME, "me")
    made_app.forget(NAME)

    def forget(data: Path, names: Sequence[str]) -> None:
        with open_app(data) as restored:
            for name in names:
                restored.forget(name)

    restore(tmp_path / "before.tgz", tmp_path / "after", made_app.directory.path, forget)
    with open_app(tmp_path / "after") as app:
        assert [record.person for record in app.face_records.find(app.settings.collection)] == ["Grace Hopper"]
