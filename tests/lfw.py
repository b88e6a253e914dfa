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


def enrolled_and_seen(images: Path, known: int, photos: int) -> tuple[dict[str, Path], list[Path]]:
    """The first photo of each of the first `known` people who have several, by name, and other photos: those of the
    known, then of strangers, so that all together are `photos`.
    """
    people = {person: list(group) for person, group in groupby(sorted(images.glob("*/*.jpg")), lambda p: p.parent.name)}
    several = [person for person, own in people.items() if len(own) > 1][:known]
    enrolled = {person: people[person][0] for person in several}
    theirs = [photo for person in several for photo in people[person][1:3]]
    strangers = [own[0] for person, own in people.items() if person not in enrolled]
    return enrolled, [*theirs, *strangers][: photos - known]
