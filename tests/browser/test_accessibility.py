"""axe-core finds nothing serious on any page, light and wide, dark and on a phone, and nothing lies beyond the edge."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from commands import Up
from filled import filled, of_the_portrait
from scenes import SCENES, Scene, photos_of
from visitor import SIZES, Visit, visit

LOOKS = [("wide", "light"), ("phone", "dark")]
_GRAVE = ("serious", "critical")
# Of the operations, which are all made alike, so many that each method is among them; axe-core takes its time.
_SOME = "() => [...document.querySelectorAll('article')].slice(12).forEach((each) => each.remove())"
_BEYOND = """() => {
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    const all = [...document.querySelectorAll("body *")];
    const beyond = all.filter((each) => each.getBoundingClientRect().right > innerWidth);
    return beyond.map((each) => `${each.tagName}.${each.className}#${each.id}`).slice(0, 8);
}"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos_of(of_the_portrait(), tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def site(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELINE_MODELS_DIR", str(models_dir))
        with filled(tmp_path_factory.mktemp("site") / "data", of_the_portrait()) as up:
            yield up


@pytest.fixture(scope="module")
def visitor(browser: Browser, site: Up) -> Iterator[Visit]:
    with visit(browser, site.url, site.key) as visitor:
        yield visitor


@pytest.mark.parametrize(("size", "theme"), LOOKS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_page_can_be_used_by_everybody(visitor: Visit, photos: Path, scene: Scene, size: str, theme: str) -> None:
    _look(visitor.page, size, theme)
    page = scene.set(visitor, photos)
    assert _beyond(page) == []
    if scene.name == "docs":
        page.evaluate(_SOME)
    assert _complaints(page) == []


@pytest.mark.parametrize("path", ["/login", "/login?next=/people"])
def test_so_can_the_way_in(browser: Browser, site: Up, path: str) -> None:
    page = browser.new_page()
    for size, theme in LOOKS:
        _look(page, size, theme)
        page.goto(site.url + path)
        assert _beyond(page) == []
        assert _complaints(page) == []
    page.close()


def _look(page: Page, size: str, theme: str) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")


def _complaints(page: Page) -> list[str]:
    """Rule, element and reason of each."""
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in _GRAVE
        for node in found["nodes"]
    ]


def _beyond(page: Page) -> list[str]:
    """What makes the page wider than the window."""
    found: list[str] = page.evaluate(_BEYOND)
    return found
