"""evaluate: accuracy on labelled photos, a calibration from them, and the threshold that they suggest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import print as rich_print

from faceline.app import App
from faceline.cli.options import CollectionName, Data, Json, common, existing, path
from faceline.cli.output import note, print_json, print_text, progress_bar
from faceline.engine.analyzer import Analyzer
from faceline.errors import UsageError
from faceline.evaluation.document import report_document, report_table
from faceline.evaluation.embedded import EmbeddedPhotos, embed_photos
from faceline.evaluation.install import install as install_for_model
from faceline.evaluation.install import measure as calibrated_by
from faceline.evaluation.plot import save_plot
from faceline.evaluation.report import Asked, Report, is_labelled
from faceline.evaluation.report import evaluate as measure
from faceline.loading import image_limits, wanted, worker_count
from faceline.models.calibrations import Installed, uninstall
from faceline.similarity import Scorer


def evaluate(
    context: typer.Context,
    target: Annotated[
        Path | None,
        typer.Argument(
            help="PAIRS.csv (path_a,path_b,same[,fold]), a folder Name/photo, or a manifest (path,name).", parser=path
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Histograms and ROC as a picture.")] = None,
    install: Annotated[
        bool,
        typer.Option("--install", help="Calibrate by these people from now on: the collection named, else the model."),
    ] = False,
    remove: Annotated[
        bool,
        typer.Option("--uninstall", help="Go back to the calibration before, as --install."),
    ] = False,
    target_fmr: Annotated[
        float | None,
        typer.Option("--target-fmr", metavar="RATE", help="Suggest the similarity that so few strangers reach."),
    ] = None,
    gallery_size: Annotated[
        int, typer.Option("--gallery-size", min=1, metavar="N", help="With how many people enrolled.")
    ] = 1,
    group: Annotated[
        str | None, typer.Option("--group", metavar="COLUMN", help="Rates within each group of a manifest's column.")
    ] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Measure accuracy on labelled photos: verification, and identification where every photo has a name."""
    asked = Asked(target_fmr, gallery_size, group)
    _check(target, asked, install, remove)
    given = common(context)
    settings, named = given.settings(data, collection), collection or given.collection
    measured: list[EmbeddedPhotos] = []
    with App(existing(settings) if named else settings) as app:
        if target is None:
            _uninstall(app, named, as_json)
            return
        # Of no collection in particular it is the setting `model` that is measured, and calibrated.
        model = app.model_of(named) if named else app.engines.model
        scorer = app.scorer(named) if named else app.engines.scorer(model)
        report = _measured(app, target, asked, (app.engines.analyzer(model), scorer), measured, not as_json)
        installed = _install(app, named, report.model, measured[0]) if install else None
    if plot:
        save_plot(report, plot)
    if as_json:
        print_json(report_document(report) | ({"installed": installed[0]} if installed else {}))
    else:
        rich_print(report_table(report))
        _print_installed(installed)
    if report.missed:
        raise typer.Exit(1)


def _check(target: Path | None, asked: Asked, install: bool, remove: bool) -> None:
    rate = asked.false_match_rate
    if rate is not None and not 0 < rate < 1:
        raise UsageError(f"--target-fmr is {rate:g}; give a part of pairs of strangers, between 0 and 1")
    if remove and (target is not None or install):
        raise UsageError("--uninstall goes back and measures nothing; give it alone, or with --collection")
    if target is None and not remove:
        raise UsageError("say what to measure: PAIRS.csv, a folder Name/photo.jpg, or a manifest with path and name")
    if target and install and not is_labelled(target):
        raise UsageError(
            f"{target} is no folder Name/photo.jpg and no manifest; --install needs one, since all its people are known"
        )


def _measured(
    app: App,
    target: Path,
    asked: Asked,
    means: tuple[Analyzer, Scorer],
    measured: list[EmbeddedPhotos],
    shown: bool,
) -> Report:
    """measured: takes the embeddings too."""
    analyzer, scorer = means
    settings = app.settings
    with progress_bar("photos", None, shown) as advance:

        def embed(photos: Sequence[tuple[Path, str]]) -> EmbeddedPhotos:
            found = embed_photos(
                photos, analyzer, image_limits(settings), worker_count(settings), advance, wanted(settings)
            )
            measured.append(found)
            return found

        return measure(target, embed, scorer, app.rule, asked)


def _install(app: App, collection: str | None, model: str, photos: EmbeddedPhotos) -> tuple[str, Installed]:
    """Where it is, and what."""
    if collection is None:
        file, made = install_for_model(app.engines.directory, model, photos)
        return str(file), made
    made = calibrated_by(model, photos)
    app.calibrated.install(collection, model, made)
    return f"collection {collection}", made


def _uninstall(app: App, collection: str | None, as_json: bool) -> None:
    model = app.collections.model(collection) if collection else app.engines.model
    gone = app.calibrated.remove(collection, model) if collection else uninstall(app.engines.directory, model)
    where = f"collection {collection}" if collection else model
    if as_json:
        print_json({"uninstalled": gone, "collection": collection, "model": model})
    elif gone:
        print_text(f"The calibration of {where} is deleted; the one before counts again.")
    else:
        print_text(f"{where} has no calibration of its own; nothing is changed.")


def _print_installed(installed: tuple[str, Installed] | None) -> None:
    if installed:
        where, made = installed
        cohort = "with a cohort" if made.cohort else "without a cohort"
        print_text(f"Calibrated by {made.measured_on['stranger_pairs']:,} pairs of strangers, {cohort}: {where}")
        note("The figures above are from before. Measure it again on other people's photos.")
