"""Workflow 1 without a network's weights: what is written for a photo, where, and that repeating doubles nothing."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from faceline.app import App
from faceline.errors import SettingError
from faceline.gallery.names import user_id_of
from faceline.ports import RecordQuery
from faceline.types import Frame
from made import BUCKET, MadeAnalyzer, Workflow, event_of, open_app, photo

ADA = 1
PATIENCE_S = 30.0


@pytest.fixture
def flow(made_app: App) -> Workflow:
    return Workflow(made_app)


def test_a_face_of_an_enrolled_person_gives_a_record_with_name_face_id_and_similarity(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=ADA))
    assert flow.process("input/party.png", photo(person=ADA, salt=1)) == {
        "status": "done",
        "faces": 1,
        "processed": "processed/party.json",
    }
    (known,) = flow.app.face_records.find(flow.app.settings.collection)
    (row,) = flow.rows()
    info = flow.app.objects.head(BUCKET, "input/party.png")
    assert asdict(row) == {
        "image_id": "party.png",
        "timestamp": row.timestamp,
        "face_id": known.face_id,
        "person": "Ada",
        "confidence": 100.0,
        "bounding_box": {"left": 1.0, "top": 2.0, "width": 40.0, "height": 40.0},
        "emotions": None,
        "bucket": BUCKET,
        "key": "input/party.png",
        "etag": info.etag,
        "status": "matched",
        "face_number": 0,
        "error": None,
    }


def test_every_face_has_a_record_and_strangers_are_unknown(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=ADA))
    flow.process("input/group.png", photo(faces=3, person=ADA))
    rows = flow.rows("group.png")
    assert [(row.face_number, row.status, row.person) for row in rows] == [
        (0, "matched", "Ada"),
        (1, "unknown", None),
        (2, "unknown", None),
    ]
    assert [row.confidence for row in rows] == [100.0, 99.5, 99.5]
    assert rows[1].face_id is None


def test_the_processed_document_describes_the_file_and_every_face(flow: Workflow) -> None:
    flow.process("enroll/Ada.png", photo(person=ADA))
    flow.process("input/2026/party.png", photo(faces=2, person=ADA))
    document = flow.document("processed/2026/party.json")
    info = flow.app.objects.head(BUCKET, "input/2026/party.png")
    assert document["file"] == {
        "bucket": BUCKET,
        "key": "input/2026/party.png",
        "name": "party.png",
        "etag": info.etag,
        "size": info.size,
        "time": info.modified_at,
        "width": 64,
        "height": 48,
    }
    assert (document["error"], document["collection"]) == (None, "my-face-collection")
    first, second = document["faces"]
    assert set(first) == {
        *("box", "landmarks", "confidence", "pose", "quality"),
        *("decision", "name", "similarity", "threshold", "candidates"),
    }
    assert (first["decision"], first["name"], first["similarity"]) == ("match", "Ada", 100.0)
    assert first["candidates"][0] == {"name": "Ada", "face_id": flow.rows()[0].face_id, "similarity": 100.0}
    assert len(first["landmarks"]) == 5
    assert (second["decision"], second["name"]) == ("unknown", None)


@pytest.mark.parametrize(("kept", "types"), [(1, ["happy"]), (3, ["happy", "neutral", "sad"])])
def test_emotions_are_kept_when_they_are_asked_for(tmp_path: Path, kept: int, types: list[str]) -> None:
    with open_app(tmp_path, attributes=("emotions",), emotions_kept=kept) as app:
        flow = Workflow(app)
        flow.process("input/a.png", photo())
        assert flow.rows()[0].emotions == [{"type": kind, "confidence": 70.0 - 10 * n} for n, kind in enumerate(types)]
        assert len(flow.document("processed/a.json")["faces"][0]["emotions"]) == 7


def test_without_a_collection_faces_are_only_detected(tmp_path: Path) -> None:
    with open_app(tmp_path, collection="") as app:
        flow = Workflow(app)
        assert flow.process("input/a.png", photo())["faces"] == 1
        assert [(row.status, row.confidence) for row in flow.rows()] == [("detected", 99.5)]
        assert "decision" not in flow.document("processed/a.json")["faces"][0]
        assert flow.process("enroll/Ada.png", photo())["status"] == "ignored"


def test_no_face_is_a_result_with_zero_faces(flow: Workflow) -> None:
    assert flow.process("input/sea.png", photo(faces=0)) == {
        "status": "done",
        "faces": 0,
        "processed": "processed/sea.json",
    }
    assert flow.rows() == []
    assert (flow.document("processed/sea.json")["faces"], flow.document("processed/sea.json")["error"]) == ([], None)


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "empty"), (b"<html>", "HTML"), (photo()[:100], "cut off|damaged")], ids=str
)
def test_a_photo_that_cannot_be_used_gives_one_record_and_a_document_that_say_why(
    flow: Workflow, data: bytes, reason: str
) -> None:
    assert flow.process("input/broken.png", data)["status"] == "error"
    (row,) = flow.rows()
    assert (row.status, row.bounding_box, row.confidence, row.face_number) == ("error", None, 0.0, 0)
    document = flow.document("processed/broken.json")
    assert row.error == document["error"]
    assert any(part in str(row.error) for part in reason.split("|"))
    assert (document["faces"], document["file"]["width"]) == ([], None)
    assert flow.app.queue.depth()["dead"] == 0


def test_a_photo_over_the_size_limit_is_such_a_photo_too(tmp_path: Path) -> None:
    with open_app(tmp_path, max_image_bytes=100) as app:
        flow = Workflow(app)
        assert flow.process("input/large.png", photo())["status"] == "error"
        assert "at most 100" in str(flow.rows()[0].error)


class TestNames:
    def test_a_result_is_named_by_the_photos_stem(self, flow: Workflow) -> None:
        for key in ("a.png", "2026/01/b.c.png", "no-suffix", "2026/a.png"):
            flow.process(f"input/{key}", photo())
        assert flow.keys() == [
            "processed/2026/01/b.c.json",
            "processed/2026/a.json",
            "processed/a.json",
            "processed/no-suffix.json",
        ]

    def test_a_second_photo_of_the_same_stem_keeps_its_suffix(self, flow: Workflow) -> None:
        flow.process("input/a.png", photo(person=1))
        flow.process("input/a.jpg", photo(person=2))
        assert flow.keys() == ["processed/a.jpg.json", "processed/a.json"]
        assert flow.document("processed/a.json")["file"]["key"] == "input/a.png"
        assert flow.document("processed/a.jpg.json")["file"]["key"] == "input/a.jpg"

    def test_names_stay_when_photos_come_again(self, flow: Workflow) -> None:
        flow.process("input/a.png", photo(person=1))
        flow.process("input/a.jpg", photo(person=2))
        assert flow.process("input/a.jpg", photo(person=3))["processed"] == "processed/a.jpg.json"
        assert flow.process("input/a.png", photo(person=4))["processed"] == "processed/a.json"

    def test_of_photos_that_are_handled_at_once_each_gets_a_name_of_its_own(self, flow: Workflow) -> None:
        endings = [f"e{n}" for n in range(8)]
        events = [event_of(flow.app.objects.put(BUCKET, f"input/a.{end}", photo(person=3))) for end in endings]
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(flow.app.pipeline().handle, events))
        targets = [result["processed"] for result in results]
        assert len(set(targets)) == 8
        assert targets.count("processed/a.json") == 1
        for event, target in zip(events, targets, strict=True):
            assert flow.document(target)["file"]["key"] == event.key

    def test_a_name_whose_claimer_died_is_given_to_the_next(self, flow: Workflow) -> None:
        flow.app.receipts.claim(f"owner:{BUCKET}/processed/a.json", lease_s=0.2)
        assert flow.process("input/a.png", photo())["processed"] == "processed/a.json"


class TestRepetition:
    def test_handling_an_event_again_doubles_nothing(self, flow: Workflow) -> None:
        event = flow.put("input/a.png", photo(faces=2))
        pipeline = flow.app.pipeline()
        assert [pipeline.handle(event) for _ in range(3)] == [pipeline.handle(event)] * 3
        assert len(flow.rows()) == 2
        assert flow.keys() == ["processed/a.json"]

    def test_the_same_photo_put_twice_is_handled_once(self, flow: Workflow) -> None:
        flow.process("input/a.png", photo())
        first = flow.rows()
        flow.process("input/a.png", photo())
        assert flow.rows() == first

    def test_an_enrolment_that_is_handled_again_enrols_nobody_twice(self, flow: Workflow) -> None:
        event = flow.put("enroll/Ada.png", photo())
        pipeline = flow.app.pipeline()
        assert [pipeline.handle(event)["status"] for _ in range(2)] == ["enrolled", "enrolled"]
        assert len(flow.app.face_records.find(flow.app.settings.collection)) == 1

    def test_new_bytes_under_a_key_replace_its_records(self, flow: Workflow) -> None:
        flow.process("input/a.png", photo(faces=3))
        flow.process("input/a.png", photo(faces=1))
        info = flow.app.objects.head(BUCKET, "input/a.png")
        assert [row.etag for row in flow.rows()] == [info.etag]
        assert flow.document("processed/a.json")["file"]["etag"] == info.etag
        assert flow.keys() == ["processed/a.json"]

    def test_records_of_a_photo_go_when_a_broken_one_replaces_it(self, flow: Workflow) -> None:
        flow.process("input/a.png", photo(faces=3))
        flow.process("input/a.png", b"broken")
        assert [row.status for row in flow.rows()] == ["error"]

    def test_bytes_that_come_back_after_others_are_handled_again(self, flow: Workflow) -> None:
        for faces in (1, 2, 1, 2, 1):
            flow.process("input/a.png", photo(faces=faces))
            assert len(flow.rows()) == faces
            assert len(flow.document("processed/a.json")["faces"]) == faces

    def test_bytes_that_were_overwritten_before_their_turn_are_handled_when_they_come_back(
        self, flow: Workflow
    ) -> None:
        flow.put("input/a.png", photo(faces=1))
        flow.put("input/a.png", photo(faces=2))
        flow.process("input/a.png", photo(faces=1))
        assert len(flow.rows()) == 1
        flow.process("input/a.png", photo(faces=2))
        assert len(flow.rows()) == 2

    def test_equal_bytes_under_two_keys_are_two_photos(self, flow: Workflow) -> None:
        flow.process("input/a.png", photo())
        flow.process("input/b.png", photo())
        assert [row.key for row in flow.rows()] == ["input/a.png", "input/b.png"]
        assert flow.keys() == ["processed/a.json", "processed/b.json"]

    def test_a_photo_that_was_deleted_before_its_turn_is_gone(self, flow: Workflow) -> None:
        event = flow.put("input/a.png", photo())
        flow.app.objects.delete(BUCKET, "input/a.png")
        flow.worker.drain()
        assert json.loads(flow.app.receipts.result(event.event_id) or "")["status"] == "gone"
        assert (flow.rows(), flow.keys()) == ([], [])
        assert flow.app.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


class TestTwoWorkers:
    """One is slow with the old bytes of a key while the other has finished the new ones."""

    def test_the_slow_one_does_not_overwrite_the_newer_result(self, tmp_path: Path) -> None:
        analyzer = MadeAnalyzer()
        with open_app(tmp_path, analyzer) as app:
            flow = Workflow(app)

            def newer(frame: Frame) -> None:
                analyzer.before = None
                flow.put("input/a.png", photo(faces=2))
                app.worker().drain()

            analyzer.before = newer
            flow.process("input/a.png", photo(faces=1))
            assert [len(flow.rows()), len(flow.document("processed/a.json")["faces"])] == [2, 2]

    def test_the_old_bytes_may_come_back_meanwhile(self, tmp_path: Path) -> None:
        analyzer = MadeAnalyzer()
        with open_app(tmp_path, analyzer) as app:
            flow = Workflow(app)

            def there_and_back(frame: Frame) -> None:
                analyzer.before = None
                flow.put("input/a.png", photo(faces=2))
                app.worker().drain()
                flow.put("input/a.png", photo(faces=1))

            analyzer.before = there_and_back
            flow.process("input/a.png", photo(faces=1))
            flow.worker.drain()
            assert [len(flow.rows()), len(flow.document("processed/a.json")["faces"])] == [1, 1]
            assert app.queue.depth() == {"visible": 0, "in_flight": 0, "dead": 0}


class TestPlaces:
    def test_writing_results_never_starts_work(self, flow: Workflow) -> None:
        watcher = flow.app.watcher()
        watcher.start()
        try:
            flow.process("input/a.png", photo())
            (flow.app.directory.buckets / BUCKET / "input" / "last.png").write_bytes(photo(person=5))
            deadline = time.monotonic() + PATIENCE_S
            while not flow.rows("last.png"):
                assert time.monotonic() < deadline, "it did not happen"
                time.sleep(0.01)
                flow.worker.drain()
        finally:
            watcher.stop()
        assert {row.key for row in flow.rows()} == {"input/a.png", "input/last.png"}
        assert flow.keys() == ["processed/a.json", "processed/last.json"]
        assert not flow.app.starts_work(BUCKET, "processed/a.json")

    def test_a_message_about_a_result_is_ignored(self, flow: Workflow) -> None:
        flow.process("input/a.png", photo())
        result = flow.app.pipeline().handle(event_of(flow.app.objects.head(BUCKET, "processed/a.json")))
        assert result["status"] == "ignored"
        assert flow.keys() == ["processed/a.json"]

    @pytest.mark.parametrize(
        "settings",
        [
            {"processed_prefix": "input/results/"},
            {"input_prefix": ""},
            {"enroll_prefix": "input/"},
            {"input_prefix": "in"},
        ],
        ids=str,
    )
    def test_prefixes_that_cannot_be_told_apart_are_refused(self, tmp_path: Path, settings: dict[str, str]) -> None:
        with open_app(tmp_path, **settings) as app, pytest.raises(SettingError, match="prefix"):
            app.worker()

    def test_every_name_can_be_another(self, tmp_path: Path) -> None:
        names = {"input_bucket": "uploads", "input_prefix": "in/", "processed_prefix": "out/", "enroll_prefix": "who/"}
        with open_app(tmp_path, collection="staff", **names) as app:
            for key in ("who/Ada.png", "in/a.png"):
                info = app.objects.put("uploads", key, photo(person=ADA))
                app.watcher().announce(info)
                app.worker().drain()
            assert [row.person for row in app.records.query(RecordQuery())] == ["Ada"]
            assert [info.key for info in app.objects.list("uploads", "out/")] == ["out/a.json"]
            assert [info.name for info in app.collections.list()] == ["staff"]


def test_a_log_says_why_a_photo_is_not_enrolled_and_names_nobody(
    flow: Workflow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    flow.process("enroll/Zerlinda.png", photo(person=ADA))
    caplog.clear()
    assert flow.process("enroll/Ada.png", photo(person=ADA)) == {"status": "refused", "reason": "duplicate"}
    told = "".join(str(vars(record)) for record in caplog.records)
    assert "duplicate" in told
    assert "Zerlinda" not in told


def test_a_label_that_another_ones_user_id_is_spelt_like_is_refused_and_not_tried_again(
    flow: Workflow, caplog: pytest.LogCaptureFixture
) -> None:
    flow.process("enroll/Zerlinda Meier/1.png", photo(person=ADA))
    caplog.clear()
    spelt = f"enroll/{user_id_of('Zerlinda Meier')}/1.png"
    assert flow.process(spelt, photo(person=ADA, salt=1)) == {"status": "refused", "reason": "bad name"}
    assert "Zerlinda Meier" not in "".join(str(vars(record)) for record in caplog.records)
