"""What the other node says of itself, asked every few seconds: its alerts, and its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from appliance.control.findings import Findings
from appliance.control.http import BadRequest, Forbidden
from appliance.control.schema import API
from appliance.control.schema_alerts import NodeWord, PeerAlerts
from appliance.decoding import from_json
from appliance.mail.reply import Refused
from appliance.mail.views import Unavailable
from appliance.monitor.alerts.engine import Key, Phase
from appliance.monitor.events import Emit, Event

_EVERY = 10.0
_PATIENCE = 5.0
_FRESH = 60_000
"""Milliseconds for which what it said is taken for what it would say."""
WORD = "/alerts/word"


class Peer(Protocol):
    """The other node's control API; see `control.peer`."""

    async def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of its answer; raises Unavailable and what its API's failures raise."""


class Neighbour:
    """Asks. `wall` and `running` are milliseconds; `name` is this node's."""

    def __init__(
        self,
        name: str,
        peer: Peer,
        findings: Findings,
        wall: Callable[[], int],
        running: Callable[[], int],
        emit: Emit,
    ) -> None:
        self._name = name
        self._peer = peer
        self._findings = findings
        self._wall = wall
        self._running = running
        self._emit = emit
        self._word: NodeWord | None = None
        self._heard = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self.ask()
            except Exception as error:  # a bug of either node costs this view of it only
                self._emit(Event.FAILED, error=repr(error))
            await asyncio.sleep(_EVERY)

    async def ask(self) -> None:
        """Ask once; nobody there is nothing to be told of: there are alerts for that."""
        self._findings.clock_offset = None
        try:
            async with asyncio.timeout(_PATIENCE):
                before = self._running()
                said = await self._peer.request("GET", API + WORD)
                after = self._running()
            word = from_json(said, NodeWord)
        except (
            TimeoutError,
            Unavailable,
            LookupError,
            Refused,
            BadRequest,
            Forbidden,
            msgspec.DecodeError,
        ):
            return
        self._word, self._heard = word, after
        self._findings.peer_smtp = word.smtp
        self._findings.peer_release = word.release
        self._findings.peer_routers = word.routers
        # Its clock was read about in the middle of the call, as NTP takes it.
        self._findings.clock_offset = word.clock - (self._wall() - (after - before) // 2)

    @property
    def alerts(self) -> PeerAlerts | None:
        """What it said last."""
        if self._word is None:
            return None
        ago = self._running() - self._heard
        return PeerAlerts(node=self._word.node, ago=ago, alerts=self._word.alerts)

    def tells(self) -> frozenset[Key]:
        """The alerts that it has too and tells of: the node whose name comes first does."""
        said = self.alerts
        if said is None or said.ago > _FRESH or said.node >= self._name:
            return frozenset()
        raised = (Phase.RAISED, Phase.CLEARING)
        return frozenset((one.name, one.subject) for one in said.alerts if one.phase in raised)
