"""AWS on loopback for tests: ministack, which `FACELINE_MINISTACK` leads to (see docs/how-to/run-on-aws.md)."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
_START_S = 30.0


def program() -> str | None:
    """ministack's own, in an environment of its own; None where it is not installed."""
    return os.environ.get("FACELINE_MINISTACK")


def environment(url: str) -> dict[str, str]:
    """What leads boto3 there."""
    return {"AWS_ENDPOINT_URL": url, **KEYS}


@contextmanager
def ministack(program: str, folder: Path, auth: bool = False) -> Iterator[str]:
    """The address of a fresh one, which keeps what it keeps under `folder`. auth: permissions are enforced."""
    port = _free_port()
    places = {name: str(folder / name.lower()) for name in ("STATE_DIR", "S3_DATA_DIR")}
    for place in places.values():
        Path(place).mkdir(parents=True)
    settings = {
        "IOT_MTLS_ENABLED": "0",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        **places,
        "ATHENA_DATA_DIR": places["S3_DATA_DIR"],
        **({"AUTH": "true"} if auth else {}),
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FACELINE_"))}
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen([program], env=inherited | settings, stdout=log, stderr=log, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, process, folder / "ministack.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"ministack did not start: {log.read_text(errors='replace')[-2000:]}")
