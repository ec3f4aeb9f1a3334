"""Listening sockets for clients."""

from __future__ import annotations

import socket

from appliance.config.units import Endpoint

_BACKLOG = 1024
# Linux, <linux/in6.h>; Python's socket module names neither.
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
# Accepted connections have these from the listener: a client whose machine vanished, or whose
# virtual address moved to the other node, is not kept for ever.
_QUIET, _AGAIN, _TIMES = 60, 10, 3


def listening_socket(endpoint: Endpoint, freebind: bool) -> socket.socket:
    """A socket that listens at `endpoint`; raises OSError.

    `freebind`: also while no interface has the address, so that it serves at the very moment
    when the address comes.
    """
    v6 = ":" in endpoint.host
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if v6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if freebind and v6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        elif freebind:
            sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _QUIET)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _AGAIN)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _TIMES)
        sock.bind((endpoint.host, endpoint.port))
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock
