"""Try, as a new user does: the example, one's own photos, and what is said of them. The API's page, without a key."""

from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from commands import Up
from visitor import Visit

NOBODY = (120, 150, 120)


@pytest.fixture(scope="module")
def enrolled(up: Up, astronaut_file: Path) -> None:
    """Ada is the astronaut."""
    where = f"{up.url}/api/v1/collections/my-face-collection/faces?name=Ada"
    data, headers = astronaut_file.read_bytes(), {"Authorization": f"Bearer {up.key}"}
    httpx.post(where, content=data, headers=headers, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def astronaut_file(astronaut_jpeg: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "astronaut.jpg"
    path.write_bytes(astronaut_jpeg)
    return path


def choose(page: Page, *paths: Path) -> None:
    page.locator("input[type=file]").last.set_input_files(list(paths))


def test_a_new_user_sees_it_work_without_any_photo(visitor: Visit) -> None:
    page = visitor.go("/try")
    page.get_by_role("button", name="Try it with an example photo").click()
    expect(page.get_by_role("heading", name="1 face")).to_be_focused()
    expect(page.locator(".landmark")).to_have_count(5)
    expect(page.get_by_text("happy")).to_be_visible()
    page.get_by_role("button", name="mirrored, darker copy").click()
    expect(page.get_by_role("heading", name="The same person")).to_be_focused()
    expect(page.get_by_text("pairs of strangers score this high")).to_be_visible()
    expect(page.locator(".try-pair .photo")).to_have_count(2)


def test_the_threshold_says_how_many_strangers_would_pass(visitor: Visit) -> None:
    page = visitor.go("/try")
    page.get_by_role("button", name="Try it with an example photo").click()
    page.get_by_role("button", name="mirrored, darker copy").click()
    slider = page.get_by_label("Count as the same person from which similarity?")
    expect(page.locator("output")).to_contain_text("From 80 on: 1 in 1,000 pairs of strangers")
    slider.press("Home")
    expect(page.locator("output")).to_contain_text("From 0 on: 1 in 2 pairs")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "similarity 0.3")


def test_who_is_in_a_photo_and_what_is_wrong_with_it_is_said(
    visitor: Visit, enrolled: None, astronaut_file: Path, tmp_path: Path
) -> None:
    both = Image.new("RGB", (1024, 512), NOBODY)
    face = Image.open(astronaut_file)
    both.paste(face, (0, 0))
    both.paste(ImageOps.mirror(face).crop((290, 0, 490, 220)).resize((90, 100)), (800, 100))
    both.save(tmp_path / "two.png")
    page = visitor.go("/try")
    choose(page, tmp_path / "two.png")
    expect(page.get_by_role("heading", name="2 faces")).to_be_visible()
    cards = page.locator(".try-card")
    expect(cards.first).to_contain_text("Ada, similarity")
    expect(page.locator(".box").first).to_contain_text("1 · Ada")
    expect(cards.last.locator(".badge")).to_contain_text("too small")
    page.get_by_label("Look for people in").select_option("")
    expect(cards.first).to_contain_text("Nobody was looked for")


def test_names_stay_within_the_picture_wherever_the_face_is(visitor: Visit) -> None:
    outside = """async () => {
        const { box } = await import("/static/faces.js");
        const frame = document.createElement("div");
        frame.className = "photo";
        Object.assign(frame.style, { width: "200px", height: "150px" });
        document.querySelector("main").append(frame);
        for (const left of [-0.05, 0.4, 0.9])
            for (const top of [0, 0.85])
                frame.append(
                    box({ person: "Lindsay_Davenport", similarity: 99.9, box: { left, top, width: 0.15, height: 0.2 } })
                );
        const whole = frame.getBoundingClientRect();
        return [...frame.querySelectorAll("span")].map((each) => each.getBoundingClientRect()).filter((each) =>
            each.left < whole.left - 1 || each.right > whole.right + 1 || each.bottom > whole.bottom + 1).length;
    }"""
    assert visitor.go("/try").evaluate(outside) == 0


def test_two_photos_are_compared_and_why_they_cannot_be_is_said(
    visitor: Visit, astronaut_file: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (300, 200), NOBODY).save(tmp_path / "nobody.png")
    (tmp_path / "text.jpg").write_text("<html>not found</html>")
    page = visitor.go("/try")
    choose(page, astronaut_file, astronaut_file)
    expect(page.get_by_text("The two faces are the same picture.")).to_be_visible()
    choose(page, tmp_path / "nobody.png")
    expect(page.get_by_role("heading", name="No face was found")).to_be_visible()
    page.get_by_role("button", name="Start again").click()
    expect(page.locator("input[type=file]")).to_be_focused()
    visitor.errors.clear()
    choose(page, tmp_path / "text.jpg")
    expect(page.get_by_role("alert")).to_contain_text("is HTML, not an image")
    visitor.errors.clear()  # the browser tells every answer of 400


def test_the_api_is_described_and_found_from_every_page(visitor: Visit) -> None:
    page = visitor.go("/try")
    page.get_by_role("link", name="HTTP API").click()
    page.get_by_role("link", name="Whether two photos show the same person").first.click()
    article = page.locator("#compare_faces")
    expect(article).to_be_in_viewport()
    expect(article.get_by_text("-F a=@a.jpg")).to_be_visible()
    article.locator("summary").last.click()
    expect(article.get_by_role("rowheader", name="same_person")).to_be_visible()
