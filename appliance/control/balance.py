"""The balancer over the control API: how its servers are, and changes while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from aiohttp import web

from appliance.control.audit import note
from appliance.control.caller import Caller
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, user
from appliance.control.roles import Role
from appliance.control.schema import ServerChange
from appliance.ipc.balance import (
    CLIENT_CODEC,
    BalanceView,
    Call,
    DrainCall,
    Said,
    View,
    ViewCall,
    WeighCall,
)
from appliance.mail.reply import Refused, Reply

_PATIENCE = 5.0


class Balance(Protocol):
    """The balance process, over `run/balance.sock`. Raises `Unavailable` when it is not there.

    Commands answer with how the balancer has become; they raise LookupError for a server that is
    unknown, and `mail.reply.Refused`. `by` says for the log who asks.
    """

    async def view(self) -> BalanceView:
        """How the balancer is."""

    async def weigh(self, name: str, weight: int, by: str) -> BalanceView:
        """Give a server another weight."""

    async def drain(self, name: str, draining: bool, by: str) -> BalanceView:
        """Give a server nothing new, or clients again."""


class BalanceProcess:
    """Calls the balance process."""

    def __init__(self, path: Path) -> None:
        self._caller: Caller[Call, Said] = Caller("balance", path, CLIENT_CODEC)

    async def view(self) -> BalanceView:
        return await self._call(ViewCall())

    async def weigh(self, name: str, weight: int, by: str) -> BalanceView:
        return await self._call(WeighCall(name, weight, by))

    async def drain(self, name: str, draining: bool, by: str) -> BalanceView:
        return await self._call(DrainCall(name, draining, by))

    def close(self) -> None:
        """End the connection."""
        self._caller.close()

    async def _call(self, call: Call) -> BalanceView:
        return (await self._caller.call(call, View, _PATIENCE)).view


class BalanceApi:
    """The handlers of the Unix socket that are about the balancer."""

    def __init__(self, balance: Balance | None) -> None:
        """`balance` is None where the node has none."""
        self._balance = balance

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/balance", self.view, Role.VIEWER)
        handlers.post("/balance/{name}", self.change, Role.OPERATOR, "change server {name}")

    async def view(self, request: web.Request) -> web.Response:
        return as_json(await self._there().view())

    async def change(self, request: web.Request) -> web.Response:
        name, by = request.match_info["name"], user(request)
        body = decoded(await request.read(), ServerChange)
        note(request, weight=body.weight, draining=body.draining)
        if (body.weight is None) == (body.draining is None):
            raise BadRequest("name weight or draining, one of them")
        if body.weight is not None:
            return as_json(await self._there().weigh(name, body.weight, by))
        return as_json(await self._there().drain(name, bool(body.draining), by))

    def _there(self) -> Balance:
        if self._balance is None:
            hint = "see [balance] in docs/settings.md"
            raise Refused(Reply(450, "4.3.0", "this node has no balancer"), hint)
        return self._balance
