"""`faceline review`: what people decide about the answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from faceline.app import App
from faceline.cli import review_marks, review_scan, review_strangers
from faceline.cli.options import CollectionName, Data, Json, common, existing
from faceline.cli.output import counted, note, print_json, print_table, print_text
from faceline.cli.review_options import By, Limit, quoted, review, user
from faceline.errors import UsageError
from faceline.files import is_file, read_text
from faceline.gallery.review import Answer, Change, Kind, Reviewed

app = typer.Typer(no_args_is_help=True)

_Note = Annotated[str, typer.Option("--note", help="Why, in your words; kept with the verdict.")]
_MUCH_ALIKE = 5  # pairs of faces that `show` prints


@app.command("list")
def listed(
    context: typer.Context,
    settled: Annotated[bool, typer.Option("--settled", help="Pairs with a verdict instead, the latest first.")] = False,
    limit: Limit = 50,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Pairs to look at, the most suspicious first: names that may be one person, faces that may be two people."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        look = app_.reviews.decided if settled else app_.reviews.open
        found = look(settings.collection, limit)
    if as_json:
        print_json([pair_document(each) for each in found])
        return
    if not found:
        scan = review("scan", settings.collection)
        none = "no pair was decided yet" if settled else f"nothing to review; `{scan}` finds pairs"
        note(f"{settings.collection}: {none}")
        return
    _print_people([each for each in found if each.pair.kind is Kind.PEOPLE])
    _print_faces([each for each in found if each.pair.kind is Kind.FACES])
    if not settled:
        first = min(found, key=lambda each: each.pair.kind is not Kind.PEOPLE).pair  # in the order of the tables
        note(f"To look at the first one: {review(f'show {quoted(first.a)} {quoted(first.b)}', settings.collection)}")


@app.command()
def show(
    context: typer.Context,
    a: str,
    b: str,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """A pair: how alike its faces are, the photos to look at, and what was decided. A and B: names, or face ids."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        pair = app_.reviews.pair(settings.collection, a, b)
        found = app_.reviews.get(settings.collection, pair)
        alike = app_.reviews.alike(settings.collection, pair, _MUCH_ALIKE)
    rows = [(similarity, x.source, y.source, x.face_id, y.face_id) for x, y, similarity in alike]
    if as_json:
        keys = ("similarity", "source_a", "source_b", "face_a", "face_b")
        print_json(pair_document(found) | {"most_alike": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    if pair.kind is Kind.FACES:
        print_table(("similarity", "photo of the first", "photo of the second"), [row[:3] for row in rows])
    else:
        columns = ("similarity", f"photo of {pair.a}", f"photo of {pair.b}", "face id", "face id")
        print_table(columns, rows, "The most alike faces")
    print_text(_verdict_text(found))


@app.command()
def decide(
    context: typer.Context,
    a: str,
    b: str,
    answer: Answer,
    by: By = None,
    why: _Note = "",
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Settle a pair of names or face ids: same, different, or unsure, which puts it at the end of the queue."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        pair = app_.reviews.pair(settings.collection, a, b)
        app_.reviews.decide(settings.collection, pair, answer, by or user(), why)
        found = app_.reviews.get(settings.collection, pair)
    if as_json:
        print_json(pair_document(found))
        return
    print_text(_verdict_text(found))
    if answer is Answer.SAME and pair.kind is Kind.PEOPLE:
        merging = review(f"merge {quoted(a)} {quoted(b)} --into {quoted(a)}", settings.collection)
        note(f"They are still two names. To make them one: {merging}")
    if answer is Answer.DIFFERENT and pair.kind is Kind.FACES:
        name = quoted(found.suspect.person) if found.suspect and found.suspect.person else "NAME"
        splitting = review(f"split {name} FACE_ID --as OTHER", settings.collection)
        note(f"Both are still of one name. To give one of them another: {splitting}")


@app.command()
def merge(
    context: typer.Context,
    a: str,
    b: str,
    into: Annotated[str, typer.Option("--into", help="The name that stays: A or B.")],
    by: By = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make two names one person: all faces get the name that stays, and verdicts and marks follow."""
    if into not in (a, b):
        raise UsageError(f"--into {into!r} is neither {a!r} nor {b!r}; say which of the two names stays")
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        name = b if into == a else a
        change = app_.reviews.merge(settings.collection, name, into, by or user())
    _print_change(
        change,
        f"{name} is {into} now, with {counted(change.faces, 'face', 'faces')}. Results of before still say {name}.",
        as_json,
    )


@app.command()
def rename(
    context: typer.Context,
    old: str,
    new: str,
    by: By = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Call a person otherwise: their faces, verdicts and marks stay theirs."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        change = app_.reviews.rename(settings.collection, old, new, by or user())
    faces = counted(change.faces, "face", "faces")
    _print_change(change, f"{old} is called {new} now, with {faces}. Results of before still say {old}.", as_json)


@app.command()
def split(
    context: typer.Context,
    person: str,
    face_ids: Annotated[list[str], typer.Argument(help="Of faces that are somebody else's.")],
    name: Annotated[str, typer.Option("--as", help="Whose they are; may be new.")],
    by: By = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give some of a person's faces to somebody else; the two are settled as different people."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        change = app_.reviews.split(settings.collection, person, face_ids, name, by or user())
    of = f"face of {person} is", f"faces of {person} are"
    _print_change(change, f"{counted(change.faces, *of)} {name}'s now; the two are settled as different.", as_json)


@app.command()
def undo(context: typer.Context, collection: CollectionName = None, data: Data = None, as_json: Json = False) -> None:
    """Take back the latest verdict, merge, rename, split, mark or person of a label; again, the one before."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        change = app_.reviews.undo(settings.collection)
    _print_change(change, f"Undone: {_change_text(change)}, by {change.by} at {change.at}.", as_json)


@app.command()
def history(
    context: typer.Context,
    limit: Limit = 50,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """What was decided and can be undone, the latest first."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app_:
        changes = app_.reviews.history(settings.collection, limit)
    if as_json:
        print_json([change_document(change) for change in changes])
        return
    print_table(("what", "faces", "by", "at"), [(_change_text(c), c.faces, c.by, c.at) for c in changes])


@app.command()
def load(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="What `faceline review scan` wrote as JSON.")] = None,
    reports: Annotated[bool, typer.Option("--reports", help="The matching reports of this data directory.")] = False,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put pairs into the queue: from a scan, or from matching reports."""
    if (file is None) == (not reports):
        raise UsageError("name the scan's JSON file, or give --reports; one of the two")
    settings = existing(common(context).settings(data, collection))
    known = read = 0
    with App(settings) as app_:
        if file is None:
            new, read = app_.reviews.load_reports()
            settings = settings.with_(collection=settings.names.matching_collection)
            source = counted(read, "report", "reports")
        else:
            source = str(file)
            new, known = app_.reviews.load_scan(settings.collection, _scan(file), source)
    if known:
        note(f"{counted(known, 'pair', 'pairs')} passed over as not new: in the queue already, similarity renewed")
    if as_json:
        print_json({"collection": settings.collection, "new": new})
        return
    if reports and not read:
        print_text("There are no matching reports yet.")
        return
    print_text(f"{counted(new, 'new pair', 'new pairs')} to review in {settings.collection}, from {source}.")


def _scan(file: Path) -> str:
    if not is_file(file):
        raise UsageError(f"there is no file {file}; `faceline review scan` writes one")
    return read_text(file)


def pair_document(reviewed: Reviewed) -> dict[str, Any]:
    """docs/reference/results.md says what its keys are."""
    pair, suspect, verdict = reviewed.pair, reviewed.suspect, reviewed.verdict
    return {
        "kind": pair.kind,
        "a": pair.a,
        "b": pair.b,
        "person": suspect.person if suspect else None,
        "similarity": suspect.similarity if suspect else None,
        "pairs": suspect.pairs if suspect else None,
        "faces": list(suspect.faces) if suspect else None,
        "found_by": suspect.origin if suspect else None,
        "found_at": suspect.found_at if suspect else None,
        "verdict": verdict.answer if verdict else None,
        "decided_by": verdict.by if verdict else None,
        "decided_at": verdict.at if verdict else None,
        "note": verdict.note if verdict else None,
    }


def change_document(change: Change) -> dict[str, Any]:
    return {
        "action": change.action,
        "names": list(change.names),
        "faces": change.faces,
        "detail": change.detail,
        "by": change.by,
        "at": change.at,
    }


def _print_people(found: Sequence[Reviewed]) -> None:
    rows = [(r.pair.a, r.pair.b, *_seen(r), *_decided(r)) for r in found]
    _print_pairs(("name", "name"), rows, "One person under two names?")


def _print_faces(found: Sequence[Reviewed]) -> None:
    rows = [(r.suspect.person if r.suspect else None, r.pair.a, r.pair.b, *_seen(r), *_decided(r)) for r in found]
    _print_pairs(("name", "face id", "face id"), rows, "Two people under one name?")


def _print_pairs(of: tuple[str, ...], rows: Sequence[tuple[object, ...]], title: str) -> None:
    """The last three columns, of verdicts, only where there is one."""
    if not rows:
        return
    columns = (*of, "similarity", "pairs of faces", "found by", "verdict", "by", "note")
    shown = len(columns) if any(row[-3] for row in rows) else -3
    print_table(columns[:shown], [row[:shown] for row in rows], title)


def _seen(reviewed: Reviewed) -> tuple[object, ...]:
    suspect = reviewed.suspect
    return (suspect.similarity, suspect.pairs, suspect.origin) if suspect else (None, None, None)


def _decided(reviewed: Reviewed) -> tuple[object, ...]:
    verdict = reviewed.verdict
    return (verdict.answer, verdict.by, verdict.note or None) if verdict else (None, None, None)


def _verdict_text(reviewed: Reviewed) -> str:
    pair, verdict = reviewed.pair, reviewed.verdict
    if verdict is None:
        return f"{pair.a} and {pair.b}: nobody decided yet."
    text = {Answer.SAME: "the same person", Answer.DIFFERENT: "different people", Answer.UNSURE: "unsure"}
    said = f"{pair.a} and {pair.b}: {text[verdict.answer]}, says {verdict.by} at {verdict.at}"
    return f"{said}: {verdict.note}" if verdict.note else f"{said}."


def _change_text(change: Change) -> str:
    first, *others = change.names
    match change.action:
        case "merge":
            return f"{first} merged into {others[0]}"
        case "rename":
            return f"{first} renamed {others[0]}"
        case "split":
            return f"{others[0]} split from {first}"
        case "person":
            return f"faces labelled {first} given to {others[0]}"
        case "mark":
            return f"{change.detail} marked as not {first}"
    return f"{first} and {others[0]}: {change.detail}"


def _print_change(change: Change, text: str, as_json: bool) -> None:
    if as_json:
        print_json(change_document(change))
    else:
        print_text(text)


review_scan.register(app)
review_marks.register(app)
review_strangers.register(app)
