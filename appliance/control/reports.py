"""Reports over the control API: a new one, those that are kept, the key, the pseudonyms."""

from __future__ import annotations

import asyncio

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.http import as_json, decoded
from appliance.control.reporter import Reporter
from appliance.control.roles import Role
from appliance.control.schema_reports import (
    ReportKey,
    ReportRequest,
    Reports,
    Revealed,
)
from appliance.mail.views import Unavailable
from appliance.report.signature import printed


class ReportsApi:
    """The handlers of the Unix socket that are about reports."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/reports", self.reports, Role.VIEWER)
        handlers.post("/reports", self.make, Role.OPERATOR, "make a report")
        handlers.get("/reports/key", self.key, Role.VIEWER)
        handlers.get("/reports/files/{name}", self.files, Role.VIEWER)
        handlers.get("/reports/pseudonyms/{name}", self.reveal, Role.ADMINISTRATOR)

    async def reports(self, request: web.Request) -> web.Response:
        return as_json(Reports(tuple(await asyncio.to_thread(self._reporter.kept))))

    async def make(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), ReportRequest)
        try:
            return as_json(await self._reporter.make(body.redact))
        except OSError as error:
            raise Unavailable(f"no report can be made: {error}") from error

    async def files(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return as_json(await asyncio.to_thread(self._reporter.read, name))

    async def key(self, request: web.Request) -> web.Response:
        try:
            signing = await asyncio.to_thread(self._reporter.keys.signing)
        except OSError as error:
            raise Unavailable(f"the key of reports cannot be read: {error}") from error
        return as_json(ReportKey(printed(signing.public_key())))

    async def reveal(self, request: web.Request) -> web.Response:
        pseudonym = request.match_info["name"]
        name = await asyncio.to_thread(self._reporter.keys.reveal, pseudonym)
        if name is None:
            raise LookupError(f"this node made no pseudonym {pseudonym}")
        return as_json(Revealed(pseudonym, name))
