"""The page Review on real photos: one person under two names, verdicts by key, match reports, statistics, export."""

import csv
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from commands import Up, wait_until
from visitor import Visit

PEOPLE = ("Abel_Pacheco", "Adrien_Brody", "Al_Sharpton")
SEEN = "Amelia_Vega"
STAFF = "/api/v1/collections/my-face-collection"


def asked(up: Up, method: str, path: str, body: bytes | None = None) -> Any:
    status, answer = up.ask(method, path, body)
    assert 200 <= status < 300, answer
    return json.loads(answer)


def enrolled(up: Up, name: str, photo: Path) -> str:
    query = urlencode({"name": name, "source": photo.name})
    face_id: str = asked(up, "POST", f"{STAFF}/faces?{query}", photo.read_bytes())["face"]["face_id"]
    return face_id


def pairs(up: Up, state: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked(up, "GET", f"{STAFF}/review/pairs?state={state}")["items"]
    return found


@pytest.fixture(scope="module")
def site(up: Up, test_data: Path) -> Up:
    """Three people, each under two names, and the scan that says so; a photo of a fourth came in."""
    found = []
    for n, person in enumerate(PEOPLE):
        photos = sorted((test_data / "lfw" / "images" / person).glob("*.jpg"))
        names = person, f"Alias {n}"
        faces = [{"face_id": enrolled(up, name, photo)} for name, photo in zip(names, photos, strict=False)]
        found.append({"names": names, "similarity": 99.0 - n, "pairs": 1, "faces": faces})
    scan = {"two_names": found, "two_people": []}
    assert asked(up, "POST", f"{STAFF}/review/load", json.dumps(scan).encode())["new"] == len(PEOPLE)
    first, second, *_ = sorted((test_data / "lfw" / "images" / SEEN).glob("*.jpg"))
    enrolled(up, SEEN, first)
    asked(up, "PUT", "/buckets/face-input-bucket/input/seen.jpg", second.read_bytes())
    return up


def loaded(page: Page, selector: str, count: int) -> None:
    """Waits until so many pictures have come."""
    script = "(images) => images.filter((each) => each.complete && each.naturalWidth > 40).length"
    wait_until(lambda: page.locator(selector).evaluate_all(script) == count, "a picture")


def shown(page: Page) -> list[str]:
    """The two names; once both faces have come."""
    loaded(page, ".side img", 2)
    return page.locator(".side h3").all_inner_texts()


def test_a_verdict_by_key_moves_on_is_kept_and_can_be_taken_back(site: Up, visitor: Visit) -> None:
    page = visitor.go("/review")
    assert shown(page) == [PEOPLE[0], "Alias 0"]
    expect(page.locator(".progress")).to_contain_text("0 of 3 decided")
    expect(page.locator(".alikeness")).to_contain_text("pairs of strangers look this alike")
    page.get_by_label("Note").fill("seen side by side")  # with an s and a d, which are no verdicts here
    page.get_by_label("Note").blur()
    page.keyboard.press("d")
    expect(page.locator(".progress")).to_contain_text("1 of 3 decided")
    assert shown(page) == [PEOPLE[1], "Alias 1"]
    expect(page.get_by_role("heading", name="One person under two names?")).to_be_focused()
    (decided,) = pairs(site, "decided")
    assert (decided["a"], decided["verdict"], decided["note"]) == (PEOPLE[0], "different", "seen side by side")
    page.keyboard.press("ArrowLeft")
    assert shown(page)[0] == PEOPLE[0]
    page.keyboard.press("z")
    expect(page.locator(".progress")).to_contain_text("0 of 3 decided")
    assert shown(page)[0] == PEOPLE[0]
    assert pairs(site, "decided") == []


def test_two_names_of_one_person_become_one_and_two_again(site: Up, visitor: Visit) -> None:
    page = visitor.go("/review")
    shown(page)
    page.get_by_role("button", name="Same person").click()
    merge = page.get_by_role("button", name=f"Merge, keep “{PEOPLE[0]}”")
    expect(merge).to_be_focused()
    visitor.go("/review?state=decided")  # it was left, and is offered still
    expect(page.locator(".merge-offer")).to_contain_text("They are still two names.")
    merge.click()
    expect(page.locator(".last-verdict")).to_have_text(f"Alias 0 is {PEOPLE[0]} now, with all faces.")
    assert "Alias 0" not in json.dumps(pairs(site, "open"))
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("z")
    expect(page.locator(".last-verdict")).to_contain_text("Taken back")
    expect(page.locator(".side h3").first).to_have_text(PEOPLE[0])
    asked(site, "POST", f"{STAFF}/undo", b"{}")  # the verdict, which was given on the visit before
    visitor.go("/review")
    assert len(pairs(site, "open")) == 3
    assert shown(page)[0] == PEOPLE[0]


def test_more_faces_of_both_come_when_asked_for(site: Up, visitor: Visit) -> None:
    page = visitor.go("/review")
    shown(page)
    page.get_by_text("More faces of both").click()
    expect(page.locator(".alikes .face")).to_have_count(2)
    expect(page.get_by_role("heading", name="Faces of Alias 0")).to_be_visible()


def test_the_tabs_work_by_keyboard_and_stay_in_the_address(site: Up, visitor: Visit) -> None:
    page = visitor.go("/review")
    page.get_by_role("tab", name="Pairs").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Match reports")).to_be_focused()
    expect(page.get_by_text("No report like that")).to_be_visible()
    page.reload()
    expect(page.get_by_role("tabpanel", name="Match reports")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tabpanel", name="Pairs")).to_be_visible()


def test_a_report_is_shown_with_its_images_and_settled(site: Up, visitor: Visit, test_data: Path) -> None:
    photos = sorted((test_data / "lfw" / "images" / PEOPLE[1]).glob("*.jpg"))
    for customer, photo in zip(("Anna", "Berta"), photos, strict=False):
        asked(site, "PUT", f"/buckets/faceline-images/images/{customer}_0001.jpg", photo.read_bytes())
    reports = "/api/v1/match-reports?min_similarity=90"
    wait_until(lambda: asked(site, "GET", reports)["items"], "the report")
    page = visitor.go("/review?tab=reports")
    match = page.locator(".match")
    expect(match).to_have_count(1)
    loaded(page, ".report-pages img", 2)
    expect(page.locator(".report-pages .box")).to_have_count(2)
    match.get_by_role("button", name="Same person").click()
    expect(match.locator(".verdict-place")).to_have_text("Same person")
    query = "/api/v1/collections/faceline-matching/review/pairs?state=decided"
    (decided,) = asked(site, "GET", query)["items"]
    assert (decided["a"], decided["b"], decided["verdict"]) == ("Anna", "Berta", "same")
    page.get_by_label("Customer").fill("Zoe")
    expect(page.get_by_text("No report like that")).to_be_visible()


def test_statistics_show_the_traffic_and_download(site: Up, visitor: Visit) -> None:
    wait_until(lambda: site.records("?image=seen.jpg"), "the record")
    page = visitor.go("/review?tab=statistics&range=24h")
    known = page.locator(".tile", has=page.get_by_text("Known faces", exact=True)).locator("dd")
    expect(known).to_have_text("1")
    expect(page.locator("rect.matched > title", has_text="known")).to_have_count(1)
    expect(page.locator(".ranks")).to_contain_text(SEEN)
    page.get_by_text("Show as a table").first.click()
    expect(page.get_by_role("table", name="Faces over time").get_by_role("cell", name="1", exact=True)).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Records of this time, CSV").click()
    (row,) = csv.DictReader(download.value.path().read_text().splitlines())
    assert (download.value.suggested_filename, row["key"], row["status"]) == (
        "records.csv",
        "input/seen.jpg",
        "matched",
    )
