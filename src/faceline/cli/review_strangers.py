"""review unknowns, name: strangers who were seen often."""

from pathlib import Path
from typing import Annotated, Any

import typer

from faceline.app import App
from faceline.cli.options import CollectionName, Data, Json, common, confirm, existing
from faceline.cli.output import counted, note, print_json, print_table, print_text
from faceline.cli.review_options import Limit, quoted, review
from faceline.gallery.unknowns import Group


def register(app: typer.Typer) -> None:
    app.command()(unknowns)
    app.command()(name)
    app.command()(discard)


def unknowns(
    context: typer.Context,
    limit: Limit = 50,
    least: Annotated[int, typer.Option("--least", min=1, help="Groups of at least so many faces.")] = 1,
    crops: Annotated[
        Path | None, typer.Option("--crops", metavar="FOLDER", help="Save each group's best face.")
    ] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Strangers in uploaded photos, those seen most often first. Their faces are kept only with keep_unknown_faces."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app:
        groups = [each for each in app.reviews.groups(settings.collection) if len(each.faces) >= least][:limit]
        found = [_document(each, app.reviews.now_known(settings.collection, each)) for each in groups]
        if crops:
            _save(app, settings.collection, groups, crops)
    if as_json:
        print_json(found)
        return
    if not found:
        note(
            f"no unknown faces are kept of {settings.collection}"
            + ("" if settings.keep_unknown_faces else "; the setting keep_unknown_faces is off")
        )
        return
    columns = ("group", "faces", "photos", "first seen", "last seen", "best photo", "named now")
    print_table(columns, [[row[key] for key in _SHOWN] for row in found])
    first = str(found[0]["group"])
    note(f"To name one: {review(f'name {first} NAME', settings.collection)}")


def name(
    context: typer.Context,
    group: str,
    person: Annotated[str, typer.Argument(metavar="NAME", help="Who it is; may be known already.")],
    faces: Annotated[int, typer.Option("--faces", min=1, max=100, help="How many of the best faces to enrol.")] = 5,
    consent: Annotated[str | None, typer.Option(metavar="REF", help="A reference to the person's consent.")] = None,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Enrol a group's best faces as a person; the group is unknown no longer."""
    settings = existing(common(context).settings(data, collection))
    with App(settings) as app:
        done = app.reviews.name_group(settings.collection, group, person, faces, consent)
    if as_json:
        print_json({"name": done.name, "enrolled": done.enrolled, "removed": done.removed})
        return
    print_text(
        f"{person} is known by {counted(done.enrolled, 'face', 'faces')} of {done.removed} that were unknown. "
        "Photos from now on get the name; earlier results stay as they are."
    )


def discard(
    context: typer.Context,
    group: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    collection: CollectionName = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete a group's faces: nobody will be asked about them again."""
    settings = existing(common(context).settings(data, collection))
    confirm(f"Delete the unknown faces of group {quoted(group)}?", yes, as_json)
    with App(settings) as app:
        count = app.reviews.drop_group(settings.collection, group)
    if as_json:
        print_json({"removed": count})
    else:
        print_text(f"{counted(count, 'unknown face is', 'unknown faces are')} deleted.")


_SHOWN = ("group", "faces", "photos", "first_seen", "last_seen", "best_photo", "named_now")


def _document(group: Group, named_now: str | None) -> dict[str, Any]:
    return {
        "group": group.group_id,
        "faces": len(group.faces),
        "photos": len({face.source for face in group.faces}),
        "first_seen": group.faces[0].created_at,
        "last_seen": group.faces[-1].created_at,
        "best_photo": group.best.source,
        "best_face": group.best.face_id,
        "named_now": named_now,
        "sources": sorted({face.source for face in group.faces}),
    }


def _save(app: App, collection: str, groups: list[Group], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for group in groups:
        crop = app.unknown_faces.crop(collection, group.best.face_id)
        if crop:
            (folder / f"{group.group_id}.jpg").write_bytes(crop.jpeg)
