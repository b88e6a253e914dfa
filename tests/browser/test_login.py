"""Logging in and out, as people do it. Mostly at /docs, which asks for nothing by itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from commands import Up
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.config import Settings
from visitor import Visit, visit


@pytest.fixture
def stranger(browser: Browser, up: Up) -> Iterator[Visit]:
    """Not logged in."""
    with visit(browser, up.url, up.key) as seen:
        seen.page.context.clear_cookies()
        yield seen


def log_in(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.keyboard.press("Enter")


def test_the_key_leads_to_the_page_that_was_asked_for(stranger: Visit, up: Up) -> None:
    page = stranger.go("/docs?from=a+link")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    expect(page.get_by_label("Key")).to_be_focused()
    expect(page.get_by_text(str(up.data.resolve() / "admin.key"))).to_be_visible()
    log_in(page, up.key)
    page.wait_for_url("**/docs?from=a+link")
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_a_wrong_key_says_so_and_the_right_one_then_opens(stranger: Visit, up: Up) -> None:
    page = stranger.go("/try")
    log_in(page, "not the key")
    expect(page.get_by_role("alert")).to_have_text("This key is not known here. Check that you copied all of it.")
    expect(page.get_by_label("Key")).to_be_focused()
    expect(page.get_by_label("Key")).to_have_value("")
    assert [error for error in stranger.errors if "403" not in error] == []  # which Chromium reports of every such page
    stranger.errors.clear()
    log_in(page, up.key)
    page.wait_for_url("**/try")


def test_after_logging_out_the_way_back_shows_nothing(stranger: Visit, up: Up) -> None:
    page = stranger.go("/")
    log_in(page, up.key)
    page.wait_for_url(f"{up.url}/")
    page.goto(f"{up.url}/docs")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    for _ in range(2):
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.goto(f"{up.url}/try")
    page.wait_for_url("**/login?next=%2Ftry")


def test_a_revoked_token_is_sent_to_the_login_at_its_next_step(stranger: Visit, up: Up) -> None:
    page = stranger.go("/docs")
    with App(Settings(data=up.data)) as beside:
        log_in(page, beside.api_keys.create("desk", ApiScope.READ))
        page.wait_for_url("**/docs")
        assert page.locator("meta[name=scope]").get_attribute("content") == "read"
        beside.api_keys.revoke("desk")
    page.get_by_label("Pages").get_by_role("link", name="Try").click()
    page.wait_for_url("**/login?next=%2Ftry")


def test_a_link_of_another_site_does_not_log_out(visitor: Visit) -> None:
    page = visitor.page
    page.set_content(f'<a href="{visitor.url}/docs">how to ask</a>')
    page.click("a")
    page.wait_for_url("**/docs")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_a_form_of_another_site_does_nothing(visitor: Visit) -> None:
    page = visitor.page
    page.set_content(f'<form method="post" action="{visitor.url}/logout"><button>Win</button></form>')
    page.click("button")
    page.wait_for_url("**/logout")
    assert "refused" in page.content()
    visitor.go("/docs")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    visitor.errors.clear()  # the refusal, which has no icon either
