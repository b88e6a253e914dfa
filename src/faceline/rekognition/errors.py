"""Errors as clients of Amazon Rekognition know them."""

from faceline.errors import (
    ConflictError,
    FacelineError,
    InputError,
    ModelMismatchError,
    NotFoundError,
    QuotaError,
    UsageError,
)


class WireError(FacelineError):
    """An answer that is an error. code: the exception's name on the wire, such as `InvalidParameterException`.

    status: the HTTP status; 400 for everything that the caller can mend.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def invalid(message: str) -> WireError:
    """The error for a parameter that cannot be used."""
    return WireError("InvalidParameterException", message)


# Where an operation needs another word for one of these, it says so itself.
_CODES: tuple[tuple[type[FacelineError], str], ...] = (
    (NotFoundError, "ResourceNotFoundException"),
    (ConflictError, "ConflictException"),
    (QuotaError, "ServiceQuotaExceededException"),
    (ModelMismatchError, "InvalidParameterException"),
    (InputError, "InvalidParameterException"),
    (UsageError, "InvalidParameterException"),
)


def as_wire(error: FacelineError) -> WireError:
    """What clients are told of an error from below; what only the server's keeper can mend is a 500."""
    if isinstance(error, WireError):
        return error
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    return WireError(code, str(error)) if code else WireError("InternalServerError", str(error), 500)
