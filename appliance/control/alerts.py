"""Alerts over the control API: what stands, who knows of it, and what has ended."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.http import BadRequest, as_json, decoded, user
from appliance.control.neighbour import WORD
from appliance.control.roles import Role
from appliance.control.schema import PAGE_LIMIT
from appliance.control.schema_alerts import AcknowledgeAlert, Alerts, NodeWord, PeerAlerts
from appliance.control.watch import Watch

_LONGEST = 366 * 86_400_000


class AlertsApi:
    """The handlers. `peer` says what the other node told; `wall`: milliseconds since 1970.

    `smtp`: where this node greets clients. `routers`: virtual addresses by VRID.
    """

    def __init__(
        self,
        name: str,
        watch: Watch,
        peer: Callable[[], PeerAlerts | None],
        wall: Callable[[], int],
        smtp: tuple[str, int],
        release: str,
        routers: dict[str, tuple[str, ...]],
    ) -> None:
        self._name = name
        self._watch = watch
        self._peer = peer
        self._wall = wall
        self._smtp = smtp
        self._release = release
        self._routers = routers

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        handlers.get("/alerts", self.alerts, Role.VIEWER)
        handlers.get("/alerts/history", self.history, Role.VIEWER)
        handlers.get(WORD, self.word, Role.VIEWER)
        handlers.post(
            "/alerts/{name}/acknowledge", self.acknowledge, Role.OPERATOR, "acknowledge {name}"
        )

    async def alerts(self, request: web.Request) -> web.Response:
        return as_json(Alerts(node=self._name, alerts=self._watch.views(), peer=self._peer()))

    async def word(self, request: web.Request) -> web.Response:
        return as_json(
            NodeWord(
                node=self._name,
                clock=self._wall(),
                smtp=self._smtp,
                alerts=self._watch.views(),
                release=self._release,
                routers=self._routers,
            )
        )

    async def history(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "100")
        if not limit.isascii() or not limit.isdecimal() or not 0 < int(limit) <= PAGE_LIMIT:
            raise BadRequest(f"limit {limit!r}", f"1 to {PAGE_LIMIT}")
        return as_json(await self._watch.ended(int(limit)))

    async def acknowledge(self, request: web.Request) -> web.Response:
        body = decoded(await request.read(), AcknowledgeAlert)
        if body.lasts is not None and not 0 < body.lasts <= _LONGEST:
            raise BadRequest(f"lasts {body.lasts}", "milliseconds, a year at most; null to its end")
        key = request.match_info["name"], body.subject
        view = self._watch.acknowledge(key, user(request), body.why, body.lasts)
        await self._watch.write()
        return as_json(view)
