"""Events as JSON: our own, and what S3 sends."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceline.errors import InputError
from faceline.events import ObjectCreated, from_document, from_json, is_later, request_id_of, to_json

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
    sequencer=st.text("0123456789ABCDEF", max_size=18),
)


@given(created)
def test_an_event_survives_the_way_through_json(event: ObjectCreated) -> None:
    (read,) = from_json(to_json(event))
    assert (read, read.sequencer) == (event, event.sequencer)


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


@pytest.mark.parametrize("name", ["s3_versioned", "sns_envelope", "sns_event"])
def test_an_event_is_the_same_in_the_envelope_of_sns(name: str) -> None:
    (event,) = from_document(json.loads(sample(name)))
    assert event == ObjectCreated(
        "face-input-bucket",
        "input/João & Eva+co.jpg",
        "0123456789abcdef0123456789abcdef",
        1024,
        "2026-01-31T12:00:00.123Z",
        "096fKKXTRTtl3on89fVO.nfljtsv6qko",
    )
    assert (event.request_id, event.sequencer) == ("7D2C0F5E9A6B41D3", "0055AED6DCD90281E5")


def test_a_key_from_eventbridge_is_as_it_is() -> None:
    (event,) = from_json(sample("eventbridge_object_created"))
    assert event.key == "input/100% João+Eva.jpg"
    assert event.event_id == "face-input-bucket/input/100% João+Eva.jpg@IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"
    assert (event.size, event.request_id, event.sequencer) == (5, "N4N7GDK58NMKJ12R", "617f08299329d189")


@pytest.mark.parametrize("name", ["sns_envelope_of_test_event", "eventbridge_object_deleted"])
def test_what_creates_nothing_gives_no_event(name: str) -> None:
    assert from_json(sample(name)) == []


@pytest.mark.parametrize(
    ("later", "earlier"), [("02", "01"), ("0055AED6DCD90281E5", "0055AED6DCD90281E4"), ("11", "1"), ("b", "A0")]
)
def test_a_greater_sequencer_is_of_a_later_writing(later: str, earlier: str) -> None:
    assert is_later(later, earlier)
    assert not is_later(earlier, later)


@pytest.mark.parametrize(("one", "other"), [("", "1"), ("1", ""), ("1", "1"), ("1", "10"), ("a0", "A")])
def test_equal_and_unknown_sequencers_tell_of_no_later_writing(one: str, other: str) -> None:
    assert not is_later(one, other)


def test_a_sequencer_is_no_part_of_what_happened() -> None:
    first, again = (ObjectCreated("photos", "a.jpg", "etag", 1, "noon", sequencer=each) for each in ("01", "02"))
    assert first == again
    assert first.event_id == again.event_id


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
        ('{"Type": "Notification", "Message": "hello"}', "not JSON"),
        ('{"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": "a"}}}', "bucket"),
        ('{"source": "aws.s3", "detail-type": "Object Created", "detail": []}', "EventBridge"),
    ],
)
def test_a_malformed_body_is_refused_with_what_is_wrong(body: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        from_json(body)


@pytest.mark.parametrize("place", [("s3", "bucket", "name"), ("s3", "object", "key"), ("s3", "object", "eTag")])
def test_half_a_surrogate_pair_in_an_event_that_comes_directly_is_refused(place: tuple[str, str, str]) -> None:
    document = json.loads(to_json(ObjectCreated("photos", "a.jpg", "etag", 1, "noon")))
    document["Records"][0][place[0]][place[1]][place[2]] = "a\ud800"
    with pytest.raises(InputError, match="surrogates"):
        from_document(document)


def test_half_a_surrogate_pair_in_an_event_of_eventbridge_is_refused() -> None:
    document = json.loads(sample("eventbridge_object_created"))
    document["detail"]["object"]["key"] = "a\ud800"
    with pytest.raises(InputError, match="surrogates"):
        from_document(document)


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
