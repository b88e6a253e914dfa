"""Takes every page as PNG, light and dark, wide and phone: python tools/screenshots.py OUT [--photos FOLDER].

A `faceline up` of its own is filled with the public-domain portrait, or with the photos of a folder that has a folder
for each person. Needs the packages of the extra `test`, Chromium, and the models (FACELINE_MODELS_DIR, or the cache).
"""

import argparse
import sys
import tempfile
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from filled import filled, of_folder, of_the_portrait
from scenes import SCENES, photos_of
from visitor import SIZES, Visit, chromium, visit

THEMES = ("light", "dark")
LONG = ("docs", "live-one", "person-merge", "person-delete")  # what fits no picture, or lies over what scrolls


def main() -> None:
    given = _arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    cast = of_folder(given.photos, given.people) if given.photos else of_the_portrait()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, filled(Path(folder) / "data", cast) as up:
        photos = photos_of(cast, Path(folder))
        for theme, size in product(THEMES, SIZES):
            with visit(browser, up.url, up.key, size, theme) as visitor:
                _take(visitor, photos, given.out, f"{theme}-{size}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder for the pictures")
    parser.add_argument("--photos", type=Path, help="a folder with a folder of JPEGs for each person")
    parser.add_argument("--people", type=int, default=36, help="how many of them")
    return parser.parse_args()


def _take(visitor: Visit, photos: Path, out: Path, look: str) -> None:
    for scene in SCENES:
        page = scene.set(visitor, photos)
        page.screenshot(path=out / f"{scene.name}-{look}.png", full_page=scene.name not in LONG)
    visitor.page.context.clear_cookies()
    visitor.go("/login").screenshot(path=out / f"login-{look}.png")


if __name__ == "__main__":
    main()
