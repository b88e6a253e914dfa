"""What the suite talks to: `faceline up` as a program, or AWS with `--aws`.

`pytest tests/conformance --aws` runs the same cases against Amazon Rekognition with the credentials, the profile and
the region that boto3 finds. It costs a few hundred requests. Cases marked `ours` are left out, since only our server
can be made to provoke them; cases with photos in S3 need FACELINE_AWS_BUCKET, a bucket in the same region that they may
write to. No run against AWS has been made yet: the project is built where AWS cannot be reached, so that what the suite
says of AWS is what its documentation says. Without `--aws` no network is used but the loopback.
"""

import configparser
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import numpy as np
import pytest
from botocore.config import Config
from numpy.typing import NDArray
from PIL import Image

from acceptance.conftest import jpeg
from commands import Up
from conformance.photos import encoded
from conformance.service import Client, Service

Upload = Callable[[str, bytes], dict[str, Any]]
Connect = Callable[[Service, Config | None], Client]

_LOWERED = {
    "FACELINE_QUOTA_IMAGE_BYTES": "200000",
    "FACELINE_QUOTA_OBJECT_BYTES": "300000",
    "FACELINE_QUOTA_COLLECTIONS": "4",
    "FACELINE_QUOTA_COLLECTION_FACES": "3",
    "FACELINE_QUOTA_COLLECTION_USERS": "2",
    "FACELINE_QUOTA_USER_FACES": "2",
    "FACELINE_QUOTA_COLLECTION_TAGS": "2",
    "FACELINE_MAX_REQUESTS": "1",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--aws"):
        return
    for item in items:
        if item.get_closest_marker("ours"):
            item.add_marker(pytest.mark.skip(reason="only our server can provoke it"))


@pytest.fixture(scope="session")
def up(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    models_dir: Path = request.getfixturevalue("models_dir")
    with Up(tmp_path_factory.mktemp("up") / "data", FACELINE_MODELS_DIR=str(models_dir)) as up:
        yield up.ready()


@pytest.fixture(scope="session")
def strict_up(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One with quotas so low that a test can reach them."""
    data = tmp_path_factory.mktemp("strict") / "data"
    with Up(data, FACELINE_MODELS_DIR=str(models_dir), **_LOWERED) as up:
        yield up.ready()


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest) -> Service:
    if request.config.getoption("--aws"):
        return Service(boto3.Session(), None)
    return service_of(request.getfixturevalue("up"))


@pytest.fixture(scope="session")
def strict(strict_up: Up) -> Service:
    return service_of(strict_up)


def service_of(up: Up) -> Service:
    profiles = configparser.ConfigParser()
    profiles.read(up.data / "credentials")
    keys = profiles["default"]
    session = boto3.Session(keys["aws_access_key_id"], keys["aws_secret_access_key"], region_name=keys["region"])
    return Service(session, f"http://127.0.0.1:{up.port}")


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[Client]:
    client = service.client()
    yield client
    client.close()


@pytest.fixture(scope="session")
def lax(service: Service) -> Iterator[Client]:
    """A client that sends what botocore would refuse to send."""
    client = service.client(Config(parameter_validation=False))
    yield client
    client.close()


@pytest.fixture(scope="session")
def strict_client(strict: Service) -> Iterator[Client]:
    client = strict.client()
    yield client
    client.close()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """`connect(service, config)`: further clients, closed after the test."""
    opened: list[Client] = []

    def connect(service: Service, config: Config | None = None) -> Client:
        opened.append(service.client(config))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


def new_name() -> str:
    return f"faceline-conformance-{uuid.uuid4()}"


def _collection(client: Client) -> Iterator[str]:
    name = new_name()
    client.create_collection(CollectionId=name)
    yield name
    client.delete_collection(CollectionId=name)


@pytest.fixture
def collection(client: Client) -> Iterator[str]:
    yield from _collection(client)


@pytest.fixture
def other_collection(client: Client) -> Iterator[str]:
    yield from _collection(client)


@pytest.fixture
def strict_collection(strict_client: Client) -> Iterator[str]:
    yield from _collection(strict_client)


@pytest.fixture(scope="session")
def upload(request: pytest.FixtureRequest, service: Service) -> Iterator[Upload]:
    """`upload(key, content)` puts a photo where S3Object finds it, and returns `{"S3Object": …}`."""
    if not service.aws:
        yield uploader(request.getfixturevalue("up"))
        return
    bucket = os.environ.get("FACELINE_AWS_BUCKET")
    if not bucket:
        pytest.skip("FACELINE_AWS_BUCKET names no bucket")
    s3 = service.session.client("s3")
    keys: list[str] = []

    def upload(key: str, content: bytes) -> dict[str, Any]:
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        keys.append(key)
        return {"S3Object": {"Bucket": bucket, "Name": key}}

    yield upload
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)
    s3.close()


def uploader(up: Up) -> Upload:
    def upload(key: str, content: bytes) -> dict[str, Any]:
        status, body = up.ask("PUT", f"/buckets/face-input-bucket/{quote(key)}", content)
        assert status == 201, body
        return {"S3Object": {"Bucket": "face-input-bucket", "Name": key}}

    return upload


@pytest.fixture(scope="session")
def portrait(astronaut: NDArray[np.uint8]) -> Image.Image:
    """300 × 300: small, so that examining it is quick."""
    return Image.fromarray(astronaut).crop((80, 0, 380, 300))


@pytest.fixture(scope="session")
def photo(portrait: Image.Image) -> bytes:
    """The portrait as JPEG."""
    return jpeg(portrait)


@pytest.fixture(scope="session")
def nobody() -> bytes:
    return encoded(Image.new("RGB", (300, 200), (120, 150, 120)))


@pytest.fixture(scope="session")
def people(test_data: Path) -> dict[str, list[bytes]]:
    """Several photos each of obama and biden, one face in each."""
    folder = test_data / "photos" / "ageitgey" / "examples" / "knn_examples" / "train"
    return {name: [path.read_bytes() for path in sorted((folder / name).glob("*.jpg"))] for name in ("obama", "biden")}


@pytest.fixture(scope="session")
def six_faces(test_data: Path) -> bytes:
    (path,) = (test_data / "photos" / "facenet-pytorch").rglob("multiface.jpg")
    return path.read_bytes()
