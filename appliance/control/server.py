"""The control API: everything on a Unix socket, /health and /metrics on TCP.

Who may: on the Unix socket see `access` and `handlers`; on TCP, the configured networks, none by
default. docs/json.md describes paths and bodies.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from itertools import islice

from aiohttp import web

from appliance.config.units import Address, IpNetwork
from appliance.control import schema
from appliance.control.audit import note
from appliance.control.handlers import Handler, Handlers, failures
from appliance.control.http import BadRequest, as_json, decoded, failed, user
from appliance.control.metrics import exposition
from appliance.control.observer import Observer
from appliance.control.protocols import Commands
from appliance.control.roles import Role
from appliance.control.schema import PAGE_LIMIT, TARGETS_LIMIT
from appliance.control.status import health
from appliance.ipc.mail import Target
from appliance.mail.address import parse_address
from appliance.mail.reply import Refused
from appliance.mail.views import CommandResult, QueueFilter, RecipientStatus

_DEFAULT_PAGE = 100


class Api:
    """The handlers of the Unix socket."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/status", self.status, Role.VIEWER)
        handlers.get("/queue", self.queue, Role.VIEWER)
        handlers.get("/queue/{id}", self.message, Role.VIEWER)
        handlers.get("/messages/{id}/content", self.content, Role.OPERATOR)
        handlers.post("/queue/{action}", self.command, Role.OPERATOR, "{action} messages")
        handlers.get("/mailboxes", self.mailboxes, Role.VIEWER)
        handlers.get("/mailboxes/{name}", self.mailbox, Role.VIEWER)
        handlers.post("/pair/take-over", self.take_over, Role.OPERATOR, "take over")
        handlers.post("/failover/switchover", self.switch_over, Role.OPERATOR, "switch over")
        handlers.post("/failover/maintenance", self.maintain, Role.OPERATOR, "maintenance")
        handlers.post("/salvage", self.salvage, Role.ADMINISTRATOR, "salvage")

    async def status(self, request: web.Request) -> web.Response:
        return as_json(await self._observer.status())

    async def queue(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            wanted = QueueFilter(
                status=tuple(RecipientStatus(one) for one in query.getall("status", [])),
                sender=query.get("sender", ""),
                recipient=query.get("recipient", ""),
                text=query.get("text", ""),
                ended=query.get("ended") == "1",
            )
        except ValueError as error:
            raise BadRequest(str(error), f"known: {', '.join(RecipientStatus)}") from None
        reader = self._observer.reader
        return as_json(
            await self._observer.ask(reader.queue, wanted, _limit(query), query.get("after", ""))
        )

    async def message(self, request: web.Request) -> web.Response:
        reader = self._observer.reader
        return as_json(await self._observer.ask(reader.message, request.match_info["id"]))

    async def content(self, request: web.Request) -> web.StreamResponse:
        observer = self._observer
        chunks = await observer.read(observer.reader.chunks, request.match_info["id"])
        # The first block before the header: a message that is not there is a 404.
        block = await observer.read(lambda: list(islice(chunks, 1)))
        response = web.StreamResponse(headers={"Content-Type": "message/rfc822"})
        await response.prepare(request)
        while block:
            await response.write(block[0])
            block = await observer.read(lambda: list(islice(chunks, 1)))
        await response.write_eof()
        return response

    async def mailboxes(self, request: web.Request) -> web.Response:
        found = await self._observer.ask(self._observer.reader.mailboxes)
        return as_json(schema.MailboxList(tuple(found)))

    async def mailbox(self, request: web.Request) -> web.Response:
        query, name = request.query, request.match_info["name"]
        reader = self._observer.reader
        order = query.get("order", "oldest")
        if order not in ("oldest", "newest"):
            raise BadRequest(f"order {order!r}", "known: oldest, newest")
        place = _limit(query), query.get("after", "")
        return as_json(await self._observer.ask(reader.mailbox, name, *place, order == "newest"))

    async def command(self, request: web.Request) -> web.Response:
        action = request.match_info["action"]
        body = decoded(await request.read(), schema.Command)
        if not 0 < len(body.targets) <= TARGETS_LIMIT:
            raise BadRequest(f"{len(body.targets)} targets", f"name 1 to {TARGETS_LIMIT} messages")
        if action == "redirect":
            _check_address(body.address)
        note(request, messages=len(body.targets), first=body.targets[0].queue_id)
        if body.address:
            note(request, to=body.address)
        results = await _carry_out(self._observer.commands, action, body, user(request))
        return as_json(schema.CommandAnswer(tuple(results)))

    async def take_over(self, request: web.Request) -> web.Response:
        text = await self._observer.commands.take_over(user(request))
        return as_json(schema.Done(text))

    async def switch_over(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), schema.Switchover)
        note(request, here=body.here, force=body.force)
        moves = self._observer.moves
        if body.here:
            text = await moves.fetch(body.vrid, body.force)
        else:
            text = await moves.switch_over(body.vrid, body.force, user(request))
        return as_json(schema.Done(text))

    async def maintain(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), schema.Maintenance)
        note(request, on=body.on, force=body.force)
        text = await self._observer.moves.maintain(body.on, body.force, user(request))
        return as_json(schema.Done(text))

    async def salvage(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), schema.SalvageRequest)
        note(request, disk=body.disk)
        return as_json(await self._observer.commands.salvage(body.disk, user(request)))


class Public:
    """The handlers of the TCP listeners."""

    def __init__(self, observer: Observer, trusted: Sequence[IpNetwork]) -> None:
        self._observer = observer
        self._trusted = trusted

    def application(self) -> web.Application:
        """The routes, behind the check of who asks."""
        application = web.Application(middlewares=[failures, self._configured_networks])
        application.add_routes([web.get("/health", self.health), web.get("/metrics", self.metrics)])
        return application

    async def health(self, request: web.Request) -> web.Response:
        answer = health(await self._observer.mail(), self._observer.moves.maintenance)
        return as_json(answer, 200 if answer.ok else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        text, content_type = exposition(await self._observer.snapshot(ages=True))
        return web.Response(body=text, headers={"Content-Type": content_type})

    @web.middleware
    async def _configured_networks(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        client = _address(request.remote)
        if client is None or not any(client in network for network in self._trusted):
            hint = "add the network to [http] status in node.toml"
            return failed(request, 403, "forbidden", "not from this address", hint)
        return await handler(request)


async def _carry_out(
    commands: Commands, action: str, body: schema.Command, by: str
) -> Sequence[CommandResult]:
    targets = [Target(one.queue_id, one.recipients) for one in body.targets]
    match action:
        case "hold":
            return await commands.hold(targets, by)
        case "release":
            return await commands.release(targets, by)
        case "retry":
            return await commands.retry(targets, by)
        case "remove":
            return await commands.remove(targets, by)
        case "redirect":
            return await commands.redirect(targets, body.address, by)
    raise web.HTTPNotFound


def _address(remote: str | None) -> Address | None:
    """The client's address; an IPv4 client of an IPv6 socket as IPv4."""
    if remote is None:
        return None
    address = ipaddress.ip_address(remote.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(_DEFAULT_PAGE))
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= PAGE_LIMIT:
        raise BadRequest(f"limit {text!r}", f"a page has 1 to {PAGE_LIMIT} entries")
    return int(text)


def _check_address(address: str) -> None:
    try:
        parse_address(address)
    except Refused as refused:
        raise BadRequest(f"{address!r}: {refused.reply.text}", 'write "user@example.org"') from None
