"""The SQLite file: migrations, threads, and errors said in words."""

import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from faceline.errors import StorageError
from faceline.local import database as database_module
from faceline.local.database import MAX_TRACES, Database

FIRST = "CREATE TABLE people (name TEXT);\nINSERT INTO people VALUES ('Anna; or; Zoë');"
VISIT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO people VALUES (?)", sys.argv[2:])
connection.commit()
print(", ".join(row[0] for row in connection.execute("SELECT name FROM people ORDER BY rowid")), end="")
connection.close()
"""
WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
for n in range(200):
    connection.execute("INSERT INTO people VALUES (?)", (f"from elsewhere {n}",))
connection.close()
"""
SECRET = b"somebody to forget"
SECOND = "ALTER TABLE people ADD COLUMN age INTEGER;"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    database = Database(file, [FIRST], busy_s=0.1)
    yield database
    database.close()


def names(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT name FROM people ORDER BY rowid")]


def test_a_new_file_gets_all_steps_and_no_backup(file: Path) -> None:
    with closing(Database(file, [FIRST, SECOND])) as database:
        assert database.rows("SELECT name, age FROM people") == [("Anna; or; Zoë", None)]
    assert not list(file.parent.glob("*.bak"))


def test_an_older_file_is_migrated_after_a_backup(file: Path, database: Database) -> None:
    database.write("INSERT INTO people VALUES ('Bea')")
    with closing(Database(file, [FIRST, SECOND])) as newer:
        assert newer.rows("SELECT count(age), count(*) FROM people") == [(0, 2)]
    with closing(sqlite3.connect(f"{file}.v1.bak")) as backup:
        assert backup.execute("SELECT * FROM people").fetchall() == [("Anna; or; Zoë",), ("Bea",)]


def test_a_step_may_be_a_function(file: Path, database: Database) -> None:
    def shout(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE people SET name = upper(name)")

    with closing(Database(file, [FIRST, shout])) as newer:
        assert names(newer)[0].startswith("ANNA")


def test_a_step_that_fails_leaves_the_file_as_it_was(file: Path, database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        Database(file, [FIRST, f"{SECOND}\nINSERT NOWHERE VALUES (1);"])
    with closing(Database(file, [FIRST])) as again:
        assert names(again) == ["Anna; or; Zoë"]


def test_a_step_that_ends_within_a_statement_is_a_mistake(file: Path) -> None:
    with pytest.raises(ValueError, match="within a statement"):
        Database(file, ["CREATE TABLE people (name TEXT"])


def test_a_newer_file_is_refused_with_the_version_that_is_needed(file: Path, database: Database) -> None:
    database.write("UPDATE faceline_version SET version = '7.1'")
    database.rows("PRAGMA user_version = 9")
    with pytest.raises(StorageError, match=r"state\.sqlite has schema 9, written by faceline 7\.1.*install"):
        Database(file, [FIRST])


def test_a_file_that_is_no_database_is_named(file: Path) -> None:
    file.write_bytes(b"this is a text, and a long one, not a database" * 100)
    with pytest.raises(StorageError, match=r"state\.sqlite: it is not a SQLite database; move it away"):
        Database(file, [FIRST])


def test_a_folder_in_its_place_is_named(file: Path) -> None:
    file.mkdir()
    with pytest.raises(StorageError, match=r"state\.sqlite: it cannot be opened"):
        Database(file, [FIRST])


def test_a_lock_held_too_long_is_said(file: Path, database: Database) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another process holds it"):
            database.write("DELETE FROM people")
    assert names(database) == ["Anna; or; Zoë"]


def test_a_full_disk_is_said_and_changes_nothing(database: Database) -> None:
    def fill() -> None:
        with database.transaction() as connection:
            connection.execute("PRAGMA max_page_count = 1")
            connection.execute("DELETE FROM people")
            connection.execute("INSERT INTO people VALUES (?)", ("x" * 1_000_000,))

    with pytest.raises(StorageError, match="disk is full"):
        fill()
    assert names(database) == ["Anna; or; Zoë"]


def test_a_mistake_in_our_sql_is_not_dressed_up(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        database.rows("SELECT FROM people")


def test_a_file_that_lacks_our_tables_is_told(database: Database) -> None:
    with pytest.raises(StorageError, match=r"lacks what faceline keeps.*nowhere"):
        database.rows("SELECT * FROM nowhere")


def test_a_transaction_that_raises_changes_nothing(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as connection:
            connection.execute("DELETE FROM people")
            raise KeyError("on purpose")

    with pytest.raises(KeyError):
        fail()
    assert names(database) == ["Anna; or; Zoë"]


def test_every_thread_may_write(database: Database) -> None:
    def write(number: int) -> None:
        for _ in range(20):
            database.write("INSERT INTO people VALUES (?)", (str(number),), durable=False)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(database)) == 81


def test_a_closed_database_says_so(database: Database) -> None:
    database.close()
    with pytest.raises(StorageError, match="was closed"):
        database.rows("SELECT 1")


def test_settings_that_keep_data_safe_are_on(database: Database) -> None:
    with database.transaction() as connection:
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS]
    assert found == ["wal", 2, 1, 1]


PRAGMAS = ("journal_mode", "synchronous", "secure_delete", "foreign_keys")


def test_deleted_rows_are_in_no_file_after_a_checkpoint(file: Path, database: Database) -> None:
    database.write("INSERT INTO people VALUES ('somebody to forget')")
    database.write("DELETE FROM people WHERE name LIKE 'somebody%'")
    assert database.checkpoint()
    assert not [path for path in file.parent.iterdir() if b"somebody to forget" in path.read_bytes()]


def test_another_process_that_comes_and_goes_leaves_us_our_log(file: Path, database: Database) -> None:
    """It must see our locks, whatever our threads opened and closed since: or it deletes the log as the last to go."""

    def visit(name: str) -> list[str]:
        done = subprocess.run([sys.executable, "-c", VISIT, file, name], capture_output=True, text=True, check=True)
        return done.stdout.split(", ")

    thread = threading.Thread(target=names, args=(database,))
    thread.start()
    thread.join()
    assert visit("Bea") == ["Anna; or; Zoë", "Bea"]
    database.write("INSERT INTO people VALUES ('Cleo')")
    assert names(database) == ["Anna; or; Zoë", "Bea", "Cleo"]
    assert visit("Dora") == ["Anna; or; Zoë", "Bea", "Cleo", "Dora"]


def leave_a_copy(database: Database) -> None:
    """A deleted row in a gap, as SQLite leaves one when it moves rows to another page."""
    database.rows("PRAGMA secure_delete = OFF")
    with database.transaction() as connection:  # a row of another's after it would make its place a hole, not a gap
        connection.execute("INSERT INTO people VALUES (?)", (SECRET.decode(),))
        connection.execute("DELETE FROM people WHERE name = ?", (SECRET.decode(),))
    database.rows("PRAGMA secure_delete = ON")
    database.checkpoint()


def holders(file: Path) -> list[str]:
    return [path.name for path in file.parent.iterdir() if SECRET in path.read_bytes()]


def is_owed(database: Database) -> bool:
    return database.rows("PRAGMA application_id") != [(0,)]


def test_a_copy_that_sqlite_left_in_the_file_is_erased(file: Path, database: Database) -> None:
    leave_a_copy(database)
    assert holders(file) == [file.name]
    database.scrub([b"somebody else"])
    assert holders(file) == [file.name]
    database.scrub([b"not there", SECRET])
    assert not holders(file)
    assert names(database) == ["Anna; or; Zoë"]
    assert not is_owed(database)


def test_a_row_that_is_there_is_no_copy_of_a_deleted_one(file: Path, database: Database) -> None:
    """Else every deletion would rewrite the file as long as another row is like the deleted one."""
    with database.transaction() as connection:
        connection.executemany("INSERT INTO people VALUES (?)", [("x" * 1000,)] * 50)
        connection.execute("DELETE FROM people WHERE rowid > 20")
    database.checkpoint()
    bytes_before = file.stat().st_size
    database.scrub([b"Anna", b"x" * 64])
    assert file.stat().st_size == bytes_before
    database.scrub([b"%04d" % n for n in range(MAX_TRACES + 1)])
    assert file.stat().st_size < bytes_before


def test_what_a_transaction_deletes_is_erased_after_it_and_only_then(file: Path, database: Database) -> None:
    leave_a_copy(database)
    with database.erasing():
        pass
    with pytest.raises(KeyError), database.erasing() as (_, traces):
        traces.append(SECRET)
        raise KeyError("on purpose")
    assert holders(file) == [file.name]
    assert not is_owed(database)
    with database.erasing() as (connection, traces):
        connection.execute("DELETE FROM people")
        traces.append(SECRET)
    assert not holders(file)
    assert names(database) == []


@pytest.mark.parametrize("again", ["opening", "deletion"])
def test_what_cannot_be_erased_is_said_and_done_later(
    file: Path, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    monkeypatch.setattr(database_module, "_OWED_S", 0.0)
    leave_a_copy(database)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM people").fetchall()
        database.scrub([SECRET])
        assert "can still be read" in caplog.text
        assert "next deletion" in caplog.text
        assert is_owed(database)
    if again == "opening":
        with closing(Database(file, [FIRST])):
            pass
    else:
        database.scrub([b"another one's"])
    assert not holders(file)
    assert not is_owed(database)
    assert names(database) == ["Anna; or; Zoë"]


def test_what_a_killed_process_owed_is_erased_at_the_next_opening(
    file: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    leave_a_copy(database)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Database, "checkpoint", die)
        database.scrub([SECRET])
    database.close()
    monkeypatch.setattr(database_module, "_OWED_S", 0.0)
    with closing(Database(file, [FIRST])) as again:
        assert not is_owed(again)
    assert not holders(file)


def test_opening_leaves_a_deletion_to_the_process_that_is_at_it(file: Path, database: Database) -> None:
    leave_a_copy(database)
    database.rows("PRAGMA application_id = 1")
    timer = threading.Timer(0.2, lambda: database.rows("PRAGMA application_id = 0"))
    timer.start()
    with closing(Database(file, [FIRST])):
        timer.join()
    assert holders(file) == [file.name]


def test_backups_of_a_migration_go_with_the_first_deletion(
    file: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    others = [file.with_name(name) for name in ("other.sqlite.v1.bak", "state.sqlite.bak", "state.sqlite.v1.bak.mine")]
    for path in (*others, file.with_name("state.sqlite.v1.bak"), file.with_name("state.sqlite.v12.bak.partial")):
        path.write_bytes(b"a copy")
    with caplog.at_level(logging.INFO):
        database.scrub([SECRET])
    assert sorted(path for path in file.parent.iterdir() if ".bak" in path.name) == sorted(others)
    assert "state.sqlite.v1.bak: what was now deleted" in caplog.text


def test_erasing_loses_nothing_that_threads_and_processes_write_meanwhile(file: Path) -> None:
    with closing(Database(file, [FIRST])) as database, closing(Database(file, [FIRST])) as reader:
        process = subprocess.Popen([sys.executable, "-c", WRITE, file])

        def write(thread: int) -> None:
            for n in range(50):
                database.write("INSERT INTO people VALUES (?)", (f"thread {thread} {n}",))
                assert len(names(reader)) > n

        def erase() -> None:
            for _ in range(15):
                leave_a_copy(database)
                database.scrub([SECRET])

        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(write, 1), pool.submit(write, 2), pool.submit(erase)]:
                done.result()
        assert process.wait(30) == 0
        database.scrub([SECRET])
        assert not holders(file)
        assert len(set(names(database))) == 1 + 100 + 200
        assert database.rows("PRAGMA integrity_check") == [("ok",)]
