"""Looks after members of pools that are out: connects, reads the greeting, says EHLO and QUIT."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from appliance.delivery.hop import Hop
from appliance.delivery.relays import Member
from appliance.delivery.smtp import ConnectFailed
from appliance.monitor.events import Emit, Event


class Prober:
    """One look at a time at each member. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float], emit: Emit) -> None:
        self._clock = clock
        self._emit = emit
        self._looks: dict[Member, asyncio.Task[None]] = {}

    def look(self, hop: Hop) -> None:
        """Look at those members of a destination whose time has come."""
        now = self._clock()
        for member in hop.relays.members:
            due = member.out and now - member.checked >= hop.relays.check
            if due and member not in self._looks:
                member.checked = now
                look = self._look(member, hop)
                self._looks[member] = asyncio.get_running_loop().create_task(look)

    def close(self) -> None:
        """Break off what is under way."""
        for look in list(self._looks.values()):
            look.cancel()

    async def _look(self, member: Member, hop: Hop) -> None:
        assert member.health is not None
        try:
            session = await member.pool.fresh()
        except ConnectFailed as failed:
            member.health.failed(str(failed.reply))
            return
        finally:
            del self._looks[member]
        session.quit()
        if member.health.passed():
            member.gate.throttle.succeeded(self._clock())
            self._emit(Event.HOP_UP, relay=member.server.name)
            hop.resume()
