"""audit, consent, backup, restore, retention: what is kept, for how long, and who did what."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from faceline.app import App
from faceline.cli.options import CollectionName, Data, Json, common, existing, path
from faceline.cli.output import counted, note, print_json, print_table, print_text
from faceline.erasure import utc
from faceline.erasure_workflow import back_up, restore
from faceline.errors import NotFoundError, UsageError
from faceline.gallery.keeping import MAX_DAYS, problem_of_reference
from faceline.gallery.names import problem_of

retention = typer.Typer(no_args_is_help=False, invoke_without_command=True)
Days = Annotated[float | None, typer.Option(metavar="N", min=0, max=MAX_DAYS, help="0: for good.")]


def register(app: typer.Typer) -> None:
    app.command()(audit)
    app.command()(consent)
    app.command()(backup)
    app.command("restore")(put_back)


def audit(
    context: typer.Context,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601, as in 2026-01-31.")] = None,
    person: Annotated[
        str | None, typer.Option(metavar="NAME", help="What concerns this person; hashed to look.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Who did what, and when: enrolling, forgetting, exporting, keys. Without pictures, vectors or names."""
    start = _time(since) if since else None
    with App(existing(common(context).settings(data))) as app:
        found = [asdict(entry) for entry in app.erasure.audit.entries(start, person)]
        unfinished = app.erasure.journal.unfinished()
    if as_json:
        print_json(found)
    else:
        columns = ("time", "actor", "action", "collection", "person", "count", "detail")
        rows = [[entry[column] for column in columns[:6]] + [_detail(entry["detail"])] for entry in found]
        print_table(columns, rows)
    if unfinished:
        note(
            f"{counted(unfinished, 'erasure was', 'erasures were')} begun and cut off; "
            "repeat `faceline forget` with the same name to finish it"
        )


def consent(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name, as they are enrolled or will be.")],
    reference: Annotated[
        str | None, typer.Argument(metavar="REF", help="What leads to the proof, as the number of a signed form.")
    ] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Note a reference to a person's consent, or show those that were noted."""
    settings = common(context).settings(data, collection)
    problem = problem_of(name) or (None if reference is None else problem_of_reference(reference))
    if problem:
        raise UsageError(problem)
    with App(settings if reference else existing(settings)) as app:
        if reference:
            app.consents.note(settings.collection, name, reference)
            app.note("consent", settings.collection, name)
        found = app.consents.of(settings.collection, name)
    if as_json:
        print_json({"name": name, "collection": settings.collection, "consents": found})
    else:
        print_text(f"{name}: {', '.join(found) or 'no consent is noted'}")


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to, as in faceline.tar.gz.", parser=path)],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write everything into one file, also while `faceline up` runs. Whoever can read it has everything."""
    with App(existing(common(context).settings(data))) as app:
        done = back_up(app, file)
        app.note("backup", count=done["files"])
    if as_json:
        print_json({"file": str(file)} | done)
    else:
        size = f"{done['bytes'] / 1e6:,.1f} MB"
        print_text(f"{counted(done['files'], 'file', 'files')}, {size}, backed up to {file}.")


def put_back(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `faceline backup` wrote.", parser=path)],
    data: Data = None,
    erasures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The data directory that was in use: who was forgotten there stays so."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a backup where no data directory is. Who was forgotten since it was made is forgotten again."""
    settings = common(context).settings(data)

    def forget(staging: Path, names: Sequence[str]) -> None:
        with App(settings.with_(data=staging)) as app:
            for name in names:
                app.forget(name)

    done = restore(file, settings.data, erasures, forget)
    with App(settings) as app:
        app.note("restore", count=done.forgotten, detail={"backup": done.created_at})
    if as_json:
        print_json({"data": str(settings.data)} | asdict(done))
        return
    print_text(f"The backup of {done.created_at} is in {settings.data}.")
    if erasures:
        since = counted(done.erasures, "erasure", "erasures")
        print_text(f"Forgotten again: {counted(done.forgotten, 'person', 'people')}, of {since} since the backup.")
    else:
        note(
            "Who was forgotten after the backup is back: forget them again, or restore with --erasures and the "
            "erasure.key and erasures.jsonl of the directory that was in use"
        )


@retention.callback()
def retention_(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """How long faces and results are kept: show (which needs no saying), set, run."""
    if not context.invoked_subcommand:
        show(context, data, as_json)


@retention.command()
def show(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """What holds for each collection."""
    with App(existing(common(context).settings(data))) as app:
        kept = app.expiry.kept()
    if as_json:
        print_json([asdict(each) for each in kept])
        return
    rows = [(each.collection, _days(each.faces_days), _days(each.results_days)) for each in kept]
    print_table(("collection", "faces are kept", "results are kept"), rows)


@retention.command("set")
def set_(
    context: typer.Context,
    faces_days: Days = None,
    results_days: Days = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say how many days faces, and results of looking for them, are kept. `faceline up` deletes what is older."""
    if faces_days is None and results_days is None:
        raise UsageError("say --faces-days, --results-days, or both")
    settings = common(context).settings(data, collection)
    with App(settings) as app:
        known = [each.collection for each in app.expiry.kept()]
        if settings.collection not in known:
            raise NotFoundError(f"there is no collection {settings.collection}; there are {', '.join(known)}")
        kept = app.retention.set(settings.collection, faces_days, results_days)
        app.note("retention set", settings.collection, detail={"faces_days": faces_days, "results_days": results_days})
    if as_json:
        print_json(asdict(kept))
    else:
        print_text(
            f"{kept.collection}: faces are kept {_days(kept.faces_days)}, results {_days(kept.results_days)}. "
            "`faceline up` looks once an hour, `faceline retention run` now."
        )


@retention.command()
def run(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Delete now what has been kept long enough."""
    with App(existing(common(context).settings(data))) as app:
        done = app.expiry.run()
    if as_json:
        print_json(done)
    else:
        removed = ", ".join(f"{count} {what}" for what, count in done.items() if count) or "nothing"
        print_text(f"Deleted: {removed}.")


def _time(text: str) -> str:
    try:
        return utc(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time; give ISO 8601, as in 2026-01-31") from error


def _days(days: float | None) -> str:
    return f"{days:g} days" if days else "for good"


def _detail(detail: dict[str, object]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in detail.items())
