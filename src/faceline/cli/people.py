"""enroll, forget, evaluate: labelled photos."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import print as rich_print

from faceline.app import App
from faceline.cli.options import CollectionName, Data, Json, common, existing, path
from faceline.cli.output import counted, note, print_json, print_table, print_text, progress_bar
from faceline.errors import FacelineError, UsageError
from faceline.evaluation.document import report_document, report_table
from faceline.evaluation.embedded import EmbeddedPhotos, embed_photos
from faceline.evaluation.install import install as install_calibration
from faceline.evaluation.plot import save_plot
from faceline.evaluation.report import evaluate as measure
from faceline.files import is_folder
from faceline.gallery.sources import Labelled, expand
from faceline.loading import image_limits, wanted, worker_count
from faceline.models.calibrations import Installed
from faceline.pipelines.documents import enrolment_document
from faceline.types import Enrolment, Refusal


def register(app: typer.Typer) -> None:
    app.command()(enroll)
    app.command()(forget)
    app.command()(evaluate)


def enroll(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(help="Photos, folders Name/photo.jpg, manifests (.csv, .jsonl).", parser=path)
    ],
    name: Annotated[str | None, typer.Option(help="Whom the photos show; default: what the paths say.")] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make people known. Photos that are in already are passed over, so that a stopped run can be repeated."""
    if name is not None and not name.strip():
        raise UsageError("--name is empty; say whom the photos show, or leave it out")
    settings = common(context).settings(data, collection)
    items, unusable = _expanded(paths, name)
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


def forget(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name, as enrolled.")],
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete a person: face records, vectors, crops, enrolment uploads and the name in results; in all collections
    unless one is named."""
    given = common(context)
    settings = given.settings(data, collection)
    only = collection or given.collection
    with App(existing(settings)) as app:
        done = app.forget(name, only)
    if as_json:
        print_json(asdict(done))
        return
    removed = ", ".join(f"{count} in {where}" for where, count in done.removed.items()) or "none"
    print_text(
        f"{name} is forgotten. Face records deleted, with vectors and crops: {removed}; uploads under enroll/ deleted: "
        f"{len(done.uploads)}; the name taken out of {done.records} records and {done.results} results."
    )
    if done.photos:
        note("The photos that were enrolled are yours and stay where they are:")
    for photo in done.photos:
        note(f"  {photo}")


def evaluate(
    context: typer.Context,
    target: Annotated[
        Path, typer.Argument(help="PAIRS.csv (path_a,path_b,same[,fold]) or a folder Name/photo.", parser=path)
    ],
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Histograms and ROC as a picture.")] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Calibrate the model by these photos, a folder, from now on.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure accuracy on labelled photos: verification, and identification for a folder."""
    if install and not is_folder(target):
        raise UsageError(f"{target} is no folder Name/photo.jpg; --install needs one, since all its people are known")
    settings = common(context).settings()
    measured: list[EmbeddedPhotos] = []
    with App(settings) as app, progress_bar("photos", None, not as_json) as advance:

        def embed(photos: Sequence[tuple[Path, str]]) -> EmbeddedPhotos:
            found = embed_photos(
                photos, app.analyzer(), image_limits(settings), worker_count(settings), advance, wanted(settings)
            )
            measured.append(found)
            return found

        report = measure(target, embed, app.scorer(), app.rule)
        installed = install_calibration(app.engines.directory, report.model, measured[0]) if install else None
    if plot:
        save_plot(report, plot)
    if as_json:
        print_json(report_document(report) | ({"installed": str(installed[0])} if installed else {}))
    else:
        rich_print(report_table(report))
        _print_installed(installed)
    if report.missed:
        raise typer.Exit(1)


def _print_installed(installed: tuple[Path, Installed] | None) -> None:
    if installed:
        path, made = installed
        cohort = "with a cohort" if made.cohort else "without a cohort"
        print_text(f"Calibrated by {made.measured_on['stranger_pairs']:,} pairs of strangers, {cohort}: {path}")
        note("The figures above are from before. Measure it again on other people's photos.")


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
