"""The page Health: what is wrong, and mending it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from commands import Up, wait_until
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.config import Settings
from visitor import Visit, visit

IMAGES = "/buckets/faceline-images"


@pytest.fixture(scope="module")
def up(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Images are matched by a list of customers, which is not there yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELINE_MODELS_DIR", str(models_dir))
        data = tmp_path_factory.mktemp("health") / "data"
        settings = {"FACELINE_MATCHING_MANIFEST": "customers.csv", "FACELINE_LOG_FORMAT": "json"}
        with Up(data, **settings) as up:
            yield up.ready()


def test_what_failed_is_shown_and_done_once_it_can_be(visitor: Visit, up: Up, astronaut_jpeg: bytes) -> None:
    page = visitor.go("/health")
    expect(page.locator("#state")).to_contain_text("All is well.")
    expect(page.locator("#dead")).to_contain_text("all work could be done")

    status, _ = up.ask("PUT", f"{IMAGES}/images/ada.jpg", astronaut_jpeg)
    assert status == 201
    letter = page.locator("#dead tbody tr")  # it comes without a reload
    expect(letter).to_contain_text("faceline-images/images/ada.jpg")
    expect(letter).to_contain_text("there is no faceline-images/customers.csv")
    expect(page.locator("#state")).to_contain_text("1 dead letter")
    request_id = re.search(r"request (\w+)", letter.inner_text())
    assert request_id
    logged = [json.loads(line) for line in up.err.splitlines()]
    assert {line["message"] for line in logged if line.get("request_id") == request_id[1]} == {"http", "message buried"}

    up.ask("PUT", f"{IMAGES}/customers.csv", b"image,customer\nada.jpg,ada\n")
    page.get_by_role("button", name="Send faceline-images/images/ada.jpg again").click()
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(page.locator("#toasts")).to_contain_text("1 message is back in the queue.")
    expect(page.locator("#dead")).to_contain_text("all work could be done")
    expect(page.locator("#dead-title")).to_be_focused()
    expect(page.locator("#state")).to_contain_text("All is well.")
    wait_until(lambda: "image matched" in up.err, "the work")


def test_what_comes_is_counted_without_a_reload(visitor: Visit, up: Up, astronaut_jpeg: bytes) -> None:
    page = visitor.go("/health")
    expect(page.locator("#throughput")).to_contain_text("Nothing came")
    up.ask("PUT", "/buckets/face-input-bucket/input/a.jpg", astronaut_jpeg)
    up.ask("PUT", "/buckets/face-input-bucket/input/b.jpg", b"no photo")
    expect(page.locator("#errors")).to_contain_text("input/b.jpg")
    expect(page.get_by_role("figure", name="the last hour")).to_be_visible()
    expect(page.locator("#latency")).to_contain_text("of 2 entries")
    expect(page.locator("#collections")).to_contain_text("my-face-collection")


def test_the_page_asks_again_until_it_is_paused(visitor: Visit) -> None:
    page = visitor.page
    page.clock.install()
    visitor.go("/health")
    expect(page.locator("#collections")).to_contain_text("my-face-collection")
    with page.expect_request("**/api/v1/health"):
        page.clock.run_for(10_000)
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_request("**/api/v1/health"):
        pause.click()


def test_a_poison_message_is_looked_at_and_deleted(visitor: Visit, up: Up) -> None:
    with App(Settings(data=up.data)) as app:
        app.queue.send("<b>poison</b>")
    page = visitor.go("/health")
    page.get_by_text("The message", exact=True).click()
    expect(page.locator(".letters .body")).to_have_text("<b>poison</b>")
    page.get_by_role("button", name="Delete the dead letter").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#dead")).to_contain_text("all work could be done")
    expect(page.locator("#dead-title")).to_be_focused()


def test_who_may_only_read_sees_dead_letters_and_no_buttons(browser: Browser, up: Up) -> None:
    with App(Settings(data=up.data)) as app:
        key = app.api_keys.create("monitor", ApiScope.READ)
        app.queue.send("this is no notification")
    with visit(browser, up.url, key, "phone", "dark") as visitor:
        page = visitor.go("/health")
        expect(page.locator("#dead")).to_contain_text("the message body is not JSON")
        expect(page.get_by_role("button", name="again")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
