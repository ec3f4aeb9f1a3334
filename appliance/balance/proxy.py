"""Tells a server who the client is: headers of the PROXY protocol, version 2.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, §2.2. Pure.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_PROXY = 0x21  # version 2 and the command
_TCP4, _TCP6 = 0x11, 0x21
_PORTS = struct.Struct("!HH")

LOCAL = _SIGNATURE + b"\x20\0\0\0"
"""The header of a connection that the balancer makes for itself: a check."""


def header(client: tuple[str, int], reached: tuple[str, int]) -> bytes:
    """The header for `client`, who connected to `reached`: address and port of each.

    Both are of one socket, so of one family. An IPv4 client of an IPv6 socket is told as the
    IPv4 client it is.
    """
    source, destination = _packed(client[0]), _packed(reached[0])
    family = _TCP4 if len(source) == 4 else _TCP6
    body = source + destination + _PORTS.pack(client[1], reached[1])
    return _SIGNATURE + struct.pack("!BBH", _PROXY, family, len(body)) + body


@lru_cache(1024)
def _packed(address: str) -> bytes:
    found = ipaddress.ip_address(address.partition("%")[0])
    return (getattr(found, "ipv4_mapped", None) or found).packed
