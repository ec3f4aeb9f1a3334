"""On loopback the balancer listens exactly while this node holds the address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest_asyncio

from appliance.config.units import Endpoint
from appliance.ipc.failover import NOTHING_HELD, SERVER_CODEC, Call, Said
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer, serve
from appliance.monitor.events import Event
from appliance.services.moving import Follower
from tests.support.patience import patiently
from tests.unit.balance.support import Upstream, World, balancing, echo, settings

MOVING = Endpoint("127.0.0.9:0")
HELD = msgspec.structs.replace(NOTHING_HELD, held=("127.0.0.9",))


class Failover:
    """A failover process that says what it is told to."""

    def __init__(self) -> None:
        self.peers: asyncio.Queue[Peer[Said, Call]] = asyncio.Queue()

    def connected(self, peer: Peer[Said, Call]) -> None:
        self.peers.put_nowait(peer)

    def lost(self, peer: Peer[Said, Call], error: ConnectionLost) -> None: ...

    def pushed(self, peer: Peer[Said, Call], message: Call) -> None: ...

    def request(self, peer: Peer[Said, Call], message: Call) -> Said:
        raise AssertionError("nobody asks")


class Scene:
    """A balancer, and whatever follows a failover process for it."""

    def __init__(self, path: Path, world: World, failover: Failover) -> None:
        self.world = world
        self.running: list[asyncio.Task[None]] = []
        self._path = path
        self._failover = failover

    async def follow(self, moving: Endpoint = MOVING) -> tuple[Follower, Peer[Said, Call]]:
        """A follower, and the failover process's end of its connection."""
        follower = Follower(
            self._path,
            self.world.balancer,
            [moving],
            self.world.log,
            Event.BALANCE_NOT_LISTENING,
        )
        self.world.log.events.clear()
        self.running.append(asyncio.create_task(follower.run()))
        return follower, await self.connected()

    async def connected(self) -> Peer[Said, Call]:
        return await patiently(self._failover.peers.get())

    async def becomes(self, event: Event) -> None:
        """Wait for the next event of that kind, then forget it."""
        await self.world.log.seen(event)
        self.world.log.events.clear()

    def listens(self, at: Endpoint = MOVING) -> bool:
        return at in self.world.balancer.listening


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    path, failover = tmp_path / "failover.sock", Failover()
    server = await serve(path, SERVER_CODEC, failover)
    async with Upstream("a", echo) as a, balancing(settings(a.settings)) as world:
        scene = Scene(path, world, failover)
        yield scene
        for task in scene.running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    server.close()
    for _ in range(3):  # let the loop close what was told to close
        await asyncio.sleep(0)


async def test_held_and_given_up(scene: Scene) -> None:
    _, peer = await scene.follow()
    assert not scene.listens()
    for _ in range(2):
        peer.push(HELD)
        await scene.becomes(Event.BALANCE_LISTENING)
        assert scene.listens()
        peer.push(NOTHING_HELD)
        await scene.becomes(Event.BALANCE_CLOSED)
        assert not scene.listens()


async def test_another_address_is_none_of_its_business(scene: Scene) -> None:
    _, peer = await scene.follow()
    peer.push(msgspec.structs.replace(HELD, held=("127.0.0.8",)))
    peer.push(HELD)
    await scene.becomes(Event.BALANCE_LISTENING)
    assert scene.listens()


async def test_a_failover_process_that_dies_holds_nothing(scene: Scene) -> None:
    _, peer = await scene.follow()
    peer.push(HELD)
    await scene.becomes(Event.BALANCE_LISTENING)
    peer.close()
    await scene.becomes(Event.BALANCE_CLOSED)
    peer = await scene.connected()  # it is there again
    peer.push(HELD)
    await scene.becomes(Event.BALANCE_LISTENING)


async def test_an_address_that_the_other_node_has_not_let_go_yet(scene: Scene) -> None:
    """Both nodes of the pair on one machine: the listener of the other is still open."""
    taken = await asyncio.start_server(echo, "127.0.0.9", 0)
    wanted = Endpoint(f"127.0.0.9:{taken.sockets[0].getsockname()[1]}")
    _, peer = await scene.follow(wanted)
    peer.push(HELD)
    await scene.becomes(Event.BALANCE_NOT_LISTENING)
    taken.close()
    await scene.becomes(Event.BALANCE_LISTENING)
    assert scene.listens(wanted)


async def test_after_the_stop_it_opens_nothing(scene: Scene) -> None:
    follower, peer = await scene.follow()
    follower.stop()
    peer.push(HELD)
    peer.close()
    await scene.connected()  # by now it has heard it
    assert not scene.listens()
