"""detect, compare, identify: photos in, answers out, nothing kept."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from faceline.api import Faceline
from faceline.app import App
from faceline.cli.clip_files import clips_and_photos
from faceline.cli.clips import (
    ClipOptions,
    PerSecond,
    RegionText,
    SheetPath,
    check_options,
    identify_clips,
    print_appearances,
)
from faceline.cli.drawn import draw_detections, draw_identifications
from faceline.cli.options import CollectionName, Data, Json, MinFace, common, path
from faceline.cli.output import note, print_json, print_table, print_text, progress_bar
from faceline.config import Settings
from faceline.engine.session import cores
from faceline.errors import InputError, ModelMismatchError, NotFoundError, UsageError
from faceline.files import is_folder
from faceline.images import image_paths, read
from faceline.loading import image_limits, wanted, worker_count
from faceline.pipelines.documents import comparison_document, detection_document, identified_document
from faceline.types import Face, Frame, Identification

Photos = Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.", show_default=False, parser=path)]
PhotosAndClips = Annotated[
    list[Path],
    typer.Argument(metavar="PHOTO|CLIP...", help="Photos, clips, or folders of them.", show_default=False, parser=path),
]
_PROVISIONAL = "Similarities of this model are provisional, not measured; `faceline evaluate --install` measures them."
Photo = Annotated[Path, typer.Argument(show_default=False, parser=path)]
Draw = Annotated[Path | None, typer.Option("--draw", metavar="DIR", help="Write annotated pictures there.")]


def register(app: typer.Typer) -> None:
    app.command()(detect)
    app.command()(compare)
    app.command()(identify)


def detect(
    context: typer.Context,
    photos: Photos,
    attributes: Annotated[str | None, typer.Option(help="`emotions`, or nothing.")] = None,
    min_face: MinFace = None,
    draw: Draw = None,
    as_json: Json = False,
) -> None:
    """Find faces: boxes, landmarks, confidence, pose, quality, and emotions when asked for."""
    names = tuple(part.strip() for part in attributes.split(",") if part.strip()) if attributes else None
    settings = common(context).settings().with_(attributes=names, min_face_px=min_face)
    documents = []
    with App(settings, _threads(photos)) as app:

        def examine(frame: Frame) -> list[Face]:
            return app.analyzer().analyze([frame], wanted(settings, embeddings=False))[0]

        for photo, frame, faces, error in _each(photos, settings, examine, not as_json):
            if draw and frame:
                draw_detections(frame, faces, draw)
            documents.append(detection_document(str(photo), frame, faces, error))
    _finish(documents, as_json, _print_detections)


def identify(
    context: typer.Context,
    files: PhotosAndClips,
    collection: CollectionName = None,
    data: Data = None,
    min_face: MinFace = None,
    fps: PerSecond = None,
    region: RegionText = None,
    draw: Draw = None,
    contact_sheet: SheetPath = None,
    as_json: Json = False,
) -> None:
    """Say who is in photos and clips: a name, unknown, or ambiguous; in clips also from when to when."""
    settings = common(context).settings(data, collection).with_(min_face_px=min_face, follow_per_second=fps)
    everything, clips, photos = clips_and_photos(files)
    options = ClipOptions(region, draw, contact_sheet, progress=not as_json)
    check_options(options, clips)
    if not everything:
        raise UsageError(f"no photos or clips in {', '.join(map(str, files))}; give files, or folders that have some")
    documents = []
    with App(settings, 1 if clips else _threads(files)) as app:
        gallery = app.collection()
        _check_gallery(app, settings)

        def examine(frame: Frame) -> list[Identification]:
            try:
                return gallery.identify(app.analyzer().analyze([frame], wanted(settings))[0])
            except ModelMismatchError:  # the collection's model was changed meanwhile
                return gallery.identify(app.analyzer().analyze([frame], wanted(settings))[0])

        for photo, frame, found, error in _each(photos, settings, examine, not as_json) if photos else ():
            if draw and frame:
                draw_identifications(frame, found, draw)
            documents.append(identified_document(str(photo), found, error))
        documents += identify_clips(app, clips, options)
        threshold, people = gallery.threshold(), gallery.people()
        calibrated = gallery.scorer.calibration.measured
    places = {str(file): place for place, file in enumerate(everything)}
    _finish(sorted(documents, key=lambda each: places[each["source"]]), as_json, _print_found)
    if not as_json:
        note(f"With {people} people enrolled a name needs similarity {threshold:.2f}.")
        if not calibrated:
            note(_PROVISIONAL)


def compare(context: typer.Context, photo_a: Photo, photo_b: Photo, as_json: Json = False) -> None:
    """Compare the largest faces of two photos."""
    settings = common(context).settings()
    with Faceline(settings) as faceline:
        comparison = faceline.compare(photo_a, photo_b)
    if as_json:
        print_json(comparison_document(comparison))
        return
    verdict = "the same person" if comparison.same else "different people, or not sure"
    if not comparison.calibrated:
        note(_PROVISIONAL)
    print_text(f"similarity {comparison.similarity:.2f} of 100: {verdict} (same from {settings.min_similarity:g})")


def _each(
    photos: Sequence[Path], settings: Settings, examine: Callable[[Frame], Any], shown: bool
) -> Iterator[tuple[Path, Frame | None, list[Any], str | None]]:
    """Each photo with what `examine` found in it or the error; in order, a few at once."""
    paths = image_paths(photos)
    if not paths:
        raise UsageError(f"no photos in {', '.join(map(str, photos))}; give photos or folders that have some")
    limits = image_limits(settings)

    def one(photo: Path) -> tuple[Path, Frame | None, list[Any], str | None]:
        try:
            frame = read(photo, limits)
        except InputError as error:
            return photo, None, [], str(error)
        return photo, frame, examine(frame), None

    workers = min(worker_count(settings), len(paths))
    with progress_bar("photos", len(paths), shown and len(paths) > 1) as advance:
        if workers == 1:
            results: Iterator[Any] = map(one, paths)
            yield from _advancing(results, advance)
            return
        with ThreadPoolExecutor(workers) as pool:
            # In slices, so that frames of a large folder are not all in memory at once.
            for first in range(0, len(paths), 4 * workers):
                yield from _advancing(pool.map(one, paths[first : first + 4 * workers]), advance)


def _advancing(results: Iterator[Any], advance: Callable[[int], None]) -> Iterator[Any]:
    for result in results:
        yield result
        advance(1)


def _threads(photos: Sequence[Path]) -> int:
    """All cores for one photo; for many, workers with one core each are faster."""
    return min(cores(), 4) if len(photos) == 1 and not is_folder(photos[0]) else 1


def _check_gallery(app: App, settings: Settings) -> None:
    if app.collection().people():
        return
    try:
        app.collections.get(settings.collection)
    except NotFoundError as error:
        known = ", ".join(info.name for info in app.collections.list())
        if known:
            raise NotFoundError(f"{error} (there is: {known})") from error
    note(f"Nobody is enrolled in {settings.collection}, so everybody is unknown; see `faceline enroll --help`.")


def _finish(documents: list[dict[str, Any]], as_json: bool, show: Callable[[list[dict[str, Any]]], None]) -> None:
    if as_json:
        print_json(documents)
    else:
        show([d for d in documents if not d["error"] or d.get("appearances")])
    failed = [str(d["error"]) for d in documents if d["error"]]
    for error in failed:
        note(f"faceline: {error}")
    if failed:
        raise typer.Exit(1)


def _print_found(documents: list[dict[str, Any]]) -> None:
    clips = [document for document in documents if document["kind"] == "video"]
    photos = [document for document in documents if document["kind"] == "photo"]
    if photos or not clips:
        _print_identifications(photos)
    if clips:
        print_appearances(clips)


def _print_detections(documents: list[dict[str, Any]]) -> None:
    rows: list[tuple[object, ...]] = []
    for document in documents:
        for n, face in enumerate(document["faces"], start=1):
            box, quality = face["box"], face["quality"]
            place = f"{box['left']:.0f},{box['top']:.0f} {box['width']:.0f}×{box['height']:.0f}"
            usable = "usable" if quality["usable"] else ", ".join(quality["reasons"])
            mood = " ".join(f"{e['type']} {e['confidence']:.0f}" for e in face.get("emotions", [])[:2])
            pose = face["pose"]
            turned = f"{pose['roll']:.0f} {pose['yaw']:.0f} {pose['pitch']:.0f}"
            rows.append((document["source"], n, place, face["confidence"], turned, usable, mood))
        if not document["faces"]:
            rows.append((document["source"], "no face", "", "", "", "", ""))
    columns = ("photo", "face", "left,top size", "confidence", "roll yaw pitch", "quality", "emotions")
    print_table(columns, rows)


def _print_identifications(documents: list[dict[str, Any]]) -> None:
    rows: list[tuple[object, ...]] = []
    for document in documents:
        for n, face in enumerate(document["faces"], start=1):
            box = face["box"]
            place = f"{box['left']:.0f},{box['top']:.0f} {box['width']:.0f}×{box['height']:.0f}"
            others = ", ".join(f"{c['name']} {c['similarity']:.2f}" for c in face["candidates"][:3])
            rows.append((document["source"], n, place, face["decision"], face["name"], face["similarity"], others))
        if not document["faces"]:
            rows.append((document["source"], "no face", "", "", "", "", ""))
    print_table(("photo", "face", "left,top size", "decision", "name", "similarity", "most similar"), rows)
