"""Matching reports as readers leaf through them: by name, and never more of them read at once than a page needs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from faceline.errors import InputError, NotFoundError
from faceline.ports import ObjectStore

_MAX_BYTES = 50_000_000
_READ_AT_MOST = 300  # reports for one page, however few of them are wanted: about 60 ms
_KEYS = 500
_END = ".json"

_Similarity = Annotated[float, msgspec.Meta(ge=0, le=100)]


class Ratios(msgspec.Struct, frozen=True, rename="pascal"):
    """A box in parts of the upright image's sides."""

    left: float
    top: float
    width: float
    height: float


class ReportedFace(msgspec.Struct, frozen=True, rename="pascal"):
    face_id: str
    bounding_box: Ratios | None = None


class ReportedMatch(msgspec.Struct, frozen=True, rename="pascal"):
    similarity: _Similarity
    face: ReportedFace
    customer_id: str


class Report(msgspec.Struct, frozen=True, rename="pascal"):
    """As docs/reference/results.md describes it. source: the image's bucket/key. matches: the most similar first."""

    source: str
    matches: list[ReportedMatch]
    customer: str = msgspec.field(name="CustomerID")

    def of(self, customer: str | None) -> list[ReportedMatch]:
        """The matches that this customer has to do with: all of their own report."""
        return [match for match in self.matches if customer in (None, self.customer, match.customer_id)]


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """customer: whose image it is, or who is among the matches. min_similarity: of one of those matches."""

    customer: str | None = None
    min_similarity: float | None = None

    def takes(self, report: Report) -> bool:
        matches = report.of(self.customer)
        if self.customer not in (None, report.customer) and not matches:
            return False
        least = self.min_similarity
        return least is None or any(match.similarity >= least for match in matches)


@dataclass(frozen=True, slots=True)
class ReportPages:
    """Reports are named as their objects, without the prefix and `.json`.

    keys: names objects of a bucket with a prefix, after a key, by key, at most so many.
    """

    objects: ObjectStore
    keys: Callable[[str, str, str, int], Sequence[str]]
    bucket: str
    prefix: str

    def page(self, after: str, limit: int, wanted: ReportFilter) -> tuple[list[tuple[str, Report]], str | None]:
        """Up to `limit` wanted reports behind the one named `after`, and after which to go on; None at the end.

        There may be fewer, or none, and yet more to come: only so many are read at once.
        """
        found: list[tuple[str, Report]] = []
        names = self._names(after)
        for read, name in enumerate(names, 1):
            report = self._read(name)
            if report is not None and wanted.takes(report):
                found.append((name, report))
            if len(found) == limit or read == _READ_AT_MOST:
                return found, name if next(names, None) else None
        return found, None

    def all(self, wanted: ReportFilter) -> Iterator[tuple[str, Report]]:
        for name in self._names(""):
            report = self._read(name)
            if report is not None and wanted.takes(report):
                yield name, report

    def get(self, name: str) -> Report:
        """Raises NotFoundError, also for what is no report."""
        report = self._read(name)
        if report is None:
            raise NotFoundError(f"there is no report {name} in {self.bucket}/{self.prefix}")
        return report

    def _names(self, after: str) -> Iterator[str]:
        key = f"{self.prefix}{after}{_END}" if after else ""
        while keys := self.keys(self.bucket, self.prefix, key, _KEYS):
            yield from (each[len(self.prefix) : -len(_END)] for each in keys if each.endswith(_END))
            key = keys[-1]

    def _read(self, name: str) -> Report | None:
        """None where there is none any more, or something else lies there."""
        try:
            data = self.objects.get(self.bucket, f"{self.prefix}{name}{_END}", _MAX_BYTES)[1]
            return msgspec.json.decode(data, type=Report)
        except (NotFoundError, InputError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
