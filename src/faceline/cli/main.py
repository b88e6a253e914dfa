"""`faceline`: its commands, its global options, and what happens to errors."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from faceline import __version__
from faceline.cli import (
    aws,
    build,
    collections,
    demo,
    erasure,
    frames,
    keeping,
    keys,
    models,
    notifications,
    objects,
    people,
    photos,
    review,
    sql,
    stats,
    tokens,
    up,
    watch,
)
from faceline.cli.options import Common
from faceline.cli.output import note, print_json_line
from faceline.errors import FacelineError, NotFoundError, UsageError

_USAGE_ERRORS: Any = typer.BadParameter.__bases__  # click's, or typer's own copy of it, by version


class _Commands(TyperGroup):
    """Says some things as we want them, before Typer says them in its way."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _told():
            return super().make_context(*args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        with _told():
            return super().invoke(*args, **kwargs)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _USAGE_ERRORS as error:
        if _wants_json():
            print_json_line({"error": error.format_message()})
        raise
    except KeyboardInterrupt:
        note("stopped")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`faceline … | head`): nothing is wrong.
        _drop_output()
        sys.exit(0)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # Rich makes a failure of it
            sys.exit(0)
        raise


def _wants_json() -> bool:
    return "--json" in takewhile(lambda argument: argument != "--", sys.argv[1:])


def _drop_output() -> None:
    """What is still in a buffer goes nowhere, so that it does not fail once more when Python ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=_Commands,
    name="faceline",
    help="Face recognition that anyone can run: photos in, people out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faceline {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option("--data", help="Data directory; ./faceline-data unless set.")] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Collection; my-face-collection unless set.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file; ./faceline.toml if it is there.")
    ] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more; -vv says all.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    context.obj = Common(data, collection, config, -1 if quiet else verbose)


photos.register(app)
people.register(app)
erasure.register(app)
keeping.register(app)
objects.register(app)
sql.register(app)
stats.register(app)
up.register(app)
watch.register(app)
demo.register(app)
app.add_typer(aws.app, name="aws", help="A deployment on AWS: status, records, dead-letters, forget, verify-erasure.")
app.add_typer(build.app, name="build", help="What is deployed on AWS: lambda.")
app.add_typer(collections.app, name="collections", help="Who is known: list, show, import, export, migrate, drop.")
app.add_typer(objects.dead_letters, name="dead-letters", help="Messages that failed too often.")
app.add_typer(frames.app, name="frames", help="Pictures that are recognised over queues: send.")
app.add_typer(keys.app, name="keys", help="Who may use the Rekognition API: list, create, revoke.")
app.add_typer(keeping.retention, name="retention", help="How long faces and results are kept: show, set, run.")
app.add_typer(models.app, name="models", help="The networks: list, pull, add, remove, build, verify.")
app.add_typer(notifications.app, name="notifications", help="Who is told of what: list, targets, test, replay.")
app.add_typer(tokens.app, name="tokens", help="Who may use the page and the HTTP API: list, create, revoke.")
app.add_typer(review.app, name="review", help="What people decide about the answers: pairs, merging, marks.")


def main() -> None:
    """The program's entry."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that this terminal cannot show are no failure
    try:
        with _told():
            _run()
    except FacelineError as error:
        if _wants_json():
            print_json_line({"error": str(error)})
        note(f"faceline: {error}")
        sys.exit(2 if isinstance(error, UsageError | NotFoundError) else 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EFBIG):
            raise
        _drop_output()
        note(
            f"faceline: cannot write {error.filename or 'the output'}: {error.strerror}; "
            "free some space, or write elsewhere"
        )
        sys.exit(1)


def _run() -> None:
    try:
        app()
    finally:
        sys.stdout.flush()  # now, while a failure can still be told
