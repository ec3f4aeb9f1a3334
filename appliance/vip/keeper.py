"""Keeps the virtual addresses where they are served: health in, priorities out, commands.

Wires the pure `Health` to the `Driver`, and says what happens.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import partial

from appliance.failover.advertisement import PairMode, Status
from appliance.failover.router import State, Transition
from appliance.ipc.failover import Report, Standing
from appliance.monitor.events import Emit, Event
from appliance.vip.binder import Address, BinderFailed
from appliance.vip.driver import Driver
from appliance.vip.health import NOT_THERE, SILENT, Check, Health, Mail, Verdict

_UNBOUND = 1.0
"""Seconds until addresses that could not be acquired are tried again."""
_SECOND_LOOK = 0.2
"""Seconds: after a stop of this process what mail had said meanwhile is read first."""
_TELL_FOREIGN = 60_000
_LETTING_GO = 2_500
"""Milliseconds in which the node before may still have an address: a little more than its lifetime.
Whoever has it for longer answers to the probes after that."""
_FAREWELL = 0.05
"""Seconds, with the addresses still served: enough for a busy mail process to hear of it."""
_NS_PER_MS = 1_000_000


class Keeper:
    """Follows a `Driver` and what `watch` sees; `on_standing` is told of each change.

    `clock` in milliseconds goes on while the machine sleeps; `mail_timeout` in seconds.
    """

    def __init__(
        self,
        driver: Driver,
        health: Health,
        checks: Mapping[str, Check],
        mail_timeout: float,
        emit: Emit,
        clock: Callable[[], int],
        on_standing: Callable[[], None],
    ) -> None:
        self.driver = driver
        self.health = health
        self.holders: dict[tuple[str, str], int] = {}
        """(address, hardware address) of others that answer for an address held here → when."""
        self._checks = checks
        self._mail_timeout = mail_timeout
        self._emit = emit
        self._clock = clock
        self._on_standing = on_standing
        self._loop = asyncio.get_running_loop()
        self._link = 0
        self._peer_alive = False
        self._stopped = False
        self._silence: asyncio.TimerHandle | None = None
        self._told: dict[int, Verdict] = {}
        self._leaving = set[int]()
        self._mode, self._exposed = PairMode.SOLO, 0
        self.since = dict.fromkeys(driver.node.routers, clock())
        """When the state of each virtual router changed last."""
        self.transitions = {vrid: Counter[str]() for vrid in driver.node.routers}
        """Into which state each went how often."""

    def start(self) -> None:
        """Take part; with nothing heard of mail yet, as a Backup that cannot serve."""
        self.judge()
        self.driver.start(self)

    async def stop(self) -> None:
        """Leave the addresses to the peer, and end."""
        await self.farewell(self.driver.holds)
        self._stopped = True
        if self._silence is not None:
            self._silence.cancel()
        await self.driver.stop()

    # What is known of this node.

    def report(self, report: Report) -> None:
        """The mail process says how it is."""
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self._loop.call_later(self._mail_timeout, self._silent)
        self._mode = _mode(report.mode)
        self._exposed = report.exposed
        if report.linked and report.link != self._link:
            self.driver.link_progress()
        self._link = report.link
        self.health.mail = Mail(report.serving, report.why, report.linked)
        self.judge()

    def mail_lost(self) -> None:
        """The mail process is gone."""
        self._lose_mail(NOT_THERE)

    def check(self, name: str, passed: bool) -> None:
        """A configured command has ended."""
        check = self._checks[name]
        if check.ran(passed):
            self.health.checks[name] = passed
            self._emit(Event.CHECK, name=name, passing=passed)
            self.judge()

    def carrier(self, interface: str, up: bool) -> None:
        """See `Sightings`."""
        if up is (interface in self.health.dark):
            self._emit(Event.CARRIER, interface=interface, up=up)
        if up:
            self.health.dark.discard(interface)
        else:
            self.health.dark.add(interface)
        self.judge()
        self._on_standing()

    def foreign(self, address: Address, hardware: str) -> None:
        """See `Sightings`."""
        key, now = (str(address), hardware), self._clock()
        if now - self._taken(address) < _LETTING_GO:
            return
        if now - self.holders.get(key, -_TELL_FOREIGN) >= _TELL_FOREIGN:
            self._emit(Event.ADDRESS_FOREIGN, address=key[0], hardware=hardware)
        self.holders[key] = now

    def _taken(self, address: Address) -> int:
        """Since when, in the clock's milliseconds, things are as they are with an address."""
        routers = (one.parameters for one in self.driver.node.routers.values())
        found = (self.since[one.vrid] for one in routers if address in one.addresses)
        return max(found, default=0)

    def maintain(self, on: bool) -> None:
        """Hold nothing, or take part again."""
        if on is not self.health.maintenance:
            self.health.maintenance = on
            self._emit(Event.MAINTENANCE, on=on)
            self.judge()
            self._on_standing()

    async def farewell(self, vrids: Collection[int]) -> None:
        """Say that these are about to go: whoever serves there can still tell its clients."""
        if not self.driver.bound(vrids):
            return
        self._leaving.update(vrids)
        self._on_standing()
        await asyncio.sleep(_FAREWELL)

    def leave(self, vrid: int) -> None:
        """Give up the addresses of a virtual router; until `stay`."""
        self.health.leaving.add(vrid)
        self.judge()

    def stay(self, vrid: int) -> None:
        """Take part again."""
        self.health.leaving.discard(vrid)
        self.judge()

    @property
    def peer_ready(self) -> bool:
        """The peer is heard, and says that it could serve."""
        heard = self.driver.peer_heard
        return heard is not None and heard.mail_healthy

    def verdict(self, vrid: int) -> Verdict:
        """What is left of the priority of a virtual router."""
        return self.health.verdict(vrid, self.peer_ready)

    def judge(self) -> None:
        """Tell the virtual routers what health leaves them, and the peer how this node is."""
        if self._stopped:
            return
        self.driver.node.status = Status(self._mode, self._exposed, self.health.ready)
        for vrid in self.driver.node.routers:
            verdict = self.verdict(vrid)
            if verdict != self._told.get(vrid):
                self._told[vrid] = verdict
                self._emit(Event.PRIORITY, vrid=vrid, priority=verdict.priority, why=verdict.why)
            self.driver.health(vrid, verdict.priority)

    @property
    def standing(self) -> Standing:
        """What those who follow are told."""
        routers = self.driver.node.routers.values()
        states = tuple((one.parameters.vrid, str(one.state)) for one in routers)
        held = tuple(map(str, self.driver.held))
        heard = self.driver.peer_heard
        serves = heard is None or heard.mail_healthy
        leaving = tuple(map(str, self.driver.bound(self._leaving)))
        alive, aside = self.driver.peer_alive, self.health.aside
        return Standing(alive, held, states, aside, serves, leaving)

    # What the driver tells.

    def transition(self, transition: Transition) -> None:
        last, now = self.since[transition.vrid], self._clock()
        self.since[transition.vrid] = now
        self.transitions[transition.vrid][str(transition.after)] += 1
        self._emit(
            Event.TRANSITION,
            vrid=transition.vrid,
            before=transition.before,
            after=transition.after,
            reason=transition.reason,
            why=self._told[transition.vrid].why,
            lasted=now - last,
        )
        if transition.before is State.ACTIVE:
            self.holders.clear()
            self._leaving.discard(transition.vrid)
        self._on_standing()

    def held(self) -> None:
        self._on_standing()

    def peer(self) -> None:
        if self.driver.peer_alive is not self._peer_alive:
            self._peer_alive = self.driver.peer_alive
            self._emit(Event.PEER_HEARD if self._peer_alive else Event.PEER_SILENT)
        self.judge()
        self._on_standing()

    def binder_failed(self, vrid: int, error: BinderFailed) -> None:
        self._emit(Event.ADDRESS_FAILED, vrid=vrid, error=str(error), hint=error.hint)
        if self.driver.node.routers[vrid].state is State.ACTIVE:
            self.health.unbound[vrid] = str(error)
            self._loop.call_later(_UNBOUND, partial(self._try_again, vrid))
            self.judge()

    def _try_again(self, vrid: int) -> None:
        self.health.unbound.pop(vrid, None)
        self.judge()

    # The mail process.

    def _silent(self) -> None:
        self._silence = self._loop.call_later(_SECOND_LOOK, self._lose_mail, SILENT)

    def _lose_mail(self, how: str) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self.health.mail, self.health.gone = None, how
        self.judge()


def _mode(name: str) -> PairMode:
    """The mode as the peer is told it; what has no word there is solo."""
    return next((mode for mode in PairMode if mode == name), PairMode.SOLO)
