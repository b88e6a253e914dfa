"""Somebody who looks at the pages with headless Chromium, and notices what must not happen meanwhile."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"wide": (1280, 860), "phone": (390, 844)}


@dataclass
class Visit:
    """page: logged in. foreign: addresses off the origin that were asked for. errors: the console's complaints."""

    page: Page
    url: str
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def noticed(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != urlsplit(self.url).netloc:
            self.foreign.append(request.url)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. A test without one is skipped, but fails in CI."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        missing = "there is no Chromium on this machine (Debian: apt-get install chromium)"
        (pytest.fail if os.environ.get("FACELINE_NO_SKIPS") else pytest.skip)(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_QUIET, chromium_sandbox=os.geteuid() != 0)
        try:
            yield browser
        finally:
            browser.close()


def log_in(context: BrowserContext, url: str, key: str) -> None:
    """What the form of the login page sends; the context keeps the cookie."""
    answer = context.request.post(f"{url}/login", form={"key": key}, max_redirects=0)
    assert answer.status == 303, answer.text()


@contextmanager
def visit(browser: Browser, url: str, key: str, size: str = "wide", theme: str = "light") -> Iterator[Visit]:
    """A new visitor, who is logged in. On leaving, nothing off the origin was asked for and no script failed."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    log_in(context, url, key)
    page = context.new_page()
    page.set_default_timeout(15_000)
    seen = Visit(page, url)
    page.on("request", seen.noticed)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    try:
        yield seen
        assert not seen.foreign, seen.foreign
        assert not seen.errors, seen.errors
    finally:
        context.close()
