"""What a person may be called."""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

MAX_LENGTH = 255
_USER_ID = re.compile(r"[a-zA-Z0-9_.\-:]+")  # as Amazon Rekognition has it


def problem_of(name: Any) -> str | None:
    """Why this cannot be somebody's name; None when it can."""
    if not isinstance(name, str):
        return f"a name must be text, not {type(name).__name__}"
    if not name.strip():
        return "a name must not be blank"
    if len(name) > MAX_LENGTH:
        return f"a name may have {MAX_LENGTH} characters at most, this one has {len(name)}"
    if has_controls(name):
        return "a name must not have control characters"
    return None


def has_controls(text: str) -> bool:
    """Whether there are control characters or lone surrogates in it, newlines too."""
    return any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text)


def user_id_of(name: str, max_length: int = 128) -> str:
    """The name as Amazon Rekognition's clients may spell it: itself where its pattern allows, else one made of it.

    max_length: 128 for users, 255 for external image ids. The made one is what remains of the name and eight
    hexadecimal digits of its hash, so that two names that are written alike stay two people. `.` and `..` get one too:
    in a path they mean another place.
    """
    if _USER_ID.fullmatch(name) and len(name) <= max_length and name not in (".", ".."):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^a-zA-Z0-9_.:-]+', '_', name)[:100]}-{digest}"


def like_names(name: str, known: Iterable[str]) -> str:
    """The end of a message about somebody who is not known: up to three who are and are spelled much alike."""
    of_folded = {each.casefold().replace("_", " "): each for each in sorted(known)}
    near = difflib.get_close_matches(name.casefold().replace("_", " "), of_folded, 3, 0.8)
    return f"; known are {', '.join(of_folded[each] for each in near)}" if near else ""
