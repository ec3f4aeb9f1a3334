"""What tests of the driver stand between: a binder that notes, a follower, free UDP ports."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

from appliance.config.failover import HeartbeatPath
from appliance.config.units import NumericEndpoint
from appliance.failover.advertisement import Sender
from appliance.failover.conversation import Conversation
from appliance.failover.node import Node
from appliance.failover.parameters import VirtualRouter
from appliance.failover.router import State, Transition
from appliance.vip.binder import BinderFailed, VirtualAddress
from appliance.vip.driver import Driver

KEY = b"k" * 32
ADDRESS = VirtualAddress(ip_address("192.0.2.10"), 24)
IDS = {name: name.encode() * 8 for name in "ab"}
SLOW = 4095
"""An interval in which no test ends."""


class SteadyClock:
    """Real nanoseconds, but that this process stood still in between is left out.

    So a busy machine makes a test slow, and not a gap in the running of a router.
    """

    LONGEST = 5_000_000

    def __init__(self) -> None:
        self._now = 0
        self._looked = time.monotonic_ns()

    def __call__(self) -> int:
        looked = time.monotonic_ns()
        self._now += min(looked - self._looked, self.LONGEST)
        self._looked = looked
        return self._now


class Binder:
    """Holds nothing, but notes what it is told; `fails` and `waits` make trouble."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails: Exception | None = None
        self.waits: asyncio.Event | None = None

    async def start(self) -> None:
        self.done.append("start")

    async def acquire(self, addresses: Sequence[VirtualAddress]) -> None:
        if self.fails is not None:
            raise self.fails
        self.done.append("acquire")

    async def release(self, addresses: Sequence[VirtualAddress]) -> None:
        if self.waits is not None:
            await self.waits.wait()
        self.done.append("release")

    def announce(self, addresses: Sequence[VirtualAddress]) -> None:
        self.done.append("announce")

    def close(self) -> None:
        self.done.append("close")


class Follower:
    """Notes what a driver tells; `until` waits for it."""

    def __init__(self) -> None:
        self.transitions: list[Transition] = []
        self.failures: list[BinderFailed] = []
        self._told = asyncio.Event()

    def transition(self, transition: Transition) -> None:
        self.transitions.append(transition)
        self._told.set()

    def held(self) -> None:
        self._told.set()

    def peer(self) -> None:
        self._told.set()

    def binder_failed(self, vrid: int, error: BinderFailed) -> None:
        self.failures.append(error)
        self._told.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():
                self._told.clear()
                await self._told.wait()

    async def state(self, state: State) -> None:
        await self.until(lambda: bool(self.transitions) and self.transitions[-1].after is state)


def free_ports(many: int) -> list[int]:
    """UDP ports of 127.0.0.1 that nobody has."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(many)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def path(
    ours: int, theirs: int, here: str = "127.0.0.1", there: str = "127.0.0.1"
) -> HeartbeatPath:
    ends = (f"{here}:{ours}", f"{there}:{theirs}")
    listen, peer = map(NumericEndpoint.parse, ends)
    return HeartbeatPath(listen=listen, peer=peer)


def conversation(name: str, nonce: bytes = b"") -> Conversation:
    other = "b" if name == "a" else "a"
    return Conversation(KEY, IDS[name], IDS[other], nonce or name.encode() * 16)


class Side:
    """One driver with what is round it."""

    def __init__(
        self,
        name: str,
        paths: Sequence[HeartbeatPath],
        clock: Callable[[], int],
        *,
        priority: int,
        interval: int,
    ) -> None:
        router = VirtualRouter(
            vrid=1, addresses=(ADDRESS.address,), priority=priority, interval=interval
        )
        self.talk = conversation(name)
        sender = Sender(ip_address("192.0.2.1"), IDS[name])
        self.node = Node([router], sender, self.talk, range(1, len(paths) + 1))
        self.binder = Binder()
        self.follower = Follower()
        addresses: Mapping[int, Sequence[VirtualAddress]] = {1: [ADDRESS]}
        self.driver = Driver(self.node, self.binder, addresses, paths, clock)

    def start(self) -> None:
        self.driver.start(self.follower)
