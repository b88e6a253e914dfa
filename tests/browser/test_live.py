"""The live page: photos appear with their faces as they come, and only those that are wanted."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from commands import Up, wait_until
from faceline.portrait import portrait
from visitor import Visit

BUCKET = "/buckets/face-input-bucket"
DROP = """([bytes, name]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
    for (const kind of ["dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module", autouse=True)
def enrolled(up: Up) -> Up:
    """Eileen Collins is known."""
    up.ask("PUT", f"{BUCKET}/enroll/Eileen_Collins/1.jpg", portrait())
    wait_until(lambda: not sum(up.queue().values()), "the enrolment")
    return up


@pytest.fixture
def page(visitor: Visit) -> Iterator[Page]:
    """Connected."""
    page = visitor.go("/")
    expect(page.locator("#state")).to_have_text("Live")
    yield page
    visitor.page.unroute_all()


def card(page: Page, name: str) -> Locator:
    return page.locator(".entry", has=page.get_by_role("button", name=name, exact=True))


def choose(page: Page, name: str, data: bytes) -> None:
    page.set_input_files("#files", {"name": name, "mimeType": "image/jpeg", "buffer": data})


def wall(shade: int = 120) -> bytes:
    """A photo without anybody."""
    stream = io.BytesIO()
    Image.new("RGB", (320, 240), (shade, 150, 160)).save(stream, "JPEG")
    return stream.getvalue()


def test_the_first_photo_dropped_appears_with_its_face_within_a_second(page: Page) -> None:
    expect(page.get_by_text("Drop photos anywhere on this page")).to_be_visible()
    expect(page.get_by_text("curl -T photo.jpg")).to_be_visible()
    page.evaluate(DROP, [list(portrait()), "portrait.jpg"])
    shown = card(page, "portrait.jpg")
    shown.wait_for()
    worked_on = datetime.fromisoformat(shown.locator("time").get_attribute("datetime") or "")
    assert (datetime.now(UTC) - worked_on).total_seconds() < 1.0
    expect(shown.locator(".badge.matched")).to_contain_text(re.compile(r"Eileen_Collins\s*\d+\.\d"))
    expect(shown.locator(".box.matched")).to_be_visible()
    expect(page.locator(".uploads li.done")).to_contain_text("Eileen_Collins")
    wait_until(lambda: shown.locator("img").evaluate("image => image.naturalWidth") > 0, "the picture")


def test_an_upload_replaces_no_other_photo(page: Page) -> None:
    choose(page, "twice.jpg", wall(100))
    expect(card(page, "twice.jpg")).to_be_visible()
    choose(page, "twice.jpg", wall(200))
    expect(card(page, "twice-2.jpg").get_by_text("No face", exact=True)).to_be_visible()


def test_a_file_that_is_no_photo_says_so(page: Page) -> None:
    choose(page, "notes.jpg", b"hello, this is no photo")
    expect(card(page, "notes.jpg").locator(".entry-error")).to_contain_text("is text, not an image")
    expect(page.locator(".uploads li.problem")).to_contain_text("is text, not an image")
    page.get_by_role("button", name="Hide the upload of notes.jpg").click()
    expect(page.locator(".uploads li")).to_have_count(0)


def test_what_others_send_appears_too_unless_it_is_filtered_out(page: Page, up: Up) -> None:
    page.get_by_label("Shows").select_option("none")
    expect(page).to_have_url(re.compile(r"\?status=none$"))
    up.ask("PUT", f"{BUCKET}/input/again.jpg", portrait())
    up.ask("PUT", f"{BUCKET}/input/wall.jpg", wall())
    expect(card(page, "wall.jpg")).to_be_visible()
    expect(card(page, "again.jpg")).to_have_count(0)
    page.get_by_role("button", name="Clear filters").click()
    expect(card(page, "again.jpg")).to_be_visible()


def test_a_filter_hides_strangers_and_survives_a_reload(page: Page, up: Up, test_data: Path) -> None:
    stranger = test_data / "photos" / "ageitgey" / "examples" / "obama.jpg"
    up.ask("PUT", f"{BUCKET}/input/stranger.jpg", stranger.read_bytes())
    up.ask("PUT", f"{BUCKET}/input/known.jpg", portrait())
    expect(card(page, "stranger.jpg").locator(".badge.unknown").first).to_be_visible()
    page.get_by_label("Person").fill("Eileen_Collins")
    expect(card(page, "stranger.jpg")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Person")).to_have_value("Eileen_Collins")
    expect(card(page, "known.jpg")).to_be_visible()
    expect(card(page, "stranger.jpg")).to_have_count(0)
    page.get_by_label("Person").fill("Nobody")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing here matches")).to_be_visible()


def test_a_filter_that_is_none_is_left_out_and_said(visitor: Visit) -> None:
    page = visitor.go("/?status=known&kind=photo")
    expect(page.locator("#toasts")).to_contain_text("status=known: there is no such filter")
    expect(page.locator("select[name=status]")).to_have_value("")
    assert page.url.endswith("/?kind=photo")


def test_a_stranger_is_enrolled_from_the_photo_and_the_photo_deleted(page: Page, up: Up, test_data: Path) -> None:
    group = test_data / "photos" / "ageitgey" / "examples" / "two_people.jpg"
    up.ask("PUT", f"{BUCKET}/input/group.jpg", group.read_bytes())
    card(page, "group.jpg").get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="group.jpg")
    expect(dialog.locator(".box b")).to_have_text(["1", "2"])
    dialog.get_by_role("button", name="Enrol face 2 as").click()
    page.get_by_label("Name", exact=True).fill("Joe")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Enrolled as Joe.")).to_be_visible()
    wait_until(lambda: b"Joe" in up.ask("GET", "/records?image=group.jpg")[1], "the photo's new result")
    dialog.get_by_role("button", name="Enrol face 1 as").click()
    page.get_by_label("Name", exact=True).fill("Eve")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Enrolled as Eve.")).to_be_visible()
    wait_until(lambda: b"Eve" in up.ask("GET", "/records?image=group.jpg")[1], "its result with both names")
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete group.jpg?").get_by_role("button", name="Delete").click()
    expect(card(page, "group.jpg")).to_have_count(0)
    assert up.ask("GET", "/records?image=group.jpg")[1] == b"[]"


def test_what_was_deleted_elsewhere_goes_when_one_comes_back_to_the_page(page: Page, up: Up) -> None:
    up.ask("PUT", f"{BUCKET}/input/short-lived.jpg", wall(60))
    expect(card(page, "short-lived.jpg")).to_be_visible()
    up.ask("DELETE", f"{BUCKET}/input/short-lived.jpg")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(card(page, "short-lived.jpg")).to_have_count(0)


def test_by_the_keyboard_one_goes_from_card_to_card_and_opens_one(page: Page, up: Up) -> None:
    for name in ("first", "second"):
        up.ask("PUT", f"{BUCKET}/input/{name}.jpg", portrait())
        expect(card(page, f"{name}.jpg")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="first.jpg", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="first.jpg")
    expect(dialog).to_contain_text("pairs of strangers score this high")
    expect(dialog.locator(".landmark")).to_have_count(5)
    expect(dialog.get_by_role("link", name="All of Eileen_Collins")).to_have_attribute(
        "href", re.compile(r"^/person\?id=Eileen_Collins&collection=")
    )
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("dialog", name="second.jpg")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="first.jpg", exact=True)).to_be_focused()
    up.ask("PUT", f"{BUCKET}/input/third.jpg", wall())
    expect(card(page, "third.jpg")).to_be_visible()
    expect(page.get_by_role("button", name="first.jpg", exact=True)).to_be_focused()


def test_paused_nothing_moves_and_afterwards_nothing_is_missed(page: Page, up: Up) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_have_text("Paused")
    up.ask("PUT", f"{BUCKET}/input/meanwhile.jpg", wall(90))
    wait_until(lambda: up.records("?image=meanwhile.jpg") or not sum(up.queue().values()), "the work")
    expect(card(page, "meanwhile.jpg")).to_have_count(0)
    page.get_by_role("button", name="Pause").click()
    expect(card(page, "meanwhile.jpg")).to_be_visible()
