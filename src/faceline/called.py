"""What an object's key says of a person: by what its uploader called it, and not by where it lies or what it is."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote_plus

from faceline.config import Settings
from faceline.erasure import same_name
from faceline.errors import InputError
from faceline.events import from_json
from faceline.gallery.sources import label_of

_ENDING = re.compile(r"(?:\.\w{1,5})?\.json$|\.\w{1,5}$")  # a result's name may have its photo's ending, too
_ETAG = re.compile(r"@[\w-]*$")
_NUMBER = re.compile(r"[ _-](\d+)$")
_SEPARATOR = re.compile(r"[/\\]+")


@dataclass(frozen=True, slots=True)
class Keys:
    """prefixes: of keys, of bucket/key, and of events' ids, which are there before anybody calls an object something.

    enroll: those of uploads to enrol somebody, whose folders are people.
    """

    prefixes: tuple[str, ...]
    enroll: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings, *more_buckets: str) -> "Keys":
        s, names = settings, settings.names
        buckets = [s.input_bucket, *names[:4], names.images, names.matches, *more_buckets]
        folders = ["", s.input_prefix, s.processed_prefix, s.enroll_prefix, s.matching_prefix, s.matching_output_prefix]
        places = [*folders, *(f"{bucket}/{folder}" for bucket in buckets for folder in folders)]
        found = dict.fromkeys([*places, *(f"owner:{place}" for place in places)])
        enroll = (s.enroll_prefix, f"{s.input_bucket}/{s.enroll_prefix}")
        return cls(tuple(sorted(found, key=len, reverse=True)), enroll)

    def mentions(self, key: str, says: Callable[[str], bool]) -> bool:
        """Whether it says the person, otherwise than by the number that it ends with: `2_1.png` is not 1's.

        key: also bucket/key, with an etag as events have it. says: whether a text does.
        """
        text = _ENDING.sub("", self._called(key))
        number = _NUMBER.search(text)
        return says(text) and not (number and says(number[1]) and not says(text[: number.start()]))

    def is_called(self, key: str, name: str) -> bool:
        """Whether it is the person's by its whole name, as `input/ann_2.jpg` is Ann's, or by the folder it was put into
        to enrol them. key: also bucket/key.
        """
        parts = [part for part in _SEPARATOR.split(self._called(key)) if part]
        if not parts:
            return False
        enrolled = any(key.startswith(prefix) for prefix in self.enroll)
        return is_label(parts[-1], name) if len(parts) == 1 or not enrolled else same_name(name, parts[0])

    def _called(self, key: str) -> str:
        text = _ETAG.sub("", key)
        return text.removeprefix(next((prefix for prefix in self.prefixes if text.startswith(prefix)), ""))


def outcome_texts(outcome: str) -> tuple[list[str], list[str]]:
    """Of what an event came to, as receipts keep it: the keys of what was made, and what else may name somebody.

    What is no JSON object is the key of the upload that owns a name (`pipelines.owning`).
    """
    try:
        made = json.loads(outcome)
    except ValueError:
        return [outcome], []
    if not isinstance(made, dict):
        return [], [outcome]
    keys = [value for value in made.values() if isinstance(value, str)]
    return keys, [json.dumps(value) for value in made.values() if isinstance(value, list | dict)]


def message_says(body: str, reason: str, says: Callable[[str], bool], key_says: Callable[[str], bool]) -> bool:
    """Whether a message names the person, or why it failed does. Of an event it is what its object is called."""
    try:
        events = from_json(body)
    except InputError:
        events = []
    if not events:
        return says(body) or says(reason)
    for event in events:
        for word in (event.bucket, event.key, quote_plus(event.key, safe="/"), PurePosixPath(event.key).name):
            reason = reason.replace(word, " ")
    return any(key_says(f"{event.bucket}/{event.key}") for event in events) or says(reason)


def is_label(file_name: str, name: str) -> bool:
    """With its number or without it, as somebody may be called `robot_2`."""
    return any(same_name(name, each) for each in (label_of(file_name), PurePosixPath(file_name).stem))


def is_customers(image_id: str, customer: str, name: str) -> bool:
    """Whether the customer of an image is this person. Of a name without an underscore all of it is the customer."""
    return same_name(name, customer) or (customer == image_id and is_label(image_id, name))
