"""A running faceline with something on each of its pages, to look at and to check."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from PIL import Image, ImageOps

from acceptance.conftest import jpeg, varied
from clips import write_clip
from commands import Up, run, wait_until
from faceline.portrait import NAME, portrait

CLIP = "at the door.mp4"
_SIZE = (640, 360)
_INPUT, _IMAGES, _CLIPS = "face-input-bucket", "faceline-images", "faceline-input"


@dataclass(frozen=True)
class Cast:
    """people: photos of each who is enrolled, JPEG. strangers: photos of who is not. twice: who has two names."""

    people: Mapping[str, Sequence[bytes]]
    strangers: Sequence[bytes]
    twice: Mapping[str, str]

    @property
    def everybody(self) -> list[Image.Image]:
        photos = [photos[0] for photos in self.people.values()] + list(self.strangers)
        return [Image.open(io.BytesIO(photo)).convert("RGB") for photo in photos]


def of_the_portrait() -> Cast:
    """One face only, the public-domain portrait's."""
    face = Image.open(io.BytesIO(portrait())).convert("RGB").crop((80, 0, 380, 300))
    photos = [varied(face, number) for number in range(12)]
    return Cast({NAME: photos[:9]}, photos[9:], {NAME: "E. M. Collins"})


def of_folder(folder: Path, people: int = 36) -> Cast:
    """Of a folder with a folder of photos for each person; the first tenth of them are strangers."""
    many = [p for p in sorted(folder.iterdir()) if p.is_dir() and len(list(p.glob("*.jpg"))) > 1]
    chosen = many[:: max(len(many) // people, 1)][:people]
    photos = {p.name.replace("_", " "): [each.read_bytes() for each in sorted(p.glob("*.jpg"))[:6]] for p in chosen}
    names, apart = list(photos), max(people // 10, 2)
    strangers = [photo for name in names[:apart] for photo in photos[name][:2]]
    twice = {name: f"{name.split()[0]} (other name)" for name in names[apart : apart + 4]}
    return Cast({name: photos[name] for name in names[apart:]}, strangers, twice)


@contextmanager
def filled(data: Path, cast: Cast) -> Iterator[Up]:
    """Everything worked on; nothing is under way any more."""
    with Up(data, FACELINE_KEEP_UNKNOWN_FACES="true") as up:
        up.ready()
        _photos(up, "stranger", cast.strangers)
        _idle(up)
        _enrol(up, cast)
        for name, photos in cast.people.items():
            _photos(up, name, photos[-2:])
        _others(up, cast)
        _idle(up)
        _clip(up, cast)
        _doubles(up, cast)
        yield up


def crowd(cast: Cast, side: int = 240) -> bytes:
    """Up to twelve of them in one picture."""
    faces = list(islice((face for face in cast.everybody), 12)) or []
    faces = faces if len(faces) > 1 else [faces[0], ImageOps.mirror(faces[0])]
    columns = min(len(faces), 4)
    picture = Image.new("RGB", (columns * side, -(-len(faces) // columns) * side), (90, 95, 100))
    for number, face in enumerate(faces):
        picture.paste(face.resize((side, side)), (number % columns * side, number // columns * side))
    return jpeg(picture)


def _put(up: Up, bucket: str, key: str, data: bytes) -> None:
    status, body = up.ask("PUT", f"/buckets/{bucket}/{quote(key)}", data)
    assert status == 201, body


def _photos(up: Up, name: str, photos: Sequence[bytes]) -> None:
    for number, photo in enumerate(photos):
        _put(up, _INPUT, f"input/{name.lower().replace(' ', '-')}-{number:04}.jpg", photo)


def _enrol(up: Up, cast: Cast) -> None:
    for name, photos in cast.people.items():
        for number, photo in enumerate(photos[:-1][:4]):
            _put(up, _INPUT, f"enroll/{name}_{number:04}.jpg", photo)
    _idle(up)


def _others(up: Up, cast: Cast) -> None:
    _put(up, _INPUT, "input/group.jpg", crowd(cast))
    _put(up, _INPUT, "input/garden.jpg", jpeg(Image.linear_gradient("L").resize((480, 320)).convert("RGB")))
    _put(up, _INPUT, "input/letter.jpg", b"Dear all")
    _put(up, _CLIPS, "broken.mp4", b"nothing that plays")
    for name, other in cast.twice.items():
        own = cast.people[name]
        for customer, photo in ((name, own[0]), (other, own[-1])):
            _put(up, _IMAGES, f"images/{customer.replace(' ', '-')}_0001.jpg", photo)


def _clip(up: Up, cast: Cast) -> None:
    """Up to five of them, each going by, the next one coming before the last has gone; a single one comes twice."""
    people = [Image.open(io.BytesIO(photos[0])) for photos in islice(cast.people.values(), 4)]
    faces = [*people, Image.open(io.BytesIO(cast.strangers[0]))]
    starts = [20 * number for number in range(len(faces))] if len(people) > 1 else [0, 110]
    pictures = [Image.new("RGB", _SIZE, (104, 110, 116)) for _ in range(starts[-1] + 40)]
    for number, (face, start) in enumerate(zip(faces, starts, strict=True)):
        for step in range(40):
            at = step * (_SIZE[0] - 200) // 39, 20 + 60 * (number % 3)
            pictures[start + step].paste(face.resize((200, 200)), at)
    path = write_clip(up.data.parent / "made.mp4", pictures)
    _put(up, _CLIPS, CLIP, path.read_bytes())
    wait_until(lambda: b'"mode":"all"' in up.ask("GET", "/api/v1/clips")[1], "the clip")


def _doubles(up: Up, cast: Cast) -> None:
    """Some are enrolled under a second name too, which a scan finds."""
    for name, other in cast.twice.items():
        _put(up, _INPUT, f"enroll/{other}_0001.jpg", cast.people[name][-1])
    _idle(up)
    done = run(up.data.parent, "--data", up.data, "review", "scan", "--queue")
    assert done.code == 0, done.err


def _idle(up: Up) -> None:
    wait_until(lambda: not (up.queue()["visible"] + up.queue()["in_flight"]), "the work")
