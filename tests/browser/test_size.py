"""With 10,000 people and 100,000 entries the pages are there within a second, and searching them is no wait."""

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from commands import Up
from crowded import crowd, name
from visitor import Visit, visit

_FIRST_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""


@pytest.fixture(scope="module")
def site(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("site") / "data"
    crowd(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELINE_MODELS_DIR", str(models_dir))
        with Up(data) as up:
            yield up.ready()


@pytest.fixture
def visitor(browser: Browser, site: Up) -> Iterator[Visit]:
    with visit(browser, site.url, site.key) as visitor:
        yield visitor


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/", ".entry-open"),
        ("/people", "main a[href^='/person']"),
        ("/review", "#panel-pairs .empty"),
        ("/review?tab=statistics", "#panel-statistics svg"),
        ("/health", "main table >> visible=true"),
    ],
)
def test_a_page_is_painted_within_a_second(visitor: Visit, path: str, content: str) -> None:
    painted, filled = [], []
    for _ in range(3):
        page = visitor.go(path)
        page.wait_for_selector(content)
        filled.append(page.evaluate("() => performance.now()"))
        painted.append(page.evaluate(_FIRST_PAINT))
    assert median(painted) < 1_000
    assert median(filled) < 2_000


def test_people_are_scrolled_through_page_by_page(visitor: Visit) -> None:
    page = visitor.go("/people")
    cards = page.locator("main a[href^='/person']")
    cards.first.wait_for()
    first = cards.count()
    while (shown := cards.count()) < 3 * first:
        page.mouse.wheel(0, 20_000)
        expect(cards.nth(shown)).to_be_attached()
    assert len(set(cards.evaluate_all("all => all.map((each) => each.href)"))) == len(cards.all())


@pytest.mark.parametrize("path", ["/api/v1/activity?person={}", "/api/v1/collections/my-face-collection/people?q={}"])
def test_one_person_is_found_in_half_a_second(site: Up, path: str) -> None:
    took_s = []
    for number in (17, 4_321, 9_999):
        started = time.perf_counter()
        status, body = site.ask("GET", path.format(quote(name(number))))
        took_s.append(time.perf_counter() - started)
        assert status == 200
        assert name(number).encode() in body
    assert median(took_s) < 0.5
