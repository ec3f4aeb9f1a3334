"""The balancer over the control API: how its servers are, and changes while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from aiohttp import web
from msgspec.structs import replace

from appliance.config.shares import TABLE, Share, share, written
from appliance.control.audit import note
from appliance.control.caller import Caller
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, user
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.routes import Registers, SiteRegisters
from appliance.control.schema import ServerChange
from appliance.ipc.balance import (
    CLIENT_CODEC,
    BalanceView,
    Call,
    Said,
    ShareCall,
    View,
    ViewCall,
)
from appliance.mail.reply import Refused, Reply

_PATIENCE = 5.0


class Balance(Protocol):
    """The balance process, over `run/balance.sock`. Raises `Unavailable` when it is not there.

    A command answers with how the balancer has become; it raises LookupError for a server that is
    unknown, and `mail.reply.Refused`.
    """

    async def view(self) -> BalanceView:
        """How the balancer is."""

    async def share(self, name: str, share: Share, *, ask: bool = False) -> BalanceView:
        """Let a server have its share from now on, or only ask whether that can be done."""


class BalanceProcess:
    """Calls the balance process."""

    def __init__(self, path: Path) -> None:
        self._caller: Caller[Call, Said] = Caller("balance", path, CLIENT_CODEC)

    async def view(self) -> BalanceView:
        return await self._call(ViewCall())

    async def share(self, name: str, share: Share, *, ask: bool = False) -> BalanceView:
        return await self._call(ShareCall(name, share.weight, share.draining, share.by, ask))

    def close(self) -> None:
        """End the connection."""
        self._caller.close()

    async def _call(self, call: Call) -> BalanceView:
        return (await self._caller.call(call, View, _PATIENCE)).view


class BalanceApi:
    """The handlers of the Unix socket that are about the balancer."""

    def __init__(
        self,
        balance: Balance | None,
        observer: Observer,
        stored: SiteRegisters,
        registers: Registers,
    ) -> None:
        """`balance` is None where the node has none."""
        self._balance = balance
        self._observer = observer
        self._stored = stored
        self._registers = registers

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
        balance = self._there()
        kept = await self._observer.read(self._stored.table, TABLE)
        wanted = _changed(share(kept.get(name)), body, by)
        found = await balance.share(name, wanted, ask=True)
        if wanted.weight in [one.configured for one in found.servers if one.name == name]:
            wanted = replace(wanted, weight=None)
        value = written(wanted)
        if value is not None or name in kept:
            # Also while alone: whoever drains a server must not wait for the one that is broken.
            await self._registers.put_registers(((TABLE, name, value),), while_alone=True)
        return as_json(await balance.share(name, wanted))

    def _there(self) -> Balance:
        if self._balance is None:
            hint = "see [balance] in docs/settings.md"
            raise Refused(Reply(450, "4.3.0", "this node has no balancer"), hint)
        return self._balance


def _changed(kept: Share, change: ServerChange, by: str) -> Share:
    weight = kept.weight if change.weight is None else change.weight
    draining = kept.draining if change.draining is None else change.draining
    return Share(weight, draining, by)
