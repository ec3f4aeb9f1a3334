"""Logging in and out over the control API, and changing one's own password."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from appliance.control.access import Access, bearer
from appliance.control.audit import note
from appliance.control.handlers import Handlers
from appliance.control.http import WHO, Forbidden, TooOften, Unauthorized, as_json, decoded
from appliance.control.operator_desk import OperatorDesk
from appliance.control.operators import Operator, valid
from appliance.control.roles import Role
from appliance.control.schema import Done
from appliance.control.schema_people import Login, OpenedSession, OwnPassword, SessionView
from appliance.control.sessions import Sessions
from appliance.mail.views import Unavailable


class Throttle(Protocol):
    """Counts wrong passwords; `client` is who tries them."""

    def attempt(self, now: int, client: str, user: str) -> int:
        """0: one may be tried, and counts as wrong until `succeeded`; else ms to wait."""

    def undone(self, client: str, user: str) -> None:
        """It was not tried after all."""

    def succeeded(self, client: str, user: str) -> None:
        """It was right."""


class SessionsApi:
    """The handlers of the Unix socket that are about whoever calls."""

    def __init__(
        self,
        desk: OperatorDesk,
        sessions: Sessions,
        throttle: Throttle,
        clock: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._sessions = sessions
        self._throttle = throttle
        self._clock = clock
        self._turn = asyncio.Lock()

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/sessions/current", self.view, None)
        handlers.post("/sessions", self.open, None, "log in")
        handlers.delete("/sessions/current", self.close, Role.VIEWER, "log out")
        handlers.post("/sessions/current/password", self.password, Role.VIEWER, "set own password")

    async def view(self, request: web.Request) -> web.Response:
        who = request[WHO]
        first_run = not await self._desk.all()
        return as_json(
            SessionView(name=who.name, role=who.role, session=who.session, first_run=first_run)
        )

    async def open(self, request: web.Request) -> web.Response:
        if not request[WHO].local:
            raise Forbidden("one logs in at the node where one is")
        body = decoded(await request.read(), Login)
        operator = await self._right(request, body.name, body.password)
        assert operator.role is not None
        token = self._sessions.open(operator)
        return as_json(
            OpenedSession(
                token=token, name=operator.name, role=operator.role, idle=self._sessions.idle
            )
        )

    async def close(self, request: web.Request) -> web.Response:
        self._sessions.close(self._token(request))
        return as_json(Done("You are logged out."))

    async def password(self, request: web.Request) -> web.Response:
        token, name = self._token(request), request[WHO].name
        body = decoded(await request.read(), OwnPassword)
        await self._right(request, name, body.old)
        operator = await self._desk.password(name, body.new, body.while_alone)
        self._sessions.changed(token, operator)
        return as_json(Done("You have a new password; your other sessions have ended."))

    async def _right(self, request: web.Request, name: str, password: str) -> Operator:
        """The operator whose password it is; raises Unauthorized, TooOften."""
        operator = (await self._desk.all()).get(name)
        # People type their password where their name belongs: what is no name isn't told.
        note(request, by=name if operator else "")
        client, name = Access.client(request), name if valid(name) else ""
        async with self._turn:  # each is counted before the next is tried
            if wait := self._throttle.attempt(self._clock(), client, name):
                hint = f"wait {wait // 1000 + 1} seconds"
                raise TooOften("too many wrong passwords", hint)
            try:
                right = await self._desk.fits(operator, password)
            except Unavailable:
                self._throttle.undone(client, name)
                raise
        if not right or operator is None:
            raise Unauthorized("name or password is wrong", "an administrator can set another one")
        self._throttle.succeeded(client, name)
        return operator

    def _token(self, request: web.Request) -> str:
        token = bearer(request)
        if token is None or not request[WHO].session:
            raise Forbidden("only in a session", "log in first")
        return token
