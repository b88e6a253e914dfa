"""LFW photos of which some people have half of theirs under an invented name, as images of customers."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

_EVERY = 5


def renamed(images: Path, people: int) -> Iterator[tuple[str, str, Path]]:
    """For the first `people` of them by name: each image's name, who is in it and the photo.

    Of every fifth person with two or more photos, the second half of them is called after an invented customer.
    """
    photos = sorted(images.glob("*/*.jpg"))
    several = 0
    for number, (person, group) in enumerate(groupby(photos, lambda photo: photo.parent.name)):
        if number == people:
            return
        own = list(group)
        several += len(own) > 1
        is_renamed = len(own) > 1 and several % _EVERY == 0
        for n, photo in enumerate(own):
            customer = f"Invented-{several}" if is_renamed and n >= len(own) // 2 else person
            yield f"{customer}_{n:04}.jpg", person, photo
