"""aws: a deployment on AWS, looked at and looked after from one's own machine."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from faceline.cli.erasure import GroupPhotos, asked, show_forgotten, show_left, show_uploads
from faceline.cli.notifications import (
    Ids,
    Newest,
    OnlyTarget,
    Since,
    redriven,
    show_notices,
    show_tried_again,
    time_of,
)
from faceline.cli.objects import (
    Status,
    confirm_discard,
    show_dead_letters,
    show_discarded,
    show_records,
    show_redriven,
)
from faceline.cli.options import Json, OneCollection, common, confirm
from faceline.cli.output import counted, note, print_json, print_table, print_text
from faceline.errors import MissingExtraError, NotFoundError
from faceline.ports import RecordQuery

if TYPE_CHECKING:
    from faceline.aws_app import AwsApp

app = typer.Typer(no_args_is_help=True)
dead_letters = typer.Typer(no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters", help="Messages and calls that failed too often.")
notifications = typer.Typer(no_args_is_help=True)
app.add_typer(notifications, name="notifications", help="What was told, and what a target did not take.")

_EXTRA = {"boto3", "botocore", "aws_lambda_powertools"}
_NOT_REWRITTEN = (
    "Messages that still wait in queues, and answers in the response queue, cannot be rewritten on AWS: they end when "
    "they are worked on or fetched, at the latest after the queues' four days. Backups of the tables (point-in-time "
    "recovery) have what was there for 35 days more; logs have file names for 30."
)


@app.callback()
def aws() -> None:
    """Look after a deployment on AWS: whose Prefix is the setting `id`."""


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """What waits in each queue, what failed, and who is known. Exits with 1 when a part cannot be reached."""
    app = _reached(context)
    from faceline.aws_operations import status as status_of  # noqa: PLC0415 (needs boto3)

    found = status_of(app)
    if as_json:
        print_json(asdict(found))
    else:
        calls = {app.names.recognition: f"calls of {app.names.recognition}"}  # it is a function, the others queues
        rows = [(calls.get(q.queue, q.queue), q.visible, q.in_flight, q.dead, q.error) for q in found.queues]
        print_table(("queue", "visible", "in flight", "dead", "cannot be reached"), rows)
        people = [(each.name, each.faces, each.people, each.model, each.created_at) for each in found.collections]
        if found.error:
            note(f"Collections and erasures cannot be looked at: {found.error}")
        elif not people:
            note("There are no collections yet.")
        else:
            print_table(("collection", "faces", "people", "model", "created"), people)
        if found.unfinished_erasures:
            cut_off = counted(found.unfinished_erasures, "erasure was", "erasures were")
            note(f"{cut_off} begun and did not end; repeat `faceline aws forget` with the same name")
    if found.failed:
        raise typer.Exit(1)


@app.command()
def records(
    context: typer.Context,
    image: Annotated[str | None, typer.Option(help="The photo's name or key.")] = None,
    person: Annotated[str | None, typer.Option(help="A name or a face id.")] = None,
    since: Annotated[str | None, typer.Option(help="From then on; UTC, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then; UTC, ISO 8601.")] = None,
    status: Status = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    as_json: Json = False,
) -> None:
    """What was found in the uploaded photos, a row a face."""
    query = RecordQuery(image, person, since, until, status, limit)
    show_records(_reached(context).records.query(query), as_json)


@app.command()
def forget(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name, as enrolled.")],
    group_photos: Annotated[
        GroupPhotos | None, typer.Option("--group-photos", help="What becomes of photos that show others too.")
    ] = None,
    collection: OneCollection = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a person: face records, vectors, crops, uploads that show only them, and the name in tables and buckets;
    in all collections unless one is named. Repeat it when it was cut off."""
    app = _reached(context)
    from faceline.aws_erasure import AwsErasure  # noqa: PLC0415 (needs boto3)

    only = collection or common(context).collection
    erasure = AwsErasure(app)
    found = erasure.find(name, only)
    chosen = group_photos or asked(found.among_others, name, as_json)
    if not yes and not as_json:
        show_uploads(found.alone, name)
    faces = counted(sum(map(len, found.faces.values())), "face", "faces")
    uploads = counted(len(found.alone), "upload", "uploads")
    confirm(f"Delete {faces} and {uploads} of {name} for good?", yes, as_json)
    done = erasure.forget(found, chosen is GroupPhotos.DELETE)
    said = erasure.keys_that_say(name, done.kept)
    if as_json:
        print_json(asdict(done) | {"keys_that_say_the_name": said})
        return
    show_forgotten(done, only is None, "their keys stay, too")
    if said:
        note("Of these the key says the name; copy them under another one and delete them:")
        for place in said:
            note(f"  {place}")
    note(_NOT_REWRITTEN)


@app.command("verify-erasure")
def verify_erasure(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name, as it was enrolled.")],
    as_json: Json = False,
) -> None:
    """Prove that a person was forgotten: look for their name and ids in tables, buckets and dead letters; of pictures
    in their keys only. Exits with 1 when something is left."""
    app = _reached(context)
    from faceline.aws_erasure import AwsErasure  # noqa: PLC0415 (needs boto3)

    erasure = AwsErasure(app)
    left = erasure.left_of(name)
    show_left(name, [each.receipt_id for each in erasure.receipts(name)], left, as_json)


@dead_letters.command("list")
def list_dead_letters(context: typer.Context, as_json: Json = False) -> None:
    """Messages that failed too often, oldest first in each queue, and failed calls."""
    app = _reached(context)
    from faceline.aws_operations import dead_letters as letters_of  # noqa: PLC0415 (needs boto3)

    show_dead_letters(letters_of(app), as_json)


@dead_letters.command()
def redrive(
    context: typer.Context,
    message_ids: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Send dead letters back to their queues, and call again what was called."""
    app = _reached(context)
    from faceline.aws_operations import redrive as redriven  # noqa: PLC0415 (needs boto3)

    show_redriven(redriven(app, message_ids or None), as_json)


@dead_letters.command()
def discard(
    context: typer.Context,
    message_ids: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete dead letters for good. The photos and clips that they are about stay."""
    app = _reached(context)
    from faceline.aws_operations import dead_ids  # noqa: PLC0415 (needs boto3)
    from faceline.aws_operations import discard as discarded  # noqa: PLC0415

    dead = dead_ids(app) if message_ids else set()
    confirm_discard(message_ids or [], dead.__contains__, yes, as_json)
    show_discarded(discarded(app, message_ids or None), as_json)


@notifications.command("list")
def list_notifications(context: typer.Context, since: Since = None, limit: Newest = 100, as_json: Json = False) -> None:
    """What was to be told, the newest first, and how far it is."""
    show_notices(_reached(context).notices.list(limit, time_of(since)), as_json)


@notifications.command("dead")
def dead_notifications(context: typer.Context, limit: Newest = 100, as_json: Json = False) -> None:
    """What a target did not take, however often it was tried."""
    show_notices(_reached(context).notices.dead(limit), as_json)


@notifications.command("redrive")
def redrive_notifications(
    context: typer.Context, ids: Ids = None, target: OnlyTarget = None, as_json: Json = False
) -> None:
    """Try dead deliveries again: all, or these."""
    count = redriven(_reached(context).notices, ids, target)
    show_tried_again(count, "within ten minutes", as_json)


@notifications.command("resume")
def resume_notifications(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="As in NotifyTargets.")],
    as_json: Json = False,
) -> None:
    """Have a target told again that had answered 410 Gone. What it missed is dead: redrive that."""
    if not _reached(context).notices.resume(target):
        raise NotFoundError(f"no target {target} has ended; see the reasons in `faceline aws notifications dead`")
    if as_json:
        print_json({"target": target})
    else:
        print_text(f"{target} is told again from now on.")


def _reached(context: typer.Context) -> "AwsApp":
    """With the collection that the functions work with: the one that a command is about is no setting of theirs.

    Raises MissingExtraError, and as `aws_operations.reached`.
    """
    try:
        from faceline.aws_operations import reached  # noqa: PLC0415 (needs boto3)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise MissingExtraError("`faceline aws` needs boto3: pip install 'faceline[aws]'") from error
    return reached(replace(common(context), collection=None).settings())
