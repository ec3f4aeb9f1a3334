"""TLS over the control API: certificates and authorities, as they are and as they are to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded
from appliance.control.observer import Observer
from appliance.control.roles import Role
from appliance.control.schema import Done, TlsForget, TlsImport, TlsRenew
from appliance.mail.tls_views import TlsView

Values = Sequence[tuple[str, str, bytes | None]]


class TlsDesk(Protocol):
    """Reads what there is and says what to write, for one thread at a time.

    Raises `Unavailable`, OSError; `mail.reply.Refused` for what cannot be used.
    """

    def view(self) -> TlsView:
        """How it is now."""

    def exported(self, form: str) -> bytes:
        """The authority's certificates, "pem" or "der"; raises LookupError if there are none."""

    def imported(self, certificates: str, key: str) -> tuple[Values, str]:
        """The registers that make use of them, and in words what for."""

    def forgotten(self, name: str) -> Values:
        """The registers that end the use of what was imported; raises LookupError."""

    def renewed(self, authority: bool) -> Values:
        """The registers that make nodes issue new certificates, or the site's authority anew."""


class Registers(Protocol):
    """The mail process, over `run/mail.sock`. Raises `Unavailable` when it does not answer."""

    async def put_registers(self, values: Values, while_alone: bool) -> None:
        """Write registers, all or none; durable when it returns. Raises `mail.reply.Refused`."""


class TlsApi:
    """The handlers of the Unix socket that are about TLS."""

    def __init__(self, observer: Observer, desk: TlsDesk, registers: Registers) -> None:
        self._observer = observer
        self._desk = desk
        self._registers = registers

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/tls", self.view, Role.VIEWER)
        handlers.get("/tls/ca", self.authority, Role.VIEWER)
        handlers.post("/tls/import", self.take, Role.ADMINISTRATOR, "import certificates")
        handlers.post("/tls/forget", self.forget, Role.ADMINISTRATOR, "forget certificates")
        handlers.post("/tls/renew", self.renew, Role.ADMINISTRATOR, "renew certificates")

    async def view(self, request: web.Request) -> web.Response:
        return as_json(await self._observer.read(self._desk.view))

    async def authority(self, request: web.Request) -> web.Response:
        form = request.query.get("format", "pem")
        if form not in ("pem", "der"):
            raise BadRequest(f"format {form!r}", "known: pem, der")
        body = await self._observer.read(self._desk.exported, form)
        kind = "application/pem-certificate-chain" if form == "pem" else "application/pkix-cert"
        return web.Response(body=body, content_type=kind)

    async def take(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), TlsImport)
        values, said = await self._observer.read(self._desk.imported, body.certificates, body.key)
        await self._registers.put_registers(values, body.while_alone)
        return as_json(Done(said))

    async def forget(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), TlsForget)
        note(request, name=body.name)
        values = await self._observer.read(self._desk.forgotten, body.name)
        await self._registers.put_registers(values, body.while_alone)
        return as_json(Done("It is used no more."))

    async def renew(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), TlsRenew)
        note(request, authority=body.authority)
        values = await self._observer.read(self._desk.renewed, body.authority)
        await self._registers.put_registers(values, body.while_alone)
        said = "Both nodes issue themselves new certificates."
        if body.authority:
            said = "The site has a new authority. Export it: clients that know the old one fail."
        return as_json(Done(said))
