"""Consent, retention, the audit log, backup and restore."""

import json
import os
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from faceline.app import App
from faceline.erasure_workflow import back_up, restore
from faceline.errors import ConflictError, InputError, NotFoundError
from faceline.gallery.enrolment import Photo
from faceline.gallery.keeping import CONSENT_MISSING, Kept
from faceline.gallery.sources import expand
from faceline.local.erasures import append_line, read_lines
from faceline.ports import RecordQuery
from made import BUCKET, Workflow, open_app, photo

C = "my-face-collection"


def _enrol(app: App, name: str, person: int = 0, consent: str | None = None) -> str | None:
    return app.enroller().enroll_photo(Photo(photo(person=person), name, f"/home/{name}.jpg", consent)).refusal


def _older(app: App, name: str, days: float) -> None:
    """Makes a person's faces older than they are."""
    at = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
    app._gallery.write("UPDATE faces SET created_at = ? WHERE person = ?", (at, name))


# Consent


def test_nobody_is_enrolled_without_consent_where_it_is_required(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", consent_required=True) as app:
        assert _enrol(app, "Ada") == CONSENT_MISSING
        assert _enrol(app, "Ada", consent="form 17") is None
        assert app.consents.of(C, "Ada") == ["form 17"]
        assert app.collection().people() == 1


def test_a_consent_that_is_known_is_enough_for_uploads(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", consent_required=True) as app:
        flow = Workflow(app)
        refused = flow.process("enroll/Ada/1.png", photo())
        assert refused == {"status": "refused", "reason": "no consent"}
        app.consents.note(C, "Ada", "form 17")
        assert flow.process("enroll/Ada/2.png", photo(salt=1)) == {"status": "enrolled"}


def test_a_consent_goes_with_its_person(made_app: App) -> None:
    _enrol(made_app, "Ada", consent="form 17 of Ada")
    assert made_app.forget("Ada").stores["consents"] == 1
    assert made_app.consents.of(C, "Ada") == []
    files = [path for path in made_app.directory.path.rglob("*") if path.is_file()]
    assert not any(b"form 17" in path.read_bytes() for path in files)


def test_a_photo_that_was_refused_notes_no_consent(made_app: App) -> None:
    blank = Photo(photo(faces=0), "Ada", "/x.png", "form 17")
    assert made_app.enroller().enroll_photo(blank).refusal == "no face"
    assert made_app.consents.of(C, "Ada") == []


def test_a_manifest_may_say_the_consent(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("path,name,consent\na.png,Ada,form 17\nb.png,Grace,\n", encoding="utf-8")
    assert [item.consent for item in expand(tmp_path / "people.csv")] == ["form 17", None]


# Retention


def test_faces_go_when_their_time_is_over_and_others_stay(made_app: App) -> None:
    for name, person in (("Ada", 0), ("Grace", 5)):
        _enrol(made_app, name, person)
    _older(made_app, "Ada", 31)
    assert made_app.expiry.run() == {"people": 0, "faces": 0, "results": 0, "records": 0, "unknown faces": 0}
    made_app.retention.set(C, 30, None)
    assert made_app.expiry.run() == {"people": 1, "faces": 1, "results": 0, "records": 0, "unknown faces": 0}
    assert [person.name for person in made_app.people.page(C, 0, 9)] == ["Grace"]
    assert made_app.erasure.left_of("Ada") == []


def test_of_somebody_with_newer_photos_only_the_old_ones_go(made_app: App) -> None:
    flow = Workflow(made_app)
    for number in (1, 2):
        flow.put(f"enroll/Ada/{number}.png", photo(salt=number))
    flow.worker.drain()
    old = made_app.face_records.find(C, person="Ada")[0]
    at = "2020-01-01T00:00:00.000+00:00"
    made_app._gallery.write("UPDATE faces SET created_at = ? WHERE face_id = ?", (at, old.face_id))
    made_app.retention.set(C, 30, None)
    assert made_app.expiry.run()["faces"] == 1
    (left,) = made_app.face_records.find(C, person="Ada")
    assert f"{BUCKET}/{made_app.objects.list(BUCKET, 'enroll/').__next__().key}" == left.source
    files = [path for path in made_app.directory.path.rglob("*") if path.is_file()]
    assert not any(old.face_id.encode() in path.read_bytes() for path in files)


def test_results_go_when_their_time_is_over_and_their_photos_are_not_worked_on_again(made_app: App) -> None:
    flow = Workflow(made_app)
    flow.put("input/old.png", photo())
    flow.put("input/new.png", photo(salt=1))
    flow.worker.drain()
    at = datetime.now(UTC) - timedelta(days=8)
    made_app._state.write(
        "UPDATE FaceRecognitionResults SET unix_time = ? WHERE key = 'input/old.png'", (at.timestamp(),)
    )
    path = made_app.objects.root / BUCKET / "processed" / "old.json"
    os.utime(path, (at.timestamp(), at.timestamp()))
    made_app.retention.set(C, None, 7)
    done = made_app.expiry.run()
    assert (done["results"], done["records"]) == (1, 1)
    assert [row.key for row in made_app.records.query(RecordQuery())] == ["input/new.png"]
    assert flow.keys() == ["processed/new.json"]
    assert not made_app.watcher().announce(made_app.objects.head(BUCKET, "input/old.png"))


def test_results_are_kept_as_long_as_the_settings_say_unless_the_collection_says_more(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", results_kept_days=14) as app:
        assert Kept(C, None, 14) in app.expiry.kept()
        app.retention.set(C, 30, None)
        assert app.retention.set(C, None, 0) == Kept(C, 30, 0)
        assert Kept(C, 30, 0) in app.expiry.kept()


# Audit


def test_a_line_that_a_killed_process_left_unfinished_costs_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_line(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n": 2, "cut')
    append_line(path, {"n": 3})
    assert read_lines(path) == [{"n": 1}, {"n": 3}]


def test_settings_are_noted_once_until_they_change_and_without_their_values(tmp_path: Path) -> None:
    for similarity in (91.5, 91.5, 92.5):
        with open_app(tmp_path / "data", min_similarity=similarity) as app:
            app.erasure.note_settings("up")
            entries = list(app.erasure.audit.entries())
            text = "".join(path.read_text("utf-8") for path in (tmp_path / "data/audit").iterdir())
    assert [list(entry.detail) for entry in entries] == [["min_similarity"], ["min_similarity"]]
    assert "91.5" not in text


# Backup and restore


def test_a_backup_put_back_is_the_same_and_nothing_is_worked_on_again(made_app: App, tmp_path: Path) -> None:
    _enrol(made_app, "Ada")
    flow = Workflow(made_app)
    flow.put("input/a.png", photo(salt=1))
    flow.worker.drain()
    file, data = tmp_path / "b.tar.gz", tmp_path / "restored"
    done = back_up(made_app, file)
    assert done["files"] > 4
    assert file.stat().st_mode & 0o077 == 0
    assert restore(file, data, None, lambda staging, names: None).forgotten == 0
    with open_app(data) as app:
        assert [row.person for row in app.records.query(RecordQuery())] == ["Ada"]
        assert app.collection().people() == 1
        assert not app.watcher().announce(app.objects.head(BUCKET, "input/a.png"))
        assert app.admin_key() == made_app.admin_key()
    assert not list(tmp_path.glob(".*"))


def test_who_was_forgotten_after_the_backup_stays_forgotten(made_app: App, tmp_path: Path) -> None:
    for name, person in (("Ada", 0), ("Grace", 5), ("Mary", 7)):
        _enrol(made_app, name, person)
    made_app.forget("Mary")
    _enrol(made_app, "Mary", 7)  # she came back before the backup
    file, data = tmp_path / "b.tar.gz", tmp_path / "restored"
    back_up(made_app, file)
    made_app.forget("Ada")

    def forget(staging: Path, names: Sequence[str]) -> None:
        with open_app(staging) as app:
            for name in names:
                app.forget(name)

    done = restore(file, data, made_app.directory.path, forget)
    assert (done.forgotten, done.erasures) == (1, 1)
    with open_app(data) as app:
        assert {person.name for person in app.people.page(C, 0, 9)} == {"Grace", "Mary"}
        assert app.erasure.left_of("Ada") == []


def test_a_restore_that_fails_leaves_nothing(made_app: App, tmp_path: Path) -> None:
    _enrol(made_app, "Ada")
    file, data = tmp_path / "b.tar.gz", tmp_path / "restored"
    back_up(made_app, file)
    with pytest.raises(ConflictError, match="there already"):
        back_up(made_app, file)
    with pytest.raises(ConflictError, match="not empty"):
        restore(file, made_app.directory.path, None, lambda staging, names: None)
    with pytest.raises(NotFoundError, match=r"erasure\.key"):
        restore(file, data, tmp_path, lambda staging, names: None)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(InputError, match="cannot be"):
        restore(cut, data, None, lambda staging, names: None)
    (tmp_path / "text.tar.gz").write_text("no archive", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as a backup"):
        restore(tmp_path / "text.tar.gz", data, None, lambda staging, names: None)
    assert not data.exists()
    assert not list(tmp_path.glob(".*restoring*"))


def test_an_archive_that_would_write_elsewhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "evil.tar.gz"
    (tmp_path / "about").write_text(json.dumps({"format": 1, "created_at": "2026-01-01"}), encoding="utf-8")
    with tarfile.open(file, "w:gz") as archive:
        archive.add(tmp_path / "about", "backup.json")
        archive.add(tmp_path / "about", "../evil")
    with pytest.raises(InputError, match="cannot be unpacked"):
        restore(file, tmp_path / "restored", None, lambda staging, names: None)
    assert not (tmp_path / "evil").exists()
