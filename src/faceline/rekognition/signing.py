"""Who signed a request: AWS Signature Version 4, verified.

A request is checked in two steps, so that nobody without a key makes the server read a body: `check_head` refuses all
that can be refused without it, `check_body` verifies the signature. Nothing here reads a clock, a file or a socket.

The signature covers the method, path, query, the headers that it names and the body. There is no nonce: the same bytes
are good again within the 15 minutes, as at AWS. Canonical form and key derivation:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_to_bytes

from faceline.access_keys import AccessKey
from faceline.rekognition.errors import WireError

SERVICE = "rekognition"
WINDOW = timedelta(minutes=15)
_ALGORITHM = "AWS4-HMAC-SHA256"
_TERMINATOR = "aws4_request"
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_PARTS = ("Credential", "SignedHeaders", "Signature")
_ONLY_ONCE = ("authorization", "date", "host", "x-amz-date")
_CREDENTIAL = re.compile(r"[!-.0-~]+/[0-9]{8}/[a-z0-9-]+/[!-.0-~]+/[!-.0-~]+")  # no part has a slash
_BASIC_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-]0000)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_SHOWN_CHARACTERS = 100  # of what a caller sent, in messages

Find = Callable[[str], AccessKey | None]


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. path, query: as sent, still percent-encoded.

    headers: lower-case names and values (bytes read as ISO 8859-1), in order, as received.
    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        """Of all headers of this name."""
        return [value for other, value in self.headers if other == name]


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose request it is if `check_body` agrees. scope: date/region/service/aws4_request.

    canonical: the canonical request up to the body's hash. body_hash: what the request says that it is, if it does.
    """

    key: AccessKey
    timestamp: str
    scope: str
    signature: str
    canonical: str
    body_hash: str | None


@dataclass(frozen=True, slots=True)
class _Authorization:
    credential: str
    signed_headers: tuple[str, ...]
    signature: str

    @property
    def access_key_id(self) -> str:
        return self.credential.partition("/")[0]

    @property
    def scope(self) -> str:
        return self.credential.partition("/")[2]


def check_head(head: Head, find: Find, now: datetime) -> Claim:
    """Raises WireError, always with status 400, for a head that no body could make a well-signed request.

    now: with a time zone. What `find` raises passes through.
    """
    authorization = _authorization(head)
    timestamp = _timestamp(head)
    _check_signed_headers(head, authorization.signed_headers)
    key = _known_key(head, authorization.access_key_id, find)
    _check_window(timestamp, now)
    _check_scope(authorization.scope, timestamp)
    canonical = _canonical(head, authorization.signed_headers)
    return Claim(key, timestamp, authorization.scope, authorization.signature, canonical, _declared_hash(head))


def check_body(claim: Claim, body: bytes) -> AccessKey:
    """The key that signed the request; raises WireError `InvalidSignatureException` when it did not."""
    body_hash = hashlib.sha256(body).hexdigest()
    if claim.body_hash not in (None, body_hash):
        raise _invalid("The value of the header x-amz-content-sha256 is not the SHA-256 of the request's body.")
    request_hash = hashlib.sha256(_bytes(f"{claim.canonical}\n{body_hash}")).hexdigest()
    text = f"{_ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{request_hash}"
    expected = _hmac(signing_key(claim.key.secret, claim.scope), text).hex()
    if not hmac.compare_digest(expected.encode("ascii"), claim.signature.encode("ascii", "replace")):
        raise _invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
    return claim.key


def signing_key(secret: str, scope: str) -> bytes:
    """The 32 bytes that sign for a day, region and service. scope: date/region/service/aws4_request."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _authorization(head: Head) -> _Authorization:
    if not head.values("authorization"):  # a presigned query too: SDKs make none for this API
        raise WireError("MissingAuthenticationTokenException", "Missing Authentication Token")
    for name in _ONLY_ONCE:
        if len(head.values(name)) > 1:
            raise _incomplete(f"The header {name!r} must stand in the request once.")
    algorithm, _, rest = head.values("authorization")[0].strip().partition(" ")
    if algorithm != _ALGORITHM:
        raise _incomplete(f"Authorization header requires the algorithm {_ALGORITHM!r}.")
    parts = [part.strip().partition("=") for part in rest.split(",")]
    given = {name: value for name, _, value in parts}
    missing = [name for name in _PARTS if not given.get(name)]
    if missing:
        raise _incomplete(" ".join(f"Authorization header requires {name!r} parameter." for name in missing))
    if len(parts) != len(_PARTS):
        raise _incomplete(f"Authorization header must have {', '.join(_PARTS)} once each and nothing else.")
    return _Authorization(_credential(given), tuple(given["SignedHeaders"].split(";")), given["Signature"])


def _credential(given: dict[str, str]) -> str:
    credential = given["Credential"]
    if not _CREDENTIAL.fullmatch(credential):
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got {_shown(credential)}."
        )
    return credential


def _timestamp(head: Head) -> str:
    """When the request was signed, as YYYYMMDD'T'HHMMSS'Z'; Date counts where there is no X-Amz-Date."""
    text = next(iter(head.values("x-amz-date") + head.values("date")), None)
    if text is None:
        raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    try:
        if _HTTP_DATE.fullmatch(text):
            parsed = parsedate_to_datetime(text)
            return f"{parsed.year:04}{parsed:%m%dT%H%M%SZ}"  # %Y has three digits for some years
        if _BASIC_DATE.fullmatch(text):
            datetime.strptime(text, _TIMESTAMP).replace(tzinfo=UTC)
            return text
    except ValueError:  # of that form, but no day or no time
        pass
    raise _incomplete(f"Date must be in ISO-8601 'basic format'. Got {_shown(text)}.")


def _check_signed_headers(head: Head, signed: tuple[str, ...]) -> None:
    # AWS asks for host, the date, and whatever begins with x-amz-; the older of its SDKs leave Content-Type out.
    present = {name for name, _ in head.headers}
    if list(signed) != sorted({name.lower() for name in signed}):
        raise _incomplete("SignedHeaders must be lower-case names in order, each once.")
    date = "x-amz-date" if "x-amz-date" in present else "date"
    required = {"host", date} | {name for name in present if name.startswith("x-amz-")}
    unsigned = sorted(required - set(signed))
    if unsigned:
        raise _incomplete(f"{_shown(unsigned[0])} must be a 'SignedHeader' in the AWS Authorization.")
    absent = sorted(set(signed) - present)
    if absent:
        raise _incomplete(f"{_shown(absent[0])} is a 'SignedHeader' and is not in the request.")


def _known_key(head: Head, access_key_id: str, find: Find) -> AccessKey:
    # The code tells an unknown key from a wrong signature, as at AWS: so the time taken need not hide it.
    key = None if head.values("x-amz-security-token") else find(access_key_id)
    if key is None:
        raise WireError("UnrecognizedClientException", "The security token included in the request is invalid.")
    return key


def _check_window(timestamp: str, now: datetime) -> None:
    signed = datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    current = now.astimezone(UTC)
    earliest, latest = (moment.strftime(_TIMESTAMP) for moment in (current - WINDOW, current + WINDOW))
    if signed < current - WINDOW:
        raise _invalid(
            f"Signature expired: {timestamp} is now earlier than {earliest} ({current:{_TIMESTAMP}} - 15 min.)"
        )
    if signed > current + WINDOW:
        raise _invalid(
            f"Signature not yet current: {timestamp} is still later than {latest} ({current:{_TIMESTAMP}} + 15 min.)"
        )


def _check_scope(scope: str, timestamp: str) -> None:
    date, _, service, terminator = scope.split("/")
    if service != SERVICE:
        raise _invalid(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if terminator != _TERMINATOR:
        raise _invalid(f"Credential should be scoped with a valid terminator: '{_TERMINATOR}'.")
    if date != timestamp[:8]:
        raise _invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date}' != '{timestamp[:8]}', from '{timestamp}'."
        )


def _declared_hash(head: Head) -> str | None:
    values = head.values("x-amz-content-sha256")
    if not values:
        return None
    if len(values) > 1 or not _SHA256.fullmatch(values[0]):
        raise _invalid(
            "x-amz-content-sha256 must be the SHA-256 of the body in hexadecimal; unsigned ones are refused."
        )
    return values[0]


def _canonical(head: Head, signed: tuple[str, ...]) -> str:
    """The canonical request without its last line, the body's hash."""
    headers = [f"{name}:{','.join(_trimmed(value) for value in head.values(name))}\n" for name in signed]
    lines = (head.method, _canonical_path(head.path), _canonical_query(head.query), "".join(headers), ";".join(signed))
    return "\n".join(lines)


def _canonical_path(path: str) -> str:
    """Without dot segments and empty ones (RFC 3986, 5.2.4), and encoded once more: what all services but S3 do."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    end = "/" if kept and path.endswith("/") else ""
    return quote(_bytes(f"/{'/'.join(kept)}{end}"), safe="/~")


def _canonical_query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    return "&".join(f"{name}={value}" for name, value in sorted((_encoded(n), _encoded(v)) for n, _, v in pairs))


def _encoded(part: str) -> str:
    return quote(unquote_to_bytes(_bytes(part)), safe="-_.~")


def _trimmed(value: str) -> str:
    return _SPACES.sub(" ", value).strip(" ")


def _bytes(text: str) -> bytes:
    # Signers sign UTF-8. Whatever a caller put into a header must not fail here.
    return text.encode("utf-8", "surrogatepass")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, _bytes(text), "sha256")


def _shown(text: str) -> str:
    return ascii(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def _incomplete(message: str) -> WireError:
    return WireError("IncompleteSignatureException", message)


def _invalid(message: str) -> WireError:
    return WireError("InvalidSignatureException", message)
