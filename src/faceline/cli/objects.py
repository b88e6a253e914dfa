"""put, records, dead-letters: photos into buckets, and what became of them."""

import json
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from faceline.app import App
from faceline.cli.options import Data, Json, common, existing, path
from faceline.cli.output import note, print_json, print_table, print_text, progress_bar
from faceline.errors import FacelineError, UsageError
from faceline.events import ObjectCreated
from faceline.files import check_regular, is_folder
from faceline.images import images_in
from faceline.ports import Record, RecordQuery

dead_letters = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(put)
    app.command()(records)


def put(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.", parser=path)],
    bucket: Annotated[str | None, typer.Option(help="face-input-bucket unless set.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Before the file's name; input/ unless set.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Work on photos again that were done before.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until the results are there; works without `up` too.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Upload photos into a bucket; the workflow starts for them as for any upload."""
    settings = common(context).settings(data)
    prefix = settings.input_prefix if prefix is None else prefix
    rows: list[dict[str, Any]] = []
    with App(settings) as app:
        events = []
        for photo, key in _keyed(files, prefix):
            row, event = _put_one(app, photo, bucket or settings.input_bucket, key, again)
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
    status: Annotated[
        str | None, typer.Option(help="matched, unknown, ambiguous, detected, forgotten or error.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """What was found in the uploaded photos, a row a face."""
    with App(existing(common(context).settings(data))) as app:
        found = app.records.query(RecordQuery(image, person, since, until, status, limit))
    if as_json:
        print_json([asdict(record) for record in found])
        return
    columns = ("time", "photo", "face", "status", "person", "confidence", "left,top size", "emotions")
    print_table(columns, [_record_row(record) for record in found])


@dead_letters.command("list")
def list_dead_letters(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Messages that failed too often, oldest first."""
    with App(existing(common(context).settings(data))) as app:
        found = app.queue.list()
    if as_json:
        print_json([asdict(letter) for letter in found])
        return
    rows = [(d.message_id, d.died_at, d.receive_count, d.reason, d.body) for d in found]
    print_table(("message", "died", "deliveries", "reason", "body"), rows)


@dead_letters.command()
def redrive(
    context: typer.Context,
    message_ids: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send dead letters back to the queue."""
    with App(existing(common(context).settings(data))) as app:
        count = app.queue.redrive(message_ids or None)
    if as_json:
        print_json({"redriven": count})
    else:
        print_text(f"{count} messages are back in the queue.")


def _keyed(files: list[Path], prefix: str) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for given in files:
        if is_folder(given):
            found += [(p, prefix + p.relative_to(given).as_posix()) for p in images_in(given)]
        else:
            found.append((given, prefix + given.name))
    if not found:
        raise UsageError(f"no photos in {', '.join(map(str, files))}; give photos or folders that have some")
    of_key: dict[str, Path] = {}
    for photo, key in found:
        first = of_key.setdefault(key, photo)
        if first.absolute() != photo.absolute():
            raise UsageError(
                f"{first} and {photo} would both become {key}, so nothing is uploaded; "
                "put them one after the other with --prefix, or put the folder that holds both"
            )
    return [(photo, key) for key, photo in of_key.items()]


def _put_one(app: App, photo: Path, bucket: str, key: str, again: bool) -> tuple[dict[str, Any], ObjectCreated | None]:
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
    stop = threading.Event()
    helper: threading.Thread | None = None
    if waiting and not app.up_lock().held():
        helper = threading.Thread(target=app.worker().run, args=(stop,))
        helper.start()
    try:
        with progress_bar("photos", len(waiting), shown) as advance:
            while waiting:
                left = [e for e in waiting if not _is_settled(app, e)]
                advance(len(waiting) - len(left))
                waiting = left
                time.sleep(0.05 if waiting else 0)
    finally:
        stop.set()
        if helper:
            helper.join()


def _is_settled(app: App, event: ObjectCreated) -> bool:
    return app.receipts.result(event.event_id) is not None or app.is_dead(event)


def _with_result(app: App, row: dict[str, Any], event: ObjectCreated | None) -> dict[str, Any]:
    """The row with `result`, what was done with the photo, and with `error` where that failed."""
    if event is None or not app.starts_work(event.bucket, event.key):
        return row | {"result": None}
    text, error = app.receipts.result(event.event_id), None
    result = json.loads(text) if text else {"status": "dead"}
    if result["status"] not in ("done", "enrolled"):
        reason = result.get("reason", "failed too often; see `faceline dead-letters list`")
        error = f"{row['source']}: {reason.removeprefix(f'{event.key}: ')}"
    return row | {"result": result, "error": error}


def _show_put(rows: list[dict[str, Any]], as_json: bool) -> None:
    errors = [row["error"] for row in rows if row["error"]]
    if as_json:
        print_json(rows)
    else:
        good = [(r["source"], f"{r['bucket']}/{r['key']}", _result_text(r)) for r in rows if not r["error"]]
        if good:
            print_table(("photo", "object", "result"), good)
    for error in errors:
        note(f"faceline: {error}")
    if errors:
        raise typer.Exit(1)


def _result_text(row: dict[str, Any]) -> str | None:
    result = row.get("result")
    return " ".join(f"{name}={value}" for name, value in result.items()) if result else None


def _record_row(record: Record) -> tuple[object, ...]:
    box = record.bounding_box
    place = f"{box['left']:.0f},{box['top']:.0f} {box['width']:.0f}×{box['height']:.0f}" if box else None
    mood = " ".join(f"{e['type']} {e['confidence']:.0f}" for e in record.emotions or []) or None
    shown = record.error or record.person
    time_ = record.timestamp.replace("T", " ")[:19]
    return time_, record.key, record.face_number + 1, record.status, shown, record.confidence, place, mood
