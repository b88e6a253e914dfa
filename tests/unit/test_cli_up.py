"""How `faceline up` starts and ends, in this process."""

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from commands import Cli
from faceline.app import App
from faceline.cli.up import _warn_of_others, stop_signal, working
from faceline.errors import ConflictError
from faceline.local.directory import UpLock
from made import MadeAnalyzer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_before_the_waiting_counts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_signal() as stop:
        os.kill(os.getpid(), number)
        stop()
    assert signal.getsignal(number) is before


def test_the_workers_end_with_the_block(made_app: App) -> None:
    before = threading.active_count()
    with working(made_app):
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_the_first_one_is_named_even_when_it_has_the_same_port(
    cli: Cli, made_app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceline.engines.open_analyzer", lambda *_: MadeAnalyzer())
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        lock = UpLock(made_app.directory)
        lock.acquire(port)
        result = cli("--data", made_app.settings.data, "up", "--port", port)
        lock.release()
        assert result.code == 1
        assert f"process {os.getpid()}, port {port}" in result.err
        result = cli("--data", made_app.settings.data, "up", "--port", port)
        assert result.code == 1
        assert f"port {port} on 127.0.0.1 is taken" in result.err


def test_the_check_of_the_lock_takes_nothing(made_app: App) -> None:
    lock = UpLock(made_app.directory)
    lock.check()
    lock.acquire(1)
    with pytest.raises(ConflictError, match="--worker"):
        UpLock(made_app.directory).check()
    lock.release()
    lock.check()


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("nas", True), ("127.0.0.2", False), ("::1", False)])
def test_the_log_warns_where_others_could_listen_in(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], host: str, warned: bool
) -> None:
    _warn_of_others(host)
    assert any(f"other machines reach {host}" in message for message in caplog.messages) == warned
    assert capsys.readouterr() == ("", "")


def test_a_bad_prefix_is_told_before_anything_starts(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.engines.open_analyzer", lambda *_: MadeAnalyzer())
    monkeypatch.setenv("FACELINE_PROCESSED_PREFIX", "input/results/")
    result = cli("up", "--port", "0")
    assert (result.code, result.out) == (2, "")
    assert "processed_prefix" in result.err
