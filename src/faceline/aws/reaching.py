"""Whether a deployment can be reached from here, and if not, in one sentence why."""

from typing import NoReturn

from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, PartialCredentialsError, ProfileNotFound

from faceline.aws.clients import Clients, code_of, said
from faceline.errors import NotFoundError, StorageError

_LOG_IN = "log in as for any AWS tool (`aws sso login`, `aws configure`), or set AWS_PROFILE"
_UNKNOWN_KEYS = {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"}


def check_reached(clients: Clients, state_table: str) -> None:
    """Looks at the state table. Raises StorageError without credentials, region or network, NotFoundError when there
    is no such table in this region.
    """
    try:
        with said(f"the table {state_table}"):
            clients.dynamodb.describe_table(TableName=state_table)
    except StorageError as error:
        _explain(error, clients, state_table)


def _explain(error: StorageError, clients: Clients, table: str) -> NoReturn:
    cause = error.__cause__
    if isinstance(cause, NoCredentialsError | PartialCredentialsError):
        raise StorageError(f"there are no AWS credentials here ({cause}); {_LOG_IN}") from cause
    if isinstance(cause, ProfileNotFound):
        raise StorageError(f"AWS_PROFILE cannot be used: {cause}") from cause
    if isinstance(cause, NoRegionError):
        raise StorageError("no AWS region is set; set AWS_REGION to the one of the deployment") from cause
    code = code_of(cause) if isinstance(cause, ClientError) else ""
    if code == "ResourceNotFoundException":
        raise NotFoundError(
            f"there is no table {table} in {clients.dynamodb.meta.region_name}; set FACELINE_ID to the Prefix that the "
            "template was deployed with, and AWS_REGION to its region"
        ) from cause
    if code in _UNKNOWN_KEYS:
        raise StorageError(f"AWS does not take these credentials ({code}); {_LOG_IN}") from cause
    raise error
