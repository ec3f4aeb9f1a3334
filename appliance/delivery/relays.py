"""The next hops of one destination: which of them gets the next transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.delivery.gate import Gate
from appliance.delivery.pool import Pool
from appliance.delivery.smtp import Session
from appliance.delivery.transaction import Strain
from appliance.mail.reply import Reply
from appliance.pools.algorithms import Algorithm, InOrder, Server
from appliance.pools.health import Health

Pump = Callable[[], None]


@dataclass(eq=False)
class Member:
    """A next hop as one destination uses it; `health` only in a pool that looks after it."""

    server: Server
    gate: Gate
    pool: Pool
    health: Health | None = None
    checked: float = 0.0
    """When it was looked at last, if it is out."""

    @property
    def out(self) -> bool:
        """Whether it failed so often that it must show itself well before it gets mail."""
        return self.health is not None and not self.health.up

    @property
    def open(self) -> int:
        """Connections to the next hop over which a message that waits here can be sent soon."""
        return self.gate.sending + len(self.pool)

    async def session(self) -> tuple[Session, bool]:
        """A connection, and whether it was used before; raises ConnectFailed."""
        self.gate.figures.transactions += 1
        session = self.pool.take()
        if session is not None:
            self.gate.figures.hits += 1
            return session, True
        return await self.fresh(), False

    async def fresh(self) -> Session:
        """A new connection; raises ConnectFailed."""
        self.gate.make_room()
        try:
            session = await self.pool.fresh()
        except BaseException:
            self.gate.figures.failed += 1
            raise
        self.gate.figures.opened += 1
        return session

    def succeeded(self, now: float) -> bool:
        """It took something; True if that ends its time of trouble."""
        if self.health is not None:
            self.health.passed()
        return self.gate.throttle.succeeded(now)

    def strained(self, strain: Strain, reply: Reply, now: float) -> bool:
        """It failed; True if a rest begins now."""
        if self.health is not None and strain is Strain.DOWN and self.health.failed(str(reply)):
            self.checked = now
        return self.gate.throttle.strained(strain, reply, now)


class Relays:
    """Chooses among `members`, in the order of the settings."""

    def __init__(self, members: Sequence[Member], algorithm: Algorithm, check: float = 0.0) -> None:
        """`check`: seconds between two looks at a member that is out."""
        self.members = tuple(members)
        self.check = check
        self._algorithm = algorithm
        self._only = self.members[0] if len(self.members) == 1 else None
        """Most destinations have one next hop, and what follows is asked for every message."""
        self._named = {member.server.name: member for member in members}
        for member in members:
            member.gate.pools.append(member.pool)

    def configure(self, idle_timeout: float) -> None:
        """Keep idle connections for so many seconds; the gates have their settings already."""
        for member in self.members:
            member.pool.configure(idle_timeout, member.gate.settings.messages_per_connection)

    @property
    def paused(self) -> bool:
        """Whether an operator has paused every one of them."""
        if self._only is not None:
            return self._only.gate.paused
        return all(member.gate.paused for member in self.members)

    @property
    def fresh(self) -> bool:
        """Whether nothing is known that would not be found out again."""
        return not any(member.out or not member.gate.throttle.fresh for member in self.members)

    @property
    def idle(self) -> int:
        """Connections that are kept for the next message."""
        return sum(len(member.pool) for member in self.members)

    def rest(self, now: float) -> float:
        """Seconds until one of them may be tried; 0 if one may now."""
        if self._only is not None:
            gate = self._only.gate
            return 0.0 if gate.paused else gate.throttle.rest(now)
        rests = [m.gate.throttle.rest(now) for m in self.members if not m.gate.paused]
        return min(rests, default=0.0)

    def reason(self, now: float) -> Reply | None:
        """Why they rest, told of the one that ends its rest first."""
        resting = [m for m in self.members if not m.gate.paused and m.gate.throttle.rest(now)]
        if not resting:
            return None
        return min(resting, key=lambda member: member.gate.throttle.rest(now)).gate.throttle.reason

    def up(self, now: float) -> list[Member]:
        """Who should get mail now, whether or not there is room.

        While all are out each is tried with mail: somebody has to find out.
        """
        if self._only is not None:
            return [self._only] if self._only.gate.up(now) else []
        there = [member for member in self.members if member.gate.up(now)]
        well = [member for member in there if not member.out] or there
        first = [member for member in well if not member.server.backup] or well
        return first[:1] if isinstance(self._algorithm, InOrder) else first

    def enter(self, now: float, pump: Pump) -> Member | None:
        """The member for another worker, who must leave its gate; None: not now.

        `pump` is called when one of those that had no room has some.
        """
        up = self.up(now)
        able = [member for member in up if member.gate.has_room(now)]
        if not able:
            for member in up:
                member.gate.waiting[pump] = None
            return None
        chosen = able[0] if len(able) == 1 else self._chosen(able)
        chosen.gate.busy += 1
        return chosen

    def _chosen(self, able: Sequence[Member]) -> Member:
        for member in able:
            member.server.connections = member.gate.busy
        return self._named[self._algorithm.choose([m.server for m in able]).name]

    def within(self, seconds: float, now: float) -> int | None:
        """How many messages may be sent in that time; None if their number is not limited."""
        if all(member.gate.rate is None for member in self.members):
            return None
        counts = [member.gate.within(seconds, now) for member in self.up(now)]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None

    def sweep(self, now: float) -> None:
        """What time brings about."""
        for member in self.members:
            member.pool.sweep(now)

    def close(self) -> None:
        """End all idle connections."""
        for member in self.members:
            member.pool.close()

    def forget(self, pump: Pump) -> None:
        """These are used no more."""
        self.close()
        for member in self.members:
            member.gate.pools.remove(member.pool)
            member.gate.waiting.pop(pump, None)
