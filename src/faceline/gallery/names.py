"""What a person may be called."""

import unicodedata
from typing import Any

MAX_LENGTH = 255


def problem_of(name: Any) -> str | None:
    """Why this cannot be somebody's name; None when it can."""
    if not isinstance(name, str):
        return f"a name must be text, not {type(name).__name__}"
    if not name.strip():
        return "a name must not be blank"
    if len(name) > MAX_LENGTH:
        return f"a name may have {MAX_LENGTH} characters at most, this one has {len(name)}"
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name):
        return "a name must not have control characters"
    return None
