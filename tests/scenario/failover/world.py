"""Two nodes of a pair in virtual time: wires that lose, delay, repeat; clocks; stalls; deaths.

What is judged is what the nodes do: who holds which address, not what they believe.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import count
from random import Random

from appliance.failover.advertisement import Sender
from appliance.failover.conversation import Conversation
from appliance.failover.node import Effect, Node, PeerAlive, Send
from appliance.failover.parameters import VirtualRouter
from appliance.failover.router import (
    AcquireAddresses,
    Announce,
    ReleaseAddresses,
    State,
    Transition,
)

MILLISECOND = 1_000_000
SECOND = 1000 * MILLISECOND
KEY = b"the key of the pair             "


class Wire:
    """One path between the two, the same both ways; rates from 0 to 1, delays in nanoseconds."""

    def __init__(self) -> None:
        self.cut = False
        self.loss = 0.0
        self.repeat = 0.0
        self.delay = (MILLISECOND, MILLISECOND)


class Machine:
    """A node, its clock, and the addresses it holds. It dies with its addresses, stalls with them.

    `rate` is how fast its clock runs, in millionths too fast.
    """

    def __init__(self, world: World, name: str, routers: tuple[VirtualRouter, ...]) -> None:
        self.name = name
        self.routers = routers
        self.stalled = False
        self.held: set[int] = set()
        self.transitions: list[tuple[int, Transition]] = []
        self.alive: list[tuple[int, bool]] = []
        self.announced = 0
        self.base, self.rate = 0, 0
        self.node: Node | None = None
        self._world = world
        self._inbox: list[tuple[int, bytes]] = []
        self._alarm = 0

    @property
    def clock(self) -> int:
        return self.base + self._world.now + self._world.now * self.rate // 1_000_000

    @property
    def peer(self) -> Machine:
        return next(m for m in self._world.machines.values() if m is not self)

    def state(self, vrid: int = 1) -> State | None:
        return self.node.routers[vrid].state if self.node else None

    def start(self) -> None:
        number = int(self.name, 36)
        address = IPv4Address(f"192.0.2.{number}")
        mine, theirs = (name.encode().ljust(8) for name in (self.name, self.peer.name))
        nonce = self._world.random.randbytes(16)
        talk = Conversation(KEY, mine, theirs, nonce)
        self.node = Node(self.routers, Sender(address, mine), talk, self._world.wires)
        self._do(self.node.start(self.clock))

    def die(self) -> None:
        self.node, self.stalled = None, False
        self.held.clear()
        self._inbox.clear()

    def shut_down(self) -> None:
        if self.node:
            self._do(self.node.stop(self.clock))
            assert not self.held
            self.die()

    def stall(self) -> None:
        self.stalled = self.node is not None

    def go_on(self) -> None:
        """What arrived meanwhile is handed in before the timers, as the contract says."""
        if self.stalled:
            self.stalled = False
            for path, data in self._inbox:
                self.arrive(path, data)
            self._inbox.clear()
            self._ring()

    def health(self, priority: int, vrid: int = 1) -> None:
        if self.node:
            self._do(self.node.health(self.clock, vrid, priority))

    def arrive(self, path: int, data: bytes) -> None:
        if self.stalled:
            self._inbox.append((path, data))
        elif self.node:
            self._do(self.node.receive(self.clock, path, data))

    def _ring(self) -> None:
        if self.node and not self.stalled:
            self._do(self.node.timer(self.clock))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._world.send(self.peer, effect)
            elif isinstance(effect, AcquireAddresses):
                assert effect.vrid not in self.held
                self.held.add(effect.vrid)
            elif isinstance(effect, ReleaseAddresses):
                self.held.remove(effect.vrid)
            elif isinstance(effect, Announce):
                assert effect.vrid in self.held
                self.announced += 1
            elif isinstance(effect, PeerAlive):
                self.alive.append((self._world.now, effect.alive))
            else:
                self.transitions.append((self._world.now, effect))
        self._set_alarm()

    def _set_alarm(self) -> None:
        assert self.node is not None
        active = {v for v, router in self.node.routers.items() if router.state is State.ACTIVE}
        assert active == self.held
        self._alarm += 1
        number, due = self._alarm, self.node.next_timer()
        if due is None:
            return
        wait = (due - self.clock) * 1_000_000 // (1_000_000 + self.rate) + 1
        self._world.after(wait, lambda: self._ring() if number == self._alarm else None)


class World:
    """Time, two machines and the wires between them."""

    def __init__(self, seed: int = 0, paths: int = 1) -> None:
        self.now = 0
        self.random = Random(seed)
        self.wires = {path: Wire() for path in range(1, paths + 1)}
        self.machines: dict[str, Machine] = {}
        self.double = 0  # nanoseconds in which both held an address
        self.nobody = 0  # … in which no machine held virtual router 1
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()

    def add(self, name: str, *routers: VirtualRouter) -> Machine:
        self.machines[name] = Machine(self, name, routers)
        return self.machines[name]

    def after(self, delay: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + max(0, delay), next(self._order), event))

    def run(self, duration: int) -> None:
        end = self.now + duration
        while self._events and self._events[0][0] <= end:
            when, _, event = heapq.heappop(self._events)
            self._pass(when)
            event()
        self._pass(end)

    def send(self, to: Machine, packet: Send) -> None:
        wire = self.wires[packet.path]
        copies = 1 + (self.random.random() < wire.repeat)
        for _ in range(copies):
            if not wire.cut and self.random.random() >= wire.loss:
                delay = self.random.randint(*wire.delay)
                self.after(delay, lambda: to.arrive(packet.path, packet.data))

    def active(self, vrid: int = 1) -> list[str]:
        """Who holds the addresses."""
        return [machine.name for machine in self.machines.values() if vrid in machine.held]

    def _pass(self, when: int) -> None:
        held = [vrid for machine in self.machines.values() for vrid in machine.held]
        if len(held) > len(set(held)):
            self.double += when - self.now
        if not self.active():
            self.nobody += when - self.now
        self.now = when
