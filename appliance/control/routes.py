"""Routes over the control API: where mail goes, what is paused, how next hops are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from appliance.config.pauses import REASON_LIMIT, TABLE, Pause, paused_name
from appliance.config.site import RouteSettings, SiteSettings
from appliance.config.units import Wrong
from appliance.control.audit import note
from appliance.control.delivery import Delivery, pause_views
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, user
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.schema import (
    PauseChange,
    RouteList,
    RouteTest,
    RouteView,
)
from appliance.mail.address import domain_key, parse_address
from appliance.mail.reply import Refused
from appliance.mail.route import Bounce, Mailbox, Mx, Route, Routes, Smtp
from appliance.monitor.snapshot import PauseView

Values = tuple[tuple[str, str, bytes | None], ...]


class Registers(Protocol):
    """The mail process, over `run/mail.sock`. Raises `Unavailable` when it does not answer."""

    async def put_registers(self, values: Values, while_alone: bool) -> None:
        """Write registers, all or none; durable when it returns. Raises `mail.reply.Refused`."""


class SiteRegisters(Protocol):
    """Reads registers, for one thread at a time. Raises `Unavailable`."""

    def table(self, name: str) -> Mapping[str, bytes]:
        """Those of a table that are not deleted."""


class RoutesApi:
    """The handlers of the Unix socket that are about routes."""

    def __init__(
        self,
        observer: Observer,
        site: Callable[[], SiteSettings],
        stored: SiteRegisters,
        registers: Registers,
        delivery: Delivery,
        wall: Callable[[], int],
    ) -> None:
        """`site` gives the settings that apply, to be called in the observer's thread."""
        self._observer = observer
        self._site = site
        self._stored = stored
        self._registers = registers
        self._delivery = delivery
        self._wall = wall

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/routes", self.routes, Role.VIEWER)
        handlers.get("/routes/status", self.status, Role.VIEWER)
        handlers.get("/routes/test", self.test, Role.VIEWER)
        handlers.post("/routes/pause", self.pause, Role.OPERATOR, "pause or resume a route")

    async def routes(self, request: web.Request) -> web.Response:
        site = await self._observer.read(self._site)
        routes = tuple(_route_view(key, one) for key, one in site.routes.items())
        return as_json(RouteList(routes, await self._pauses()))

    async def status(self, request: web.Request) -> web.Response:
        return as_json(await self._delivery.view())

    async def test(self, request: web.Request) -> web.Response:
        address = request.query.get("address", "")
        try:
            address = parse_address(address)
        except Refused as refused:
            hint = 'write "user@example.org"'
            raise BadRequest(f"{address!r}: {refused.reply.text}", hint) from None
        site = await self._observer.read(self._site)
        return as_json(tested(address, site.table(), await self._pauses()))

    async def pause(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), PauseChange)
        note(request, what=body.what, paused=body.paused, reason=body.reason)
        if len(body.reason) > REASON_LIMIT:
            raise BadRequest("the reason is too long", f"{REASON_LIMIT} characters at most")
        try:
            name = paused_name(body.what)
        except Wrong as error:
            raise BadRequest(str(error), error.hint) from None
        value = None
        if body.paused:
            value = msgspec.json.encode(Pause(body.reason, user(request), self._wall()))
        elif name not in await self._observer.read(self._stored.table, TABLE):
            raise LookupError(f"{name} is not paused")
        await self._registers.put_registers(((TABLE, name, value),), body.while_alone)
        site = await self._observer.read(self._site)
        routes = tuple(_route_view(key, one) for key, one in site.routes.items())
        return as_json(RouteList(routes, await self._pauses()))

    async def _pauses(self) -> tuple[PauseView, ...]:
        return pause_views(await self._observer.read(self._stored.table, TABLE))


def tested(address: str, routes: Routes, paused: tuple[PauseView, ...]) -> RouteTest:
    """Which way a recipient's mail takes, and why."""
    route, key = routes.resolve(address), routes.matched(address)
    transport = route.transport
    hops = tuple(map(str, transport.next_hops)) if isinstance(transport, Smtp) else ()
    names = {domain_key(address), *hops}
    if isinstance(transport, Mx):
        names.add(f"mx:{domain_key(address)}")
    return RouteTest(
        address=address,
        key=key,
        transport=type(transport).__name__.lower(),
        destination=route.destination,
        next_hops=hops,
        pool=transport.pool.name if isinstance(transport, Smtp) and transport.pool else None,
        tls=tuple(_tls(route)),
        mailbox=transport.name if isinstance(transport, Mailbox) else None,
        reply=str(transport.reply) if isinstance(transport, Bounce) else "",
        paused=tuple(one.what for one in paused if one.what in names),
        why=_why(key, route),
    )


def _tls(route: Route) -> Iterator[str]:
    transport = route.transport
    if isinstance(transport, Mx):
        yield transport.tls.level
    elif isinstance(transport, Smtp):
        yield from dict.fromkeys(hop.tls.level for hop in transport.next_hops)


def _why(key: str, route: Route) -> str:
    if not key:
        if isinstance(route.transport, Bounce):
            return "no user has the address, and no route is meant for it"
        return "it is the site's own"
    if key == "*":
        return 'the route "*", for everything that no other route is meant for'
    if isinstance(route.transport, Mailbox) and "@" in key:
        return f"the address {key} has a mailbox here"
    return f'the route "{key}" is the most exact one'


def _route_view(key: str, route: RouteSettings) -> RouteView:
    return RouteView(
        key=key,
        transport=route.transport,
        next_hops=tuple(map(str, route.next_hops)),
        mx=route.mx,
        pool=None if route.pool is None else str(route.pool),
        tls=route.tls,
        mailbox=None if route.mailbox is None else str(route.mailbox),
    )
