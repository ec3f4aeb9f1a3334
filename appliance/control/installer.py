"""Installing from the live system, over the control API of a machine that is no node yet."""

from __future__ import annotations

from aiohttp import web

from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.helper import Helper
from appliance.control.http import as_json, decoded, user
from appliance.control.roles import Role
from appliance.ipc.installer import (
    Disks,
    GetDisks,
    GetInstallation,
    Installation,
    StartInstallation,
)


class InstallerApi:
    """The handlers."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        chief = Role.ADMINISTRATOR
        handlers.get("/machine/disks", self.disks, chief)
        handlers.get("/machine/install", self.installation, chief)
        handlers.post("/machine/install", self.start, chief, "install to a disk")

    async def disks(self, request: web.Request) -> web.Response:
        return as_json(await self._helper.ask(GetDisks(), Disks, user(request)))

    async def installation(self, request: web.Request) -> web.Response:
        return as_json(await self._helper.ask(GetInstallation(), Installation, user(request)))

    async def start(self, request: web.Request) -> web.Response:
        wanted = decoded(await request.read(), StartInstallation)
        note(request, disk=wanted.disk, keep=str(wanted.keep))
        return as_json(await self._helper.ask(wanted, Installation, user(request)))
