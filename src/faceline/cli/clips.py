"""identify, for clips: who appears when, annotated clips, contact sheets."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from faceline.app import App
from faceline.cli.output import note, print_table
from faceline.drawing_clips import Trail, clock, contact_sheet, drawn
from faceline.errors import ConflictError, UsageError, VideoError
from faceline.files import is_folder
from faceline.images import save
from faceline.loading import wanted, worker_count
from faceline.pipelines.clips import FollowedClip, Searched, follow_clip, video_limits
from faceline.pipelines.documents import identified_clip_document
from faceline.pipelines.regions import parse_region
from faceline.video.writing import clip_writer
from faceline.videos import VideoLimits, opened

PerSecond = Annotated[
    float | None, typer.Option("--fps", metavar="N", help="Frames a second of a clip to look at; 5 unless set.")
]
RegionText = Annotated[
    str | None,
    typer.Option("--region", metavar="LEFT,TOP,WIDTH,HEIGHT", help="Part of a clip's picture, 0-1 or pixels."),
]
SheetPath = Annotated[
    Path | None,
    typer.Option("--contact-sheet", metavar="FILE|DIR", help="Write a picture of all who appear in a clip."),
]

_Advance = Callable[[float, float | None], None]


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """draw: folder of annotated clips. sheet: picture file, or folder of such."""

    region: str | None
    draw: Path | None
    sheet: Path | None
    progress: bool


def check_options(options: ClipOptions, clips: Sequence[Path]) -> None:
    """Before anything is searched: options that cannot be meant with these clips, folders that cannot be made.

    Raises UsageError, ConflictError.
    """
    if options.region is not None:
        parse_region(options.region)
    if options.sheet is not None and _is_picture(options.sheet) and len(clips) > 1:
        raise UsageError(f"--contact-sheet {options.sheet} is one picture for {len(clips)} clips; name a folder")
    if not clips and (options.sheet is not None or options.region is not None):
        raise UsageError("--contact-sheet and --region are for clips, and there is none; name a video file")
    if clips and options.draw is not None:
        _folder(options.draw, "--draw")
    if options.sheet is not None:
        _folder(options.sheet.parent if _is_picture(options.sheet) else options.sheet, "--contact-sheet")


def identify_clips(app: App, clips: Sequence[Path], options: ClipOptions) -> Iterator[dict[str, Any]]:
    """The document of each clip, once what was asked for is drawn."""
    settings = app.settings
    limits = video_limits(settings)
    search = Searched(
        analyzer=app.analyzer(),
        wanted=replace(wanted(settings), emotions=False),
        collection=app.collection(),
        per_second=settings.follow_per_second,
        workers=worker_count(settings),
        region=parse_region(options.region) if options.region is not None else None,
        trails=options.draw is not None,
    )
    for clip in clips:
        with _bar(clip.name, options.progress) as advance:
            found = follow_clip(clip, limits, search, advance)
        error = _draw(clip, found, limits, search.per_second, options) if options.draw else None
        if options.sheet is not None and found.duration_s is not None:
            file = _sheet_file(clip, options.sheet)
            save(contact_sheet(found.appearances), file)
            note(f"contact sheet: {file}")
        yield identified_clip_document(
            str(clip), found.duration_s, found.appearances, str(found.error or error or "") or None
        )


def print_appearances(documents: Sequence[dict[str, Any]]) -> None:
    """Who appears when, a line for each appearance."""
    rows: list[tuple[object, ...]] = []
    for document in documents:
        for each in document["appearances"]:
            times = clock(each["first_s"]), clock(each["last_s"])
            others = ", ".join(f"{c['name']} {c['similarity']:.2f}" for c in each["candidates"][:3])
            who = each["decision"], each["name"], each["similarity"]
            rows.append((document["source"], each["number"], *times, *who, each["frames"], others))
        if not document["appearances"]:
            rows.append((document["source"], "nobody", "", "", "", "", "", "", ""))
    columns = ("clip", "number", "from", "to", "decision", "name", "similarity", "frames", "most similar")
    print_table(columns, rows)


def _draw(
    clip: Path, found: FollowedClip, limits: VideoLimits, per_second: float, options: ClipOptions
) -> VideoError | None:
    """Writes the annotated clip, as far as the clip can be read; what stopped that."""
    assert options.draw is not None
    if found.duration_s is None:
        return None
    target = _free(options.draw, clip.stem, ".mp4")
    trails = [Trail(each.who, found.trails.get(each.number, ()), 1 / per_second) for each in found.appearances]
    with clip_writer(target) as write, _bar(f"drawing {target.name}", options.progress) as advance:
        try:
            with opened(clip, limits) as again:
                for frame in again.frames:
                    write(drawn(frame.frame, frame.time_s, trails), frame.time_s)
                    advance(frame.time_s, again.info.duration_s)
        except VideoError as error:
            return error
    note(f"annotated clip: {target}")
    return None


def _is_picture(path: Path) -> bool:
    return bool(path.suffix) and not is_folder(path)


def _sheet_file(clip: Path, sheet: Path) -> Path:
    return sheet if _is_picture(sheet) else _free(sheet, clip.stem, ".png")


def _folder(folder: Path, option: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConflictError(f"cannot make the folder {folder}: {error.strerror}; name another with {option}") from error


def _free(folder: Path, stem: str, suffix: str) -> Path:
    target, number = folder / f"{stem}{suffix}", 2
    while target.exists():
        target, number = folder / f"{stem}-{number}{suffix}", number + 1
    return target


@contextmanager
def _bar(label: str, shown: bool) -> Iterator[_Advance]:
    """Yields advance(done_s, duration_s): how far a clip is, and how many times faster than it would play."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[done]} {task.fields[speed]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task(label, total=None, done="", speed="")
        started = time.monotonic()

        def advance(done_s: float, duration_s: float | None) -> None:
            speed = done_s / max(time.monotonic() - started, 1e-6)
            done = f"{clock(done_s)}/{clock(duration_s)}" if duration_s else clock(done_s)
            progress.update(task, completed=done_s, total=duration_s, done=done, speed=f"{speed:.1f}×")

        yield advance
