"""watch: who appears before cameras, as it happens, until it is told to stop."""

import logging
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from threadpoolctl import threadpool_limits

from faceline.app import App
from faceline.cameras import Camera, camera
from faceline.cli.notifications import delivering
from faceline.cli.options import CollectionName, Data, MinFace, common, path
from faceline.cli.output import counted, note, print_json_line, print_text
from faceline.engine.session import cores
from faceline.errors import ConflictError, StorageError, UsageError
from faceline.files import read_text
from faceline.images import encode_jpeg
from faceline.loading import wanted, worker_count
from faceline.pipelines.clips import video_limits
from faceline.pipelines.entries import camera_entry
from faceline.pipelines.feed import Feed, FeedRule
from faceline.pipelines.telling import at_camera
from faceline.pipelines.watching import CameraEvent, Eyes, WatchCounts, Watching, event_document
from faceline.types import Decision

_SILENT_S = 10.0
_log = logging.getLogger("faceline.cli.watch")


def register(app: typer.Typer) -> None:
    app.command()(watch)


def watch(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="rtsp://…, http://…, /dev/video0, or a clip.", show_default=False),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="What to call a camera; as often as there are sources.")
    ] = None,
    cameras: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=path, help='More of them, as lines NAME = "SOURCE" (TOML); hides passwords.'
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(metavar="N", min=0.5, max=60, help="Frames a second looked at; 5 unless set.")
    ] = None,
    snapshots: Annotated[
        Path | None, typer.Option(metavar="DIR", parser=path, help="Keep the best picture of each appearance there.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1, max=3600, help="How long a camera may be silent before it is lost.")
    ] = _SILENT_S,
    once: Annotated[bool, typer.Option("--once", help="Do not connect again when a camera is lost.")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Clips as fast as possible, instead of in real time.")] = False,
    min_face: MinFace = None,
    data: Data = None,
    collection: CollectionName = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each appearance.")] = False,
) -> None:
    """Watch cameras: a line for each person who appears. Stops on SIGTERM or Ctrl-C."""
    settings = common(context).settings(data, collection, logging.INFO)
    settings = settings.with_(follow_per_second=fps, min_face_px=min_face)
    found = _cameras(sources or [], name or [], cameras)
    if snapshots:
        _make(snapshots)
    # With many cameras a core for each frame, with one all cores for it.
    with App(settings, max(min(cores(), 4) // len(found), 1)) as app:
        gallery = app.collection()
        eyes = Eyes(app.analyzer(), wanted(settings), gallery, snapshots)
        if not gallery.people():
            note(f"Nobody is enrolled in {gallery.name} yet, so everybody is unknown; see `faceline enroll --help`.")
        threadpool_limits(1, "blas")
        limits, rule = (
            replace(video_limits(settings), timeout_s=timeout),
            FeedRule(settings.follow_per_second, once, fast),
        )
        watching = Watching(found, limits, rule, eyes, worker_count(settings))
        with _told_to(watching.stop), delivering(app), watching:
            for event in watching.events():
                print_json_line(event_document(event)) if as_json else _print(event)
                _tell(app, event, gallery.name)
                _list(app, event, gallery.name)
    _finish(watching, as_json)


def _tell(app: App, event: CameraEvent, collection: str) -> None:
    notice = at_camera(event, collection)
    try:
        if notice is not None:
            app.notify.seen(notice)
    except StorageError as error:  # a full disk passes; who comes is printed all the same
        _log.error("an appearance is told to nobody", extra={"camera": event.camera, "error": str(error)})


def _list(app: App, event: CameraEvent, collection: str) -> None:
    """For the page."""
    try:
        crop = encode_jpeg(event.appearance.crop) if app.settings.keep_crops else None
        app.activity.put(camera_entry(event, collection), crop)
    except StorageError as error:
        _log.error("an appearance is not on the page", extra={"camera": event.camera, "error": str(error)})


def _cameras(sources: Sequence[str], names: Sequence[str], file: Path | None) -> list[Camera]:
    if names and len(names) != len(sources):
        raise UsageError(f"there are {len(sources)} sources and {len(names)} names; give --name for each or for none")
    given = [camera(source, names[i] if names else None) for i, source in enumerate(sources)]
    found = given + [camera(source, name) for name, source in (_listed(file) if file else {}).items()]
    if not found:
        raise UsageError("no camera is named; give rtsp://HOST/PATH, http://HOST/PATH, /dev/video0 or a clip")
    for name in {each.name for each in found}:
        if sum(each.name == name for each in found) > 1:
            raise UsageError(f"two cameras are called {name}; give them names with --name")
    return found


def _listed(file: Path) -> dict[str, str]:
    """Names and sources of a file. Raises UsageError, which shows no line of it: there may be passwords in them."""
    try:
        found = tomllib.loads(read_text(file))
    except OSError as error:
        raise UsageError(f"cannot read the cameras in {file}: {error.strerror or error}; name a text file") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f'{file} is no TOML; write a line NAME = "rtsp://…" for each camera') from error
    for name, source in found.items():
        if not isinstance(source, str):
            raise UsageError(f'{file}: {name} is no text; write {name} = "rtsp://…"')
    return found


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"cannot make the folder {folder}: {error.strerror}; name another with --snapshots"
        raise ConflictError(text) from error


@contextmanager
def _told_to(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop`."""
    before = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(event: CameraEvent) -> None:
    found = event.appearance
    who = found.who
    match who.decision:
        case Decision.MATCH:
            said = f"{who.name} ({who.similarity:.2f})"
        case Decision.AMBIGUOUS:
            said = " or ".join(each.name for each in who.candidates[:2]) + "?"
        case _:
            said = "unknown" if who.face.quality.usable else f"unknown ({', '.join(who.face.quality.reasons)})"
    place = f"  {event.snapshot}" if event.snapshot else ""
    print_text(f"{event.first_seen:%Y-%m-%d %H:%M:%SZ}  {event.camera}  {said}{place}")
    sys.stdout.flush()


def _finish(watching: Watching, as_json: bool) -> None:
    for feed, counts in zip(watching.feeds, watching.counts, strict=True):
        note(f"{feed.camera.name}: {', '.join(_summary(feed, counts))}")
    failed = [feed for feed in watching.feeds if feed.problem]
    for feed in failed:
        if as_json:
            print_json_line({"camera": feed.camera.name, "error": feed.problem})
        note(f"faceline: {feed.problem}")
    if failed:
        raise typer.Exit(1)


def _summary(feed: Feed, counts: WatchCounts) -> Iterator[str]:
    yield counted(feed.counts.pictures, "picture", "pictures")
    yield f"{counts.analysed} looked at"
    yield f"{feed.counts.dropped} dropped"
    if counts.analysed and not feed.mailbox.waits:
        yield f"{counts.lag_s / counts.analysed:.2f} s behind, at most {counts.most_lag_s:.2f}"
    yield f"lost {counted(feed.counts.losses, 'time', 'times')}"
    yield counted(counts.appearances, "appearance", "appearances")
