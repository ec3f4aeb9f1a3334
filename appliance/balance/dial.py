"""Connections to servers, from this node's own address."""

from __future__ import annotations

import asyncio
import socket

from appliance.config.units import Endpoint

# Linux, <netinet/in.h>; Python 3.12 has a name for it. The port is chosen when the destination is
# known, so that there are as many for each server, not for all of them together.
_IP_BIND_ADDRESS_NO_PORT = 24
# A server that loses power says nothing: after these many milliseconds and seconds without an
# answer of its kernel, however busy its SMTP server is, the connection is given up.
_UNANSWERED = 10_000
_QUIET, _AGAIN, _TIMES = 5, 2, 3


async def dial(server: Endpoint, source: str) -> socket.socket:
    """A socket connected to `server`, from the address `source`; raises OSError.

    A server of another family than `source` is reached from wherever the kernel chooses.
    """
    family = _family(server.host)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _watch(sock)
        if _family(source) == family:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, (server.host, server.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _watch(sock: socket.socket) -> None:
    """Have the kernel find out when the machine at the other end is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _QUIET)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _AGAIN)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _TIMES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED)
