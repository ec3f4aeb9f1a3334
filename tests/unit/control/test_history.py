"""How the addresses moved, on both nodes, in one list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.control.client import Client
from appliance.control.events import Events
from appliance.control.history import FailoverHistoryApi
from appliance.control.listen import serving
from appliance.monitor.events import Event
from appliance.monitor.log.store import Feed, Source
from tests.support.control import handlers
from tests.unit.monitor.log.rig import START, Node, Process, entry

FIELDS = '{"vrid":1,"before":"Backup","after":"Active","reason":"silence","why":"","lasted":%d}'


@dataclass
class World:
    node: Node
    failover: Process
    client: Client

    def moved(self, lasted: int, at: int) -> None:
        self.node.clock.now = START + at
        self.failover.emit(
            Event.TRANSITION,
            vrid=1,
            before="Active",
            after="Backup",
            reason="cannot serve",
            why="",
            lasted=lasted,
        )

    async def history(self, last: int) -> list[tuple[str, int]]:
        found = await asyncio.to_thread(self.client.history, last)
        return [(one.node, one.lasted) for one in found]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    node = Node(tmp_path)
    failover = Process(node.log, "failover", node.clock)
    events, api, path = Events(node.reader), handlers(), tmp_path / "control.sock"
    FailoverHistoryApi(events, node.catch_up).add_to(api)
    async with serving(api.application, path, api.application, []):
        yield World(node, failover, Client(path))
    events.close()
    failover.close()
    node.close()


async def test_both_nodes_are_told_the_newest_first(world: World) -> None:
    world.moved(1, 10)
    world.moved(3, 30)
    theirs = tuple(
        entry(n, START + at, Event.TRANSITION, FIELDS % n) for n, at in ((2, 20), (4, 40))
    )
    source = Source(store="b1", node="b", last=4, own=True)
    world.node.collector.take(Feed(sources=(source,), store="b1", upto=4, entries=theirs))
    assert await world.history(10) == [("b", 4), ("a", 3), ("b", 2), ("a", 1)]
    assert await world.history(2) == [("b", 4), ("a", 3)]


async def test_what_has_just_been_logged_is_in_the_answer(world: World) -> None:
    """Whoever has moved an address looks at once how that went."""
    assert await world.history(10) == []
    world.moved(5, 10)
    assert await world.history(10) == [("a", 5)]


async def test_a_transition_that_cannot_be_read_costs_only_itself(world: World) -> None:
    world.moved(1, 10)
    world.failover.emit(Event.TRANSITION, vrid="\x1b[2J")
    world.moved(2, 20)
    assert await world.history(2) == [("a", 2), ("a", 1)]
