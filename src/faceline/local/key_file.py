"""The text of the key file: a section a key, as AWS clients read it; a section that cannot be trusted is no key.

AWS's settings and two of ours, both optional: `faceline_scope` (all, read, detect) and `faceline_collections` (names
and patterns with `*`, separated by commas). https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from faceline.access_keys import AccessKey, KeyScope

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PATTERN = re.compile(r"[A-Za-z0-9_.*-]{1,255}")  # a collection's name as Rekognition has it, with * for any letters
_ID = re.compile(r"\w{16,128}", re.ASCII)  # as AWS has it
_SECRET = re.compile(r"[!-~]{20,}")  # a shorter one could be guessed; ours have 40
_HEADER = re.compile(r"\[(.+)\]")  # as configparser has it
_SETTING = re.compile(r"([^=:]+)[=:](.*)", re.DOTALL)
_TOLD = 1  # faults of a section, and before the first one; others mostly follow from it
# Whatever looks like a restriction that was misspelt: to overlook it would give the key everything.
_MEANT = re.compile("^faceline|^scope$|^collections?$")
_NO_LETTER = re.compile("[^a-z]")
_OURS = frozenset({"faceline_scope", "faceline_collections"})


@dataclass(slots=True)
class _Section:
    """first, last: its first and last line that are no comment, from 0. faults: what is wrong with its lines."""

    name: str
    first: int
    last: int
    settings: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, number: int, line: str) -> None:
        # Indented lines count like others, so that no restriction is overlooked.
        found = _SETTING.match(line)
        name = found[1].strip().lower() if found else ""
        self.last = number
        if found is None:
            self.faults.append(f"line {number + 1} is no setting")
        elif name in self.settings and name.startswith(("aws_", "faceline_")):
            self.faults.append(f"{name} stands there twice")
        elif _MEANT.search(_NO_LETTER.sub("", name)) and name not in _OURS:
            self.faults.append(f"there is no setting {name!a}; there are {' and '.join(sorted(_OURS))}")
        else:
            self.settings[name] = found[2].strip()

    def key(self) -> AccessKey | None:
        """None when it is none; `faults` says why."""
        get = self.settings.get
        access_key_id, secret, scope = get("aws_access_key_id", ""), get("aws_secret_access_key", ""), self._scope()
        collections = tuple(pattern.strip() for pattern in get("faceline_collections", "*").split(","))
        rules = (
            (is_name(self.name), "its name has other than letters, digits, dots, hyphens and underscores"),
            (_ID.fullmatch(access_key_id), "it has no aws_access_key_id of 16 letters and digits or more"),
            (_SECRET.fullmatch(secret), "it has no aws_secret_access_key of 20 characters or more"),
            (scope, f"faceline_scope must be one of {', '.join(KeyScope)}"),
            (all(map(is_pattern, collections)), "faceline_collections must be names or patterns, with commas"),
        )
        self.faults += [fault for holds, fault in rules if not holds]
        return None if self.faults or not scope else AccessKey(self.name, access_key_id, secret, scope, collections)

    def _scope(self) -> KeyScope | None:
        text = self.settings.get("faceline_scope", KeyScope.ALL)
        return KeyScope(text) if text in list(KeyScope) else None


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file as read. keys: of its sound sections, in order. problems: what is wrong with others, without secrets."""

    lines: Sequence[str]
    sections: Sequence[_Section]
    keys: Sequence[AccessKey]
    problems: Sequence[str]

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def region(self) -> str | None:
        return next((s.settings["region"] for s in self.sections if s.settings.get("region")), None)

    def without(self, key: AccessKey) -> str:
        """The text without the key's section; comments around the section stay."""
        gone = next(section for section in self.sections if section.name == key.name)
        return "".join([*self.lines[: gone.first], *self.lines[gone.last + 1 :]])


def section_of(key: AccessKey, region: str) -> str:
    """A new section, with an empty line before it."""
    lines = ["", f"[{key.name}]", f"aws_access_key_id = {key.access_key_id}", f"aws_secret_access_key = {key.secret}"]
    lines.append(f"region = {region}")
    if key.scope != KeyScope.ALL:
        lines.append(f"faceline_scope = {key.scope}")
    if key.collections != ("*",):
        lines.append(f"faceline_collections = {', '.join(key.collections)}")
    return "\n".join([*lines, ""])


def parse(text: str) -> KeyFile:
    """Reads any text; what was not UTF-8 must be there as surrogates."""
    lines = list(io.StringIO(text, newline=""))  # split where configparser splits, and kept as they are
    stray: list[str] = []
    sections = list(_sections(lines, stray))
    names = Counter(section.name for section in sections)
    ids = Counter(section.settings.get("aws_access_key_id") for section in sections)
    for section in sections:
        # Which of two is meant nobody can say; revoking one must not bring the other to life either.
        if names[section.name] > 1:
            section.faults.append("there are several of this name")
        if ids[section.settings.get("aws_access_key_id", "")] > 1:
            section.faults.append("another section has its aws_access_key_id")
    keys = [key for section in sections if (key := section.key())]
    problems = [
        f"the key {s.name!a} at line {s.first + 1}: {', '.join(s.faults[:_TOLD])}" for s in sections if s.faults
    ]
    return KeyFile(lines, sections, keys, [*stray[:_TOLD], *problems])


def _sections(lines: Sequence[str], stray: list[str]) -> Iterator[_Section]:
    current: _Section | None = None
    for number, line in enumerate(map(str.strip, lines)):
        header = _HEADER.match(line)
        if header:
            if current:
                yield current
            current = _Section(header[1], number, number)
        elif line and not line.startswith(("#", ";")):
            if current:
                current.add(number, line)
            else:
                stray.append(f"line {number + 1} stands before the first [name]")
        if not _is_utf8(line):
            (current.faults if current else stray).append(f"line {number + 1} is not UTF-8")
    if current:
        yield current


def is_name(name: str) -> bool:
    # configparser, with which boto3 reads the file, would give what is in [DEFAULT] to all profiles.
    return _NAME.fullmatch(name) is not None and name != "DEFAULT"


def is_pattern(text: str) -> bool:
    return _PATTERN.fullmatch(text) is not None


def _is_utf8(line: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in line)
