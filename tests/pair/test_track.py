"""Where is my mail: one story from either node, also of what the other one took over."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable
from pathlib import Path

import click

from appliance.cli.told import line
from appliance.cli.track import story_lines
from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema_events import Tracked
from appliance.monitor.log.told import Wanted
from tests.pair.harness import SMTP, Cluster, Node, Settings, until

ID = "<tide\x07.1@ship.test>"


def send(node: Node) -> None:
    with smtplib.SMTP(node.address, SMTP) as client:
        content = f"Subject: tide\r\nMessage-ID: {ID}\r\n\r\nneap\r\n".encode()
        client.sendmail("anna@ship.test", ["harbour@far.test", "office@held.test"], content)


async def tracked(node: Node, wanted: Callable[[Tracked], bool], **query: str) -> Tracked:
    """The one message that fits, once its story is as wanted."""
    client = Client(node.layout.control_socket)

    async def look() -> Tracked | None:
        try:
            page = await asyncio.to_thread(lambda: client.track(**query))  # type: ignore[arg-type]
        except (ApiError, NotRunning):
            return None
        return page.messages[0] if page.messages and wanted(page.messages[0]) else None

    return await until(look, f"the story of {query} on {node.name}")


def told_by(message: Tracked) -> set[tuple[str, str]]:
    return {(one.node, one.event) for one in message.events}


async def adopted_by(node: Node) -> None:
    """Wait until the node's own events say so."""
    client = Client(node.layout.control_socket)

    async def look() -> bool:
        page = await asyncio.to_thread(client.events, Wanted(events=("adopted",)), 10)
        return [one.node for one in page.events] == [node.name]

    await until(look, f"{node.name} says that it adopted")


async def test_one_story_from_either_node_also_when_the_first_is_dead(tmp_path: Path) -> None:
    """The next hop is away, so a has deferred it when it dies; b adopts it and goes on trying."""
    settings = Settings(hop="127.0.0.1:1")
    async with Cluster(tmp_path, settings) as cluster:
        await cluster.paired()
        a, b = cluster.nodes
        await asyncio.to_thread(send, a)
        on_a = await tracked(
            a, lambda one: ("a", "deferred") in told_by(one), recipient="harbour@far.test"
        )
        assert on_a.accepted is not None
        assert on_a.accepted.fields["message_id"] == ID
        assert "\x07" not in "".join(map(line, on_a.events))
        for query in (
            {"message_id": ID},
            {"sender": "Anna@ship.test"},
            {"queue_id": on_a.queue_id},
        ):
            on_b = await tracked(b, lambda one: ("a", "deferred") in told_by(one), **query)
            assert on_b.queue_id == on_a.queue_id
        a.kill()
        on_b = await tracked(
            b,
            lambda one: one.story is not None and one.story.owner == "b",
            queue_id=on_a.queue_id,
        )
        assert ("a", "smtp_accepted") in told_by(on_b)
        assert on_b.story is not None
        assert [one.address for one in on_b.story.recipients][:1] == ["harbour@far.test"]
        await adopted_by(b)
        on_b = await tracked(b, lambda one: ("b", "adopted") in told_by(one), message_id=ID)
        assert [one.at for one in on_b.events] == sorted(one.at for one in on_b.events)
        shown = click.unstyle("\n".join(story_lines(on_b)))
        assert shown.index("smtp_accepted") < shown.index("b/mail       adopted")
        assert "a/journal    leased" in shown
