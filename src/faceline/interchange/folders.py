"""Folders of photos as face_recognition's and deepface's programs take them, and what else lies in them."""

from dataclasses import dataclass
from pathlib import Path

from faceline.errors import InputError, UsageError
from faceline.files import is_folder, walk
from faceline.gallery.sources import Labelled, label_of
from faceline.images import images_in
from faceline.types import Refusal

_PICKLES = {".pkl", ".pickle"}
PICKLE = (
    "is a pickle: opening it would run what is in it, and another model's embeddings cannot be compared with ours; "
    "import the photos that it was made from"
)


@dataclass(frozen=True, slots=True)
class Found:
    """items: photos with names. passed: files that are no photos but look as if they should count, with why not."""

    items: tuple[Labelled, ...]
    passed: tuple[Refusal, ...]


def face_folder(folder: Path) -> Found:
    """A person's photos lie in a folder of their name, however deep: deepface's `db/Ada/1.jpg`, `db/team/Ada/1.jpg`.

    Photos directly in it are named by their files: face_recognition's `known_people/Ada.jpg`, also `Ada_2.jpg`.
    Raises InputError for a pickle, UsageError for what is no folder or has no photos.
    """
    if folder.suffix.lower() in _PICKLES:
        raise InputError(f"{folder} {PICKLE}")
    if not is_folder(folder):
        raise UsageError(f"{folder} is no folder; give one with Name/photo.jpg or Name.jpg")
    items = tuple(Labelled(photo, _name(folder, photo)) for photo in images_in(folder))
    if not items:
        raise UsageError(f"{folder} has no photos; give a folder with Name/photo.jpg or Name.jpg")
    pickles = sorted(walk(folder, lambda path: path.suffix.lower() in _PICKLES))
    return Found(items, tuple(Refusal(str(path), PICKLE) for path in pickles))


def _name(folder: Path, photo: Path) -> str:
    return photo.parent.name if photo.parent != folder else label_of(photo.name)
