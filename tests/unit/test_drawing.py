import numpy as np
import pytest

from faceline import drawing
from faceline.drawing import AMBIGUOUS, DETECTED, MATCH, UNKNOWN, Label, annotate
from faceline.types import BoundingBox, Frame, Landmarks

FACE = Landmarks((40, 40), (60, 40), (50, 50), (42, 62), (58, 62))


def grey(height: int = 200, width: int = 300, full_width: int | None = None) -> Frame:
    pixels = np.full((height, width, 3), 128, np.uint8)
    full = full_width or width
    return Frame(pixels, full, height * full // width)


def drawn_at(before: Frame, after: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of what changed."""
    rows, columns = np.nonzero((before.pixels != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_the_box_is_drawn_in_its_colour_and_the_frame_stays_as_it_was() -> None:
    frame = grey()
    result = annotate(frame, [Label(BoundingBox(30, 60, 50, 60), "", MATCH)])
    assert result.shape == frame.pixels.shape
    assert result.dtype == np.uint8
    assert tuple(result[90, 30]) == MATCH
    assert tuple(result[60, 55]) == MATCH
    assert tuple(result[90, 55]) == (128, 128, 128)
    assert (frame.pixels == 128).all()


def test_nothing_to_draw_gives_an_equal_copy() -> None:
    frame = grey()
    result = annotate(frame, [])
    assert np.array_equal(result, frame.pixels)
    assert not np.shares_memory(result, frame.pixels)


def test_full_size_boxes_land_where_they_belong_in_a_reduced_frame() -> None:
    frame = grey(full_width=1200)
    x1, y1, x2, y2 = drawn_at(frame, annotate(frame, [Label(BoundingBox(120, 240, 200, 240), "", MATCH)]))
    assert (x1, y1, x2, y2) == pytest.approx((30, 60, 80, 120), abs=2)


def test_landmarks_are_dots_at_their_places() -> None:
    result = annotate(grey(), [Label(BoundingBox(30, 30, 40, 45), "", UNKNOWN, FACE)])
    for x, y in FACE.as_array().astype(int):
        assert tuple(result[y, x]) == UNKNOWN


@pytest.mark.parametrize("corner", [(-10, -10), (280, -10), (-10, 180), (280, 180), (900, 900)])
def test_the_label_stays_inside_the_picture(corner: tuple[int, int]) -> None:
    frame, box = grey(), BoundingBox(*corner, 30, 30)
    whole = annotate(frame, [Label(box, "Jürgen Müller 97 %", DETECTED)])
    boxed = annotate(frame, [Label(box, "", DETECTED)])
    x1, y1, x2, y2 = drawn_at(Frame(boxed, 300, 200), whole)
    assert x2 - x1 > 60
    assert y2 - y1 > 8
    assert x1 > 0 or corner[0] < 0
    assert x2 < 299 or corner[0] > 0


def test_labels_of_neighbours_do_not_cover_one_another() -> None:
    taken: list[tuple[float, float, float, float]] = []
    for left in (50, 60, 70):
        x, y = drawing._place((left, 80, left + 40, 120), (90, 15), (300, 200), taken)
        plate = (x, y, x + 90, y + 15)
        assert not any(drawing._overlap(plate, other) for other in taken)
        taken.append(plate)


def test_a_text_wider_than_the_picture_is_shortened() -> None:
    font, text = drawing._fitting_font("a name that never seems to end " * 5, 12)
    short = drawing._shortened(text, font, 100)
    assert font.getlength(short) <= 100
    assert short.startswith("a name")
    assert short.endswith("...")
    assert drawing._shortened("Anna", font, 100) == "Anna"
    assert drawing._shortened("Anna", font, 1) == ""


@pytest.mark.parametrize(
    "text", ["Jürgen Großmann", "Łukasz Żółć", "王小明", "محمد", "👩‍🚀", "line\nbreak\ttab\0nul", "\ud800", "  "]
)
@pytest.mark.parametrize("system_fonts", [True, False])
def test_any_text_can_be_drawn(text: str, system_fonts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not system_fonts:
        monkeypatch.setattr(drawing, "_FONT_FILES", ())
    annotate(grey(), [Label(BoundingBox(30, 60, 50, 60), text, AMBIGUOUS)])


def test_letters_that_the_font_lacks_are_spelled_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_FONT_FILES", ())
    _, text = drawing._fitting_font("Jürgen Groß é 王", 20)
    assert text == "Jurgen Gross e ?"


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (16, 16), (20, 2000)])
def test_pictures_of_any_shape_can_be_annotated(shape: tuple[int, int]) -> None:
    frame = grey(*shape)
    result = annotate(frame, [Label(BoundingBox(0, 0, 10, 10), "someone", MATCH, FACE)])
    assert result.shape == frame.pixels.shape


def test_degenerate_boxes_do_no_harm() -> None:
    boxes = [BoundingBox(50, 50, 0, 0), BoundingBox(50, 50, -5, -5), BoundingBox(-1000, -1000, 5000, 5000)]
    annotate(grey(), [Label(box, "x", MATCH) for box in boxes])


def test_the_text_is_larger_on_a_larger_picture() -> None:
    small, large = grey(200, 300), grey(2000, 3000)
    heights = []
    for frame in (small, large):
        scale = frame.width / 300
        box = BoundingBox(100 * scale, 100 * scale, 60 * scale, 60 * scale)
        with_text, without = (annotate(frame, [Label(box, text, MATCH)]) for text in ("Anna", ""))
        _, top, _, bottom = drawn_at(Frame(without, frame.width, frame.height), with_text)
        heights.append(bottom - top)
    assert heights[1] > 3 * heights[0]


def test_the_four_colours_differ_clearly_in_brightness_or_hue() -> None:
    colours = np.array([MATCH, UNKNOWN, AMBIGUOUS, DETECTED], dtype=int)
    for i in range(4):
        for j in range(i):
            assert np.abs(colours[i] - colours[j]).sum() > 120
