"""The failover process of a simulated node: the real state machines, driven as the product does.

It holds addresses, says how this node is, tells the mail process whether the peer lives, and dies,
stops and goes on by itself. Nothing of it is on a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from random import Random
from typing import Protocol

from appliance.failover.advertisement import PairMode, Sender, Status
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
from appliance.vip.health import Health, Mail, RouterHealth
from tests.sim.clock import Clock
from tests.sim.wires import Wires
from tests.sim.world import Story

MAIL_TIMEOUT = 3_000
_KEY = b"the key of the pair".ljust(32)
_TELL = 1_000
_TAKEN_AWAY = 200
"""Milliseconds in which the guardian takes addresses away from a node whose process has died."""


class MailProcess(Protocol):
    """The mail process, and the machine, as the failover process sees them."""

    name: str

    def monotonic(self) -> int:
        """The machine's clock, in milliseconds."""

    def report(self) -> tuple[PairMode, int, bool] | None:
        """Mode, exposed, link up; None if it is gone, or has been silent for too long."""

    @property
    def link_lives(self) -> bool:
        """True while heartbeats of the link arrive, as often as advertisements."""

    @property
    def gone(self) -> bool:
        """True while the machine is off."""

    def hear(self, alive: bool | None, serves: bool = True) -> None: ...
    def stand_aside(self, aside: bool) -> None: ...


class Follower(Protocol):
    """Who is told what happens to the addresses."""

    def changed(self) -> None:
        """Who holds what, or who runs, may be other than it was."""

    def went_on(self, process: FailoverProcess, stopped_for: int, kept: set[int]) -> None:
        """A process goes on after a stop, and has done what that brings about.

        `kept`: the virtual routers whose addresses it held and has not dropped.
        """


class FailoverProcess:
    """One node's, over all its starts."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        story: Story,
        wires: Wires,
        host: MailProcess,
        routers: Iterable[VirtualRouter],
    ) -> None:
        self._clock, self._rng, self._story, self._wires = clock, rng, story, wires
        self.host = host
        self.routers = tuple(routers)
        self.node: Node | None = None
        self.held: set[int] = set()
        """The virtual routers whose addresses are bound to this machine."""
        self.stopped_at: int | None = None
        self.follower: Follower | None = None
        self._health = self._new_health()
        self._inbox: list[tuple[int, bytes]] = []
        self._kept: set[int] = set()
        self._alarm = 0
        self._start = 0
        self._alive = False
        wires.ends[host.name] = self.arrive

    def _new_health(self) -> Health:
        return Health({r.vrid: RouterHealth(r.priority, "eth0") for r in self.routers}, {})

    @property
    def runs(self) -> bool:
        """True while it is there and not stopped."""
        return self.node is not None and self.stopped_at is None

    @property
    def hears(self) -> bool:
        """True if it takes the other machine for alive."""
        return self._alive

    @property
    def fit(self) -> bool:
        """True while it runs and could hold every address."""
        return self.runs and self._health.ready

    def active(self, vrid: int) -> bool:
        """True if this node takes itself for Active."""
        return self.node is not None and self.node.routers[vrid].state is State.ACTIVE

    # Life and death.

    def start(self) -> None:
        """The process starts, with the machine or by its supervisor."""
        if self.node is not None:
            return
        name, number = self.host.name.encode().ljust(8), ord(self.host.name)
        (other,) = self._wires.ends.keys() - {self.host.name}
        nonce = self._rng.randbytes(16)
        talk = Conversation(_KEY, name, other.encode().ljust(8), nonce)
        sender = Sender(IPv4Address(f"192.0.2.{number}"), name)
        self.node = Node(self.routers, sender, talk, self._wires.paths)
        self._alive = False
        self._start += 1
        self.look()
        self._do(self.node.start(self._now()))
        self._keep_telling(self._start)

    def kill(self) -> None:
        """kill -9: the guardian takes the addresses away, the supervisor starts it again."""
        if self.node is None:
            return
        self._story.tell(f"{self.host.name}: failover killed")
        self._end()
        self._clock.after(self._rng.randint(1, _TAKEN_AWAY), self._taken_away)
        self._clock.after(self._rng.randint(_TAKEN_AWAY + 1, 1_000), self.start)

    def _taken_away(self) -> None:
        self.held.clear()
        self._changed()

    def off(self) -> None:
        """The machine has no power."""
        self._end()
        self.held.clear()
        self._health = self._new_health()
        self._changed()

    def _end(self) -> None:
        self.node, self.stopped_at = None, None
        self._start += 1
        self._inbox.clear()
        self.host.hear(None)
        self._changed()

    def shut_down(self) -> None:
        """It is told to end, and leaves its addresses to the peer."""
        if self.node is not None and self.runs:
            self._do(self.node.stop(self._now()))
            self._end()

    def stop(self) -> None:
        """SIGSTOP."""
        if self.runs:
            self.stopped_at = self._clock.now
            self._changed()

    def go_on(self) -> None:
        """SIGCONT: what has arrived meanwhile is handed in before the timers."""
        if self.node is None or self.stopped_at is None:
            return
        stopped_for, self.stopped_at = self._clock.now - self.stopped_at, None
        self._kept = set(self.held)
        inbox, self._inbox = self._inbox, []
        for path, data in inbox:
            self.arrive(path, data)
        self._ring()
        self.look()
        self._changed()
        if self.follower is not None:
            self.follower.went_on(self, stopped_for, self._kept)

    # What it is told.

    def look(self) -> None:
        """The mail process is other than it was, or what the peer says is."""
        if self.node is None or not self.runs:
            return
        said = self.host.report()
        self._health.mail = None if said is None else Mail(True, "", said[2])
        mode, exposed = (PairMode.SOLO, 0) if said is None else said[:2]
        self.node.status = Status(mode, exposed, self._health.ready)
        for vrid, router in self.node.routers.items():
            priority = self._health.verdict(vrid, self._peer_ready).priority
            if priority != router.priority:
                self._do(self.node.health(self._now(), vrid, priority))
        self._changed()

    @property
    def _peer_heard(self) -> Status | None:
        assert self.node is not None
        living = self.node.living_paths(self._now()) - {Node.LINK}
        return self.node.peer if living else None

    @property
    def _peer_ready(self) -> bool:
        heard = self._peer_heard
        return heard is not None and heard.mail_healthy

    @property
    def _peer_serves(self) -> bool:
        heard = self._peer_heard
        return heard is None or heard.mail_healthy

    def maintain(self, on: bool) -> None:
        """An operator: hold nothing, or take part again."""
        self._health.maintenance = on
        self.look()
        self._tell()

    def leave(self, leaving: bool) -> None:
        """An operator: leave every address to the peer; or take part again."""
        self._health.leaving = {r.vrid for r in self.routers} if leaving else set()
        self.look()

    # What drives it.

    def arrive(self, path: int, data: bytes) -> None:
        """A datagram."""
        if self.node is None:
            return
        if not self.runs:
            self._inbox.append((path, data))
            return
        before = self.node.peer
        self._do(self.node.receive(self._now(), path, data))
        if self.node.peer != before:
            self.look()
            self._tell()

    def _now(self) -> int:
        return self.host.monotonic() * 1_000_000

    def _ring(self) -> None:
        if self.node is not None and self.runs:
            if self.host.link_lives:
                self._do(self.node.heard(self._now(), Node.LINK))
            self._do(self.node.timer(self._now()))

    def _do(self, effects: list[Effect]) -> None:
        held = set(self.held)
        for effect in effects:
            self._carry_out(effect)
        self._set_alarm()
        if held != self.held:
            self._changed()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._wires.send(self.host.name, effect.path, effect.data)
            case AcquireAddresses():
                self.held.add(effect.vrid)
            case ReleaseAddresses():
                self.held.discard(effect.vrid)
                self._kept.discard(effect.vrid)
            case Announce():
                assert effect.vrid in self.held, "announced, and not held"
            case Transition():
                what = f"{effect.before} → {effect.after}: {effect.reason}"
                which = f" {effect.vrid}" if len(self.routers) > 1 else ""
                self._story.tell(f"{self.host.name}: VIP{which} {what}")
            case PeerAlive():
                self._alive = effect.alive
                self._tell()
                self._changed()

    def _set_alarm(self) -> None:
        assert self.node is not None
        self._alarm += 1
        number, due = self._alarm, self.node.next_timer()
        if due is not None:
            wait = max(1, -((self._now() - due) // 1_000_000))
            self._clock.after(wait, lambda: self._ring() if number == self._alarm else None)

    def _keep_telling(self, start: int) -> None:
        if start == self._start:
            self._tell()
            self._clock.after(_TELL, lambda: self._keep_telling(start))

    def _tell(self) -> None:
        if self.runs:
            self.host.hear(self._alive, self._peer_serves)
            self.host.stand_aside(self._health.aside)

    def _changed(self) -> None:
        if self.follower is not None:
            self.follower.changed()
