"""AWS JSON 1.1: bytes and headers → an operation → bytes.

The protocol: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

import logging
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from faceline.access_keys import KeyScope
from faceline.app import App
from faceline.errors import FacelineError, ModelMismatchError
from faceline.rekognition.answers import Document
from faceline.rekognition.call import Call
from faceline.rekognition.errors import WireError, as_wire, invalid
from faceline.rekognition.operations import NOT_OFFERED, OPERATIONS, Operation
from faceline.rekognition.repeats import Repeats
from faceline.rekognition.shapes import Members, OfUser
from faceline.rekognition.signing import Claim, Head, check_body, check_head

CONTENT_TYPE = "application/x-amz-json-1.1"
_PREFIX = "RekognitionService."
_PROTOCOL = frozenset(
    {
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "SerializationException",
        "UnknownOperationException",
        "UnrecognizedClientException",
    }
)
_RANK = (KeyScope.DETECT, KeyScope.READ, KeyScope.ALL)
_log = logging.getLogger("faceline.rekognition")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. request_id: of the header x-amzn-RequestId."""

    status: int
    body: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Wire:
    """Thread-safe. now: the time that signatures are held against."""

    def __init__(self, app: App, now: Callable[[], datetime]) -> None:
        self._app, self._now = app, now
        self._repeats = Repeats()
        self._decoders = {name: msgspec.json.Decoder(operation.request) for name, operation in OPERATIONS.items()}

    def admit(self, head: Head) -> Claim:
        """What can be said before the body is read. Raises WireError for a request that is not to be read further."""
        try:
            return check_head(head, self._app.access_keys.find, self._now())
        except WireError:
            raise
        except FacelineError as error:
            _log.warning("the keys cannot be read", extra={"error": str(error)})
            raise _failed() from error

    def answer(self, head: Head, body: bytes) -> Answer:
        """Never raises: what goes wrong is an answer too."""
        name, started = operation_name(head), time.perf_counter()
        facts: dict[str, Any] = {"operation": name}
        try:
            # Once more: the key may have been revoked while the body came.
            claim = self.admit(head)
            facts["key"] = claim.key.name
            answer = Answer(200, msgspec.json.encode(self._answer(name, claim, body, facts)))
        except WireError as error:
            answer = refusal(error)
            facts["error"] = error.code
        except Exception:  # noqa: BLE001 (whatever it is, the client gets an answer and the next request its turn)
            _log.exception("a request failed", extra=facts)
            answer = refusal(_failed())
            facts["error"] = "InternalServerError"
        facts |= {"status": answer.status, "latency_ms": round((time.perf_counter() - started) * 1000, 1)}
        _log.info("request", extra=facts)
        return answer

    def _answer(self, name: str, claim: Claim, body: bytes, facts: dict[str, Any]) -> Document:
        key = check_body(claim, body)
        operation = _operation(name)
        call = Call(self._app, key)
        try:
            if _RANK.index(key.scope) < _RANK.index(operation.scope):
                raise WireError("AccessDeniedException", f"the key {key.name} is for {key.scope} only, not for {name}")
            return self._done(call, operation, name, self._decoded(name, body))
        except FacelineError as error:
            if as_wire(error).status >= 500:
                _log.warning(
                    "the server failed", extra=facts | {"reason": str(error)}
                )  # it may name the keeper's files
                raise _failed() from error
            raise within(operation, as_wire(error)) from error
        finally:
            facts["inference_ms"] = round(call.inference_s * 1000, 2)
            facts["decoding_ms"] = round(call.decoding_s * 1000, 2)

    def _decoded(self, name: str, body: bytes) -> Members:
        try:
            return self._decoders[name].decode(body)
        except msgspec.ValidationError as error:
            said, _, place = str(error).rpartition(" - at `$.") if " - at `$." in str(error) else (str(error), "", "")
            message = _worded(place.rstrip("`"), said)
            wrong_type = ", got `" in said and ", got `null`" not in said
            if wrong_type or said.startswith("Invalid base64"):
                raise WireError("SerializationException", message) from error
            raise invalid(message) from error
        except (ValueError, RecursionError) as error:  # of msgspec, and of text that is not UTF-8
            raise WireError("SerializationException", f"the body is no JSON object: {error}") from error

    def _done(self, call: Call, operation: Operation, name: str, asked: Members) -> Document:
        collection = getattr(asked, "collection_id", None)
        if collection is not None:
            call.allow(collection)
        if not isinstance(asked, OfUser) or asked.client_request_token is None:
            return _run(operation, call, asked)
        plain = msgspec.structs.replace(asked, client_request_token=None)
        token = (call.key.access_key_id, name, asked.client_request_token)
        return self._repeats.once(token, plain, lambda: _run(operation, call, asked))


def _run(operation: Operation, call: Call, asked: Members) -> Document:
    """Once more when the collection's model was changed while the photo was looked at: nothing was done by then."""
    try:
        done = operation.run(call, asked)
    except ModelMismatchError:
        done = operation.run(call, asked)
    _audit(call, operation, asked)
    return done


def _audit(call: Call, operation: Operation, asked: Members) -> None:
    """Whatever changes something goes into the audit log, with whom it concerns."""
    if operation.scope is KeyScope.ALL:
        person = getattr(asked, "user_id", None) or getattr(asked, "external_image_id", None)
        collection = getattr(asked, "collection_id", None)
        call.app.note(
            operation.run.__name__.replace("_", " "), collection, person, actor=f"key:{call.key.access_key_id}"
        )


def _worded(place: str, said: str) -> str:
    """msgspec's words for people who may not know Python."""
    pattern = re.search(r"matching regex '\^(.*)\\\\Z'", said)
    text = f"must match {pattern[1]}".replace("\\\\", "\\") if pattern else said.replace("`", "").replace(" | null", "")
    return f"{place}: {text}" if place else text


def _failed() -> WireError:
    return WireError("InternalServerError", "the server failed; its log says why", 500)


def operation_name(head: Head) -> str:
    """What X-Amz-Target names; empty for anything that is not of this API."""
    target = next(iter(head.values("x-amz-target")), "")
    return target.removeprefix(_PREFIX) if target.startswith(_PREFIX) else ""


def refusal(error: WireError) -> Answer:
    """The body that SDKs make an exception of."""
    document = {"__type": error.code, "Code": error.code, "Message": str(error), "message": str(error)}
    return Answer(error.status, msgspec.json.encode(document))


def _operation(name: str) -> Operation:
    if name in NOT_OFFERED:
        raise WireError("AccessDeniedException", f"faceline does not offer {name}")
    if name not in OPERATIONS:
        raise WireError("UnknownOperationException", "X-Amz-Target names no operation of Amazon Rekognition")
    return OPERATIONS[name]


def within(operation: Operation, error: WireError) -> WireError:
    """The error, if the API's model has it for this operation or all; else the nearest that it has."""
    if error.code in operation.modelled or error.code in _PROTOCOL:
        return error
    return invalid(str(error)) if error.status < 500 else WireError("InternalServerError", str(error), 500)
