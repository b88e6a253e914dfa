"""notifications list, targets, test, replay, dead, redrive."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import msgspec
import typer

from faceline.app import App
from faceline.cli.options import Data, Json, common, existing
from faceline.cli.output import counted, print_json, print_table, print_text
from faceline.errors import UsageError
from faceline.notices import Told

_LAST_S = 3.0
app = typer.Typer(no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", show_default=False, help="msg_…; all unless named.")]
OnlyTarget = Annotated[str | None, typer.Option("--target", metavar="NAME", help="Only to this target.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From then on: 2026-11-21, or with T10:30 (UTC).")
]
Newest = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1_000_000, help="The newest so many.")]


class DeadNotices(Protocol):
    """The outbox of either profile."""

    def get(self, message_id: str) -> Told: ...

    def redrive(self, message_ids: Sequence[str] | None = None, target: str | None = None) -> int: ...


@app.command("list")
def listed(
    context: typer.Context, since: Since = None, limit: Newest = 100, data: Data = None, as_json: Json = False
) -> None:
    """What was to be told, the newest first, and how far it is."""
    with App(existing(common(context).settings(data))) as app_:
        show_notices(app_.notices.list(limit, time_of(since)), as_json)


@app.command()
def dead(context: typer.Context, limit: Newest = 100, data: Data = None, as_json: Json = False) -> None:
    """What a target did not take, however often it was tried."""
    with App(existing(common(context).settings(data))) as app_:
        show_notices(app_.notices.dead(limit), as_json)


@app.command()
def targets(context: typer.Context, data: Data = None, as_json: Json = False) -> None:
    """Who is told, as the settings say, and what waits for them. Never a secret."""
    with App(existing(common(context).settings(data))) as app_:
        states = app_.notify.states()
    if as_json:
        print_json(
            [
                {"name": s.target.name, "kind": s.target.kind, "address": s.target.address}
                | {"waiting": s.waiting, "dead": s.dead, "ended": s.ended}
                for s in states
            ]
        )
        return
    rows = [(s.target.name, s.target.kind, s.target.address, s.waiting, s.dead, s.ended) for s in states]
    print_table(("target", "kind", "address", "waiting", "dead", "ended because"), rows)


@app.command()
def test(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="As in the settings.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Tell a target once, now, and say how it went. One that had answered 410 Gone is told again from then on."""
    with App(common(context).settings(data)) as app_:
        message_id = app_.notify.test(target)
    if as_json:
        print_json({"target": target, "message_id": message_id})
    else:
        print_text(f"{target} took {message_id}.")


@app.command()
def replay(
    context: typer.Context,
    ids: Ids = None,
    since: Since = None,
    target: OnlyTarget = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send again, under the same ids: these, or all since a time. To whom the rules say, quiet times aside."""
    if bool(ids) == bool(since):
        raise UsageError("say what to send again: ids of `faceline notifications list`, or --since TIME")
    with App(existing(common(context).settings(data))) as app_:
        if target:
            app_.notify.target(target)
        chosen = ids or [told.message_id for told in app_.notices.list(1_000_000, time_of(since))]
        # What is named goes to the named target whatever its rules say; a time says nothing of single notices.
        count = sum(app_.notices.replay(each, target, bool(ids)) for each in chosen)
    if as_json:
        print_json({"deliveries": count})
    else:
        print_text(f"{counted(count, 'delivery is', 'deliveries are')} on the way, if `faceline up` runs.")


@app.command()
def redrive(
    context: typer.Context, ids: Ids = None, target: OnlyTarget = None, data: Data = None, as_json: Json = False
) -> None:
    """Try dead deliveries again: all, or these."""
    with App(existing(common(context).settings(data))) as app_:
        if target:
            app_.notify.target(target)
        count = redriven(app_.notices, ids, target)
    show_tried_again(count, "if `faceline up` runs", as_json)


@contextmanager
def delivering(app_: App) -> Iterator[None]:
    """Brings notices to their targets meanwhile, also those of other processes.

    The last get a few seconds on leaving; what is left then waits for the next process that delivers.
    """
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in app_.notify.workers()]
    for thread in threads:
        thread.start()
    try:
        yield
        deadline = time.monotonic() + _LAST_S
        while app_.notify.waiting() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def redriven(notices: DeadNotices, ids: list[str] | None, target: str | None) -> int:
    """How many deliveries. Raises NotFoundError for an id that there is not."""
    for each in ids or ():
        notices.get(each)
    return notices.redrive(ids or None, target)


def show_tried_again(count: int, when: str, as_json: bool) -> None:
    if as_json:
        print_json({"deliveries": count})
    else:
        print_text(f"{counted(count, 'delivery is', 'deliveries are')} tried again, {when}.")


def time_of(text: str | None) -> float:
    """Unix time. Raises UsageError."""
    if text is None:
        return 0.0
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text} is no time; write 2026-11-21 or 2026-11-21T10:30") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def show_notices(found: Sequence[Told], as_json: bool) -> None:
    if as_json:
        print_json([_document(told) for told in found])
        return
    rows = [(told.message_id, told.notice.time, told.notice.kind, told.notice.text, _ways(told)) for told in found]
    print_table(("id", "time", "kind", "text", "targets"), rows)


def _ways(told: Told) -> str | None:
    return "; ".join(f"{d.target}: {d.state}" + (f" ({d.reason})" if d.reason else "") for d in told.deliveries) or None


def _document(told: Told) -> dict[str, Any]:
    notice = msgspec.to_builtins(told.notice)
    del notice["notice_id"]
    return {"message_id": told.message_id, **notice, "deliveries": msgspec.to_builtins(told.deliveries)}
