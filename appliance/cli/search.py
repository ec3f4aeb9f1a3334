"""`twinpost search`: find mail by its text, and look after the index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import Exit, node_errors
from appliance.cli.options import data_option, json_option, node_client
from appliance.cli.output import bytes_text, counted, safe, show_json, time_text

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.ipc.search import Hit, SearchPage, SearchView

_QUERY = """
\b
Words that must all be there: tide tables
Phrases and beginnings:       "tide tables"  harbo*
Fields:                       from: to: subject: body: attachment: id:
Times (UTC):                  before:2026-10-31  after:7d  during:2026-10  during:yesterday
Where it stands:              is:queued deferred held delivered bounced removed
Together:                     AND OR NOT ( )   NOT binds most closely, -word is NOT word
"""


class _QueryOrCommand(click.Group):
    """`search QUERY` finds; `search status` and `search reindex` are commands of their own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [one for one in args if not one.startswith("-")]
        if (
            args
            and (not words or words[0] not in self.commands)
            and args[0] not in ("-h", "--help")
        ):
            args = ["find", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_QueryOrCommand, epilog=_QUERY)
def command() -> None:
    """Find mail by its text: `twinpost search QUERY`, the newest first."""


@command.command("find", epilog=_QUERY, context_settings={"ignore_unknown_options": True})
@data_option
@json_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--after", default="", metavar="PLACE", help="Go on behind a page's last hit.")
@click.argument("query", nargs=-1, required=True)
def find(data: Path, as_json: bool, limit: int, after: str, query: tuple[str, ...]) -> int:
    """Find mail; exit code 1 if there is none."""
    with node_errors():
        page = node_client(data).search(_query(query), limit, after)
    if as_json:
        show_json(page)
    else:
        _show(page)
    return Exit.OK if page.hits or page.after else Exit.NEGATIVE


@command.command()
@data_option
@json_option
def status(data: Path, as_json: bool) -> None:
    """Show how the index is."""
    with node_errors():
        view = node_client(data).search_status()
    if as_json:
        show_json(view)
    else:
        click.echo(status_text(view))


@command.command()
@data_option
@click.option("--no-wait", is_flag=True, help="Do not watch until it is done.")
def reindex(data: Path, no_wait: bool) -> None:
    """Throw the index away and make it anew; mail is found again as it gets there."""
    client = node_client(data)
    with node_errors():
        client.reindex()
        if no_wait:
            click.echo("The index is being made anew.")
            return
        for view in _watched(client):
            click.echo(f"\r{_progress(view)}".ljust(70), nl=False, err=True)
    click.echo(err=True)
    click.echo(status_text(view))


def _query(words: tuple[str, ...]) -> str:
    """What the shell has split is put together again; an argument with spaces was a phrase."""
    if len(words) == 1:
        return words[0]
    return " ".join(f'"{one}"' if " " in one and '"' not in one else one for one in words)


def _watched(client: Client) -> Iterator[SearchView]:
    """The index about once a second, until everything is in it."""
    import threading

    pause = threading.Event()
    while True:
        view = client.search_status()
        yield view
        if view.complete and not view.waiting:
            return
        pause.wait(1.0)


def _progress(view: SearchView) -> str:
    total = max(view.total, view.documents)
    share = 100 * view.documents // total if total else 100
    return f"{view.documents} of {counted(total, 'message')} ({share} %), {view.activity}"


def _show(page: SearchPage) -> None:
    for hit in page.hits:
        click.echo("\n".join(hit_lines(hit)))
    if not page.hits:
        click.echo("Nothing found." if not page.after else "Nothing found so far.")
    if page.searched_to is not None:
        click.echo(f"… searched back to {_time(page.searched_to)}", err=True)
    if page.missing:
        click.echo(f"… there may be more: {safe(page.missing)}", err=True)
    if page.after:
        click.echo(f"… older ones: the same with --after {page.after}", err=True)


def hit_lines(hit: Hit) -> Iterator[str]:
    """A hit for people: what it is, its subject, its text."""
    recipients = ", ".join(safe(one) for one in hit.recipients[:3])
    if len(hit.recipients) > 3:
        recipients += f" and {len(hit.recipients) - 3} more"
    status = ", ".join(hit.status)
    yield f"{hit.queue_id}  {_time(hit.received_at)}  {bytes_text(hit.size)}  {status}"
    yield f"  <{safe(hit.sender)}> → {recipients}"
    if hit.subject:
        yield f"  {click.style(safe(hit.subject), bold=True)}"
    if hit.snippet:
        pieces = [click.style(safe(one.text), underline=one.hit or None) for one in hit.snippet]
        yield f"    {''.join(pieces)}"
    yield ""


def status_text(view: SearchView) -> str:
    """The index for people."""
    lines = [
        f"{counted(view.documents, 'message')} can be found, {bytes_text(view.size)}"
        f" in {counted(view.partitions, 'partition')}; {safe(view.activity)}."
    ]
    if view.lag:
        waiting = f"{counted(view.waiting, 'message')} cannot be found yet"
        lines.append(f"{waiting}; there have been some for {time_text(view.lag)}.")
    if view.damaged:
        lines.append(
            f"{counted(view.damaged, 'damaged partition')} will be rebuilt from the spool."
        )
    if not view.complete:
        lines.append("The index is not complete yet.")
    return "\n".join(lines)


def _time(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}Z"
    except (ValueError, OverflowError, OSError):
        return "at no time"
