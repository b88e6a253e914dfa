"""frames send: a client of `POST /frames` and of the response queue."""

import csv
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from faceline.app import App
from faceline.cli.frame_client import Answer, FrameClient
from faceline.cli.options import Data, Json, common, existing, path
from faceline.cli.output import note, print_json, print_table, progress_bar
from faceline.config import Settings
from faceline.errors import InputError, NotFoundError, UsageError
from faceline.images import image_paths, read_bytes
from faceline.loading import image_limits

app = typer.Typer(no_args_is_help=True)


@app.command()
def send(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Frames, or folders of frames.", parser=path)],
    url: Annotated[str | None, typer.Option(help="Of the server; the `up` of the data directory unless set.")] = None,
    key: Annotated[str | None, typer.Option(help="Its admin key; the data directory's unless set.")] = None,
    in_flight: Annotated[int, typer.Option(min=1, max=64, help="Frames sent and not yet answered.")] = 2,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write Image,Results there.", parser=path)] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, max=86_400, help="How long to wait for each answer.")] = 60.0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send frames, wait for the answers, and delete these from the response queue; other messages stay."""
    settings = common(context).settings(data)
    paths = image_paths(files)
    if not paths:
        raise UsageError(f"no frames in {', '.join(map(str, files))}; give pictures or folders that have some")
    if csv_file is not None:
        _write_csv(csv_file, [])  # now, rather than after all the work
    url, key = _server(settings, url, key)
    with FrameClient(url, key, settings.names.responses, timeout_s) as client:
        rows = _sent(client, settings, paths, in_flight, not as_json)
    if csv_file is not None:
        _write_csv(csv_file, rows)
    _show(rows, as_json)


@dataclass(frozen=True, slots=True)
class Row:
    """answer: None when there is an error instead."""

    source: Path
    answer: Answer | None
    error: str | None

    def document(self) -> dict[str, Any]:
        answer = self.answer
        return {
            "source": str(self.source),
            "request_id": answer.request_id if answer else None,
            "result": answer.result if answer else None,
            "seconds": round(answer.seconds, 3) if answer else None,
            "error": self.error,
        }


def _server(settings: Settings, url: str | None, key: str | None) -> tuple[str, str]:
    """Where the server is, and its key."""
    if url and key:
        return url, key
    with App(existing(settings)) as app:
        url = url or app.up_lock().url()
        if not url:
            raise NotFoundError(f"no faceline up runs on {settings.data}; start it, or name a server with --url")
        return url, key or app.admin_key()


def _sent(client: FrameClient, settings: Settings, paths: list[Path], in_flight: int, shown: bool) -> list[Row]:
    limits, stopped = image_limits(settings), threading.Event()

    def one(frame: Path) -> Row:
        if stopped.is_set():
            return Row(frame, None, f"{frame}: not sent")
        try:
            answer = client.ask(frame.name, read_bytes(frame, limits))
        except InputError as error:
            text = str(error)
            return Row(frame, None, text if text.startswith(str(frame)) else f"{frame}: {text}")
        finally:
            advance()
        return Row(frame, answer, None)

    with progress_bar("frames", len(paths), shown) as advance, ThreadPoolExecutor(in_flight) as pool:
        try:
            return list(pool.map(one, paths))
        except BaseException:
            stopped.set()
            client.stop()
            raise


def _write_csv(file: Path, rows: list[Row]) -> None:
    """A line for each frame in the order they were given; a frame without an answer has an empty one."""
    try:
        with file.open("w", newline="", encoding="utf-8") as opened:
            lines = csv.writer(opened, lineterminator="\n")
            lines.writerow(("Image", "Results"))
            lines.writerows((row.source.name, row.answer.result if row.answer else "") for row in rows)
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        raise InputError(f"{file}: cannot be written ({error}); name a file in a folder that may be written") from error


def _show(rows: list[Row], as_json: bool) -> None:
    if as_json:
        print_json([row.document() for row in rows])
    elif any(row.answer for row in rows):
        columns = ("image", "result", "seconds")
        print_table(columns, [(r.source, r.answer.result, r.answer.seconds) for r in rows if r.answer])
    errors = [row.error for row in rows if row.error]
    for error in errors:
        note(f"faceline: {error}")
    if errors:
        raise typer.Exit(1)
