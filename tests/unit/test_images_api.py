"""Files, arrays and Pillow images in; JPEG and crops out."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from faceline.errors import ImageError
from faceline.images import (
    ImageLimits,
    crop_with_margin,
    decode,
    encode_jpeg,
    image_paths,
    is_image_name,
    read,
    save,
    to_frame,
)
from faceline.types import BoundingBox, Frame, Landmarks

LIMITS = ImageLimits()


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green over blue, black: a picture whose every turning looks different."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (250, 10, 10)
    pixels[: height // 2, width // 2 :] = (10, 250, 10)
    pixels[height // 2 :, : width // 2] = (10, 10, 250)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_read_names_what_is_wrong_with_a_path(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: there is no such file"):
        read(tmp_path / "gone.jpg", LIMITS)
    with pytest.raises(ImageError, match="is a directory; name an image file"):
        read(tmp_path, LIMITS)
    with pytest.raises(ImageError, match="not a regular file"):
        read(Path("/dev/zero"), LIMITS)
    with pytest.raises(ImageError, match=r"cannot be read|no such file"):
        read(Path("nul\0byte.jpg"), LIMITS)


def test_read_checks_the_size_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ImageError, match="1,000,000,000,000 bytes are over the limit"):
        read(path, LIMITS)


def test_read_reports_a_file_it_may_not_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="permission denied; make it readable"):
        read(path, LIMITS)


def test_image_paths_keeps_files_and_walks_folders(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.PNG", "b/deep/3.webp", "b/.hidden.jpg", "b/.git/4.jpg", "b/notes.txt", "odd.name"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "folder.jpg").mkdir()
    given = [tmp_path / "odd.name", tmp_path / "b", tmp_path / "gone.jpg"]
    found = [str(path.relative_to(tmp_path)) for path in image_paths(given)]
    assert found == ["odd.name", "b/1.PNG", "b/2.jpg", "b/deep/3.webp", "gone.jpg"]
    assert image_paths([]) == []


def test_suffixes_are_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "really_png.jpg"
    path.write_bytes(encoded(quarters()))
    frame = read(path, LIMITS)
    assert frame.source == str(path)
    assert frame.width == 64


def test_to_frame_takes_paths_bytes_images_arrays_and_frames(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded(quarters()))
    array = np.asarray(quarters())
    grey, rgba = np.asarray(quarters().convert("L")), np.asarray(quarters().convert("RGBA"))
    with Image.open(path) as opened:
        inputs: list[Path | str | bytes | Image.Image | NDArray[np.uint8]]
        inputs = [path, str(path), path.read_bytes(), quarters(), opened, array, rgba, array[:, ::-1][:, ::-1]]
        for given in inputs:
            frame = to_frame(given, LIMITS)
            assert np.array_equal(frame.pixels, array)
            assert frame.pixels.flags.c_contiguous
            assert to_frame(frame, LIMITS) is frame
    assert to_frame(grey, LIMITS).pixels.shape == (48, 64, 3)
    assert to_frame(array, LIMITS, source="camera").source == "camera"


def test_to_frame_turns_pillow_images_by_their_exif_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "TIFF", "PNG"):
        path = tmp_path / f"x.{kind.lower()}"
        path.write_bytes(encoded(quarters(), kind, exif=exif.tobytes()))
        with Image.open(path) as image:
            frame = to_frame(image, LIMITS)
        assert (frame.width, frame.height) == (48, 64)
        assert frame.pixels[12, 40, 0] > 200
        assert frame.source == str(path)


def test_to_frame_reduces_large_arrays() -> None:
    array = np.asarray(quarters(400, 300))
    frame = to_frame(array, ImageLimits(decode_pixels=10_000))
    assert frame.scale == 4
    assert frame.pixels.shape == (75, 100, 3)


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32 \(4, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), r"uint8 \(4, 4, 2\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"uint8 \(1, 4, 4, 3\)"),
        (np.zeros((3,), np.uint8), r"uint8 \(3,\)"),
    ],
)
def test_to_frame_says_which_array_it_got_and_which_it_takes(array: NDArray[np.uint8], shown: str) -> None:
    with pytest.raises(ImageError, match=shown + r" is no picture; pass uint8 \(height, width, 3\) RGB"):
        to_frame(array, LIMITS)


def test_to_frame_refuses_empty_arrays_and_other_types() -> None:
    with pytest.raises(ImageError, match="shows nothing"):
        to_frame(np.zeros((0, 4, 3), np.uint8), LIMITS)
    with pytest.raises(ImageError, match="cannot take a int; pass a path"):
        to_frame(7, LIMITS)  # type: ignore[arg-type]


def test_jpeg_survives_the_way_out_and_in() -> None:
    pixels = np.asarray(quarters())
    again = decode(encode_jpeg(pixels, quality=95), "x", LIMITS).pixels
    assert np.abs(again.astype(int) - pixels).mean() < 4


def test_save_writes_by_suffix_and_says_why_it_cannot(tmp_path: Path) -> None:
    pixels = np.asarray(quarters())
    for name in ("a.png", "a.jpg", "a.webp"):
        save(pixels, tmp_path / name)
        assert read(tmp_path / name, LIMITS).width == 64
    for bad in (tmp_path / "a.xyz", tmp_path / "none", tmp_path / "missing" / "a.png"):
        with pytest.raises(ImageError, match="cannot be written"):
            save(pixels, bad)


def test_image_names_are_known_by_suffix_and_hidden_files_are_not() -> None:
    assert all(is_image_name(Path(name)) for name in ("a.jpg", "b/A.JPEG", "x.Png", "c.heic", "d.tif", "e.avif"))
    assert not any(is_image_name(Path(name)) for name in ("a.txt", "jpg", "._a.jpg", ".png", "a.jpg.part", "clip.mp4"))


POINTS = Landmarks((120, 110), (160, 110), (140, 130), (125, 150), (155, 150))


def test_a_crop_has_its_margin_and_its_landmarks_show_the_same_places() -> None:
    rng = np.random.default_rng(0)
    frame = Frame(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8), 400, 300)
    crop, points = crop_with_margin(frame, BoundingBox(100, 100, 100, 50), POINTS)
    assert crop.shape == (90, 180, 3)
    assert points.shape == (5, 2)
    assert points.dtype == np.float32
    for (x, y), (full_x, full_y) in zip(points.astype(int), POINTS.as_array().astype(int), strict=True):
        assert np.array_equal(crop[y, x], frame.pixels[full_y, full_x])


def test_a_large_crop_is_reduced_to_400_pixels_with_its_landmarks() -> None:
    frame = Frame(np.zeros((2000, 2000, 3), np.uint8), 2000, 2000)
    points = Landmarks(*[(500.0, 500.0)] * 5)
    crop, moved = crop_with_margin(frame, BoundingBox(500, 500, 1000, 500), points)
    assert crop.shape == (200, 400, 3)
    assert moved[0] == pytest.approx((400 * 400 / 1800, 200 * 200 / 900), abs=0.5)


def test_a_crop_of_a_reduced_frame_uses_its_scale() -> None:
    frame = Frame(np.zeros((300, 400, 3), np.uint8), 1600, 1200)
    points = Landmarks(*[(440.0, 440.0)] * 5)
    crop, moved = crop_with_margin(frame, BoundingBox(400, 400, 200, 200), points, margin=0.0)
    assert crop.shape == (50, 50, 3)
    assert moved[0].tolist() == [10, 10]


@pytest.mark.parametrize(
    "box", [BoundingBox(-50, -50, 100, 100), BoundingBox(390, 290, 90, 90), BoundingBox(900, 900, 9, 9)]
)
def test_a_crop_at_or_beyond_the_edge_is_clipped(box: BoundingBox) -> None:
    frame = Frame(np.zeros((300, 400, 3), np.uint8), 400, 300)
    crop, _ = crop_with_margin(frame, box, POINTS)
    assert crop.size > 0
    assert crop.flags.c_contiguous
