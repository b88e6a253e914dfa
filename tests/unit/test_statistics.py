"""Statistics over records and match reports, and their pictures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faceline.analytics.charts import save_charts
from faceline.analytics.statistics import Point, Statistics, Suspects, statistics
from faceline.app import App
from faceline.errors import UsageError
from faceline.ports import Record
from reports import match, put, report

EMPTY = Statistics(None, 0, 0, 0, (0,) * 20, (), "day", (), {}, 0)
SOME = Statistics(
    since="2026-01-01T00:00:00Z",
    faces=5,
    reports=3,
    matches=3,
    similarities=(*(0,) * 10, 1, *(0,) * 7, 1, 1),
    suspects=(Suspects("ada", 2, 2, 99.5, "bob"), Suspects("a $long$ name, and 张伟" * 3, 1, 1, 50.0, "\x1b[31m")),
    period="day",
    over_time=(Point("2026-01-31", 2, 1, 1), Point("2026-02-01", 0, 0, 0), Point("2026-02-02", 3, 3, 2)),
    statuses={"matched": 4, "unknown": 1},
    unreadable=0,
)


def seen(app: App, day: str, number: int, person: str | None = None, status: str = "unknown") -> None:
    key = f"input/{day}-{number}.jpg"
    box = {"left": 0.0, "top": 0.0, "width": 1.0, "height": 1.0}
    row = Record(key, f"{day}T12:00:00+00:00", None, person, 90.0, box, None, "photos", key, "e", status)
    app.records.replace("photos", key, [row])


def test_nothing_found_yet_is_all_zeros(made_app: App) -> None:
    assert statistics(made_app.lake) == EMPTY


def test_matches_are_counted_by_similarity_and_customers_by_others(made_app: App) -> None:
    put(made_app, report("ada", match("bob", 99.5), match("bob", 97.0), match("cleo", 50.0)))
    put(made_app, report("ada", match("dora", 100.0), number=2))
    put(made_app, report("emil", match("bob", 54.99)))
    put(made_app, report("nobody"))
    found = statistics(made_app.lake)
    assert (found.reports, found.matches) == (4, 5)
    assert {n * 5: count for n, count in enumerate(found.similarities) if count} == {50: 2, 95: 3}
    assert found.suspects == (Suspects("ada", 4, 3, 100.0, "dora"), Suspects("emil", 1, 1, 54.99, "bob"))


def test_every_day_between_the_first_and_the_last_is_a_point(made_app: App) -> None:
    seen(made_app, "2026-01-31", 1, "Ada", "matched")
    seen(made_app, "2026-01-31", 2)
    seen(made_app, "2026-02-02", 1, "Ada", "matched")
    seen(made_app, "2026-02-02", 2, "Bob", "matched")
    seen(made_app, "2026-02-02", 3, status="error")
    found = statistics(made_app.lake)
    assert (found.period, found.faces) == ("day", 4)
    assert found.over_time == (
        Point("2026-01-31", 2, 1, 1),
        Point("2026-02-01", 0, 0, 0),
        Point("2026-02-02", 2, 2, 2),
    )
    assert found.statuses == {"matched": 3, "error": 1, "unknown": 1}


@pytest.mark.parametrize(
    ("last", "period", "starts"),
    [
        ("2026-03-03", "day", ["2026-01-01", "2026-03-03"]),
        ("2026-03-05", "week", ["2025-12-29", "2026-03-02"]),
        ("2027-12-31", "month", ["2026-01-01", "2027-12-01"]),
    ],
)
def test_longer_times_are_told_by_weeks_and_months(last: str, period: str, starts: list[str], made_app: App) -> None:
    seen(made_app, "2026-01-01", 1)
    seen(made_app, last, 1)
    found = statistics(made_app.lake)
    assert found.period == period
    assert [found.over_time[0].start, found.over_time[-1].start] == starts
    assert [point.faces for point in found.over_time if point.faces] == [1, 1]


def test_since_leaves_out_what_was_before(made_app: App) -> None:
    seen(made_app, "2026-01-31", 1)
    seen(made_app, "2026-02-02", 1)
    put(made_app, report("ada", match("bob", 99.5)))  # in 2023
    found = statistics(made_app.lake, "2026-02-01T13:00:00+02:00")
    assert (found.since, found.faces, found.reports) == ("2026-02-01T11:00:00Z", 1, 0)
    assert statistics(made_app.lake, "2023-01-01").reports == 1


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00", "'; DROP TABLE records; --"])
def test_a_time_that_is_none_is_refused(text: str, made_app: App) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        statistics(made_app.lake, text)


# Pictures


@pytest.mark.parametrize(
    "found", [EMPTY, SOME, replace(SOME, over_time=SOME.over_time[:1])], ids=["none", "some", "one"]
)
def test_a_picture_is_drawn_of_much_of_little_and_of_nothing(found: Statistics, tmp_path: Path) -> None:
    save_charts(found, tmp_path / "found.png", 90)
    with Image.open(tmp_path / "found.png") as picture:
        assert picture.size == (1430, 990)
        assert np.asarray(picture.convert("L")).min() < 128


def test_an_svg_says_the_figures_as_text(tmp_path: Path) -> None:
    save_charts(SOME, tmp_path / "found.svg", 85)
    text = (tmp_path / "found.svg").read_text(encoding="utf-8")
    for said in (
        "5 faces · 3 match reports · 3 matches, since 2026-01-01",
        "notified from 85 on",
        "99.50 with bob",
        "张伟",
    ):
        assert said in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["found.txt", "found", "nowhere/found.png"])
def test_a_picture_that_cannot_be_written_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="plot"):
        save_charts(EMPTY, tmp_path / name, 90)


def test_the_scale_of_a_histogram_starts_where_matches_do(tmp_path: Path) -> None:
    low: list[Any] = [0] * 20
    low[4] = 3
    save_charts(replace(SOME, similarities=tuple(low)), tmp_path / "low.svg", 90)
    assert ">20<" in (tmp_path / "low.svg").read_text(encoding="utf-8")
