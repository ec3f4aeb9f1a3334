"""What somebody who sets a node up has to know: the machine, its network, its clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from appliance.config.units import AddressWithPrefix, NumericEndpoint, Wrong
from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded
from appliance.control.operator_desk import OperatorDesk
from appliance.control.roles import Role
from appliance.control.schema_setup import (
    CheckList,
    CheckView,
    InterfaceView,
    SetupCheck,
    SetupView,
)


class Machine(Protocol):
    """This machine, as it is now."""

    def interfaces(self) -> Sequence[InterfaceView]:
        """All but loopback; takes its time. Raises OSError."""

    def time_zone(self) -> str:
        """Its name, "" if none is set."""

    async def in_use(self, address: str) -> CheckView:
        """Whether some machine has the address."""

    async def answers(self, endpoint: NumericEndpoint) -> CheckView:
        """Whether some process listens there."""


@dataclass(frozen=True)
class Configured:
    """What node.toml says."""

    name: str
    hostname: str
    virtual: tuple[str, ...]
    paired: bool


class SetupApi:
    """The handlers of the Unix socket that are about setting up.

    `domains` are the site's now; `clock_problem` says why the clock (`wall`) can't be right.
    """

    def __init__(
        self,
        configured: Configured,
        machine: Machine,
        operators: OperatorDesk,
        domains: Callable[[], Sequence[str]],
        wall: Callable[[], int],
        clock_problem: Callable[[int], str],
    ) -> None:
        self._configured = configured
        self._machine = machine
        self._operators = operators
        self._domains = domains
        self._wall = wall
        self._clock_problem = clock_problem

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/setup", self.view, Role.VIEWER)
        handlers.post("/setup/check", self.check, Role.ADMINISTRATOR, "look at the network")

    async def view(self, request: web.Request) -> web.Response:
        configured, now = self._configured, self._wall()
        view = SetupView(
            name=configured.name,
            hostname=configured.hostname,
            domains=tuple(map(str, self._domains())),
            first_run=not await self._operators.all(),
            paired=configured.paired,
            virtual=configured.virtual,
            interfaces=tuple(await asyncio.to_thread(self._machine.interfaces)),
            time_zone=await asyncio.to_thread(self._machine.time_zone),
            now=now,
            clock_problem=self._clock_problem(now),
        )
        return as_json(view)

    async def check(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), SetupCheck)
        note(request, address=body.address, peer=body.peer)
        try:
            address = AddressWithPrefix.parse(body.address).address if body.address else None
            peer = NumericEndpoint.parse(body.peer) if body.peer else None
        except Wrong as error:
            raise BadRequest(str(error), error.hint) from None
        found: list[CheckView] = []
        if address is not None:
            found.append(await self._machine.in_use(str(address)))
        if peer is not None:
            found.append(await self._machine.answers(peer))
        return as_json(CheckList(tuple(found)))
