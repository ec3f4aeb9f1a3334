"""Which messages a queue command means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from appliance.control.client import Client
    from appliance.mail.views import QueueEntry, QueueFilter

Function = TypeVar("Function", bound=Callable[..., Any])

STATUSES = ("queued", "leased", "deferred", "held", "waiting")


def filter_options(function: Function) -> Function:
    """--status, --sender, --recipient."""
    function = click.option(
        "--recipient", default="", metavar="ADDRESS", help="To this address or @domain."
    )(function)
    function = click.option(
        "--sender", default="", metavar="ADDRESS", help="From this address or @domain."
    )(function)
    return click.option(
        "--status", multiple=True, type=click.Choice(STATUSES), help="Only these; repeatable."
    )(function)


def queue_filter(
    status: Iterable[str], sender: str, recipient: str, ended: bool = False
) -> QueueFilter:
    """The options as the API wants them."""
    from appliance.mail.views import QueueFilter, RecipientStatus

    statuses = tuple(RecipientStatus(one) for one in status)
    return QueueFilter(status=statuses, sender=sender, recipient=recipient, ended=ended)


def entries(client: Client, wanted: QueueFilter, page: int) -> Iterator[QueueEntry]:
    """The messages that fit, newest first, read page by page as they are asked for."""
    for found in client.queue(wanted, page):
        yield from found.entries
