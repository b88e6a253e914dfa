"""The OpenAPI document against the running server: what it allows, and much that it does not, by schemathesis."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import short_urls
from aws_stack import sized
from faceline.app import App
from faceline.engine.analyzer import Wanted
from faceline.gallery.enrolment import Photo
from faceline.types import Face, Frame
from made import BUCKET, MadeAnalyzer, Workflow, open_app, photo
from served import KEY, client, serving

TESTS = Path(short_urls.__file__).parent
EXAMPLES = sized(10, 25)
# Off is positive_data_acceptance: what a cursor, a bucket's name or a photo may be, no schema says. Nobody waits for
# messages, for the time that it takes.
_CONFIG = """
seed = 1
request-timeout = 10
headers = {{ Authorization = "Bearer {key}" }}
generation = {{ deterministic = true, max-examples = {examples}, database = "none" }}
checks = {{ positive_data_acceptance.enabled = false }}

[[operations]]
include-operation-id = "receive"
parameters = {{ "query.wait_s" = 0 }}
"""


class SmallAnalyzer(MadeAnalyzer):
    """Sees nobody in pictures that are too small to say who is in them, as made ones do."""

    def _faces(self, frame: Frame, wanted: Wanted) -> list[Face]:
        return super()._faces(frame, wanted) if frame.pixels.shape[1] > 1 else []


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Somebody is enrolled, and photos were worked on."""
    with open_app(tmp_path / "data", SmallAnalyzer(), keep_unknown_faces=True) as app:
        flow = Workflow(app)
        app.enroll(Photo(photo(person=3), "Ada", "ada.png"))
        app.enroll(Photo(photo(person=4), "Grace", "grace.png"))
        for number in range(6):
            flow.process(f"input/{number}.png", photo(faces=2, person=number + 1))
        yield app


def known(app: App, api: httpx.Client) -> dict[str, list[Any]]:
    """What there is, by the parameters that name it, so that requests get further than 404."""
    collection = app.settings.collection
    people = api.get(f"/api/v1/collections/{collection}/people").raise_for_status().json()["items"]
    return {
        "collection": [collection],
        "face_id": [face.face_id for face in app.face_records.find(collection)],
        "user_id": [person["user_id"] for person in people],
        "bucket": [BUCKET],
        "name": [app.settings.names.requests, app.settings.names.responses],
        "position": [1, 2, 3],
    }


def as_dictionaries(known: dict[str, list[Any]]) -> str:
    """For schemathesis: three requests in four have one of these."""
    values = [f"[dictionaries.{name}]\nvalues = {json.dumps(entries)}" for name, entries in known.items()]
    bound = [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.75 }}' for name in known]
    return "\n".join([*values, "[parameters]", *bound])


def endless(document: dict[str, Any]) -> list[str]:
    """The operations whose answers never end, which no test can wait for."""
    told = [each for path in document["paths"].values() for each in path.values()]
    return [each["operationId"] for each in told if "text/event-stream" in str(each["responses"])]


def test_the_server_does_what_the_document_says(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.web.failures._MOST", 1_000_000)  # hundreds of wrong keys are tried
    config = tmp_path / "schemathesis.toml"
    with serving(app) as url, client(url) as api:
        config.write_text(
            _CONFIG.format(key=KEY, examples=EXAMPLES) + as_dictionaries(known(app, api)), encoding="utf-8"
        )
        left_out = endless(api.get("/openapi.json").json())
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "--no-color", "run"]
        command += [*(f"--exclude-operation-id={name}" for name in left_out), f"{url}/openapi.json"]
        environment = os.environ | {"SCHEMATHESIS_HOOKS": short_urls.__name__, "PYTHONPATH": str(TESTS)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert left_out
    assert done.returncode == 0, done.stdout + done.stderr
