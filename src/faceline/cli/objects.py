"""put, records, dead-letters: photos and clips into buckets, and what became of them."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from faceline.app import App
from faceline.cli.options import Data, Json, common, confirm, existing, path
from faceline.cli.output import counted, note, print_json, print_table, print_text, progress_bar
from faceline.config import Settings
from faceline.errors import FacelineError, NotFoundError, UsageError
from faceline.events import ObjectCreated
from faceline.files import check_regular, is_folder, walk
from faceline.images import is_image_name
from faceline.ports import DeadLetter, DeadLetters, Record, RecordQuery
from faceline.videos import is_clip_name

Status = Annotated[
    Literal["matched", "unknown", "ambiguous", "detected", "forgotten", "error"] | None,
    typer.Option("--status", help="Only these."),
]
_SHOWN = 300  # characters of a dead letter; --json has all

dead_letters = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(put)
    app.command()(records)


def put(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Photos, clips, or folders of them.", parser=path)],
    bucket: Annotated[
        str | None, typer.Option(help="face-input-bucket for photos, faceline-input for clips unless set.")
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(help="Before the file's name; unless set input/, in faceline-images images/, for clips nothing."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Work on files again that were done before.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until the results are there; works without `up` too.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Upload photos and clips into their buckets; the workflows start for them as for any upload."""
    settings = common(context).settings(data)
    rows: list[dict[str, Any]] = []
    with App(settings) as app:
        events = []
        for file, place in _placed(files, settings, bucket, prefix):
            row, event = _put_one(app, file, place, again)
            rows.append(row)
            events.append(event)
        if wait:
            _wait(app, [e for e in events if e], not as_json)
            rows = [_with_result(app, row, event) for row, event in zip(rows, events, strict=True)]
    _show_put(rows, as_json)


def records(
    context: typer.Context,
    image: Annotated[str | None, typer.Option(help="The photo's name or key.")] = None,
    person: Annotated[str | None, typer.Option(help="A name or a face id.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on; UTC, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then; UTC, ISO 8601.")] = None,
    status: Status = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """What was found in the uploaded photos, a row a face."""
    with App(existing(common(context).settings(data))) as app:
        found = app.records.query(RecordQuery(image, person, since, until, status, limit))
    show_records(found, as_json)


def show_records(found: Sequence[Record], as_json: bool) -> None:
    if as_json:
        print_json([asdict(record) for record in found])
        return
    faces = [record for record in found if record.error is None]
    columns = ("time", "photo", "face", "status", "person", "confidence", "left,top size", "emotions")
    if faces or not found:
        print_table(columns, [_record_row(record) for record in faces])
    for record in found:
        if record.error is not None:
            print_text(f"{_when(record)} {record.key}: {record.error.removeprefix(f'{record.key}: ')}")


@dead_letters.command("list")
def list_dead_letters(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Messages that failed too often, oldest first in each queue."""
    with App(existing(common(context).settings(data))) as app:
        found = [(queue.name, letter) for queue in app.queues() for letter in queue.list()]
    show_dead_letters(found, as_json)


def show_dead_letters(found: Sequence[tuple[str, DeadLetter]], as_json: bool) -> None:
    """found: each with its queue's name."""
    if as_json:
        print_json([{"queue": name, **asdict(letter)} for name, letter in found])
        return
    rows = [(name, d.message_id, d.died_at, d.receive_count, d.reason, d.body[:_SHOWN]) for name, d in found]
    print_table(("queue", "message", "died", "deliveries", "reason", "body"), rows)


@dead_letters.command()
def redrive(
    context: typer.Context,
    message_ids: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send dead letters back to their queues."""
    with App(existing(common(context).settings(data))) as app:
        count = sum(queue.redrive(message_ids or None) for queue in app.queues())
    show_redriven(count, as_json)


def show_redriven(count: int, as_json: bool) -> None:
    if as_json:
        print_json({"redriven": count})
    else:
        print_text(f"{counted(count, 'message is back in its queue', 'messages are back in their queues')}.")


@dead_letters.command()
def discard(
    context: typer.Context,
    message_ids: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete dead letters for good. The photos and clips that they are about stay."""
    with App(existing(common(context).settings(data))) as app:
        queues = app.queues()
        confirm_discard(message_ids or [], lambda wanted: any(_is_dead(each, wanted) for each in queues), yes, as_json)
        count = 0
        for queue in app.queues():
            if found := queue.discard(message_ids or None):
                app.note("discard dead letters", count=found, detail={"queue": queue.name})
                count += found
    show_discarded(count, as_json)


def show_discarded(count: int, as_json: bool) -> None:
    if as_json:
        print_json({"discarded": count})
    else:
        print_text(f"{counted(count, 'dead letter is', 'dead letters are')} deleted.")


def confirm_discard(message_ids: list[str], is_dead: Callable[[str], bool], yes: bool, as_json: bool) -> None:
    """message_ids: none for all. Raises NotFoundError when one of them is no dead letter."""
    for wanted in message_ids:
        if not is_dead(wanted):
            raise NotFoundError(
                f"there is no dead letter {wanted[:60]!a}, so none is deleted; "
                "give ids as `faceline dead-letters list` shows them under message"
            )
    dead = counted(len(message_ids), "dead letter", "dead letters") if message_ids else "all dead letters"
    confirm(f"Delete {dead} for good?", yes, as_json)


def _is_dead(letters: DeadLetters, message_id: str) -> bool:
    try:
        letters.list(1, after=message_id)
    except NotFoundError:
        return False
    return True


def _placed(
    files: list[Path], settings: Settings, bucket: str | None, prefix: str | None
) -> list[tuple[Path, tuple[str, str]]]:
    """Each file with the bucket and key that it is put under."""
    found = [(file, _place(file, name, settings, bucket, prefix)) for given in files for file, name in _named(given)]
    if not found:
        raise UsageError(f"no photos or clips in {', '.join(map(str, files))}; give some, or folders that have some")
    of_place: dict[tuple[str, str], Path] = {}
    for file, place in found:
        first = of_place.setdefault(place, file)
        if first.absolute() != file.absolute():
            raise UsageError(
                f"{first} and {file} would both become {place[1]}, so nothing is uploaded; "
                "put them one after the other with --prefix, or put the folder that holds both"
            )
    return [(file, place) for place, file in of_place.items()]


def _named(given: Path) -> list[tuple[Path, str]]:
    """The file, or the photos and clips of the folder, with the part of the key that their path gives."""
    if not is_folder(given):
        return [(given, given.name)]
    found = walk(given, lambda file: is_image_name(file) or is_clip_name(file))
    return [(file, file.relative_to(given).as_posix()) for file in sorted(found)]


def _place(file: Path, name: str, settings: Settings, bucket: str | None, prefix: str | None) -> tuple[str, str]:
    if is_clip_name(file):
        return bucket or settings.names.input, (prefix or "") + name
    of_bucket = settings.matching_prefix if bucket == settings.names.images else settings.input_prefix
    return bucket or settings.input_bucket, (of_bucket if prefix is None else prefix) + name


def _put_one(app: App, photo: Path, place: tuple[str, str], again: bool) -> tuple[dict[str, Any], ObjectCreated | None]:
    bucket, key = place
    row: dict[str, Any] = {"source": str(photo), "bucket": bucket, "key": key, "etag": None, "error": None}
    try:
        check_regular(photo, app.settings.max_upload_bytes)
        with photo.open("rb") as file:
            info = app.objects.put(bucket, key, file)
    except FileNotFoundError:
        return row | {"error": f"{photo}: there is no such file; check the name"}, None
    except (OSError, ValueError, FacelineError) as error:  # ValueError: a name with NUL
        reason = isinstance(error, OSError) and error.strerror
        return row | {"error": f"{photo}: {reason or error}"}, None
    event = ObjectCreated(info.bucket, info.key, info.etag, info.size, info.modified_at)
    if app.starts_work(bucket, key):
        announced = app.watcher().announce(info)
        if again and not announced:
            app.announce(event)
    return row | {"etag": info.etag}, event


def _wait(app: App, events: list[ObjectCreated], shown: bool) -> None:
    """Until every event has its receipt: by helping with the work when no `faceline up` does it."""
    waiting = [e for e in events if app.starts_work(e.bucket, e.key)]
    with _helping(app, waiting), progress_bar("files", len(waiting), shown) as advance:
        while waiting:
            left = [e for e in waiting if not _is_settled(app, e)]
            advance(len(waiting) - len(left))
            waiting = left
            time.sleep(0.05 if waiting else 0)
        while not app.videos.idle():
            time.sleep(0.05)


@contextmanager
def _helping(app: App, waiting: list[ObjectCreated]) -> Iterator[None]:
    """Works in threads where there is something to wait for and no `faceline up`."""
    stop = threading.Event()
    alone = waiting and not app.up_lock().held()
    workers = [app.worker(), *app.matching.workers(), *app.videos.workers()] if alone else []
    helpers = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for helper in helpers:
        helper.start()
    try:
        yield
    finally:
        stop.set()
        for helper in helpers:
            helper.join()


def _is_settled(app: App, event: ObjectCreated) -> bool:
    return app.receipts.result(event.event_id) is not None or app.death_of(event) is not None


def _with_result(app: App, row: dict[str, Any], event: ObjectCreated | None) -> dict[str, Any]:
    """The row with `result`, what was done with the photo, and with `error` where that failed."""
    if event is None or not app.starts_work(event.bucket, event.key):
        return row | {"result": None}
    text, error = app.receipts.result(event.event_id), None
    result: dict[str, Any] = json.loads(text) if text else {"status": "dead", "reason": app.death_of(event)}
    if "stem" in result and result["status"] == "done":
        result |= app.videos.recognised(result["stem"])
    if result["status"] not in ("done", "enrolled"):
        reason = (result.get("reason") or "").removeprefix(f"{event.key}: ")
        again = "" if text else "; then send it again with `faceline dead-letters redrive`"
        error = f"{row['source']}: {reason}{again}"
    return row | {"result": result, "error": error}


def _show_put(rows: list[dict[str, Any]], as_json: bool) -> None:
    errors = [row["error"] for row in rows if row["error"]]
    if as_json:
        print_json(rows)
    else:
        good = [(r["source"], f"{r['bucket']}/{r['key']}", _result_text(r)) for r in rows if not r["error"]]
        if good:
            print_table(("file", "object", "result"), good)
    for error in errors:
        note(f"faceline: {error}")
    if errors:
        raise typer.Exit(1)


def _result_text(row: dict[str, Any]) -> str | None:
    """`done: 2 faces → processed/party.json`."""
    result = row.get("result")
    if not result:
        return None
    numbers = (("faces", "face", "faces"), ("matches", "match", "matches"), ("notices", "notice", "notices"))
    said = [counted(result[name], one, many) for name, one, many in numbers if name in result]
    if "names" in result:
        said.append(", ".join(result["names"]) or "nobody is seen")
    target = result.get("processed") or result.get("report")
    return str(result["status"]) + (f": {', '.join(said)}" if said else "") + (f" → {target}" if target else "")


def _record_row(record: Record) -> tuple[object, ...]:
    box = record.bounding_box
    place = f"{box['left']:.0f},{box['top']:.0f} {box['width']:.0f}×{box['height']:.0f}" if box else None
    mood = " ".join(f"{e['type']} {e['confidence']:.0f}" for e in record.emotions or []) or None
    face = record.face_number + 1
    return _when(record), record.key, face, record.status, record.person, record.confidence, place, mood


def _when(record: Record) -> str:
    return record.timestamp.replace("T", " ")[:19]
