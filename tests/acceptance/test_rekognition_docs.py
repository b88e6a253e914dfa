"""What the page on moving from Rekognition prints, run as it is printed."""

import configparser
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
from PIL import Image

from commands import Up, environment
from conformance.clips import encoded

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "move-from-rekognition.md"
ADDRESS = "http://127.0.0.1:8765"
CLIENTS = {"v1": f'exec {sys.executable} -m awscli "$@"', "v2": 'exec /usr/bin/aws --endpoint-url "$ENDPOINT" "$@"'}


def printed(language: str, section: str = "") -> list[str]:
    """The page's blocks in this language, of the part between the section's comments if there is one."""
    text = PAGE.read_text(encoding="utf-8")
    if section:
        text = text.partition(f"<!-- {section} -->")[2].partition("<!-- end -->")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def up(tmp_path: Path, models_dir: Path, astronaut_jpeg: bytes) -> Iterator[Up]:
    """In a folder with the page's photos."""
    for name in ("ada.jpg", "also-ada.jpg"):
        (tmp_path / name).write_bytes(astronaut_jpeg)
    with Up(tmp_path / "faceline-data", FACELINE_MODELS_DIR=str(models_dir)) as up:
        yield up.ready()


def variables(up: Up, models_dir: Path) -> dict[str, str]:
    """What a shell has after the page's two exports."""
    address = f"http://127.0.0.1:{up.port}"
    return environment(
        FACELINE_MODELS_DIR=str(models_dir),
        AWS_SHARED_CREDENTIALS_FILE=str(up.data / "credentials"),
        AWS_ENDPOINT_URL_REKOGNITION=address,
        AWS_PAGER="",
        ENDPOINT=address,
    )


def shim(folder: Path, name: str, command: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture(params=CLIENTS)
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with `faceline` and `aws`: the client of PyPI, or the one of Debian's package, where it is installed."""
    if request.param == "v2" and not Path("/usr/bin/aws").exists():
        if os.environ.get("FACELINE_NO_SKIPS"):
            pytest.fail("/usr/bin/aws is not there; in CI this is a failure")
        pytest.skip("/usr/bin/aws is not there")
    folder = tmp_path / "bin"
    shim(folder, "aws", CLIENTS[request.param])
    shim(folder, "faceline", f'exec {sys.executable} -m faceline "$@"')
    return folder


def test_the_tutorial_runs_with_the_aws_cli(up: Up, programs: Path, models_dir: Path, tmp_path: Path) -> None:
    out = shell("tutorial", up, programs, models_dir, tmp_path)
    for word in ("CollectionArn", "FaceRecords", '"Faces"', '"Similarity": 100.0', "FaceDetails", "MouthOpen"):
        assert word in out


@pytest.mark.parametrize("programs", ["v1"], indirect=True)  # the other one is older than users
def test_the_steps_with_users_run_with_the_aws_cli(up: Up, programs: Path, models_dir: Path, tmp_path: Path) -> None:
    out = shell("users", up, programs, models_dir, tmp_path)
    for word in ("AssociatedFaces", '"UserStatus": "ACTIVE"', "UserMatches", '"Similarity": 100.0'):
        assert word in out


def shell(section: str, up: Up, programs: Path, models_dir: Path, folder: Path) -> str:
    """Standard output of a section's commands."""
    script = "".join(printed("sh", section))
    assert script.count("aws rekognition") >= 5
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=variables(up, models_dir) | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_steps_in_python_run(up: Up, models_dir: Path, tmp_path: Path) -> None:
    steps, *_ = printed("python")
    done = python(steps, up, models_dir, tmp_path)
    assert done == "ada 100.0\n"
    (search,) = printed("python", "video")
    up.ask("PUT", "/buckets/face-input-bucket/videos/clip.mp4", clip_of(tmp_path / "ada.jpg"))
    state, *seen = python(search, up, models_dir, tmp_path).splitlines()
    assert (state, seen) == ("SUCCEEDED ", ["0 0 ['ada']", "200 0 ['ada']"])


def clip_of(photo: Path) -> bytes:
    """An MP4 of 0.4 seconds that shows nothing else."""
    with Image.open(photo) as picture:
        return encoded([picture.convert("RGB")] * 4)


def python(program: str, up: Up, models_dir: Path, folder: Path, *arguments: str, **more: str) -> str:
    """Standard output of a block of the page, its address replaced by the server's."""
    assert ADDRESS in program
    done = subprocess.run(
        [sys.executable, "-c", program.replace(ADDRESS, f"http://127.0.0.1:{up.port}"), *arguments],
        cwd=folder,
        env=variables(up, models_dir) | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as GetObject needs: files of a folder, as /bucket/key."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        data = (self.folder / self.path.partition("?")[0].lstrip("/")).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class calls it so)
        """Says nothing."""


@pytest.fixture
def s3(tmp_path: Path, astronaut_jpeg: bytes) -> Iterator[str]:
    """The address of a bucket my-photos with the photos of the page's manifest, and one that is no photo."""
    folder = tmp_path / "my-photos" / "staff"
    folder.mkdir(parents=True)
    (folder / "ada-1.jpg").write_bytes(astronaut_jpeg)
    (folder / "grace.jpg").write_bytes(b"GIF89a")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Bucket, tmp_path))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_collections_are_indexed_again_from_a_manifest(up: Up, models_dir: Path, tmp_path: Path, s3: str) -> None:
    (tmp_path / "manifest.csv").write_text(printed("csv")[0])
    keys = configparser.ConfigParser()
    keys.read(up.data / "credentials")
    default = keys["default"]
    (program,) = printed("python", "reindex")
    own = {"AWS_ENDPOINT_URL_S3": s3, "AWS_DEFAULT_REGION": "us-east-1"}
    for _ in range(2):  # run again, it adds nothing
        out = python(program, up, models_dir, tmp_path, "manifest.csv", "staff", str(up.data / "credentials"), **own)
        assert out.startswith("staff/grace.jpg: An error occurred (InvalidImageFormatException)")
        session = boto3.Session(default["aws_access_key_id"], default["aws_secret_access_key"], region_name="us-east-1")
        client = session.client("rekognition", endpoint_url=f"http://127.0.0.1:{up.port}")
        labels = [face["ExternalImageId"] for face in client.list_faces(CollectionId="staff")["Faces"]]
        client.close()
        assert labels == ["ada"]
