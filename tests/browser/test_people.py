"""People on the page, with real photos: added, renamed, merged, split, deleted; strangers named."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from commands import Up, wait_until
from faceline.api_keys import ApiScope
from faceline.app import App
from faceline.config import Settings
from faceline.gallery.names import user_id_of
from visitor import Visit, visit

STAFF = "/api/v1/collections/my-face-collection"


@pytest.fixture(scope="module")
def up(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """As of all browser tests, but strangers are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELINE_MODELS_DIR", str(models_dir))
        with Up(tmp_path_factory.mktemp("site") / "data", FACELINE_KEEP_UNKNOWN_FACES="true") as up:
            yield up.ready()


@pytest.fixture(scope="module")
def photos(test_data: Path) -> dict[str, list[Path]]:
    """Of people of LFW, by name."""
    names = ("Abdullah_Gul", "Adrien_Brody")
    return {name: sorted((test_data / "lfw/images" / name).glob("*.jpg")) for name in names}


def ask(up: Up, method: str, path: str, body: bytes | None = None) -> Any:
    status, answer = up.ask(method, path, body)
    assert status < 300, answer
    return json.loads(answer)


def names(up: Up) -> dict[str, int]:
    """How many faces each has."""
    return {each["name"]: each["faces"] for each in ask(up, "GET", f"{STAFF}/people")["items"]}


def has(up: Up, wanted: dict[str, int]) -> bool:
    return names(up) == wanted


def who(up: Up, photo: Path) -> str | None:
    """Whom faceline names now."""
    found = ask(up, "POST", "/api/v1/detect?collection=my-face-collection", photo.read_bytes())
    name: str | None = found["faces"][0]["who"]["name"]
    return name


def enrol(up: Up, name: str, *files: Path) -> None:
    for file in files:
        ask(up, "POST", f"{STAFF}/faces?name={quote(name)}&source={file.name}", file.read_bytes())


def label(up: Up, name: str, *files: Path) -> None:
    """Leaves faces as the Rekognition API's IndexFaces does: labelled, and nobody's."""
    enrol(up, name, *files)
    with App(Settings(data=up.data)) as app:
        app.people.delete("my-face-collection", name)


def forget_all(up: Up) -> None:
    for each in ask(up, "GET", f"{STAFF}/people")["items"]:
        ask(up, "DELETE", f"{STAFF}/people/{each['user_id']}")
    for each in ask(up, "GET", f"{STAFF}/labels")["items"]:
        ask(up, "DELETE", f"{STAFF}/labels?label={quote(each['label'])}")


def drop(page: Page, *files: Path) -> None:
    page.set_input_files("#enrol input[type=file]", [str(file) for file in files])


def person(page: Page, name: str) -> None:
    """Opens somebody's page from the list of people."""
    page.get_by_role("link", name=re.compile(name)).first.click()
    expect(page.locator("h1")).to_have_text(name)


@pytest.fixture(autouse=True)
def _nobody(up: Up) -> None:
    forget_all(up)


def test_dropped_photos_are_added_under_their_names_and_then_recognised(
    visitor: Visit, up: Up, photos: dict[str, list[Path]], test_data: Path
) -> None:
    page = visitor.go("/people")
    expect(page.get_by_text("Nobody is here yet")).to_be_visible()
    gul, brody = photos["Abdullah_Gul"], photos["Adrien_Brody"]
    no_face = next(test_data.glob("**/white.png"))
    drop(page, gul[0], brody[0], no_face)
    rows = page.locator(".enrol-row")
    expect(rows.nth(0).get_by_label("Who is on")).to_have_value("Abdullah_Gul")
    rows.nth(1).get_by_label("Who is on").fill("Adrien Brody")
    page.get_by_role("button", name="Add all 3").click()
    expect(rows.nth(0)).to_contain_text("now has 1 face")
    expect(rows.nth(0)).to_contain_text("Quality of the face: good")
    expect(rows.nth(2)).to_contain_text("Not added")
    expect(rows.nth(2)).to_contain_text("No face")
    expect(rows.nth(2)).to_contain_text("Use a photo that shows a face")
    expect(page.locator("#people .person")).to_have_count(2)
    expect(page.locator("#count")).to_have_text("2 people")
    assert [who(up, photo) for photo in (gul[1], brody[1])] == ["Abdullah_Gul", "Adrien Brody"]

    page.get_by_label("Name", exact=True).fill("BROD")
    expect(page.locator("#people .person-name")).to_have_text(["Adrien Brody"])
    expect(page.locator("#count")).to_contain_text("1 person")


def test_an_address_with_dots_for_a_name_shows_nobody(visitor: Visit) -> None:
    for name in (".", ".."):
        page = visitor.go(f"/person?id={name}")
        expect(page.locator("h1")).to_have_text("Nobody")


def test_a_face_of_somebody_else_is_warned_of(visitor: Visit, up: Up, photos: dict[str, list[Path]]) -> None:
    gul, brody = photos["Abdullah_Gul"], photos["Adrien_Brody"]
    enrol(up, "Abdullah Gul", *gul[:2])
    enrol(up, "Adrien Brody", *brody[:2])
    page = visitor.go("/people")
    person(page, "Adrien Brody")
    drop(page, gul[2])
    row = page.locator(".enrol-row")
    expect(row).to_contain_text("Not much like the other faces of Adrien Brody")
    expect(row).to_contain_text("Looks like Abdullah Gul too")
    expect(page.locator(".face")).to_have_count(3)


def test_a_person_is_renamed_split_and_merged_and_all_of_it_taken_back(
    visitor: Visit, up: Up, photos: dict[str, list[Path]]
) -> None:
    gul, brody = photos["Abdullah_Gul"], photos["Adrien_Brody"]
    enrol(up, "A. Gul", *gul[:2], brody[0])
    ask(up, "POST", f"{STAFF}/people", b'{"name": "Eve"}')
    page = visitor.go("/people")
    person(page, "A. Gul")
    page.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog")
    page.get_by_label("New name").fill("Eve")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog.get_by_role("alert")).to_contain_text("merge A. Gul into them")
    expect(page.get_by_label("New name")).to_have_value("Eve")
    visitor.errors.clear()  # the console tells of the 409
    page.get_by_label("New name").fill("Abdullah Gul")
    dialog.get_by_role("button", name="Rename").click()
    expect(page.locator("h1")).to_have_text("Abdullah Gul")
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator("#toasts")).to_contain_text("A. Gul is now called Abdullah Gul")
    page.goto(f"{up.url}/person?id={user_id_of('A. Gul')}")  # as an old link has it
    expect(page.locator("h1")).to_have_text("Abdullah Gul")
    expect(page.locator("#about")).to_contain_text("A. Gul")
    assert who(up, gul[3]) == "Abdullah Gul"

    page.get_by_label(re.compile(f"Select the face from {brody[0].name}")).check()
    page.get_by_label("Whose face is it?").fill("Adrien Brody")
    page.get_by_role("button", name="Split off").click()
    expect(page.locator(".face")).to_have_count(2)
    expect(page.locator("#history")).to_contain_text("1 face of Abdullah Gul went to Adrien Brody")
    expect(page.locator("#faces-title")).to_have_text("Faces")
    assert names(up) == {"Abdullah Gul": 2, "Adrien Brody": 1, "Eve": 0}
    assert who(up, brody[1]) == "Adrien Brody"

    page.get_by_role("button", name="Merge with somebody").click()
    page.get_by_role("radio", name=re.compile("Adrien Brody")).first.check()
    expect(page.locator(".couple img")).to_have_count(2)
    stays = page.get_by_role("group", name="Whose name stays?")
    expect(stays.get_by_label("Abdullah Gul")).to_be_checked()
    stays.get_by_label("Adrien Brody").check()
    page.get_by_role("dialog").get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator("h1")).to_have_text("Adrien Brody")
    expect(page.locator("#toasts")).to_contain_text("They are one now: Adrien Brody, 3 faces")
    assert names(up) == {"Adrien Brody": 3, "Eve": 0}

    history = page.locator("#history")
    expect(history).to_contain_text("Abdullah Gul was merged into Adrien Brody")
    for left in ({"Abdullah Gul": 2, "Adrien Brody": 1}, {"Abdullah Gul": 3}):
        history.get_by_role("button", name="Undo").click()
        wait_until(partial(has, up, {**left, "Eve": 0}), f"{left}")
        page.wait_for_load_state("networkidle")
    expect(page.locator("h1")).to_have_text("Abdullah Gul")


def test_a_deleted_person_leaves_a_receipt_and_is_found_nowhere(
    visitor: Visit, up: Up, photos: dict[str, list[Path]]
) -> None:
    enrol(up, "Abdullah Gul", *photos["Abdullah_Gul"][:2])
    page = visitor.go("/people")
    person(page, "Abdullah Gul")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 faces with numbers and crops")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.locator("h1")).to_have_text("Abdullah Gul was deleted")
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator("table")).to_contain_text("faces in my-face-collection")
    expect(page.locator("pre")).to_have_text("faceline verify-erasure 'Abdullah Gul'")
    number = page.locator("dd.mono").inner_text()
    assert ask(up, "GET", f"/api/v1/receipts/{number}")["removed"]["faces in my-face-collection"] == 2
    page.reload()
    expect(page.locator("dd.mono")).to_have_text(number)
    page.get_by_role("link", name="To all people").click()
    expect(page.get_by_text("Nobody is here yet")).to_be_visible()
    assert who(up, photos["Abdullah_Gul"][0]) is None


def test_a_stranger_who_was_seen_is_named_with_enter(visitor: Visit, up: Up, photos: dict[str, list[Path]]) -> None:
    gul = photos["Abdullah_Gul"]
    enrol(up, "Adrien Brody", photos["Adrien_Brody"][0])
    for photo in gul[:2]:
        ask(up, "PUT", f"/buckets/face-input-bucket/input/{photo.name}", photo.read_bytes())
    wait_until(lambda: [each["faces"] for each in ask(up, "GET", f"{STAFF}/unknowns")["items"]] == [2], "the group")
    page = visitor.go("/people")
    stranger = page.locator(".stranger")
    expect(stranger).to_have_count(1)
    stranger.get_by_label("Name of the stranger").fill("Abdullah Gul")
    page.keyboard.press("Enter")
    expect(page.locator("#people")).to_contain_text("Abdullah Gul")
    expect(page.locator("#strangers")).to_be_hidden()
    assert (names(up)["Abdullah Gul"], who(up, gul[3])) == (2, "Abdullah Gul")


def test_labelled_faces_of_rekognition_are_made_people_with_enter(
    visitor: Visit, up: Up, photos: dict[str, list[Path]]
) -> None:
    gul, brody = photos["Abdullah_Gul"], photos["Adrien_Brody"]
    label(up, "emp-1", *gul[:2])
    label(up, "emp-2", brody[0])
    assert who(up, gul[3]) == "emp-1"
    page = visitor.go("/people")
    section = page.locator("#labels")
    expect(section).to_contain_text("2 labels")
    section.get_by_role("button", name="2 faces labelled emp-1").click()
    expect(page.get_by_role("dialog").get_by_alt_text("A face labelled emp-1")).to_have_count(2)
    page.keyboard.press("Escape")

    page.get_by_label("Name", exact=True).first.fill("emp-2")
    expect(section.locator(".label")).to_have_count(1)
    page.get_by_label("Name", exact=True).first.fill("")
    expect(section.locator(".label")).to_have_count(2)
    first = section.get_by_role("article", name="emp-1").get_by_label("Name")
    expect(first).to_have_value("emp-1")
    first.fill("Abdullah Gul")
    page.keyboard.press("Enter")
    expect(page.locator("#people .person-name")).to_have_text(["Abdullah Gul"])
    second = section.get_by_role("article", name="emp-2")
    expect(second.get_by_label("Name")).to_be_focused()
    assert (names(up), who(up, gul[3])) == ({"Abdullah Gul": 2}, "Abdullah Gul")

    second.get_by_role("button", name="Delete emp-2").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(section).to_be_hidden()
    expect(page.get_by_text("emp-2 was deleted. The receipt is er-")).to_be_visible()
    assert who(up, brody[0]) is None
    page.get_by_role("link", name=re.compile("^er-")).click()
    expect(page.locator("h1")).to_have_text("Somebody was deleted")


def test_who_may_only_read_sees_people_and_nothing_to_change_them(
    browser: Browser, up: Up, photos: dict[str, list[Path]]
) -> None:
    enrol(up, "Adrien Brody", photos["Adrien_Brody"][0])
    with App(Settings(data=up.data)) as app:
        token = app.api_keys.create("reader", ApiScope.READ)
    with visit(browser, up.url, token, "phone", "dark") as visitor:
        page = visitor.go("/people")
        person(page, "Adrien Brody")
        expect(page.locator(".face")).to_have_count(1)
        assert page.locator("#about button, .face input, #enrol input").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
