"""The state machine of a virtual router (RFC 9568 §6.3, §6.4), sans I/O.

    Initialize ──Startup──▶ Backup ──Active_Down_Timer──▶ Active
    Initialize ──Startup, owner of the addresses──▶ Active
    Active ──outranked, unfit, gap──▶ Backup
    Backup, Active ──Shutdown──▶ Initialize

Times are nanoseconds of a monotonic clock that goes on while the machine sleeps. Actions are to
be carried out in their order; what arrived from the network before a timer is handed in before
it. A router that runs late by more than it may has a *gap*: it cannot say what happened
meanwhile, so an Active one drops the addresses before anything else, and a Backup one does not
take its own sleep for the silence of the other.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import structs

from appliance.failover.advertisement import Advertisement, Sender
from appliance.failover.parameters import (
    CENTISECOND,
    OWNER,
    RELEASED,
    Address,
    VirtualRouter,
    active_down_interval,
)


class State(StrEnum):
    """§6.3."""

    INITIALIZE = "Initialize"
    BACKUP = "Backup"
    ACTIVE = "Active"


class Reason(StrEnum):
    """Why the state changed."""

    STARTUP = "startup"
    OWNER = "owner of the addresses"
    SILENCE = "silence of the other"
    RELEASED = "released by the other"
    PREEMPTION = "lower priority of the other"
    OUTRANKED = "outranked by the other"
    UNFIT = "cannot serve"
    GAP = "gap in our own running"
    SHUTDOWN = "shutdown"


class Startup(msgspec.Struct, frozen=True):
    """Take part."""


class Shutdown(msgspec.Struct, frozen=True):
    """Take part no longer."""


class Timer(msgspec.Struct, frozen=True):
    """The time of `next_timer` has come."""


class Health(msgspec.Struct, frozen=True):
    """The priority that this node's health leaves it; 0: it cannot serve."""

    priority: int


Input = Startup | Shutdown | Timer | Health | Advertisement


class SendAdvertisement(msgspec.Struct, frozen=True):
    """Send it to the peer on every path."""

    advertisement: Advertisement


class AcquireAddresses(msgspec.Struct, frozen=True):
    """Bind the virtual addresses."""

    vrid: int
    addresses: tuple[Address, ...]


class ReleaseAddresses(msgspec.Struct, frozen=True):
    """Give the virtual addresses up."""

    vrid: int
    addresses: tuple[Address, ...]


class Announce(msgspec.Struct, frozen=True):
    """Send gratuitous ARP (IPv4) or unsolicited Neighbor Advertisements (IPv6) for each."""

    vrid: int
    addresses: tuple[Address, ...]


class Transition(msgspec.Struct, frozen=True):
    """The state has changed, and why; what belongs to it stands before it."""

    vrid: int
    before: State
    after: State
    reason: Reason


Action = SendAdvertisement | AcquireAddresses | ReleaseAddresses | Announce | Transition


class IllegalInput(Exception):
    """The input has no place in this state; nothing has changed."""


class Router:
    """One virtual router on one node.

    `priority` is the one it has now, from its parameters until the first Health. `sender` is
    this node, as its advertisements name it.
    """

    def __init__(self, parameters: VirtualRouter, sender: Sender) -> None:
        self.parameters = parameters
        self.priority = parameters.priority
        self.state = State.INITIALIZE
        self._sender = sender
        self._active_adver_interval = parameters.interval
        self._timer: int | None = None  # Adver_Timer when Active, Active_Down_Timer when Backup
        self._expected = Reason.SILENCE  # what the Active_Down_Timer will have waited for
        self._announce_at = 0
        self._repeats = 0

    def handle(self, now: int, given: Input) -> list[Action]:
        """What is to be done; raises IllegalInput."""
        self._refuse(given)
        return self.wake(now) + _TABLE[self.state, type(given)](self, now, given)

    def wake(self, now: int) -> list[Action]:
        """What is to be done first after a gap, nothing if there was none; `handle` does it too.

        Two intervals late is three since the last advertisement: another may be Active.
        """
        interval = self._active_adver_interval
        if self.state is State.ACTIVE:
            interval = self.parameters.interval
        if self._timer is None or now - self._timer <= 2 * interval * CENTISECOND:
            return []
        self._await_active_down(now)
        if self.state is State.BACKUP:
            return []
        return [self._release_addresses, self._enter(State.BACKUP, Reason.GAP)]

    def next_timer(self) -> int | None:
        """When Timer is due, None if never."""
        if self._timer is not None and self.state is State.ACTIVE:
            return min(self._timer, self._announce_at)
        return self._timer

    @property
    def advertisement(self) -> Advertisement:
        """What this router says of itself while it is Active."""
        vrid, interval = self.parameters.vrid, self.parameters.interval
        return Advertisement(vrid, self.priority, interval, self._sender)

    def _refuse(self, given: Input) -> None:
        if (self.state, type(given)) not in _TABLE:
            raise IllegalInput(f"{type(given).__name__} in {self.state}")
        if isinstance(given, Advertisement) and given.vrid != self.parameters.vrid:
            raise IllegalInput(f"Advertisement of virtual router {given.vrid}")
        if isinstance(given, Health) and not RELEASED <= given.priority <= OWNER:
            raise IllegalInput(f"Health with priority {given.priority}")

    # §6.4.1 Initialize

    def _startup(self, now: int, _: Startup) -> list[Action]:
        if self.priority == OWNER:
            return self._take_over(now, Reason.OWNER)
        self._active_adver_interval = self.parameters.interval
        self._await_active_down(now)
        return [self._enter(State.BACKUP, Reason.STARTUP)]

    def _ignore(self, now: int, _: Advertisement) -> list[Action]:
        return []

    def _note_health(self, now: int, health: Health) -> list[Action]:
        self.priority = health.priority
        return []

    # §6.4.2 Backup

    def _backup_shutdown(self, now: int, _: Shutdown) -> list[Action]:
        self._timer = None
        return [self._enter(State.INITIALIZE, Reason.SHUTDOWN)]

    def _backup_timer(self, now: int, _: Timer) -> list[Action]:
        if self._timer is None or now < self._timer:
            return []
        return self._take_over(now, self._expected)

    def _backup_advertisement(self, now: int, heard: Advertisement) -> list[Action]:
        if heard.priority == RELEASED:
            # Skew_Time is waited so that of many Backups the best one is the first. A pair has
            # one, and the addresses are gone from the other by now: see `_release`.
            return self._take_over(now, Reason.RELEASED) if self.priority > RELEASED else []
        if self._yields_to(heard):
            self._active_adver_interval = heard.interval
            self._await_active_down(now)
        else:
            self._expected = Reason.PREEMPTION
        return []

    def _backup_health(self, now: int, health: Health) -> list[Action]:
        unfit, self.priority = self.priority == RELEASED, health.priority
        if unfit or health.priority == RELEASED:
            self._await_active_down(now)
        return []

    # §6.4.3 Active

    def _active_shutdown(self, now: int, _: Shutdown) -> list[Action]:
        self._timer = None
        return self._release(self._enter(State.INITIALIZE, Reason.SHUTDOWN))

    def _active_timer(self, now: int, _: Timer) -> list[Action]:
        actions: list[Action] = []
        if self._timer is not None and now >= self._timer:
            actions.append(self._advertise(now))
        if now >= self._announce_at:
            actions.append(self._announce(now, max(0, self._repeats - 1)))
        return actions

    def _active_advertisement(self, now: int, heard: Advertisement) -> list[Action]:
        if heard.priority > self.priority or (
            heard.priority == self.priority and heard.sender.beats(self._sender)
        ):
            self._active_adver_interval = heard.interval
            self._await_active_down(now)
            # Hosts that had turned to this node must be called back, and the other may not have
            # heard of it: it would see no reason. The offer is one.
            return self._release(self._enter(State.BACKUP, Reason.OUTRANKED))
        # Another was Active too. It hears at once that it lost, or that this one is here; the
        # hosts that had turned to it are called back, also by the announcements that follow.
        return [self._advertise(now), self._announce(now, self.parameters.announcements.repeats)]

    def _active_health(self, now: int, health: Health) -> list[Action]:
        self.priority = health.priority
        if health.priority > RELEASED:
            return []
        self._await_active_down(now)
        return self._release(self._enter(State.BACKUP, Reason.UNFIT))

    # What the states share

    def _take_over(self, now: int, reason: Reason) -> list[Action]:
        return [
            self._advertise(now),
            AcquireAddresses(self.parameters.vrid, self.parameters.addresses),
            self._announce(now, self.parameters.announcements.repeats),
            self._enter(State.ACTIVE, reason),
        ]

    def _release(self, transition: Transition) -> list[Action]:
        """Leave the addresses to the other: first gone from here, then offered."""
        offer = structs.replace(self.advertisement, priority=RELEASED)
        return [self._release_addresses, SendAdvertisement(offer), transition]

    def _enter(self, state: State, reason: Reason) -> Transition:
        before, self.state = self.state, state
        return Transition(self.parameters.vrid, before, state, reason)

    def _await_active_down(self, now: int) -> None:
        wait = active_down_interval(self.priority, self._active_adver_interval)
        self._wait_until(now + wait, Reason.SILENCE)

    def _wait_until(self, when: int, expected: Reason) -> None:
        """Set the Active_Down_Timer; who cannot serve waits for better health only."""
        self._timer = when if self.priority > RELEASED else None
        self._expected = expected

    def _yields_to(self, heard: Advertisement) -> bool:
        """§6.1: the owner of the addresses preempts whatever Preempt_Mode says."""
        preempts = self.parameters.preempt or self.priority == OWNER
        return not preempts or heard.priority >= self.priority

    def _advertise(self, now: int) -> SendAdvertisement:
        self._timer = now + self.parameters.interval * CENTISECOND
        return SendAdvertisement(self.advertisement)

    def _announce(self, now: int, repeats: int) -> Announce:
        plan = self.parameters.announcements
        self._repeats = repeats
        self._announce_at = now + (plan.delay if repeats else plan.refresh) * CENTISECOND
        return Announce(self.parameters.vrid, self.parameters.addresses)

    @property
    def _release_addresses(self) -> ReleaseAddresses:
        return ReleaseAddresses(self.parameters.vrid, self.parameters.addresses)


# Every legal (state, input); all others raise. Each handler takes the input it is listed for.
_TABLE: dict[tuple[State, type[Input]], Callable[[Router, int, Any], list[Action]]] = {
    (State.INITIALIZE, Startup): Router._startup,
    (State.INITIALIZE, Advertisement): Router._ignore,
    (State.INITIALIZE, Health): Router._note_health,
    (State.BACKUP, Shutdown): Router._backup_shutdown,
    (State.BACKUP, Timer): Router._backup_timer,
    (State.BACKUP, Advertisement): Router._backup_advertisement,
    (State.BACKUP, Health): Router._backup_health,
    (State.ACTIVE, Shutdown): Router._active_shutdown,
    (State.ACTIVE, Timer): Router._active_timer,
    (State.ACTIVE, Advertisement): Router._active_advertisement,
    (State.ACTIVE, Health): Router._active_health,
}
