"""Every page with something on it, as people come to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from filled import CLIP, Cast, crowd
from visitor import Visit

SETTLED_MS = 500


def _nothing(page: Page, photos: Path) -> None:
    pass


@dataclass(frozen=True)
class Scene:
    """path: of the page. do: what is done there; gets the folder with group.jpg, one.jpg and other.jpg."""

    name: str
    path: str
    do: Callable[[Page, Path], object] = _nothing

    def set(self, visitor: Visit, photos: Path) -> Page:
        page = visitor.go(self.path)
        page.wait_for_timeout(SETTLED_MS)
        self.do(page, photos)
        page.wait_for_timeout(SETTLED_MS)
        return page


def photos_of(cast: Cast, folder: Path) -> Path:
    """What is dropped in Try."""
    photos = next(iter(cast.people.values()))
    for name, photo in (("group", crowd(cast)), ("one", photos[0]), ("other", photos[1])):
        (folder / f"{name}.jpg").write_bytes(photo)
    return folder


def _tab(name: str) -> Callable[[Page, Path], object]:
    return lambda page, photos: page.get_by_role("tab", name=name).click()


def _person(page: Page, photos: Path) -> None:
    page.locator("main a[href^='/person']").first.click()


def _asked(button: str) -> Callable[[Page, Path], object]:
    def do(page: Page, photos: Path) -> None:
        _person(page, photos)
        page.get_by_role("button", name=button).first.click()
        page.get_by_role("dialog").wait_for()

    return do


def _drop(*names: str) -> Callable[[Page, Path], object]:
    def do(page: Page, photos: Path) -> None:
        page.locator("main input[type=file]").first.set_input_files([photos / name for name in names])
        page.wait_for_timeout(2_000)

    return do


def _best_frame(page: Page, photos: Path) -> None:
    page.get_by_role("link", name=CLIP).click()
    page.locator(".bar").first.click()
    page.wait_for_timeout(SETTLED_MS)
    page.evaluate("window.scrollTo(0, 0)")


SCENES = (
    Scene("live", "/"),
    Scene("live-one", "/", lambda page, photos: page.locator(".entry-open").last.click()),
    Scene("people", "/people"),
    Scene("person", "/people", _person),
    Scene("person-merge", "/people", _asked("Merge with somebody")),
    Scene("person-delete", "/people", _asked("Delete")),
    Scene("try", "/try"),
    Scene("try-group", "/try", _drop("group.jpg")),
    Scene("try-pair", "/try", _drop("one.jpg", "other.jpg")),
    Scene("review", "/review"),
    Scene("review-reports", "/review", _tab("Match reports")),
    Scene("review-statistics", "/review", _tab("Statistics")),
    Scene("videos", "/videos"),
    Scene("video", "/videos", _best_frame),
    Scene("health", "/health"),
    Scene("docs", "/docs"),
)
