"""Operators over the control API."""

from __future__ import annotations

from aiohttp import web

from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import as_json, decoded, user
from appliance.control.operator_desk import OperatorDesk
from appliance.control.roles import Role
from appliance.control.schema import Done, NewPassword, WhileAlone
from appliance.control.schema_people import NewOperator, NewRole, OperatorList, OperatorView
from appliance.control.sessions import Sessions


class OperatorsApi:
    """The handlers of the Unix socket that are about operators."""

    def __init__(self, desk: OperatorDesk, sessions: Sessions) -> None:
        self._desk = desk
        self._sessions = sessions

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        least = Role.ADMINISTRATOR
        handlers.get("/operators", self.list, least)
        handlers.post("/operators", self.add, least, "add operator")
        one = "/operators/{name}"
        handlers.post(f"{one}/password", self.password, least, "set password of operator {name}")
        handlers.post(f"{one}/role", self.role, least, "set role of operator {name}")
        handlers.post(f"{one}/disable", self.disable, least, "disable operator {name}")
        handlers.post(f"{one}/enable", self.enable, least, "enable operator {name}")
        handlers.post(f"{one}/remove", self.remove, least, "remove operator {name}")

    async def list(self, request: web.Request) -> web.Response:
        found = (await self._desk.all()).values()
        views = (
            OperatorView(
                name=one.name,
                role=one.role,
                disabled=one.disabled,
                password_set_at=one.password.set_at if one.password else None,
                sessions=self._sessions.count(one.name),
            )
            for one in found
        )
        return as_json(OperatorList(tuple(views)))

    async def add(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), NewOperator)
        await self._desk.add(body.name, body.role, body.password, body.while_alone)
        note(request, name=body.name, role_given=body.role)
        return as_json(Done(f"{body.name} may log in as {body.role}"))

    async def password(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), NewPassword)
        await self._desk.password(name, body.password, body.while_alone)
        return as_json(Done(f"{name} has a new password; all sessions of {name} have ended"))

    async def role(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), NewRole)
        note(request, role_given=body.role)
        await self._desk.role(name, body.role, body.while_alone)
        return as_json(Done(f"{name} is {body.role}"))

    async def disable(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), WhileAlone)
        await self._desk.disable(name, user(request), body.while_alone)
        return as_json(Done(f"{name} may not log in any more"))

    async def enable(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), WhileAlone)
        await self._desk.enable(name, body.while_alone)
        return as_json(Done(f"{name} may log in"))

    async def remove(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], decoded(await request.read(), WhileAlone)
        await self._desk.remove(name, body.while_alone)
        return as_json(Done(f"{name} is no operator any more"))
