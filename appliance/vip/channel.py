"""One heartbeat path: a UDP socket that outlives its interface."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

from appliance.config.failover import HeartbeatPath

_AGAIN = 1.0
"""Seconds until a socket that does not work is opened anew."""
_MOST_AT_ONCE = 256
"""Datagrams taken in one go: who floods this node must not keep it from its timers."""
_LONGEST = 2048
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # linux/in.h, in6.h; the socket module names neither


class Channel:
    """Sends and takes datagrams on one path; what goes wrong is in `error`, never raised."""

    def __init__(
        self,
        path: HeartbeatPath,
        loop: asyncio.AbstractEventLoop,
        on_readable: Callable[[], None],
    ) -> None:
        self.path = path
        self.error = ""
        self._loop = loop
        self._on_readable = on_readable
        self._socket: socket.socket | None = None
        self._to: Any = None
        self._opening: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin; an address that this machine does not have yet is no error."""
        self._opening = None
        self._drop()
        try:
            self._socket, self._to = _bound(self.path)
        except OSError as error:
            self._failed(error)
            return
        self.error = ""
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def send(self, data: bytes) -> None:
        """Send it, or lose it."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(data, self._to)
        except OSError as error:
            self._failed(error)
        else:
            self.error = ""

    def take(self) -> Iterator[bytes]:
        """What has arrived."""
        for _ in range(_MOST_AT_ONCE):
            if self._socket is None:
                return
            try:
                data = self._socket.recv(_LONGEST)
            except BlockingIOError:
                return
            except OSError as error:
                self._failed(error)
                return
            yield data

    def close(self) -> None:
        """End."""
        if self._opening is not None:
            self._opening.cancel()
        self._drop()

    def _failed(self, error: OSError) -> None:
        """It may pass by itself, as a full buffer does; if not, a new socket may help."""
        self.error = error.strerror or str(error)
        if self._opening is None:
            self._opening = self._loop.call_later(_AGAIN, self._retry)

    def _retry(self) -> None:
        self._opening = None
        if self.error:
            self.open()

    def _drop(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _bound(path: HeartbeatPath) -> tuple[socket.socket, Any]:
    """A socket for the path and the address of its other end; raises OSError.

    Not connected: the key of the pair says who sent a datagram, and who forged one is counted.
    """
    family, here = _numeric(path.listen.host, path.listen.port)
    _, there = _numeric(path.peer.host, path.peer.port)
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        opened.bind(here)
    except OSError:
        opened.close()
        raise
    return opened, there


def _numeric(host: str, port: int) -> tuple[int, Any]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    family, _, _, _, address = found[0]
    return family, address
