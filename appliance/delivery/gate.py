"""One next hop, whatever destinations lead there: its limits, its back-off, its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from appliance.config.delivery import DeliverySettings
from appliance.config.pools import NextHopSettings
from appliance.delivery.pool import Pool
from appliance.delivery.throttle import Throttle
from appliance.mail.histogram import Histogram
from appliance.pools.rate import Rate

_NO_LIMITS = NextHopSettings()


@dataclass(slots=True)
class Figures:
    """What happened since the start. The cache's hits are transactions on a used connection."""

    opened: int = 0
    failed: int = 0
    hits: int = 0
    transactions: int = 0
    waited: Histogram = field(default_factory=Histogram)
    """From acceptance to a first attempt."""
    took: Histogram = field(default_factory=Histogram)
    """From the beginning of an attempt to its end, connecting included."""

    def add(self, other: Figures) -> None:
        """Count what another one counted."""
        self.opened += other.opened
        self.failed += other.failed
        self.hits += other.hits
        self.transactions += other.transactions
        self.waited.add(other.waited)
        self.took.add(other.took)


@dataclass(eq=False)
class Gate:
    """What may be begun with one next hop. All times are seconds of one clock.

    A worker that enters holds one of its connections until it leaves. `waiting` are those who
    found no room: they are called, the first of them first, when there is some.
    """

    name: str
    settings: DeliverySettings
    throttle: Throttle
    rate: Rate | None = None
    paused: bool = False
    busy: int = 0
    """Workers inside."""
    sending: int = 0
    """Those of them that have a connection."""
    pools: list[Pool] = field(default_factory=list)
    """Where idle connections to it are."""
    waiting: dict[Callable[[], None], None] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)

    def configure(
        self, settings: DeliverySettings, limits: NextHopSettings | None, now: float
    ) -> None:
        """Other settings; what was found out about the next hop stays."""
        limits = limits or _NO_LIMITS
        self.settings = limited(settings, limits)
        self.throttle.configure(self.settings)
        if limits.messages_per_minute is None:
            self.rate = None
        elif self.rate is None:
            self.rate = Rate(limits.messages_per_minute, now)
        else:
            self.rate.change(limits.messages_per_minute, now)

    @property
    def idle(self) -> int:
        """Connections that are kept for the next message."""
        return sum(map(len, self.pools))

    @property
    def forgettable(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        used = self.busy or self.pools or self.waiting or self.rate is not None
        return not used and self.throttle.fresh

    def up(self, now: float) -> bool:
        """Whether it is neither paused nor at rest."""
        return not self.paused and not self.throttle.rest(now)

    def has_room(self, now: float) -> bool:
        """Whether a worker may enter, if it is up."""
        if self.busy >= self.throttle.limit:
            return False
        return self.rate is None or self.rate.available(now) >= 1.0

    def goes_on(self, now: float) -> bool:
        """Whether a worker inside may begin another transaction; if so, that is counted."""
        if not self.up(now) or self.busy > self.throttle.limit:
            return False
        return self.rate is None or self.rate.take(now)

    def within(self, seconds: float, now: float) -> int | None:
        """How many messages it may be given in that time; None if that is not limited."""
        return None if self.rate is None else self.rate.within(seconds, now)

    def wanted(self, by: Callable[[], None]) -> bool:
        """Whether somebody other than `by` waits for room."""
        return bool(self.waiting) and any(one != by for one in self.waiting)

    def leave(self) -> None:
        """A worker has left: let those in who waited."""
        self.busy -= 1
        waiting, self.waiting = list(self.waiting), {}
        for pump in waiting:
            pump()

    def make_room(self) -> None:
        """End idle connections, so that one more is not too many."""
        while self.busy + self.idle > self.settings.connections_per_hop:
            for pool in self.pools:
                if pool.shed():
                    break
            else:
                return


class Gates:
    """The gates of all next hops, by name."""

    def __init__(
        self,
        settings: DeliverySettings,
        limits: Mapping[str, NextHopSettings],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._clock = clock
        self._random = random
        self._gates: dict[str, Gate] = {}
        self._paused: frozenset[str] = frozenset()
        self.total = Figures()
        """Of those that were forgotten."""

    def __getitem__(self, name: str) -> Gate:
        gate = self._gates.get(name)
        if gate is None:
            throttle = Throttle(
                limited(self._settings, self._limits.get(name, _NO_LIMITS)), self._random
            )
            gate = self._gates[name] = Gate(name, self._settings, throttle)
            gate.configure(self._settings, self._limits.get(name), self._clock())
            gate.paused = name in self._paused
        return gate

    def configure(self, settings: DeliverySettings, limits: Mapping[str, NextHopSettings]) -> None:
        """Other settings, from the next connection on."""
        self._settings = settings
        self._limits = limits
        for gate in self._gates.values():
            gate.configure(settings, limits.get(gate.name), self._clock())

    def pause(self, names: frozenset[str]) -> None:
        """These are paused from now on, and no others."""
        self._paused = names
        for gate in self._gates.values():
            gate.paused = gate.name in names

    def sweep(self) -> None:
        """Forget what nobody uses."""
        for gate in list(self._gates.values()):
            if gate.forgettable:
                self.total.add(gate.figures)
                del self._gates[gate.name]

    def all(self) -> list[Gate]:
        """Those that are known, by name."""
        return sorted(self._gates.values(), key=lambda gate: gate.name)


def limited(settings: DeliverySettings, limits: NextHopSettings) -> DeliverySettings:
    """The settings as they are for a next hop with these limits."""
    return msgspec.structs.replace(
        settings,
        connections_per_hop=limits.connections or settings.connections_per_hop,
        messages_per_connection=limits.messages_per_connection or settings.messages_per_connection,
    )
