"""What the pipelines leave for the page: one entry for each photo, clip and appearance, while its object is there."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceline.activity import ActivityQuery, Entry, Kind, SeenEmotion, SeenFace
from faceline.app import App
from faceline.cli.watch import _list as listed
from faceline.engine.analyzer import Sighting, Wanted
from faceline.erasure_workflow import back_up, restore
from faceline.gallery.enrolment import Photo
from faceline.loading import image_limits
from faceline.pipelines.owning import owns
from faceline.pipelines.staging import StagedClip, StagedFrame, StagedVideo
from faceline.pipelines.video_recognition import Recognition, VideoRecognizer
from faceline.pipelines.watching import CameraEvent
from faceline.types import Appearance, BoxInParts, Candidate, Decision, Frame, Identification
from films import SCORER, Actor, embed
from made import BUCKET, MODEL, Workflow, event_of, face, open_app, photo

NAME = "Ada Lovelace"
CLIP = "party.mp4"


@pytest.fixture
def flow(made_app: App) -> Workflow:
    """Ada is known."""
    assert made_app.enroller().enroll_photo(Photo(photo(), NAME, "/home/ada.jpg")).face
    return Workflow(made_app)


def entries(app: App, **query: Any) -> Sequence[Entry]:
    return app.activity.page(ActivityQuery(**query))


def test_a_photo_is_listed_with_its_faces_in_parts_of_the_picture(flow: Workflow) -> None:
    flow.process("input/a.png", photo(faces=2))
    (entry,) = entries(flow.app)
    known, stranger = entry.faces
    assert (entry.kind, entry.bucket, entry.key, entry.collection) == (
        Kind.PHOTO, BUCKET, "input/a.png", "my-face-collection",
    )  # fmt: skip
    assert (entry.width, entry.height, entry.error, entry.picture) == (64, 48, None, False)
    assert known.box == BoxInParts(0.01562, 0.04167, 0.625, 0.83333)
    (record, _) = flow.rows("input/a.png")
    assert (known.status, known.person, known.face_id, known.similarity) == ("matched", NAME, record.face_id, 100.0)
    assert (stranger.status, stranger.person, stranger.face_id) == ("unknown", None, None)
    assert stranger.similarity is not None and stranger.similarity < 50
    assert entry.uploaded_at == flow.app.objects.head(BUCKET, "input/a.png").modified_at
    assert entry.took_ms is not None and entry.waited_ms is not None


def test_emotions_are_listed_as_they_are_kept(tmp_path: Path) -> None:
    with open_app(tmp_path, attributes=("emotions",), emotions_kept=2) as app:
        Workflow(app).process("input/a.png", photo())
        (entry,) = entries(app)
    assert entry.faces[0].emotions == (SeenEmotion("happy", 70.0), SeenEmotion("neutral", 60.0))


def test_a_face_that_nobody_was_looked_for_is_detected(tmp_path: Path) -> None:
    with open_app(tmp_path, collection="") as app:
        Workflow(app).process("input/a.png", photo())
        (entry,) = entries(app, status="detected")
    assert (entry.collection, entry.faces[0].similarity, entry.faces[0].confidence) == (None, None, 99.5)


def test_photos_without_faces_and_what_is_no_photo_are_listed_and_enrolments_are_not(flow: Workflow) -> None:
    flow.process("input/sky.png", photo(faces=0))
    flow.process("input/text.png", b"not an image")
    flow.process("enroll/Grace/1.png", photo(person=5))
    broken, sky = entries(flow.app)
    assert (sky.key, sky.faces, sky.error) == ("input/sky.png", (), None)
    assert (broken.faces, broken.width) == ((), None)
    assert "input/text.png" in (broken.error or "")
    assert entries(flow.app, status="none") == [sky]
    assert entries(flow.app, status="error") == [broken]


def test_new_bytes_of_a_key_replace_its_entry_and_the_same_event_again_adds_none(flow: Workflow) -> None:
    event = flow.put("input/a.png", photo())
    flow.worker.drain()
    first = flow.app.activity.newest()
    flow.app.pipeline().handle(event)
    flow.process("input/a.png", photo(faces=3))
    (entry,) = entries(flow.app)
    assert (len(entry.faces), entry.position) == (3, first + 2)


def test_a_file_that_kept_its_old_date_does_not_count_as_one_that_waited_for_years(flow: Workflow) -> None:
    event = flow.put("input/a.png", photo())
    old_s = time.time() - 1e8
    os.utime(flow.app.objects.root / BUCKET / "input/a.png", (old_s, old_s))
    flow.app.pipeline().handle(event)
    (entry,) = entries(flow.app)
    assert entry.uploaded_at < "2026"
    assert entry.waited_ms is None


def test_the_entry_goes_with_its_photo(flow: Workflow) -> None:
    flow.process("input/a.png", photo())
    flow.app.delete_object(BUCKET, "input/a.png")
    assert entries(flow.app) == []


def test_a_kept_photo_that_was_called_like_who_is_forgotten_is_listed_under_its_new_name(flow: Workflow) -> None:
    flow.app.enroller().enroll_photo(Photo(photo(person=1), "Grace", "/home/grace.jpg"))
    flow.process("input/ada lovelace and grace.png", photo(faces=2))
    flow.process("input/ada_lovelace.png", photo(salt=1))
    done = flow.app.forget(NAME)
    (entry,) = entries(flow.app)
    assert done.kept == (f"{BUCKET}/{entry.key}",)
    assert [(each.status, each.person) for each in entry.faces] == [("forgotten", None), ("matched", "Grace")]
    assert done.stores["activity"] == 1
    assert flow.app.erasure.left_of(NAME) == []


def test_what_is_left_in_an_entry_is_found(made_app: App) -> None:
    seen = SeenFace("matched", NAME, "face-1", 99.0, 99.0, None)
    made_app.activity.put(Entry(Kind.CAMERA, "2026-01-01", "2026-01-01", camera="door", faces=(seen,)), b"picture")
    places = {left.where for left in made_app.erasure.left_of(NAME)}
    assert {"state.sqlite, table activity_faces", "state.sqlite, table activity_details"} <= places
    assert made_app.forget(NAME).stores == {"activity": 1}
    assert made_app.erasure.left_of(NAME) == []


def test_old_entries_go_with_the_results_of_their_collection(made_app: App) -> None:
    old = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    for camera, collection in (("door", "guests"), ("gate", None), ("hall", "my-face-collection")):
        made_app.activity.put(Entry(Kind.CAMERA, old, old, camera=camera, collection=collection), b"picture")
    made_app.retention.set("guests", None, 7)
    assert made_app.expiry.run()["entries"] == 1
    assert [entry.camera for entry in entries(made_app)] == ["hall", "gate"]


def test_all_old_entries_go_when_the_settings_say_so(tmp_path: Path) -> None:
    old = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    with open_app(tmp_path, results_kept_days=7) as app:
        for collection in ("deleted", None):
            app.activity.put(Entry(Kind.CAMERA, old, old, camera="door", collection=collection))
        assert app.expiry.run()["entries"] == 2


def test_a_backup_brings_entries_back_without_who_was_forgotten_since(flow: Workflow, tmp_path: Path) -> None:
    flow.process("input/a.png", photo(faces=2))
    back_up(flow.app, tmp_path / "backup.tar")
    flow.app.forget(NAME)

    def forget(data: Path, names: Sequence[str]) -> None:
        with open_app(data) as app:
            for name in names:
                app.forget(name)

    restore(tmp_path / "backup.tar", tmp_path / "again", flow.app.directory.path, forget)
    with open_app(tmp_path / "again") as app:
        (entry,) = entries(app)
    assert [each.status for each in entry.faces] == ["forgotten", "unknown"]


def named(name: str | None) -> Identification:
    decision = Decision.MATCH if name else Decision.UNKNOWN
    return Identification(face(), decision, name, 98.0, 80.0, (Candidate(name or "Grace", 98.0, "face-1"),))


class Filmed:
    """Stands in for the analyzer and for the collection of a clip whose second and third frame show somebody."""

    name, model, scorer = "my-face-collection", MODEL, SCORER
    embed_chips = staticmethod(embed)

    def sight(self, frame: Frame, wanted: Wanted) -> list[Sighting]:
        return [Actor(1, 10).sighting()] if frame.pixels[0, 0, 0] else []

    def identify_together(self, faces: Any, best: Any, limit: int = 5) -> Identification:
        return named(NAME)


def staged(app: App, faces: Sequence[int], error: str | None = None) -> VideoRecognizer:
    """The recogniser, with a clip whose staged frames have so many faces."""
    names = app.settings.names
    info = app.objects.put(names.input, CLIP, bytes(faces))
    frames = [StagedFrame(f"party/output-{n}.jpg", n / 2, n) for n, _ in enumerate(faces)]
    for frame, count in zip(frames, faces, strict=True):
        app.objects.put(names.stage, frame.key, photo(faces=count))
    video = StagedVideo(names.input, CLIP, info.etag, 2.0, 64, 48, 10.0)
    app.objects.put(names.stage, "party/frames.json", StagedClip(video, frames, error).to_json())
    made: Any = Filmed()
    asked = Recognition(made, made, Wanted(), image_limits(app.settings))
    real = app.videos.recognizer()
    return replace(real, recognition=lambda: asked)


def called(recognizer: VideoRecognizer, app: App) -> None:
    recognizer.handle({"bucket_name": app.settings.names.stage, "image_file_name": "party/frames.json"})


def test_a_clip_may_have_as_many_frames_as_it_can_have(made_app: App) -> None:
    recognizer = staged(made_app, [1, 1])
    asked = replace(recognizer.recognition(), most_frames=2)
    called(replace(recognizer, recognition=lambda: asked), made_app)
    assert [entry.error for entry in entries(made_app)] == [None]


def test_a_clip_is_listed_once_with_who_appears_when(made_app: App) -> None:
    recognizer = staged(made_app, [0, 1, 1])
    called(recognizer, made_app)
    called(recognizer, made_app)
    (entry,) = entries(made_app)
    (seen,) = entry.faces
    assert (entry.kind, entry.bucket, entry.key) == (Kind.CLIP, made_app.settings.names.input, CLIP)
    assert (seen.status, seen.person, seen.first_s, seen.last_s, seen.box) == ("matched", NAME, 0.5, 1.0, None)
    made_app.delete_object(entry.bucket, entry.key)
    assert entries(made_app) == []


def test_a_damaged_clip_is_listed_with_its_error(made_app: App) -> None:
    called(staged(made_app, [0, 0], error="ends early"), made_app)
    (entry,) = entries(made_app)
    assert (entry.error, entry.faces) == ("ends early", ())


def test_a_clip_that_was_taken_away_meanwhile_is_not_listed(made_app: App) -> None:
    recognizer = staged(made_app, [1])
    made_app.objects.delete(made_app.settings.names.input, CLIP)
    called(recognizer, made_app)
    assert entries(made_app) == []


def test_of_a_clips_first_frame_the_one_face_is_listed(flow: Workflow) -> None:
    names = flow.app.settings.names
    flow.app.objects.put(names.input, CLIP, b"clip")
    flow.app.objects.put(names.stage, "party.jpg", photo())
    assert owns(flow.app.receipts, f"{names.output}/party", CLIP)
    flow.app.videos.recognizer().handle({"bucket_name": names.stage, "image_file_name": "party.jpg"})
    (entry,) = entries(flow.app, person=NAME)
    assert (entry.kind, entry.key, len(entry.faces)) == (Kind.CLIP, CLIP, 1)


def test_a_clip_that_cannot_be_used_is_listed_with_the_reason(made_app: App) -> None:
    info = made_app.objects.put(made_app.settings.names.input, CLIP, b"not a clip")
    made_app.videos.splitter().handle(event_of(info))
    (entry,) = entries(made_app, status="error")
    assert entry.kind is Kind.CLIP
    assert CLIP in (entry.error or "")


def appeared() -> CameraEvent:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    crop = np.zeros((90, 60, 3), dtype=np.uint8)
    return CameraEvent("door", Appearance(1, named(None), 5.0, 6.0, 5.5, 4, crop), at, at, at, None)


@pytest.mark.parametrize("kept", [True, False])
def test_an_appearance_before_a_camera_is_listed_with_its_crop_unless_none_are_kept(tmp_path: Path, kept: bool) -> None:
    with open_app(tmp_path, keep_crops=kept) as app:
        listed(app, appeared(), "people")
        (entry,) = entries(app, camera="door")
        picture = app.activity.picture(entry.position)
    assert (entry.picture, picture is not None and picture.startswith(b"\xff\xd8")) == (kept, kept)
    assert (entry.kind, entry.camera, entry.width, entry.height) == (Kind.CAMERA, "door", 60, 90)
    assert (entry.bucket, entry.key, entry.waited_ms) == ("", "", None)
    assert entry.faces == (SeenFace("unknown", None, None, 98.0, 99.5, None),)
