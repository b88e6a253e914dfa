"""Every page opens, by the keyboard too, in light and in dark."""

import pytest

from faceline.web.pages import PAGES, Page
from visitor import Visit


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_opens_and_says_what_it_is(visitor: Visit, page: Page) -> None:
    shown = visitor.go(page.path)
    assert page.title in shown.title()
    assert shown.locator("h1").count() == 1


def test_the_choice_of_light_or_dark_stays(visitor: Visit) -> None:
    page = visitor.go("/")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
