"""review scan, review hygiene: all enrolled faces compared with one another."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from faceline.app import App
from faceline.cli.options import CollectionName, Data, Json, common, existing, path
from faceline.cli.output import counted, note, print_json, print_table, print_text, progress_bar
from faceline.cli.review_options import review
from faceline.engine.session import cores
from faceline.gallery.hygiene import Doubt, Misfit, misfits
from faceline.gallery.named_faces import NamedFaces, named_faces
from faceline.pipelines.scan_files import scan_document, write_scan
from faceline.pipelines.scanning import Ask, Group, Scan, Scanner, Settled, settled_by, suspects

_ROWS_SHOWN = 50


def register(app: typer.Typer) -> None:
    app.command()(scan)
    app.command()(hygiene)


def scan(
    context: typer.Context,
    min_similarity: Annotated[
        float | None,
        typer.Option(metavar="S", help="Of faces under two names; unless set, what a gallery of so many faces needs."),
    ] = None,
    same_person: Annotated[
        float, typer.Option(metavar="S", help="Groups of one name's photos below this mean similarity are two people.")
    ] = 50.0,
    most: Annotated[int, typer.Option(min=1, max=1_000_000, help="Pairs of names kept, the most similar.")] = 10_000,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where scan.json, scan.csv, scan.html go.", parser=path)
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Put what is found into the review queue.")] = False,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Compare all enrolled faces: one person under two names, two people under one. A stopped scan goes on."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        faces = _faces(app_)
        ask = Ask(min_similarity, same_person, most, settings.threads or cores())
        scanner = Scanner(faces, app_.scorer(settings.collection), app_.rule, ask)
        checkpoint = app_.directory.path / "scans" / f"{settings.collection}.npz"
        with progress_bar("pairs of faces", scanner.pairs, not as_json) as advance:
            found = scanner.run(checkpoint, settled_by(app_.verdicts, settings.collection), advance)
        written = write_scan(found, out, lambda face_id: _crop(app_, face_id)) if out else []
        new = app_.reviews.put(settings.collection, list(suspects(found))) if queue else 0
    if as_json:
        print_json(scan_document(found))
    else:
        _print_scan(found)
    for file in written:
        note(f"written: {file}")
    if queue:
        note(f"new in the review queue: {counted(new, 'pair', 'pairs')}; see `{review('list', settings.collection)}`")


def hygiene(
    context: typer.Context,
    far: Annotated[
        float, typer.Option(min=0, max=100, metavar="S", help="Report photos less like their own person than this.")
    ] = 50.0,
    close: Annotated[
        float | None,
        typer.Option(min=0, max=100, metavar="S", help="And as like another as this; unless set, what a name needs."),
    ] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List enrolled photos that are unlike their own person, or like another."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        faces = _faces(app_)
        scorer = app_.scorer(settings.collection)
        needed = app_.rule.threshold(len(faces.names)) if close is None else close
        with progress_bar("faces", len(faces), not as_json) as advance:
            found = misfits(faces, scorer, far, needed, settings.threads or cores(), advance)
        decided = settled_by(app_.verdicts, settings.collection)
    found = [each for each in found if not _is_settled(each, decided)]
    document = {"collection": settings.collection, "faces": len(faces), "far": far, "close": needed}
    if as_json:
        print_json(document | {"misfits": [asdict(each) | {"advice": each.advice} for each in found]})
    else:
        _print_misfits(found, len(faces), far, needed)


def _faces(app: App) -> NamedFaces:
    """Raises NotFoundError when there is no such collection."""
    name = app.settings.collection
    app.collections.model(name)
    return named_faces(app.face_records, name, app.scorer(name))


def _is_settled(misfit: Misfit, settled: Settled) -> bool:
    """A photo that is only close to somebody, when the two names were compared and decided on."""
    return misfit.doubt is Doubt.CLOSE and misfit.nearest is not None and settled.names(misfit.name, misfit.nearest)


def _crop(app: App, face_id: str) -> bytes | None:
    crop = app.face_records.crop(app.settings.collection, face_id)
    return crop.jpeg if crop else None


def _print_scan(found: Scan) -> None:
    if found.resumed_at:
        note(f"went on from {found.resumed_at:.0%}, where an earlier scan stopped")
    names = counted(found.names, "name", "names")
    print_text(f"{counted(found.faces, 'face', 'faces')} of {names}, {found.pairs:,} pairs of faces compared.")
    if found.unnamed:
        note(f"{counted(found.unnamed, 'face', 'faces')} without a name were left out")
    title = f"One person under two names? From similarity {found.min_similarity:g} on"
    rows = [
        (*each.names, each.similarity, each.mean_similarity, f"{each.pairs} of {each.of_pairs}")
        for each in found.two_names
    ]
    _print_some(("name", "name", "similarity", "mean", "pairs of photos"), rows, title)
    if found.complete_from is not None:
        kept = f"there are more than --most: only those from similarity {found.complete_from:g} on are complete"
        note(f"{kept}; ask for a higher --min-similarity, or raise --most")
    people = [(each.name, *_sizes(each.groups)) for each in found.two_people]
    _print_some(("name", "photos in groups", "mean similarity to the first"), people, "One name, two people?")
    if found.not_divided:
        note(f"too many photos to look for two people among them: {', '.join(found.not_divided)}")


def _sizes(groups: tuple[Group, ...]) -> tuple[str, str]:
    similarities = [f"{group.similarity:.2f}" for group in groups if group.similarity is not None]
    return " + ".join(str(len(group.face_ids)) for group in groups), ", ".join(similarities)


def _print_misfits(found: list[Misfit], faces: int, far: float, close: float) -> None:
    about = f"below {far:g} to their own person, or at least {close:g} to another"
    print_text(f"{len(found)} of {counted(faces, 'photo', 'photos')}: {about}.")
    rows = [
        (each.name, each.source, each.own, each.nearest, each.nearest_similarity, each.face_id, each.advice)
        for each in found
    ]
    _print_some(("person", "photo", "own", "nearest other", "similarity", "face id", "what to do"), rows, None)


def _print_some(columns: tuple[str, ...], rows: list[tuple[Any, ...]], title: str | None) -> None:
    if title and not rows:
        print_text(f"{title}: none.")
        return
    if rows:
        print_table(columns, rows[:_ROWS_SHOWN], title)
    if len(rows) > _ROWS_SHOWN:
        note(f"and {len(rows) - _ROWS_SHOWN:,} more; --json has them all")
