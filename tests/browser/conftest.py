"""A browser for these tests, closed before others run, and for each module a running `faceline up` that it looks at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from commands import Up
from visitor import Visit, chromium, visit


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not for the whole run: playwright's event loop would stand in the way of everybody else's."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def up(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Its key is `up.key`, its address `up.url`; nobody is enrolled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELINE_MODELS_DIR", str(models_dir))
        with Up(tmp_path_factory.mktemp("site") / "data") as up:
            yield up.ready()


@pytest.fixture
def visitor(browser: Browser, up: Up) -> Iterator[Visit]:
    with visit(browser, up.url, up.key) as visitor:
        yield visitor
