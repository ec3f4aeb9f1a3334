"""The other node's API below `/v1/peer` of this one's."""

from __future__ import annotations

from aiohttp import web

from appliance.control.handlers import Handlers
from appliance.control.http import WHO, BadRequest
from appliance.control.peer import Peer
from appliance.control.roles import Role
from appliance.control.schema import API

_PREFIX = "/peer"


class PeerApi:
    """Passes calls on; the other node looks at the role of who asks, and audits it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def add_to(self, handlers: Handlers) -> None:
        """Add the route."""
        handlers.any(f"{_PREFIX}/{{path:.+}}", self.pass_on, Role.VIEWER)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        who = request[WHO]
        if not who.local:
            raise BadRequest("the other node's other node is the one that asks")
        path = API + request.raw_path.partition(_PREFIX)[2]
        body = await request.read()
        async with self._peer.call(request.method, path, body, who) as answer:
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.kind
            # A part may fail: what breaks off is seen to, as the length is not told.
            await response.prepare(request)
            async for part in answer.parts:
                await response.write(part)
            await response.write_eof()
            return response
