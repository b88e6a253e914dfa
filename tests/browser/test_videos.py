"""Videos as people go through them: dropped, found, jumped in, filtered, deleted."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect

from clips import passing_by, write_clip
from commands import Up, wait_until
from visitor import Visit


@pytest.fixture(scope="module")
def clip(up: Up, astronaut: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of somebody who is enrolled as Ada, passing by."""
    portrait = Image.fromarray(astronaut).crop((80, 0, 380, 300))
    stream = io.BytesIO()
    portrait.save(stream, "JPEG")
    assert up.ask("PUT", "/buckets/face-input-bucket/enroll/Ada.jpg", stream.getvalue())[0] == 201
    wait_until(lambda: b'"faces":1' in up.ask("GET", "/api/v1/collections")[1], "the enrolment")
    return write_clip(tmp_path_factory.mktemp("clips") / "passing by.mp4", passing_by(portrait, 30))


def brought(up: Up, clip: Path, name: str) -> str:
    """Puts the clip in under this name, and waits until it is done; gives the name."""
    assert up.ask("PUT", f"/buckets/faceline-input/{name}", clip.read_bytes())[0] == 201
    wait_until(lambda: f'"key":"{name}"'.encode() in up.ask("GET", "/api/v1/clips")[1], f"the result of {name}")
    return name


def test_a_dropped_clip_appears_with_who_is_in_it_and_every_bar_jumps_to_its_best_frame(
    visitor: Visit, up: Up, clip: Path
) -> None:
    page = visitor.go("/videos")
    page.set_input_files("#videos input[type=file]", clip)
    card = page.locator(".clip", has_text="passing by.mp4")
    expect(card.get_by_text("Ada")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Done: Ada")).to_be_visible()
    card.get_by_role("link").click()
    bar = page.get_by_role("button", name="Ada, 0:00.0 to 0:02.")
    bar.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".player .box")).to_contain_text("Ada")
    expect(bar).to_have_attribute("aria-pressed", "true")
    expect(page.locator("tbody th")).to_contain_text("Ada")
    face, frame = page.locator(".player .box").bounding_box(), page.locator(".player").bounding_box()
    assert face and frame and frame["x"] < face["x"] and face["x"] + face["width"] < frame["x"] + frame["width"]


def test_each_stranger_is_somebody_of_their_own_and_told_what_is_missing_to_a_name(visitor: Visit, up: Up) -> None:
    told = """async () => {
        const { labels, meaning } = await import("/static/videos-words.js");
        const candidates = [{ name: "Ada", similarity: 71 }, { name: "Eve", similarity: 70.5 }];
        const seen = ["unknown", "matched", "ambiguous", "unknown"].map((status, i) =>
            ({ status, person: status === "matched" ? "Ada" : null, similarity: 71, first_s: 9 - i, candidates }));
        return seen.map((each) => `${labels(seen).get(each)}: ${meaning(each)}`);
    }"""
    assert visitor.go("/videos").evaluate(told) == [
        "Unknown 2: most like Ada, 71.0; not enough",
        "Ada: similarity 71.0",
        "Ambiguous: like Ada, 71.0, and Eve, 70.5; too close to tell",
        "Unknown 1: most like Ada, 71.0; not enough",
    ]


def test_a_clip_that_was_given_up_is_not_waited_for(visitor: Visit, up: Up, clip: Path) -> None:
    page = visitor.go("/videos")
    dead = {"items": [{"bucket": "faceline-input", "key": "lost.mp4", "reason": "the disk is full"}], "next": None}
    page.route("**/api/v1/clips?limit=100", lambda route: route.fulfill(json={"items": [], "next": None}))
    page.route("**/api/v1/dead-letters*", lambda route: route.fulfill(json=dead))
    page.route("**/buckets/faceline-input/lost.mp4", lambda route: route.fulfill(status=201, json={}))
    page.set_input_files("#videos input[type=file]", {"name": "lost.mp4", "mimeType": "video/mp4", "buffer": b"-"})
    expect(page.locator(".uploads")).to_contain_text("Failed: the disk is full. It can be tried again under Health.")
    page.unroute_all()


def test_the_same_name_again_becomes_another_clip_and_a_person_filters_them(visitor: Visit, up: Up, clip: Path) -> None:
    name = brought(up, clip, "again.mp4")
    page = visitor.go("/videos")
    page.set_input_files(
        "#videos input[type=file]", {"name": name, "mimeType": "video/mp4", "buffer": clip.read_bytes()}
    )
    expect(page.get_by_role("heading", name="again-2.mp4")).to_be_visible(timeout=30_000)
    page.get_by_label("Who is in it").fill("Somebody else")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No clip shows Somebody else")).to_be_visible()
    page.get_by_label("Who is in it").fill("Ada")
    page.keyboard.press("Enter")
    expect(page.locator(".clip", has_text="again")).to_have_count(2)


def test_without_the_video_its_frames_are_gone_through_by_the_keyboard(visitor: Visit, up: Up, clip: Path) -> None:
    name = brought(up, clip, "unkept.mp4")
    (up.data / "buckets" / "faceline-input" / name).unlink()
    page = visitor.go("/videos")
    page.get_by_role("link", name=name).click()
    slider = page.get_by_label("Time in the clip")
    expect(page.locator(".player img")).to_have_attribute("alt", re.compile(r"The frame at 0:0[0-2]\.0"))
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".player img")).to_have_attribute("alt", "The frame at 0:00.0")
    expect(page.locator("output")).to_have_text("0:00.0")


def test_a_file_that_is_no_clip_says_why(visitor: Visit, up: Up, tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_text("Dear Ada")
    page = visitor.go("/videos")
    page.set_input_files("#videos input[type=file]", tmp_path / "letter.mp4")
    expect(page.locator(".uploads")).to_contain_text("Failed: letter.mp4: is not a video", timeout=30_000)
    page.get_by_role("link", name="letter.mp4").click()
    expect(page.get_by_text("This clip could not be used")).to_be_visible()


def test_a_clip_is_deleted_after_a_question(visitor: Visit, up: Up, clip: Path) -> None:
    name = brought(up, clip, "unwanted.mp4")
    page = visitor.go("/videos")
    page.get_by_role("link", name=name).click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/videos")
    expect(page.get_by_label("Who is in it")).to_be_visible()
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    assert json.loads(up.ask("GET", "/buckets/faceline-output?prefix=unwanted")[1]) == []
