"""The mail process's part in failover: says how mail is, and goes by where the addresses are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from appliance.config.units import Endpoint
from appliance.control.failover_process import FailoverProcess
from appliance.ipc.failover import PeerAnswer, Report, Standing
from appliance.ipc.standing import StandingWatch
from appliance.services.departures import Departures
from appliance.services.peer_moves import PeerMoves
from appliance.smtpd.listener import Listener
from appliance.smtpd.server import SmtpServer
from appliance.spool.spool import Spool

_EVERY = 0.05
"""Seconds between reports: several in the shortest time after which a path counts as dead."""
_AGAIN = 0.005
"""Seconds: a node that has just given up an address on this machine may still be closing it."""


class FailoverSide:
    """Reports to the failover process and follows it, from `run` until that is cancelled.

    Listeners at `moving` are open only while this node holds their address.
    """

    def __init__(
        self,
        path: Path,
        spool: Spool,
        smtp: SmtpServer,
        moving: Mapping[Endpoint, Listener],
        report: Callable[[], Report],
        link: Callable[[int, bytes], bool],
        departures: Departures,
    ) -> None:
        """`link` sends a frame to the peer, and tells whether there is a link."""
        self._spool = spool
        self._smtp = smtp
        self._moving = [(str(one.address), one, what) for one, what in moving.items()]
        self._report = report
        self._departures = departures
        self.peer = PeerMoves(FailoverProcess(path), spool, link, self._answer)
        self._watch = StandingWatch(path, self._became, self.peer.ask)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Report and follow."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch.run())
            tasks.create_task(self._keep_reporting())
            tasks.create_task(self._keep_listening())

    def report(self) -> None:
        """Say how mail is, at once."""
        self._watch.tell(self._report())

    def _answer(self, answer: PeerAnswer) -> None:
        self._watch.tell(answer)

    async def _keep_reporting(self) -> None:
        while True:
            self.report()
            await asyncio.sleep(_EVERY)

    def _became(self, standing: Standing) -> None:
        self._spool.heartbeat(standing.peer_alive, standing.peer_serves)
        self._spool.stand_aside("failover", standing.aside)
        self._departures.became(standing)
        for address, endpoint, _ in self._moving:
            if address not in standing.held:
                self._smtp.leave(endpoint)
        self._changed.set()

    async def _keep_listening(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for address, endpoint, listener in self._moving:
                await self._listen(address, endpoint, listener)

    async def _listen(self, address: str, endpoint: Endpoint, listener: Listener) -> None:
        while address in self._watch.standing.held:
            with suppress(OSError):
                await self._smtp.listen_at(endpoint, listener)
                break
            await asyncio.sleep(_AGAIN)
        if address not in self._watch.standing.held:  # it left meanwhile
            self._smtp.leave(endpoint)
