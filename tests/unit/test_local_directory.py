"""The data directory: what it holds, who may read it, and that one `up` works in it."""

import multiprocessing
import os
import signal
import stat
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from faceline.errors import ConflictError, NotFoundError, StorageError
from faceline.local.directory import UpLock, open_directory, read_admin_key

_SPAWN = multiprocessing.get_context("spawn")


def test_a_new_directory_is_for_its_user_only(tmp_path: Path) -> None:
    directory = open_directory(tmp_path / "deep" / "data")
    assert mode(directory.path) == 0o700
    assert mode(directory.path / "admin.key") == 0o600
    assert directory.buckets.is_dir()
    assert directory.state.parent == directory.gallery.parent == directory.path


def test_the_admin_key_is_made_once(tmp_path: Path) -> None:
    open_directory(tmp_path / "data")
    key = read_admin_key(tmp_path / "data")
    assert len(key) == 43
    open_directory(tmp_path / "data")
    assert read_admin_key(tmp_path / "data") == key
    open_directory(tmp_path / "other")
    assert read_admin_key(tmp_path / "other") != key


def test_a_missing_admin_key_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="faceline up"):
        read_admin_key(tmp_path)


def test_a_file_in_the_directorys_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(StorageError, match=r"data is a file"):
        open_directory(tmp_path / "data")
    with pytest.raises(StorageError, match=r"--data"):
        open_directory(tmp_path / "data" / "below")


def test_a_directory_that_cannot_be_written_is_named(humble: Path) -> None:
    (humble / "data").mkdir(mode=0o500)
    with pytest.raises(StorageError, match=r"data.*--data"):
        open_directory(humble / "data")


def test_a_directory_of_a_newer_faceline_is_refused(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    (directory.path / "schema").write_text("99\nwritten by faceline 8.0\n")
    with pytest.raises(StorageError, match=r"layout 99, written by faceline 8\.0.*install"):
        open_directory(tmp_path)


def test_a_damaged_schema_number_is_shown(tmp_path: Path) -> None:
    (tmp_path / "schema").write_text("one")
    with pytest.raises(StorageError, match="'one'"):
        open_directory(tmp_path)


def test_a_second_up_is_refused_by_naming_the_first(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    first, second = UpLock(directory), UpLock(directory)
    first.acquire(port=8765)
    with pytest.raises(ConflictError, match=rf"process {os.getpid()}, port 8765.*--worker"):
        second.acquire(port=9000)
    first.release()
    first.release()
    second.acquire(port=9000)
    second.release()


def test_a_killed_up_leaves_no_lock(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    ours, theirs = _SPAWN.Pipe()
    holder = _SPAWN.Process(target=hold, args=(tmp_path, theirs))
    holder.start()
    lock = UpLock(directory)
    with ours, theirs:
        assert ours.recv() == "held"
    with pytest.raises(ConflictError, match=f"process {holder.pid}"):
        lock.acquire(port=9000)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    holder.close()
    lock.acquire(port=9000)
    lock.release()


def hold(path: Path, pipe: Connection) -> None:
    lock = UpLock(open_directory(path))
    lock.acquire(port=8765)
    pipe.send("held")
    signal.pause()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8765"),
        ("192.0.2.7", "http://192.0.2.7:8765"),
        ("0.0.0.0", "http://127.0.0.1:8765"),
        ("::", "http://[::1]:8765"),
        ("2001:db8::7", "http://[2001:db8::7]:8765"),
        ("nas", "http://nas:8765"),
    ],
)
def test_who_runs_up_is_found_where_it_listens(tmp_path: Path, host: str, url: str) -> None:
    directory = open_directory(tmp_path / "data")
    lock = UpLock(directory)
    assert lock.url() is None
    lock.acquire(8765, host)
    assert UpLock(directory).url() == url
    lock.release()
    assert UpLock(directory).url() is None
