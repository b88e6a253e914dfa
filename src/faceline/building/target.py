"""The machine that an artefact is for: AWS Lambda's Python and processor."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from faceline.errors import UsageError

Arch = Literal["x86_64", "arm64"]

# Amazon Linux 2023, which Lambda's runtimes from Python 3.12 on are made of, has glibc 2.34
# (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html). pip takes each tag by its word: `_2_28` does not
# stand for older ones.
_GLIBC_MINORS = range(34, 16, -1)
_OLDEST = 12


@dataclass(frozen=True, slots=True)
class Target:
    """python: `3.13`. arch: as Lambda names it. Raises UsageError for a Python that it has no such runtime for."""

    python: str = "3.13"
    arch: Arch = "x86_64"

    def __post_init__(self) -> None:
        matched = re.fullmatch(r"3\.(\d{1,2})", self.python)
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        if not matched or (int(matched[1]) < _OLDEST and self.python != here):
            raise UsageError(
                f"--python {self.python}: expected 3.{_OLDEST} or later, as Lambda's runtimes on Amazon Linux 2023 "
                f"are, or {here}, which runs this command, to try the artefact here"
            )

    @property
    def platforms(self) -> Sequence[str]:
        """The wheels' platform tags that run there, by PEP 600, the newest first."""
        machine = {"x86_64": "x86_64", "arm64": "aarch64"}[self.arch]
        return (*(f"manylinux_2_{minor}_{machine}" for minor in _GLIBC_MINORS), f"manylinux2014_{machine}")
