"""Which bucket names and object keys are allowed: on a disk, and in S3 too, so that each holds what the other has."""

import re
import sys
import unicodedata

from faceline.errors import ObjectKeyError

TEMP_PREFIX = ".faceline-tmp-"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_WINDOWS = frozenset('<>:"|?*')  # `a:b` would be a second stream of the file `a`


def check_bucket(bucket: str) -> str:
    """The name, if it follows S3's rule; raises ObjectKeyError otherwise."""
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ObjectKeyError(
            f"{bucket!r} is not a bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens, "
            "with a letter or digit at both ends and no two dots together"
        )
    return bucket


def check_key(key: str) -> tuple[str, ...]:
    """The key's parts; raises ObjectKeyError when it could leave its bucket or cannot be a file's name."""
    reason = _refusal(key)
    if reason:
        raise ObjectKeyError(f"the object key {_shown(key)} is refused: {reason}")
    return tuple(key.split("/"))


def is_key(key: str) -> bool:
    """Whether `check_key` takes it."""
    return not _refusal(key)


def _refusal(key: str) -> str:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode; rename the file"
    rules = (
        (not key, "it is empty"),
        (size > 1024, f"it has {size:,} bytes in UTF-8, 1,024 are allowed"),
        (any(unicodedata.category(c) == "Cc" for c in key), "it has a NUL or another control character"),
        ("\\" in key, "it has a backslash; separate folders with /"),
        (key.startswith("/"), "it starts with /; keys are relative to their bucket"),
    )
    broken = next((reason for holds, reason in rules if holds), "")
    return broken or next((reason for part in key.split("/") if (reason := _part_refusal(part))), "")


def _part_refusal(part: str) -> str:
    if not part:
        return "it ends with / or has two / together"
    if part in (".", ".."):
        return f"it has the part {part!r}"
    if len(part.encode()) > 255:
        return "a part between slashes has more than 255 bytes in UTF-8"
    if part.startswith(TEMP_PREFIX):
        return f"names starting with {TEMP_PREFIX} are for files being written"
    if sys.platform == "win32" and (_WINDOWS & set(part) or part.endswith((".", " "))):
        return "Windows does not allow this name"
    return ""


def _shown(key: str) -> str:
    return ascii(key if len(key) <= 100 else f"{key[:97]}…")
