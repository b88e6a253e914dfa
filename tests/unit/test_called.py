"""What keys and messages say of a person."""

from functools import partial

import pytest

from faceline.called import Keys, message_says
from faceline.config import Settings
from faceline.erasure import Gone
from faceline.events import ObjectCreated, to_json
from faceline.local.forgetting import Naming

BUCKET = Settings().input_bucket


def said(name: str, body: str, reason: str = "") -> bool:
    naming = Naming(Gone(name, (), everywhere=True))
    keys = Keys.of(Settings())
    return partial(message_says, says=naming.test(), key_says=naming.test_key(keys))(body, reason)


def event(key: str) -> str:
    return to_json(ObjectCreated(BUCKET, key, "etag", 1, "2026-01-31T12:00:00.000Z"))


@pytest.mark.parametrize("name", ["1", "input", "2", "s3", "Records"])
def test_a_message_about_somebody_elses_upload_is_not_theirs_whom_its_event_says_by_chance(name: str) -> None:
    assert not said(name, event("input/zoe_1.png"), f"{BUCKET}/input/zoe_1.png: cannot be read; zoe_1.png is no image")


def test_a_message_about_their_upload_is_theirs() -> None:
    assert said("ann lee", event("input/ann_lee_1.png"))
    assert said("ann", event("enroll/ann/1.png"))


def test_a_message_whose_reason_names_them_is_theirs() -> None:
    assert said("Ada", event("enroll/zoe.png"), "enroll/zoe.png: the same photo is enrolled as Ada")


def test_another_message_is_theirs_when_it_names_them() -> None:
    assert said("Ada", '{"request_id": "7", "result": "Ada"}')
    assert not said("Ada", '{"request_id": "7", "result": "Grace"}')
