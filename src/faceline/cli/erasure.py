"""forget, verify-erasure: people go, and it is proved."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from faceline.app import App
from faceline.cli.options import Data, Json, OneCollection, common, existing
from faceline.cli.output import counted, note, print_json, print_table, print_text
from faceline.errors import UsageError
from faceline.pipelines.belongings import Belongings, Place
from faceline.pipelines.forgetting import Forgotten
from faceline.pipelines.verifying import Left

_MOST_LISTED = 10


class GroupPhotos(StrEnum):
    KEEP = "keep"
    DELETE = "delete"


def register(app: typer.Typer) -> None:
    app.command()(forget)
    app.command("verify-erasure")(verify_erasure)


def forget(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name, as enrolled.")],
    group_photos: Annotated[
        GroupPhotos | None, typer.Option("--group-photos", help="What becomes of photos that show others too.")
    ] = None,
    collection: OneCollection = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete a person: face records, vectors, crops, photos and clips that show only them, and the name wherever it
    stands; in all collections unless one is named. Repeat it when it was cut off."""
    given = common(context)
    settings = given.settings(data, collection)
    only = collection or given.collection
    with App(existing(settings)) as app:
        chosen = group_photos or _chosen(app.belongings(name, only), name, as_json)
        done = app.forget(name, only, chosen.value)
    if as_json:
        print_json(asdict(done))
    else:
        show_forgotten(done, only is None, "where a photo's or clip's name named the person it was changed")


def verify_erasure(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name, as it was enrolled.")],
    receipt: Annotated[
        str | None, typer.Option(metavar="ID", help="Look for the ids of this erasure only; default: of all of theirs.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Prove that a person was forgotten: look for their name and ids in every file of the data directory, raw and
    decoded. Exits with 1 when something is left."""
    with App(existing(common(context).settings(data))) as app:
        left = app.erasure.left_of(name, receipt)
        receipts = [receipt] if receipt else [each.receipt_id for each in app.erasure.journal.of(name)]
        app.note("verify-erasure", person=name, count=len(left))
    show_left(name, receipts, left, as_json)


def show_left(name: str, receipts: Sequence[str], left: Sequence[Left], as_json: bool) -> None:
    """Exits with 1 when something is left."""
    if as_json:
        print_json({"name": name, "receipts": list(receipts), "left": [asdict(each) for each in left]})
    elif left:
        print_table(("where", "what", "times"), [(each.where, each.what, each.count) for each in left])
        unread = sum(each.what == "unread" for each in left)
        if len(left) > unread:
            places = counted(len(left) - unread, "place", "places")
            note(f"{name} is not gone from {places}; `faceline forget` takes out what it can")
            note("Where somebody else's file, a bucket or a folder is only called so, it stays and is listed too.")
        if unread:
            note(f"{counted(unread, 'place', 'places')} could not be looked at; nothing is proved of what is there")
    else:
        known = f"; ids looked for: those of {', '.join(receipts)}" if receipts else "; no erasure, so no ids, is known"
        print_text(f"Nothing of {name} is left{known}.")
    if left:
        raise typer.Exit(1)


def asked(shared: Sequence[Place], name: str, as_json: bool) -> GroupPhotos:
    """What becomes of photos that show others too, where there are any. shared: those, as bucket and key."""
    if not shared:
        return GroupPhotos.KEEP
    what = counted(len(shared), "photo or clip shows", "photos or clips show")
    if as_json or not sys.stdin.isatty():
        raise UsageError(f"{what} {name} and others; say --group-photos keep or --group-photos delete")
    for bucket, key in shared[:20]:
        note(f"  {bucket}/{key}")
    note(f"  and {len(shared) - 20} more" if len(shared) > 20 else "")
    return GroupPhotos(typer.prompt(f"{what} {name} and others: keep or delete", type=GroupPhotos))


def _chosen(found: Belongings, name: str, as_json: bool) -> GroupPhotos:
    if found.among_others and not as_json:
        show_uploads(found.alone, name)
    return asked(found.among_others, name, as_json)


def show_uploads(alone: Sequence[Place], name: str) -> None:
    """What is about to be deleted."""
    if alone:
        note(f"These are {name}'s alone and will be deleted:")
    for bucket, key in alone[:_MOST_LISTED]:
        note(f"  {bucket}/{key}")
    if len(alone) > _MOST_LISTED:
        note(f"  and {len(alone) - _MOST_LISTED} more")


def show_forgotten(done: Forgotten, everywhere: bool, names: str) -> None:
    """names: what became of names of files that stay and say the person."""
    removed = ", ".join(f"{count} in {where}" for where, count in done.removed.items()) or "none"
    print_text(
        f"{done.name} is forgotten. Face records deleted, with vectors and crops: {removed}; photos, clips and gallery "
        f"files deleted or rewritten: {len(done.uploads)}; the name taken out of {done.records} records and "
        f"{done.results} results."
    )
    if done.stores:
        print_text("Also: " + ", ".join(f"{where}: {count}" for where, count in done.stores.items()) + ".")
    print_text(f"Receipt {done.receipt}, {done.ended_at}. It says no name; check it with `faceline verify-erasure`.")
    if done.earlier:
        print_text(f"Earlier names are forgotten too, counted in above: receipts {', '.join(done.earlier)}.")
    if done.kept:
        note(f"These show others too, or are other customers' images that say the name, and stay; {names}:")
    for place in done.kept:
        note(f"  {place}")
    if done.photos:
        note("Photos that were enrolled from elsewhere are yours and stay where they are:")
    for photo in done.photos:
        note(f"  {photo}")
    if not everywhere:
        note("Only in this collection: photos, notices and messages were not looked through.")
