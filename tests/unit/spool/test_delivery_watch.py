"""A node whose delivery process is gone lets its peer deliver, and keeps no lease open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from appliance.mail.work import Lease
from appliance.spool.checkpoint import Checkpointer
from appliance.spool.delivery_watch import DeliveryWatch
from appliance.spool.messages import key_of
from appliance.spool.operations import Present, Want
from appliance.spool.spool import Spool
from tests.unit.spool.node import Node


@dataclass
class Around:
    """A spool on its event loop, and whether delivery is connected to it."""

    spool: Spool
    queue_id: str
    events: list[str]
    connected: bool = True

    def __post_init__(self) -> None:
        self.watch = DeliveryWatch(self.spool, lambda: self.connected, patience=10_000)

    async def present(self) -> None:
        """Delivery works on nothing."""
        await self.spool.ask(lambda token: Present(token, frozenset()))

    async def lease(self) -> list[Lease]:
        """Delivery takes what is due."""
        given = await self.spool.ask(lambda token: Want(token, 10))
        assert isinstance(given, list)
        return given

    @property
    def doubts(self) -> int:
        store = self.spool.engine.store
        entry = store.messages.by_key(key_of(self.queue_id, store.journal))
        return entry.state.recipients[0].doubts


@pytest.fixture
async def around(db: apsw.Connection, folder: Path, tmp_path: Path) -> AsyncIterator[Around]:
    node = Node(db, folder, alone=True)
    queue_id = node.accept()
    checkpointer = Checkpointer(db, str(tmp_path / "spool.db"))
    events: list[str] = []

    def emit(event: str, **fields: Any) -> None:
        events.append(event)

    spool = Spool(node.engine, lambda: 0, emit, checkpointer, lambda: False)
    spool.start()
    around = Around(spool, queue_id, events)
    yield around
    await spool.stop()
    checkpointer.close()


async def test_what_a_dead_process_worked_on_is_in_doubt(around: Around) -> None:
    await around.present()
    await around.lease()
    around.connected = False
    around.watch.look(0)
    around.watch.look(9_999)
    assert around.spool.aside == frozenset()
    around.watch.look(10_000)
    assert around.spool.aside == {"delivery"}
    (again,) = await around.lease()
    assert again.queue_id == around.queue_id
    assert around.doubts == 1
    assert "standing_aside" in around.events


async def test_one_that_comes_back_in_time_changes_nothing(around: Around) -> None:
    await around.present()
    around.connected = False
    around.watch.look(0)
    around.connected = True
    around.watch.look(5_000)
    around.connected = False
    around.watch.look(11_000)
    around.watch.look(20_000)
    assert around.spool.aside == frozenset()


async def test_who_comes_back_delivers_again(around: Around) -> None:
    around.connected = False
    around.watch.look(0)
    around.watch.look(10_000)
    around.connected = True
    await around.present()
    around.watch.look(11_000)
    assert around.spool.aside == frozenset()
    (lease,) = await around.lease()
    assert lease.queue_id == around.queue_id
    assert around.doubts == 0
