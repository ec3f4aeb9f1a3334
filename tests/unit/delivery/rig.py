"""An agent with a spool in memory, real sockets and a clock that only tests move."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random

from appliance.config.delivery import DeliverySettings
from appliance.delivery.agent import Agent
from appliance.delivery.desk import Desk, Identity
from appliance.delivery.dispatch import Dispatcher
from appliance.delivery.exchangers import Exchangers
from appliance.delivery.resolve import HostsFile
from appliance.delivery.smtp import Connector
from appliance.mail.retry import RetrySchedule
from appliance.mail.route import NextHop, Routes, Smtp, Transport
from appliance.mail.work import RecipientOutcome
from appliance.monitor.events import Event
from tests.support.nameserver import WITHOUT_DNS
from tests.support.patience import patiently
from tests.support.sink import Sink
from tests.support.trust import Trusting
from tests.support.work import MemoryWork, envelope, message

SCHEDULE = RetrySchedule(jitter=0.0)


class Clock:
    """Seconds since the test began; sleepers wake when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: dict[asyncio.Future[None], float] = {}

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = self.now + seconds
        try:
            await sleeper
        finally:
            del self._sleepers[sleeper]

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for sleeper, until in self._sleepers.items():
            if until <= self.now and not sleeper.done():
                sleeper.set_result(None)


class Log:
    """An `Emit` that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[Event, str, dict[str, object]]] = []
        self._changed = asyncio.Event()

    def __call__(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.lines.append((event, queue_id, values))
        self._changed.set()

    def events(self) -> list[Event]:
        return [event for event, _, _ in self.lines]

    async def seen(self, event: Event) -> None:
        while event not in self.events():
            self._changed.clear()
            await patiently(self._changed.wait())


class Rig:
    """Everything a test of the agent needs."""

    def __init__(
        self,
        transports: Mapping[str, Transport | Sink],
        settings: DeliverySettings,
        seed: int,
        exchangers: Exchangers,
    ) -> None:
        self.work = MemoryWork()
        self.clock = Clock()
        self.log = Log()
        self.settings = settings
        random = Random(seed).random
        tokens = (f"token{number}" for number in itertools.count(1))
        desk = Desk(
            Identity("node.test", "postmaster@site.test"),
            SCHEDULE,
            self.log,
            self.clock,
            lambda: 1_700_000_000_000,
            random,
            lambda: next(tokens),
        )
        self.dispatcher = Dispatcher(
            self.work.content,
            self.routes(transports),
            Connector(
                "node.test", settings, HostsFile(), exchangers, Trusting("site.test"), self.clock
            ),
            desk,
            settings,
            self.log,
            self.clock,
            random,
        )
        self.agent = Agent(self.work, self.dispatcher, settings, self.log, self.clock.pause)

    def routes(self, transports: Mapping[str, Transport | Sink]) -> Routes:
        """A table for `Dispatcher.configure`."""
        return Routes(
            ["site.test"],
            {"ann@site.test": "ann"},
            "postmaster",
            {
                key: Smtp((NextHop(to.host, to.port),)) if isinstance(to, Sink) else to
                for key, to in transports.items()
            },
        )

    async def send(
        self,
        *recipients: str,
        age: int = 0,
        tries: int = 0,
        delay_notified: bool = False,
        bulk: bool = False,
    ) -> None:
        """Queue a message whose token is its number, from 1."""
        token = str(len(self.work.content.bodies) + 1)
        self.work.add(
            message(token, 2000),
            envelope("a@from.test", *recipients),
            age=age,
            tries=tries,
            delay_notified=delay_notified,
            bulk=bulk,
        )
        await self.work.wake()

    async def outcomes(self, count: int) -> list[RecipientOutcome]:
        """All recipients' outcomes, once there are that many leases' outcomes."""
        await self.work.reported(count)
        return self.work.results()

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.dispatcher.tick()


@asynccontextmanager
async def running(
    transports: Mapping[str, Transport | Sink],
    settings: DeliverySettings | None = None,
    seed: int = 1,
    exchangers: Exchangers = WITHOUT_DNS,
) -> AsyncIterator[Rig]:
    rig = Rig(transports, settings or DeliverySettings(), seed, exchangers)
    run = asyncio.ensure_future(rig.agent.run())
    try:
        yield rig
    finally:
        rig.agent.stop()
        await patiently(run)
    assert rig.agent.in_hand == 0
    assert Event.FAILED not in rig.log.events()


def unused_hop() -> Smtp:
    """A next hop at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return Smtp((NextHop("127.0.0.1", sock.getsockname()[1]),))
