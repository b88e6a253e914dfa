"""Signature Version 4: botocore signs, we verify; whatever is changed on the way is refused, each for its reason."""

import hashlib
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, given
from hypothesis import strategies as st

from faceline.access_keys import AccessKey
from faceline.rekognition.errors import WireError
from faceline.rekognition.signing import Head, check_body, check_head, signing_key

NOW = datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
KEY = AccessKey("default", "FLKAAAAAAAAAAAAAAAAA", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = "127.0.0.1:8765"
TARGET = "RekognitionService.DetectFaces"
INCOMPLETE, INVALID = "IncompleteSignatureException", "InvalidSignatureException"
UNRECOGNISED, MISSING = "UnrecognizedClientException", "MissingAuthenticationTokenException"

header_names = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20).map("x-own-{}".format)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x85\xa0")
regions = st.from_regex(r"[a-z]{2}(-[a-z0-9]+){1,3}", fullmatch=True)


@dataclass(frozen=True)
class Sent:
    """A request as the server gets it."""

    head: Head
    body: bytes

    def verify(self, now: datetime = NOW) -> AccessKey:
        return check_body(check_head(self.head, find, now), self.body)

    def refusal(self, now: datetime = NOW) -> WireError:
        with pytest.raises(WireError) as raised:
            self.verify(now)
        assert raised.value.status == 400
        return raised.value

    def value(self, name: str) -> str:
        (value,) = self.head.values(name)
        return value

    def with_header(self, name: str, value: str | None) -> "Sent":
        """With this header instead of those of its name; None: without."""
        others = [pair for pair in self.head.headers if pair[0] != name]
        return replace(self, head=replace(self.head, headers=[*others, *([] if value is None else [(name, value)])]))

    def and_header(self, name: str, value: str) -> "Sent":
        return replace(self, head=replace(self.head, headers=[*self.head.headers, (name, value)]))

    def rewritten(self, old: str, new: str) -> "Sent":
        """With another Authorization header."""
        before = self.value("authorization")
        assert re.search(old, before)
        return self.with_header("authorization", re.sub(old, new, before))


def find(access_key_id: str) -> AccessKey | None:
    return KEY if access_key_id == KEY.access_key_id else None


def signed(
    body: bytes = b'{"Image":{}}',
    headers: Sequence[tuple[str, str]] = (),
    url: str = "/",
    scope: tuple[str, str] = ("us-east-1", "rekognition"),
    at: datetime = NOW,
    key: AccessKey = KEY,
) -> Sent:
    """As botocore sends it. scope: region and service."""
    request = AWSRequest("POST", f"http://{HOST}{url}", data=body)
    request.headers["X-Amz-Target"] = TARGET
    request.headers["Content-Type"] = "application/x-amz-json-1.1"
    for name, value in headers:
        request.headers.add_header(name, value)
    with patch("botocore.auth.get_current_datetime", lambda: at):
        SigV4Auth(Credentials(key.access_key_id, key.secret), scope[1], scope[0]).add_auth(request)
    received = [(name.lower(), value) for name, value in request.headers.items()]
    path, _, query = url.partition("?")
    return Sent(Head("POST", path, query, [("host", HOST), ("user-agent", "x"), *received]), body)


SENT = signed()


# What is signed well


@given(st.binary(max_size=2000), st.lists(st.tuples(header_names, header_values), max_size=4), regions)
def test_what_botocore_signs_is_verified(body: bytes, headers: list[tuple[str, str]], region: str) -> None:
    assert signed(body, headers, scope=(region, "rekognition")).verify() is KEY


def test_the_derived_key_is_that_of_the_documentation() -> None:
    # https://docs.aws.amazon.com/general/latest/gr/signature-v4-examples.html, as it stood in 2020
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830/us-east-1/iam/aws4_request")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("a   b \t c  ", "a b c"),
        ('  "a   b"', '"a b"'),
        ("", ""),
        ("é\xa0", "é"),
    ],
)
def test_header_values_are_trimmed_and_their_spaces_collapsed(sent: str, canonical: str) -> None:
    request = signed(headers=[("x-own", canonical)])
    assert request.verify() is KEY
    if "\xa0" not in sent:
        assert request.with_header("x-own", sent).verify() is KEY
    else:
        assert request.with_header("x-own", sent).refusal().code == INVALID


def test_repeated_headers_count_in_the_order_of_their_arrival() -> None:
    headers = [("x-own", "b"), ("x-own", "a")]
    request = signed(headers=headers)
    assert request.verify() is KEY
    assert request.with_header("x-own", "b,a").verify() is KEY
    assert request.with_header("x-own", "a").and_header("x-own", "b").refusal().code == INVALID


@pytest.mark.parametrize(
    "url",
    ["/a/b", "//a/./b/../c/", "/..", "/a%20b", "/%C3%A9~_.-", "/?b=2&a=1", "/?a=2&a=10&A=1&a-b=0", "/?a", "/?a=%20%2F"],
)
def test_paths_and_queries_are_made_canonical(url: str) -> None:
    assert signed(url=url).verify() is KEY


def test_parts_of_the_query_are_encoded_the_same_however_they_were_sent() -> None:
    request = signed(url="/?a=%2Ab~")
    assert replace(request, head=replace(request.head, query="a=*b%7e")).verify() is KEY


def test_a_date_header_will_do() -> None:
    request = signed(headers=[("Date", "")])
    assert request.value("date").endswith("00:05:00 -0000")
    assert not request.head.values("x-amz-date")
    assert request.verify() is KEY
    assert request.refusal(NOW + timedelta(hours=1)).code == INVALID


def test_the_body_hash_may_be_told() -> None:
    told = hashlib.sha256(SENT.body).hexdigest()
    request = signed(headers=[("X-Amz-Content-SHA256", told)])
    assert request.verify() is KEY
    assert replace(request, body=b"x").refusal().code == INVALID


def test_headers_that_are_not_signed_may_change() -> None:
    assert SENT.with_header("user-agent", "\xff\x00").and_header("x-amzn-trace-id", "1").verify() is KEY


def test_the_older_sdks_sign_no_content_type() -> None:
    request = AWSRequest("POST", f"http://{HOST}/", data=b"{}", headers={"X-Amz-Target": TARGET})
    with patch("botocore.auth.get_current_datetime", lambda: NOW):
        SigV4Auth(Credentials(KEY.access_key_id, KEY.secret), "rekognition", "eu-west-1").add_auth(request)
    headers = [("host", HOST), ("content-type", "a/b"), *((n.lower(), v) for n, v in request.headers.items())]
    assert Sent(Head("POST", "/", "", headers), b"{}").verify() is KEY


def test_an_authorization_may_be_written_without_spaces_and_in_another_order() -> None:
    assert SENT.rewritten(", ", ",").verify() is KEY
    assert SENT.rewritten("(Credential=.*), (Signature=.*)", r"\2, \1").verify() is KEY


def test_the_same_bytes_are_good_again_within_the_window_only() -> None:
    assert [SENT.verify(NOW + timedelta(minutes=minutes)) for minutes in (0, 5, 15)] == [KEY] * 3
    assert SENT.refusal(NOW + timedelta(minutes=16)).code == INVALID


# What was changed on the way


@given(st.integers(0, len(SENT.body) - 1), st.integers(1, 255))
def test_another_body_is_refused(at: int, flip: int) -> None:
    body = bytearray(SENT.body)
    body[at] ^= flip
    assert replace(SENT, body=bytes(body)).refusal().code == INVALID


@pytest.mark.parametrize("body", [b"", SENT.body + b" ", SENT.body[:-1], SENT.body * 2])
def test_a_longer_or_shorter_body_is_refused(body: bytes) -> None:
    assert replace(SENT, body=body).refusal().code == INVALID


@given(st.sampled_from(["host", "content-type", "x-amz-target"]), st.data())
def test_another_value_of_a_signed_header_is_refused(name: str, data: st.DataObject) -> None:
    value = SENT.value(name)
    changed = _with_another_character(value, data)
    assert SENT.with_header(name, changed).refusal().code == INVALID
    assert SENT.with_header(name, None).refusal().code == INCOMPLETE


@given(st.data())
def test_another_character_of_the_authorization_is_refused(data: st.DataObject) -> None:
    value = SENT.value("authorization")
    changed = _with_another_character(value, data)
    assume(changed.replace(" ", "") != value.replace(" ", ""))
    assert SENT.with_header("authorization", changed).refusal().code in (INCOMPLETE, INVALID, UNRECOGNISED)


@given(st.data())
def test_another_character_of_the_signature_is_refused_as_a_wrong_signature(data: st.DataObject) -> None:
    signature = SENT.value("authorization")[-64:]
    changed = _with_another_character(signature, data, st.sampled_from("0123456789abcdefABCDEFgé\u2028😀"))
    assert SENT.rewritten(signature, changed).refusal().code == INVALID


@given(st.data())
def test_another_date_is_refused(data: st.DataObject) -> None:
    changed = _with_another_character(SENT.value("x-amz-date"), data, st.sampled_from(string.digits + "TZ٣ "))
    assert SENT.with_header("x-amz-date", changed).refusal().code in (INCOMPLETE, INVALID)


@pytest.mark.parametrize("change", [{"method": "PUT"}, {"path": "/x"}, {"query": "a=1"}])
def test_another_method_path_or_query_is_refused(change: dict[str, str]) -> None:
    head = replace(SENT.head, **change)  # type: ignore[arg-type]
    assert replace(SENT, head=head).refusal().code == INVALID


def _with_another_character(text: str, data: st.DataObject, others: st.SearchStrategy[str] = VISIBLE) -> str:
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(others)
    assume(other != text[at])
    return f"{text[:at]}{other}{text[at + 1 :]}"


# Who, when, for what


def test_a_wrong_secret_is_a_wrong_signature() -> None:
    refusal = signed(key=replace(KEY, secret="x" * 40)).refusal()
    assert refusal.code == INVALID
    assert "The request signature we calculated does not match" in str(refusal)


def test_an_unknown_key_is_refused_before_the_body_is_read() -> None:
    request = signed(key=replace(KEY, access_key_id="FLKBBBBBBBBBBBBBBBBB"))
    with pytest.raises(WireError, match=r"^The security token included in the request is invalid\.$") as raised:
        check_head(request.head, find, NOW)
    assert raised.value.code == UNRECOGNISED


@pytest.mark.parametrize("token", ["x", ""])
def test_a_session_token_is_none_of_ours(token: str) -> None:
    assert signed(headers=[("X-Amz-Security-Token", token)]).refusal().code == UNRECOGNISED


@pytest.mark.parametrize(("seconds", "good"), [(899, True), (900, True), (901, False)])
def test_a_request_is_good_for_15_minutes_before_and_after(seconds: int, good: bool) -> None:
    for now in (NOW - timedelta(seconds=seconds), NOW + timedelta(seconds=seconds)):
        if good:
            assert SENT.verify(now) is KEY
        else:
            assert SENT.refusal(now).code == INVALID


def test_a_late_request_is_told_all_times() -> None:
    assert str(SENT.refusal(NOW + timedelta(minutes=20))) == (
        "Signature expired: 20260301T000500Z is now earlier than 20260301T001000Z (20260301T002500Z - 15 min.)"
    )


def test_an_early_request_is_told_all_times() -> None:
    now = (NOW - timedelta(minutes=20)).astimezone()
    assert str(SENT.refusal(now)) == (
        "Signature not yet current: 20260301T000500Z is still later than 20260301T000000Z (20260228T234500Z + 15 min.)"
    )


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("/20260301/", "/20260228/", "'20260228' != '20260301', from '20260301T000500Z'"),
        ("/rekognition/", "/s3/", "correct service: 'rekognition'"),
        ("/aws4_request", "/aws5_request", "valid terminator: 'aws4_request'"),
    ],
)
def test_another_scope_is_refused(old: str, new: str, what: str) -> None:
    refusal = SENT.rewritten(old, new).refusal()
    assert refusal.code == INVALID
    assert what in str(refusal)


def test_a_signature_for_another_service_or_region_is_refused() -> None:
    assert signed(scope=("us-east-1", "s3")).refusal().code == INVALID
    assert SENT.rewritten("us-east-1", "us-west-1").refusal().code == INVALID


# The form


@pytest.mark.parametrize(
    "value", [None, *("Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1 Credential=x", "", " ", "é")]
)
def test_an_authorization_of_another_kind_is_incomplete(value: str | None) -> None:
    assert SENT.with_header("authorization", value).refusal().code == (MISSING if value is None else INCOMPLETE)


def test_a_presigned_query_is_no_authorization() -> None:
    request = AWSRequest("POST", f"http://{HOST}/", data=b"{}")
    SigV4QueryAuth(Credentials(KEY.access_key_id, KEY.secret), "rekognition", "us-east-1").add_auth(request)
    head = Head("POST", "/", request.url.partition("?")[2], [("host", HOST)])
    assert "X-Amz-Signature=" in head.query
    assert Sent(head, b"{}").refusal().code == MISSING


CREDENTIAL = f"{KEY.access_key_id}/20260301/us-east-1/rekognition/aws4_request"


@pytest.mark.parametrize(
    "credential",
    [
        KEY.access_key_id,
        f"{CREDENTIAL}/more",
        CREDENTIAL.replace("us-east-1", ""),
        CREDENTIAL.replace("us-east-1", "US-EAST-1"),
        CREDENTIAL.replace("us-east-1", "us_east"),
        CREDENTIAL.replace("20260301", "2026301"),
        CREDENTIAL.replace("20260301", "٢٠٢٦٠٣٠١"),
        CREDENTIAL.replace(KEY.access_key_id, ""),
        CREDENTIAL.replace(KEY.access_key_id, "ÿ"),
        "/" * 5000,
    ],
)
def test_a_credential_of_another_form_is_incomplete(credential: str) -> None:
    refusal = SENT.rewritten("Credential=[^,]*", f"Credential={credential}").refusal()
    assert refusal.code == INCOMPLETE
    assert "exactly 5 slash-delimited elements" in str(refusal)
    assert len(str(refusal)) < 500


@pytest.mark.parametrize("part", ["Credential", "SignedHeaders", "Signature"])
def test_every_part_of_the_authorization_must_be_there_once(part: str) -> None:
    for request in (SENT.rewritten(f"{part}=[^,]*(, )?", ""), SENT.rewritten(f"{part}=[^,]*", f"{part}=")):
        refusal = request.refusal()
        assert refusal.code == INCOMPLETE
        assert str(refusal) == f"Authorization header requires '{part}' parameter."
    assert SENT.rewritten(f"({part}=[^,]*)", r"\1, \1").refusal().code == INCOMPLETE


@pytest.mark.parametrize("name", ["authorization", "host", "x-amz-date", "date"])
def test_a_header_that_must_be_one_is_refused_twice(name: str) -> None:
    request = signed(headers=[("Date", "")]) if name == "date" else SENT
    refusal = request.and_header(name, request.value(name)).refusal()
    assert refusal.code == INCOMPLETE
    assert f"'{name}'" in str(refusal)


@pytest.mark.parametrize("name", ["host", "x-amz-date", "x-amz-target"])
def test_what_must_be_signed_is_refused_unsigned(name: str) -> None:
    names = ["content-type", "host", "x-amz-date", "x-amz-target"]
    left = ";".join(other for other in names if other != name)
    refusal = SENT.rewritten("SignedHeaders=[^,]*", f"SignedHeaders={left}").refusal()
    assert refusal.code == INCOMPLETE
    assert f"'{name}' must be a 'SignedHeader'" in str(refusal)


def test_a_header_of_amazons_that_was_added_on_the_way_is_refused() -> None:
    assert SENT.and_header("x-amz-more", "1").refusal().code == INCOMPLETE


def test_a_date_header_that_is_used_must_be_signed() -> None:
    request = signed(headers=[("Date", "")])
    assert request.rewritten("content-type;date;", "content-type;").refusal().code == INCOMPLETE


@pytest.mark.parametrize(
    "names", ["x-amz-target;x-amz-date;host", "Host;x-amz-date;x-amz-target", "host;host;x-amz-date", ";host", "host;"]
)
def test_signed_headers_must_be_lower_case_names_in_order(names: str) -> None:
    assert SENT.rewritten("SignedHeaders=[^,]*", f"SignedHeaders={names}").refusal().code == INCOMPLETE


def test_no_date_is_refused() -> None:
    refusal = SENT.with_header("x-amz-date", None).refusal()
    assert refusal.code == INCOMPLETE
    assert "either a 'X-Amz-Date' or a 'Date' header" in str(refusal)


DATES = (
    "",
    "now",
    "2026-03-01T00:05:00Z",
    "20260301T000500",
    "20261301T000500Z",
    "20260230T000500Z",
    "20260301T000560Z",
)
HTTP_DATES = ("Sun, 01 Mar 2026", "Sun, 31 Feb 2026 00:05:00 GMT", "Sun, 01 Foo 2026 00:05:00 GMT", "٢" * 16)


@pytest.mark.parametrize(
    "text", [*DATES, *HTTP_DATES, "Sun, 01 Mar 2026 25:05:00 GMT", "Sun, 01 Mar 2026 00:05:00 +0100"]
)
def test_a_date_that_is_none_is_refused(text: str) -> None:
    refusal = SENT.with_header("x-amz-date", text).refusal()
    assert refusal.code == INCOMPLETE
    assert "ISO-8601 'basic format'" in str(refusal)


@pytest.mark.parametrize("year", [1, 50, 999, 9999])
def test_a_date_of_another_age_is_only_out_of_the_window(year: int) -> None:
    for text in (format_datetime(NOW.replace(year=year)), f"{year:04}0301T000500Z"):
        assert SENT.with_header("x-amz-date", text).refusal().code == INVALID


@pytest.mark.parametrize(
    "told",
    [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "",
        hashlib.sha256(SENT.body).hexdigest().upper(),
    ],
)
def test_a_body_that_is_not_covered_is_refused_before_it_is_read(told: str) -> None:
    request = signed(headers=[("X-Amz-Content-SHA256", told)])
    with pytest.raises(WireError, match="x-amz-content-sha256") as raised:
        check_head(request.head, find, NOW)
    assert raised.value.code == INVALID


# Garbage

anything = st.text(st.characters(exclude_categories=[]), max_size=60)
known_names = st.sampled_from(
    ["authorization", "host", "x-amz-date", "date", "x-amz-target", "x-amz-security-token", "x-amz-content-sha256", ""]
)


@given(st.lists(st.tuples(known_names | anything, anything), max_size=8), anything, anything, anything, st.binary())
def test_garbage_is_refused_and_never_fails(
    headers: list[tuple[str, str]], method: str, path: str, query: str, body: bytes
) -> None:
    Sent(Head(method, path, query, headers), body).refusal()


@given(
    st.sampled_from(["authorization", "x-amz-date", "host", "x-amz-content-sha256", "x-amz-target"]),
    anything,
    st.sampled_from([Sent.with_header, Sent.and_header]),
)
def test_one_header_of_garbage_is_refused(name: str, value: str, put: Callable[[Sent, str, str], Sent]) -> None:
    assume(name != "authorization" or value != SENT.value(name))
    put(SENT, name, value).refusal()


@given(anything, anything, anything, anything)
def test_an_authorization_of_garbage_in_the_right_form_is_refused(
    credential: str, names: str, signature: str, path: str
) -> None:
    value = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    request = SENT.with_header("authorization", value)
    replace(request, head=replace(request.head, path=path, query=path)).refusal()
    value = (
        f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host;x-amz-date;x-amz-target, Signature={signature}"
    )
    request = SENT.with_header("authorization", value)
    replace(request, head=replace(request.head, path=path, query=path)).refusal()
