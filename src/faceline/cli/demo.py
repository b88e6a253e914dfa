"""demo: the whole first workflow on one portrait or on the reader's photos."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image, ImageEnhance, ImageOps

from faceline import portrait
from faceline.app import App
from faceline.cli.options import common
from faceline.cli.output import counted, note, print_table, print_text, progress_bar
from faceline.cli.up import serve
from faceline.drawing import AMBIGUOUS, MATCH, UNKNOWN, Label, annotate
from faceline.engine.session import cores
from faceline.errors import InputError
from faceline.events import ObjectCreated
from faceline.files import is_folder
from faceline.gallery.enrolment import Photo
from faceline.gallery.sources import Labelled
from faceline.images import crop_with_margin, decode, image_paths, read_bytes, save
from faceline.loading import image_limits, model_store
from faceline.types import BoundingBox, Frame, Landmarks

_COLOURS = {"match": MATCH, "ambiguous": AMBIGUOUS, "unknown": UNKNOWN}


def register(app: typer.Typer) -> None:
    app.command()(demo)


@dataclass(frozen=True, slots=True)
class Plan:
    """known: photos to enrol. uploads: key below input/ and bytes or path. naming: whether strangers get numbers."""

    known: Sequence[Labelled | Photo]
    uploads: Sequence[tuple[str, bytes | Path]]
    naming: bool


def demo(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Your photos; folders in it are people.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where data and pictures go; ./faceline-demo, or ./faceline-demo-<folder>.")
    ] = None,
    serve_after: Annotated[bool, typer.Option("--serve", help="Keep the server up afterwards.")] = False,
) -> None:
    """Enrol, upload, detect, search: the real workflow on a public-domain portrait or on your own photos."""
    given = common(context)
    settings = given.settings(given.data or out or _default_out(folder))
    plan = _plan(folder)
    model_store(settings).build(progress=note)
    with App(settings, min(cores(), 4)) as app:
        _enroll(app, plan.known)
        rows = _upload_all(app, plan)
        print_table(("photo", "face", "who", "similarity", "confidence", "left,top size"), rows)
        _say_where(app)
        if serve_after:
            serve(app)


def _default_out(folder: Path | None) -> Path:
    """A folder's photos must not meet the people of another demo."""
    return Path("faceline-demo") if folder is None else Path(f"faceline-demo-{folder.absolute().name}")


def _plan(folder: Path | None) -> Plan:
    if folder is None:
        photo = portrait.portrait()
        known = [Photo(photo, portrait.NAME, "the portrait")]
        made = [("portrait_mirrored_smaller_darker.jpg", _varied(photo)), ("nobody.png", _plain())]
        return Plan(known, made, naming=False)
    paths = image_paths([folder])
    if not paths:
        raise InputError(f"{folder}: has no photos; name a folder with some, or none for the portrait")
    keys = {path: path.relative_to(folder).as_posix() if is_folder(folder) else path.name for path in paths}
    people: dict[str, list[Path]] = {}
    for path in paths:
        if "/" in keys[path]:
            people.setdefault(keys[path].split("/")[0], []).append(path)
    # The last photo of each person is the one to recognise.
    labelled = [Labelled(p, name) for name, photos in people.items() for p in photos[: max(len(photos) - 1, 1)]]
    enrolled = {item.path for item in labelled}
    uploads = [(keys[p], p) for p in paths if p not in enrolled] or [(keys[p], p) for p in paths]
    return Plan(labelled, uploads, naming=not people)


def _enroll(app: App, known: Sequence[Labelled | Photo]) -> None:
    enroller = app.enroller()
    for item in known:
        if isinstance(item, Photo):
            outcome = enroller.enroll_photo(item)
            refused = [(outcome.source, outcome.refusal)] if outcome.refusal else []
        else:
            refused = [(r.source, r.reason) for r in enroller.enroll([item]).refused]
        for source, reason in refused:
            note(f"not enrolled: {source}: {reason}")
    if known:
        print_text(f"{counted(app.collection().people(), 'person', 'people')} enrolled in {app.settings.collection}.")


def _upload_all(app: App, plan: Plan) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    worker = app.worker()
    with progress_bar("photos", len(plan.uploads)) as advance:
        for key, content in plan.uploads:
            try:
                event = _upload(app, key, content)
            except InputError as error:  # not readable, too large, or a name that no object can have
                rows.append((key, None, str(error), None, None, None))
            else:
                worker.drain()
                rows += _shown(app, event, plan.naming)
            advance(1)
    return rows


def _upload(app: App, key: str, content: bytes | Path) -> ObjectCreated:
    bucket, full = app.settings.input_bucket, app.settings.input_prefix + key
    data = content if isinstance(content, bytes) else read_bytes(content, image_limits(app.settings))
    info = app.objects.put(bucket, full, data)
    event = ObjectCreated(bucket, full, info.etag, info.size, info.modified_at)
    if not app.watcher().announce(info):  # a demo may be run again
        app.announce(event)
    return event


def _shown(app: App, event: ObjectCreated, naming: bool) -> list[tuple[object, ...]]:
    """Rows from the `processed/….json` of one photo, whose annotated picture is written too."""
    result = json.loads(app.receipts.result(event.event_id) or "{}")
    if "processed" not in result:
        return [(event.key, None, f"failed: see {app.settings.data}", None, None, None)]
    document = json.loads(app.objects.get(event.bucket, result["processed"], 50_000_000)[1])
    if document["error"]:
        return [(event.key, None, document["error"].partition(": ")[2], None, None, None)]
    frame = decode(app.objects.get(event.bucket, event.key, 50_000_000)[1], event.key, image_limits(app.settings))
    rows: list[tuple[object, ...]] = []
    labels = []
    for n, face in enumerate(document["faces"], start=1):
        who = face["name"] or _named(app, frame, face, naming) or face["decision"]
        labels.append(_label(face, who))
        box = face["box"]
        place = f"{box['left']:.0f},{box['top']:.0f} {box['width']:.0f}×{box['height']:.0f}"
        rows.append((event.key, n, who, face["similarity"], face["confidence"], place))
    _picture(app, event.key, frame, labels)
    return rows or [(event.key, None, "no face", None, None, None)]


def _named(app: App, frame: Frame, face: dict[str, Any], naming: bool) -> str | None:
    """In a folder without names, a usable stranger becomes `person 1`, `person 2`, … and is known from then on."""
    if not naming or face["decision"] != "unknown" or not face["quality"]["usable"]:
        return None
    pixels, _ = crop_with_margin(frame, _box(face), _landmarks(face))
    name = f"person {app.collection().people() + 1}"
    crop = Frame(pixels, pixels.shape[1], pixels.shape[0], frame.source)
    outcome = app.enroller().enroll_photo(Photo(crop, name, frame.source))
    return f"{name} (new)" if outcome.face else None


def _label(face: dict[str, Any], who: str) -> Label:
    text = f"{who} {face['similarity']:.2f}" if face["decision"] == "match" else who
    return Label(_box(face), text, _COLOURS[face["decision"]], _landmarks(face))


def _box(face: dict[str, Any]) -> BoundingBox:
    box = face["box"]
    return BoundingBox(box["left"], box["top"], box["width"], box["height"])


def _landmarks(face: dict[str, Any]) -> Landmarks:
    return Landmarks(*((float(x), float(y)) for x, y in face["landmarks"]))


def _picture(app: App, key: str, frame: Frame, labels: list[Label]) -> None:
    folder = app.settings.data / "pictures"
    folder.mkdir(exist_ok=True)
    name = re.sub(r"[^\w.-]+", "_", key.removeprefix(app.settings.input_prefix))
    save(annotate(frame, labels), folder / (name if name.endswith(".png") else f"{name}.png"))


def _varied(photo: bytes) -> bytes:
    """The portrait mirrored, at 70 % of its size, darker, and turned by six degrees: enough to be another photo."""
    with Image.open(BytesIO(photo)) as image:
        mirrored = ImageOps.mirror(image).resize((358, 358), Image.Resampling.LANCZOS)
    turned = ImageEnhance.Brightness(mirrored).enhance(0.75).rotate(6, Image.Resampling.BICUBIC)
    buffer = BytesIO()
    turned.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _plain() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (320, 240), (120, 150, 120)).save(buffer, "PNG")
    return buffer.getvalue()


def _program() -> str:
    """faceline as the reader started it, so that the printed commands work when copied."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{Path(sys.executable).name} -m faceline"
    return str(started) if started.name != sys.argv[0] else started.name


def _say_where(app: App) -> None:
    faceline = _program()
    data, bucket = app.settings.data, app.settings.input_bucket
    print_text(
        f"""
annotated pictures  {data}/pictures
results as JSON     {data}/buckets/{bucket}/{app.settings.processed_prefix}
records             {faceline} --data {data} records
enrol people        {faceline} --data {data} enroll PHOTO --name NAME
keep it running     {faceline} --data {data} up
                    and drop photos into {data}/buckets/{bucket}/{app.settings.input_prefix}"""
    )
