"""enroll: labelled photos."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from faceline.app import App
from faceline.cli.evaluate import evaluate
from faceline.cli.options import CollectionName, Data, Json, common, path
from faceline.cli.output import counted, print_json, print_table, print_text, progress_bar
from faceline.errors import FacelineError, UsageError
from faceline.gallery.sources import Labelled, expand
from faceline.loading import worker_count
from faceline.pipelines.documents import enrolment_document
from faceline.types import Enrolment, Refusal


def register(app: typer.Typer) -> None:
    app.command()(enroll)
    app.command()(evaluate)


def enroll(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(help="Photos, folders Name/photo.jpg, manifests (.csv, .jsonl).", parser=path)
    ],
    name: Annotated[str | None, typer.Option(help="Whom the photos show; default: what the paths say.")] = None,
    consent: Annotated[
        str | None, typer.Option(metavar="REF", help="What leads to their consent, as the number of a signed form.")
    ] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make people known. Photos that are in already are passed over, so that a stopped run can be repeated."""
    if name is not None and not name.strip():
        raise UsageError("--name is empty; say whom the photos show, or leave it out")
    settings = common(context).settings(data, collection)
    items, unusable = _expanded(paths, name)
    items = [replace(item, consent=consent or item.consent) for item in items]
    with App(settings) as app, progress_bar("photos", len(items), not as_json) as advance:
        done = app.enroller().enroll(items, min(worker_count(settings), max(len(items), 1)), advance)
        people = app.collection().people()
    done = Enrolment(done.enrolled, done.already, (*unusable, *done.refused))
    if as_json:
        print_json(enrolment_document(done))
    else:
        _print_enrolment(done, settings.collection, people)
    if done.refused:
        raise typer.Exit(1)


def _expanded(paths: list[Path], name: str | None) -> tuple[list[Labelled], list[Refusal]]:
    items: list[Labelled] = []
    unusable: list[Refusal] = []
    for given in paths:
        try:
            items += expand(given, name)
        except FacelineError as error:
            if len(paths) == 1:
                raise
            unusable.append(Refusal(str(given), str(error)))
    return items, unusable


def _print_enrolment(done: Enrolment, collection: str, people: int) -> None:
    if done.refused:
        print_table(("not enrolled", "why"), [(r.source, r.reason) for r in done.refused])
    again = f", {done.already} were in already" if done.already else ""
    print_text(
        f"{counted(done.enrolled, 'photo', 'photos')} enrolled{again}, {len(done.refused)} refused; "
        f"{collection} knows {counted(people, 'person', 'people')}."
    )
