"""The driver over real UDP sockets: effects in order, forgeries, gaps, failures of the binder."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from appliance.failover.advertisement import Rejection, Status, unseal
from appliance.failover.conversation import Conversation
from appliance.failover.parameters import OWNER, RELEASED
from appliance.failover.router import Reason, State
from appliance.vip.binder import BinderFailed
from appliance.vip.channel import Channel
from tests.unit.vip.parts import (
    ADDRESS,
    IDS,
    KEY,
    SLOW,
    Side,
    SteadyClock,
    conversation,
    free_ports,
    path,
)


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Wire:
    """The other end of a path, in the test's hands."""

    def __init__(self, ours: int, theirs: int) -> None:
        self.talk = conversation("b")
        self._to = ("127.0.0.1", ours)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", theirs))
        self._socket.setblocking(False)

    def send(self, data: bytes) -> None:
        self._socket.sendto(data, self._to)

    async def receive(self) -> bytes:
        async with asyncio.timeout(60):
            return await asyncio.get_running_loop().sock_recv(self._socket, 2048)

    async def receive_last(self, many: int) -> bytes:
        return [await self.receive() for _ in range(many)][-1]

    def empty(self) -> bool:
        try:
            self._socket.recv(2048, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@asynccontextmanager
async def alone(priority: int = OWNER) -> AsyncIterator[tuple[Side, Wire, Clock]]:
    """One driver whose clock stands still, and its path; the owner is Active at once."""
    ours, theirs = free_ports(2)
    clock, wire = Clock(), Wire(ours, theirs)
    side = Side("a", [path(ours, theirs)], clock, priority=priority, interval=SLOW)
    try:
        yield side, wire, clock
    finally:
        await side.driver.stop()
        wire.close()


@pytest.mark.parametrize("paths", [1, 2])
async def test_one_of_two_is_active_and_the_other_follows_it(paths: int) -> None:
    ports = free_ports(2 * paths)
    pairs = list(zip(ports[::2], ports[1::2], strict=True))
    a = Side("a", [path(x, y) for x, y in pairs], SteadyClock(), priority=254, interval=1)
    b = Side("b", [path(y, x) for x, y in pairs], SteadyClock(), priority=100, interval=1)
    a.start()
    await a.follower.state(State.ACTIVE)
    assert a.binder.done == ["acquire", "announce"]
    assert a.driver.held == (ADDRESS,)
    b.start()
    await b.follower.until(lambda: b.driver.peer_active == {1})
    assert b.driver.peer_alive
    assert not b.driver.held
    await a.driver.stop()
    await b.follower.state(State.ACTIVE)
    assert b.follower.transitions[-1].reason in (Reason.RELEASED, Reason.SILENCE)
    assert a.binder.done == ["acquire", "announce", "release", "close"]
    assert list(b.driver.held) == [ADDRESS]
    await b.driver.stop()


async def test_the_address_is_gone_before_it_is_offered() -> None:
    async with alone() as (a, wire, _):
        a.start()
        await a.follower.state(State.ACTIVE)
        first = [unseal(await wire.receive(), KEY) for _ in range(2)]
        assert [one.advertisement and one.advertisement.priority for one in first] == [None, OWNER]
        a.binder.waits = asyncio.Event()
        a.driver.health(1, RELEASED)
        await a.follower.until(lambda: not a.driver.held)
        assert wire.empty()  # told to whoever listens, not yet done, so not offered
        a.binder.waits.set()
        offer = unseal(await wire.receive(), KEY).advertisement
        assert offer is not None
        assert offer.priority == RELEASED
        assert a.binder.done == ["acquire", "announce", "release"]


async def test_what_nobody_of_the_pair_sent_changes_nothing_and_is_counted() -> None:
    async with alone() as (a, wire, _):
        a.start()
        await a.follower.state(State.ACTIVE)
        genuine = wire.talk.packet(1, Status())
        stranger = Conversation(b"x" * 32, IDS["b"], IDS["a"], b"n" * 16)
        for data in (
            b"",
            genuine[:-1],
            genuine + b"x",
            bytes(1) * len(genuine),
            genuine[:-1] + bytes([genuine[-1] ^ 1]),
            stranger.packet(1, Status()),
            conversation("a").packet(1, Status()),  # its own, come back
            wire.talk.packet(2, Status()),
            genuine,  # of the peer, but who says when it was made?
        ):
            wire.send(data)
        # Each is answered by nothing but the last, which is asked to prove that it is new.
        answer = unseal(await wire.receive_last(3), KEY)
        assert answer.echo == unseal(genuine, KEY).challenge
        assert a.talk.rejected == {
            Rejection.LENGTH: 3,
            Rejection.FOREIGN: 2,
            Rejection.FORGED: 2,
            Rejection.PATH: 1,
            Rejection.STALE: 1,
        }
        assert a.binder.done == ["acquire", "announce"]
        assert not a.driver.peer_alive
        assert a.node.routers[1].state is State.ACTIVE


@pytest.mark.parametrize("what", ["datagram", "health", "link"])
async def test_after_a_stop_the_address_goes_before_anything_else(what: str) -> None:
    async with alone() as (a, wire, clock):
        a.start()
        await a.follower.state(State.ACTIVE)
        clock.now += 4 * SLOW * 10_000_000
        if what == "datagram":
            wire.send(wire.talk.packet(1, Status()))
        elif what == "health":
            a.driver.health(1, 254)
        else:
            a.driver.link_progress()
            wire.send(b"")
        await a.follower.until(lambda: a.follower.transitions[-1].reason is Reason.GAP)
        assert a.binder.done == ["acquire", "announce", "release"]


async def test_an_address_that_cannot_be_had_is_told_and_not_announced() -> None:
    async with alone() as (a, _, _):
        a.binder.fails = BinderFailed("taken")
        a.start()
        await a.follower.state(State.ACTIVE)
        assert a.follower.failures == [a.binder.fails]
        assert (a.driver.held, a.binder.done) == ((), [])
        a.driver.health(1, RELEASED)
        await a.follower.state(State.BACKUP)
        assert a.binder.done == ["release"]


async def test_a_bug_in_a_binder_ends_the_process() -> None:
    async with alone() as (a, _, _):
        a.binder.fails = ZeroDivisionError()
        a.start()
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(a.driver.failed, 60)


async def test_a_path_whose_address_is_not_there_is_no_error_but_is_told() -> None:
    port, other = free_ports(2)
    gone = path(port, other, "192.0.2.1", "192.0.2.2")
    channel = Channel(gone, asyncio.get_running_loop(), lambda: None)
    channel.open()
    assert channel.error == ""
    channel.send(b"x")
    assert channel.error
    channel.open()  # as it does by itself a second later
    assert (channel.error, list(channel.take())) == ("", [])
    channel.close()


async def test_a_port_that_another_has_is_tried_again() -> None:
    ours, theirs = free_ports(2)
    holder = Wire(theirs, ours)
    channel = Channel(path(ours, theirs), asyncio.get_running_loop(), lambda: None)
    channel.open()
    assert "in use" in channel.error
    holder.close()
    channel.open()
    assert channel.error == ""
    channel.close()
