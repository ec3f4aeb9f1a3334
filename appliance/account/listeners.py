"""Listeners of one HTTP application, with a certificate that changes under them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import cast

from aiohttp import web

from appliance.config.units import Endpoint
from appliance.monitor.events import Emit, Event

_LIFE = 30.0
"""Seconds for a connection, whatever it does: long enough to read and answer a form."""
_HANDSHAKE = 10.0
_CROWD = 200
"""Connections at one moment; a browser needs one for each form."""


class Listeners:
    """Serves what `runner` runs; in TLS if there is a `context`.

    `bind` makes a socket that listens; True: even while this machine lacks the address.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        bind: Callable[[Endpoint, bool], socket.socket],
        emit: Emit,
        context: ssl.SSLContext | None = None,
    ) -> None:
        assert runner.server is not None
        self._server = runner.server
        self._bind = bind
        self._emit = emit
        self._context = context
        self._open: dict[Endpoint, asyncio.Server] = {}

    @property
    def listening(self) -> Mapping[Endpoint, tuple[str, int]]:
        """Where clients are taken: what was asked for, and host and port as bound."""
        return {
            wanted: server.sockets[0].getsockname()[:2] for wanted, server in self._open.items()
        }

    async def listen(self, endpoint: Endpoint, freebind: bool = False) -> None:
        """Take clients there; `freebind`: even while this machine lacks it; raises OSError."""
        sock = self._bind(endpoint, freebind)
        self._open[endpoint] = await asyncio.get_running_loop().create_server(
            self._accepted,
            sock=sock,
            ssl=self._context,
            ssl_handshake_timeout=_HANDSHAKE if self._context is not None else None,
        )
        host, port = sock.getsockname()[:2]
        self._emit(Event.ACCOUNT_LISTENING, address=host, port=port)

    def unlisten(self, endpoint: Endpoint) -> None:
        """Take no more clients there."""
        self._open.pop(endpoint).close()
        self._emit(Event.ACCOUNT_CLOSED, address=endpoint.host, port=endpoint.port)

    def close(self) -> None:
        """Take no more clients anywhere."""
        for endpoint in tuple(self._open):
            self.unlisten(endpoint)

    def _accepted(self) -> asyncio.Protocol:
        if len(self._server.connections) >= _CROWD:
            return _Refusal()
        handler = self._server()
        asyncio.get_running_loop().call_later(_LIFE, handler.force_close)
        return handler


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        cast(asyncio.Transport, transport).abort()


def changing(current: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """A context for listeners that hands each connection over to the `current` one."""
    context = current()

    def hand_over(
        connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, given: ssl.SSLContext
    ) -> None:
        connection.context = current()

    context.sni_callback = hand_over
    return context
