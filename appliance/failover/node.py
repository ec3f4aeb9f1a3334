"""One node of the pair: its virtual routers, its packets, and whether its peer lives, sans I/O.

Every method takes nanoseconds of a monotonic clock and returns what is to be done, in order.
Whoever drives it hands in all that arrived before it calls `timer`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from appliance.failover.advertisement import (
    Advertisement,
    Rejected,
    Rejection,
    Sender,
    Status,
)
from appliance.failover.conversation import Conversation, Stale
from appliance.failover.parameters import CENTISECOND, VirtualRouter, active_down_interval
from appliance.failover.paths import Paths
from appliance.failover.router import (
    AcquireAddresses,
    Action,
    Announce,
    Health,
    ReleaseAddresses,
    Router,
    SendAdvertisement,
    Shutdown,
    Startup,
    State,
    Timer,
    Transition,
)


class Send(msgspec.Struct, frozen=True):
    """Send the datagram to the peer on this path."""

    path: int
    data: bytes


class PeerAlive(msgspec.Struct, frozen=True):
    """The peer is heard again, or on no path any more."""

    alive: bool


Effect = Send | AcquireAddresses | ReleaseAddresses | Announce | Transition | PeerAlive


class Node:
    """`paths` carry packets; the link, which only shows that the peer lives, is number `LINK`.

    With two virtual routers (active-active) each node has the higher priority for one.
    `status` is told to the peer, `peer` is what it told last, None before it was ever heard.
    """

    LINK = 0

    def __init__(
        self,
        routers: Iterable[VirtualRouter],
        sender: Sender,
        conversation: Conversation,
        paths: Iterable[int],
    ) -> None:
        self.routers = {router.vrid: Router(router, sender) for router in routers}
        self.status = Status()
        self.peer: Status | None = None
        self._claims: dict[int, int] = {}  # until when the peer is Active for a virtual router
        self._conversation = conversation
        self._send_on = tuple(paths)
        parameters = [router.parameters for router in self.routers.values()]
        dead_after = max(router.active_down_interval for router in parameters)
        self._paths = Paths((self.LINK, *self._send_on), dead_after)
        self._alive = False
        self._interval = min(router.interval for router in parameters) * CENTISECOND
        self._heartbeat: int | None = None  # when to send something, whatever there is to say

    def start(self, now: int) -> list[Effect]:
        """Take part."""
        effects = self._beat(now)
        for router in self.routers.values():
            effects += self._act(now, router.handle(now, Startup()))
        return effects

    def stop(self, now: int) -> list[Effect]:
        """Give everything up and leave it to the peer."""
        effects: list[Effect] = []
        for router in self.routers.values():
            effects += self._act(now, router.handle(now, Shutdown()))
        self._heartbeat = None
        return effects

    def health(self, now: int, vrid: int, priority: int) -> list[Effect]:
        """What this node's health leaves of its priority; 0 if it cannot serve."""
        return self._act(now, self.routers[vrid].handle(now, Health(priority)))

    def receive(self, now: int, path: int, data: bytes) -> list[Effect]:
        """A datagram has come, from wherever; an address held through a gap is dropped first."""
        if self._heartbeat is None:
            return []
        effects: list[Effect] = []
        for router in self.routers.values():
            effects += self._act(now, router.wake(now))
        try:
            heard = self._conversation.receive(path, data)
        except Stale as stale:
            answer = self._conversation.packet(path, self.status, echo=stale.challenge)
            return [*effects, Send(path, answer)]
        except Rejected:
            return effects
        if heard.greeted:
            effects += self._introduce(now)
        if not heard.late:
            self.peer = heard.packet.status
            if heard.packet.advertisement:
                effects += self._advertised(now, heard.packet.advertisement)
        return effects + self.heard(now, path)

    def heard(self, now: int, path: int) -> list[Effect]:
        """The peer showed on this path that it lives, as by progress on the link."""
        self._paths.heard(now, path)
        return self._look(now)

    def timer(self, now: int) -> list[Effect]:
        """The time of `next_timer` has come."""
        effects: list[Effect] = []
        for router in self.routers.values():
            due = router.next_timer()
            if due is not None and now >= due:
                effects += self._act(now, router.handle(now, Timer()))
        if self._heartbeat is not None and now >= self._heartbeat:
            effects += self._beat(now)
        return effects + self._look(now)

    def next_timer(self) -> int | None:
        """When `timer` is due, None if never."""
        timers = [router.next_timer() for router in self.routers.values()]
        timers += [self._heartbeat, self._paths.next_timer()]
        return min((timer for timer in timers if timer is not None), default=None)

    def peer_active(self, now: int, vrid: int) -> bool:
        """The peer advertises that it is Active for the virtual router."""
        return now < self._claims.get(vrid, now)

    def living_paths(self, now: int) -> frozenset[int]:
        """The paths on which the peer is heard."""
        return self._paths.living(now)

    def _introduce(self, now: int) -> list[Effect]:
        """Tell a peer that could not believe us so far, at once, for what we are Active."""
        active = [r for r in self.routers.values() if r.state is State.ACTIVE]
        if not active:
            return self._beat(now)
        return [send for router in active for send in self._beat(now, router.advertisement)]

    def _advertised(self, now: int, advertisement: Advertisement) -> list[Effect]:
        router = self.routers.get(advertisement.vrid)
        if router is None:  # §7.1: no such virtual router is configured here
            self._conversation.rejected[Rejection.FOREIGN] += 1
            return []
        lasts = active_down_interval(advertisement.priority, advertisement.interval)
        self._claims[advertisement.vrid] = now + (lasts if advertisement.priority else 0)
        return self._act(now, router.handle(now, advertisement))

    def _act(self, now: int, actions: Iterable[Action]) -> list[Effect]:
        effects: list[Effect] = []
        for action in actions:
            if isinstance(action, SendAdvertisement):
                effects += self._beat(now, action.advertisement)
            else:
                effects.append(action)
        return effects

    def _beat(self, now: int, advertisement: Advertisement | None = None) -> list[Effect]:
        """Packets on all paths; an advertisement shows as well as a heartbeat that we live."""
        self._heartbeat = now + self._interval
        packet = self._conversation.packet
        return [Send(path, packet(path, self.status, advertisement)) for path in self._send_on]

    def _look(self, now: int) -> list[Effect]:
        alive = self._paths.alive(now)
        if alive is self._alive:
            return []
        self._alive = alive
        return [PeerAlive(alive)]
