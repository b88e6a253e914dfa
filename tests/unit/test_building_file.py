"""Where the zip of a Lambda function is written, and what stands there already."""

import os
import zipfile
from pathlib import Path

import pytest

from faceline.building.archive import write_zip
from faceline.building.lambda_zip import check_writable
from faceline.errors import UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "a.txt").write_text("a")
    return tmp_path / "task"


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a device, a pipe or a socket"):
        check_writable(tmp_path / "pipe")


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(UsageError, match="/dev/null is a device"):
        check_writable(Path("/dev/null"))


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(root: Path, tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    link = tmp_path / "latest.zip"
    link.symlink_to("releases/1.zip")
    check_writable(link)
    write_zip(root, link)
    assert link.is_symlink()
    assert zipfile.ZipFile(tmp_path / "releases/1.zip").namelist() == ["a.txt"]
    assert sorted(path.name for path in tmp_path.rglob("*.part")) == []


def test_a_link_into_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "latest.zip").symlink_to("gone/1.zip")
    with pytest.raises(UsageError, match="No such file or directory"):
        check_writable(tmp_path / "latest.zip")


def test_an_interrupted_zip_leaves_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_zip(root, tmp_path / "out" / "faceline.zip")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_name_that_is_too_long_is_told(root: Path, tmp_path: Path) -> None:
    for check in (check_writable, lambda file: write_zip(root, file)):
        with pytest.raises(UsageError, match="File name too long"):
            check(tmp_path / ("a" * 300))
