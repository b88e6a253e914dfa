"""A scan as one HTML page with the faces side by side, for people to look through. It needs nothing else."""

import base64
import io
from collections.abc import Callable
from importlib.resources import files

from PIL import Image

from faceline.errors import ImageError
from faceline.image_headers import naming
from faceline.pipelines.markup import Markup, element, page
from faceline.pipelines.scanning import Group, Scan, Shown, TwoNames, TwoPeople
from faceline.similarity import strangers_as_alike

Picture = Callable[[str], bytes | None]  # a face id's kept crop as JPEG, None where there is none

PAIRS_SHOWN = 300
NAMES_SHOWN = 100
_FACES_SHOWN = 6  # of a group
_SIDE_PX = 160


def meaning(similarity: float) -> str:
    """A similarity in words: how many pairs of strangers have it."""
    if similarity == 100.0:
        return "The same photo is under both names."
    strangers = strangers_as_alike(similarity)
    return f"{strangers[0].upper()}{strangers[1:]}."


def scan_page(scan: Scan, picture: Picture) -> str:
    """The page. It shows at most `PAIRS_SHOWN` pairs of names and `NAMES_SHOWN` names, and says so."""
    css = files("faceline.pipelines").joinpath("scan_page.css").read_text(encoding="utf-8")
    return page(
        f"Scan of {scan.collection}",
        css,
        element("header", element("h1", f"Scan of {scan.collection}"), element("p", _summary(scan))),
        element("main", _two_names(scan, picture), _two_people(scan, picture)),
    )


def _summary(scan: Scan) -> str:
    left_out = f" {scan.settled:,} already decided on are left out." if scan.settled else ""
    unnamed = f" {scan.unnamed:,} faces without a name were not compared." if scan.unnamed else ""
    return f"{scan.faces:,} faces of {scan.names:,} names, {scan.pairs:,} pairs of faces compared.{unnamed}{left_out}"


def _two_names(scan: Scan, picture: Picture) -> Markup:
    shown = scan.two_names[:PAIRS_SHOWN]
    notes = [
        f"Pairs of names with faces of similarity {scan.min_similarity:g} or more, the most alike first; below the "
        "similarity stands how many pairs of strangers are so alike. Among all pairs compared here, about "
        f"{_about(scan.strangers_expected)} of different people are to be expected: look before you merge."
    ]
    if len(scan.two_names) > len(shown):
        notes.append(f"The first {len(shown):,} of {len(scan.two_names):,}; all are in scan.json and scan.csv.")
    if scan.complete_from is not None:
        notes.append(f"There are more: only those from similarity {scan.complete_from:g} on are complete.")
    heading = element("h2", "One person under two names? ", element("span", f"{len(scan.two_names):,}", class_="count"))
    cards = [_pair(each, scan.min_similarity, picture) for each in shown] or [
        element("p", "None found.", class_="none")
    ]
    return element("section", heading, *_notes(notes), element("div", *cards, class_="pairs"))


def _pair(each: TwoNames, wanted: float, picture: Picture) -> Markup:
    a, b = (_face(face, picture, name) for face, name in zip(each.faces, each.names, strict=True))
    said = [element("strong", f"{each.similarity:.2f}"), element("p", meaning(each.similarity))]
    few = f"{each.pairs:,} of {each.of_pairs:,} pairs of their photos reach {wanted:g}; "
    mean = f"the mean similarity of all is {each.mean_similarity:.2f}."
    more = [element("p", few + mean, class_="more")] if each.of_pairs > 1 else []
    return element("article", element("div", *said, class_="verdict"), a, b, *more, class_="pair")


def _two_people(scan: Scan, picture: Picture) -> Markup:
    shown = scan.two_people[:NAMES_SHOWN]
    notes = [
        "Names whose photos fall into groups that are not alike: their mean similarity is below "
        f"{scan.same_person:g}. It may be two people, or photos too poor to tell."
    ]
    if len(scan.two_people) > len(shown):
        notes.append(f"The first {len(shown):,} of {len(scan.two_people):,}; all are in scan.json and scan.csv.")
    if scan.not_divided:
        notes.append(f"Not looked at, since they have too many photos: {', '.join(scan.not_divided)}.")
    heading = element("h2", "One name, two people? ", element("span", f"{len(scan.two_people):,}", class_="count"))
    cards = [_person(each, picture) for each in shown] or [element("p", "None found.", class_="none")]
    return element("section", heading, *_notes(notes), element("div", *cards, class_="people"))


def _person(each: TwoPeople, picture: Picture) -> Markup:
    groups = [_group(group, picture) for group in each.groups]
    return element("article", element("h3", each.name), *groups, class_="person")


def _group(group: Group, picture: Picture) -> Markup:
    others = [face_id for face_id in group.face_ids if face_id != group.example.face_id]
    shown = [group.example.face_id, *others][:_FACES_SHOWN]
    more = len(group.face_ids) - len(shown)
    count = "1 photo" if len(group.face_ids) == 1 else f"{len(group.face_ids):,} photos"
    said = count if group.similarity is None else f"{count}, mean similarity to the first group {group.similarity:.2f}"
    pictures = [_picture(picture(face_id), group.example.source) for face_id in shown]
    rest = [element("span", f"and {more:,} more", class_="more")] if more else []
    return element("div", element("p", said), element("div", *pictures, *rest, class_="faces"), class_="group")


def _face(face: Shown, picture: Picture, name: str) -> Markup:
    short = "/".join(face.source.split("/")[-2:])
    caption = element("figcaption", element("b", name), element("small", short, title=face.source))
    return element("figure", _picture(picture(face.face_id), face.source), caption)


def _picture(jpeg: bytes | None, source: str) -> Markup:
    small = _small(jpeg) if jpeg else None
    if small is None:
        return element("div", "no crop kept", class_="missing")
    data = base64.b64encode(small).decode("ascii")
    return element("img", src=f"data:image/jpeg;base64,{data}", alt=f"face of {source}", loading="lazy")


def _small(jpeg: bytes) -> bytes | None:
    """None for what cannot be decoded: one damaged crop is no reason to show no page."""
    try:
        with naming("crop", "JPEG"), Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            image.draft("RGB", (_SIDE_PX, _SIDE_PX))
            small = image.convert("RGB")
    except ImageError:
        return None
    small.thumbnail((_SIDE_PX, _SIDE_PX))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _notes(texts: list[str]) -> list[Markup]:
    return [element("p", text, class_="note") for text in texts]


def _about(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1g}"
