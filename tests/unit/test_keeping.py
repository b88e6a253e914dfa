"""Consent, retention, the audit log, backup and restore."""

import gzip
import io
import json
import logging
import os
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from commands import Cli
from faceline.app import App
from faceline.erasure_workflow import back_up, restore
from faceline.errors import ConflictError, InputError, NotFoundError, StorageError, UsageError
from faceline.gallery.enrolment import Photo
from faceline.gallery.keeping import CONSENT_MISSING, Kept
from faceline.gallery.sources import expand
from faceline.local.erasures import append_line, read_lines
from faceline.pipelines.retention import Hourly
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


def test_a_reference_with_control_characters_is_refused(made_app: App, cli: Cli) -> None:
    assert _enrol(made_app, "Ada", consent="a\x01b") == (
        "bad consent: the reference has control characters; write it without them"
    )
    done = cli("--data", made_app.directory.path, "consent", "Ada", "a\x01b")
    assert done.code == 2
    assert "control characters" in done.err
    assert made_app.consents.of(C, "Ada") == []


# Retention


def test_faces_go_when_their_time_is_over_and_others_stay(made_app: App) -> None:
    for name, person in (("Ada", 0), ("Grace", 5)):
        _enrol(made_app, name, person)
    _older(made_app, "Ada", 31)
    none = {"people": 0, "faces": 0, "results": 0, "records": 0, "entries": 0, "unknown faces": 0}
    assert made_app.expiry.run() == none
    made_app.retention.set(C, 30, None)
    assert made_app.expiry.run() == none | {"people": 1, "faces": 1}
    assert [person.name for person in made_app.people.page(C, 0, 9)] == ["Grace"]
    assert made_app.erasure.left_of("Ada") == []


def test_whose_time_is_over_is_forgotten_whole_though_work_is_in_hand(made_app: App) -> None:
    _enrol(made_app, "Ada")
    _older(made_app, "Ada", 31)
    made_app.retention.set(C, 30, None)
    refusals = [StorageError("work is still in hand"), StorageError("work is still in hand")]

    def forget(person: str, collection: str) -> None:
        if refusals:
            raise refusals.pop()
        made_app.forget(person, collection)

    assert replace(made_app.expiry, forget=forget).run()["people"] == 1
    assert refusals == []
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
    assert made_app._state.rows("SELECT event_id FROM receipts WHERE event_id LIKE '%old%'") == []
    owners = made_app._state.rows("SELECT event_id FROM receipts WHERE event_id LIKE 'owner:%'")
    assert owners == [(f"owner:{BUCKET}/processed/new.json",)]


def test_results_are_kept_as_long_as_the_settings_say_unless_the_collection_says_more(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", results_kept_days=14) as app:
        assert Kept(C, None, 14) in app.expiry.kept()
        app.retention.set(C, 30, None)
        assert app.retention.set(C, None, 0) == Kept(C, 30, 0)
        assert Kept(C, 30, 0) in app.expiry.kept()


@pytest.mark.parametrize("days", ["36501", "1e308", "inf", "nan", "-1"])
def test_nothing_is_kept_for_more_than_a_century(made_app: App, cli: Cli, days: str) -> None:
    _enrol(made_app, "Ada")
    done = cli("--data", made_app.directory.path, "retention", "set", f"--faces-days={days}")
    assert done.code == 2
    with pytest.raises(UsageError, match="0 to 36,500"):
        made_app.retention.set(C, None, float(days))
    assert made_app.retention.all() == []


@pytest.mark.parametrize("days", [1e6, 1e308, float("inf")])
def test_a_time_that_was_stored_before_there_was_a_limit_is_as_long_as_the_limit(made_app: App, days: float) -> None:
    _enrol(made_app, "Ada")
    made_app._gallery.write("INSERT INTO retention VALUES (?, ?, ?)", (C, days, days))
    assert made_app.retention.all() == [Kept(C, 36_500, 36_500)]
    assert not any(made_app.expiry.run().values())


def test_results_kept_days_may_be_any_number(tmp_path: Path) -> None:
    with open_app(tmp_path / "data", results_kept_days=1e9) as app:
        assert not any(app.expiry.run().values())


def test_what_runs_hourly_goes_on_after_any_error_and_tells_only_of_what_went(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop = threading.Event()
    answers: list[Exception | dict[str, int]] = [OverflowError("too long"), {"people": 0}, {"people": 1}]

    def work() -> Mapping[str, int]:
        answer = answers.pop(0)
        if not answers:
            stop.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    caplog.set_level(logging.INFO, "faceline")
    Hourly(work, every_s=0).run(stop)
    told = [(record.levelname, getattr(record, "done", None)) for record in caplog.records]
    assert told == [("ERROR", None), ("INFO", {"people": 1})]


# Audit


@pytest.mark.parametrize("since", ["nope", "99999-01-01", "0001-01-01T00:00+05:00", "2026-02-30"])
def test_the_audit_log_since_what_is_no_time_is_an_error(made_app: App, cli: Cli, since: str) -> None:
    _enrol(made_app, "Ada")
    done = cli("--data", made_app.directory.path, "audit", "--since", since)
    assert (done.code, done.out) == (2, "")
    assert f"{since!r} is not a time" in done.err


def test_the_audit_log_can_be_asked_in_any_zone(made_app: App, cli: Cli) -> None:
    _enrol(made_app, "Ada")
    noted = datetime.fromisoformat(next(made_app.erasure.audit.entries()).time)
    for hours in (-11, 11):
        zone = timezone(timedelta(hours=hours))
        for seconds, count in ((-1, 1), (1, 0)):
            since = (noted + timedelta(seconds=seconds)).astimezone(zone).isoformat()
            done = cli("--data", made_app.directory.path, "audit", f"--since={since}", "--json")
            assert len(done.json) == count, since


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


def _archive(file: Path, members: Mapping[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return file


def _members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file, "r:gz") as archive:
        return {member.name: opened.read() for member in archive if (opened := archive.extractfile(member))}


def _link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "backup.json"
    return info


def _nothing(staging: Path, names: Sequence[str]) -> None:
    """Forgets nobody."""


def test_a_backup_with_one_changed_byte_is_refused(made_app: App, tmp_path: Path) -> None:
    """Wherever it is: in what cannot be compressed, most of this file, or in the checksum and length at its end."""
    made_app.objects.put(BUCKET, "input/noise.bin", os.urandom(1_000_000))
    file, data, flipped = tmp_path / "b.tar.gz", tmp_path / "restored", tmp_path / "flipped.tar.gz"
    back_up(made_app, file)
    for place in (-1, -8, file.stat().st_size // 2, file.stat().st_size // 3):
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        flipped.write_bytes(content)
        with pytest.raises(InputError, match=r"cannot be (read|unpacked)"):
            restore(flipped, data, None, _nothing)
        assert not data.exists()


def test_a_backup_whose_checksum_is_of_other_bytes_is_refused(made_app: App, tmp_path: Path) -> None:
    """As a bit that fell over and still made sense to who decompressed it."""
    made_app.objects.put(BUCKET, "input/a.txt", b"The quick brown fox")
    file, data = tmp_path / "b.tar.gz", tmp_path / "restored"
    back_up(made_app, file)
    other = gzip.decompress(file.read_bytes()).replace(b"The quick brown fox", b"The quick brown fix")
    file.write_bytes(gzip.compress(other)[:-8] + file.read_bytes()[-8:])
    with pytest.raises(InputError, match="it is damaged: CRC check failed"):
        restore(file, data, None, _nothing)
    assert not data.exists()
    assert not list(tmp_path.glob(".*restoring*"))


@pytest.mark.parametrize(
    "about",
    [
        b"[1]",
        b'{"format": 1}',
        b'{"format": 1, "created_at": "yesterday"}',
        b'{"format": 1, "created_at": [1]}',
        b"[" * 99_000,
        b'"format"',
        b"\xff",
    ],
)
def test_an_archive_that_says_nothing_sensible_about_itself_is_refused(tmp_path: Path, about: bytes) -> None:
    file = _archive(tmp_path / "b.tar.gz", {"backup.json": about})
    with pytest.raises(InputError, match=r"b\.tar\.gz"):
        restore(file, tmp_path / "restored", None, _nothing)
    assert not (tmp_path / "restored").exists()


def _other_tables() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE objects (bucket TEXT)")
        connection.execute("PRAGMA user_version = 4")
        return connection.serialize()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("state.sqlite", lambda before: b"junk" * 2000, "state.sqlite"),
        ("state.sqlite", lambda before: _other_tables(), "lacks the column"),
        ("gallery.sqlite", lambda before: before[:4096] + b"\x55" * 8192 + before[12288:], "gallery.sqlite"),
        ("gallery.sqlite/file", lambda before: b"", "gallery.sqlite is no file"),
        ("gallery.sqlite", lambda before: _link("gallery.sqlite", tarfile.SYMTYPE), "gallery.sqlite"),
        ("gallery.sqlite", lambda before: _link("gallery.sqlite", tarfile.LNKTYPE), "gallery.sqlite"),
        ("erasure.key", lambda before: b"", "erasure.key holds no key"),
        ("erasure.key/file", lambda before: b"", "erasure.key is no file"),
        ("erasures.jsonl", lambda before: b'{"receipt": 1}', "cannot be used"),
        ("admin.key", lambda before: b"short", "admin.key holds no key"),
        ("schema", lambda before: b"99", "layout 99"),
        ("buckets", lambda before: b"no folder", "buckets"),
    ],
)
def test_a_backup_that_could_not_be_worked_with_is_not_put_in_place(
    made_app: App, tmp_path: Path, name: str, content: Callable[[bytes], bytes | tarfile.TarInfo], said: str
) -> None:
    _enrol(made_app, "Ada")
    back_up(made_app, tmp_path / "b.tar.gz")
    members = _members(tmp_path / "b.tar.gz")
    top = name.partition("/")[0]
    before = members.pop(top, b"")
    file = _archive(tmp_path / "bad.tar.gz", members | {name: content(before)})
    data = tmp_path / "new" / "folder" / "restored"
    with pytest.raises(InputError, match=said) as error:
        restore(file, data, None, _nothing)
    assert "restoring" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_a_backup_that_needs_more_room_than_there_is_is_refused(
    made_app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(made_app, tmp_path / "b.tar.gz")
    full = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(StorageError, match=r"MB, and 0\.0 MB are free in .*; free some space"):
        restore(tmp_path / "b.tar.gz", tmp_path / "new" / "restored", None, _nothing)
    assert not (tmp_path / "new").exists()
