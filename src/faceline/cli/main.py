"""`faceline`: its commands, its global options, and what happens to errors."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from faceline import __version__
from faceline.cli import collections, demo, models, objects, people, photos, up
from faceline.cli.options import Common
from faceline.cli.output import note, print_json
from faceline.errors import FacelineError, NotFoundError, UsageError

app = typer.Typer(
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
objects.register(app)
up.register(app)
demo.register(app)
app.add_typer(collections.app, name="collections", help="Who is known: list, show, drop.")
app.add_typer(objects.dead_letters, name="dead-letters", help="Messages that failed too often.")
app.add_typer(models.app, name="models", help="The networks: where they are, build, verify.")


def main() -> None:
    """The program's entry."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that this terminal cannot show are no failure
    try:
        app()
    except KeyboardInterrupt:
        note("stopped")
        sys.exit(130)
    except FacelineError as error:
        if "--json" in sys.argv:
            print_json({"error": str(error)})
        note(f"faceline: {error}")
        sys.exit(2 if isinstance(error, UsageError | NotFoundError) else 1)
    except BrokenPipeError:
        # The reader of our output went away (`faceline … | head`): nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
