"""`RekognitionFaces`: against our own Rekognition endpoint over loopback, and against AWS's documented answers."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.stub import ANY, Stubber

from amazon import rekognition
from contract.face_service import ADA, COLLECTION, EVE, FaceServiceContract, MixedAnalyzer, origin, picture
from faceline.app import App
from faceline.assembly.images import ImageWork
from faceline.assembly.matching import MatchingWork
from faceline.aws.clients import Clients
from faceline.aws.faces import Kept, RekognitionFaces, rekognition_engine
from faceline.aws.rekognition_api import Rekognition
from faceline.aws.rekognition_names import external_id, name_of
from faceline.aws.rekognition_pictures import image_of
from faceline.errors import ImageError, ImageLimitError, NoFaceError, StorageError
from faceline.faces import FaceService, FacesOf, Picture
from faceline.gallery.enrolment import Photo
from faceline.images import encode_jpeg
from faceline.loading import image_limits
from faceline.notices import Notice
from faceline.ports import Claim, ClaimState, ObjectInfo, RecordQuery
from faceline.types import Decision, FaceRecord, Frame
from made import BUCKET, event_of, open_app, photo

LESS = 95  # of a photo that is like the same person's others, but not very
IMAGES, MATCHES, MATCHING = "faceline-images", "faceline-matches", "faceline-matching"


@pytest.fixture
def amazon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    opened = open_app(tmp_path / "amazon", MixedAnalyzer(), quota_image_side_px=1)
    with opened as amazon, rekognition(amazon) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield amazon


@pytest.fixture
def clients(amazon: App) -> Iterator[Clients]:
    clients = Clients()
    yield clients
    clients.rekognition.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Where our records are kept; it has no networks."""
    with open_app(tmp_path / "ours", matching_pairwise=True) as app:
        yield app


@pytest.fixture
def engine(app: App, clients: Clients) -> FacesOf:
    return engine_of(app, clients)


@pytest.fixture
def faces(engine: FacesOf) -> Any:
    return engine(COLLECTION)


def engine_of(app: App, clients: Clients) -> FacesOf:
    kept = Kept(app.face_records, app.collections, app.receipts, app.keeping)
    return rekognition_engine(clients, app.settings, image_limits(app.settings), kept)


def ids(app: App, collection: str = COLLECTION) -> list[str]:
    return sorted(record.face_id for record in app.face_records.find(collection))


class TestRekognitionFaces(FaceServiceContract):
    pass


# Traces: what IndexFaces left and no record says


class Killed(BaseException):
    """As SIGKILL: nothing tidies up after it."""


def killed(*_: object) -> Any:
    raise Killed


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.aws.rekognition_traces.time.sleep", lambda s: None)


def test_every_face_at_amazon_has_a_record_and_its_id(app: App, amazon: App, faces: RekognitionFaces) -> None:
    index(app, faces, photo(person=ADA), "Ada_1.jpg")
    faces.enroll(Photo(photo(person=EVE), "Eve", f"{BUCKET}/enroll/Eve.png"))
    assert ids(app) == ids(amazon)
    assert {r.external_image_id for r in amazon.face_records.find(COLLECTION)} == {"Ada_1.jpg", "Eve"}


@pytest.mark.parametrize("again", [photo(person=ADA), photo(person=EVE)])
def test_a_face_that_a_dead_process_left_goes_with_the_next_try(
    app: App, amazon: App, faces: RekognitionFaces, monkeypatch: pytest.MonkeyPatch, again: bytes
) -> None:
    """again: the same bytes, or others that were put under the key since."""
    kill_before_the_record(app, faces, monkeypatch)
    assert (len(ids(amazon)), len(ids(app))) == (1, 0)
    index(app, faces, again, "Ada_1.jpg")
    assert ids(app) == ids(amazon)
    assert len(ids(app)) == 1


def test_a_face_that_a_dead_process_left_goes_with_its_image(
    app: App, amazon: App, faces: RekognitionFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_before_the_record(app, faces, monkeypatch)
    with faces.deleting(f"{BUCKET}/images/Ada_1.jpg", []):
        pass
    assert ids(amazon) == []


def test_a_face_that_a_dead_enrolment_left_goes_with_the_next_try(
    app: App, amazon: App, faces: RekognitionFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(app.face_records, "add", killed)
        faces.enroll(Photo(photo(person=ADA), "Ada", f"{BUCKET}/enroll/Ada.png"))
    faces.enroll(Photo(photo(person=EVE), "Ada", f"{BUCKET}/enroll/Ada.png"))
    assert ids(app) == ids(amazon)
    assert len(ids(app)) == 1


def test_a_process_that_dies_while_deleting_leaves_nothing(
    app: App, amazon: App, faces: RekognitionFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = index(app, faces, photo(person=ADA), "Ada_1.jpg")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Rekognition, "delete", killed)
        with faces.deleting(record.source, [record]):
            pass
    assert (ids(amazon), ids(app)) == ([record.face_id], [])
    with faces.deleting(record.source, []):
        pass
    assert ids(amazon) == []


def test_a_sweep_leaves_what_another_worker_is_about_to_record(
    app: App, amazon: App, faces: RekognitionFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_before_the_record(app, faces, monkeypatch)
    with monkeypatch.context() as patch:
        held: list[Any] = []
        add = app.face_records.add

        def late(collection: str, new: Any) -> Any:
            held.append(new)
            return {}

        patch.setattr(app.face_records, "add", late)
        index(app, faces, photo(person=EVE), "b/Ada_1.jpg")
    monkeypatch.setattr("faceline.aws.rekognition_traces.time.sleep", lambda s: add(COLLECTION, *held))
    index(app, faces, photo(person=ADA), "Ada_1.jpg")
    assert ids(app) == ids(amazon)
    assert len(ids(app)) == 2


def test_a_note_that_another_worker_holds_for_ever_is_not_waited_for(
    app: App, amazon: App, faces: RekognitionFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.receipts, "claim", lambda *_: Claim(ClaimState.BUSY))
    with pytest.raises(StorageError, match=r"images/Ada_1\.jpg: another worker holds the note .* clocks agree"):
        index(app, faces, photo(person=ADA), "Ada_1.jpg")
    assert ids(amazon) == []


def test_a_face_that_somebody_deleted_at_amazon_is_indexed_again(
    app: App, amazon: App, faces: RekognitionFaces
) -> None:
    record = index(app, faces, photo(person=ADA), "Ada_1.jpg")
    amazon.face_records.remove(COLLECTION, [record.face_id])
    with pytest.raises(StorageError, match="no longer the face of face-input-bucket/images/Ada_1"):
        faces.search(record, 10, 50.0)
    assert ids(app) == []
    again = index(app, faces, photo(person=ADA), "Ada_1.jpg")
    assert list(faces.search(again, 10, 50.0)) == []


def test_a_face_of_a_user_at_amazon_is_not_taken_for_deleted(
    app: App, amazon: App, clients: Clients, faces: RekognitionFaces
) -> None:
    api = Rekognition(clients, COLLECTION)
    record, other = (index(app, faces, photo(person=who), f"{who}_1.jpg") for who in (ADA, EVE))
    clients.rekognition.create_user(CollectionId=COLLECTION, UserId="ada")
    users = {"CollectionId": COLLECTION, "UserId": "ada", "FaceIds": [record.face_id]}
    clients.rekognition.associate_faces(**users, UserMatchThreshold=0.0)
    with pytest.raises(StorageError, match=rf"{record.face_id} of the user ada .*; disassociate faces"):
        api.delete([record.face_id, other.face_id])
    assert ids(amazon) == [record.face_id]
    clients.rekognition.disassociate_faces(**users)
    assert api.delete([record.face_id, other.face_id]) == 1
    assert ids(amazon) == []


def test_a_collection_that_was_deleted_at_amazon_is_made_again(app: App, amazon: App, faces: RekognitionFaces) -> None:
    record = index(app, faces, photo(person=ADA), "Ada_1.jpg")
    amazon.drop_collection(COLLECTION)
    with pytest.raises(StorageError, match="try again"):
        faces.search(record, 10, 50.0)
    index(app, faces, photo(person=ADA), "Ada_1.jpg")
    assert ids(app) == ids(amazon)


def kill_before_the_record(app: App, faces: RekognitionFaces, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(app.face_records, "add", killed)
        index(app, faces, photo(person=ADA), "Ada_1.jpg")


def index(app: App, faces: RekognitionFaces, data: bytes, name: str) -> Any:
    key = f"images/{name}"
    return faces.index(picture(app, data, key), origin(data, key, name.partition("_")[0]))


# The workflows


def put(app: App, bucket: str, key: str, data: bytes) -> ObjectInfo:
    return app.objects.put(bucket, key, data)


def test_workflow_1_by_amazon_writes_the_same_records_and_document(app: App, engine: FacesOf) -> None:
    images = ImageWork(app, engine)
    assert images.handle(event_of(put(app, BUCKET, "enroll/Ada.png", photo(person=ADA)))) == {"status": "enrolled"}
    known, unknown = photo(person=ADA, salt=1), photo(person=EVE)
    for name, data in (("known", known), ("unknown", unknown), ("sea", photo(faces=0)), ("broken", b"<html>")):
        images.handle(event_of(put(app, BUCKET, f"input/{name}.png", data)))
    rows = {row.image_id: row for row in app.records.query(RecordQuery())}
    (record,) = app.face_records.find(COLLECTION)
    assert rows["known.png"].status == "matched"
    assert (rows["known.png"].person, rows["known.png"].face_id) == ("Ada", record.face_id)
    assert rows["known.png"].confidence > 99
    assert (rows["unknown.png"].status, rows["unknown.png"].person) == ("unknown", None)
    assert (rows["broken.png"].status, "sea.png" in rows) == ("error", False)
    document = json.loads(app.objects.get(BUCKET, "processed/known.json", 10**6)[1])
    assert document["model"] == f"amazon-rekognition/{engine(COLLECTION).model.partition('/')[2]}"
    assert document["collection"] == COLLECTION
    (face,) = document["faces"]
    assert set(face) == {
        *("box", "landmarks", "confidence", "pose", "quality"),
        *("decision", "name", "similarity", "threshold", "candidates"),
    }
    assert (face["decision"], face["name"], face["candidates"][0]["face_id"]) == ("match", "Ada", record.face_id)


def test_emotions_are_asked_for_when_they_are_wanted(tmp_path: Path, clients: Clients) -> None:
    with open_app(tmp_path / "moody", attributes=("emotions",), collection="") as app:
        ImageWork(app, engine_of(app, clients)).handle(event_of(put(app, BUCKET, "input/a.png", photo())))
        (row,) = app.records.query(RecordQuery())
    assert row.status == "detected"
    assert [emotion["type"] for emotion in row.emotions or []] == ["happy", "neutral", "sad"]


class Told:
    """Stands in for the outbox."""

    def __init__(self) -> None:
        self.notices: dict[str, Notice] = {}

    def put(self, notice: Notice) -> bool:
        return self.notices.setdefault(notice.notice_id, notice) is notice

    @property
    def texts(self) -> list[str]:
        return [notice.text for notice in self.notices.values()]


class Matching:
    def __init__(self, app: App, engine: FacesOf) -> None:
        self.app, self.told = app, Told()
        self.work = MatchingWork(app, engine, self.told)
        for bucket in (IMAGES, MATCHES):
            app.objects.make_bucket(bucket)

    def process(self, name: str, data: bytes) -> dict[str, Any]:
        return self.work.handle(event_of(put(self.app, IMAGES, f"images/{name}", data)))

    def report(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.app.objects.get(MATCHES, f"output/{name}.json", 10**6)[1])
        return found

    def matched(self, name: str) -> list[str]:
        return sorted(match["Face"]["ExternalImageId"] for match in self.report(name)["Matches"])


@pytest.fixture
def matching(app: App, engine: FacesOf) -> Matching:
    return Matching(app, engine)


def test_workflow_5_by_amazon_writes_the_contracts_report_and_tells(matching: Matching) -> None:
    matching.process("Ada_0001.jpg", photo(person=ADA))
    result = matching.process("Eve_0007.jpg", photo(person=ADA, salt=1))
    assert result == {"status": "done", "matches": 1, "notices": 1, "report": "output/Eve_0007.jpg.json"}
    report = matching.report("Eve_0007.jpg")
    (match,) = report.pop("Matches")
    assert report == {"Source": f"{IMAGES}/images/Eve_0007.jpg", "CustomerID": "Eve"}
    assert set(match) == {"Similarity", "Face", "CustomerId"}
    assert match["CustomerId"] == "Ada"
    assert match["Face"]["ExternalImageId"] == "Ada_0001.jpg"
    assert set(match["Face"]) == {"FaceId", "BoundingBox", "ImageId", "ExternalImageId", "Confidence"}
    assert match["Face"]["BoundingBox"]["Width"] == pytest.approx(0.625, abs=0.002)
    assert matching.told.texts == [
        f"Eve, image {IMAGES}/images/Eve_0007.jpg, matched Ada 1 times with max similarity {match['Similarity']:.3f}"
    ]


def test_matches_of_the_same_customer_are_dropped_and_less_similar_ones_are_not_told(matching: Matching) -> None:
    matching.process("Ada_1.jpg", photo(person=ADA))
    matching.process("Ada_2.jpg", photo(person=ADA, salt=1))
    matching.process("Eve_1.jpg", photo(person=ADA, salt=LESS))
    assert matching.matched("Ada_2.jpg") == []
    assert matching.matched("Eve_1.jpg") == ["Ada_1.jpg", "Ada_2.jpg"]
    assert matching.told.texts == []


def test_only_the_later_image_reports_a_pair_however_often_both_are_worked_on(matching: Matching) -> None:
    first, second = photo(person=ADA), photo(person=ADA, salt=1)
    for name, data in (("Ada_1.jpg", first), ("Eve_1.jpg", second)) * 2:
        matching.process(name, data)
    assert matching.matched("Ada_1.jpg") == []
    assert matching.matched("Eve_1.jpg") == ["Ada_1.jpg"]
    assert len(matching.told.notices) == 1


def test_images_worked_on_at_once_report_each_pair_once(matching: Matching) -> None:
    names = [f"Customer-{n}_1.jpg" for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: matching.process(names[n], photo(person=ADA, salt=n)), range(len(names))))
    pairs = [frozenset((name, other)) for name in names for other in matching.matched(name)]
    assert len(pairs) == len(set(pairs)) == 8 * 7 / 2


def test_an_image_without_a_face_has_an_empty_report(matching: Matching) -> None:
    result = matching.process("Ada_1.jpg", photo(faces=0))
    assert (result["status"], result["reason"]) == ("refused", "images/Ada_1.jpg: no face")
    assert matching.report("Ada_1.jpg")["Matches"] == []


def test_new_bytes_under_a_key_replace_the_face_in_the_collection_and_in_reports(
    matching: Matching, amazon: App
) -> None:
    matching.process("Ada_1.jpg", photo(person=ADA))
    matching.process("Eve_1.jpg", photo(person=ADA, salt=1))
    matching.process("Ada_1.jpg", photo(person=EVE))
    assert matching.matched("Eve_1.jpg") == []
    assert ids(amazon, MATCHING) == ids(matching.app, MATCHING)
    assert len(ids(amazon, MATCHING)) == 2


def test_a_deleted_image_leaves_nothing_at_amazon(matching: Matching, amazon: App) -> None:
    matching.process("Ada_1.jpg", photo(person=ADA))
    matching.process("Eve_1.jpg", photo(person=ADA, salt=1))
    matching.app.objects.delete(IMAGES, "images/Ada_1.jpg")
    matching.work.matcher().remove(IMAGES, "images/Ada_1.jpg")
    assert matching.matched("Eve_1.jpg") == []
    assert len(ids(amazon, MATCHING)) == len(ids(matching.app, MATCHING)) == 1


# Names


@pytest.mark.parametrize("name", ["Ada_0001.jpg", "a-b.c_d", "Ada Lovelace", "a:b", ":20", "ÖÄÜ", "李", "%", "x" * 255])
def test_names_are_spelt_in_amazons_letters_and_read_back(name: str) -> None:
    spelt = external_id(name)
    assert set(spelt) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:")
    assert 1 <= len(spelt) <= 255
    assert name_of(spelt) == name


def test_names_that_amazon_allows_stay_as_they_are() -> None:
    assert external_id("Ada_0001.jpg") == "Ada_0001.jpg"


def test_a_name_that_is_too_long_when_spelt_out_has_a_hash() -> None:
    a, b = external_id("李" * 100), external_id("李" * 99 + "白")
    assert a != b
    assert max(len(a), len(b)) <= 255


@pytest.mark.parametrize("foreign", ["employee:42", "a:zz", ":ff", "x:2"])
def test_labels_that_others_wrote_are_read_as_they_stand(foreign: str) -> None:
    assert name_of(foreign) == foreign


# AWS's documented answers


@pytest.fixture(scope="module")
def unreached() -> Iterator[Clients]:
    """Nobody is asked by it: each answer is put in by `stub`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            patch.setenv(name, "eu-west-1")
        clients = Clients()
        clients.rekognition  # noqa: B018 (made while these are set)
    yield clients
    clients.rekognition.close()


@pytest.fixture
def stub(unreached: Clients) -> Iterator[tuple[Clients, Stubber]]:
    with Stubber(unreached.rekognition) as stubber:
        yield unreached, stubber
        stubber.assert_no_pending_responses()


Stub = tuple[Clients, Stubber]
FACE_ID, OTHER_ID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
BOX = {"Width": 0.25, "Height": 0.5, "Left": 0.125, "Top": 0.25}


def detail(box: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    """A FaceDetail as the API reference shows it."""
    points = {"eyeLeft": (0.2, 0.4), "eyeRight": (0.3, 0.4), "mouthLeft": (0.2, 0.6), "mouthRight": (0.3, 0.6)}
    return {
        "BoundingBox": box or BOX,
        "Landmarks": [{"Type": t, "X": x, "Y": y} for t, (x, y) in (points | {"nose": (0.25, 0.5)}).items()],
        "Pose": {"Roll": 1.04, "Yaw": -2.06, "Pitch": 3.0},
        "Quality": {"Brightness": 80.04, "Sharpness": 70.0},
        "Confidence": 99.98765,
        **more,
    }


def wide(data: bytes = b"\xff\xd8\xff made", source: str = f"{BUCKET}/input/a.jpg") -> Picture:
    pixels = np.zeros((400, 800, 3), np.uint8)
    return Picture(data, Frame(pixels, 800, 400, "input/a.jpg"), source)


def matches(*found: tuple[str, str, float]) -> list[dict[str, Any]]:
    return [{"Similarity": s, "Face": {"FaceId": i, "ExternalImageId": e, "BoundingBox": BOX}} for i, e, s in found]


def searched(box: dict[str, float], *found: tuple[str, str, float]) -> dict[str, Any]:
    return {
        "SearchedFaceBoundingBox": box,
        "SearchedFaceConfidence": 99.9,
        "FaceMatches": matches(*found),
        "FaceModelVersion": "7.0",
    }


def test_a_face_detail_is_a_face_in_pixels(app: App, stub: Stub) -> None:
    clients, stubber = stub
    moods = [{"Type": "CALM", "Confidence": 8.0}, {"Type": "CONFUSED", "Confidence": 90.0}]
    stubber.add_response(
        "detect_faces",
        {"FaceDetails": [detail(Emotions=moods)]},
        {"Image": {"Bytes": b"\xff\xd8\xff made"}, "Attributes": ["DEFAULT"]},
    )
    (face,) = engine_of(app, clients)(COLLECTION).detect(wide())
    assert (face.box.left, face.box.top, face.box.width, face.box.height) == (100.0, 100.0, 200.0, 200.0)
    assert face.landmarks.nose == (200.0, 200.0)
    assert face.landmarks.mouth_right == (240.0, 240.0)
    assert (face.pose.roll, face.pose.yaw, face.pose.pitch) == (1.0, -2.1, 3.0)
    assert (face.quality.brightness, face.quality.size_px, face.confidence) == (80.0, 200.0, 99.99)
    assert [(mood.type, mood.confidence) for mood in face.emotions or ()] == [("confused", 90.0), ("neutral", 8.0)]
    assert face.embedding is None


def test_faces_smaller_than_the_setting_are_not_told(app: App, stub: Stub) -> None:
    clients, stubber = stub
    small = detail({"Width": 0.04, "Height": 0.08, "Left": 0.8, "Top": 0.1})
    stubber.add_response("detect_faces", {"FaceDetails": [small, detail()]}, {"Image": ANY, "Attributes": ["DEFAULT"]})
    assert [face.quality.size_px for face in engine_of(app, clients)(COLLECTION).detect(wide())] == [200.0]


def search_arguments(**image: Any) -> dict[str, Any]:
    return {
        "CollectionId": COLLECTION,
        "Image": image or ANY,
        "MaxFaces": 1000,
        "FaceMatchThreshold": 80.0,
        "QualityFilter": "NONE",
    }


def test_the_largest_face_is_looked_up_in_the_whole_photo_and_others_in_their_crops(app: App, stub: Stub) -> None:
    clients, stubber = stub
    second = {"Width": 0.125, "Height": 0.25, "Left": 0.75, "Top": 0.25}
    stubber.add_response(
        "detect_faces", {"FaceDetails": [detail(), detail(second)]}, {"Image": ANY, "Attributes": ["DEFAULT"]}
    )
    stubber.add_response(
        "search_faces_by_image", searched(BOX, (FACE_ID, "Ada", 99.4)), search_arguments(Bytes=b"\xff\xd8\xff made")
    )
    # The crop has half the face's width on each side: the face is its middle half.
    middle = {"Width": 0.5, "Height": 0.5, "Left": 0.25, "Top": 0.25}
    stubber.add_response("search_faces_by_image", searched(middle, (OTHER_ID, "Eve", 98.0)), search_arguments())
    faces = engine_of(app, clients)(COLLECTION)
    found = faces.identify(wide(), faces.detect(wide()))
    assert [(who.decision, who.name, who.similarity) for who in found] == [
        (Decision.MATCH, "Ada", 99.4),
        (Decision.MATCH, "Eve", 98.0),
    ]
    assert found[0].candidates[0].face_id == FACE_ID


def test_a_neighbours_name_is_never_taken_for_the_face_that_was_meant(app: App, stub: Stub) -> None:
    clients, stubber = stub
    second = {"Width": 0.125, "Height": 0.25, "Left": 0.4, "Top": 0.25}
    stubber.add_response(
        "detect_faces", {"FaceDetails": [detail(), detail(second)]}, {"Image": ANY, "Attributes": ["DEFAULT"]}
    )
    stubber.add_response("search_faces_by_image", searched(BOX, (FACE_ID, "Ada", 99.4)), search_arguments())
    neighbour = {"Width": 0.3, "Height": 0.9, "Left": 0.0, "Top": 0.05}
    for _ in range(2):  # in the wider crop, and in the tighter one
        stubber.add_response("search_faces_by_image", searched(neighbour, (FACE_ID, "Ada", 99.4)), search_arguments())
    faces = engine_of(app, clients)(COLLECTION)
    found = faces.identify(wide(), faces.detect(wide()))
    assert [(who.decision, who.name) for who in found] == [(Decision.MATCH, "Ada"), (Decision.UNKNOWN, None)]


def test_of_a_crowd_only_so_many_are_looked_up_and_the_others_are_detected(app: App, stub: Stub) -> None:
    clients, stubber = stub
    row = [detail({"Width": 0.1, "Height": 0.2, "Left": 0.03 * n, "Top": 0.1}) for n in range(25)]
    stubber.add_response("detect_faces", {"FaceDetails": row}, {"Image": ANY, "Attributes": ["DEFAULT"]})
    for _ in range(2 * 20):  # each wider and tighter
        stubber.add_client_error("search_faces_by_image", "InvalidParameterException", "There are no faces")
    stubber.add_response("describe_collection", {"FaceModelVersion": "7.0"}, {"CollectionId": COLLECTION})
    large = np.zeros((400, 800, 3), np.uint8)
    info = put(app, BUCKET, "input/crowd.jpg", encode_jpeg(large))
    ImageWork(app, engine_of(app, clients)).handle(event_of(info))
    assert [row.status for row in app.records.query(RecordQuery())] == ["unknown"] * 20 + ["detected"] * 5


def test_a_face_that_others_indexed_is_called_by_its_label(app: App, stub: Stub) -> None:
    clients, stubber = stub
    stubber.add_response("detect_faces", {"FaceDetails": [detail()]}, {"Image": ANY, "Attributes": ["DEFAULT"]})
    found = searched(BOX, (FACE_ID, "Ada:20Lovelace", 99.4), (OTHER_ID, "Ada:20Lovelace", 95.0))
    stubber.add_response("search_faces_by_image", found, search_arguments())
    faces = engine_of(app, clients)(COLLECTION)
    (who,) = faces.identify(wide(), faces.detect(wide()))
    assert (who.decision, who.name, len(who.candidates)) == (Decision.MATCH, "Ada Lovelace", 1)


def index_arguments(label: str = "Ada_1.jpg") -> dict[str, Any]:
    return {
        "CollectionId": COLLECTION,
        "Image": ANY,
        "ExternalImageId": label,
        "MaxFaces": 1,
        "QualityFilter": "AUTO",
        "DetectionAttributes": ["DEFAULT"],
    }


def indexed(*ids: str) -> dict[str, Any]:
    return {
        "FaceRecords": [{"Face": {"FaceId": i, "BoundingBox": BOX}, "FaceDetail": detail()} for i in ids],
        "FaceModelVersion": "7.0",
        "UnindexedFaces": [],
    }


def test_indexing_makes_the_collection_where_there_is_none(app: App, stub: Stub) -> None:
    clients, stubber = stub
    stubber.add_client_error("index_faces", "ResourceNotFoundException", expected_params=index_arguments())
    stubber.add_response("create_collection", {"StatusCode": 200}, {"CollectionId": COLLECTION})
    stubber.add_response("index_faces", indexed(FACE_ID), index_arguments())
    record = engine_of(app, clients)(COLLECTION).index(wide(), replace(origin(b"made"), source=f"{BUCKET}/input/a.jpg"))
    assert (record.face_id, record.embedding.model) == (FACE_ID, "amazon-rekognition/7.0")
    assert (record.box.width, record.image_size, record.embedding.values.shape) == (200.0, (800, 400), (0,))
    assert app.collections.model(COLLECTION) == "amazon-rekognition/7.0"


def test_a_second_face_of_the_same_picture_goes_again(app: App, stub: Stub) -> None:
    """Where Amazon gives a repeated IndexFaces a face of its own."""
    clients, stubber = stub
    app.collections.create(COLLECTION, "amazon-rekognition/7.0")
    where = replace(origin(b"made"), source=f"{BUCKET}/input/a.jpg")
    stubber.add_response("index_faces", indexed(FACE_ID), index_arguments())
    stubber.add_response("index_faces", indexed(OTHER_ID), index_arguments())
    stubber.add_response("delete_faces", {}, {"CollectionId": COLLECTION, "FaceIds": [OTHER_ID]})
    faces = engine_of(app, clients)(COLLECTION)
    assert [faces.index(wide(), where).face_id for _ in range(2)] == [FACE_ID, FACE_ID]


def test_faces_that_boto3s_own_retries_indexed_twice_are_looked_for(app: App, stub: Stub) -> None:
    clients, stubber = stub
    app.collections.create(COLLECTION, "amazon-rekognition/7.0")
    again = indexed(FACE_ID) | {"ResponseMetadata": {"RetryAttempts": 1, "HTTPStatusCode": 200}}
    stubber.add_response("index_faces", again, index_arguments())
    listed = [{"FaceId": i, "ExternalImageId": e} for i, e in ((FACE_ID, "Ada_1.jpg"), (OTHER_ID, "Ada_1.jpg"))]
    stubber.add_response(
        "list_faces", {"Faces": listed, "NextToken": "more"}, {"CollectionId": COLLECTION, "MaxResults": 1000}
    )
    others = {"Faces": [{"FaceId": "33333333-3333-4333-8333-333333333333", "ExternalImageId": "Eve_1.jpg"}]}
    stubber.add_response("list_faces", others, {"CollectionId": COLLECTION, "MaxResults": 1000, "NextToken": "more"})
    stubber.add_response("delete_faces", {}, {"CollectionId": COLLECTION, "FaceIds": [OTHER_ID]})
    where = replace(origin(b"made"), source=f"{BUCKET}/input/a.jpg")
    assert engine_of(app, clients)(COLLECTION).index(wide(), where).face_id == FACE_ID


def test_a_face_that_cannot_be_searched_for_yet_is_asked_for_again(app: App, stub: Stub) -> None:
    stubber = stub[1]
    faces, record = indexed_once(app, stub)
    arguments = {"CollectionId": COLLECTION, "FaceId": FACE_ID, "MaxFaces": 10, "FaceMatchThreshold": 50.0}
    stubber.add_client_error("search_faces", "InvalidParameterException", "faceId was not found in the collection")
    stubber.add_response("search_faces", {"FaceMatches": matches((OTHER_ID, "Eve_1.jpg", 91.237))}, arguments)
    assert [(match.face_id, match.similarity) for match in faces.search(record, 10, 50.0)] == [(OTHER_ID, 91.24)]


def test_a_face_that_is_never_found_is_deleted_on_both_sides(app: App, stub: Stub) -> None:
    stubber = stub[1]
    faces, record = indexed_once(app, stub)
    for _ in range(2):
        stubber.add_client_error("search_faces", "InvalidParameterException", "faceId was not found in the collection")
    stubber.add_response("delete_faces", {}, {"CollectionId": COLLECTION, "FaceIds": [FACE_ID]})
    with pytest.raises(StorageError, match="try again to index it"):
        faces.search(record, 10, 50.0)
    assert ids(app) == []


def indexed_once(app: App, stub: Stub) -> tuple[FaceService, FaceRecord]:
    clients, stubber = stub
    app.collections.create(COLLECTION, "amazon-rekognition/7.0")
    stubber.add_response("index_faces", indexed(FACE_ID), index_arguments())
    faces = engine_of(app, clients)(COLLECTION)
    return faces, faces.index(wide(), replace(origin(b"made"), source=f"{BUCKET}/input/a.jpg"))


def test_why_a_face_was_not_indexed_is_said(app: App, stub: Stub) -> None:
    clients, stubber = stub
    left = {"Reasons": ["LOW_SHARPNESS", "EXTREME_POSE"], "FaceDetail": detail()}
    stubber.add_response("index_faces", indexed() | {"UnindexedFaces": [left]}, index_arguments())
    with pytest.raises(NoFaceError, match="poor quality: extreme pose, low sharpness"):
        engine_of(app, clients)(COLLECTION).index(wide(), origin(b"made"))


def test_a_photo_of_two_people_is_not_enrolled(app: App, stub: Stub) -> None:
    clients, stubber = stub
    second = {"Width": 0.24, "Height": 0.48, "Left": 0.6, "Top": 0.25}
    stubber.add_response(
        "detect_faces", {"FaceDetails": [detail(), detail(second)]}, {"Image": ANY, "Attributes": ["DEFAULT"]}
    )
    frame = Frame(np.zeros((400, 800, 3), np.uint8), 800, 400)
    outcome = engine_of(app, clients)(COLLECTION).enroll(Photo(frame, "Ada", f"{BUCKET}/enroll/Ada.jpg"))
    assert str(outcome.refusal).startswith("several faces (2), none of them clearly the largest")


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("InvalidImageFormatException", ImageError, "input/a.jpg: Amazon Rekognition cannot read it"),
        ("ImageTooLargeException", ImageLimitError, "input/a.jpg: Amazon Rekognition finds it too large"),
        ("InvalidParameterException", ImageError, "input/a.jpg: Amazon Rekognition refuses it .as AWS says"),
        ("AccessDeniedException", StorageError, "give it the permission that the message names"),
        ("ThrottlingException", StorageError, "asked too often"),
        ("ProvisionedThroughputExceededException", StorageError, "Amazon Rekognition is asked too often"),
        ("InvalidS3ObjectException", StorageError, "s3:GetObject"),
        ("InternalServerError", StorageError, "cannot use Amazon Rekognition"),
    ],
)
def test_amazons_errors_are_said_in_our_words(app: App, stub: Stub, code: str, error: type, said: str) -> None:
    clients, stubber = stub
    stubber.add_client_error("detect_faces", code, "as AWS says")
    with pytest.raises(error, match=said):
        engine_of(app, clients)(COLLECTION).detect(wide())


def test_a_refused_photo_is_a_record_with_the_reason(app: App, stub: Stub) -> None:
    clients, stubber = stub
    stubber.add_client_error("detect_faces", "InvalidImageFormatException", "Request has invalid image format")
    stubber.add_response("describe_collection", {"FaceModelVersion": "7.0"}, {"CollectionId": COLLECTION})
    result = ImageWork(app, engine_of(app, clients)).handle(event_of(put(app, BUCKET, "input/a.png", photo())))
    assert result["status"] == "error"
    assert [row.status for row in app.records.query(RecordQuery())] == ["error"]


def test_a_missing_permission_is_no_result_but_a_failure(app: App, stub: Stub) -> None:
    clients, stubber = stub
    stubber.add_client_error("detect_faces", "AccessDeniedException", "no permission for rekognition:DetectFaces")
    with pytest.raises(StorageError, match="rekognition:DetectFaces"):
        ImageWork(app, engine_of(app, clients)).handle(event_of(put(app, BUCKET, "input/a.png", photo())))
    assert app.records.query(RecordQuery()) == []


# What is sent


def test_photos_up_to_5_mb_are_sent_and_larger_ones_named(app: App) -> None:
    jpeg = b"\xff\xd8\xff"
    assert image_of(wide(jpeg + bytes(5_242_877))) == {"Bytes": jpeg + bytes(5_242_877)}
    assert image_of(wide(jpeg + bytes(5_242_878))) == {"S3Object": {"Bucket": BUCKET, "Name": "input/a.jpg"}}


@pytest.mark.parametrize("data", [b"\xff\xd8\xff" + bytes(15_728_640), b"RIFF....WEBP", b""])
def test_what_amazon_does_not_read_is_sent_as_a_jpeg_of_the_pixels(data: bytes) -> None:
    sent = image_of(wide(data))["Bytes"]
    assert sent.startswith(b"\xff\xd8\xff")
    assert len(sent) < 5_242_880
