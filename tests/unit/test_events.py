"""Events as JSON: our own, and what S3 sends."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceline.errors import InputError
from faceline.events import ObjectCreated, from_json, request_id_of, to_json

SAMPLES = Path(__file__).parent.parent / "events"

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
created = st.builds(
    ObjectCreated,
    bucket=words,
    key=words,
    etag=st.text("0123456789abcdef", max_size=32),
    size=st.integers(0, 2**40),
    time=st.just("2026-01-31T12:00:00.000+00:00"),
    version=st.one_of(st.just(""), words),
)


@given(created)
def test_an_event_survives_the_way_through_json(event: ObjectCreated) -> None:
    assert from_json(to_json(event)) == [event]


@pytest.mark.parametrize("key", ["input/two words.jpg", "input/a+b.jpg", "input/100%25.jpg", "input/Zoë 写真.jpg"])
def test_keys_are_written_as_s3_writes_them_and_read_back(key: str) -> None:
    body = to_json(ObjectCreated("photos", key, "e", 1, "t"))
    written = json.loads(body)["Records"][0]["s3"]["object"]["key"]
    assert written.isascii()
    assert " " not in written
    assert written.startswith("input/")
    assert from_json(body)[0].key == key


def test_a_key_from_s3_is_decoded() -> None:
    (event,) = from_json(sample("object_created_spaces_plus_unicode"))
    assert event.key == "input/two words/1+1 = 2 Zoë 100%.jpg"
    assert (event.bucket, event.size) == ("face-input-bucket", 48213)


def test_every_creation_in_a_body_is_read_and_nothing_else() -> None:
    first, second = from_json(sample("several_records"))
    assert (first.key, first.version, first.event_id) == ("input/a.jpg", "v7", "face-input-bucket/input/a.jpg@v7")
    assert (second.key, second.version, second.event_id) == ("input/b.jpg", "", "face-input-bucket/input/b.jpg@b")


def test_s3s_test_message_gives_no_event() -> None:
    assert from_json(sample("test_event")) == []


def test_the_same_bytes_have_one_event_id_and_other_bytes_another() -> None:
    event = ObjectCreated("photos", "a.jpg", "etag-1", 1, "noon")
    repeated = ObjectCreated("photos", "a.jpg", "etag-1", 1, "a minute later")
    replaced = ObjectCreated("photos", "a.jpg", "etag-2", 1, "noon")
    assert event.event_id == repeated.event_id != replaced.event_id


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("", "not JSON"),
        ("{{ template }}", "not JSON"),
        ("[]", "Records"),
        ("null", "Records"),
        ('{"Records": {}}', "Records"),
        ('{"Records": [{"eventName": "ObjectCreated:Put"}]}', "s3"),
        ('{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a"}}}]}', "bucket"),
        ('{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {}}}]}', "key"),
        (
            '{"Records": [{"eventName": "ObjectCreated:Put",'
            ' "s3": {"bucket": {"name": "b"}, "object": {"key": "a", "size": "large"}}}]}',
            "large",
        ),
        (
            '{"Records": [{"eventName": "ObjectCreated:Put",'
            ' "s3": {"bucket": {"name": "b"}, "object": {"key": "a", "size": 1e999}}}]}',
            "infinity",
        ),
        ('{"Records":[{"s3":' + "[" * 60_000, "nested too deeply"),
        ('{"Records":[' + "[" * 500 + "]" * 500 + "]}", "100 deep"),
        ('{"Records":["\\ud800"]}', "surrogates"),
    ],
)
def test_a_malformed_body_is_refused_with_what_is_wrong(body: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        from_json(body)


@pytest.mark.parametrize("body", ['{"Records":[{"s3":' + "[" * 60_000, '{"request_id": "\\ud800"}', "x"])
def test_of_what_cannot_be_read_no_request_id_is_told(body: str) -> None:
    assert request_id_of(body) == ""


def test_a_real_event_from_aws_is_read(test_data: Path) -> None:
    (file,) = test_data.rglob("aws_events/fns/notify_matches/event.json")
    (event,) = from_json(file.read_text(encoding="utf-8"))
    assert event.key == "output/Hans_Blix_0006.jpg.json"
    assert (event.size, event.etag) == (115, "17de71e209774efaba86a2da8781fafc")


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.json").read_text(encoding="utf-8")
