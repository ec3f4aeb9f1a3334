"""The machine over the control API: what the root helper tells and does."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web

from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.helper import Helper
from appliance.control.http import as_json, decoded, user
from appliance.control.roles import Role
from appliance.control.schema_machine import Name, NewClock, NewNetwork
from appliance.ipc.machine import (
    Choices,
    ConfirmNetwork,
    Done,
    GetChoices,
    GetMachine,
    GetSticks,
    MachineView,
    MountStick,
    NetworkTrial,
    PowerOff,
    Reboot,
    Request,
    RestartNode,
    RevertNetwork,
    SetClock,
    SetHostName,
    SetKeyboard,
    SetNetwork,
    SetTimeZone,
    Sticks,
    StickView,
    UnmountStick,
)

T = TypeVar("T")


class MachineApi:
    """The handlers of the Unix socket that are about the machine under the node."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        get, post, chief = handlers.get, handlers.post, Role.ADMINISTRATOR
        get("/machine", self.view, Role.VIEWER)
        get("/machine/choices", self.choices, Role.VIEWER)
        get("/machine/sticks", self.sticks, Role.VIEWER)
        post("/machine/sticks/{id}/mount", self.mount, Role.OPERATOR, "mount stick {id}")
        post("/machine/sticks/{id}/unmount", self.unmount, Role.OPERATOR, "unmount stick {id}")
        post("/machine/clock", self.clock, chief, "set the clock")
        post("/machine/time-zone", self.time_zone, chief, "set the time zone")
        post("/machine/keyboard", self.keyboard, chief, "set the keyboard")
        post("/machine/host-name", self.host_name, chief, "name the machine")
        post("/machine/network", self.network, chief, "change the network")
        post("/machine/network/confirm", self.confirm, chief, "confirm the network")
        post("/machine/network/revert", self.revert, chief, "take the network back")
        post("/machine/restart-node", self.restart, chief, "restart the node")
        post("/machine/reboot", self.reboot, chief, "restart the machine")
        post("/machine/power-off", self.power_off, chief, "switch the machine off")

    async def view(self, request: web.Request) -> web.Response:
        return await self._asked(request, GetMachine(), MachineView)

    async def choices(self, request: web.Request) -> web.Response:
        return await self._asked(request, GetChoices(), Choices)

    async def sticks(self, request: web.Request) -> web.Response:
        return await self._asked(request, GetSticks(), Sticks)

    async def mount(self, request: web.Request) -> web.Response:
        return await self._asked(request, MountStick(request.match_info["id"]), StickView)

    async def unmount(self, request: web.Request) -> web.Response:
        return await self._asked(request, UnmountStick(request.match_info["id"]), Done)

    async def clock(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), NewClock)
        note(request, now=body.now)
        return await self._asked(request, SetClock(body.now), Done)

    async def time_zone(self, request: web.Request) -> web.Response:
        name = await _name(request)
        return await self._asked(request, SetTimeZone(name), Done)

    async def keyboard(self, request: web.Request) -> web.Response:
        name = await _name(request)
        return await self._asked(request, SetKeyboard(name), Done)

    async def host_name(self, request: web.Request) -> web.Response:
        name = await _name(request)
        return await self._asked(request, SetHostName(name), Done)

    async def network(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), NewNetwork)
        for one in body.interfaces:
            addresses = " ".join((*one.addresses, f"gateway {one.gateway or 'none'}"))
            note(request, **{one.name: addresses})
        note(request, trial=body.trial)
        return await self._asked(request, SetNetwork(body.interfaces, body.trial), NetworkTrial)

    async def confirm(self, request: web.Request) -> web.Response:
        return await self._asked(request, ConfirmNetwork(), Done)

    async def revert(self, request: web.Request) -> web.Response:
        return await self._asked(request, RevertNetwork(), Done)

    async def restart(self, request: web.Request) -> web.Response:
        return await self._asked(request, RestartNode(), Done)

    async def reboot(self, request: web.Request) -> web.Response:
        return await self._asked(request, Reboot(), Done)

    async def power_off(self, request: web.Request) -> web.Response:
        return await self._asked(request, PowerOff(), Done)

    async def _asked(self, request: web.Request, wanted: Request, answer: type[T]) -> web.Response:
        return as_json(await self._helper.ask(wanted, answer, user(request)))


async def _name(request: web.Request) -> str:
    name = decoded(await request.read(), Name).name
    note(request, name=name)
    return name
