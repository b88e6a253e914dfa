"""Every awkward file of the test data (FACELINE_TEST_DATA) gives a Frame or an ImageError that names it."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from faceline.errors import ImageError
from faceline.images import ImageLimits, read

LIMITS = ImageLimits()
REFUSED = {
    "bomb_header_60000x60000.png": "over the limit",
    "corrupt_middle.jpg": "damaged",
    "text.jpg": "is HTML, not an image",
    "truncated.jpg": "cut off",
    "zero.jpg": r"empty \(0 bytes\)",
    "corrupted.png": "damaged",
    "empty.png": "empty|text",
    "einstein.joblib": "cannot identify",
    "__init__.py": "empty|text",
}
MEMORY_PROGRAM = """
import pathlib, resource, sys
from faceline.errors import ImageError
from faceline.images import ImageLimits, read
for name in sys.argv[1:]:
    try:
        read(pathlib.Path(name), ImageLimits())
    except ImageError:
        pass
status = pathlib.Path("/proc/self/status")
if status.exists():  # ru_maxrss would begin at the size of the process that started this one
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def files(test_data: Path) -> list[Path]:
    folders = [test_data / "edge", test_data / "photos" / "compreface" / "formats"]
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(found) > 40, f"{test_data} is not the test data"
    return found


def test_every_file_gives_a_frame_or_an_error_that_names_it_within_two_seconds(files: list[Path]) -> None:
    for path in files:
        started = time.perf_counter()
        if path.name in REFUSED:
            with pytest.raises(ImageError, match=REFUSED[path.name]) as caught:
                read(path, LIMITS)
            assert str(caught.value).startswith(f"{path}: ")
        else:
            frame = read(path, LIMITS)
            assert frame.pixels.dtype == np.uint8
            assert frame.pixels.flags.c_contiguous
            assert frame.pixels.shape[0] * frame.pixels.shape[1] <= LIMITS.decode_pixels
            assert frame.width / frame.height == pytest.approx(frame.pixels.shape[1] / frame.pixels.shape[0], rel=0.01)
        assert time.perf_counter() - started < 2, path


def test_all_turnings_and_kinds_of_one_portrait_look_alike(files: list[Path]) -> None:
    by_name = {path.name: path for path in files}
    plain = read(by_name["exif_1.jpg"], LIMITS).pixels.astype(int)
    same = [*(f"exif_{n}.jpg" for n in range(2, 9)), "bmp.bmp", "cmyk.jpg", "rgb16.png", "palette.png", "webp.webp"]
    for name in same:
        pixels = read(by_name[name], LIMITS).pixels
        assert pixels.shape == plain.shape, name
        assert np.abs(pixels - plain).mean() < 6, name
    grey = plain @ [0.299, 0.587, 0.114]
    for name in ("gray.jpg", "gray16.png"):
        assert np.abs(read(by_name[name], LIMITS).pixels[..., 0] - grey).mean() < 6, name


def test_the_portrait_of_compreface_looks_alike_in_all_formats(files: list[Path]) -> None:
    portraits = [path for path in files if path.stem == "einstein" and path.name not in REFUSED]
    assert len(portraits) == 7
    frames = [read(path, LIMITS).pixels.astype(int) for path in portraits]
    for pixels in frames[1:]:
        assert np.abs(pixels - frames[0]).mean() < 6


def test_the_huge_picture_keeps_its_full_size_and_is_decoded_small(files: list[Path]) -> None:
    (path,) = [path for path in files if path.name.startswith("huge_9000x7000")]
    frame = read(path, LIMITS)
    assert (frame.width, frame.height) == (9000, 7000)
    assert frame.pixels.shape[:2] == (3500, 4500)


def test_reading_all_files_stays_below_250_megabytes(files: list[Path]) -> None:
    arguments = [sys.executable, "-c", MEMORY_PROGRAM, *map(str, files)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 250_000_000
